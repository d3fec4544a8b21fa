"""What the flaky page says in sentences: its headline, and the rule by which verdicts come about.

Called by `dashboard.views.flaky`. Promise: what vanished is told in the past, and the rule names the numbers that
decide in the order they decide in (`tests/dashboard/test_flaky_queries.py`).
"""

from django.utils.text import capfirst

from dashboard.queries.flaky import FlakyPage
from dashboard.queries.verdicts import Verdict
from dashboard.templatetags.display import count_in_words, in_words, plain, shorten
from health.rules.flakiness import MASS_MIN_EXECUTED, MASS_SHARE, MIN_BRANCHES, MIN_FLIPS, MIN_RAN, MOST_LUCK
from health.windows import N_JOBS


def write_flaky(page: FlakyPage) -> str:
    """What stands on the page, in one sentence: of tests that still run, and what was flaky until it vanished."""
    if page.windows.run is None:
        return "No run has been judged yet."
    flaky, broken, unclear = map(page.count_running, (Verdict.FLAKY, Verdict.BROKEN, Verdict.UNCLEAR))
    lane, n_gone = plain(page.scope.title), page.counts_gone.get(Verdict.FLAKY, 0)
    said = f"No test{' that still runs' if n_gone else ''} is flaky on {lane}"
    if flaky:
        are = "is" if flaky == 1 else "are"
        said = f"{count_in_words(flaky, 'test')} {are} flaky on {lane}{_name_only_family(page, flaky)}"
    if n_gone:
        said += f"; {in_words(n_gone)}{' more' if flaky else ''} {'was' if n_gone == 1 else 'were'}"
        said += f"{'' if page.is_one_end else ', the last'} until run {page.flaky_until}"
        said += _name_only_family(page, n_gone, is_gone=True)
    if broken:
        said += (
            f"{'; ' if flaky or n_gone else ', but '}{in_words(broken)} {'is' if broken == 1 else 'are'} simply broken"
        )
    if unclear and not broken:
        said += f"; for {in_words(unclear)} there is not enough data yet"
    return f"{capfirst(said)}."


def write_rule() -> tuple[str, ...]:
    """How verdicts come about, with their numbers, in sentences."""
    first = (
        f"The newest {N_JOBS} runs of each job count, on one branch. The first of these that fits is the verdict. Not"
        f" enough data: there are fewer than {MIN_RAN} results. Broken: it breaks in its newest runs, and bad luck"
        f" would give so many in a row in fewer than {MOST_LUCK * 100:.0f} of 100 cases."
    )
    then = (
        "Flaky: it passed on a retry, or passed and broke on one commit, or broke, recovered and broke again:"
        f" {MIN_FLIPS} times from passed to broken. Sound again: it broke once and recovered, and none of that was ever"
        " seen of it. Whatever is left has not enough data either."
    )
    left_out = (
        "Of pull requests and short-lived branches, flips do not count, and a retry or disagreement has to be seen on"
        f" {MIN_BRANCHES} branches: one broken branch makes no test flaky. A run in which {MASS_SHARE * 100:.0f}\u00a0%"
        f" or more of at least {MASS_MIN_EXECUTED} executed tests broke is left out."
    )
    rate = (
        "A rate is of executed results; a skipped test is no evidence. Behind it stands where the true rate lies in 95"
        " of 100 such cases. A test that stopped running keeps what was seen of it, behind those that still run."
    )
    return (first, then, left_out, rate)


def _name_only_family(page: FlakyPage, n_flaky: int, *, is_gone: bool = False) -> str:
    """Where all of them are one family, its name."""
    flaky = [f for f in page.families if f.verdict == Verdict.FLAKY and (f.gone is not None) == is_gone]
    if page.n_before or len(flaky) != 1 or page.n_families > len(page.families):
        return ""
    (family,) = flaky
    if n_flaky == 1 or not family.case.is_parametrised:
        return f": {plain(shorten(family.case.name, 80))}" if n_flaky == 1 else ""
    return f", {'both' if n_flaky == 2 else 'all'} of them cases of {plain(shorten(family.case.family, 80))}"

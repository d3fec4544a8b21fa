"""Claimed fixes: rates before and since each, and what silence is worth."""

from datetime import timedelta

import pytest

from dashboard.queries.claimed_fixes import Claim, Outcome, lay_out_epochs, tell_since
from health.rules import outcomes as codes
from tests.scenes import at


def a_claim(hour: float, *, run: int | None = None, pk: int = 1) -> Claim:
    place = (at(run), at(run), run) if run is not None else None
    return Claim(pk=pk, ord=0, commit="c" * 40, note="", claimed_at=at(hour), claimed_by="ann", run=run, place=place)


def a_line(*words: str) -> list[Outcome]:
    codes_of = {"p": codes.PASS, "f": codes.FAIL, "r": codes.PASS_ON_RETRY}
    return [Outcome((at(hour), at(hour), hour), codes_of[word]) for hour, word in enumerate(words)]


def test_nobody_claimed_anything() -> None:
    assert lay_out_epochs([], a_line("p", "f")) == ()


def test_a_claim_divides_what_ran_before_from_what_ran_with_it() -> None:
    before, since = lay_out_epochs([a_claim(99, run=4)], a_line("p", "f", "p", "f", "p", "p", "p"))
    assert (before.n_bad, before.n_ran, before.rate) == (
        2,
        4,
        "2 of 4 runs, 50\u00a0%; 15 to 85\u00a0% with 95\u00a0% confidence",
    )
    assert (since.n_bad, since.n_ran) == (0, 3)
    assert since.told == "If nothing had changed, 3 silent runs would happen by luck in 12 of 100 cases."


def test_while_no_run_of_its_commit_is_known_the_time_of_the_claim_counts() -> None:
    before, since = lay_out_epochs([a_claim(2.5)], a_line("f", "f", "f", "p", "r"))
    assert (before.n_bad, before.n_ran, since.n_bad, since.n_ran) == (3, 3, 1, 2)
    assert since.told == "It broke again in 1 of 2 runs since: not fixed."


def test_each_claim_begins_an_epoch_of_its_own() -> None:
    epochs = lay_out_epochs([a_claim(9, run=2), a_claim(10, run=4, pk=2)], a_line("f", "f", "p", "f", "p", "p"))
    assert [(epoch.n_bad, epoch.n_ran) for epoch in epochs] == [(2, 2), (1, 2), (0, 2)]
    assert epochs[2].told == "If nothing had changed, 2 silent runs would happen by luck in 25 of 100 cases."


@pytest.mark.parametrize(
    ("n_ran", "n_bad", "before", "said"),
    [
        (0, 0, (3, 10), "No run since, so nothing is known yet."),
        (1, 0, (1, 4), "If nothing had changed, one silent run would happen by luck in 75 of 100 cases."),
        (12, 0, (1, 4), "If nothing had changed, 12 silent runs would happen by luck in 3 of 100 cases."),
        (20, 0, (1, 4), "If nothing had changed, 20 silent runs would happen by luck in 3 of 1,000 cases."),
        (60, 0, (1, 2), "If nothing had changed, 60 silent runs would happen by luck in at most 1 of 1,000 cases."),
        (1, 0, (1, 900), "If nothing had changed, one silent run would happen by luck in all of 100 cases."),
        (1, 1, (1, 4), "It broke again in 1 of 1 run since: not fixed."),
        (
            *(5, 0, (0, 0)),
            "It did not break before the claim in the runs that are kept, so its silence says nothing.",
        ),
    ],
)
def test_what_silence_is_worth(n_ran: int, n_bad: int, before: tuple[int, int], said: str) -> None:
    assert tell_since(n_ran=n_ran, n_bad=n_bad, before=before) == said


def test_a_result_at_the_claimed_commit_s_first_run_counts_as_since() -> None:
    claim = a_claim(0, run=3)
    assert claim.covers(Outcome((at(3), at(3), 3), codes.PASS))
    assert not claim.covers(Outcome((at(3) - timedelta(seconds=1), at(3), 2), codes.PASS))

"""What was concluded of cases, with the rate in words: how often, of how many, and how sure that is.

Used by the queries of flaky, case and what needs attention. A rate never stands without its denominator and interval.
Promise: one statement (`tests/dashboard/test_flaky_queries.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Final

from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import count_of
from health.models import CaseVerdict, Project
from health.rules import outcomes as codes
from health.rules.flakiness import wilson_interval

Verdict = CaseVerdict.Verdict

# In the order they are shown in: what this page is named for first.
RANK: Final = {Verdict.FLAKY: 0, Verdict.BROKEN: 1, Verdict.UNCLEAR: 2, Verdict.SOUND: 3}
MARKS: Final = {Verdict.FLAKY: "flaky", Verdict.BROKEN: "fail", Verdict.UNCLEAR: "open", Verdict.SOUND: "pass"}
# What a case that does not plainly pass ends with.
BAD: Final = codes.BROKEN | {codes.PASS_ON_RETRY}
COLUMNS: Final = (
    "v.series, v.ord, v.verdict, v.n_ran, v.n_broken, v.n_retried, v.n_disagreed, v.n_flips, v.n_streak,"
    " v.last_broken_run, v.last_run"
)

# Whether a judged case `v` stopped running: `x` is null for one that still runs.
JOIN_GONE: Final = """
LEFT JOIN health_serieswindow w ON w.project_id = v.project_id AND w.series = v.series
LEFT JOIN health_vanishedcase x ON x.project_id = v.project_id AND x.series = v.series AND x.ord = v.ord
    AND v.last_run <> w.last_run
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a series' window says of a case. Counts are of executed results, since the last claimed fix."""

    series: int
    ord: int
    verdict: str
    n_ran: int
    n_broken: int
    n_retried: int
    n_disagreed: int
    n_flips: int
    n_streak: int
    last_broken_run: int | None
    last_run: int

    @property
    def n_bad(self) -> int:
        """How often it did not plainly pass."""
        return self.n_broken + self.n_retried

    @property
    def mark(self) -> str:
        """The mark's name."""
        return MARKS[Verdict(self.verdict)]

    @property
    def word(self) -> str:
        """The verdict in words."""
        return str(Verdict(self.verdict).label)

    @property
    def rate_low(self) -> float:
        """The lower end of the interval its true rate lies in."""
        return wilson_interval(self.n_bad, self.n_ran)[0]

    @property
    def rate_high(self) -> float:
        """The upper end."""
        return wilson_interval(self.n_bad, self.n_ran)[1]

    @property
    def rate(self) -> str:
        """How often, in words, as `write_rate` says it."""
        return write_rate(self.n_bad, self.n_ran, noun="run")


@dataclass(frozen=True, slots=True)
class Gone:
    """That a case stopped running: the newest run that holds it, the first one without it, and why that may be."""

    last_run: int
    gone_run: int
    suspicion: str


def write_rate(part: int, whole: int, *, noun: str) -> str:
    """A rate with what it is of and its interval: "3 of 10 runs, 30 %; 10 to 61 % with 95 % confidence"."""
    if not whole:
        return f"no {noun} yet"
    seen = f"{part:,} of {count_of(whole, noun)}, {_write_share(part, whole)}"
    return f"{seen}; {write_interval(part, whole)} with 95\u00a0% confidence"


def _write_share(part: int, whole: int) -> str:
    """In whole per cent; what is neither none nor all is not said to be."""
    if 0 < part * 200 < whole:
        return "under 1\u00a0%"
    if 0 < (whole - part) * 200 <= whole:
        return "over 99\u00a0%"
    return f"{(part * 200 + whole) // (2 * whole)}\u00a0%"


def write_interval(part: int, whole: int) -> str:
    """Where the true rate lies in 95 of 100 such cases, in whole per cent, never narrower than it is."""
    low, high = wilson_interval(part, whole)
    return f"{floor(round(low * 100, 6))} to {ceil(round(high * 100, 6))}\u00a0%"


def read_verdicts(project: Project, *, series: Iterable[int], ords: Sequence[int]) -> list[Judged]:
    """What was concluded of these cases in these series."""
    return [Judged(*row) for row in _fetch(project, series, ords)]


def _fetch(project: Project, series: Iterable[int], ords: Sequence[int]) -> list[tuple[Any, ...]]:
    return fetch_rows(_OF_CASES_SQL, {"project": project.pk, "series": sorted(series), "ords": list(ords)})


_OF_CASES_SQL: Final = f"""
SELECT {COLUMNS} FROM health_caseverdict v
WHERE v.project_id = %(project)s AND v.series = ANY(%(series)s) AND v.ord = ANY(%(ords)s)
ORDER BY v.series, v.ord
"""  # noqa: S608 - the columns are a constant

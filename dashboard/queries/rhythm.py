"""How often a project's deliveries arrive, and whether it has fallen silent.

Used by the overview, the uploads page and the list of projects. What counts is when something arrived, not when it
ran: an import of old results is one day of arrival. Samples never fall silent.
Promise: one statement for any number of projects (`tests/dashboard/test_rhythm.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import in_words

_N_DAYS: Final = 20  # of arrival: enough for a rhythm, few enough to follow a change of it
_N_UPLOADS: Final = 200  # whoever sends so many within two days sends every day
_PATIENCE: Final = 3
_SHORTEST_SILENCE: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Silence:
    """That nothing came for longer than the project's own rhythm explains."""

    since: datetime
    days: int
    usual_days: float

    @property
    def sentence(self) -> str:
        """What a colleague would say."""
        return f"No upload for {self.days:,} days; {self.usual}."

    @property
    def usual(self) -> str:
        """The rhythm in words."""
        days = round(self.usual_days)
        return f"usually one every {'day' if days <= 1 else f'{in_words(days)} days'}"


def find_silent(project_ids: Sequence[int], *, now: datetime) -> Mapping[int, Silence]:
    """The projects of these that fell silent, by id."""
    values = {
        "projects": list(project_ids),
        "before": now - _SHORTEST_SILENCE,
        "n_uploads": _N_UPLOADS,
        "n_days": _N_DAYS,
    }
    found = {}
    for project_id, newest, days, n in fetch_rows(_ARRIVALS_SQL, values):
        usual = find_usual_gap(days, is_dense=n >= _N_UPLOADS)
        if usual is not None and now - newest > max(_PATIENCE * timedelta(days=usual), _SHORTEST_SILENCE):
            found[project_id] = Silence(newest, (now - newest).days, usual)
    return found


def find_usual_gap(days: Sequence[date], *, is_dense: bool) -> float | None:
    """The median of the days between days of arrival, newest first; None of fewer than three days.

    `is_dense`: there were so many uploads that no earlier day was looked at.
    """
    if len(days) < 3:
        return 1.0 if is_dense else None
    return float(median((later - earlier).days for later, earlier in pairwise(days)))


# Only projects that may have fallen silent are looked at closely: for the others it is one step into an index.
_ARRIVALS_SQL: Final = """
SELECT p.id, newest.at, arrived.days[1:%(n_days)s], arrived.n
FROM health_project p
CROSS JOIN LATERAL (
    SELECT u.received_at AS at FROM health_upload u WHERE u.project_id = p.id ORDER BY u.id DESC LIMIT 1
) newest
CROSS JOIN LATERAL (
    SELECT array_agg(DISTINCT (u.received_at AT TIME ZONE p.time_zone)::date
                     ORDER BY (u.received_at AT TIME ZONE p.time_zone)::date DESC) AS days, count(*) AS n
    FROM (SELECT received_at FROM health_upload WHERE project_id = p.id ORDER BY id DESC LIMIT %(n_uploads)s) u
) arrived
WHERE p.id = ANY(%(projects)s) AND NOT p.is_sample AND newest.at < %(before)s
"""

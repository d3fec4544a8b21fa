"""What other pages say of a case's entry in the register: its kind, since when, and the way there.

Used by the pages of runs and cases. Promise: one statement for the marks of any number of cases, none for none
(`tests/dashboard/test_entry_marks.py`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils import timezone

from dashboard.queries.deferral_facts import EntryFact, find_entry_address, read_entries
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import count_of
from health.models import Deferral, Project
from health.policies import fetch_policy
from health.sql import open_cursor

EXPECTED: Final = (Deferral.Kind.XFAIL, Deferral.Kind.QUARANTINE)  # to fail: a pass is news


@dataclass(frozen=True, slots=True)
class EntryMark:
    """An open entry of one case, or one that quarantines it by a pattern."""

    kind: str
    days: int
    url: str

    @property
    def is_quarantined(self) -> bool:
        """Whether its failures are known and tolerated; they are failures all the same."""
        return self.kind == Deferral.Kind.QUARANTINE

    @property
    def told_days(self) -> str:
        """Its age."""
        return count_of(self.days, "day")


def read_marks(project: Project, *, ords: Collection[int], now: datetime | None = None) -> dict[int, EntryMark]:
    """The open entries of these cases, by number of the case; of one without, the pattern that quarantines it."""
    if not ords:
        return {}
    today = find_today(project, now=now or timezone.now())
    values = {"project": project.pk, "ords": sorted(ords), "zone": project.time_zone}
    return {
        ord_: EntryMark(kind, max((today - opened_on).days, 0), f"{find_entry_address(project.slug)}{pk}/")
        for ord_, pk, kind, opened_on in fetch_rows(_MARKS_SQL, values)
    }


def read_entry_of_case(project: Project, number: int) -> EntryFact | None:
    """All about the entry of a case: open, the pattern that quarantines it, or closed."""
    rows = list(Deferral.objects.raw(_ENTRY_SQL, {"project": project.pk, "ord": number}))
    if not rows:
        return None
    policy, today = fetch_policy(open_cursor(), project.pk), find_today(project, now=timezone.now())
    return read_entries(project, rows, policy=policy, today=today)[0]


def find_today(project: Project, *, now: datetime) -> date:
    """The day in the project's time zone: reviews fall due with it."""
    return now.astimezone(ZoneInfo(project.time_zone)).date()


_ENTRY_SQL: Final = """
SELECT * FROM (
    SELECT * FROM health_deferral WHERE project_id = %(project)s AND ord = %(ord)s
    UNION ALL
    SELECT d.* FROM health_deferral d
    JOIN health_deferredcase n ON n.project_id = d.project_id AND n.deferral_id = d.id AND n.ord = %(ord)s
    WHERE d.project_id = %(project)s AND d.ord IS NULL AND d.kind = 'quarantine' AND d.closed_at IS NULL) told
ORDER BY closed_at IS NOT NULL, ord NULLS LAST, id LIMIT 1
"""

_MARKS_SQL: Final = """
SELECT DISTINCT ON (ord) ord, id, kind, (opened_at AT TIME ZONE %(zone)s)::date FROM (
    SELECT ord, id, kind, opened_at, 0 AS layer FROM health_deferral
    WHERE project_id = %(project)s AND ord = ANY(%(ords)s) AND closed_at IS NULL
    UNION ALL
    SELECT n.ord, d.id, d.kind, d.opened_at, 1 FROM health_deferral d
    JOIN health_deferredcase n ON n.project_id = d.project_id AND n.deferral_id = d.id AND n.ord = ANY(%(ords)s)
    WHERE d.project_id = %(project)s AND d.ord IS NULL AND d.kind = 'quarantine' AND d.closed_at IS NULL) named
ORDER BY ord, layer, id
"""

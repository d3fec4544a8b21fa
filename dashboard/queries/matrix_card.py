"""What the matrix says of one case beside its letters: how long it took in each run, in which job, and what it said.

Called by `dashboard.views.matrix` when a reader comes to a row. Promise: as many statements as a case has places to
look in, never more with more runs (`tests/dashboard/test_matrix_queries.py`).
"""

from dataclasses import dataclass
from typing import Final

from dashboard.filters import Filters
from dashboard.queries.cases import read_aliases
from dashboard.queries.matrix_window import read_window
from dashboard.queries.scope import read_scope
from dashboard.queries.sql import fetch_rows
from dashboard.queries.texts import Failed, TextPlace, read_first_lines
from dashboard.templatetags.display import duration, plain, shorten
from health.history import CaseResult, fetch_case_results
from health.models import Project
from health.rules import outcomes as codes
from health.rules.durations import UNITS_PER_SECOND
from health.sql import open_cursor

_LONGEST: Final = 240
_MOST_QUOTED: Final = 20  # newest first; each is cut out of another upload's texts


@dataclass(frozen=True, slots=True)
class CardLine:
    """One run's line."""

    took: str
    job: str  # empty where there is one job only
    said: str


def read_card(project: Project, filters: Filters, *, number: int) -> dict[int, CardLine]:
    """By run, where the case was; of several jobs that ran it, the one that ended worst."""
    scope = read_scope(project, filters)
    window = read_window(project, scope)
    jobs = [(column.run, series) for column in window.columns for series in column.series]
    aliases = read_aliases(project)
    worst: dict[int, CaseResult] = {}
    for result in fetch_case_results(open_cursor(), project.pk, ords=[number], jobs=jobs, aliases=aliases):
        held = worst.get(result.run)
        if held is None or codes.SEVERITY[result.outcome] > codes.SEVERITY[held.outcome]:
            worst[result.run] = result
    said = _read_said(project, aliases.list_members(number), worst)
    titles = scope.titles if len(scope.series) > 1 else {}
    return {
        run: CardLine(
            took=duration(result.units / UNITS_PER_SECOND) if result.outcome in codes.EXECUTED else "",
            job=plain(titles.get(result.series, "")),
            said=said.get(run, ""),
        )
        for run, result in worst.items()
    }


def _read_said(project: Project, names: tuple[int, ...], worst: dict[int, CaseResult]) -> dict[int, str]:
    """The first line of what it said in the newest runs it did not plainly pass in."""
    loud = [run for run, result in worst.items() if result.outcome not in (codes.PASS, codes.ABSENT)]
    wanted = sorted(loud, reverse=True)[:_MOST_QUOTED]
    if not wanted:
        return {}
    values = {
        "project": project.pk,
        "ords": list(names),
        "runs": wanted,
        "series": [worst[run].series for run in wanted],
    }
    failures = {
        run: Failed(kind, message, TextPlace(*place)) for run, kind, message, *place in fetch_rows(_SAID_SQL, values)
    }
    lines = read_first_lines(project.pk, failures=failures)
    return {run: shorten(plain(line), _LONGEST) for run, line in lines.items()}


_SAID_SQL: Final = """
SELECT DISTINCT ON (f.run) f.run, p.kind, p.message, f.upload, f.text_offset, f.message_length, f.text_length
FROM unnest(%(runs)s::int[], %(series)s::int[]) AS wanted(run, series)
JOIN health_failure f ON f.project_id = %(project)s AND f.run = wanted.run AND f.series = wanted.series
    AND f.ord = ANY(%(ords)s)
JOIN health_fingerprint p ON p.project_id = f.project_id AND p.fingerprint = f.fingerprint
ORDER BY f.run, f.attempt DESC, f.outcome DESC, f.sequence, f.fingerprint, f.upload DESC
"""

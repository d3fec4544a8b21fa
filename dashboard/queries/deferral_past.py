"""What became of an entry: how its case ended run by run, when it was put off before, and who changed what.

Used by the page of an entry. Promise: a bounded number of statements and rows, however long the history
(`tests/dashboard/test_deferral_queries.py`).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dashboard.queries.case_history import LaneHistory, lay_out, read_series
from dashboard.queries.deferral_facts import ENDINGS
from dashboard.queries.deferral_form import LISTS, SHAPES, write_value
from dashboard.queries.deferral_reason import write_kind
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import count_in_words
from health.models import Deferral, DeferralChange, Project
from health.rules import outcomes as codes
from health.standing import Standing

_MOST_SPANS: Final = 50
_MOST_CHANGES: Final = 100

# What was done, as the middle of "who … it".
_ACTIONS: Final[dict[str, str]] = {
    "opened": "put it off",
    "reopened": "put it off again",
    "closed": "closed it",
    "reason": "brought another reason",
    "edited": "changed it",
    "accepted": "accepted that it was put off again",
    "released": "released it",
    "named": "named it",
    "unnamed": "stopped naming it",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a job put the case off; `ended_run` is the first run that executed it again."""

    series: int
    first_run: int
    first_at: datetime
    ended_run: int | None
    ended_at: datetime | None
    word: str


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a change: what it said and what it says."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """One line of an entry's history. `actor` is empty where CI or a file did it."""

    at: datetime
    run: int | None
    actor: str
    what: str
    fields: tuple[FieldChange, ...] = ()


def read_outcomes(project: Project, *, ord_: int, standing: Standing) -> LaneHistory | None:
    """How the case ended in the jobs that stand, run by run."""
    seen, _ = read_series(project, number=ord_)
    counted = [series for series in seen if series.number in set(standing.series)]
    return next(iter(lay_out(counted, main_lane=standing.lane)), None)


def read_spans(project: Project, *, ord_: int, standing: Standing) -> tuple[Span, ...]:
    """When the jobs that stand put the case off, newest first."""
    if not standing.jobs:
        return ()
    values = {"project": project.pk, "ord": ord_, "series": standing.series, "limit": _MOST_SPANS}
    return tuple(_make_span(*row) for row in fetch_rows(_SPANS_SQL, values))


def _make_span(
    series: int,
    first_run: int,
    first_at: datetime,
    ended_run: int | None,
    ended_at: datetime | None,
    outcome: int,
) -> Span:
    return Span(series, first_run, first_at, ended_run, ended_at, codes.WORDS[outcome])


def find_runs_between(spans: Iterable[Span]) -> tuple[Span, Span] | None:
    """The time before the last one in the job that put it off most often, with the last one: it ran in between."""
    every = list(spans)
    counted = Counter(span.series for span in every)
    if not counted or max(counted.values()) < 2:
        return None
    series = max(counted, key=lambda number: (counted[number], -number))
    last, before, *_ = (span for span in every if span.series == series)
    return before, last


def read_changes(entry: Deferral) -> tuple[Change, ...]:
    """What became of it, newest first, with how it began and ended where no row says so."""
    rows = list(DeferralChange.objects.filter(deferral=entry).order_by("-at", "-pk")[:_MOST_CHANGES])
    changes = [_describe(row) for row in rows]
    actions = {row.action for row in rows}
    if entry.closed_at and not actions & {"closed", "released"}:
        changes.insert(0, Change(entry.closed_at, entry.closed_run, "", f"closed: {_tell_ending(entry.ending)}"))
    if entry.n_openings == 1 and "opened" not in actions and len(rows) < _MOST_CHANGES:
        changes.append(Change(entry.opened_at, entry.opened_run, "", "put off"))
    return tuple(changes)


def _describe(row: DeferralChange) -> Change:
    what = _ACTIONS.get(row.action, row.action.replace("_", " "))
    if not row.actor:
        what = _tell_without_actor(row)
    elif row.action == "accepted" and "backing" in row.fields:
        n = int(row.after.get("n") or 0)
        what = f"does without {count_in_words(n, 'backing test')} that {'is' if n == 1 else 'are'} gone"
    fields = tuple(_describe_field(name, row.before, row.after) for name in row.fields if name in SHAPES)
    is_told = row.action in ("edited", "reason")
    return Change(row.at, row.run, row.actor, what, fields if is_told else ())


def _tell_without_actor(row: DeferralChange) -> str:
    if row.action == "closed":
        return f"closed: {_tell_ending(str(row.after.get('ending') or ''))}"
    return {
        "opened": "put off",
        "reopened": "put off again",
        "reason": "another reason was given",
        "edited": "changed in the file that names it",
        "named": "named by a pattern",
        "unnamed": "not named by a pattern any more",
    }.get(row.action, row.action.replace("_", " "))


def _tell_ending(ending: str) -> str:
    return ENDINGS.get(ending, "it is not put off any more")


def _describe_field(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> FieldChange:
    return FieldChange(SHAPES[name].label, _write(name, before.get(name)), _write(name, after.get(name)))


def _write(name: str, value: Any) -> str:
    text = write_value(name, value)
    if name == "kind":
        return write_kind(text)
    return (text.replace("\n", ", ") if name in LISTS else text) or "nothing"


_SPANS_SQL: Final = """
SELECT s.series, s.first_run, first.ran_at, s.ended_run, ended.ran_at, s.outcome
FROM health_deferredspan s
JOIN health_run first ON first.project_id = s.project_id AND first.number = s.first_run
LEFT JOIN health_run ended ON ended.project_id = s.project_id AND ended.number = s.ended_run
WHERE s.project_id = %(project)s AND s.ord = %(ord)s AND s.series = ANY(%(series)s)
ORDER BY first.ordered_at DESC, first.ran_at DESC, s.first_run DESC, s.series LIMIT %(limit)s
"""

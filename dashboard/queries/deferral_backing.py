"""What is said to back an entry, case by case: how each ended last, what is missing, and when that changed.

Used by the page of an entry. Promise: seven statements, the worst cases first, and no more than `MOST_CASES` of them
(`tests/dashboard/test_deferral_queries.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.queries.cases import CaseName, read_aliases, read_case_names
from dashboard.queries.deferral_facts import BACKINGS
from dashboard.queries.facts import OUTCOME_MARKS
from dashboard.queries.sql import fetch_rows
from health.history import CaseResult, fetch_case_results
from health.models import Backing, BackingChange, Project, Run
from health.rules import outcomes as codes
from health.rules.backings import Finding
from health.rules.case_patterns import read_pattern
from health.rules.secrets import mask_secrets
from health.sql import open_cursor
from health.standing import Standing

MOST_CASES: Final = 300
_MOST_CHANGES: Final = 50
_MOST_UNFOLDED: Final = 5

# By status of a backing case, worst first: mark and word.
STATUSES: Final[dict[str, tuple[str, str]]] = {
    "failed": ("fail", "failed"),
    "absent": ("absent", "gone"),
    "deferred": ("deferred", "put off"),
    "flaky": ("flaky", "flaky"),
    "passed": ("pass", "passed"),
}


@dataclass(frozen=True, slots=True)
class BackingLine:
    """One case that backs the entry, and its newest result: of the jobs that stand, the worst."""

    case: CaseName
    part: int
    status: str
    outcome: int | None
    run: int | None

    @property
    def mark(self) -> str:
        """The mark of its state."""
        return STATUSES.get(self.status, ("open", ""))[0]

    @property
    def word(self) -> str:
        """Its state in words."""
        return STATUSES.get(self.status, ("", self.status))[1]

    @property
    def outcome_word(self) -> str:
        """How it ended last."""
        return "" if self.outcome is None else codes.WORDS[self.outcome]

    @property
    def outcome_mark(self) -> str:
        """The mark of that."""
        return OUTCOME_MARKS[self.outcome or 0]


@dataclass(frozen=True, slots=True)
class NamedText:
    """One text that names backing cases, and what was found by it."""

    text: str
    is_read: bool  # whether it names something that can be looked up
    n_promised: int | None
    n_found: int  # there now
    n_passed: int
    n_gone: int
    lines: tuple[BackingLine, ...]

    @property
    def told(self) -> str:
        """How many were promised, are there and pass."""
        if not self.is_read:
            return "names no tests that can be looked up"
        if not self.n_found and not self.n_gone:
            return "no test of this name ever ran" if self.n_promised is None else f"{self._promised}none found"
        if not self.n_found:
            return f"{self._promised}none found any more"
        found = f"{self.n_found:,} found"
        passed = "all passed" if self.n_passed == self.n_found else f"{self.n_passed:,} passed"
        return f"{self._promised}{found}, {passed}"

    @property
    def is_quiet(self) -> bool:
        """Whether it is long and nothing is wrong: its cases are folded up."""
        return len(self.lines) > _MOST_UNFOLDED and not self.n_gone and self.n_passed == self.n_found

    @property
    def _promised(self) -> str:
        return "" if self.n_promised is None else f"{self.n_promised:,} promised, "

    @property
    def is_short(self) -> bool:
        """Whether it names more than there is."""
        return not self.is_read or self.n_found < (self.n_promised or 1)


@dataclass(frozen=True, slots=True)
class StateChange:
    """A check that ended otherwise than the one before."""

    at: datetime
    run: int | None
    before: str
    after: str
    told: str

    @property
    def before_word(self) -> str:
        """The state until then."""
        return BACKINGS[self.before][1] if self.before in BACKINGS else self.before

    @property
    def after_mark(self) -> str:
        """The mark of the state since then."""
        return BACKINGS[self.after][0] if self.after in BACKINGS else "open"

    @property
    def after_word(self) -> str:
        """The state since then."""
        return BACKINGS[self.after][1] if self.after in BACKINGS else self.after


@dataclass(frozen=True, slots=True)
class BackingStory:
    """All there is to say of an entry's backing."""

    id: int
    state: str
    changed_run: int | None
    changed_at: datetime
    finding: Finding
    texts: tuple[NamedText, ...]
    code: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]  # statuses with how many cases, worst first
    n_cases: int
    changes: tuple[StateChange, ...]
    n_entries: int  # open ones that say the same

    @property
    def mark(self) -> str:
        """The state's mark."""
        return BACKINGS[self.state][0]

    @property
    def word(self) -> str:
        """The state in words."""
        return BACKINGS[self.state][1]

    @property
    def told(self) -> str:
        """What was found, in a sentence without its full stop."""
        return self.finding.tell()

    @property
    def n_gone(self) -> int:
        """Cases that are missed."""
        return dict(self.counts).get("absent", 0)

    @property
    def lines(self) -> tuple[BackingLine, ...]:
        """All cases that are listed."""
        return tuple(line for text in self.texts for line in text.lines)

    @property
    def n_unlisted(self) -> int:
        """Cases that are not."""
        return self.n_cases - len(self.lines)


def read_backing(project: Project, backing: Backing, *, standing: Standing) -> BackingStory:
    """The backing of an entry, with its worst cases by the texts that named them."""
    rows = fetch_rows(_CASES_SQL, {"project": project.pk, "backing": backing.pk, "statuses": list(STATUSES)})
    counted: dict[int, dict[str, int]] = defaultdict(dict)
    for part, status, _, n, _ in rows:
        counted[part][status] = n
    picked = [(part, status, ord_) for part, status, ords, _, _ in rows for ord_ in ords]
    lines = _read_lines(project, picked[:MOST_CASES], standing=standing)
    rows_of_changes = list(BackingChange.objects.filter(backing=backing).order_by("-pk")[:_MOST_CHANGES])
    ran_at = _read_days(project, {backing.changed_run, *(row.run for row in rows_of_changes)})
    totals = {status: sum(counts.get(status, 0) for counts in counted.values()) for status in STATUSES}
    return BackingStory(
        id=backing.pk,
        state=backing.state,
        changed_run=backing.changed_run,
        changed_at=ran_at.get(backing.changed_run, backing.changed_at),
        finding=Finding.from_json(backing.found),
        texts=tuple(
            _describe_text(text, counted.get(part, {}), lines.get(part, ())) for part, text in enumerate(backing.named)
        ),
        code=tuple(mask_secrets(place) for place in backing.code),
        counts=tuple((status, n) for status, n in totals.items() if n),
        n_cases=sum(totals.values()),
        changes=tuple(_describe_change(row, ran_at) for row in rows_of_changes),
        n_entries=backing.deferrals.filter(closed_at=None).count(),
    )


def _describe_text(text: str, counts: Mapping[str, int], lines: Sequence[BackingLine]) -> NamedText:
    pattern = read_pattern(text)
    n_gone = counts.get("absent", 0)
    return NamedText(
        text=mask_secrets(text),
        is_read=pattern is not None,
        n_promised=pattern.count if pattern else None,
        n_found=sum(counts.values()) - n_gone,
        n_passed=counts.get("passed", 0),
        n_gone=n_gone,
        lines=tuple(lines),
    )


def _read_lines(
    project: Project, picked: Sequence[tuple[int, str, int]], *, standing: Standing
) -> dict[int, list[BackingLine]]:
    """These cases with their newest results, by the text that named them."""
    if not picked:
        return {}
    ords = [ord_ for _, _, ord_ in picked]
    names = read_case_names(project.pk, project.slug, ords=ords)
    jobs = [(job.run, job.series) for job in standing.jobs]
    worst: dict[int, CaseResult] = {}
    for result in fetch_case_results(open_cursor(), project.pk, ords=ords, jobs=jobs, aliases=read_aliases(project)):
        known = worst.get(result.ord)
        if known is None or codes.SEVERITY[result.outcome] > codes.SEVERITY[known.outcome]:
            worst[result.ord] = result
    lines: dict[int, list[BackingLine]] = defaultdict(list)
    for part, status, ord_ in picked:
        if ord_ in names:
            ended = worst.get(ord_)
            outcome, run = (ended.outcome, ended.run) if ended else (None, None)
            lines[part].append(BackingLine(names[ord_], part, status, outcome, run))
    return lines


def _read_days(project: Project, runs: set[int | None]) -> dict[int | None, datetime]:
    """When these runs ran: a history that is sent at once was not checked on the days it is of."""
    numbers = [run for run in runs if run is not None]
    return dict(Run.objects.filter(project=project, number__in=numbers).values_list("number", "ran_at"))


def _describe_change(row: BackingChange, ran_at: Mapping[int | None, datetime]) -> StateChange:
    at = ran_at.get(row.run, row.at)
    return StateChange(at, row.run, row.before, row.after, Finding.from_json(row.found).tell())


# The worst first, then text by text: the first of each group are listed, all are counted.
_CASES_SQL: Final = f"""
SELECT part, status, (array_agg(ord ORDER BY ord))[1:{MOST_CASES}], count(*), min(rank) AS rank
FROM (SELECT part, status, ord, array_position(%(statuses)s::text[], status::text) AS rank FROM health_backingcase
      WHERE project_id = %(project)s AND backing_id = %(backing)s) cases
GROUP BY part, status ORDER BY rank, part
"""  # noqa: S608 - a constant

"""The cases that texts name, and what the standing jobs say of all: looked up for backings and for items of files.

Used by `health.backings` and, through it, by the register. Names never change, so a text's cases are looked for once in
each process, and later only among the cases that are new.
Promise: what is known of a text is what looking through all cases would find (`tests/health/test_named_cases.py`).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.aliases import Aliases, fetch_aliases
from health.rollups import Cases, fetch_cases
from health.rules.case_patterns import CasePattern
from health.rules.selectors import take_parts
from health.sql import Cursor
from health.standing import Standing
from health.tiles import NO_SUITE, Ords, Outcomes
from health.windows import fetch_outcomes

# Of more texts the later ones name nothing: what CI sends decides how many there are.
MOST_TEXTS: Final = 500
_MOST_LITERALS: Final = 50
_BATCH: Final = 20_000
_MOST_KEPT: Final = 5_000_000


NO_ORDS: Final = np.zeros(0, np.int32)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class StandingCases:
    """What each standing job says of every case, by number; results of renamed cases are under their newest name."""

    standing: Standing
    outcomes: Outcomes  # [jobs, cases]
    suites: npt.NDArray[np.int32]  # the suite that the newest delivery named, else NO_SUITE
    is_there: Mask  # which cases any of the jobs holds
    aliases: Aliases

    @property
    def n(self) -> int:
        """How many cases the project has."""
        return len(self.suites)

    def mark(self, *ords: Ords) -> Mask:
        """A mask over all cases, true for these: many times faster than sets of numbers."""
        mask = np.zeros(self.n, np.bool_)
        for some in ords:
            mask[some] = True
        return mask


@dataclass(slots=True)
class _Found:
    """The cases of a text among the first `n_looked`."""

    n_looked: int = 0
    ords: Ords = field(default_factory=lambda: NO_ORDS)  # ascending


@dataclass(slots=True)
class _Known:
    """What this process knows of a project, as long as the database server is the same."""

    server_started: datetime
    epoch: int = -1
    cases: Cases | None = None
    found: dict[str, _Found] = field(default_factory=dict)


_known: OrderedDict[int, _Known] = OrderedDict()


def fetch_standing_cases(cursor: Cursor, project_id: int, *, standing: Standing) -> StandingCases:
    """Read all outcomes of the standing jobs."""
    row = cursor.execute("SELECT max(ord) + 1 FROM health_case WHERE project_id = %s", (project_id,)).fetchone()
    n_cases = int(row[0]) if row and row[0] else 0
    aliases = fetch_aliases(cursor, project_id)
    # Oldest first, as `fetch_outcomes` wants it: the newest word on a suite holds.
    jobs = sorted((job.run, job.series) for job in standing.jobs)
    said = fetch_outcomes(cursor, project_id, jobs=jobs, n_cases=n_cases, aliases=aliases)
    return StandingCases(standing, said.outcomes, said.suites, np.any(said.outcomes, axis=0), aliases)


def find_named(
    cursor: Cursor, project_id: int, patterns: Mapping[str, CasePattern], *, cases: StandingCases
) -> dict[str, Ords]:
    """The cases that each text names, ascending, whether they are there or not, under their newest names."""
    if not patterns:
        return {}
    known = _open(cursor, project_id)
    _look(cursor, project_id, known, patterns, n_cases=cases.n)
    named = {text: known.found[text].ords for text in patterns}
    if cases.aliases:
        named = {text: list_marked(cases.mark(cases.aliases.translate(ords))) for text, ords in named.items()}
    if any(pattern.suite or pattern.level for pattern in patterns.values()):
        suites = _Suites(cursor, project_id, known=known, cases=cases)
        named = {text: suites.choose(patterns[text], ords) for text, ords in named.items()}
    _trim(project_id)
    return named


def list_marked(mask: Mask) -> Ords:
    """The cases that a mask marks, ascending."""
    return np.flatnonzero(mask).astype(np.int32)


def forget_found() -> None:
    """Forget what was found: between tests."""
    _known.clear()


def _open(cursor: Cursor, project_id: int) -> _Known:
    row = cursor.execute(
        "SELECT pg_postmaster_start_time(), identity_epoch FROM health_project WHERE id = %s", (project_id,)
    ).fetchone()
    if row is None:
        raise LookupError(f"there is no project {project_id}")
    started, epoch = row
    known = _known.get(project_id)
    # A server that took over from another may have lost cases we were told of.
    if known is None or known.server_started != started:
        known = _known[project_id] = _Known(started)
    if known.epoch != epoch:
        known.epoch, known.cases = epoch, None
    _known.move_to_end(project_id)
    return known


def _trim(project_id: int) -> None:
    """Keep what fits into memory; of the project in hand only what is small enough by itself."""

    def count(known: _Known) -> int:
        return sum(len(found.ords) for found in known.found.values())

    while len(_known) > 1 and sum(map(count, _known.values())) > _MOST_KEPT:
        _known.popitem(last=False)
    kept = _known[project_id]
    if count(kept) > _MOST_KEPT or len(kept.found) > 2 * MOST_TEXTS:
        kept.found.clear()


# --- by names --------------------------------------------------------------------------------------------------


def _look(cursor: Cursor, project_id: int, known: _Known, patterns: Mapping[str, CasePattern], *, n_cases: int) -> None:
    """Look through the cases that are new since each text was looked for last."""
    due: dict[int, dict[str, CasePattern]] = {}
    for text, pattern in patterns.items():
        found = known.found.setdefault(text, _Found())
        if found.n_looked < n_cases:
            due.setdefault(found.n_looked, {})[text] = pattern
    for first, wanted in due.items():
        new: dict[str, list[int]] = {text: [] for text in wanted}
        for ord_, text in _match(cursor, project_id, wanted, first=first, end=n_cases):
            new[text].append(ord_)
        for text, ords in new.items():
            found = known.found[text]
            found.ords = np.concatenate([found.ords, np.array(ords, np.int32)])
            found.n_looked = n_cases


def _match(
    cursor: Cursor, project_id: int, wanted: Mapping[str, CasePattern], *, first: int, end: int
) -> Iterable[tuple[int, str]]:
    tells = [(pattern.literals[-1] if pattern.literals else "", text, pattern) for text, pattern in wanted.items()]
    literals = {literal for literal, _, _ in tells}
    is_filtered = len(literals) <= _MOST_LITERALS and all(literals)
    for start in range(first, end, _BATCH):
        rows = cursor.execute(
            _FILTERED_SQL if is_filtered else _CASES_SQL,
            {
                "project": project_id,
                "first": start,
                "end": min(end, start + _BATCH),
                "literals": sorted(literals),
            },
            binary=True,
        ).fetchall()
        for ord_, names, namespace, suite_path, class_name, name in rows:
            # The most telling piece first: this line runs for each case and text.
            close = [(text, pattern) for literal, text, pattern in tells if literal in names]
            close = [(text, pattern) for text, pattern in close if all(piece in names for piece in pattern.literals)]
            if close:
                parts = take_parts(namespace, suite_path=suite_path, class_name=class_name, name=name)
                yield from ((ord_, text) for text, pattern in close if pattern.fits_names(parts))


_CASES_SQL: Final = """
SELECT ord, concat_ws(' ', namespace, suite_path, class_name, name) AS names, namespace, suite_path, class_name, name
FROM health_case WHERE project_id = %(project)s AND ord >= %(first)s AND ord < %(end)s ORDER BY ord
"""
# What no text can mean stays in the database: nearly all.
_FILTERED_SQL: Final = f"""
SELECT * FROM ({_CASES_SQL}) c
WHERE EXISTS (SELECT FROM unnest(%(literals)s::text[]) AS literal WHERE strpos(c.names, literal) > 0)
"""  # noqa: S608 - a constant


# --- by suites -------------------------------------------------------------------------------------------------


class _Suites:
    """The suites of a project and of its cases now: as their newest delivery says, else as they are shown."""

    def __init__(self, cursor: Cursor, project_id: int, *, known: _Known, cases: StandingCases) -> None:
        known.cases = fetch_cases(cursor, project_id, known=known.cases, aliases=cases.aliases)
        own = known.cases.suites[: cases.n]
        self._shown = np.where(cases.suites == NO_SUITE, own, cases.suites)
        self._cases = cases
        self._rows: list[tuple[Any, ...]] = cursor.execute(
            "SELECT number, name, level FROM health_suite WHERE project_id = %s", (project_id,)
        ).fetchall()

    def choose(self, pattern: CasePattern, ords: Ords) -> Ords:
        """Of the cases whose names fit those whose level does too; and those of the suite that is named."""
        if not pattern.suite and not pattern.level:
            return ords
        is_named = self._cases.mark(ords)
        if pattern.suite:
            is_named |= np.isin(self._shown, [number for number, name, _ in self._rows if pattern.fits_suite(name)])
        if pattern.level:
            others = [number for number, _, level in self._rows if not pattern.fits_level(level)]
            is_named &= ~np.isin(self._shown, others)
        return list_marked(is_named)

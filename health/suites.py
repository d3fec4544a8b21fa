"""Suites as rows: found or made, and given to cases anew when the rules of a project have changed.

Called by `ingest.cases` for new cases, and by `health.rebuild`. Cases are named under one advisory lock, and the rules
are read under it: no case is ever named by rules that are already gone.
Promise: a case ends in the same suite whether its rule was there before it or came later
(`tests/health/test_suites.py`).
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from health.rules.selectors import SuiteName, SuiteRules, compile_rules, take_parts
from health.sql import Cursor, format_array

_LOCK_SPACE: Final = 0x5357_0001
_BATCH: Final = 20_000

CaseRow = tuple[int, str, str, str, str, int, int | None]


def lock_names(cursor: Cursor, project_id: int) -> None:
    """Wait for the turn to name cases of a project; held to the end of the transaction."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK_SPACE, project_id))


def find_suite(cursor: Cursor, project_id: int, *, name: str, level: str) -> int:
    """The number of a suite, made if new. The caller holds the lock of `lock_names`."""
    row = cursor.execute(
        """
        WITH made AS (
            INSERT INTO health_suite (project_id, number, name, level)
            SELECT %(project)s, (SELECT coalesce(max(number) + 1, 1) FROM health_suite WHERE project_id = %(project)s),
                   %(name)s, %(level)s
            WHERE NOT EXISTS (SELECT 1 FROM health_suite
                              WHERE project_id = %(project)s AND name = %(name)s AND level = %(level)s)
            RETURNING number)
        SELECT number FROM made UNION ALL
        SELECT number FROM health_suite WHERE project_id = %(project)s AND name = %(name)s AND level = %(level)s
        """,
        {"project": project_id, "name": name, "level": level},
    ).fetchone()
    if row is None:
        raise LookupError(f"suite {name!r} was neither found nor made")
    return int(row[0])


def fetch_rules(cursor: Cursor, project_id: int) -> SuiteRules:
    """The rules in force, read from the table each time and compiled once."""
    row = cursor.execute(
        """
        SELECT (c.content -> 'suites')::text FROM health_project p
        JOIN health_configuration c ON c.project_id = p.id AND c.number = p.configuration WHERE p.id = %s
        """,
        (project_id,),
    ).fetchone()
    return _compile(row[0]) if row and row[0] else SuiteRules()


@lru_cache(maxsize=64)
def _compile(suites: str) -> SuiteRules:
    rules: list[dict[str, Any]] = json.loads(suites)
    return compile_rules(rules)


def name_cases_anew(cursor: Cursor, project_id: int) -> bool:
    """Give each case the suite that today's rules say, and its default where none fits; whether any changed."""
    lock_names(cursor, project_id)
    rules = fetch_rules(cursor, project_id)
    suites = _Suites(cursor, project_id)
    has_changed = False
    first = 0
    while rows := _fetch_batch(cursor, project_id, first, is_any_ruled=bool(rules.rules)):
        changes = list(_find_changes(rows, rules, suites))
        if changes:
            _write(cursor, project_id, changes)
            has_changed = True
        first = rows[-1][0] + 1
    return has_changed


def _fetch_batch(cursor: Cursor, project_id: int, first: int, *, is_any_ruled: bool) -> list[CaseRow]:
    """The next cases in order; without any rule only those that a rule once moved."""
    rows: list[Any] = cursor.execute(
        """
        SELECT ord, namespace, suite_path, class_name, name, suite, default_suite FROM health_case
        WHERE project_id = %s AND ord >= %s AND (%s OR default_suite IS NOT NULL) ORDER BY ord LIMIT %s
        """,
        (project_id, first, is_any_ruled, _BATCH),
        binary=True,
    ).fetchall()
    return rows


def _find_changes(
    rows: Iterable[CaseRow], rules: SuiteRules, suites: "_Suites"
) -> Iterable[tuple[int, int, int | None]]:
    for ord_, namespace, suite_path, class_name, name, suite, default in rows:
        own = suite if default is None else default
        case = take_parts(namespace, suite_path=suite_path, class_name=class_name, name=name)
        chosen = suites.number(rules.choose(case, default=suites.name(own)), own)
        kept = None if chosen == own else own
        if (chosen, kept) != (suite, default):
            yield ord_, chosen, kept


def _write(cursor: Cursor, project_id: int, changes: list[tuple[int, int, int | None]]) -> None:
    ords, suites, defaults = zip(*changes, strict=True)
    cursor.execute(
        """
        UPDATE health_case c SET suite = n.suite, default_suite = nullif(n.default_suite, 0)
        FROM unnest(%s::int[], %s::int[], %s::int[]) AS n(ord, suite, default_suite)
        WHERE c.project_id = %s AND c.ord = n.ord
        """,
        (format_array(ords), format_array(suites), format_array(number or 0 for number in defaults), project_id),
    )


class _Suites:
    """The suites of a project by number and by name; new ones are made when they are needed."""

    def __init__(self, cursor: Cursor, project_id: int) -> None:
        self._cursor, self._project_id = cursor, project_id
        rows = cursor.execute(
            "SELECT number, name, level FROM health_suite WHERE project_id = %s", (project_id,)
        ).fetchall()
        self._names: dict[int, SuiteName] = {number: SuiteName(name, level) for number, name, level in rows}
        self._numbers = {name: number for number, name in self._names.items()}

    def name(self, number: int) -> SuiteName:
        return self._names.get(number, SuiteName("", ""))

    def number(self, name: SuiteName, own: int) -> int:
        """The suite's number; a case that no rule touches keeps its own."""
        if self.name(own) == name:
            return own
        if name not in self._numbers:
            self._numbers[name] = find_suite(self._cursor, self._project_id, name=name.name, level=name.level)
            self._names[self._numbers[name]] = name
        return self._numbers[name]

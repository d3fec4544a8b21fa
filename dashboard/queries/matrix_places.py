"""Where every case lives, and the paths that lead there: what the matrix is rolled up by.

Used by `dashboard.queries.matrix_window`, which keeps it, and by the matrix that cuts its rows out of it.
Promise: names are somebody else's, so nothing here grows with their depth: a path has at most MOST_LEVELS
(`tests/dashboard/test_matrix_places.py`).
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from health.models import Project
from health.rules.identity import STEP
from health.sql import Cursor
from health.tiles import NO_SUITE

Numbers = npt.NDArray[np.int32]

# What lies deeper, or behind a longer way, is one step: the place itself.
MOST_LEVELS: Final = 12
_LONGEST_WAY: Final = 300
_STEPS: Final = re.compile(r"/|::")
_DOTS: Final = re.compile(r"\.")


class Paths(NamedTuple):
    """The paths that lead to each place, the shortest first: where each ends, and a number that namesakes share.

    A place of fewer levels stands in the rest of its row itself.
    """

    ends: Numbers  # [places, levels]
    ids: Numbers


class Places(tuple[str, ...]):  # noqa: SLOT001 - what was cut of them is kept beside them
    """The places of a project by number."""

    @cached_property
    def paths(self) -> Paths:
        """Cut once, when the first page is rolled up."""
        cuts = [_list_ends(place) for place in self]
        n_levels = max(map(len, cuts), default=1)
        rows = [[*ends, *ends[-1:] * (n_levels - len(ends))] for ends in cuts]
        ends = np.array(rows, np.int32).reshape(len(self), n_levels)
        ids = np.empty_like(ends)
        first = 0
        for level in range(n_levels):  # one at a time: all of them as text are many times the places
            known: dict[str, int] = {}
            found = zip(self, ends[:, level].tolist(), strict=True)
            ids[:, level] = [known.setdefault(place[:end], first + len(known)) for place, end in found]
            first += len(known)
        return Paths(ends, ids)

    @cached_property
    def n_bytes(self) -> int:
        """What is kept of them, with their paths at their deepest."""
        return sum(map(sys.getsizeof, self)) + len(self) * (8 + 2 * 4 * MOST_LEVELS)


@dataclass(frozen=True, slots=True)
class Census:
    """The place and the suite of every case, by number."""

    places: Places
    place_of: Numbers
    suite_of: Numbers

    @property
    def n(self) -> int:
        """How many cases it knows."""
        return len(self.place_of)

    @property
    def n_bytes(self) -> int:
        """What it holds without its places: those are shared."""
        return self.place_of.nbytes + self.suite_of.nbytes


def read_census(cursor: Cursor, project: Project, *, known: Census | None = None) -> Census:
    """Where each case lives; with what is `known` of the same identity epoch, only those numbered since are read.

    Numbers come packed: 100,000 of them one by one would take a second.
    """
    first = known.n if known else 0
    rows = cursor.execute(_CENSUS_SQL, (project.pk, first), binary=True).fetchall()
    if not rows:
        return known or Census(Places(), np.zeros(0, np.int32), np.zeros(0, np.int32))
    return _add_rows(known, rows)


def list_prefixes(place: str) -> tuple[str, ...]:
    """The paths that lead to a place, itself the last: "tests.api.pets" lies in "tests" and "tests.api".

    A path with slashes is only cut there and at "::": the dot in it is a file's. Prose is not cut at all.
    """
    return tuple(place[:end] for end in _list_ends(place))


def is_below(place: str, path: str) -> bool:
    """Whether a place is this path or lies in it."""
    return place == path or (place.startswith(path) and place[len(path)] in "/.:")


def _list_ends(place: str) -> list[int]:
    ends: list[int] = []
    if " " not in place:
        sign = _STEPS if "/" in place or "::" in place else _DOTS
        for found in sign.finditer(place, 0, _LONGEST_WAY):
            if found.start():
                ends.append(found.start())
            if len(ends) == MOST_LEVELS - 1:
                break
    return [*ends, len(place)]


def _add_rows(known: Census | None, rows: Sequence[tuple[Any, ...]]) -> Census:
    groups = [np.frombuffer(packed, ">i4") for *_, packed in rows]
    places = {place: number for number, place in enumerate(known.places)} if known else {}
    n_known = len(places)
    n_more = max(int(ords.max()) for ords in groups) + 1 - (known.n if known else 0)
    place_of, suite_of = np.zeros(n_more, np.int32), np.full(n_more, NO_SUITE, np.int32)
    if known:
        place_of, suite_of = np.append(known.place_of, place_of), np.append(known.suite_of, suite_of)
    for (namespace, class_name, suite_path, suite, _), ords in zip(rows, groups, strict=True):
        place = _name_place(namespace, class_name, suite_path)
        place_of[ords] = places.setdefault(place, len(places))
        suite_of[ords] = suite
    # The same places keep the paths that were cut of them.
    names = known.places if known and len(places) == n_known else Places(places)
    return Census(names, place_of, suite_of)


def _name_place(namespace: str, class_name: str, suite_path: str) -> str:
    """Its class, else its innermost suite, inside its namespace."""
    steps = [step for step in suite_path.split(STEP) if step]
    place = class_name or (steps[-1] if steps else "")
    return "/".join(part for part in (namespace, place) if part)


_CENSUS_SQL: Final = """
SELECT namespace, class_name, suite_path, suite, string_agg(int4send(ord), ''::bytea) FROM health_case
WHERE project_id = %s AND ord >= %s GROUP BY 1, 2, 3, 4
"""

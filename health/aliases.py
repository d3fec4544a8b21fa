"""Which case each former name goes on as: after a rename, results stay where they were written and are read together.

Used by every reader of tiles and failures. `Case.merged_into` names the next name; several renames make a chain, and
the newest name stands for all of them.
Promise: merging and undoing is as if it had never been, and a merged case reads as if it had always had one name
(`tests/health/test_merging.py`). A project without renames pays nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from health.sql import Cursor

Ords = npt.NDArray[np.int32]

_MOST_KNOWN_PROJECTS: Final = 200


@dataclass(frozen=True, slots=True)
class Aliases:
    """`next_name`: the number each merged case goes on under, one step; `canonical` follows the steps to their end."""

    next_name: Mapping[int, int]
    _canonical: Mapping[int, int]
    _former: Ords  # ascending
    _newest: Ords  # of each of them
    _members: Mapping[int, tuple[int, ...]]

    def __bool__(self) -> bool:
        """Whether anything is merged at all."""
        return bool(self.next_name)

    def canonical(self, ord_: int) -> int:
        """The number this case is read under."""
        return self._canonical.get(ord_, ord_)

    def translate(self, ords: Ords) -> Ords:
        """The number each of these cases is read under."""
        if not self.next_name:
            return ords
        places = np.searchsorted(self._former, ords)
        places[places == len(self._former)] = 0
        return np.where(self._former[places] == ords, self._newest[places], ords).astype(np.int32)

    def touch(self, ords: Ords) -> bool:
        """Whether any of these cases is read under another number."""
        return bool(self.next_name) and bool(np.isin(ords, self._former).any())

    def add_former(self, ords: Ords) -> Ords:
        """These cases and all their former names."""
        return np.concatenate([ords, self._former[np.isin(self._newest, ords)]]) if self.next_name else ords

    def list_members(self, ord_: int) -> tuple[int, ...]:
        """All numbers that are read under this one: itself, then its former names, the latest first."""
        return (ord_, *self._members.get(ord_, ()))

    def expand(self, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Rows that begin with a case's number, once for each of its names: the name's number comes before the row."""
        return [(member, *row) for row in rows for member in self.list_members(row[0])]


def make_aliases(next_name: Mapping[int, int]) -> Aliases:
    """Follow every chain to its end. A circle, which no merge makes, ends where it would begin again."""
    newest = {former: _follow(next_name, former) for former in next_name}
    members: dict[int, list[int]] = defaultdict(list)
    for former, ord_ in sorted(newest.items(), reverse=True):
        if former != ord_:
            members[ord_].append(former)
    ordered = sorted(newest)
    return Aliases(
        next_name=dict(next_name),
        _canonical=newest,
        _former=np.array(ordered, np.int32),
        _newest=np.array([newest[former] for former in ordered], np.int32),
        _members={ord_: tuple(formers) for ord_, formers in members.items()},
    )


def _follow(next_name: Mapping[int, int], ord_: int) -> int:
    seen = {ord_}
    while (following := next_name.get(ord_)) is not None and following not in seen:
        seen.add(following)
        ord_ = following
    return ord_


NO_ALIASES: Final = make_aliases({})

_known: dict[int, tuple[int, Aliases]] = {}


def fetch_aliases(cursor: Cursor, project_id: int) -> Aliases:
    """What is merged in a project now: one probe of an index that is empty where nothing is."""
    rows = cursor.execute(
        "SELECT ord, merged_into FROM health_case WHERE project_id = %s AND merged_into IS NOT NULL", (project_id,)
    ).fetchall()
    return make_aliases(dict(rows)) if rows else NO_ALIASES


def fetch_known_aliases(cursor: Cursor, project_id: int, *, epoch: int) -> Aliases:
    """The same for pages, read once in each identity epoch; in a project's first one nothing was ever merged."""
    if not epoch:
        return NO_ALIASES
    known_epoch, aliases = _known.get(project_id, (-1, NO_ALIASES))
    if known_epoch != epoch:
        aliases = fetch_aliases(cursor, project_id)
        if len(_known) >= _MOST_KNOWN_PROJECTS:
            _known.clear()
        _known[project_id] = (epoch, aliases)
    return aliases

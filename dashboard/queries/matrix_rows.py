"""Which cases the matrix lists, in which order, and which it rolls up: numbers in, numbers out.

Used by `dashboard.queries.matrix`; no database. Promise: each case that fits the choice is in exactly one row, listed
or rolled up (`tests/dashboard/test_matrix_rows.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from dashboard.queries.matrix_places import Numbers, is_below
from dashboard.queries.matrix_window import (
    IS_AS_EXPECTED,
    IS_BROKEN,
    IS_EXECUTED,
    OF_SEVERITY,
    SEVERITY,
    Ords,
    Window,
    table_of,
)
from health.rules import outcomes as codes

# The words of the legend, as they stand in the address.
STATES: Final[dict[str, int]] = {
    "passed": codes.PASS,
    "failed": codes.FAIL,
    "error": codes.ERROR,
    "retried": codes.PASS_ON_RETRY,
    "skipped": codes.SKIP,
    "xfailed": codes.XFAIL,
    "xpassed": codes.XPASS,
    "absent": codes.ABSENT,
}
# Rolled up as deep as this many rows allow.
_MOST_NODES: Final = 100
_IS_DEFERRED: Final = table_of(codes.DEFERRED)

Mask = npt.NDArray[np.bool_]


class Node(NamedTuple):
    """A path and the cases below it that no other row holds; those of one family only where that is named."""

    path: str
    cases: Ords
    family: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The rows of a choice, top to bottom: cases by themselves, those put off, paths of many, cases right here."""

    listed: Ords
    put_off: Ords
    nodes: tuple[Node, ...]
    direct: Ords


@dataclass(frozen=True, slots=True)
class Rolled:
    """Several cases as one row: the worst outcome of each run, and where something broke the share that did not."""

    n: int
    cells: bytes
    shares: dict[int, tuple[int, int]]  # by column: ended as expected, executed


def find_fitting(window: Window, *, suites: Sequence[int] | None, path: str) -> Mask:
    """The cases that were in any of the runs, of these suites (None: all), below a path."""
    fits: Mask = window.n_seen > 0
    if suites is not None:
        fits &= np.isin(window.suite_of, suites)
    if path:
        is_in = np.array([is_below(place, path) for place in window.places], bool)
        fits &= is_in[window.place_of] if len(is_in) else fits
    return fits


def has_state(window: Window, state: str) -> Mask:
    """The cases that ended so in any of the runs."""
    found: Mask = (window.states >> STATES[state]) & 1 == 1
    return found


def list_flat(window: Window, fits: Mask, *, order: str, name_rank: Numbers | None = None) -> Layout:
    """Every fitting case in a row of its own; sorted by change, only those that changed."""
    if order == "change":
        fits = fits & (window.last_changed >= 0)
    return Layout(_rank(window, np.flatnonzero(fits), order, name_rank), _NONE, (), _NONE)


def lay_out(window: Window, fits: Mask, *, path: str) -> Layout:
    """Cases in trouble one by one, those put off together, the rest rolled up one step below the path or deeper."""
    is_troubled = window.n_troubled > 0
    is_put_off = ~is_troubled & _IS_DEFERRED[window.newest]
    rest = np.flatnonzero(fits & ~is_troubled & ~is_put_off)
    nodes, direct = _fold(window, rest, path)
    return Layout(
        listed=_rank(window, np.flatnonzero(fits & is_troubled), "trouble"),
        put_off=np.flatnonzero(fits & is_put_off),
        nodes=nodes,
        direct=_rank(window, direct, "trouble"),
    )


def roll_up(window: Window, groups: Iterable[Ords]) -> list[Rolled]:
    """One row for each of these groups of cases; all in a few strokes."""
    kept = list(groups)
    if not kept or not window.columns:
        return [Rolled(len(group), b"", {}) for group in kept]
    starts = np.cumsum([0, *(len(group) for group in kept[:-1])])
    cells = window.outcomes[np.concatenate(kept)]
    worst = OF_SEVERITY[np.maximum.reduceat(SEVERITY[cells], starts, axis=0)]
    executed = np.add.reduceat(IS_EXECUTED[cells], starts, axis=0, dtype=np.int32)
    expected = np.add.reduceat(IS_AS_EXPECTED[cells], starts, axis=0, dtype=np.int32)
    is_broken = IS_BROKEN[worst]
    return [
        Rolled(
            len(group),
            worst[k].tobytes(),
            {at: (int(expected[k, at]), int(executed[k, at])) for at in np.flatnonzero(is_broken[k]).tolist()},
        )
        for k, group in enumerate(kept)
    ]


def split_by_place(window: Window, cases: Ords) -> dict[int, Ords]:
    """The cases by the number of their place."""
    order = np.argsort(window.place_of[cases], kind="stable")
    ordered = cases[order]
    places, starts = np.unique(window.place_of[ordered], return_index=True)
    return dict(zip(places.tolist(), np.split(ordered, starts[1:]), strict=True)) if len(cases) else {}


_NONE: Final[Ords] = np.zeros(0, np.intp)


def _rank(window: Window, cases: Ords, order: str, name_rank: Numbers | None = None) -> Ords:
    """Sort cases so that those of one place stand together, the place with most of it first."""
    places = window.place_of[cases]
    if order == "name":
        place_rank = np.zeros(len(window.places), np.intp)
        place_rank[sorted(range(len(window.places)), key=window.places.__getitem__)] = np.arange(len(window.places))
        within = cases if name_rank is None else name_rank[cases]
        return cases[np.lexsort((within, place_rank[places]))]
    if order == "change":
        latest = np.full(len(window.places), -1)
        np.maximum.at(latest, places, window.last_changed[cases])
        keys = (cases, -window.n_troubled[cases], -window.last_changed[cases], places, -latest[places])
        return cases[np.lexsort(keys)]
    trouble = np.bincount(places, weights=window.n_troubled[cases], minlength=len(window.places))
    keys = (cases, -window.last_troubled[cases], -window.n_troubled[cases], places, -trouble[places])
    return cases[np.lexsort(keys)]


def _fold(window: Window, rest: Ords, path: str) -> tuple[tuple[Node, ...], Ords]:
    """The rest by the deepest paths of which there are not too many; what lies right at the path stays single."""
    by_place = split_by_place(window, rest)
    here = [cases for place, cases in by_place.items() if window.places[place] == path]
    below = [place for place in by_place if window.places[place] != path]
    groups: dict[str, list[Ords]] = {}
    for place, end in zip(below, _choose_depth(window, below, len(path)), strict=True):
        groups.setdefault(window.places[place][:end], []).append(by_place[place])
    nodes = [Node(prefix, np.concatenate(cases)) for prefix, cases in groups.items()]
    nodes.sort(key=lambda node: (-len(node.cases), node.path))
    return tuple(nodes), np.concatenate(here) if here else _NONE


def _choose_depth(window: Window, places: Sequence[int], length: int) -> list[int]:
    """Where the path of each of these places ends: behind one of this length, as deep as there is room for."""
    if not places:
        return []
    ends, ids = (table[places] for table in window.places.paths)
    rows, last = np.arange(len(places)), ends.shape[1] - 1
    first = chosen = (ends <= length).sum(axis=1)
    for depth in range(1, last + 1):
        deeper = np.minimum(first + depth, last)
        if len(np.unique(ids[rows, deeper])) > _MOST_NODES:
            break
        chosen = deeper
    found: list[int] = ends[rows, chosen].tolist()
    return found

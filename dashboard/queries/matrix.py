"""The matrix: cases × the newest runs of a branch, in the order of the choice, a page at a time.

Called by `dashboard.views.matrix`. Promise: a bounded number of statements, however many cases there are, and names
are read for the rows shown only (`tests/dashboard/test_matrix_queries.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import numpy as np

from dashboard.filters import Filters
from dashboard.queries.cases import read_aliases
from dashboard.queries.matrix_facts import Facts, count_facts, write_matrix
from dashboard.queries.matrix_places import Numbers, list_prefixes
from dashboard.queries.matrix_rows import (
    STATES,
    Layout,
    Mask,
    Node,
    Rolled,
    find_fitting,
    has_state,
    lay_out,
    list_flat,
    roll_up,
    split_by_place,
)
from dashboard.queries.matrix_window import Column, Ords, Window, read_window
from dashboard.queries.scope import Offer, read_scope
from dashboard.queries.sql import fetch_rows
from dashboard.templatetags.display import shorten, visible
from health.models import Project
from health.rules.families import split_family
from health.sql import open_cursor

_LONGEST_NAME: Final = 72
_LONGEST_TITLE: Final = 120
_TAIL: Final = 10  # of a long name, what a narrow screen shows beside its beginning
_MOST_NAMED: Final = 2_000  # beyond, cases put off are rolled up by their place alone


@dataclass(frozen=True, slots=True)
class Row:
    """A row of cells: a case, or several as one. `pieces` is its name, shortened, its end apart where it is long."""

    pieces: tuple[str, ...]
    is_cut: bool  # whether they are less than the whole name
    full: str
    path: str
    ord: int | None  # of a case by itself
    note: str
    url: str
    cells: bytes
    shares: dict[int, tuple[int, int]]
    n: int  # cases; 1 for a case by itself


@dataclass(frozen=True, slots=True)
class Group:
    """Rows under one heading; `rolled` is the heading's own row, of all cases at its path."""

    title: str
    full: str
    url: str
    note: str
    rolled: Rolled | None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """All the page shows."""

    lane: str
    offer: Offer
    window: Window
    fits: Mask
    facts: Facts
    sentence: str
    groups: tuple[Group, ...]
    n_rows: int
    start: int
    size: int
    is_flat: bool

    @property
    def columns(self) -> tuple[Column, ...]:
        """The runs, oldest first."""
        return self.window.columns

    @property
    def next_start(self) -> int | None:
        """Where the next page begins."""
        following = self.start + self.size
        return following if following < self.n_rows else None

    @property
    def previous_start(self) -> int | None:
        """Where the page before begins."""
        return max(self.start - self.size, 0) if self.start else None

    @property
    def last_shown(self) -> int:
        """The number of the last row of this page."""
        return min(self.start + self.size, self.n_rows)


def read_matrix(project: Project, filters: Filters) -> Matrix:
    """The page the filters choose."""
    scope = read_scope(project, filters)
    window = read_window(project, scope)
    fits = find_fitting(window, suites=scope.suite_numbers, path=filters.path)
    facts = count_facts(window, fits)
    narrowed = _narrow(project, window, fits, filters)
    layout, is_flat = _choose(project, window, narrowed, filters)
    size, start = int(filters.rows), filters.n_before
    builder = _Builder(project, window, fits, filters)
    groups, n_rows = builder.build(layout, start=start, size=size)
    return Matrix(
        lane=scope.lane,
        offer=scope.offer,
        window=window,
        fits=narrowed,
        facts=facts,
        sentence=write_matrix(facts, lane=scope.lane, families=builder.find_families()),
        groups=groups,
        n_rows=n_rows,
        start=start,
        size=size,
        is_flat=is_flat,
    )


def list_all(found: Matrix) -> Ords:
    """Every fitting case by path, for the drawing of all of them."""
    return list_flat(found.window, found.fits, order="name").listed


def _narrow(project: Project, window: Window, fits: Mask, filters: Filters) -> Mask:
    """The cases whose name holds the words sought, and that ended as the legend's chosen state says."""
    if filters.search:
        found = np.zeros(len(fits), bool)
        found[_search(project, filters.search, len(fits))] = True
        fits = fits & found
    return fits & has_state(window, filters.state) if filters.state in STATES else fits


def _choose(project: Project, window: Window, fits: Mask, filters: Filters) -> tuple[Layout, bool]:
    """A flat list where somebody looks for something or sorts; else trouble first and the rest rolled up."""
    is_flat = bool(filters.search or filters.state in STATES or filters.order != "trouble")
    if not is_flat:
        return lay_out(window, fits, path=filters.path), False
    rank = _read_name_rank(project, len(fits)) if filters.order == "name" else None
    return list_flat(window, fits, order=filters.order, name_rank=rank), True


def _search(project: Project, text: str, n_cases: int) -> Ords:
    """The cases whose full name holds this text, whatever the case of its letters; a former name finds the newest."""
    rows = open_cursor().execute(_SEARCH_SQL, (project.pk, text), binary=True).fetchall()
    found = np.frombuffer(rows[0][0] or b"", ">i4").astype(np.int32)
    found = read_aliases(project).translate(found)
    return found[found < n_cases].astype(np.intp)  # without those that came after the cells were read


def _read_name_rank(project: Project, n_cases: int) -> Numbers:
    """The place of each case among all, by name."""
    rows = open_cursor().execute(_BY_NAME_SQL, (project.pk,), binary=True).fetchall()
    ordered = np.frombuffer(rows[0][0] or b"", ">i4").astype(np.int32)
    ordered = ordered[ordered < n_cases]  # a case that came after the cells were read
    rank = np.zeros(n_cases, np.int32)
    rank[ordered] = np.arange(len(ordered), dtype=np.int32)
    return rank


class _Builder:
    """Turns a layout into rows: reads the names of one page, and those that say what belongs together."""

    def __init__(self, project: Project, window: Window, fits: Mask, filters: Filters) -> None:
        self.project, self.window, self.fits, self.filters = project, window, fits, filters
        self.names: dict[int, str] = {}
        query = filters.write(path="", search="", state="", order="trouble")
        self.above = query if query == "?" else f"{query}&"
        troubled = np.flatnonzero(fits & (window.n_troubled > 0))
        self.troubled: list[int] = troubled.tolist() if len(troubled) <= _MOST_NAMED else []

    def build(self, layout: Layout, *, start: int, size: int) -> tuple[tuple[Group, ...], int]:
        """The groups of one page, and how many rows there are in all."""
        self._read([*layout.listed[start : start + size].tolist(), *self.troubled])
        if len(layout.put_off) <= _MOST_NAMED:
            self._read(layout.put_off.tolist())
        families = self._find_families(layout.put_off)
        lengths = (len(layout.listed), len(families), len(layout.nodes), len(layout.direct))
        listed, put_off, nodes, direct = _cut(lengths, start, size)
        n_rolled_up = sum(len(node.cases) for node in layout.nodes)
        groups = [
            *self._group_by_place(layout.listed[listed]),
            *self._roll("Put off", families[put_off], len(layout.put_off)),
            *self._roll(_title_rest(layout), layout.nodes[nodes], n_rolled_up),
            *self._list_direct(layout.direct[direct]),
        ]
        return tuple(groups), sum(lengths)

    def find_families(self) -> set[str]:
        """The families of all cases in trouble; nothing when they are too many, or one of them is of none."""
        split = [split_family(self.names.get(ord_, "")) for ord_ in self.troubled]
        return {name for name, _ in split} if all(rest for _, rest in split) else set()

    def _read(self, ords: Iterable[int]) -> None:
        missing = sorted({ord_ for ord_ in ords if ord_ not in self.names})
        if missing:
            self.names |= dict(fetch_rows(_NAMES_SQL, {"project": self.project.pk, "ords": missing}))

    def _group_by_place(self, cases: Ords) -> list[Group]:
        """A heading a place, with the row of all cases there, and below it the cases in their order."""
        if not len(cases):
            return []
        places = self.window.place_of[cases]
        ends = np.flatnonzero(np.diff(places)) + 1
        pieces = np.split(cases, ends)
        whole = split_by_place(self.window, np.flatnonzero(self.fits & np.isin(self.window.place_of, places)))
        heads = roll_up(self.window, [whole[int(self.window.place_of[piece[0]])] for piece in pieces])
        return [
            self._make_group(piece, head, self._count_broken(whole[int(self.window.place_of[piece[0]])]))
            for piece, head in zip(pieces, heads, strict=True)
        ]

    def _count_broken(self, cases: Ords) -> int:
        """How many of these broke in any of the runs."""
        return int(np.count_nonzero(self.window.n_broken[cases]))

    def _make_group(self, cases: Ords, head: Rolled, n_broken: int) -> Group:
        """Rows under their path: its row counts all cases there, whatever of them is listed."""
        place = self.window.places[int(self.window.place_of[cases[0]])]
        rows = tuple(map(self._make_case, cases.tolist()))
        url = "" if place in ("", self.filters.path) else self._open(place)
        title = visible(shorten(place or "Without a path", _LONGEST_TITLE))
        return Group(title, place, url, f"{n_broken:,} of {head.n:,}", head, rows)

    def _make_case(self, ord_: int) -> Row:
        window, name = self.window, self.names.get(ord_, "")
        n_seen, n_broken = int(window.n_seen[ord_]), int(window.n_broken[ord_])
        pieces = _cut_case(name)
        return Row(
            pieces=pieces,
            is_cut=len(name) > _LONGEST_NAME or len(pieces) > 1,
            full=name,
            path=window.places[int(window.place_of[ord_])],
            ord=ord_,
            note=f"{n_broken:,} of {n_seen:,}",
            url=f"../cases/{ord_}/",
            cells=window.outcomes[ord_].tobytes(),
            shares={},
            n=1,
        )

    def _roll(self, title: str, nodes: Sequence[Node], n_all: int) -> list[Group]:
        """Paths and families, each rolled up into a row."""
        if not nodes:
            return []
        rolled = roll_up(self.window, [node.cases for node in nodes])
        rows = tuple(self._make_node(node, roll) for node, roll in zip(nodes, rolled, strict=True))
        return [Group(f"{title} · {n_all:,} {'test' if n_all == 1 else 'tests'}", "", "", "", None, rows)]

    def _make_node(self, node: Node, rolled: Rolled) -> Row:
        full = f"{node.path}::{node.family}" if node.family else node.path
        shown = f"{_name_last(node.path)}::{node.family}" if node.family else node.path
        if rolled.n > 1 and node.family:
            shown = f"{shown}[…]"
        is_case = rolled.n == 1 and bool(node.family)
        return Row(
            pieces=_cut_name(shown),
            is_cut=shown != full,
            full=full,
            path=node.path,
            ord=int(node.cases[0]) if is_case else None,
            note=f"{self._count_broken(node.cases):,} of {rolled.n:,}",
            url=f"../cases/{int(node.cases[0])}/" if is_case else self._open(node.path, node.family),
            cells=rolled.cells,
            shares=rolled.shares,
            n=rolled.n,
        )

    def _open(self, path: str, family: str = "") -> str:
        """The same choice further down; of a family, its cases one by one."""
        chosen = urlencode({"path": path, "search": family} if family else {"path": path})
        return f"{self.above}{chosen}"

    def _find_families(self, put_off: Ords) -> tuple[Node, ...]:
        """Cases put off, by place and family; where they are too many to be named, by place."""
        found: dict[tuple[str, str], list[int]] = {}
        for ord_ in put_off.tolist():
            place = self.window.places[int(self.window.place_of[ord_])]
            found.setdefault((place, split_family(self.names.get(ord_, "")).name), []).append(ord_)
        nodes = [Node(place, np.array(ords, np.intp), family) for (place, family), ords in found.items()]
        return tuple(sorted(nodes, key=lambda node: (-len(node.cases), node.path, node.family)))

    def _list_direct(self, cases: Ords) -> list[Group]:
        """The cases right at the path, which no path further down holds."""
        if not len(cases):
            return []
        self._read(cases.tolist())
        title = f"Right in {self.filters.path}" if self.filters.path else "Without a path"
        shown = visible(shorten(title, _LONGEST_TITLE))
        return [Group(shown, self.filters.path, "", "", None, tuple(self._make_case(ord_) for ord_ in cases.tolist()))]


def _title_rest(layout: Layout) -> str:
    is_all = not len(layout.listed) and not len(layout.put_off) and not len(layout.direct)
    return "By path" if is_all else "Everything else, by path"


def _name_last(path: str) -> str:
    """The last part of a path."""
    above = list_prefixes(path)[:-1]
    return path[len(above[-1]) :].lstrip("/.:") if above else path


def _cut(lengths: Sequence[int], start: int, size: int) -> list[slice]:
    """Which part of each of several lists, one after the other, is on the page."""
    spans, at = [], 0
    for length in lengths:
        low, high = max(start - at, 0), max(start + size - at, 0)
        spans.append(slice(min(low, length), min(high, length)))
        at += length
    return spans


def _cut_name(name: str) -> tuple[str, ...]:
    """A name for a narrow column: shortened in the middle, and its end apart, which is shown however narrow it is."""
    short = shorten(name, _LONGEST_NAME)
    if len(short) <= 2 * _TAIL:
        return (visible(short),)
    return (visible(short[:-_TAIL]), visible(short[-_TAIL:]))


def _cut_case(name: str) -> tuple[str, ...]:
    """The name of a case; its parameters are the end that is always shown, as long as they are short."""
    family, parameters = split_family(name)
    if len(name) <= 2 * _TAIL or not parameters or len(parameters) > 2 * _TAIL:
        return _cut_name(name)
    return (visible(shorten(family, _LONGEST_NAME - len(parameters))), visible(parameters))


def list_trail(path: str) -> tuple[str, ...]:
    """The paths above this one, itself the last."""
    return list_prefixes(path) if path else ()


_NAMES_SQL: Final = "SELECT ord, name FROM health_case WHERE project_id = %(project)s AND ord = ANY(%(ords)s)"

_SEARCH_SQL: Final = """
SELECT string_agg(int4send(ord), ''::bytea) FROM health_case
WHERE project_id = %s AND strpos(lower(concat_ws('::', namespace, suite_path, class_name, name)), lower(%s)) > 0
"""

_BY_NAME_SQL: Final = """
SELECT string_agg(int4send(ord), ''::bytea ORDER BY name COLLATE "C", occurrence, ord) FROM health_case
WHERE project_id = %s
"""

"""The paths that lead to a place: few, however deep somebody else's names are."""

import numpy as np
import pytest

from dashboard.queries import matrix_places
from dashboard.queries.matrix_places import MOST_LEVELS, Places, list_prefixes
from dashboard.queries.matrix_rows import find_fitting, lay_out
from tests.dashboard.test_matrix_rows import a_window

DEEP = "a." * 505 + "b"


def test_a_deep_or_long_name_is_cut_a_few_times() -> None:
    deep, long = list_prefixes(DEEP), list_prefixes("x" * 290 + ".y" * 500)
    assert (len(deep), deep[-2:]) == (MOST_LEVELS, (".".join("a" * 11), DEEP))
    assert (len(long), max(map(len, long[:-1]))) == (6, 298)


def test_paths_take_little_however_deep_the_names_are() -> None:
    places = Places(f"{DEEP}{k}" for k in range(1_000))
    assert places.paths.ends.shape == places.paths.ids.shape == (1_000, MOST_LEVELS)
    assert sum(table.nbytes for table in places.paths) <= places.n_bytes - sum(map(len, places))


def test_paths_are_cut_once_and_not_on_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    places = tuple(f"{DEEP}{k}" for k in range(150))
    window = a_window(*["·"] * 150, places=places, place_of=tuple(range(150)))
    first = lay_out(window, find_fitting(window, suites=None, path=""), path="")
    assert [node.path for node in first.nodes] == [".".join("a" * 11)]
    monkeypatch.delattr(matrix_places, "_list_ends")
    below = lay_out(window, find_fitting(window, suites=None, path="a.a"), path="a.a")
    assert [len(node.cases) for node in below.nodes] == [150]
    deepest = lay_out(window, find_fitting(window, suites=None, path=first.nodes[0].path), path=first.nodes[0].path)
    assert sorted(node.path for node in deepest.nodes) == sorted(places)


def test_namesakes_share_a_path_whatever_cuts_them() -> None:
    window = a_window("·", "·", "·", places=("a.b/c", "a.b.c", "a.b"), place_of=(0, 1, 2))
    nodes = lay_out(window, np.ones(3, bool), path="a").nodes
    assert [node.path for node in nodes] == ["a.b", "a.b.c", "a.b/c"]

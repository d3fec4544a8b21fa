"""Which cases get a row of their own, which are rolled up, and the figures above them: numbers alone."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.queries.matrix_facts import count_facts, write_matrix
from dashboard.queries.matrix_places import Places, is_below, list_prefixes
from dashboard.queries.matrix_rows import STATES, find_fitting, has_state, lay_out, list_flat, roll_up
from dashboard.queries.matrix_window import Column, Window
from health.rules import outcomes as codes

LETTERS = {letter or " ": code for code, letter in enumerate(codes.LETTERS)}
PLACES = ("", "tests.api", "tests.api.pets", "tests.db", "web/a_test.ts", "describe: it works")


def a_window(*rows: str, places: tuple[str, ...] = (), place_of: tuple[int, ...] = ()) -> Window:
    """A window of letters, a text a case; all in one place unless said."""
    outcomes = np.array([[LETTERS[letter] for letter in row] for row in rows], np.uint8)
    columns = tuple(
        Column(run, "", datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=run), True, (1,))
        for run in range(1, outcomes.shape[1] + 1)
    )
    where = np.array(place_of or (0,) * len(rows), np.int32)
    return Window(columns, outcomes, Places(places or ("tests.api",)), where, np.ones(len(rows), np.int32))


def everything(window: Window) -> np.ndarray:
    return find_fitting(window, suites=None, path="")


windows = st.integers(1, 6).flatmap(
    lambda n: st.lists(
        st.tuples(st.text(alphabet=list(LETTERS), min_size=n, max_size=n), st.integers(0, len(PLACES) - 1)),
        min_size=1,
        max_size=30,
    ).map(lambda rows: a_window(*(r for r, _ in rows), places=PLACES, place_of=tuple(p for _, p in rows)))
)


@given(windows, st.sampled_from(["", "tests", "tests.api", "web"]))
def test_each_case_that_fits_is_in_exactly_one_row(window: Window, path: str) -> None:
    fits = find_fitting(window, suites=None, path=path)
    layout = lay_out(window, fits, path=path)
    parts = [layout.listed, layout.put_off, layout.direct, *(node.cases for node in layout.nodes)]
    assert Counter(np.concatenate(parts).tolist()) == Counter(np.flatnonzero(fits).tolist())
    for node in layout.nodes:
        assert len(node.path) > len(path)
        assert all(is_below(window.places[window.place_of[ord_]], node.path) for ord_ in node.cases.tolist())


@given(windows)
def test_a_row_of_several_says_the_worst_and_the_share(window: Window) -> None:
    cases = np.arange(len(window.outcomes))
    (rolled,) = roll_up(window, [cases])
    for at in range(len(window.columns)):
        column = window.outcomes[:, at].tolist()
        assert rolled.cells[at] == max(column, key=codes.SEVERITY.__getitem__)
        executed = [code for code in column if code in codes.EXECUTED]
        expected = [code for code in executed if code in codes.AS_EXPECTED]
        is_broken = any(code in codes.BROKEN for code in column)
        assert rolled.shares.get(at) == ((len(expected), len(executed)) if is_broken else None)


@given(windows, st.sampled_from(sorted(STATES)))
def test_a_state_of_the_legend_chooses_the_cases_that_ended_so(window: Window, state: str) -> None:
    chosen = has_state(window, state)
    assert chosen.tolist() == [(row == STATES[state]).any() for row in window.outcomes]
    assert count_facts(window, everything(window)).states[state] == int((chosen & everything(window)).sum())


def test_trouble_is_sorted_by_how_much_and_stands_together_by_place() -> None:
    window = a_window("F··", "·FF", "···", "FFF", "R··", places=("a", "b"), place_of=(0, 1, 0, 0, 1))
    assert lay_out(window, everything(window), path="").listed.tolist() == [3, 0, 1, 4]


def test_change_puts_first_what_changed_in_the_newest_run() -> None:
    window = a_window("·F·", "··F", "···", "F F", "· F")
    assert list_flat(window, everything(window), order="change").listed.tolist() == [0, 1, 4]


def test_put_off_is_what_was_skipped_last_and_never_broke() -> None:
    window = a_window("sss", "··s", "ss·", "Fss", "xx ")
    assert lay_out(window, everything(window), path="").put_off.tolist() == [0, 1, 4]


def test_a_case_of_none_of_the_runs_fits_nothing() -> None:
    window = a_window("   ", "·  ")
    assert everything(window).tolist() == [False, True]


def test_many_places_are_rolled_up_as_deep_as_there_is_room() -> None:
    places = tuple(f"tests.area{k % 7}.file{k}" for k in range(300))
    window = a_window(*["·"] * 300, places=places, place_of=tuple(range(300)))
    nodes = lay_out(window, everything(window), path="").nodes
    assert [node.path for node in nodes][:2] == ["tests.area0", "tests.area1"]
    below = lay_out(window, find_fitting(window, suites=None, path="tests.area3"), path="tests.area3").nodes
    assert {len(node.cases) for node in below} == {1}
    assert len(below) == 43


@pytest.mark.parametrize(
    ("place", "prefixes"),
    [
        ("tests.api.Pets", ("tests", "tests.api", "tests.api.Pets")),
        ("tests/api/test_pets.py", ("tests", "tests/api", "tests/api/test_pets.py")),
        ("tests/test_pets.py::Pets", ("tests", "tests/test_pets.py", "tests/test_pets.py::Pets")),
        ("/abs/x", ("/abs", "/abs/x")),
        ("returns 3.5 of them", ("returns 3.5 of them",)),
        ("", ("",)),
    ],
)
def test_a_path_is_cut_where_it_has_steps(place: str, prefixes: tuple[str, ...]) -> None:
    assert list_prefixes(place) == prefixes


def test_a_path_does_not_hold_its_namesakes() -> None:
    assert is_below("tests.api.pets", "tests.api")
    assert not is_below("tests.api_v2", "tests.api")


def test_the_sentence_has_its_denominators() -> None:
    window = a_window("F··", "·F·", "···", "R··")
    facts = count_facts(window, everything(window))
    assert (facts.n_red_runs, facts.n_since, facts.n_troubled) == (2, 1, 3)
    told = write_matrix(facts, lane="main", families=set())
    assert told == "2 of 4 tests broke at least once in the three newest runs of main; none is broken in the newest."
    told = write_matrix(facts, lane="main", families={"test_pager"})
    assert "of main, all of the family test_pager; none" in told


def test_all_is_said_only_of_all() -> None:
    calm = a_window("··", "s·")
    assert write_matrix(count_facts(calm, everything(calm)), lane="main", families=set()) == (
        "None of 2 tests broke in the two newest runs of main."
    )
    retried = a_window("R")
    assert write_matrix(count_facts(retried, everything(retried)), lane="main", families=set()) == (
        "1 of 1 tests passed only on a retry in the one run of main; none stayed broken."
    )
    now = a_window("·F")
    assert write_matrix(count_facts(now, everything(now)), lane="main", families=set()).endswith(
        "; one is broken in the newest."
    )

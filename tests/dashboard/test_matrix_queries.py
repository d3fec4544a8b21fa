"""The matrix of real projects: its columns, what a page holds, and how often the database is asked."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from dashboard.filters import Filters
from dashboard.queries import matrix_window
from dashboard.queries.matrix import Matrix, list_all, read_matrix
from dashboard.queries.matrix_card import read_card
from health.models import Project
from health.rules import outcomes as codes
from ingest.cases import Naming, resolve_ords
from tests.builders import a_key, a_project, an_upload
from tests.scenes import a_matrix, a_run, a_steady_project, green, two_workflows
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """No test sees what another one kept."""
    matrix_window.forget_windows()
    yield
    matrix_window.forget_windows()


def read(project: Project, **choices: str) -> Matrix:
    return read_matrix(Project.objects.get(pk=project.pk), Filters.read(choices))


def list_names(matrix: Matrix) -> list[list[str]]:
    """The names of each group's rows."""
    return [[row.full for row in group.rows] for group in matrix.groups]


def letters(cells: bytes) -> str:
    return "".join(codes.LETTERS[code] or " " for code in cells)


def test_trouble_first_then_put_off_then_the_rest_by_path() -> None:
    project = a_project("click")
    cases = {
        "a.x::one": "pass",
        "a.x::two": "pass",
        "b::skipped[1]": "skip",
        "b::skipped[2]": "skip",
        "c::calm": "pass",
    }
    a_run(project, cases, hour=0)
    a_run(project, cases | {"a.x::two": "fail"}, hour=1)
    found = read(project)
    assert [str(group.title) for group in found.groups] == [
        "a.x",
        "Put off · 2 tests",
        "Everything else, by path · 2 tests",
    ]
    trouble, put_off, rest = found.groups
    assert [(row.full, letters(row.cells), row.note, row.url) for row in trouble.rows] == [
        ("two", "·F", "1 of 2", "../cases/1/")
    ]
    assert trouble.rolled is not None
    assert (trouble.rolled.n, trouble.rolled.shares, trouble.note) == (2, {1: (1, 2)}, "1 of 2")
    assert [row.note for row in (*put_off.rows, *rest.rows)] == ["0 of 2", "0 of 1", "0 of 1"]
    assert [(str(row.pieces[0]), row.n, row.url) for row in put_off.rows] == [
        ("b::skipped[…]", 2, "?path=b&search=skipped")
    ]
    assert [(row.full, row.n, row.url) for row in rest.rows] == [("a.x", 1, "?path=a.x"), ("c", 1, "?path=c")]


def test_a_path_opens_down_to_its_cases() -> None:
    project = a_project("click")
    a_run(project, {"a.x::one": "pass", "a.x::two": "pass", "a.y::three": "pass", "b::four": "pass"}, hour=0)
    assert list_names(read(project)) == [["a.x", "a.y", "b"]]
    below = read(project, path="a.x")
    assert [str(group.title) for group in below.groups] == ["Right in a.x"]
    assert list_names(below) == [["one", "two"]]


def test_a_heading_is_its_path_and_a_case_keeps_its_parameters_in_sight() -> None:
    project = a_project("click")
    cases = {"a::pager[less]": "fail", "a::pager_that_is_real[cat]": "fail", "a::other": "pass"}
    a_run(project, cases, hour=0)
    found = read(project)
    # The heading counts all of its path, and is named so.
    assert (str(found.groups[0].title), found.groups[0].note) == ("a", "2 of 3")
    pieces = [tuple(map(str, row.pieces)) for row in found.groups[0].rows]
    assert pieces == [("pager[less]",), ("pager_that_is_real", "[cat]")]


def test_trouble_of_one_family_is_told_by_its_name() -> None:
    project = a_project("click")
    a_run(project, {"a::pager[less]": "fail", "a::pager[cat]": "fail", "a::other": "pass"}, hour=0)
    assert "both of the family pager" in read(project).sentence


def test_of_several_jobs_the_worst_counts_and_one_can_be_chosen() -> None:
    project = a_matrix()
    row = read(project).groups[0].rows[0]
    assert (row.full, letters(row.cells)) == ("case2", "·F")
    assert read(project, variant="3.11").facts.n_troubled == 0


def test_a_commit_that_ran_again_stands_apart_and_another_job_is_no_repeat() -> None:
    project = a_project("click")
    for hour, commit in enumerate(("a" * 40, "b" * 40, "b" * 40, "b" * 40, "c" * 40)):
        cases = green(3, case1="fail" if hour == 2 else "pass")
        a_run(project, cases, hour=hour, commit=commit, committed_at=None)
    found = read(project)
    assert [column.repeat for column in found.columns] == [0, 1, 2, 3, 0]
    facts = found.facts
    assert (facts.n_red_repeats, facts.n_repeats, facts.repeated) == (1, 3, "b" * 40)
    other = two_workflows("other")
    assert {column.repeat for column in read(other).columns} == {0}


def test_the_newest_runs_are_shown() -> None:
    project = a_project("click")
    for hour in range(4):
        a_run(project, green(1), hour=hour)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matrix_window, "N_COLUMNS", 3)
        assert [column.run for column in read(project).columns] == [2, 3, 4]


def test_search_state_and_order_list_cases_one_by_one() -> None:
    project = a_project("click")
    a_run(project, {"a::Two": "pass", "a::one": "skip", "b::two": "pass", "b::three": "fail"}, hour=0)
    a_run(project, {"a::Two": "pass", "a::one": "pass", "b::two": "pass", "b::three": "fail"}, hour=1)
    assert list_names(read(project, search="TWO")) == [["Two"], ["two"]]
    assert list_names(read(project, search="b::t", path="b")) == [["three", "two"]]
    assert list_names(read(project, state="skipped")) == [["one"]]
    assert list_names(read(project, order="change")) == [["one"]]
    assert list_names(read(project, order="name")) == [["Two", "one"], ["three", "two"]]
    assert read(project, search="nothing like it").n_rows == 0
    assert len(list_all(read(project, state="failed"))) == 1


def test_pages_hold_every_row_once() -> None:
    project = a_project("click")
    cases = {f"a{k % 7}.b::case{k}": ("pass", "fail", "skip")[k % 3] for k in range(520)}
    a_run(project, cases, hour=0)
    seen: list[tuple[str, str]] = []
    start: int | None = 0
    while start is not None:
        page = read(project, before=str(start) if start else "")
        seen += [(row.path, row.full) for group in page.groups for row in group.rows]
        assert page.last_shown - page.start <= 200
        start = page.next_start
    assert len(seen) == len(set(seen)) == page.n_rows
    assert read(project, rows="1000").next_start is None
    assert read(project, before="99999999").groups == ()


def test_suites_and_branches_narrow_it() -> None:
    project = a_project("click")
    a_run(project, {"a::one": "fail"}, hour=0, suite="unit")
    a_run(project, {"b::two": "pass"}, hour=1, suite="e2e", job="more")
    a_run(project, {"c::three": "pass"}, hour=2, branch="feature")
    assert read(project, suite="unit").facts.n_cases == 1
    assert [column.run for column in read(project, branch="changes").columns] == [3]
    assert read(project, branch="nowhere").columns == ()


def test_the_card_says_what_the_letters_do_not() -> None:
    project = a_project("click")
    for variant, word in (("a", "pass"), ("b", "fail")):
        a_run(project, green(2, case1=word), hour=0, variant=variant, run_id="1", seconds=0.25, text="E  boom")
    a_run(project, green(2), hour=1, variant="a", run_id="2")
    project.refresh_from_db()
    lines = read_card(project, Filters(), number=1)
    assert (lines[1].took, lines[1].job, lines[1].said) == ("250\u00a0ms", "tests, b", "fail: tests.api::case1")
    assert (lines[2].job, lines[2].said) == ("tests, a", "")
    assert read_card(project, Filters(), number=99) == {}


def test_what_was_read_is_kept_until_the_facts_change() -> None:
    project = a_steady_project("click", n_runs=2, n_cases=6)
    with counted_statements() as first:
        read(project)
    with counted_statements() as again:
        read(project)
    assert len(first) - len(again) == 3  # the runs, the cases, their outcomes
    an_upload(project, green(6, case4="fail"))
    assert read(project).facts.n_runs == 3


def test_little_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (a_steady_project(slug, n_runs=2, n_cases=6) for slug in ("one", "two"))
    read(first)
    most = matrix_window.weigh_kept()
    monkeypatch.setattr(matrix_window, "_MOST_KEPT", most)
    read(second)
    assert 0 < matrix_window.weigh_kept() <= most
    assert first.pk not in [key[0] for key in matrix_window._kept]
    matrix_window.forget_windows()
    monkeypatch.setattr(matrix_window, "_MOST_KEPT", 11)
    a_run(second, green(6), hour=99)
    assert read(second).facts.n_runs == 3
    assert not matrix_window._kept


def test_names_and_figures_count_as_kept() -> None:
    project = a_project("click")
    deep = {f"{'a.' * 500}{k}::case": "pass" for k in range(50)}
    a_run(project, deep, hour=0)
    found = read(project)
    held = {id(part): part for part in vars(found.window).values() if isinstance(part, np.ndarray)}
    n_bytes = sum(part.nbytes for part in held.values()) + sum(part.nbytes for part in found.window.places.paths)
    assert matrix_window.weigh_kept() >= n_bytes + sum(map(len, deep)) - 50 * len("::case")
    assert matrix_window.weigh_kept() < 3 * sum(map(len, deep))


def test_a_case_numbered_after_the_cells_were_read_is_not_found_yet() -> None:
    project = a_project("click")
    a_run(project, {"a::one": "pass"}, hour=0)
    read(project)
    resolve_ords([a_key(f"a::one more {k}") for k in range(3)], naming=Naming(project.pk, "", "tests", ""))
    assert list_names(read(project, search="one")) == [["one"]]
    assert list_names(read(project, order="name")) == [["one"]]
    assert read(project, search="one", branch="nowhere").n_rows == 0


def test_after_an_upload_only_new_cases_are_read() -> None:
    project = a_project("click")
    a_run(project, {"a::one": "pass", "b::two": "pass"}, hour=0)
    before = read(project).window.places
    a_run(project, {"a::one": "pass", "b::two": "pass", "b::three": "pass"}, hour=1)
    after = read(project).window
    assert after.places is before
    assert [after.places[number] for number in after.place_of] == ["a", "b", "b"]
    a_run(project, {"a::one": "pass", "c::four": "fail"}, hour=2)
    found = read(project)
    matrix_window.forget_windows()
    whole = read(project)
    assert found.groups == whole.groups
    assert [list(numbers) for numbers in (found.window.place_of, found.window.suite_of)] == [
        list(numbers) for numbers in (whole.window.place_of, whole.window.suite_of)
    ]


@pytest.mark.parametrize(
    ("choices", "n"),
    [({}, 7), ({"search": "case"}, 7), ({"order": "name"}, 7), ({"state": "failed"}, 6), ({"path": "tests"}, 7)],
)
def test_statements_are_bounded(choices: dict[str, str], n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: dict[str, Any] = {"small": (2, 6, 1), "large": (30, 700, 3)}
    counts = []
    for slug, (n_runs, n_cases, n_variants) in sizes.items():
        project = a_steady_project(slug, n_runs=n_runs, n_cases=n_cases, n_variants=n_variants)
        with counted_statements() as sent:
            read(project, **choices)
        counts.append(len(sent) - 1)  # the project itself
    assert max(counts) <= n, counts


def test_a_card_asks_no_more_of_a_long_history() -> None:
    counts = []
    for slug, n_runs in (("small", 3), ("large", 30)):
        project = a_steady_project(slug, n_runs=n_runs, n_cases=6)
        project.refresh_from_db()
        read(project)
        with counted_statements() as sent:
            read_card(project, Filters(), number=2)
        counts.append(len(sent))
    assert counts == [4, 4]

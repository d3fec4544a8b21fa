"""Two sides case by case: sums that add up, lists as long as their counts, in each way two runs can differ."""

import random

import pytest

from dashboard.filters import Filters
from dashboard.queries.compare import Compare, read_compare
from dashboard.queries.compare_sentences import list_remarks, write_compare
from health.models import CoverageReport, Project, Run, Tile
from tests.builders import OUTCOMES, a_project, an_upload
from tests.coverage_scenes import lines, measured
from tests.scenes import a_matrix, a_pull_request_beside_main, a_run, a_steady_project, at, green, two_workflows
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project, **query: str) -> Compare:
    words = {"start": "from", "end": "to"}
    return read_compare(project, Filters.read({words.get(name, name): value for name, value in query.items()}))


def cells(page: Compare) -> dict[str, int]:
    assert page.table is not None
    return {cell.key: cell.n for row in page.table.rows for cell in row.cells if cell.n}


def names(page: Compare) -> list[str]:
    return [entry.case.name for entry in page.cell.cases] if page.cell else []


def two_runs(before: dict[str, str], now: dict[str, str]) -> Project:
    project = a_project()
    a_run(project, before, hour=0)
    a_run(project, now, hour=1)
    return project


def test_the_table_says_what_became_of_every_case_and_the_sentence_adds_it_up() -> None:
    project = two_runs(
        green(6, case1="fail", case2="fail", case3="skip"), green(5, case2="error", case4="fail", new="pass")
    )
    page = read(project, start="1", end="2")
    assert cells(page) == {
        "passed-passed": 1,
        "passed-failed": 1,
        "passed-absent": 1,
        "failed-passed": 1,
        "failed-error": 1,
        "skipped-passed": 1,
        "absent-passed": 1,
    }
    assert page.table is not None
    assert (page.table.n_cases, page.table.n_changed, sum(page.table.totals)) == (7, 6, 7)
    assert write_compare(page) == (
        "From run 1 to run 2, one test broke, one test is broken on both sides, one test is fixed, one test is gone and"
        " one test came new; 1 of 7 results are alike."
    )
    assert names(page) == ["case4"]


@pytest.mark.parametrize(
    ("cell", "listed"),
    [
        ("failed-passed", ["case1"]),
        ("failed-error", ["case2"]),
        ("passed-absent", ["case5"]),
        ("still", ["case2"]),
        ("fixed", ["case1"]),
        ("gone", ["case5"]),
        ("added", ["new"]),
        ("passed-passed", ["case0"]),
        ("xpass-xfail", []),
        ("absent-absent", []),
        ("nonsense-passed", ["case4"]),
        ("<script>", ["case4"]),
    ],
)
def test_every_cell_lists_its_cases(cell: str, listed: list[str]) -> None:
    project = two_runs(
        green(6, case1="fail", case2="fail", case3="skip"), green(5, case2="error", case4="fail", new="pass")
    )
    assert names(read(project, start="1", end="2", cell=cell)) == listed


def test_a_case_has_both_times_and_what_it_said() -> None:
    project = a_project()
    a_run(project, green(2, case1="fail"), hour=0, seconds=0.5)
    a_run(project, green(2), hour=1, seconds=2.0)
    page = read(project, start="1", end="2", cell="fixed")
    assert page.cell is not None
    (entry,) = page.cell.cases
    assert (entry.word_before, entry.word, entry.said) == ("failed", "passed", "fail: tests.api::case1")
    assert entry.seconds_before == pytest.approx(0.5, rel=0.01)
    assert entry.seconds == pytest.approx(2, rel=0.01)
    assert [(time.before < 1 < time.now, time.job.key.run) for time in page.slower] == [(True, 2)] * 2
    assert page.names is not None
    assert {page.names[time.ord].name for time in page.slower} == {"case0", "case1"}
    ((suite,),) = [page.suites]
    assert (suite.n_before, suite.n_now) == (2, 2)
    assert suite.change == pytest.approx(3, rel=0.01)


def test_the_other_way_round_is_told_and_turns_the_table() -> None:
    project = two_runs(green(case1="fail"), green())
    page = read(project, start="2", end="1")
    assert page.is_backwards
    assert list_remarks(page) == ["This looks back in time: run 2 is newer than run 1."]
    assert cells(page) == {"passed-passed": 5, "passed-failed": 1}


def test_a_run_against_itself_differs_in_nothing() -> None:
    page = read(two_runs(green(), green(case1="fail")), start="2", end="2")
    assert cells(page) == {"passed-passed": 5, "failed-failed": 1}
    assert write_compare(page) == "Run 2 is compared with itself, so nothing differs."
    assert (page.is_itself, page.is_backwards, page.slower) == (True, False, ())


def test_an_incomplete_run_calls_no_case_gone() -> None:
    project = a_project()
    a_run(project, green(6), hour=0)
    a_run(project, green(3), hour=1, state="partial")
    page = read(project, start="1", end="2")
    assert (page.changes.gone, page.n_absent) == (0, 3)
    (remark,) = list_remarks(page)
    assert remark == (
        "Run 2 is incomplete: the report of job tests broke off. A case that is absent there is not gone."
    )


def test_jobs_of_one_side_only_are_named_and_counted_apart() -> None:
    page = read(two_workflows(), start="1", end="2")
    assert page.table is None
    assert write_compare(page) == "Run 1 and run 2 have no job in common, so no case can be compared."
    assert list_remarks(page) == [
        "Only run 1 has job tests, six tests; no case of it is in the table.",
        "Only run 2 has job docs, two tests; no case of it is in the table.",
    ]


def test_jobs_are_matched_by_name_and_variant() -> None:
    page = read(a_matrix(), start="1", end="2")
    assert cells(page) == {"passed-passed": 11, "passed-failed": 1}
    assert [job.variant for job in page.compared] == ["3.11", "3.12"]
    narrowed = read(a_matrix("two"), start="1", end="2", variant="3.11")
    assert cells(narrowed) == {"passed-passed": 6}


def test_a_branch_is_compared_as_its_newest_whole_state_with_the_default_one() -> None:
    project = a_pull_request_beside_main()
    page = read(project, branch="feature")
    assert (page.sides.start, page.sides.end) == ("main", "feature")
    assert page.both is not None
    assert [side.newest.number for side in page.both] == [2, 3]
    assert names(page) == ["case4"]
    assert write_compare(page) == "From main to feature, one test broke; 5 of 6 results are alike."
    a_run(project, green(1), hour=3, branch="feature", pull_request="7", state="partial")
    assert cells(read(project, branch="feature")) == {"passed-passed": 5, "passed-failed": 1}
    assert cells(read(project, start="main", end="3")) == {"passed-passed": 5, "passed-failed": 1}


def test_a_pull_request_from_a_branch_called_main_is_not_main() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1, pull_request="9")
    page = read(project, start="main", end="2")
    assert page.both is not None
    assert page.both[0].newest.number == 1


def test_where_nobody_named_a_default_branch_the_last_long_lived_one_stands_for_it() -> None:
    project = a_project(default_branch="")
    a_run(project, green(), hour=0, branch="master")
    a_run(project, green(case1="fail"), hour=1, branch="feature", pull_request="3")
    page = read(project, branch="feature")
    assert (page.sides.start, page.changes.new) == ("master", 1)


def test_a_branch_called_by_a_number_is_found_as_a_branch() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1, branch="1")
    assert read(project, branch="1").changes.new == 1


def test_without_a_choice_the_newest_run_stands_beside_the_one_before() -> None:
    project = two_runs(green(), green(case1="fail"))
    assert (read(project).sides.start, read(project).sides.end) == ("1", "2")
    empty = read(a_project())
    assert (empty.both, write_compare(empty)) == (None, "There is nothing to compare yet: no run has arrived.")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"start": "1", "end": "99"}, "There is no run 99 here."),
        ({"start": "nowhere", "end": "1"}, "No run of the branch nowhere is known."),
        ({"branch": "gone"}, "No run of the branch gone is known."),
        ({"start": "9" * 30, "end": "1"}, f"There is no run {'9' * 30} here."),
    ],
)
def test_what_is_not_there_is_said(query: dict[str, str], said: str) -> None:
    page = read(two_runs(green(), green()), **query)
    assert (page.both, write_compare(page)) == (None, said)


def test_results_that_are_no_longer_kept_are_not_called_absent() -> None:
    project = two_runs(green(), green(case1="fail"))
    Tile.objects.filter(project=project, run=1).delete()
    page = read(project, start="1", end="2")
    assert page.table is None
    assert write_compare(page) == (
        "The results of job tests are no longer kept case by case, so only sums can be compared."
    )
    assert [suite.n_before for suite in page.suites] == [6]


def test_suites_narrow_the_table_and_owners_the_list() -> None:
    project = a_project()
    owners = "/tests/api/ @api\n"
    before = {"tests/api/a.py::x": "pass", "tests/web/b.py::y": "pass"}
    for hour, word in enumerate(("pass", "fail")):
        a_run(project, dict.fromkeys(before, word), hour=hour, owners=owners)
    project.refresh_from_db()
    every = read(project, start="1", end="2")
    assert cells(every) == {"passed-failed": 2}
    suites = {suite.name for suite in every.suites}
    one = read(project, start="1", end="2", suite=min(suites))
    assert (cells(one), len(names(one)), len(one.suites)) == ({"passed-failed": 1}, 1, 1)
    owned = read(project, start="1", end="2", owner="@api")
    assert owned.cell is not None
    assert owned.cell.n in (0, 1)
    assert all(entry.owners == ("@api",) for entry in owned.cell.cases)


def test_coverage_is_compared_level_by_level_and_file_by_file() -> None:
    project = a_project()
    measured(
        project, {"src/a.py": lines(10, 4), "src/b.py": lines(4, 4), "lib/c.py": lines(2, 1)}, hour=0, level="unit"
    )
    measured(
        project, {"src/a.py": lines(10, 8), "src/b.py": lines(4, 4), "lib/d.py": lines(3, 0)}, hour=1, level="unit"
    )
    page = read(project, start="1", end="2")
    assert page.coverage is not None
    ((level,),) = [page.coverage.levels]
    assert (level.name, level.tenths) == ("unit", 12 * 1000 // 17 - 9 * 1000 // 16)
    assert [(file.path, file.n_uncovered) for file in page.coverage.files] == [
        ("src/a.py", -4),
        ("lib/d.py", 3),
        ("lib/c.py", -1),
    ]
    assert [(change.path, change.n_uncovered) for change in page.coverage.directories] == [("src", -4), ("lib", 2)]
    assert write_compare(page).startswith(
        "Neither run 1 nor run 2 has test results. Coverage went from 56.2 % to 70.5 %"
    )
    CoverageReport.objects.filter(project=project, run=1).delete()
    assert not read(project, start="1", end="2").coverage.is_kept  # type: ignore[union-attr]


def test_a_level_of_one_side_only_is_not_measured_on_the_other() -> None:
    project = a_project()
    measured(project, {"a.py": lines(2, 1)}, hour=0, level="unit")
    measured(project, {"a.py": lines(2, 1)}, hour=1, level="e2e")
    coverage = read(project, start="1", end="2").coverage
    assert coverage is not None
    assert [(level.name, level.tenths) for level in coverage.levels] == [("e2e", None), ("unit", None)]
    assert (coverage.compared, coverage.files) == ((), ())


def test_a_page_of_a_cell_starts_behind_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.queries.compare_cell.N_ROWS", 4)
    project = two_runs(green(10), {f"tests.api::case{k}": "fail" for k in range(10)})
    seen, start = [], ""
    for _ in range(3):
        page = read(project, start="1", end="2", before=start)
        assert page.cell is not None
        assert page.cell.n == 10
        seen += names(page)
        start = page.cell.next_start
    assert (start, seen) == ("", [f"case{k}" for k in range(10)])


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_add_up_to_what_the_runs_declare(seed: int) -> None:
    dice, project = random.Random(seed), a_project()
    for run in range(4):
        for variant in ("a", "b"):
            words = {f"s{k % 3}::case{k}": dice.choice(list(OUTCOMES)) for k in range(60) if dice.random() < 0.8}
            an_upload(
                project, words, run_id=str(run), provider="ci", variant=variant, ran_at=at(run), committed_at=at(run)
            )
    declared = dict(Run.objects.filter(project=project).values_list("number", "n_declared"))
    for start in (1, 3):
        for end in (2, 3):
            page = read(project, start=str(start), end=str(end))
            assert page.table is not None
            there = sum(row.n for row in page.table.rows if row.word != "absent")
            here = sum(n for word, n in zip(page.table.columns, page.table.totals, strict=True) if word != "absent")
            assert (there, here) == (declared[start], declared[end])
            for key, n in sorted(cells(page).items())[:12]:
                listed = read(project, start=str(start), end=str(end), cell=key).cell
                assert listed is not None
                assert listed.n == n


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=25, n_cases=600, n_variants=3),
    ):
        newest = Run.objects.filter(project=project).order_by("-number")[0].number
        with counted_statements() as sent:
            read(project, start="1", end=str(newest))
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 16

"""Coverage of a branch: totals, levels together, directories, order, what is missing, and what it costs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import Filters
from dashboard.queries import coverage_reports
from dashboard.queries.coverage import N_FILES, N_MORE_FILES, Coverage, read_coverage
from dashboard.queries.coverage_files import (
    AtLevel,
    Files,
    find_shared,
    group_directories,
    list_files,
    list_parents,
    sum_files,
)
from dashboard.queries.coverage_sentences import write_coverage
from dashboard.queries.covered import Covered, sum_covered
from health.models import CoverageReport, Project
from tests.builders import a_project
from tests.coverage_scenes import counted, lines, measured
from tests.scenes import at
from tests.statements import counted_statements

DAY = 24


def read(project: Project, **choices: str) -> Coverage:
    return read_coverage(Project.objects.get(pk=project.pk), Filters(**choices))


def some_files(paths: list[str]) -> Files:
    return list_files([(path, k, 0, 1, k + 1, k, 0, 0) for k, path in enumerate(paths)], levels=[""])


# --- directories, without a database -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "shared"),
    [
        ([], ""),
        (["a.py"], ""),
        (["src/click/a.py"], "src/click"),
        (["src/click/a.py", "src/click/b/c.py"], "src/click"),
        (["src/click/a.py", "src/cli/a.py"], "src"),
        (["src/a.py", "b.py"], ""),
        (["/srv/a.py", "/srv/b.py"], "/srv"),
        (["/srv/a.py", "srv/a.py"], ""),
        (["a/b", "a/b/c"], "a"),
    ],
)
def test_what_paths_share(paths: list[str], shared: str) -> None:
    assert find_shared(paths) == shared


def test_parents_lead_from_the_root_down() -> None:
    assert list_parents("src/click/ext") == ("src", "src/click", "src/click/ext")
    assert list_parents("/srv/app") == ("/srv", "/srv/app")
    assert list_parents("") == ()


def test_steps_in_which_nothing_divides_are_taken_at_once() -> None:
    paths = ["src/main/java/a/A.java", "src/main/java/a/B.java", "src/test/T.java", "x.py"]
    assert [line.path for line in group_directories(some_files(paths))] == ["", "src"]
    assert [line.path for line in group_directories(some_files(paths[:3]))] == ["src/main/java/a", "src/test"]
    assert group_directories(some_files(paths[:2])) == ()
    assert group_directories(some_files([])) == ()


@given(st.lists(st.text("ab/", min_size=1, max_size=12).map(lambda text: text.strip("/") or "a"), unique=True))
def test_directories_add_up_to_all_files_and_lead_further_down(paths: list[str]) -> None:
    files = some_files(paths)
    directories = group_directories(files)
    if directories:
        assert sum_covered(line.covered for line in directories) == sum_files(files.figures)
        assert sum(line.n_files for line in directories) == len(files)
    for line in directories:
        below = [file for file in files if file.path.startswith(f"{line.path}/")] if line.path else []
        assert line.path == "" or (len(below) == line.n_files < len(files))


# --- with a database ---------------------------------------------------------------------------------------------

pytest_db = pytest.mark.django_db


@pytest_db
def test_totals_are_those_of_the_report_where_it_is_the_only_one() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 5), "b.py": lines(4, 4)}, hour=0, totals=(20, 7))
    page = read(project)
    assert page.covered[:2] == (20, 7)
    assert page.n_files == 2
    assert page.main is not None
    assert (page.main.listed, page.main.lists_less) == (Covered(14, 9), True)
    assert write_coverage(page) == (
        "35.0 % of lines ran in the newest run of main: 7 of 20 lines by the report's own totals;"
        " line by line it lists 14 in 2 files."
    )


@pytest_db
def test_levels_are_told_together_only_where_each_lists_all_lines_it_counts() -> None:
    project = a_project()
    measured(project, {"a.py": lines(5, 5), "b.py": lines(6, 6)}, hour=0, level="unit", totals=(161, 161))
    measured(project, {"a.py": lines(5, 2)}, hour=1, level="e2e")
    page = read(project)
    assert page.main is not None
    assert (page.main.level, page.covered[:2], page.together) == ("unit", (161, 161), None)
    assert [fact.level for fact in page.unlisted] == ["unit"]
    assert write_coverage(page) == (
        "The unit tests ran 100 % of lines in their newest run on main: 161 of 161 lines by the report's own totals;"
        " line by line it lists 11 in 2 files."
    )


@pytest_db
def test_together_is_never_less_than_one_level() -> None:
    project = a_project()
    measured(project, {"a.py": lines(8, 3)}, hour=0, level="unit")
    measured(project, {"a.py": counted(8, 7)}, hour=1, level="e2e")
    assert read(project).together == Covered(8, 7)


@pytest_db
def test_change_is_against_a_month_before_or_the_oldest_day() -> None:
    project = a_project()
    for day, covered in ((0, 10), (10, 20), (35, 30), (45, 45)):
        measured(project, {"src/a/x.py": lines(50, covered), "src/b/y.py": lines(50, 50)}, hour=day * DAY, level="unit")
    page = read(project)
    assert page.change is not None
    assert (page.change.tenths, page.change.run) == (250, 2)
    assert write_coverage(page) == (
        "The unit tests ran 95.0 % of lines in the newest run of main: 95 of 100 lines of 2 files,"
        " 25 points more than about a month before, on 12 Mar 2026."
    )
    changes = {line.path: line.change.tenths for line in page.directories if line.change}
    assert changes == {"src/a": 500, "src/b": 0}
    assert page.since == page.change.day
    below = read(project, directory="src/a")
    assert below.change is not None
    assert (below.covered[:2], below.change.tenths, len(below.trends[0].points)) == ((50, 45), 500, 4)
    assert write_coverage(below).startswith("The unit tests ran 90.0 % of lines in src/a in the newest run of main:")


@pytest_db
def test_late_results_of_an_old_commit_are_not_what_the_newest_run_is_compared_by() -> None:
    project = a_project()
    for day, covered, committed in ((0, 5, 0), (40, 9, 40), (90, 1, 20)):
        files = {"src/a/x.py": lines(10, covered), "src/b/y.py": counted(0, 0)}
        measured(project, files, hour=day * DAY, committed_at=at(committed * DAY))
    for page in (read(project), read(project, directory="src/a")):
        assert page.change is not None
        assert (page.covered[:2], page.change.tenths, page.change.run) == ((10, 9), 400, 1)
        assert "90.0 %" in write_coverage(page)
        assert "40 points more than about a month before, on 2 Mar 2026." in write_coverage(page)


@pytest_db
def test_a_run_is_not_compared_with_a_day_after_it() -> None:
    project = a_project()
    measured(project, {"a/x.py": lines(10, 9)}, hour=DAY)
    measured(project, {"a/x.py": lines(10, 1)}, hour=5 * DAY, committed_at=at(0))
    assert [read(project, directory=directory).change for directory in ("", "a")] == [None, None]


@pytest_db
def test_a_directory_of_several_levels_is_not_compared_with_one_of_them() -> None:
    project = a_project()
    for day in (0, 40):
        measured(project, {"a/x.py": lines(10, 4), "b/y.py": lines(10, 4 + day // 10)}, hour=day * DAY, level="unit")
        measured(project, {"b/y.py": lines(10, 1)}, hour=day * DAY + 1, level="contract")
    measured(project, {"a/x.py": lines(10, 9)}, hour=40 * DAY + 2, level="contract", is_partial=True)
    assert (read(project, directory="a").covered[:2], read(project, directory="a").change) == ((10, 9), None)
    both = read(project, directory="b")
    assert (both.covered[:2], both.main, both.change) == ((10, 8), None, None)
    assert read(project, directory="a", level="unit").change is not None


@pytest_db
def test_one_level_of_several_is_compared_where_no_other_measured() -> None:
    project = a_project()
    for day in (0, 40):
        measured(project, {"a/x.py": lines(10, 4 + day // 10)}, hour=day * DAY, level="unit")
        measured(project, {"b/y.py": lines(10, 1)}, hour=day * DAY + 1, level="e2e")
    change = read(project, directory="a").change
    assert change is not None
    assert (change.tenths, change.run) == (400, 1)


@pytest_db
def test_all_levels_together_count_a_line_once() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, (1, 2, 3), branches=(4, 1)), "b.py": lines(5, 5)}, hour=0, level="unit")
    measured(project, {"a.py": lines(10, (3, 4), branches=(4, 3)), "c.py": counted(8, 2)}, hour=1, level="e2e")
    page = read(project)
    assert (page.covered, page.together) == (Covered(15, 8, 4, 1), Covered(23, 11, 4, 3))
    assert write_coverage(page) == (
        "The unit tests ran 53.3 % of lines in their newest run on main: 8 of 15 lines of 2 files."
        " Both levels together ran 47.8 %, 11 of 23 lines of 3 files."
    )
    (a,) = [file for file in page.files if file.path == "a.py"]
    assert a.covered == Covered(10, 4, 4, 3)
    assert [(at.level, at.covered and at.covered.lines_covered) for at in a.levels] == [("e2e", 2), ("unit", 3)]
    assert [(fact.name, fact.covered[:2]) for fact in page.shown] == [("e2e", (18, 4)), ("unit", (15, 8))]
    alone = read(project, level="unit")
    assert (alone.covered[:2], alone.n_files, len(alone.levels)) == ((15, 8), 2, 2)
    assert alone.left_out == ()  # c.py was never measured at this level
    nowhere = read(project, directory="lib")
    assert (nowhere.n_files, nowhere.covered, nowhere.together) == (0, Covered(), Covered())


def test_a_file_of_one_level_among_several_has_its_own_figures() -> None:
    rows = [
        ("b.py", 2, 1, 7, 8, 2, 4, 3, b"", b""),
        ("a.py", 1, 0, 5, 2, 1, 2, 1, b"\x06", b"\x02"),
        ("a.py", 1, 1, 6, 2, 1, 2, 2, b"\x06", b"\x04"),
    ]
    a, b = list_files(rows, levels=["", "e2e"])
    assert (a.number, a.run, a.covered) == (1, 6, Covered(2, 2, 2, 2))
    assert a.levels == (AtLevel("no level", Covered(2, 1, 2, 1), 5), AtLevel("e2e", Covered(2, 1, 2, 2), 6))
    assert (b.number, b.run, b.covered) == (2, 7, Covered(8, 2, 4, 3))
    assert b.levels == (AtLevel("no level", None), AtLevel("e2e", Covered(8, 2, 4, 3), 7))


@pytest_db
def test_a_level_that_nobody_named_can_be_chosen() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 3)}, hour=0, level="unit")
    measured(project, {"a.py": lines(10, 4)}, hour=1)
    assert read(project, level="no level").covered[:2] == (10, 4)


@pytest_db
def test_a_file_that_is_measured_no_longer_is_named_with_the_run_that_did() -> None:
    project = a_project()
    measured(project, {"src/a.py": lines(3, 3), "src/old.py": lines(9, 1)}, hour=0)
    last = measured(project, {"src/a.py": lines(3, 3), "src/old.py": lines(9, 2)}, hour=1)
    measured(project, {"src/a.py": lines(3, 2)}, hour=2)
    measured(project, {"src/new.py": lines(3, 2)}, hour=3, branch="feature", pull_request="1")
    page = read(project)
    assert [(file.path, file.run, file.covered[:2]) for file in page.left_out] == [("src/old.py", last, (9, 2))]
    assert page.covered[:2] == (3, 2)
    assert [file.path for file in read(project, directory="src").left_out] == ["src/old.py"]
    assert read(project, directory="lib").left_out == ()


@pytest_db
def test_a_file_that_is_gone_has_what_all_deliveries_of_its_last_run_measured() -> None:
    project = a_project()
    for shard, ran in (("one", (1, 2)), ("two", (2, 3, 9))):
        files = {"a.py": lines(10, ran), "old.py": lines(10, ran)}
        measured(project, files, hour=0, level="unit", job=shard)
    measured(project, {"a.py": lines(10, 1)}, hour=1, level="unit")
    assert [(file.run, file.covered) for file in read(project).left_out] == [(1, Covered(10, 4))]


@pytest_db
def test_a_file_that_is_gone_has_what_all_levels_shown_ran() -> None:
    project = a_project()
    both = {"run_id": "both", "hour": 0.0}
    measured(project, {"old.py": lines(8, 3, branches=(4, 1))}, level="unit", **both)
    measured(project, {"old.py": counted(8, 7)}, level="e2e", job="e2e", **both)
    for level in ("unit", "e2e"):
        measured(project, {"a.py": lines(1, 1)}, hour=1, level=level, run_id="later", job=level)
    assert [file.covered for file in read(project).left_out] == [Covered(8, 7, 4, 1)]
    assert [file.covered for file in read(project, level="unit").left_out] == [Covered(8, 3, 4, 1)]


@pytest_db
def test_how_many_runs_were_searched_for_files_that_are_gone_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project()
    for hour in range(3):
        measured(project, {"a.py": lines(3, 3), f"old{hour}.py": lines(9, 2)}, hour=hour)
    measured(project, {"a.py": lines(3, 2)}, hour=3)
    page = read(project)
    assert (len(page.left_out), page.looked_back.n_read, page.looked_back.is_cut) == (3, 4, False)
    sizes = [len(report.blob) for report in CoverageReport.objects.filter(project=project).order_by("-run")]
    for n_read, left_out in ((0, []), (1, []), (2, ["old2.py"])):
        monkeypatch.setattr(coverage_reports, "_MOST_BYTES", sum(sizes[:n_read]))
        page = read(project)
        assert [file.path for file in page.left_out] == left_out
        assert (page.looked_back.n_read, page.looked_back.n_runs, page.looked_back.is_cut) == (n_read, 4, True)


@pytest_db
def test_a_run_that_broke_off_only_adds_what_it_has_and_that_is_said() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 5), "b.py": lines(10, 5)}, hour=0)
    measured(project, {"a.py": lines(10, 9)}, hour=1, is_partial=True)
    page = read(project)
    assert (page.covered[:2], page.n_files, page.n_later, page.left_out) == ((20, 10), 2, 1, ())
    assert page.main is not None
    assert (page.main.listed, page.main.lists_less) == (None, False)
    assert write_coverage(page).endswith("10 of 20 lines of 2 files.")


@pytest_db
def test_in_a_directory_a_run_that_broke_off_is_part_of_the_figure() -> None:
    project = a_project()
    measured(project, {"src/a.py": lines(10, 5), "src/b.py": lines(10, 5)}, hour=0)
    measured(project, {"src/a.py": lines(10, 9)}, hour=1, is_partial=True)
    assert write_coverage(read(project, directory="src")).endswith(
        "14 of 20 lines of 2 files. Of these, one file is as a later run left it, whose coverage is incomplete."
    )


@pytest_db
def test_only_broken_reports_say_so() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 9)}, hour=1, is_partial=True)
    assert write_coverage(read(project)).endswith(
        "9 of 10 lines of one file. The coverage is incomplete, so more may have run."
    )


@pytest_db
def test_the_branch_is_the_default_one_unless_chosen() -> None:
    project = a_project(long_lived_branches=["release/*"])
    measured(project, {"a.py": lines(10, 5)}, hour=0)
    measured(project, {"a.py": lines(10, 9)}, hour=1, branch="release/1")
    measured(project, {"a.py": lines(10, 1)}, hour=2, branch="feature")
    assert (read(project).lane, read(project).lanes) == ("main", ("main", "release/1"))
    assert read(project, branch="release/1").covered[:2] == (10, 9)
    assert write_coverage(read(project, branch="gone")) == "No run of gone has measured that."


@pytest_db
def test_sentences_of_nothing() -> None:
    project = a_project()
    assert write_coverage(read(project)) == "No coverage has arrived yet."
    measured(project, {"empty.py": lines(0, 0)}, hour=0)
    assert write_coverage(read(project)) == ("The newest run of main lists one file, and no line in it that could run.")
    assert write_coverage(read(project, directory="src")) == "The newest run of main measured no file in src."
    measured(project, {}, hour=1)
    assert write_coverage(read(project)) == "The newest run of main measured no file."


@pytest_db
def test_files_come_worst_first_and_a_page_at_a_time() -> None:
    project = a_project()
    files = {f"f{k:03}.py": lines(10, k % 10) for k in range(N_FILES + N_MORE_FILES)}
    files |= {"worst.py": lines(40, 0), "none.py": lines(0, 0), "few.py": lines(2, 0)}
    measured(project, files, hour=0)
    page = read(project)
    assert page.page[0].path == "worst.py"
    assert len(page.page) == N_FILES
    rest = read(project, before=page.next_before)
    assert (len(rest.page), rest.next_before) == (N_MORE_FILES + 3, "")
    assert {file.path for file in (*page.page, *rest.page)} == set(files)
    by_share = [file.path for file in read(project, sort="share").files]
    assert (by_share[:2], by_share[-1]) == (["worst.py", "f000.py"], "none.py")
    assert [file.path for file in read(project, sort="path").page[:2]] == ["f000.py", "f001.py"]
    for before in ("nonsense", "9" * 30, "²"):
        assert read(project, before=before).page == page.page


@pytest_db
def test_equal_files_come_by_path() -> None:
    project = a_project()
    names = ["b.py", "B.py", "a/z.py", "é.py", "a.py"]
    measured(project, {name: lines(4, 2) for name in names}, hour=0)
    for sort in ("uncovered", "share", "path"):
        assert [file.path for file in read(project, sort=sort).files] == sorted(names)


@pytest_db
def test_a_few_files_more_are_no_page_of_their_own() -> None:
    project = a_project()
    measured(project, {f"f{k:03}.py": lines(10, 1) for k in range(N_FILES + N_MORE_FILES)}, hour=0)
    page = read(project)
    assert (len(page.page), page.next_before) == (N_FILES + N_MORE_FILES, "")


@pytest_db
def test_how_far_back_the_trend_goes_is_chosen() -> None:
    project = a_project()
    for day in (0, 300, 600):
        measured(project, {"a.py": lines(10, 1)}, hour=day * DAY)
    assert [len(read(project, span=span).trends[0].points) for span in ("quarter", "year", "all")] == [1, 2, 3]


@pytest_db
def test_a_large_project_takes_as_many_statements_as_a_small_one() -> None:
    counts = []
    for n in (2, 300):
        project = a_project()
        files = {f"src/d{k % 20}/f{k}.py": lines(10, k % 10) for k in range(n)}
        measured(project, files | {"gone.py": lines(1, 1)}, hour=0, level="unit")
        measured(project, files, hour=40 * DAY, level="unit")
        with counted_statements() as sent:
            read(project)
        counts.append(len(sent) - 1)  # the project itself
    assert counts == [6, 6]

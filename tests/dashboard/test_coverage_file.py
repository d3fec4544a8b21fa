"""One file: its lines as ranges and as a strip, its history, the tests that ran it; also when it is gone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.filters import Filters
from dashboard.queries import coverage_reports
from dashboard.queries.coverage_file import FilePage, draw_strip, read_file_page, write_ranges
from dashboard.queries.coverage_reports import Reports, read_reports
from dashboard.queries.coverage_sentences import write_file
from health.models import CoverageReport, Project, SourceFile
from health.rules.bitmaps import LineSet
from tests.builders import a_project
from tests.coverage_scenes import counted, lines, measured
from tests.statements import counted_statements


def read(project: Project, path: str, **choices: str) -> FilePage:
    number = SourceFile.objects.get(project=project, path=path).number
    page = read_file_page(Project.objects.get(pk=project.pk), number=number, filters=Filters(**choices))
    assert page is not None
    return page


def test_ranges_as_people_write_them() -> None:
    assert write_ranges([(12, 18), (40, 40)]) == "12–18, 40"
    assert write_ranges([]) == ""
    assert write_ranges([(k, k) for k in range(1, 1001)]).endswith("400 and 600 more")


def test_a_short_file_is_drawn_line_by_line() -> None:
    strip = draw_strip(LineSet.of([1, 2, 5]), LineSet.of([3, 7]))
    assert strip is not None
    assert (strip.width, strip.last_line, strip.lines_a_bar) == (7, 7, 1)
    assert strip.covered == "M0 12h2v-5h-2zM4 12h1v-5h-1z"
    assert strip.uncovered == "M2 12h1v-12h-1zM6 12h1v-12h-1z"


def test_in_a_long_file_a_bar_is_tall_when_one_of_its_lines_did_not_run() -> None:
    strip = draw_strip(LineSet.of(range(1, 1000)), LineSet.of([1000]))
    assert strip is not None
    assert (strip.width, strip.lines_a_bar) == (334, 3)
    assert strip.uncovered == "M333 12h1v-12h-1z"
    assert strip.covered == "M0 12h333v-5h-333z"


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_strip(LineSet(), LineSet()) is None
    assert draw_strip(LineSet.of([0]), LineSet()) is None


@given(st.sets(st.integers(1, 100_000), min_size=1, max_size=50), st.sets(st.integers(1, 100_000), max_size=50))
def test_a_strip_stays_small(ran: set[int], uncovered: set[int]) -> None:
    strip = draw_strip(LineSet.of(sorted(ran - uncovered)), LineSet.of(sorted(uncovered)))
    if strip is not None:
        assert strip.width <= 480
        assert strip.width * strip.lines_a_bar >= strip.last_line


@pytest.mark.django_db
def test_lines_level_by_level() -> None:
    project = a_project()
    measured(project, {"src/a.py": lines(10, (1, 2, 4), branches=(2, 1))}, hour=0, level="unit")
    measured(project, {"src/a.py": counted(10, 7)}, hour=1, level="e2e")
    page = read(project, "src/a.py")
    counts_only, unit = page.levels
    assert (counts_only.level, counts_only.covered[:2], counts_only.strip, counts_only.ran) == (
        "e2e",
        (10, 7),
        None,
        (),
    )
    assert (unit.said_uncovered, unit.said_ran) == ("3, 5–10", "1–2, 4")
    assert page.directories == ("src",)
    assert write_file(page) == (
        "The e2e tests ran 70.0 % of the lines of a.py, 7 of 10; the unit tests ran 30.0 % of its lines, 3 of 10."
        " Both levels together ran 70.0 %, 7 of 10."
    )


@pytest.mark.django_db
def test_sentences_without_a_level_and_without_a_line() -> None:
    project = a_project()
    measured(project, {"a.py": lines(10, 5), "empty.py": lines(0, 0)}, hour=0)
    assert write_file(read(project, "a.py")) == "50.0 % of the lines of a.py, 5 of 10, ran."
    assert write_file(read(project, "empty.py")) == "No line of empty.py could run."
    measured(project, {"src/empty.py": lines(0, 0)}, hour=1, level="e2e")
    assert write_file(read(project, "src/empty.py")) == "The e2e tests found no line of empty.py that could run."


@pytest.mark.django_db
def test_a_file_that_is_gone_is_shown_as_it_was_last() -> None:
    project = a_project()
    last = measured(project, {"a.py": lines(3, 1), "b.py": lines(1, 1)}, hour=0, level="unit")
    newest = measured(project, {"b.py": lines(1, 1)}, hour=1, level="unit")
    page = read(project, "a.py")
    (level,) = page.levels
    assert (level.run, level.newest_run, level.is_current, level.said_uncovered) == (last, newest, False, "2–3")
    assert write_file(page) == f"Not measured by the newest run of main; last by run {last}, 2 Mar 2026."


@pytest.mark.django_db
def test_a_file_of_a_pull_request_alone_is_not_measured_here() -> None:
    project = a_project()
    measured(project, {"b.py": lines(1, 1)}, hour=0)
    measured(project, {"new.py": lines(1, 1)}, hour=1, branch="feature")
    page = read(project, "new.py")
    assert (page.levels, page.history) == ((), ())
    assert write_file(page) == "No run of main has measured this file."


@pytest.mark.django_db
def test_its_history_joins_the_deliveries_of_a_run() -> None:
    project = a_project()
    for hour in range(3):
        measured(project, {"a.py": lines(10, hour)}, hour=hour, level="unit")
    measured(project, {"a.py": lines(10, (9, 10))}, hour=2, level="unit", job="second")
    measured(project, {"b.py": lines(10, 1)}, hour=3, level="e2e")
    page = read(project, "a.py")
    assert [(point.run, point.covered.lines_covered) for point in page.history] == [(1, 0), (2, 1), (3, 4)]


@pytest.mark.django_db
def test_of_large_reports_fewer_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coverage_reports, "_MOST_BYTES", 80)
    project = a_project()
    for hour in range(5):
        measured(project, {"a.py": lines(10, hour)}, hour=hour)
    page = read(project, "a.py")
    assert 0 < len(page.history) < 5
    assert page.history[-1].run == 5


@pytest.mark.django_db
def test_a_run_is_read_with_all_its_deliveries_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project()
    for hour in range(2):
        for job, ran in (("one", (1, 2)), ("two", (3,))):
            measured(project, {"a.py": lines(10, ran)}, hour=hour, level="unit", job=job)
        measured(project, {"a.py": lines(10, 9)}, hour=hour, level="e2e", job="three")
    sizes = [len(report.blob) for report in CoverageReport.objects.filter(project=project)]
    for n_bytes in range(0, sum(sizes) + 1, min(sizes) // 2):
        monkeypatch.setattr(coverage_reports, "_MOST_BYTES", n_bytes)
        reports = read_reports(project, lane="main", levels=["unit", "e2e"])
        counts = Counter(report.run for report in reports.read)
        assert set(counts.values()) <= {3}
        assert (reports.n_read, reports.n_runs) == (len(counts), 2)


def test_how_far_back_was_looked_in_words() -> None:
    why = "reports this large take too long"
    assert Reports((), 0, 1).told == f"The only run was not read: {why}."
    assert Reports((), 0, 20).told == f"None of the last 20 runs was read: {why}."
    assert Reports((), 1, 20).told == f"Of the last 20 runs only the newest one was read: {why}."
    assert Reports((), 3, 7).told == f"Of the last seven runs only the newest three were read: {why}."


@pytest.mark.django_db
def test_the_tests_that_ran_it_those_that_ran_most_first() -> None:
    project = a_project()
    contexts = {
        "tests/t.py::one|run": ("a.py", (1, 2)),
        "tests/t.py::two|run": ("a.py", (2, 3, 4)),
        "tests/t.py::other|run": ("b.py", (1,)),
        "": ("a.py", (1,)),
    }
    run = measured(project, {"a.py": lines(5, 4), "b.py": lines(1, 1)}, hour=0, level="unit", contexts=contexts)
    found = read(project, "a.py").contexts
    assert found is not None
    assert (found.run, found.n) == (run, 2)
    assert [(test.name, test.n_lines, test.ranges) for test in found.listed] == [
        ("tests/t.py::two|run", 3, "2–4"),
        ("tests/t.py::one|run", 2, "1–2"),
    ]
    measured(project, {"a.py": lines(5, 4)}, hour=1, level="unit")
    assert read(project, "a.py").contexts is None


@pytest.mark.django_db
def test_another_branch_is_chosen() -> None:
    project = a_project(long_lived_branches=["release/*"])
    measured(project, {"a.py": lines(10, 5)}, hour=0)
    measured(project, {"a.py": lines(10, 9)}, hour=1, branch="release/1")
    assert read(project, "a.py").levels[0].covered.lines_covered == 5
    page = read(project, "a.py", branch="release/1")
    assert (page.lanes, page.levels[0].covered.lines_covered) == (("main", "release/1"), 9)


@pytest.mark.django_db
def test_the_branch_asked_for_says_that_it_left_the_file_out() -> None:
    project = a_project(long_lived_branches=["release/*"])
    measured(project, {"a.py": lines(10, 5), "b.py": lines(1, 1)}, hour=0)
    measured(project, {"b.py": lines(1, 1)}, hour=1)
    measured(project, {"a.py": lines(10, 9), "c.py": lines(1, 1)}, hour=2, branch="release/1")
    page = read(project, "a.py", branch="main")
    assert (page.lane, page.lanes) == ("main", ("main", "release/1"))
    assert write_file(page) == "Not measured by the newest run of main; last by run 1, 2 Mar 2026."
    never = read(project, "c.py", branch="main")
    assert (never.lane, never.lanes, never.levels) == ("main", ("main", "release/1"), ())
    nowhere = read(project, "a.py", branch="gone")
    assert (nowhere.lane, nowhere.lanes, nowhere.levels) == ("gone", ("release/1",), ())


@pytest.mark.django_db
def test_the_page_takes_five_statements_and_a_number_of_nothing_is_none() -> None:
    project = a_project()
    for hour in range(4):
        measured(project, {f"f{k}.py": lines(10, hour) for k in range(50)}, hour=hour, level="unit")
    with counted_statements() as sent:
        assert read_file_page(project, number=1, filters=Filters()) is not None
    assert len(sent) == 5
    assert read_file_page(project, number=999, filters=Filters()) is None

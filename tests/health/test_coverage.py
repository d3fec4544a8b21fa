"""The law of coverage: any order of arrival and any deletion ends in what a rebuild computes."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.closings import close_overdue_runs, finish_run
from health.coverage import fetch_contexts, fetch_paths, fetch_run_files, rebuild_coverage
from health.models import (
    CoverageReport,
    DirectoryDay,
    FileCoverage,
    Job,
    Project,
    Run,
    RunCoverage,
    SourceFile,
    Upload,
)
from health.rebuild import delete_run, delete_upload, rebuild_project
from health.rules.bitmaps import LineSet, unpack_files
from health.sql import open_cursor
from tests.builders import FIRST_MOMENT, a_coverage, a_lost_upload, a_project, an_upload

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
places = st.sampled_from(
    [
        {"branch": "main"},
        {"branch": "main"},
        {"branch": "main", "job": "nightly"},
        {"branch": "release/1"},
        {"branch": "feature", "pull_request": "7"},
    ]
)
marks = st.text("01.", max_size=4)
reports = st.builds(
    a_coverage,
    st.dictionaries(st.sampled_from(["a.py", "src/b.py", "src/deep/c.py"]), marks, max_size=3),
    level=st.sampled_from(["", "unit"]),
    is_partial=st.sampled_from([False, False, True]),
)
case_sets = st.one_of(st.none(), st.dictionaries(st.sampled_from(["t::a", "t::b"]), st.sampled_from(["pass", "fail"])))


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Uploads of a few runs: coverage alone, results alone, both; some cut off, some without the commit's time."""
    found = []
    for run in range(draw(st.integers(1, 4))):
        place = draw(places)
        committed = draw(st.sampled_from([None, 3, 30]))
        for _ in range(draw(st.integers(1, 3))):
            coverage = draw(st.lists(reports, max_size=2))
            found.append(
                {
                    **place,
                    "cases": draw(case_sets if coverage else case_sets.filter(lambda cases: cases is not None)),
                    "coverage": coverage,
                    "run_id": str(run),
                    "shard": draw(st.sampled_from(["", "", "1/2", "2/2"])),
                    "commit": f"{run:08}",
                    "ran_at": FIRST_MOMENT + timedelta(hours=draw(st.integers(0, 60))),
                    "committed_at": draw(st.sampled_from([None, committed and FIRST_MOMENT + committed * DAY / 24])),
                }
            )
    return found


def store(project: Project, found: list[dict[str, Any]]) -> None:
    for delivery in found:
        an_upload(project, **{"job": "tests", **delivery})


def picture(project: Project) -> dict[str, Any]:
    """Everything that stands on coverage, under names that do not depend on the order in which numbers were given."""
    runs = {run.number: run.external_id for run in Run.objects.filter(project=project)}
    files = {file.number: file.path for file in SourceFile.objects.filter(project=project)}

    def facts(row: Any) -> dict[str, Any]:
        skipped = ("_state", "project_id", "run", "file")
        return {name: value for name, value in vars(row).items() if name not in skipped}

    return {
        "runs": {
            run.external_id: (run.lane, run.ordered_at, run.ran_at, run.is_complete)
            for run in Run.objects.filter(project=project)
        },
        "jobs": sorted((runs[job.run], job.ordered_at) for job in Job.objects.filter(project=project)),
        "coverage": {(runs[row.run], row.level): facts(row) for row in RunCoverage.objects.filter(project=project)},
        "files": {
            (row.lane, row.level, files[row.file]): (runs[row.run], facts(row))
            for row in FileCoverage.objects.filter(project=project)
        },
        "days": {
            (row.lane, row.level, row.day, row.directory): (runs[row.run], facts(row))
            for row in DirectoryDay.objects.filter(project=project)
        },
    }


# Each example stores up to 24 uploads through the real store; the database is rolled back with the test.
many = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def have_an_order(project: Project) -> bool:
    """Whether no two runs of a branch are equal but for their numbers, which are those of arrival."""
    stands = [(run.lane, run.ordered_at, run.ran_at) for run in Run.objects.filter(project=project)]
    return len(set(stands)) == len(stands)


@many
@given(deliveries(), st.randoms(use_true_random=False))
def test_any_order_of_arrival_ends_alike(found, random) -> None:  # type: ignore[no-untyped-def]
    first, second = a_project(), a_project()
    store(first, found)
    shuffled = found[:]
    random.shuffle(shuffled)
    store(second, shuffled)
    if have_an_order(first):
        assert picture(second) == picture(first)


@many
@given(deliveries())
def test_a_rebuild_changes_nothing(found) -> None:  # type: ignore[no-untyped-def]
    project = a_project()
    store(project, found)
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


@many
@given(deliveries(), st.data())
def test_a_deletion_ends_in_what_never_having_come_gives(found, data) -> None:  # type: ignore[no-untyped-def]
    gone = data.draw(st.integers(0, len(found) - 1))
    # A run keeps the commit's time that a delivery brought, as it keeps the commit.
    committed = {delivery["run_id"]: delivery["committed_at"] for delivery in found if delivery["committed_at"]}
    for delivery in found:
        delivery["committed_at"] = committed.get(delivery["run_id"])
    project, other = a_project(), a_project()
    store(project, found)
    delete_upload(project.pk, list(Upload.objects.filter(project=project).order_by("id"))[gone].pk)
    store(other, found[:gone] + found[gone + 1 :])
    assert picture(project) == picture(other)
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


@many
@given(deliveries(), st.sampled_from(["main", "release/1", "feature", "trunk"]))
def test_another_default_branch_ends_as_if_it_had_been_known(found, branch) -> None:  # type: ignore[no-untyped-def]
    project = a_project(default_branch="elsewhere", long_lived_branches=[])
    other = a_project(default_branch=branch, long_lived_branches=[])
    store(project, found)
    store(other, found)
    Project.objects.filter(pk=project.pk).update(default_branch=branch)
    rebuild_project(project.pk)
    assert picture(project) == picture(other)


# --- runs ------------------------------------------------------------------------------------------------------


def totals_of(project: Project, level: str = "", **where: Any) -> tuple[int, int]:
    row = RunCoverage.objects.get(project=project, level=level, **where)
    return row.lines_covered, row.lines_valid


def test_several_deliveries_of_a_run_join_line_by_line() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "1100"})], run_id="1")
    assert totals_of(project) == (2, 4)
    an_upload(project, None, coverage=[a_coverage({"a.py": "0110", "b.py": "1"})], run_id="1")
    assert totals_of(project) == (4, 5)
    (run,) = Run.objects.filter(project=project)
    assert (run.n_declared, run.is_complete) == (0, True)
    assert not Job.objects.filter(project=project).exists()
    cursor = open_cursor()
    files = fetch_run_files(cursor, project.pk, run=1, level="")
    assert [(file.lines_covered, file.lines_valid) for file in files] == [(3, 4), (1, 1)]
    assert sorted(fetch_paths(cursor, project.pk, [file.file for file in files]).values()) == ["a.py", "b.py"]


def test_a_single_report_keeps_the_totals_of_its_format() -> None:
    """JaCoCo and Clover declare totals that are no sums over files."""
    project = a_project()
    coverage = a_coverage({"a.py": "10"})
    coverage.report.lines_valid, coverage.report.branches_valid = 99, 7
    an_upload(project, None, coverage=[coverage])
    row = RunCoverage.objects.get(project=project)
    assert (row.lines_valid, row.branches_valid) == (99, 7)
    assert FileCoverage.objects.get(project=project).lines_valid == 2


def test_levels_stand_beside_each_other() -> None:
    project = a_project()
    unit, integration = a_coverage({"a.py": "10"}, level="unit"), a_coverage({"a.py": "01"}, level="integration")
    an_upload(project, {"t::a": "pass"}, coverage=[unit, integration])
    assert totals_of(project, "unit") == totals_of(project, "integration") == (1, 2)
    (file,) = fetch_run_files(open_cursor(), project.pk, run=1)
    assert file.lines_covered == 2
    assert fetch_contexts(open_cursor(), project.pk, run=1) is None


def test_a_pull_request_changes_no_branch() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], branch="topic", pull_request="3")
    assert RunCoverage.objects.get(project=project).pull_request == "3"
    assert not FileCoverage.objects.filter(project=project).exists()
    assert not DirectoryDay.objects.filter(project=project).exists()


def test_results_that_bring_an_earlier_time_move_the_coverage_too() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], run_id="1", ran_at=FIRST_MOMENT + 3 * DAY)
    an_upload(project, {"t::a": "pass"}, run_id="1", ran_at=FIRST_MOMENT)
    assert RunCoverage.objects.get(project=project).ran_at == FIRST_MOMENT
    assert [row.day for row in DirectoryDay.objects.filter(project=project)] == [FIRST_MOMENT.date()]


def test_coverage_that_brings_the_commits_time_moves_the_jobs_too() -> None:
    project = a_project()
    an_upload(project, {"t::a": "pass"}, run_id="1", ran_at=FIRST_MOMENT)
    an_upload(project, {"t::a": "fail"}, run_id="2", ran_at=FIRST_MOMENT + DAY)
    late = {"run_id": "2", "ran_at": FIRST_MOMENT + 2 * DAY, "committed_at": FIRST_MOMENT - DAY}
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], **late)
    assert Run.objects.get(project=project, number=1).n_fixed == 1
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


# --- files -----------------------------------------------------------------------------------------------------


def state_of(project: Project, level: str = "") -> dict[str, tuple[int, str]]:
    """How files stand: by path the run that left them so, and the lines that ran."""
    paths = {file.number: file.path for file in SourceFile.objects.filter(project=project)}
    return {
        paths[row.file]: (row.run, "".join(map(str, LineSet.from_bytes(row.covered))))
        for row in FileCoverage.objects.filter(project=project, level=level)
    }


def test_the_newest_whole_run_says_which_files_there_are() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "11", "old.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "10", "new.py": "1"})])
    assert state_of(project) == {"a.py": (2, "1"), "new.py": (2, "1")}
    an_upload(project, None, coverage=[a_coverage({"a.py": "01"})], ran_at=FIRST_MOMENT)  # comes late
    assert state_of(project) == {"a.py": (2, "1"), "new.py": (2, "1")}


def test_a_report_that_broke_off_takes_no_file_away() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "11", "b.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "01"}, is_partial=True)])
    assert state_of(project) == {"a.py": (2, "2"), "b.py": (1, "1")}
    an_upload(project, None, coverage=[a_coverage({"c.py": "1"}, is_partial=True)])
    assert state_of(project) == {"a.py": (2, "2"), "b.py": (1, "1"), "c.py": (3, "1")}
    delete_run(project.pk, 2)
    assert state_of(project) == {"a.py": (1, "12"), "b.py": (1, "1"), "c.py": (3, "1")}
    assert RunCoverage.objects.filter(project=project, is_partial=True).count() == 1


def test_an_incomplete_run_takes_no_file_away_and_leaves_the_day_alone() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "11", "b.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "10"})], run_id="2", shard="1/2")
    assert RunCoverage.objects.get(project=project, run=2).is_partial
    assert state_of(project) == {"a.py": (2, "1"), "b.py": (1, "1")}
    assert DirectoryDay.objects.get(project=project, directory="").run == 1
    finish_run(project.pk, provider="", run_id="2", actor="ci")
    assert not RunCoverage.objects.get(project=project, run=2).is_partial
    assert state_of(project) == {"a.py": (2, "1")}
    assert DirectoryDay.objects.get(project=project, directory="").run == 2
    lost = a_lost_upload(project, run_id="2")
    assert state_of(project) == {"a.py": (2, "1"), "b.py": (1, "1")}
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before
    delete_upload(project.pk, lost.pk)
    assert state_of(project) == {"a.py": (2, "1")}


def test_results_make_the_coverage_of_their_run_whole() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "11", "b.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "10"})], run_id="2", expected_jobs=2)
    assert len(state_of(project)) == 2
    an_upload(project, {"t::a": "pass"}, run_id="2", job="other")
    assert state_of(project) == {"a.py": (2, "1")}


def test_a_run_that_the_clock_closed_takes_no_file_away() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "11", "b.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "10"})], run_id="2", shard="1/2")
    Upload.objects.filter(project=project).update(received_at=FIRST_MOMENT)
    assert close_overdue_runs(project.pk) == 1
    assert state_of(project) == {"a.py": (2, "1"), "b.py": (1, "1")}


def test_a_file_keeps_its_bitmaps() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": ".110.1"})])
    row = FileCoverage.objects.get(project=project)
    assert LineSet.from_bytes(row.valid).list_ranges() == [(2, 4), (6, 6)]
    assert LineSet.from_bytes(row.covered).list_ranges() == [(2, 3), (6, 6)]


def test_a_branch_that_only_ever_breaks_off_reads_only_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each delivery would read the whole history again."""
    project = a_project()
    n_read = []
    monkeypatch.setattr("health.coverage.unpack_files", lambda blob: n_read.append(1) or unpack_files(blob))
    for number in (3, 4, 1, 0, 2):
        when = FIRST_MOMENT + number * DAY
        an_upload(
            project, None, coverage=[a_coverage({f"{number}.py": "1", "a.py": "1"}, is_partial=True)], ran_at=when
        )
    assert len(state_of(project)) - 1 == len(n_read) == 5
    assert state_of(project)["a.py"] == (2, "1")
    assert not DirectoryDay.objects.filter(project=project).exists()


# --- days ------------------------------------------------------------------------------------------------------


def test_a_day_shows_the_directories_of_its_newest_whole_run() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"setup.py": "1", "src/a.py": "10", "src/deep/b.py": "111"})])
    rows = {row.directory: row for row in DirectoryDay.objects.filter(project=project)}
    assert {name: (row.n_files, row.lines_covered, row.lines_valid) for name, row in rows.items()} == {
        "": (3, 5, 6),
        "src": (2, 4, 5),
        "src/deep": (1, 3, 3),
    }
    an_upload(project, None, coverage=[a_coverage({"src/a.py": "0"}, is_partial=True)])
    assert DirectoryDay.objects.get(project=project, directory="").run == 1
    an_upload(project, None, coverage=[a_coverage({"src/a.py": "0"})])
    assert {row.directory: row.run for row in DirectoryDay.objects.filter(project=project)} == {"": 3, "src": 3}


def test_deleting_all_of_it_leaves_nothing() -> None:
    project = a_project()
    an_upload(project, {"t::a": "pass"}, coverage=[a_coverage({"a.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})])
    delete_run(project.pk, 1)
    delete_upload(project.pk, Upload.objects.get(project=project).pk)
    for model in (Run, CoverageReport, RunCoverage, FileCoverage, DirectoryDay, Upload):
        assert not model.objects.filter(project=project).exists(), model


def test_a_rebuild_mends_what_was_spoiled() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "10", "src/b.py": "1"})])
    an_upload(project, None, coverage=[a_coverage({"a.py": "11"}, level="unit")])
    right = picture(project)
    RunCoverage.objects.filter(project=project).update(lines_valid=99, lane="elsewhere")
    FileCoverage.objects.filter(project=project).update(lines_covered=0, lane="elsewhere")
    DirectoryDay.objects.filter(project=project).update(n_files=7)
    DirectoryDay.objects.filter(project=project, level="unit").update(level="none")
    rebuild_project(project.pk)
    assert picture(project) == right


def test_a_rebuild_leaves_what_stands_on_reports_no_longer_kept() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "10"})])
    an_upload(project, None, coverage=[a_coverage({"b.py": "11"})], ran_at=FIRST_MOMENT + 9 * DAY)
    right = picture(project)
    CoverageReport.objects.filter(project=project).delete()
    with transaction.atomic():
        rebuild_coverage(open_cursor(), project.pk)
    assert picture(project) == right

"""Each law that fsck knows is broken by hand once, and has to be named; what is whole breaks none."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from health.fsck import find_drift, find_violations
from health.invariants import INVARIANTS, THOROUGH
from health.judging import judge_project
from health.models import CoverageReport, Project, RunCoverage, Upload, UploadFile
from health.sql import open_cursor
from tests.builders import FIRST_MOMENT, a_coverage, a_project, a_received_upload, an_upload

pytestmark = pytest.mark.django_db

UNBOUND = """
    SET CONSTRAINTS ALL IMMEDIATE;
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT conname FROM pg_constraint WHERE conrelid = '{table}'::regclass AND contype IN {kinds} LOOP
            EXECUTE 'ALTER TABLE {table} DROP CONSTRAINT ' || quote_ident(name);
        END LOOP; END $$;
"""
# Law: how it is broken by hand. `%s` is the project.
PLANTED: dict[str, str] = {
    "lease_missing": "UPDATE health_upload SET state = 'processing' WHERE state = 'received'",
    "lease_forgotten": """
        UPDATE health_upload SET state = 'processing', lease_until = now() - interval '1 hour' WHERE state = 'received'
    """,
    "try_forgotten": "UPDATE health_upload SET attempts = 99, state = 'retry' WHERE state = 'received'",
    "lease_left_over": "UPDATE health_upload SET lease_until = now() WHERE state = 'stored'",
    "end_without_time": "UPDATE health_upload SET finished_at = NULL WHERE state = 'failed'",
    "end_too_early": "UPDATE health_upload SET finished_at = now() WHERE state = 'received'",
    "end_without_reason": "UPDATE health_upload SET error = NULL WHERE state = 'failed'",
    "receipt_missing": "UPDATE health_upload SET receipt = '{}' WHERE state = 'stored'",
    "payload_missing": "DELETE FROM health_payloadchunk",
    "payload_hole": "UPDATE health_payloadchunk SET sequence = 7 WHERE sequence = 1",
    "file_without_upload": UNBOUND.format(table="health_uploadfile", kinds="('f')")
    + "UPDATE health_uploadfile SET upload_id = 999999",
    "piece_without_file": UNBOUND.format(table="health_payloadchunk", kinds="('f')")
    + "UPDATE health_payloadchunk SET file_id = 999999",
    "upload_without_run": "DELETE FROM health_run WHERE number = 1",
    "upload_without_job": "DELETE FROM health_job WHERE run = 1",
    "results_lost": "DELETE FROM health_tile WHERE run = 1",
    "tile_without_upload": "UPDATE health_tile SET run = 2 WHERE run = 1",
    "failure_without_upload": "UPDATE health_failure SET run = 9 WHERE run = 1",
    "text_without_upload": "UPDATE health_failuretext SET upload = upload + 999999",
    "coverage_without_upload": "UPDATE health_coveragereport SET upload = 999999",
    "failure_without_text": "DELETE FROM health_failuretext",
    "failure_without_cause": "DELETE FROM health_fingerprint",
    "tile_damaged": "UPDATE health_tile SET durations = durations || '\\x00'",
    "tile_miscounted": "UPDATE health_tile SET outcomes = '\\x00'::bytea || substring(outcomes FROM 2)",
    "run_without_delivery": "UPDATE health_upload SET state = 'failed' WHERE run = 1",
    "job_without_delivery": "UPDATE health_series SET lane = 'elsewhere'",
    "baseline_missing": "UPDATE health_job SET baseline_run = 99, baseline_series = 1",
    "run_miscounted": "UPDATE health_run SET n_new = n_new + 1 WHERE number = 1",
    "job_miscounted": "UPDATE health_runsuite SET n_failed = n_failed + 1 WHERE run = 1",
    "day_miscounted": "DELETE FROM health_suiteday",
    "numbers_not_dense": "UPDATE health_case SET ord = 99 WHERE ord = 0",
    "identity_twice": UNBOUND.format(table="health_case", kinds="('u')")
    + "UPDATE health_case SET digest = (SELECT digest FROM health_case WHERE ord = 0)",
    "result_without_case": "DELETE FROM health_case WHERE ord > 0",
    "case_without_suite": "UPDATE health_case SET suite = 99 WHERE ord = 0",
    "merged_into_nothing": "UPDATE health_case SET merged_into = ord WHERE ord = 0",
    "conclusion_without_job": "UPDATE health_caseverdict SET series = 99 WHERE series = 1",
    "spans_overlap": """
        UPDATE health_job SET series = 1 WHERE run = 2;
        INSERT INTO health_deferredspan (project_id, series, ord, first_run, outcome)
        SELECT project_id, series, ord, 2, outcome FROM health_deferredspan
    """,
    "cause_without_job": "UPDATE health_causecount SET run = 99",
    "put_off_without_entry": "DELETE FROM health_deferralchange; DELETE FROM health_deferral",
    "entry_without_span": "DELETE FROM health_deferredspan",
    "window_outdated": "UPDATE health_serieswindow SET last_run = 99 WHERE series = 1",
    "configuration_missing": "UPDATE health_project SET configuration = 5",
    "coverage_not_summed": "DELETE FROM health_runcoverage",
    "covered_more_than_there_is": "UPDATE health_runcoverage SET lines_covered = lines_valid + 1",
    "file_without_name": """
        INSERT INTO health_filecoverage (project_id, lane, level, file, run, lines_valid, lines_covered, branches_valid,
            branches_covered, valid, covered) SELECT id, 'main', '', 7, 1, 0, 0, 0, 0, '', '' FROM health_project
    """,
}


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def keep_coverage(project: Project, upload: Upload) -> None:
    """A report of one upload and its run's total, as they are kept."""
    counts = {"n_files": 1, "lines_valid": 4, "lines_covered": 3, "branches_valid": 0, "branches_covered": 0}
    facts: dict[str, Any] = {"project": project, "level": "", "run": upload.run, "is_partial": False, **counts}
    CoverageReport.objects.create(upload=upload.pk, formats="lcov", blob=b"", **facts)
    moment = {"ordered_at": FIRST_MOMENT, "ran_at": FIRST_MOMENT, "day": FIRST_MOMENT.date()}
    RunCoverage.objects.create(lane="main", branch="main", pull_request="", **moment, **facts)


def a_whole_project() -> Project:
    """Something of everything: stored, cut, refused and waiting uploads, failures, coverage, a payload in pieces."""
    project = a_project()
    first = an_upload(project, {"a": "pass", "b": "fail", "t.c::d": "skip"})
    an_upload(project, {"a": "fail", "b": "fail"}, variant="py3.13")
    judge_project(project.pk)
    keep_coverage(project, first)
    waiting = a_received_upload(project)
    file = UploadFile.objects.create(
        upload=waiting, position=0, name="r.xml", n_bytes_wire=2, n_bytes_plain=2, digest=b"x"
    )
    for sequence in range(2):
        file.chunks.create(sequence=sequence, data=b"x")
    refused = a_received_upload(project)
    Upload.objects.filter(pk=refused.pk).update(
        state="failed", finished_at=FIRST_MOMENT, error={"code": "not_xml", "message": "m", "hint": "h"}
    )
    return project


def check(project: Project) -> set[str]:
    """The names of the laws that are broken."""
    return {violation.law for violation in find_violations(open_cursor(), project_ids=[project.pk])}


def test_what_is_whole_breaks_no_law() -> None:
    project = a_whole_project()
    assert find_violations(open_cursor(), project_ids=[project.pk]) == []


def test_nothing_is_nothing_to_complain_of() -> None:
    assert find_violations(open_cursor(), project_ids=[a_project().pk]) == []
    assert find_drift(a_project().pk) == []


def test_each_law_is_broken_here_once() -> None:
    assert sorted(PLANTED) == sorted(law.name for law in INVARIANTS + THOROUGH)


@pytest.mark.parametrize("law", INVARIANTS + THOROUGH, ids=lambda law: law.name)
def test_a_broken_law_is_named_in_words(law: Any) -> None:
    project = a_whole_project()
    execute(PLANTED[law.name])
    found = find_violations(open_cursor(), project_ids=[project.pk], laws=[law])
    assert found
    for violation in found:
        assert violation.law == law.name
        assert violation.project_id in (project.pk, None)
        assert "{" not in violation.message
        assert "None" not in violation.message
    strangers = find_violations(open_cursor(), project_ids=[a_project().pk], laws=[law])
    assert [violation for violation in strangers if violation.project_id is not None] == []


def test_a_partial_upload_has_to_say_where_it_broke_off() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, state="partial")
    assert check(project) == {"end_without_reason"}


def test_a_lease_that_ended_a_moment_ago_is_nothing_yet() -> None:
    project = a_whole_project()
    execute("UPDATE health_upload SET state = 'processing', lease_until = now() WHERE state = 'received'")
    assert find_violations(open_cursor(), project_ids=[project.pk], patience_seconds=60) == []
    assert check(project) == {"lease_forgotten"}


def test_many_violations_are_cut_off_with_a_word() -> None:
    project = a_project()
    for _ in range(101):
        a_received_upload(project)
    found = [v.message for v in find_violations(open_cursor(), project_ids=[project.pk])]
    assert len(found) == 101
    assert found[-1] == "and so on: more than 100 places"


# --- what a rebuild would change -----------------------------------------------------------------------------------


def test_a_thorough_check_changes_nothing_and_finds_nothing() -> None:
    project = a_project()
    for number in range(3):
        an_upload(project, {"a": "fail" if number % 2 else "pass", "b": "pass"}, run_id=str(number))
    an_upload(project, {"c": "pass"}, run_id="1", shard="2/2", ran_at=FIRST_MOMENT + timedelta(hours=1))
    revision = Project.objects.get(pk=project.pk).revision
    assert find_drift(project.pk) == []
    assert Project.objects.get(pk=project.pk).revision == revision


def test_what_arrived_since_is_no_drift() -> None:
    project = a_project()
    an_upload(project, None, coverage=[a_coverage({"a.py": "1"})], run_id="1")
    a_received_upload(project, run_id="1", job="e2e")
    assert find_drift(project.pk) == []


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE health_job SET n_new = 7 WHERE run = 2", "job of run 2, series 1: n_new is 7, rebuilt 1"),
        ("DELETE FROM health_runsuite WHERE run = 1", "is missing, a rebuild would make it"),
        ("UPDATE health_job SET is_complete = false WHERE run = 2", "is_complete is False, rebuilt True"),
        ("UPDATE health_caseverdict SET n_broken = 3", "ord 0: n_broken is 3, rebuilt 1"),
        ("UPDATE health_serieswindow SET n_runs = 3", "series 1: n_runs is 3, rebuilt 2"),
        ("UPDATE health_casespeed SET median = 3", "ord 0: median is 3, rebuilt 1000"),
        (
            """INSERT INTO health_deferredspan (project_id, series, ord, first_run, outcome)
            SELECT id, 1, 0, 1, 4 FROM health_project""",
            "deferredspan of series 1, ord 0, first_run 1 is there, a rebuild would remove it",
        ),
        ("DELETE FROM health_causecount", "is missing, a rebuild would make it"),
        (
            """INSERT INTO health_vanishedcase (project_id, series, ord, last_run, gone_run, suspicion)
            SELECT id, 1, 0, 1, 2, 'file' FROM health_project""",
            "is there, a rebuild would remove it",
        ),
    ],
)
def test_a_rebuild_would_mend_it(statement: str, words: str) -> None:
    project = a_project()
    an_upload(project, {"a": "pass"})
    an_upload(project, {"a": "fail"})
    judge_project(project.pk)
    execute(statement)
    messages = [violation.message for violation in find_drift(project.pk)]
    assert any(words in message for message in messages), messages
    assert find_drift(project.pk)  # and it is still there: nothing was mended


# --- the command ---------------------------------------------------------------------------------------------------


def run_command(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("fsck", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_command_says_that_all_is_well() -> None:
    project = a_project("click")
    an_upload(project, {"a": "fail"})
    assert run_command("--project", "click", "--deep") == (
        0,
        "1 project checked: everything is as it has to be.\n",
    )
    status, text = run_command("--json")
    assert (status, json.loads(text)["violations"]) == (0, [])


def test_the_command_names_what_is_wrong_and_ends_with_status_1() -> None:
    project = a_project("click")
    an_upload(project, {"a": "fail"})
    execute("UPDATE health_run SET n_failed = 3")
    status, text = run_command("--project", "click")
    assert status == 1
    assert "click: run 1: n_failed is 3, over its jobs 1 [run_miscounted]" in text
    assert "1 project checked: 1 thing is not as it has to be." in text
    status, text = run_command("--json", "--deep")
    assert status == 1
    assert {v["law"] for v in json.loads(text)["violations"]} == {"run_miscounted", "run_drifted"}


def test_an_unknown_project_is_one_sentence() -> None:
    with pytest.raises(CommandError, match="There is no project called nowhere"):
        call_command("fsck", "--project", "nowhere")

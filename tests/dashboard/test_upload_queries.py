"""One receipt: every file, every remark, and one sentence for the whole."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.queries.upload import UploadPage, find_upload, read_upload_page
from health.models import Upload, UploadFile
from tests.builders import a_project, a_received_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

ERROR = {"code": "not_xml", "message": "b.xml is not XML.", "hint": "Send XML.", "line": 3, "column": 2}
CUT = {"code": "report_truncated", "message": "It breaks off.", "hint": "", "line": 11, "column": 22}
NOTE = {"code": "declared_differs", "message": "7 declared, 9 listed.", "hint": "", "line": 3, "column": 2, "count": 3}


def a_file(name: str = "a.xml", **values: Any) -> dict[str, Any]:
    counts = {"tests": 9, "passed": 4, "failed": 3, "errored": 0, "skipped": 2, "flaky": 0, "accepted": 8}
    return (
        {"name": name, "format": "junit", "state": "stored", "merged": 1, "rejected": 0, "warnings": []}
        | counts
        | values
    )


def read(state: str, *files: dict[str, Any], error: dict[str, Any] | None = None, **fields: Any) -> UploadPage:
    upload = a_received_upload(a_project(), job="tests")
    receipt = {"files": list(files), "warnings": []} if files else None
    Upload.objects.filter(pk=upload.pk).update(state=state, receipt=receipt, error=error, **fields)
    for position, file in enumerate(files):
        UploadFile.objects.create(
            upload=upload, position=position, name=file["name"], n_bytes_wire=5, n_bytes_plain=522, digest=b"x"
        )
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    return read_upload_page(found)


CUT_OFF = a_file("c.xml", state="partial", error=CUT, accepted=2)
FAILED = {"name": "b.xml", "format": None, "state": "failed", "error": ERROR, "warnings": []}


@pytest.mark.parametrize(
    ("state", "files", "sentence"),
    [
        ("stored", [a_file()], "Eight cases were stored from one file."),
        ("stored", [a_file(accepted=1, warnings=[NOTE])], "One case was stored from one file, with one remark."),
        ("stored", [a_file(accepted=0)], "No cases were stored from one file."),
        (
            "partial",
            [a_file(), a_file("c.xml", state="partial", error=CUT, accepted=2), FAILED],
            "Ten cases were stored from two files, one of which breaks off, and one failed.",
        ),
        ("partial", [CUT_OFF], "Two cases were stored from one file, which breaks off."),
        ("partial", [CUT_OFF] * 2, "Four cases were stored from two files, both of which break off."),
        ("partial", [CUT_OFF] * 3, "Six cases were stored from three files, all of which break off."),
        ("failed", [FAILED], "The file could not be read. Nothing was stored."),
        ("failed", [FAILED, FAILED], "None of the two files could be read. Nothing was stored."),
        ("received", [], "It is kept, and waits to be read."),
        ("processing", [], "It is being read."),
        ("retry", [], "It is kept, and will be read again."),
        ("cancelled", [], "It was cancelled before it was read."),
    ],
)
def test_the_sentence(state: str, files: list[dict[str, Any]], sentence: str) -> None:
    assert read(state, *files).sentence == sentence


def test_a_delivery_that_was_given_up_says_how_often_it_was_tried() -> None:
    page = read("dead", error={"code": "worker_crashed", "message": "The worker died.", "hint": "Retry."}, attempts=3)
    assert page.sentence == "It was given up after three tries. Nothing of it was stored."
    assert page.error is not None
    assert (page.error.message, page.error.hint, page.may_try_again) == ("The worker died.", "Retry.", True)


def test_every_file_has_its_outcome_and_its_remarks() -> None:
    page = read("partial", a_file(warnings=[NOTE]), a_file("c.xml", state="partial", error=CUT), FAILED)
    assert [(file.name, file.mark, file.word, file.n_bytes) for file in page.files] == [
        ("a.xml", "pass", "stored, 1 remark", 522),
        ("c.xml", "fail", "partly stored", 522),
        ("b.xml", "fail", "failed", 522),
    ]
    assert [(r.word, r.line, r.column, r.count_more) for file in page.files for r in file.remarks] == [
        ("note", 3, 2, 2),
        ("breaks off", 11, 22, 0),
        ("failed", 3, 2, 0),
    ]


def test_totals_are_over_the_files_that_were_read() -> None:
    page = read(
        "partial", a_file(), a_file("c.xml", tests=2, passed=2, failed=0, skipped=0, accepted=2, merged=0), FAILED
    )
    assert (page.totals["accepted"], page.n_listed, page.totals["passed"], page.n_executed) == (10, 10, 6, 9)


def test_an_error_that_stands_at_its_file_is_not_told_twice() -> None:
    assert read("failed", FAILED, error=ERROR).error is None


def test_a_code_nobody_knows_is_a_note() -> None:
    page = read("stored", a_file(warnings=[{"code": "from_the_future", "message": "m"}]))
    assert [(r.mark, r.word, r.hint, r.count) for r in page.files[0].remarks] == [("open", "note", "", 1)]


def test_files_that_wait_are_listed_without_a_receipt() -> None:
    upload = a_received_upload(a_project())
    UploadFile.objects.create(upload=upload, position=0, name="a.xml", n_bytes_wire=1, n_bytes_plain=2, digest=b"x")
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    page = read_upload_page(found)
    assert [(file.name, file.word, file.is_read) for file in page.files] == [("a.xml", "not read yet", False)]
    assert page.polls == "every 3s"


def test_a_delivery_of_another_project_is_not_found() -> None:
    upload = a_received_upload(a_project())
    assert find_upload(a_project(), public_id=upload.public_id) is None


def test_it_costs_two_statements() -> None:
    upload = a_received_upload(a_project())
    with counted_statements() as sent:
        found = find_upload(upload.project, public_id=upload.public_id)
        assert found is not None
        read_upload_page(found)
    assert len(sent) == 2


def test_an_expected_failure_ran_and_is_no_skip() -> None:
    page = read("stored", a_file(xfailed=1), a_file("b.xml"))  # an old receipt does not tell them apart
    assert (page.n_executed, page.totals["skipped"], page.totals["xfailed"]) == (15, 3, 1)


COVERAGE = {
    "name": "coverage.xml",
    "kind": "coverage",
    "format": "cobertura",
    "state": "stored",
    "level": "unit",
    "files": 12,
    "lines_valid": 100,
    "lines_covered": 80,
    "branches_valid": 0,
    "branches_covered": 0,
    "warnings": [],
    "error": None,
}


def test_coverage_has_figures_of_its_own() -> None:
    page = read("stored", a_file(), COVERAGE)
    assert page.sentence == "Eight cases and coverage were stored from two files."
    (report,) = page.coverage
    assert (report.format, report.level, report.is_read, report.counts["files"]) == ("Cobertura", "unit", True, 12)
    assert (report.counts["lines_covered"], report.counts["lines_valid"]) == (80, 100)
    assert [file.name for file in page.reports] == ["a.xml"]
    assert (page.n_listed, page.n_executed) == (8, 7)
    assert page.has_tests


def test_coverage_alone_is_no_delivery_of_no_tests() -> None:
    page = read("stored", COVERAGE)
    assert page.sentence == "Coverage was stored from one file."
    assert (page.has_tests, page.reports) == (False, ())


def test_what_the_configuration_could_not_say_has_its_file_line_and_field() -> None:
    warning = {"file": ".suitewatch.yml", "line": 3, "field": "suites[0].levl", "code": "x", "message": "m"}
    upload = a_received_upload(a_project())
    Upload.objects.filter(pk=upload.pk).update(
        state="stored", receipt={"files": [], "configuration": {"number": 4, "warnings": [warning]}}
    )
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    configuration = read_upload_page(found).configuration
    assert configuration is not None
    (remark,) = configuration.remarks
    assert (configuration.number, remark.file, remark.line, remark.field) == (4, ".suitewatch.yml", 3, "suites[0].levl")


def test_files_that_are_no_reports_are_not_listed_as_such() -> None:
    upload = a_received_upload(a_project())
    for position, (name, role) in enumerate([(".suitewatch.yml", "configuration"), ("a.xml", "report")]):
        UploadFile.objects.create(
            upload=upload, position=position, name=name, role=role, n_bytes_wire=1, n_bytes_plain=2, digest=b"x"
        )
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    assert [file.name for file in read_upload_page(found).files] == ["a.xml"]


def test_what_is_read_again_shows_no_outcome_of_before() -> None:
    assert [file.word for file in read("retry", FAILED, error=ERROR).files] == ["not read yet"]


@pytest.mark.parametrize(
    ("codes", "told"),
    [
        (["worker_crashed"], "read again after the worker died"),
        (["internal"], "read again after one try"),
        (["internal", "worker_crashed"], "read again after the worker died"),
        (["worker_crashed", "internal"], "read again after two tries"),
    ],
)
def test_earlier_tries_are_told(codes: list[str], told: str) -> None:
    upload = a_received_upload(a_project())
    tries = [{"code": code, "at": "2026-03-02T09:00:00+00:00"} for code in codes]
    Upload.objects.filter(pk=upload.pk).update(state="stored", receipt={"files": [], "tries": tries}, attempts=2)
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    page = read_upload_page(found)
    assert page.told_tries == told
    assert [str(one.at) for one in page.tries] == ["2026-03-02 09:00:00+00:00"] * len(codes)


@pytest.mark.parametrize(
    ("state", "due_in", "pace"),
    [
        ("processing", 0, "every 1s"),
        ("received", -1, "every 3s"),
        ("retry", -1, "every 3s"),
        ("retry", 600, ""),
        *((state, -1, "") for state in ("stored", "partial", "failed", "dead", "cancelled")),
    ],
)
def test_the_page_asks_again_only_while_something_moves(state: str, due_in: int, pace: str) -> None:
    due = timezone.now() + timedelta(seconds=due_in)
    assert read(state, next_attempt_at=due).polls == pace


@pytest.mark.parametrize(
    ("progress", "told"),
    [(None, "begins to read 4.0\u00a0MB"), (43, "43\u00a0% of 4.0\u00a0MB read"), (100, "all of 4.0\u00a0MB is read")],
)
def test_how_far_the_worker_is(progress: int | None, told: str) -> None:
    assert read("processing", progress=progress, n_bytes_plain=4_000_000).told_progress.startswith(told)
    assert read("stored", progress=progress, n_bytes_plain=4_000_000).told_progress == ""


def test_a_long_receipt_stays_readable_and_counts_what_it_leaves_out() -> None:
    warnings = [{"code": f"code_{k}", "message": "m", "count": 2} for k in range(50)]
    files = [a_file(f"{k}.xml", warnings=warnings) for k in range(98)]
    page = read("partial", *files, a_file("clean.xml"), {**FAILED, "name": "last.xml"})
    assert (len(page.reports), page.n_files_more) == (50, 50)
    assert page.reports[0].name == "last.xml"  # what needs a reader most comes first
    assert page.rows[0].first.file == "last.xml"
    assert (len(page.rows), page.n_unlisted, page.n_with_remarks) == (51, 50 * 97 - 100, 99)


def test_two_files_of_one_name_keep_their_own_sizes() -> None:
    upload = a_received_upload(a_project())
    for position, n in enumerate((7, 9)):
        UploadFile.objects.create(
            upload=upload, position=position, name="a.xml", n_bytes_wire=1, n_bytes_plain=n, digest=b"x"
        )
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    assert [file.n_bytes for file in read_upload_page(found).files] == [7, 9]


def read_sent(**metadata: str) -> UploadPage:
    upload = a_received_upload(a_project())
    Upload.objects.filter(pk=upload.pk).update(metadata=metadata)
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    return read_upload_page(found)


def test_fields_are_in_an_order_people_expect() -> None:
    page = read_sent(zzz="9", variant="3.12", job="tests", run_id="7", branch="main", commit="abc", aaa="1")
    assert [field.name for field in page.fields] == ["commit", "branch", "run_id", "job", "variant", "aaa", "zzz"]


def test_only_an_address_of_the_web_is_one() -> None:
    page = read_sent(build_url="https://ci.example/1", branch="javascript:alert(1)")
    assert [(field.name, field.is_address) for field in page.fields] == [("branch", False), ("build_url", True)]


def test_mistakes_in_the_configuration_are_in_the_sentence() -> None:
    upload = a_received_upload(a_project())
    warnings = [{"file": ".suitewatch.yml", "line": k, "code": "unknown_key", "message": "m"} for k in range(7)]
    receipt = {"files": [a_file()], "configuration": {"number": 4, "warnings": warnings}}
    Upload.objects.filter(pk=upload.pk).update(state="stored", receipt=receipt)
    found = find_upload(upload.project, public_id=upload.public_id)
    assert found is not None
    page = read_upload_page(found)
    assert page.sentence == "Eight cases were stored from one file. There are seven mistakes in .suitewatch.yml."
    assert page.configuration is not None
    assert {(remark.mark, remark.word) for remark in page.configuration.remarks} == {("stale", "left out")}

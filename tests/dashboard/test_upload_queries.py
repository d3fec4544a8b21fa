"""One receipt: every file, every remark, and one sentence for the whole."""

from typing import Any

import pytest

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


REFUSED = {"name": "b.xml", "format": None, "state": "failed", "error": ERROR, "warnings": []}


@pytest.mark.parametrize(
    ("state", "files", "sentence"),
    [
        ("stored", [a_file()], "Eight cases were stored from one file."),
        ("stored", [a_file(accepted=1, warnings=[NOTE])], "One case was stored from one file, with one remark."),
        ("stored", [a_file(accepted=0)], "No cases were stored from one file."),
        (
            "partial",
            [a_file(), a_file("c.xml", state="partial", error=CUT, accepted=2), REFUSED],
            "Ten cases were stored from two files, one of which breaks off, and one was refused.",
        ),
        ("failed", [REFUSED], "The file was refused. Nothing was stored."),
        ("failed", [REFUSED, REFUSED], "All two files were refused. Nothing was stored."),
        ("received", [], "It is kept, and waits to be read."),
        ("processing", [], "It is being read."),
        ("retry", [], "It is kept, and will be read again in a moment."),
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
    page = read("partial", a_file(warnings=[NOTE]), a_file("c.xml", state="partial", error=CUT), REFUSED)
    assert [(file.name, file.mark, file.word, file.n_bytes) for file in page.files] == [
        ("a.xml", "pass", "stored, 1 remark", 522),
        ("c.xml", "fail", "breaks off", 522),
        ("b.xml", "fail", "refused", 522),
    ]
    assert [(r.word, r.line, r.column, r.count_more) for file in page.files for r in file.remarks] == [
        ("note", 3, 2, 2),
        ("cut off", 11, 22, 0),
        ("refused", 3, 2, 0),
    ]


def test_totals_are_over_the_files_that_were_read() -> None:
    page = read(
        "partial", a_file(), a_file("c.xml", tests=2, passed=2, failed=0, skipped=0, accepted=2, merged=0), REFUSED
    )
    assert (page.totals["accepted"], page.n_listed, page.totals["passed"], page.n_executed) == (10, 10, 6, 9)


def test_an_error_that_stands_at_its_file_is_not_told_twice() -> None:
    assert read("failed", REFUSED, error=ERROR).error is None


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
    assert page.is_waiting


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


@pytest.mark.parametrize(("state", "may"), [("failed", True), ("dead", True), ("stored", False), ("partial", False)])
def test_only_what_came_to_nothing_waits_again(state: str, may: bool) -> None:
    upload = a_received_upload(a_project())
    Upload.objects.filter(pk=upload.pk).update(state=state, attempts=3)
    assert upload.wait_again() is may
    upload.refresh_from_db()
    assert (upload.state, upload.attempts) == (("retry", 0) if may else (state, 3))


def test_an_expected_failure_ran_and_is_no_skip() -> None:
    page = read("stored", a_file(xfailed=1), a_file("b.xml"))  # an old receipt does not tell them apart
    assert (page.n_executed, page.totals["skipped"], page.totals["xfailed"]) == (15, 3, 1)

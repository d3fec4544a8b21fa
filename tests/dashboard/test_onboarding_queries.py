"""How far the first upload has come, in words."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dashboard.queries.onboarding import Progress, read_progress
from health.models import Project, Refusal, Upload, UploadFile, UploadToken
from tests.builders import a_project, a_received_upload, an_upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = a_project("click")
    UploadToken.issue(project, name="ci")
    return project


def arrive(project: Project, *, state: str, name: str = "junit.xml", error: dict[str, Any] | None = None) -> Upload:
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(state=state, error=error)
    UploadFile.objects.create(upload=upload, position=0, name=name, n_bytes_wire=9, n_bytes_plain=238_652, digest=b"x")
    return upload


def tell(progress: Progress) -> list[str]:
    return [f"{step.state}: {step.text}" for step in progress.steps]


def test_without_a_token_that_is_the_first_step() -> None:
    assert tell(read_progress(a_project()))[0] == "now: No token yet: make one above"


def test_a_token_that_only_reads_is_no_step_towards_sending() -> None:
    project = a_project()
    UploadToken.issue(project, name="script", scopes=["read"])
    assert tell(read_progress(project))[0] == "now: No token yet: make one above"


def test_waiting(project: Project) -> None:
    assert tell(read_progress(project)) == [
        "done: Token made, shown once",
        "now: Waiting for the first upload …",
        "todo: Received",
        "todo: Read",
        "todo: Open the project",
    ]


@pytest.mark.parametrize(
    ("state", "word"), [("received", "Reading …"), ("processing", "Reading …"), ("retry", "Waiting to try again …")]
)
def test_received(project: Project, state: str, word: str) -> None:
    arrive(project, state=state)
    progress = read_progress(project)
    assert tell(progress)[1:4] == [
        "done: The first upload came",
        "done: Received junit.xml, 238\u00a0kB",
        f"now: {word}",
    ]
    assert not progress.is_over


def test_read(project: Project) -> None:
    upload = an_upload(project, {"tests.a::one": "pass", "tests.a::two": "fail"})
    files = [{"name": "junit.xml", "tests": 2016, "passed": 1991}]
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": files})
    progress = read_progress(project)
    assert tell(progress)[3:] == ["done: Read 2,016 cases, 1,991 passed", "now: Open the project"]
    assert progress.is_over
    assert progress.run == upload.run


def test_partly_read_says_so(project: Project) -> None:
    an_upload(project, {"tests.a::one": "pass"}, state="partial")
    assert "but not the whole of what was sent" in read_progress(project).steps[3].text


def test_a_try_that_failed_appears_with_its_reason(project: Project) -> None:
    arrive(project, state="failed", name="page.html", error={"message": "This is an HTML page.", "hint": "Look."})
    progress = read_progress(project)
    assert tell(progress)[1] == "now: Waiting for a report that can be read …"
    (one,) = progress.not_stored
    assert (one.file, one.word, one.error.message, one.error.hint) == (
        *("page.html", "failed", "This is an HTML page.", "Look."),
    )
    assert not progress.is_over


def test_the_reason_of_one_file_is_found_in_the_receipt(project: Project) -> None:
    upload = arrive(project, state="failed")
    receipt = {"files": [{"name": "a", "error": None}, {"name": "b", "error": {"message": "Cut off.", "hint": ""}}]}
    Upload.objects.filter(pk=upload.pk).update(receipt=receipt)
    assert read_progress(project).not_stored[0].error.message == "Cut off."


def test_once_something_was_read_failures_belong_to_the_uploads_page(project: Project) -> None:
    an_upload(project, {"tests.a::one": "pass"})
    arrive(project, state="failed")
    progress = read_progress(project)
    assert progress.is_over
    assert progress.not_stored == ()


def test_other_projects_do_not_count(project: Project) -> None:
    an_upload(a_project("other"), {"tests.a::one": "pass"})
    assert not read_progress(project).is_over


def refuse(project: Project, *, minutes_ago: int, n: int = 1) -> None:
    error = {"code": "too_large", "message": "30 MB is too much.", "hint": "Gzip it."}
    at = timezone.now() - timedelta(minutes=minutes_ago, seconds=1)
    Refusal.objects.create(project=project, token=project.upload_tokens.get(), error=error, n=n, at=at)


def test_a_try_the_door_refused_appears_with_its_reason(project: Project) -> None:
    refuse(project, minutes_ago=9)
    refuse(project, minutes_ago=2, n=3)
    progress = read_progress(project)
    assert tell(progress)[1] == "now: Waiting for a delivery that can be taken …"
    assert progress.refused == "Your CI's last try was refused 2 minutes ago: 30 MB is too much."
    assert [(one.what, one.word, one.error.hint) for one in progress.not_stored] == [
        ("A delivery", "refused, 3 times", "Gzip it."),
        ("A delivery", "refused", "Gzip it."),
    ]


def test_a_refusal_that_was_followed_by_an_upload_is_no_longer_the_last_try(project: Project) -> None:
    refuse(project, minutes_ago=2)
    arrive(project, state="failed", error={"message": "No XML."})
    progress = read_progress(project)
    assert progress.refused == ""
    assert [one.error.message for one in progress.not_stored] == ["No XML.", "30 MB is too much."]
    assert tell(progress)[1] == "now: Waiting for a report that can be read …"
    an_upload(project, {"tests.a::one": "pass"})
    assert (read_progress(project).not_stored, read_progress(project).refused) == ((), "")


@pytest.mark.parametrize("n_uploads", [1, 30])
def test_it_costs_five_queries_however_many_uploads(
    project: Project, django_assert_max_num_queries: Callable[[int], Any], n_uploads: int
) -> None:
    for _ in range(n_uploads):
        arrive(project, state="failed")
    with django_assert_max_num_queries(5):
        read_progress(project)
    an_upload(project, {"tests.a::one": "pass"})
    with django_assert_max_num_queries(5):
        assert read_progress(project).is_over


COVERAGE = {"name": "c.xml", "kind": "coverage", "state": "stored", "lines_valid": 5, "lines_covered": 5}
TESTS = {"name": "junit.xml", "kind": "results", "state": "stored", "tests": 3, "passed": 2}


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([COVERAGE], "Read coverage: 5 of 5 lines"),
        ([COVERAGE, TESTS], "Read 3 cases, 2 passed, and coverage: 5 of 5 lines"),
        ([COVERAGE, COVERAGE], "Read coverage: 10 of 10 lines in two reports"),
        ([COVERAGE | {"lines_valid": 0, "lines_covered": 0}], "Read coverage: no lines"),
        ([COVERAGE, {"name": "page.html", "kind": None, "state": "failed"}], "Read coverage: 5 of 5 lines"),
    ],
)
def test_coverage_is_told_as_what_it_is(project: Project, files: list[dict[str, Any]], told: str) -> None:
    upload = an_upload(project, {})
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": files})
    assert read_progress(project).steps[3].text == told


@pytest.mark.parametrize("n_later", [1, 12])
def test_the_first_upload_stays_the_first(n_later: int) -> None:
    project = a_project()
    arrive(project, state="failed")
    an_upload(project, {"tests.a::one": "pass"})
    for _ in range(n_later):
        an_upload(project, {f"tests.a::{k}": "pass" for k in range(9)})
    progress = read_progress(project)
    assert (progress.steps[3].text, progress.run) == ("Read 1 case, 0 passed", 1)
    assert progress.steps[0].state == "done"
    assert "no longer active" in progress.steps[0].text


def test_a_place_in_the_file_is_told_where_it_means_something(project: Project) -> None:
    arrive(project, state="failed", error={"code": "xml_malformed", "message": "m", "line": 3, "column": 7})
    arrive(project, state="failed", error={"code": "not_a_report", "message": "m", "line": 6, "column": 7})
    assert [one.error.line for one in read_progress(project).not_stored] == [None, 3]

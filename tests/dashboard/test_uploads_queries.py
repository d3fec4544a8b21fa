"""The list of deliveries: every one with its state, newest first, a page at a time."""

import pytest

from dashboard.filters import Filters
from dashboard.queries import uploads
from dashboard.queries.uploads import list_uploads, read_newest_states
from health.models import Project, Upload, UploadFile
from tests.builders import a_project, a_received_upload, an_upload
from tests.scenes import green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def a_refused(project: Project, message: str = "No XML.") -> Upload:
    upload = a_received_upload(project, job="docs", branch="main")
    Upload.objects.filter(pk=upload.pk).update(state="failed", error={"code": "not_xml", "message": message})
    return upload


def with_files(upload: Upload, *names: str) -> Upload:
    for position, name in enumerate(names):
        UploadFile.objects.create(
            upload=upload, position=position, name=name, n_bytes_wire=1, n_bytes_plain=1, digest=b"x"
        )
    return upload


def test_each_line_says_what_became_of_it() -> None:
    project = a_project()
    stored = with_files(an_upload(project, green(3)), "junit.xml")
    a_refused(project)
    waiting = with_files(a_received_upload(project), "b.xml", "a.xml")
    found = list_uploads(project, Filters())
    assert [(line.state, line.mark, line.run, line.n_tests, line.told) for line in found.lines] == [
        ("received", "open", None, None, ""),
        ("failed", "fail", None, None, "No XML."),
        ("stored", "pass", stored.run, 3, ""),
    ]
    assert [line.files for line in found.lines] == [("b.xml", "a.xml"), (), ("junit.xml",)]
    assert found.lines[0].public_id == waiting.public_id
    assert found.n_trouble == 1


def test_a_receipt_outlives_its_files() -> None:
    project = a_project()
    an_upload(project, green(2))
    assert list_uploads(project, Filters()).lines[0].files == ("junit.xml",)


def test_remarks_are_counted() -> None:
    project = a_project()
    upload = an_upload(project, green(2), state="partial")
    warnings = [{"code": "x", "message": "m"}] * 2
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": [{"name": "a", "warnings": warnings}], "warnings": []})
    assert list_uploads(project, Filters()).lines[0].told == "2 remarks"
    error = {"code": "report_truncated", "message": "a breaks off."}
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": [{"name": "a", "error": error, "warnings": warnings}]})
    assert list_uploads(project, Filters()).lines[0].told == "a breaks off."


def test_trouble_and_waiting_can_be_chosen() -> None:
    project = a_project()
    an_upload(project, green(2))
    an_upload(project, green(2), state="partial")
    a_refused(project)
    a_received_upload(project)
    assert [line.state for line in list_uploads(project, Filters(state="trouble")).lines] == ["failed", "partial"]
    assert [line.state for line in list_uploads(project, Filters(state="waiting")).lines] == ["received"]
    assert len(list_uploads(project, Filters(state="nonsense")).lines) == 4


def test_pages_follow_on_each_other_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "N_ROWS", 3)
    project, other = a_project(), a_project()
    sent = [a_received_upload(project if k % 3 else other) for k in range(12)]
    seen, before = [], ""
    while True:
        found = list_uploads(project, Filters(before=before))
        seen += [line.public_id for line in found.lines]
        before = found.next_before
        if not before:
            break
    assert seen == [upload.public_id for upload in reversed(sent) if upload.project_id == project.pk]


@pytest.mark.parametrize("before", ["abc", "1", "7d1c1c4e-6a3b-4f0e-9f6e-0c8b3f6f2a51"])
def test_a_strange_place_to_start_behind_is_the_start(before: str) -> None:
    project = a_project()
    a_received_upload(project)
    assert len(list_uploads(project, Filters(before=before)).lines) == 1


def test_a_place_in_another_project_is_no_place_here() -> None:
    project, other = a_project(), a_project()
    foreign = a_received_upload(other)
    a_received_upload(project)
    assert len(list_uploads(project, Filters(before=str(foreign.public_id))).lines) == 1


def test_the_newest_states_change_with_every_step() -> None:
    project = a_project()
    before = read_newest_states(project)
    upload = a_received_upload(project)
    received = read_newest_states(project)
    Upload.objects.filter(pk=upload.pk).update(state="processing")
    assert len({before, received, read_newest_states(project)}) == 3


def test_its_cost_does_not_grow() -> None:
    for n in (2, 60):
        project = a_project()
        for _ in range(n):
            with_files(a_received_upload(project), "a.xml", "b.xml")
        with counted_statements() as sent:
            found = list_uploads(project, Filters())
        assert len(sent) == 2
    assert found.next_before

"""The list of deliveries: every one with its state, newest first, a page at a time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from dashboard.filters import Filters
from dashboard.queries import deliveries, uploads
from dashboard.queries.uploads import UploadList, list_uploads, read_pulse
from health.models import Project, Refusal, Upload, UploadFile, UploadToken
from tests.builders import a_project, a_received_upload, an_upload
from tests.scenes import at, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def find(project: Project, filters: Filters) -> UploadList:
    return list_uploads(project, filters, today=timezone.now().date())


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
    found = find(project, Filters())
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
    assert find(project, Filters()).lines[0].files == ("junit.xml",)


def test_remarks_are_counted() -> None:
    project = a_project()
    upload = an_upload(project, green(2), state="partial")
    warnings = [{"code": "x", "message": "m"}] * 2
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": [{"name": "a", "warnings": warnings}], "warnings": []})
    assert find(project, Filters()).lines[0].told == "2 remarks"
    error = {"code": "report_truncated", "message": "a breaks off."}
    Upload.objects.filter(pk=upload.pk).update(receipt={"files": [{"name": "a", "error": error, "warnings": warnings}]})
    assert find(project, Filters()).lines[0].told == "a breaks off."


def test_trouble_and_waiting_can_be_chosen() -> None:
    project = a_project()
    an_upload(project, green(2))
    an_upload(project, green(2), state="partial")
    a_refused(project)
    a_received_upload(project)
    assert [line.state for line in find(project, Filters(state="trouble")).lines] == ["failed", "partial"]
    assert [line.state for line in find(project, Filters(state="waiting")).lines] == ["received"]
    assert len(find(project, Filters(state="nonsense")).lines) == 4


def test_pages_follow_on_each_other_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "N_ROWS", 3)
    project, other = a_project(), a_project()
    sent = [a_received_upload(project if k % 3 else other) for k in range(12)]
    seen, before = [], ""
    while True:
        found = find(project, Filters(before=before))
        seen += [line.public_id for line in found.lines]
        before = found.next_before
        if not before:
            break
    assert seen == [upload.public_id for upload in reversed(sent) if upload.project_id == project.pk]


def test_each_page_of_a_narrowed_list_looks_at_the_same_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second page looked at as many again, and said that they were the newest."""
    monkeypatch.setattr(uploads, "N_ROWS", 2)
    monkeypatch.setattr(uploads, "N_SEARCHED", 5)
    project = a_project()
    sent = [a_received_upload(project).public_id for _ in range(8)]
    seen, before = [], ""
    for _ in range(4):
        found = find(project, Filters(state="waiting", before=before))
        seen += [line.public_id for line in found.lines]
        before = found.next_before
        if not before:
            break
    assert (seen, before) == (sent[:2:-1], "")


def test_a_reason_is_looked_for_in_the_days_that_are_counted() -> None:
    project = a_project(time_zone="Asia/Tokyo")
    today = timezone.now().date()
    first = deliveries.find_first_moment(project, today=today)
    sent = [a_refused(project) for _ in range(3)]
    for upload, moment in zip(sent, (first - timedelta(seconds=1), first, first + timedelta(days=2)), strict=True):
        Upload.objects.filter(pk=upload.pk).update(received_at=moment)
    (reason,) = deliveries.list_reasons(project, today=today)
    listed = list_uploads(project, Filters(state=reason.kind, reason=reason.code), today=today).lines
    assert (reason.n, [line.public_id for line in listed]) == (2, [sent[2].public_id, sent[1].public_id])
    assert len(find(project, Filters(state="failed")).lines) == 3


@pytest.mark.parametrize("before", ["abc", "1", "7d1c1c4e-6a3b-4f0e-9f6e-0c8b3f6f2a51"])
def test_a_strange_place_to_start_behind_is_the_start(before: str) -> None:
    project = a_project()
    a_received_upload(project)
    assert len(find(project, Filters(before=before)).lines) == 1


def test_a_place_in_another_project_is_no_place_here() -> None:
    project, other = a_project(), a_project()
    foreign = a_received_upload(other)
    a_received_upload(project)
    assert len(find(project, Filters(before=str(foreign.public_id))).lines) == 1


def test_the_pulse_changes_with_every_step() -> None:
    project = a_project()
    token = UploadToken.issue(project, name="ci")[0]
    seen = [read_pulse(project, now=at(0))]
    upload = a_received_upload(project)
    seen.append(read_pulse(project, now=at(0)))
    for step in ({"state": "processing"}, {"progress": 7}, {"state": "stored"}):
        Upload.objects.filter(pk=upload.pk).update(**step)
        seen.append(read_pulse(project, now=at(0)))
    refusal = Refusal.objects.create(project=project, token=token, error={"code": "too_large"})
    seen.append(read_pulse(project, now=at(0)))
    Refusal.objects.filter(pk=refusal.pk).update(n=2)
    seen.append(read_pulse(project, now=at(0)))
    newer = Refusal.objects.create(project=project, token=token, error={"code": "empty_body"})
    seen.append(read_pulse(project, now=at(0)))
    assert newer.at >= refusal.at
    Refusal.objects.filter(pk=refusal.pk).update(n=3)  # not the newest one
    seen.append(read_pulse(project, now=at(0)))
    assert len(set(seen)) == len(seen)


def test_a_try_that_came_to_nothing_changes_the_pulse() -> None:
    """It waits as before, for another moment."""
    upload = a_received_upload(a_project())
    Upload.objects.filter(pk=upload.pk).update(state="retry", lease_epoch=1)
    before = read_pulse(upload.project, now=at(0))
    Upload.objects.filter(pk=upload.pk).update(lease_epoch=2)
    assert read_pulse(upload.project, now=at(0)) != before


def test_time_is_part_of_the_pulse_as_finely_as_it_is_told() -> None:
    project = a_project()
    assert read_pulse(project, now=at(0)) == read_pulse(project, now=at(0.5)) != read_pulse(project, now=at(1))
    a_received_upload(project)
    assert read_pulse(project, now=at(0)) != read_pulse(project, now=at(0.5))


@pytest.mark.parametrize(
    ("query", "states"),
    [
        ({"state": "failed"}, ["dead", "failed"]),
        ({"state": "dead"}, ["dead"]),
        ({"state": "partial"}, ["partial"]),
        ({"state": "trouble"}, ["dead", "failed", "partial"]),
        ({"reason": "not_xml"}, ["failed", "partial"]),
        ({"reason": "not_xml", "state": "partial"}, ["partial"]),
        ({"reason": "worker_crashed"}, ["dead"]),
        ({"reason": "nobody's"}, []),
    ],
)
def test_state_and_reason_narrow_the_list(query: dict[str, str], states: list[str]) -> None:
    project = a_project()
    partial = an_upload(project, green(2), state="partial")
    error = {"code": "not_xml", "message": "No XML."}
    files = [{"name": "a", "state": "stored", "error": None}, {"name": "b", "state": "failed", "error": error}]
    Upload.objects.filter(pk=partial.pk).update(receipt={"files": files})
    a_refused(project)
    dead = a_received_upload(project)
    Upload.objects.filter(pk=dead.pk).update(state="dead", error={"code": "worker_crashed", "message": "m"})
    waits = a_received_upload(project)
    Upload.objects.filter(pk=waits.pk).update(state="retry", error=error)
    assert [line.state for line in find(project, Filters(**query)).lines] == states


def test_no_receipt_leaves_the_database_and_its_figures_do() -> None:
    project = a_project()
    upload = an_upload(project, green(2))
    coverage = {"name": "c.xml", "kind": "coverage", "state": "stored", "files": 3, "warnings": [{"code": "marker"}]}
    tests = {"name": "t.xml", "state": "stored", "tests": 9, "warnings": [{"code": "marker"}] * 2, "error": None}
    receipt = {"files": [tests, coverage], "warnings": [{"code": "marker"}]}
    Upload.objects.filter(pk=upload.pk).update(receipt=receipt)
    with counted_statements() as sent:
        (line,) = find(project, Filters()).lines
    assert (line.n_tests, line.n_coverage, line.n_remarks, line.told) == (9, 1, 4, "coverage, 4 remarks")
    assert not any("receipt," in statement.split("FROM")[0] for statement in sent)


def test_a_worker_at_it_is_told_with_its_share() -> None:
    upload = a_received_upload(a_project())
    Upload.objects.filter(pk=upload.pk).update(state="processing", progress=43, n_bytes_plain=4_000_000)
    (line,) = find(upload.project, Filters()).lines
    assert (line.is_reading, line.percent, line.told_progress) == (True, 43, "43\u00a0% of 4.0\u00a0MB read")


def test_an_old_receipt_may_lack_anything() -> None:
    project = a_project()
    for receipt in ({}, {"files": [{}]}, {"files": [{"name": "a", "error": {}}], "warnings": None}):
        upload = a_received_upload(project)
        Upload.objects.filter(pk=upload.pk).update(state="stored", receipt=receipt)
    assert [line.told for line in find(project, Filters()).lines] == ["", "", ""]


def test_its_cost_does_not_grow() -> None:
    for n in (2, 60):
        project = a_project()
        for _ in range(n):
            with_files(a_received_upload(project), "a.xml", "b.xml")
        with counted_statements() as sent:
            found = find(project, Filters())
        assert len(sent) == 1
    assert found.next_before


def test_mistakes_in_the_configuration_are_found_first() -> None:
    project = a_project()
    upload = an_upload(project, green(2))
    warnings = [{"file": ".suitewatch.yml", "code": "unknown_key"}] * 6 + [{"file": "CODEOWNERS", "code": "x"}]
    file = {"name": "a", "state": "stored", "warnings": [{"code": "x"}]}
    receipt = {"files": [file], "configuration": {"number": 1, "warnings": warnings}}
    Upload.objects.filter(pk=upload.pk).update(receipt=receipt)
    (line,) = find(project, Filters()).lines
    assert (line.told_mistakes, line.told_contents) == ("Seven mistakes in .suitewatch.yml and CODEOWNERS", "1 remark")
    assert line.told == "Seven mistakes in .suitewatch.yml and CODEOWNERS · 1 remark"


def test_the_size_is_that_of_the_reports() -> None:
    """It was that of everything sent, so an empty report was listed with the size of the configuration beside it."""
    project = a_project()
    upload = a_received_upload(project)
    Upload.objects.filter(pk=upload.pk).update(n_bytes_plain=998)
    for position, (name, role, n) in enumerate(
        [("unit.xml", "report", 705), (".suitewatch.yml", "configuration", 293)]
    ):
        UploadFile.objects.create(
            upload=upload, position=position, name=name, role=role, n_bytes_wire=1, n_bytes_plain=n, digest=b"x"
        )
    assert find(project, Filters()).lines[0].n_bytes == 705

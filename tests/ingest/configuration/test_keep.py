"""From the door to the worker: what came with an upload is kept once, told in its receipt, and never in its way."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health import rebuild
from health.models import Allowance, Case, Configuration, PayloadChunk, Project, Suite, Upload
from health.rebuild import rebuild_if_due
from ingest import pipeline, sweep
from ingest.bell import ring_rebuild
from ingest.cases import forget_names
from ingest.configuration import keep
from ingest.configuration.keep import keep_configuration
from ingest.pipeline import process_next
from tests.builders import a_project, a_received_upload, a_token, an_upload
from tests.ingest.test_companions import post

REPORT = b"<testsuite name='s'><testcase classname='tests.api.test_x' name='%s' time='0.1'/></testsuite>"
RULES = b"suites:\n  - {path: tests/api, suite: API, level: contract}\n  - {path: tests, levle: unit}\n"


DEFERRED = b"deferrals: [{cases: tests/a},\n  {cases: tests/b, review: 2026-02-30}]\n"


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


@pytest.fixture
def project() -> Project:
    return a_project("pipe")


def send(project: Project, *, name: bytes = b"one", **parts: Any) -> Upload:
    post(project, report=REPORT % name, **parts)
    upload = Upload.objects.latest("id")
    assert process_next()
    upload.refresh_from_db()
    return upload


@pytest.mark.django_db
def test_an_upload_keeps_its_configuration_and_tells_what_is_wrong_with_it(project: Project) -> None:
    upload = send(project, configuration=RULES, owners=b"* @a\nx y\n", deferrals=DEFERRED)
    assert (upload.state, upload.configuration, upload.deferrals_file) == ("stored", 1, 3)
    assert upload.receipt is not None
    told = upload.receipt["configuration"]
    assert (told["number"], told["code_owners"], told["deferrals"]) == (1, 2, 3)
    assert [(w["file"], w["line"], w["field"], w["code"]) for w in told["warnings"]] == [
        (".suitewatch.yml", 3, "suites[1].levle", "unknown_key"),
        ("CODEOWNERS", 2, "", "owners_invalid"),
        (".suitewatch-deferrals.yml", 2, "deferrals[1].review", "configuration_invalid"),
    ]
    assert [file["name"] for file in upload.receipt["files"]] == ["junit.xml"]
    deferred = Configuration.objects.get(project=project, number=3)
    assert (deferred.role, deferred.text.encode()) == ("deferrals", DEFERRED)
    assert deferred.content == {"deferrals": [{"cases": "tests/a", "file": ".suitewatch-deferrals.yml", "line": 1}]}
    kept = Configuration.objects.get(project=project, number=1)
    assert kept.text.encode() == RULES
    assert kept.content["suites"] == [{"path": "tests/api", "suite": "API", "level": "contract"}]


@pytest.mark.django_db
def test_the_worker_follows_new_rules_when_the_upload_is_stored(project: Project) -> None:
    project.default_branch = "main"
    project.save()
    send(project, name=b"before")
    send(project, name=b"with", configuration=RULES)
    send(project, name=b"after")
    (suite,) = {case.suite for case in Case.objects.filter(project=project)}
    assert Suite.objects.get(project=project, number=suite).name == "API"
    project.refresh_from_db()
    assert project.configuration == project.rules_of == 1


@pytest.mark.django_db
def test_the_same_content_is_one_row_and_another_project_has_its_own(project: Project) -> None:
    uploads = [send(project, name=name, configuration=RULES) for name in (b"a", b"b")]
    uploads.append(send(project, name=b"c", configuration=b"suites: []"))
    uploads.append(send(project, name=b"d", configuration=RULES, owners=b"* @a"))
    uploads.append(send(project, name=b"e", owners=b"* @a"))
    numbers = [(upload.configuration, upload.code_owners) for upload in uploads]
    assert numbers == [(1, None), (1, None), (2, None), (1, 3), (None, 3)]
    assert send(a_project(), configuration=RULES).configuration == 1
    assert Configuration.objects.count() == 4


@pytest.mark.django_db
@pytest.mark.parametrize(
    "data",
    [
        *(b"suites: [\n", b"\xff\xfe", b"a: &a [*a]", b"\x00", b'a: "\\0\\ud800"', b"- " * 30_000, b"[" * 60_000),
        # In names of keys and tags, which remarks repeat.
        *(b'"a\\0b": 1', b'"a\\ud800b": 1', b"a: !<%00> 1", b'suites: [{"p\\0": x}]'),
    ],
)
def test_no_file_is_bad_enough_to_lose_an_upload(project: Project, data: bytes) -> None:
    upload = send(project, configuration=data, owners=data, deferrals=data)
    assert upload.state == "stored"
    assert upload.receipt is not None
    assert upload.receipt["configuration"]["warnings"]


@pytest.mark.django_db
def test_bytes_that_are_no_longer_kept_are_not_taken_for_an_empty_file(project: Project) -> None:
    post(project, configuration=RULES)
    upload = Upload.objects.latest("id")
    PayloadChunk.objects.filter(file__upload=upload, file__role="configuration").delete()
    assert process_next()
    upload.refresh_from_db()
    assert (upload.state, upload.configuration) == ("stored", None)


@pytest.mark.django_db
def test_a_fault_of_ours_in_reading_costs_no_upload_either(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keep, "read_file", lambda *_, file: 1 / 0)
    upload = send(project, configuration=RULES)
    assert upload.state == "stored"
    assert upload.receipt is not None
    assert [w["code"] for w in upload.receipt["configuration"]["warnings"]] == ["internal"]
    assert "a configuration could not be read" in caplog.text


@pytest.mark.django_db
def test_a_rebuild_that_fails_leaves_the_upload_stored_and_is_made_good_by_the_sweeper(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_project_id: int) -> bool:
        raise RuntimeError("cut off")

    project.default_branch = "main"
    project.save()
    with monkeypatch.context() as patched:
        patched.setattr(pipeline, "rebuild_if_due", fail)
        assert send(project, configuration=RULES).state == "stored"
    project.refresh_from_db()
    assert (project.configuration, project.rules_of) == (1, None)
    rung: list[int] = []
    monkeypatch.setattr(sweep, "ring_rebuild", lambda project_id, **_: bool(rung.append(project_id)))
    sweep.sweep()
    project.refresh_from_db()
    assert (rung, project.rules_of) == ([project.pk], 1)


@pytest.mark.django_db
def test_the_bell_for_a_rebuild_rings_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    from ingest.tasks import follow_rules

    sent: list[tuple[int, ...]] = []
    monkeypatch.setattr(follow_rules, "apply_async", lambda args, **_: sent.append(args))
    assert ring_rebuild(7, seconds=60)
    assert sent == [(7,)]
    follow_rules(7)  # a project that is not there is nothing to do


@pytest.mark.django_db(transaction=True)
def test_two_workers_with_the_same_new_content_make_one_row() -> None:
    project = a_project()
    uploads = [a_received_upload(project) for _ in range(4)]
    numbers: list[int] = []

    def work(upload: Upload) -> None:
        kept = keep_configuration(project_id=project.pk, upload_id=upload.pk, data=RULES, owners_data=b"")
        numbers.append(kept.number)
        connection.close()

    threads = [threading.Thread(target=work, args=(upload,)) for upload in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [1, 1, 1, 1]


@pytest.mark.django_db(transaction=True)
def test_one_rebuild_at_a_time() -> None:
    project = a_project()
    an_upload(project, {"tests.api.a::x": "pass"}, configuration=RULES.decode())
    found: list[bool] = []

    def look() -> None:
        found.append(rebuild_if_due(project.pk))
        connection.close()

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", (0x5357_0003, project.pk))
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        cursor.execute("SELECT pg_advisory_unlock(%s, %s)", (0x5357_0003, project.pk))
    assert found == [False]
    assert rebuild_if_due(project.pk)


@pytest.mark.django_db
def test_a_project_whose_rebuilds_took_too_long_waits_until_others_had_their_turn(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_upload(project, {"tests.api.a::x": "pass"}, configuration=RULES.decode())
    clock = iter([0.0, 900.0])  # longer than it has
    monkeypatch.setattr(rebuild.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(rebuild, "rebuild_project", lambda _: None)
    assert rebuild_if_due(project.pk)
    monkeypatch.undo()
    assert not rebuild_if_due(project.pk)
    Allowance.objects.update(counted_at=timezone.now() - timedelta(hours=3))
    assert rebuild_if_due(project.pk)


@pytest.mark.django_db
def test_the_status_tells_the_number_and_the_warnings(project: Project) -> None:
    upload = send(project, configuration=RULES)
    token = a_token(project)
    answer = Client().get(f"/api/v1/uploads/{upload.public_id}", headers={"authorization": f"Bearer {token}"}).json()
    assert answer["receipt"]["configuration"]["warnings"][0]["line"] == 3


pieces = st.sampled_from(
    [b'"a\\0b"', b'"\\ud800"', b"!<%00> 1", b": ", b"\n", b"- ", b"{", b"[", b"suites:", b"@a", b"\xff", b"\x00"]
    + [b"deferrals: [{cases: a", b", review: 2026-02-30", b"}]"]
)
files = st.none() | st.lists(pieces | st.binary(max_size=9), max_size=9).map(b"".join)


@pytest.mark.django_db
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=files, owners_data=files, deferrals_data=files)
def test_any_bytes_can_be_kept(project: Project, **sent: bytes | None) -> None:
    upload = a_received_upload(project)
    kept = keep_configuration(project_id=project.pk, upload_id=upload.pk, **sent)
    upload.refresh_from_db()
    numbers = [kept.number, kept.code_owners, kept.deferrals]
    assert [upload.configuration, upload.code_owners, upload.deferrals_file] == numbers
    assert [number is None for number in numbers] == [data is None for data in sent.values()]
    for number in {*numbers} - {None}:
        assert Configuration.objects.get(project=project, number=number).warnings is not None

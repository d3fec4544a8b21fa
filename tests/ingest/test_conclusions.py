"""Behind the upload: conclusions are drawn once for several uploads, and what was left behind the sweeper finds."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from health.locks import lock_project
from health.models import CaseVerdict, Job, Project, SeriesWindow, Upload
from health.sql import open_cursor
from ingest import pipeline, sweep
from ingest.cases import forget_names
from ingest.pipeline import process_next
from tests.builders import a_project, a_token, an_upload
from tests.ingest.test_door import post

pytestmark = pytest.mark.django_db

BROKEN = b'<testsuite><testcase classname="c" name="a"><failure message="boom"/></testcase></testsuite>'


@pytest.fixture
def project() -> Project:
    forget_names()
    return a_project("behind")


def send(project: Project, **fields: str) -> Upload:
    assert post(a_token(project), ("a.xml", BROKEN), branch="main", **fields).status_code == 202
    upload = Upload.objects.latest("id")
    Upload.objects.filter(pk=upload.pk).update(next_attempt_at=timezone.now() - timedelta(minutes=1))
    return upload


def n_unjudged(project: Project) -> int:
    return Job.objects.filter(project=project, is_judged=False).count()


def test_an_upload_is_followed_by_its_conclusions(project: Project) -> None:
    send(project)
    assert process_next()
    assert n_unjudged(project) == 0
    assert CaseVerdict.objects.get(project=project).verdict == "unclear"


def test_of_several_uploads_the_last_draws_them_for_all(project: Project) -> None:
    for number in range(3):
        send(project, run_id=str(number))
    assert process_next()
    assert process_next()
    assert (n_unjudged(project), SeriesWindow.objects.count()) == (2, 0)
    assert process_next()
    assert (n_unjudged(project), SeriesWindow.objects.get().n_runs) == (0, 3)


def test_an_upload_that_comes_meanwhile_goes_first(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many jobs a part is judged at a time; the worker looks round in between."""
    looks: list[int] = []

    def look(project_id: int) -> bool:
        looks.append(project_id)
        return bool(send(project, run_id="2"))

    monkeypatch.setattr(pipeline, "judge_next", look)
    send(project, run_id="1")
    assert process_next()
    assert looks == [project.pk]


def test_what_waits_for_later_holds_nothing_up(project: Project) -> None:
    send(project, run_id="1")
    later = send(project, run_id="2")
    Upload.objects.filter(pk=later.pk).update(state="retry", next_attempt_at=timezone.now() + timedelta(hours=1))
    assert process_next()
    assert n_unjudged(project) == 0


def test_trouble_with_conclusions_is_none_of_the_upload_s(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(_: int) -> bool:
        raise RuntimeError("no conclusions today")

    monkeypatch.setattr(pipeline, "judge_next", stumble)
    upload = send(project)
    assert process_next()
    upload.refresh_from_db()
    assert (upload.state, n_unjudged(project)) == ("stored", 1)


def test_the_sweeper_draws_what_a_crash_left_behind(project: Project) -> None:
    an_upload(project, {"a": "fail"})  # stored, and then the worker died
    an_upload(a_project(), {"a": "fail"})
    assert Job.objects.filter(is_judged=False).count() == 2
    sweep.sweep()
    assert not Job.objects.filter(is_judged=False).exists()
    assert CaseVerdict.objects.filter(project=project).exists()


def test_one_project_s_trouble_keeps_no_other_from_its_conclusions(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_upload(project, {"a": "fail"})
    other = a_project()
    an_upload(other, {"a": "fail"})
    judge = sweep.judge_project

    def stumble(project_id: int) -> Any:
        if project_id == project.pk:
            raise RuntimeError("no conclusions today")
        return judge(project_id)

    monkeypatch.setattr(sweep, "judge_project", stumble)
    sweep.sweep()
    assert (n_unjudged(project), n_unjudged(other)) == (1, 0)


@pytest.mark.django_db(transaction=True)
def test_a_project_that_is_written_to_is_judged_later(project: Project) -> None:
    an_upload(project, {"a": "fail"})
    locked, done = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            lock_project(open_cursor(), project.pk)
            locked.set()
            done.wait(10)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert locked.wait(10)
        assert not sweep.judge_project(project.pk)
    finally:
        done.set()
        writer.join()
    assert n_unjudged(project) == 1
    assert sweep.judge_project(project.pk)

"""When a job and a run are whole, what they lack, and that no order of arrival changes it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.closings import _OVERDUE, close_overdue_runs, finish_run
from health.completeness import Missing, fetch_missing, write_span
from health.models import AuditEntry, Configuration, Job, Project, Run, RunClosing, Upload
from health.rebuild import delete_run, delete_upload, rebuild_project
from health.sql import open_cursor
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.store import Contents, store_contents
from tests.builders import FIRST_MOMENT, a_project, a_received_upload, a_report, an_upload
from tests.health.test_rebuild import picture

pytestmark = pytest.mark.django_db


def send(project: Project, case: str = "a", **fields: Any) -> Upload:
    """One delivery of run 1; whatever is not said is the same in each."""
    return an_upload(project, {case: fields.pop("outcome", "pass")}, **{**COMMON, **fields})


COMMON: dict[str, Any] = {"run_id": "1", "job": "test", "ran_at": FIRST_MOMENT, "commit": "1" * 8}


def lack(project: Project, number: int = 1) -> Missing | None:
    return fetch_missing(open_cursor(), project.pk, runs=[number]).get(number)


def told(project: Project) -> str:
    missing = lack(project)
    return missing.tell() if missing else ""


def is_complete(project: Project) -> bool:
    return Run.objects.get(project=project, number=1).is_complete


# --- what is awaited -----------------------------------------------------------------------------------------------


def test_a_run_waits_for_its_shards_and_names_them() -> None:
    project = a_project()
    send(project, shard="1/3")
    assert (is_complete(project), told(project)) == (False, "it waits for shards 2 and 3 of 3 of job test")
    send(project, "b", shard="3/3")
    assert told(project) == "it waits for shard 2 of 3 of job test"
    send(project, "c", shard="2/3")
    assert (is_complete(project), told(project)) == (True, "")


def test_many_missing_shards_are_counted() -> None:
    project = a_project()
    send(project, shard="7/9", job="", variant="")
    assert told(project) == "it waits for 8 of 9 shards of the unnamed job"
    send(project, shard="1/2", job="e2e", expected_jobs=3)
    assert told(project) == (
        "it waits for 8 of 9 shards of the unnamed job, for shard 2 of 2 of job e2e, and for 1 of 3 jobs"
    )


def test_a_run_waits_for_as_many_jobs_as_were_said() -> None:
    project = a_project()
    send(project, expected_jobs=3)
    assert (is_complete(project), told(project)) == (False, "it waits for 2 of 3 jobs")
    assert Run.objects.get(project=project).n_jobs_expected == 3
    send(project, job="lint")
    send(project, variant="py3.13")
    assert is_complete(project)


def test_one_job_sent_twice_is_one_job() -> None:
    project = a_project()
    send(project, expected_jobs=2)
    send(project, "b", expected_jobs=2)
    assert not is_complete(project)


def test_a_complete_job_of_an_incomplete_run_is_complete_itself() -> None:
    project = a_project()
    send(project, expected_jobs=2)
    assert Job.objects.get(project=project).is_complete


def send_configured(project: Project, names: list[str], **fields: Any) -> None:
    Configuration.objects.get_or_create(
        project=project,
        number=1,
        defaults={"digest": b"1", "text": "", "owners_text": "", "content": {"expected_jobs": names}, "warnings": []},
    )
    upload = a_received_upload(project, **{**COMMON, "branch": "main", **fields})
    Upload.objects.filter(pk=upload.pk).update(configuration=1)
    forget_names()
    delivery = claim_next()
    assert delivery is not None
    store_contents(delivery, Contents(a_report({"a": "pass"})), state="stored", receipt={"files": [], "warnings": []})


def test_a_run_waits_for_the_jobs_its_configuration_names_whatever_their_variants() -> None:
    project = a_project()
    send_configured(project, ["test", "e2e", "lint"])
    assert (is_complete(project), told(project)) == (False, "it waits for jobs e2e and lint")
    send_configured(project, [], job="e2e", variant="firefox")
    assert told(project) == "it waits for job lint"
    send_configured(project, [], job="lint")
    assert is_complete(project)


def test_a_number_and_names_are_told_together() -> None:
    project = a_project()
    send_configured(project, ["test", "e2e"], expected_jobs=4)
    assert told(project) == "it waits for 3 of 4 jobs, e2e among them"


def test_a_configuration_without_that_list_expects_nothing() -> None:
    project = a_project()
    Configuration.objects.create(
        project=project, number=1, digest=b"1", text="", owners_text="", content={}, warnings=[]
    )
    send_configured(project, [])
    assert is_complete(project)


def test_a_report_that_broke_off_is_said() -> None:
    project = a_project()
    send(project, state="partial")
    assert (is_complete(project), told(project)) == (False, "the report of job test broke off")
    send(project, shard="1/2", job="unit")
    assert told(project) == "it waits for shard 2 of 2 of job unit; the report of job test broke off"


# --- finished by CI ------------------------------------------------------------------------------------------------


def finish(project: Project) -> None:
    assert finish_run(project.pk, provider="", run_id="1", actor="token ci") is not None


def test_finish_says_that_what_came_is_all() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass"}, job="test", ran_at=FIRST_MOMENT - timedelta(days=1))
    an_upload(project, {"a": "pass"}, **{**COMMON, "shard": "1/2", "expected_jobs": 4})
    run = Run.objects.get(project=project, external_id="1")
    assert (run.is_complete, run.n_gone) == (False, 0)
    finish(project)
    run.refresh_from_db()
    assert (run.is_complete, run.closed, run.n_gone) == (True, "finish", 1)
    assert Job.objects.get(project=project, run=run.number).is_complete
    assert lack(project, run.number) is None


def test_a_late_shard_after_finish_counts_and_the_run_stays_whole() -> None:
    project = a_project()
    send(project, shard="1/3")
    finish(project)
    send(project, "b", shard="3/3", outcome="fail")
    run = Run.objects.get(project=project)
    assert (run.is_complete, run.n_declared, run.n_failed) == (True, 2, 1)


def test_finish_does_not_mend_a_report_that_broke_off() -> None:
    project = a_project()
    send(project, state="partial", shard="1/2")
    finish(project)
    assert (is_complete(project), told(project)) == (False, "the report of job test broke off")


def test_finish_waits_for_what_is_still_unread() -> None:
    project = a_project()
    send(project, shard="1/3")
    waiting = a_received_upload(project, **COMMON, shard="2/3")
    finish(project)
    run = Run.objects.get(project=project)
    assert (run.is_complete, run.closed) == (False, "")
    assert close_overdue_runs() == 0
    Upload.objects.filter(pk=waiting.pk).update(state="failed")  # nothing came of it
    assert close_overdue_runs() == 1
    run.refresh_from_db()
    assert (run.is_complete, run.closed) == (True, "finish")
    assert [entry.action for entry in AuditEntry.objects.filter(project=project)] == ["run.finished"]


def test_finish_before_anything_is_read_is_found_when_it_is() -> None:
    project = a_project()
    upload = a_received_upload(project, **COMMON, branch="main", shard="1/2")
    finish(project)
    assert not Run.objects.filter(project=project).exists()
    forget_names()
    delivery = claim_next()
    assert delivery
    assert delivery.upload_id == upload.pk
    store_contents(delivery, Contents(a_report({"a": "pass"})), state="stored", receipt={"files": [], "warnings": []})
    assert is_complete(project)


def test_the_sisters_become_whole_with_the_last_delivery_after_finish() -> None:
    project = a_project()
    send(project, shard="1/2")
    a_received_upload(project, **{**COMMON, "job": "lint"}, branch="main")
    finish(project)
    assert not Job.objects.get(project=project).is_complete
    forget_names()
    delivery = claim_next()
    assert delivery
    store_contents(delivery, Contents(a_report({"z": "pass"})), state="stored", receipt={"files": [], "warnings": []})
    assert [job.is_complete for job in Job.objects.filter(project=project)] == [True, True]


def test_a_run_that_was_deleted_and_comes_again_may_wait_again() -> None:
    project = a_project()
    send(project, shard="1/2")
    finish(project)
    delete_run(project.pk, 1)
    assert not RunClosing.objects.exists()
    send(project, shard="1/2")
    assert not is_complete(project)


# --- closed by the clock -------------------------------------------------------------------------------------------


def wait(project: Project, **passed: float) -> None:
    """Let time pass since the last delivery."""
    moment = timezone.now() - timedelta(**passed)
    Upload.objects.filter(project=project).update(received_at=moment)


def test_the_clock_ends_the_waiting_and_the_run_stays_incomplete() -> None:
    project = a_project()
    send(project, shard="1/2")
    wait(project, hours=5.9)
    assert close_overdue_runs() == 0
    wait(project, hours=6.02)
    assert close_overdue_runs() == 1
    run = Run.objects.get(project=project)
    assert (run.is_complete, run.closed) == (False, "timer")
    assert told(project) == "it was closed after 6 hours without shard 2 of 2 of job test"
    (entry,) = AuditEntry.objects.filter(project=project)
    assert (entry.actor, entry.action, entry.subject) == ("sweeper", "run.timed_out", "run 1")
    assert close_overdue_runs() == 0


def test_a_run_closed_by_the_clock_is_no_baseline() -> None:
    project = a_project()
    send(project, shard="1/2", outcome="fail")
    wait(project, days=1)
    close_overdue_runs()
    an_upload(project, {"a": "pass"}, job="test", ran_at=FIRST_MOMENT + timedelta(hours=1))
    assert Job.objects.get(project=project, run=2).baseline_run is None


def test_a_late_shard_after_the_clock_makes_the_run_whole_if_it_is_the_last() -> None:
    project = a_project()
    send(project, shard="1/3")
    wait(project, days=1)
    close_overdue_runs()
    send(project, "b", shard="2/3")
    assert (is_complete(project), lack(project) is not None) == (False, True)
    send(project, "c", shard="3/3")
    assert (is_complete(project), lack(project)) == (True, None)


def test_finish_after_the_clock_makes_the_run_whole() -> None:
    project = a_project()
    send(project, shard="1/3")
    wait(project, days=1)
    close_overdue_runs()
    finish(project)
    assert RunClosing.objects.get(project=project).reason == "finish"
    assert is_complete(project)


def test_each_project_has_its_own_patience() -> None:
    patient, hasty = a_project(run_timeout_minutes=10_000), a_project(run_timeout_minutes=30)
    for project in (patient, hasty):
        send(project, shard="1/2")
        wait(project, hours=1)
    assert close_overdue_runs() == 1
    assert Run.objects.get(project=hasty).closed == "timer"


def test_the_clock_does_not_run_while_a_delivery_is_unread() -> None:
    project = a_project()
    send(project, shard="1/2")
    a_received_upload(project, **COMMON, shard="2/2")
    wait(project, days=3)
    assert close_overdue_runs() == 0


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "1 minute"), (90, "90 minutes"), (60, "1 hour"), (361, "6 hours"), (1440, "1 day"), (2000, "33 hours"),
     (4400, "3 days"), (0, "1 minute")],
)  # fmt: skip
def test_a_time_of_waiting_in_words(minutes: int, words: str) -> None:
    assert write_span(minutes * 60) == words


# --- the laws ------------------------------------------------------------------------------------------------------

fields = st.fixed_dictionaries(
    {"job": st.sampled_from(["test", "lint"]), "state": st.sampled_from(["stored", "stored", "partial"])},
    optional={
        "shard": st.sampled_from(["1/2", "2/2", "1/3", "2/3", "3/3"]),
        "variant": st.sampled_from(["py3.12", "py3.13"]),
        "expected_jobs": st.integers(1, 4),
        "attempt": st.integers(1, 2),
        "job_id": st.sampled_from(["7", "10", "x"]),
    },
)
outcome_words = st.sampled_from(["pass", "fail", "skip"])
cases = st.dictionaries(st.sampled_from(["a", "b", "t::c"]), outcome_words, max_size=3)
event = st.one_of(st.tuples(cases, fields), st.just("finish"), st.just("timer"))
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def play(project: Project, events: list[Any]) -> None:
    for what in events:
        if what == "finish":
            finish_run(project.pk, provider="", run_id="1", actor="ci")
        elif what == "timer":
            wait(project, days=1)
            close_overdue_runs()
        else:
            an_upload(project, what[0], **{**COMMON, **what[1]})


def without_closing(project: Project) -> dict[str, Any]:
    """What does not depend on when the run was closed: the clock cannot close one that never waited."""
    found = picture(project)
    for run in found["runs"].values():
        run.pop("closed")
    return found


@many
@given(st.lists(event, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_no_order_of_shards_jobs_attempts_and_finish_changes_the_end(events, random) -> None:  # type: ignore[no-untyped-def]
    first, second = a_project(), a_project()
    has_finish = "finish" in events
    events = [what for what in events if what != "finish"]
    play(first, [*events, *(["finish"] if has_finish else [])])
    shuffled = events[:]
    random.shuffle(shuffled)
    deliveries = [at for at, what in enumerate(shuffled) if what != "timer"]
    if has_finish and deliveries:  # before the first delivery there is nothing to finish
        shuffled.insert(random.randint(deliveries[0] + 1, len(shuffled)), "finish")
    play(second, shuffled)
    assert without_closing(second) == without_closing(first)
    before = picture(second)
    rebuild_project(second.pk)
    assert picture(second) == before


@many
@given(st.lists(event, min_size=1, max_size=6))
def test_a_run_is_whole_exactly_when_nothing_is_missing(events) -> None:  # type: ignore[no-untyped-def]
    project = a_project()
    play(project, events)
    for run in Run.objects.filter(project=project):
        missing = lack(project, run.number)
        assert run.is_complete == (missing is None)
        assert missing is None or missing.awaited or missing.cut


@many
@given(st.lists(st.tuples(cases, fields), min_size=2, max_size=5), st.data())
def test_a_deleted_delivery_is_awaited_again(deliveries, data) -> None:  # type: ignore[no-untyped-def]
    project, other = a_project(), a_project()
    play(project, deliveries)
    at = data.draw(st.integers(0, len(deliveries) - 1))
    gone = Upload.objects.filter(project=project).order_by("id")[at]
    delete_upload(project.pk, gone.pk)
    play(other, deliveries[:at] + deliveries[at + 1 :])
    assert picture(project) == picture(other)


def test_the_clock_looks_only_at_runs_that_wait() -> None:
    cursor = open_cursor()
    cursor.execute("SET LOCAL enable_seqscan = off")
    rows = cursor.execute(f"EXPLAIN {_OVERDUE}", {"project": None, "most": 5}).fetchall()
    assert "run_waiting" in "\n".join(row[0] for row in rows)

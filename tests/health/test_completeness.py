"""When a job and a run are whole, what they lack, and that no order of arrival changes it."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.closings import _OVERDUE_PROJECTS, _OVERDUE_RUNS, close_overdue_runs, find_overdue_projects, finish_run
from health.completeness import HAS_ALL, UNREAD, Missing, fetch_missing, write_span
from health.models import AuditEntry, Configuration, Job, Project, Run, RunClosing, Upload
from health.rebuild import delete_run, delete_upload, rebuild_project
from health.sql import open_cursor
from ingest.cases import forget_names
from ingest.claims import claim_next, finish_failed
from ingest.store import Contents, store_contents
from tests import scenes
from tests.builders import (
    FIRST_MOMENT,
    a_coverage,
    a_lost_upload,
    a_project,
    a_received_upload,
    a_report,
    an_upload,
)
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


def close_overdue() -> int:
    """As the sweeper does; returns how many runs were closed."""
    return sum(close_overdue_runs(project_id) for project_id in find_overdue_projects(open_cursor()))


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
        defaults={
            "digest": b"1",
            "role": "configuration",
            "text": "",
            "is_readable": True,
            "content": {"expected_jobs": names},
            "warnings": [],
        },
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
        project=project, number=1, digest=b"1", role="configuration", text="", is_readable=True, content={}, warnings=[]
    )
    send_configured(project, [])
    assert is_complete(project)


def test_a_report_that_broke_off_is_said() -> None:
    project = a_project()
    send(project, state="partial")
    assert (is_complete(project), told(project)) == (False, "the report of job test broke off")
    send(project, shard="1/2", job="unit")
    assert told(project) == "it waits for shard 2 of 2 of job unit; the report of job test broke off"


# --- what came to nothing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["failed", "dead"])
def test_a_report_that_could_not_be_read_is_missed_until_a_later_one_stands_for_it(state: str) -> None:
    project = a_project()
    send(project)
    revision = Project.objects.get(pk=project.pk).revision
    a_lost_upload(project, **{**COMMON, "job": "e2e", "variant": "firefox"}, state=state)
    assert (is_complete(project), told(project)) == (False, "the report of job e2e, firefox could not be read")
    assert Project.objects.get(pk=project.pk).revision > revision
    send(project, job="e2e")
    assert not is_complete(project)
    send(project, job="e2e", variant="firefox")
    assert (is_complete(project), told(project)) == (True, "")


def test_a_run_whose_first_report_could_not_be_read_is_not_whole_with_the_second() -> None:
    project = a_project()
    a_lost_upload(project, **{**COMMON, "job": "e2e"})
    send(project)
    assert told(project) == "the report of job e2e could not be read"


@pytest.mark.parametrize("fields", [{"run_id": "2"}, {"provider": "gitlab"}, {"run_id": ""}], ids=str)
def test_what_was_sent_for_another_run_is_nothing_to_this_one(fields: dict[str, str]) -> None:
    project = a_project()
    send(project)
    a_lost_upload(project, **{**COMMON, **fields})
    send(project)
    assert is_complete(project)


def test_what_nobody_has_read_yet_is_missed() -> None:
    project = a_project()
    waiting = [a_received_upload(project, **{**COMMON, "job": job}, branch="main") for job in ("test", "e2e", "lint")]
    store_next()
    assert (is_complete(project), told(project)) == (False, "2 uploads are still unread")
    store_next()
    assert told(project) == "1 upload is still unread"
    Upload.objects.filter(pk=waiting[2].pk).update(state="processing")
    rebuild_project(project.pk)
    assert told(project) == "1 upload is still unread"
    Upload.objects.filter(pk=waiting[2].pk).update(state="received")
    store_next()
    assert is_complete(project)


def test_a_run_is_no_longer_whole_while_a_report_waits_to_be_tried_again() -> None:
    project = a_project()
    send(project)
    revision = Project.objects.get(pk=project.pk).revision
    a_lost_upload(project, **{**COMMON, "job": "e2e"}, state="retry")
    assert (is_complete(project), told(project)) == (False, "1 upload is still unread")
    assert Project.objects.get(pk=project.pk).revision > revision


def store_next() -> None:
    forget_names()
    delivery = claim_next()
    assert delivery
    store_contents(delivery, Contents(a_report({"a": "pass"})), state="stored", receipt={"files": [], "warnings": []})


def test_finish_does_not_mend_a_report_that_could_not_be_read() -> None:
    project = a_project()
    send(project, expected_jobs=5)
    a_lost_upload(project, **{**COMMON, "job": "e2e"})
    finish(project)
    assert (is_complete(project), told(project)) == (False, "the report of job e2e could not be read")
    assert Run.objects.get(project=project).closed == "finish"
    send(project, job="e2e")
    assert is_complete(project)


def test_what_came_and_could_not_be_read_is_not_said_to_be_awaited_as_well() -> None:
    project = a_project()
    send(project, shard="1/3", expected_jobs=2)
    a_lost_upload(project, **COMMON, shard="2/3")
    a_lost_upload(project, **{**COMMON, "job": "e2e"})
    a_received_upload(project, **{**COMMON, "job": "e2e", "attempt": 2})
    assert told(project) == (
        "it waits for shard 3 of 3 of job test; 1 upload is still unread; "
        "the report of shard 2 of 3 of job test and job e2e could not be read"
    )
    missing = lack(project)
    assert missing
    assert missing.listed == (
        "shard 3 of 3 of job test",
        "1 unread upload",
        "the report of shard 2 of 3 of job test, which could not be read",
        "the report of job e2e, which could not be read",
    )
    assert missing.narrow("e2e").tell() == "1 upload is still unread; the report of job e2e could not be read"


def test_a_job_that_is_expected_by_name_came_if_it_could_not_be_read() -> None:
    project = a_project()
    a_lost_upload(project, **{**COMMON, "job": "e2e"})
    send_configured(project, ["test", "e2e", "lint"])
    assert told(project) == "it waits for job lint; the report of job e2e could not be read"


def test_the_attempt_decides_what_stands_for_what_before_the_order_of_arrival_does() -> None:
    project = a_project()
    send(project, attempt=2)
    a_lost_upload(project, **COMMON, attempt=1)  # comes late
    assert is_complete(project)
    a_lost_upload(project, **COMMON, attempt=3)
    send(project, attempt=2)
    assert not is_complete(project)
    send(project, attempt=3)
    assert is_complete(project)


def test_coverage_alone_stands_for_coverage_alone() -> None:
    project = a_project()
    coverage = [a_coverage({"a.py": "1"})]
    send_coverage(project, coverage=coverage, job="lint")
    a_lost_upload(project, **COMMON, kind="results")
    send_coverage(project, coverage=coverage)
    assert told(project) == "the report of job test could not be read"
    send(project)
    assert is_complete(project)
    a_lost_upload(project, **COMMON, kind="coverage")
    assert not is_complete(project)
    send_coverage(project, coverage=coverage)
    assert is_complete(project)
    a_lost_upload(project, **COMMON, kind="results")
    send_coverage(project, coverage=coverage, attempt=2)
    assert is_complete(project)


def test_results_that_could_not_be_read_beside_good_coverage_are_missed() -> None:
    project = a_project()
    coverage = [a_coverage({"a.py": "1"})]
    an_upload(project, None, coverage=coverage, state="partial")  # of no run that is named
    assert told(project) == "the report of job tests could not be read"
    other = a_project()
    send_coverage(other, coverage=coverage, state="partial")
    assert not is_complete(other)
    send(other)
    assert is_complete(other)


def send_coverage(project: Project, **fields: Any) -> Upload:
    return an_upload(project, None, **{**COMMON, **fields})


def test_a_run_waits_for_the_shards_of_coverage_alone() -> None:
    project = a_project()
    send_coverage(project, coverage=[a_coverage({"a.py": "1"})], shard="1/2")
    assert (is_complete(project), told(project)) == (False, "it waits for shard 2 of 2 of the coverage of job test")
    send(project)  # its results are another matter
    assert not is_complete(project)
    send_coverage(project, coverage=[a_coverage({"b.py": "1"})], shard="2/2", job="lint")
    assert told(project) == (
        "it waits for shard 1 of 2 of the coverage of job lint, and for shard 2 of 2 of the coverage of job test"
    )
    send_coverage(project, coverage=[a_coverage({"b.py": "1"})], shard="2/2")
    assert told(project) == "it waits for shard 1 of 2 of the coverage of job lint"
    finish(project)
    assert is_complete(project)


def test_an_upload_that_came_to_nothing_is_taken_away_and_no_longer_missed() -> None:
    project = a_project()
    send(project)
    lost = a_lost_upload(project, **{**COMMON, "job": "e2e"})
    assert not is_complete(project)
    delete_upload(project.pk, lost.pk)
    assert is_complete(project)


def test_with_a_run_goes_what_was_sent_for_it_in_vain() -> None:
    project = a_project()
    send(project)
    a_lost_upload(project, **{**COMMON, "job": "e2e"})
    elsewhere = a_lost_upload(project, **{**COMMON, "run_id": "2"})
    delete_run(project.pk, 1)
    assert list(Upload.objects.filter(project=project)) == [elsewhere]
    send(project)
    assert is_complete(project)


def test_what_names_a_run_is_found_by_an_index() -> None:
    cursor = open_cursor()
    project = a_project()
    uploads = (
        Upload(project=project, idempotency_key=str(k), content_digest=b"", metadata={"run_id": str(k)})
        for k in range(500)
    )
    Upload.objects.bulk_create(uploads)
    cursor.execute("ANALYZE health_upload")  # what other tests left there must not decide
    cursor.execute("SET LOCAL enable_seqscan = off")
    rows = cursor.execute(f"EXPLAIN SELECT {HAS_ALL} FROM health_run r WHERE r.project_id = 1 AND r.number = 1")
    assert "upload_names_run" in "\n".join(row[0] for row in rows.fetchall())
    rows = cursor.execute(f"EXPLAIN SELECT 1 FROM health_run r CROSS JOIN LATERAL ({UNREAD}) unread WHERE r.number = 1")
    assert "upload_names_run" in "\n".join(row[0] for row in rows.fetchall())


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
    assert close_overdue() == 0
    Upload.objects.filter(pk=waiting.pk).update(state="cancelled")
    assert close_overdue() == 1
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
    for take_away in (lambda: delete_run(project.pk, 1), lambda: delete_upload(project.pk, Upload.objects.get().pk)):
        finish(project)
        take_away()
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
    assert close_overdue() == 0
    wait(project, hours=6.02)
    assert close_overdue() == 1
    run = Run.objects.get(project=project)
    assert (run.is_complete, run.closed) == (False, "timer")
    assert told(project) == "it was closed after 6 hours without shard 2 of 2 of job test"
    (entry,) = AuditEntry.objects.filter(project=project)
    assert (entry.actor, entry.action, entry.subject) == ("sweeper", "run.timed_out", "run 1")
    assert close_overdue() == 0


def test_a_run_closed_by_the_clock_is_no_baseline() -> None:
    project = a_project()
    send(project, shard="1/2", outcome="fail")
    wait(project, days=1)
    close_overdue()
    an_upload(project, {"a": "pass"}, job="test", ran_at=FIRST_MOMENT + timedelta(hours=1))
    assert Job.objects.get(project=project, run=2).baseline_run is None


def test_a_late_shard_after_the_clock_makes_the_run_whole_if_it_is_the_last() -> None:
    project = a_project()
    send(project, shard="1/3")
    wait(project, days=1)
    close_overdue()
    send(project, "b", shard="2/3")
    assert (is_complete(project), lack(project) is not None) == (False, True)
    send(project, "c", shard="3/3")
    assert (is_complete(project), lack(project)) == (True, None)


def test_finish_after_the_clock_makes_the_run_whole() -> None:
    project = a_project()
    send(project, shard="1/3")
    wait(project, days=1)
    close_overdue()
    finish(project)
    assert RunClosing.objects.get(project=project).reason == "finish"
    assert is_complete(project)


def test_each_project_has_its_own_patience() -> None:
    patient, hasty = a_project(run_timeout_minutes=10_000), a_project(run_timeout_minutes=30)
    for project in (patient, hasty):
        send(project, shard="1/2")
        wait(project, hours=1)
    assert close_overdue() == 1
    assert Run.objects.get(project=hasty).closed == "timer"


def test_the_clock_does_not_run_while_a_delivery_is_unread() -> None:
    project = a_project()
    send(project, shard="1/2")
    a_received_upload(project, **COMMON, shard="2/2")
    wait(project, days=3)
    assert close_overdue() == 0


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(1, "1 minute"), (90, "90 minutes"), (60, "1 hour"), (361, "6 hours"), (1440, "1 day"), (2000, "33 hours"),
     (4400, "3 days"), (0, "1 minute")],
)  # fmt: skip
def test_a_time_of_waiting_in_words(minutes: int, words: str) -> None:
    assert write_span(minutes * 60) == words


# --- the laws ------------------------------------------------------------------------------------------------------

fields = st.fixed_dictionaries(
    {
        "job": st.sampled_from(["test", "lint"]),
        "state": st.sampled_from(["stored", "stored", "partial", "failed", "dead"]),
    },
    optional={
        "shard": st.sampled_from(["1/2", "2/2", "1/3", "2/3", "3/3"]),
        "variant": st.sampled_from(["py3.12", "py3.13"]),
        "expected_jobs": st.integers(1, 4),
        "attempt": st.integers(1, 2),
        "job_id": st.sampled_from(["7", "10", "x"]),
    },
)
outcome_words = st.sampled_from(["pass", "fail", "skip"])
# Where there are none, only coverage comes.
names = st.sampled_from(["a", "b", "t::c"])
some_cases = st.dictionaries(names, outcome_words, min_size=1, max_size=3)
cases = st.none() | st.dictionaries(names, outcome_words, max_size=3)
event = st.one_of(st.tuples(cases, fields), st.just("finish"), st.just("timer"))
many = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def play(project: Project, events: list[Any]) -> None:
    for what in events:
        if what == "finish":
            finish_run(project.pk, provider="", run_id="1", actor="ci")
        elif what == "timer":
            wait(project, days=1)
            close_overdue()
        else:
            deliver(project, *what)


def deliver(project: Project, cases: dict[str, str] | None, fields: dict[str, Any]) -> None:
    if fields["state"] in LOST:
        a_lost_upload(project, **{**COMMON, **fields})
    else:
        coverage = [a_coverage({"a.py": "10"})] if cases is None else []
        an_upload(project, cases, coverage=coverage, **{**COMMON, **fields})


LOST = {"failed", "dead"}


def is_lost(what: Any) -> bool:
    """Whether nothing came of a delivery, or of the results in it."""
    return what != "timer" and (what[1]["state"] in LOST or (what[0] is None and what[1]["state"] == "partial"))


def shuffle(events: list[Any], random: Any) -> list[Any]:
    """Any order in which what stands for a lost delivery of its job and shard stays behind it."""
    queues: dict[Any, list[Any]] = defaultdict(list)
    keys = [what if what == "timer" else tuple(map(what[1].get, ("job", "variant", "shard"))) for what in events]
    for key, what in zip(keys, events, strict=True):
        queues[key].append(what)
    for queue in queues.values():
        if not any(map(is_lost, queue)):
            random.shuffle(queue)
    random.shuffle(keys)
    return [queues[key].pop(0) for key in keys]


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
    shuffled = shuffle(events, random)
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
        assert missing is None or missing.listed


@many
@given(st.lists(st.tuples(some_cases, fields), min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_no_order_of_reading_changes_the_end(deliveries, random) -> None:  # type: ignore[no-untyped-def]
    """The door numbers uploads as they arrive; workers end them in any order."""
    reading = list(range(len(deliveries)))
    random.shuffle(reading)  # before anything waits: Hypothesis may end an example here
    first, second = a_project(), a_project()
    play(first, deliveries)
    waiting = []
    for cases, fields in deliveries:
        said = {name: value for name, value in fields.items() if name != "state"}
        waiting.append((a_received_upload(second, **{**COMMON, **said}, branch="main"), cases, fields["state"]))
    for upload, cases, state in map(waiting.__getitem__, reading):
        Upload.objects.filter(project=second).update(next_attempt_at=timezone.now() + timedelta(days=1))
        Upload.objects.filter(pk=upload.pk).update(next_attempt_at=FIRST_MOMENT)
        forget_names()
        delivery = claim_next()
        assert delivery
        entry = {"state": "failed" if state in LOST else state, "kind": None if state in LOST else "results"}
        receipt = {"files": [entry], "warnings": []}
        if state in LOST:
            finish_failed(delivery, error={"code": "not_a_report"}, receipt=receipt)
        else:
            store_contents(delivery, Contents(a_report(cases)), state=state, receipt=receipt)
    assert picture(second) == picture(first)


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
    """Among so many that are whole that no other index could look as good to the planner."""
    project = a_project()
    scenes.a_run(project, scenes.green(), hour=0)
    cursor = open_cursor()
    cursor.execute(
        """
        INSERT INTO health_run SELECT (jsonb_populate_record(
            r, jsonb_build_object('number', n, 'external_id', n::text))).*
        FROM health_run r CROSS JOIN generate_series(100, 2000) AS n
        """
    )
    cursor.execute("ANALYZE health_run")
    cursor.execute("SET LOCAL enable_seqscan = off")
    for statement, values in ((_OVERDUE_PROJECTS, None), (_OVERDUE_RUNS, (project.pk, 5))):
        rows = cursor.execute(f"EXPLAIN {statement}", values).fetchall()
        assert "run_waiting" in "\n".join(row[0] for row in rows)

"""A retried job of a CI that numbers executions, not attempts: GitLab's new CI_JOB_ID in the same pipeline."""

from itertools import permutations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.models import Job, Project, Run, Tile, Upload
from health.rebuild import delete_upload
from tests.builders import FIRST_MOMENT, a_project, an_upload
from tests.health.test_rebuild import picture

pytestmark = pytest.mark.django_db

COMMON: dict[str, Any] = {"run_id": "71", "provider": "gitlab", "job": "unit", "ran_at": FIRST_MOMENT}


def send(project: Project, case: dict[str, str], **fields: Any) -> Upload:
    return an_upload(project, case, **{**COMMON, "commit": "7" * 8, **fields})


def attempts(project: Project) -> dict[str, int]:
    rows = Upload.objects.filter(project=project).values_list("metadata__job_id", "attempt")
    return dict(rows)


def test_a_new_job_id_in_the_same_run_is_a_second_attempt() -> None:
    project = a_project()
    send(project, {"a": "fail", "b": "pass"}, job_id="900")
    send(project, {"a": "pass", "b": "pass"}, job_id="1000")
    run = Run.objects.get(project=project)
    assert (run.n_attempts, run.n_failed, run.n_flaky) == (2, 0, 1)
    assert attempts(project) == {"900": 1, "1000": 2}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_an_older_job_that_arrives_late_moves_the_later_ones(order: tuple[int, ...]) -> None:
    project = a_project()
    reports = [("9", {"a": "fail"}), ("10", {"a": "error"}), ("11", {"a": "pass"})]
    for at in order:
        job_id, case = reports[at]
        send(project, case, job_id=job_id)
    assert attempts(project) == {"9": 1, "10": 2, "11": 3}
    assert {tile.attempt for tile in Tile.objects.filter(project=project)} == {1, 2, 3}
    job = Job.objects.get(project=project)
    assert (job.n_attempts, job.n_failed, job.n_errored, job.n_flaky) == (3, 0, 0, 1)


def test_several_deliveries_of_one_job_id_are_one_attempt() -> None:
    project = a_project()
    send(project, {"a": "pass"}, job_id="5")
    send(project, {"b": "pass"}, job_id="5")
    assert set(Upload.objects.filter(project=project).values_list("attempt", flat=True)) == {1}


def test_each_shard_and_each_job_counts_for_itself() -> None:
    project = a_project()
    send(project, {"a": "pass"}, job_id="1", shard="1/2")
    send(project, {"b": "fail"}, job_id="2", shard="2/2")
    send(project, {"b": "pass"}, job_id="3", shard="2/2")
    send(project, {"z": "pass"}, job_id="4", job="lint")
    assert attempts(project) == {"1": 1, "2": 1, "3": 2, "4": 1}


def test_what_ci_says_itself_is_never_changed() -> None:
    project = a_project()
    send(project, {"a": "fail"}, job_id="8", attempt=4)
    send(project, {"a": "pass"}, job_id="9")
    assert attempts(project) == {"8": 4, "9": 1}


def test_ids_that_are_no_numbers_are_in_the_order_of_their_letters() -> None:
    project = a_project()
    for job_id in ("b", "a", "7"):
        send(project, {"a": "pass"}, job_id=job_id)
    assert attempts(project) == {"7": 1, "a": 2, "b": 3}


def test_the_attempts_close_up_when_a_delivery_is_deleted() -> None:
    project = a_project()
    first = send(project, {"a": "fail"}, job_id="1")
    send(project, {"a": "pass"}, job_id="2")
    delete_upload(project.pk, first.pk)
    assert attempts(project) == {"2": 1}
    assert Run.objects.get(project=project).n_flaky == 0


deliveries = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["pass", "fail", "skip"]), max_size=3),
        st.fixed_dictionaries(
            {},
            optional={
                "job_id": st.sampled_from(["2", "10", "033", "9" * 30, "x", "é"]),
                "attempt": st.integers(1, 3),
                "shard": st.sampled_from(["1/2", "2/2"]),
            },
        ),
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries, st.randoms(use_true_random=False))
def test_no_order_of_arrival_changes_an_attempt(found, random) -> None:  # type: ignore[no-untyped-def]
    first, second = a_project(), a_project()
    shuffled = found[:]
    random.shuffle(shuffled)
    for project, listed in ((first, found), (second, shuffled)):
        for case, fields in listed:
            send(project, case, **fields)
    assert picture(first) == picture(second)

    def facts(project: Project) -> list[Any]:
        rows = Upload.objects.filter(project=project).values_list("metadata", "attempt")
        return sorted((sorted(metadata.items()), attempt) for metadata, attempt in rows)

    assert facts(first) == facts(second)

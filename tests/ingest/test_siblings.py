"""Overlapping deliveries of one job: kept, worst outcome first, never evidence of a retry, and said."""

from itertools import permutations
from typing import Any

import pytest

from health.models import Project, Run, Upload
from tests.builders import FIRST_MOMENT, a_project, an_upload

pytestmark = pytest.mark.django_db

COMMON: dict[str, Any] = {"run_id": "1", "job": "test", "ran_at": FIRST_MOMENT, "commit": "1" * 8}


def send(project: Project, cases: dict[str, str], **fields: Any) -> Upload:
    return an_upload(project, cases, **{**COMMON, **fields})


def warnings(upload: Upload) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = upload.receipt["warnings"]
    return [warning for warning in found if warning["code"] == "sibling_deliveries"]


def test_legs_of_a_matrix_without_a_variant_are_siblings() -> None:
    project = a_project()
    first = send(project, {"a": "fail", "b": "pass", "c": "pass"})
    second = send(project, {"a": "pass", "b": "pass", "d": "pass"})
    run = Run.objects.get(project=project)
    assert (run.n_declared, run.n_failed, run.n_flaky, run.n_attempts) == (4, 1, 0, 1)
    assert warnings(first) == []
    (warning,) = warnings(second)
    assert (warning["count"], warning["upload"]) == (2, str(first.public_id))
    assert warning["message"].startswith(f"2 of its 3 executed tests were also delivered by upload {first.public_id},")
    assert "--variant" in warning["hint"]


def test_the_third_names_the_first_and_how_many_more() -> None:
    project = a_project()
    first, _, third = (send(project, {"a": "pass"}, text=str(n)) for n in range(3))
    (warning,) = warnings(third)
    assert f"Its one executed test was also delivered by upload {first.public_id} and 1 more" in warning["message"]


@pytest.mark.parametrize(
    "fields",
    [{"variant": "py3.13"}, {"job": "lint"}, {"attempt": 2}, {"run_id": "2"}, {"shard": "2/2"}],
    ids=str,
)
def test_what_is_told_apart_is_no_sibling(fields: dict[str, Any]) -> None:
    project = a_project()
    send(project, {"a": "pass"}, **({"shard": "1/2"} if "shard" in fields else {}))
    assert warnings(send(project, {"a": "pass"}, **fields)) == []


def test_two_files_sent_apart_are_parts_of_one_job() -> None:
    project = a_project()
    send(project, {"a": "pass", "b": "skip"})
    assert warnings(send(project, {"b": "pass", "a": "skip"})) == []
    assert Run.objects.get(project=project).n_passed == 2


def test_a_retry_of_gitlab_is_none_and_two_reports_of_one_execution_are() -> None:
    project = a_project()
    send(project, {"a": "fail"}, job_id="1")
    assert warnings(send(project, {"a": "pass"}, job_id="2")) == []
    assert len(warnings(send(project, {"a": "pass"}, job_id="2", text="again"))) == 1


def test_no_order_changes_a_count_and_the_last_is_always_warned() -> None:
    reports = [{"a": "fail", "b": "pass"}, {"a": "pass"}, {"b": "error", "c": "pass"}]
    seen = set()
    for order in permutations(reports):
        project = a_project()
        uploads = [send(project, report) for report in order]
        run = Run.objects.get(project=project)
        n_warned = sum(bool(warnings(upload)) for upload in uploads)
        assert n_warned >= 1
        assert not warnings(uploads[0])
        seen.add((run.n_declared, run.n_failed, run.n_errored, run.n_passed, run.n_flaky))
    assert seen == {(3, 1, 1, 1, 0)}

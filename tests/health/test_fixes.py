"""Claimed fixes: what ran before says nothing any more, whenever the commit's run arrives."""

from datetime import timedelta

import pytest
from django.utils import timezone

from health.fixes import UnknownCommitError, claim_fix, withdraw_fix
from health.judging import judge_project
from health.models import AuditEntry, Case, CaseVerdict, FixClaim, Project
from health.rebuild import delete_run, rebuild_project
from health.rules.fingerprints import take_fingerprint, write_fingerprint
from tests.builders import a_project, a_user, an_upload
from tests.cause_scenes import a_said_run

pytestmark = pytest.mark.django_db

COMMIT = "deadbeefcafe0123"


def store_line(project: Project, marks: str, **metadata: object) -> None:
    for mark in marks:
        an_upload(project, {"a": "pass" if mark == "." else "fail", "b": "pass"}, **metadata)


def counts(project: Project) -> tuple[int, int] | None:
    judge_project(project.pk)
    row = CaseVerdict.objects.filter(project=project).first()
    return (row.n_ran, row.n_broken) if row else None


def number_of(project: Project) -> int:
    return Case.objects.get(project=project, name="a").ord


def test_results_before_the_commit_s_first_run_do_not_count() -> None:
    project, user = a_project(), a_user("mel")
    store_line(project, ".F.F.")
    store_line(project, ".F", commit=COMMIT)
    assert counts(project) == (7, 3)
    claim = claim_fix(project.pk, ord=number_of(project), commit="DEADBEEF", note="retry the socket", user=user)
    assert (claim.run, claim.commit, claim.claimed_by) == (6, "deadbeef", "mel")
    assert counts(project) == (2, 1)
    assert withdraw_fix(project.pk, claim_id=claim.pk, user=user)
    assert not withdraw_fix(project.pk, claim_id=claim.pk, user=user)
    assert counts(project) == (7, 3)
    acts = AuditEntry.objects.filter(project=project).order_by("id").values_list("action", "subject", "actor")
    assert list(acts) == [("fix.claimed", "a", "mel"), ("fix.withdrawn", "a", "mel")]


def test_until_the_commit_runs_what_came_after_the_claim_counts() -> None:
    project = a_project()
    store_line(project, ".F.F.")
    claim = claim_fix(project.pk, ord=number_of(project), commit=COMMIT, user=a_user())
    assert claim.run is None
    assert counts(project) is None
    store_line(project, "F", ran_at=timezone.now() + timedelta(hours=1))
    assert counts(project) == (1, 1)
    # An older run of that very commit arrives: then all from there on counts.
    an_upload(project, {"a": "pass"}, commit=COMMIT, ran_at=project.uploads.get(run=3).ran_at, run_id="late")
    assert counts(project) == (4, 2)
    claim.refresh_from_db()
    assert claim.run == 7
    rebuild_project(project.pk)
    assert counts(project) == (4, 2)
    delete_run(project.pk, 7)
    claim.refresh_from_db()
    assert claim.run is None
    assert counts(project) == (1, 1)


def test_the_last_claim_of_a_case_holds() -> None:
    project, user = a_project(), a_user()
    for number, mark in enumerate("F.F.F"):
        an_upload(project, {"a": "pass" if mark == "." else "fail"}, commit=f"{number}" * 10)
    for commit in ("1111111", "33333333"):
        claim_fix(project.pk, ord=number_of(project), commit=commit, user=user)
    assert counts(project) == (2, 1)


def test_a_run_that_moves_takes_the_epoch_along() -> None:
    project, user = a_project(), a_user()
    store_line(project, "F.F")
    an_upload(project, {"a": "pass"}, commit=COMMIT, run_id="x", variant="other")
    claim_fix(project.pk, ord=number_of(project), commit=COMMIT, user=user)
    assert counts(project) is None
    second = project.uploads.get(run=2)
    an_upload(
        project, {"z": "pass"}, run_id="x", commit=COMMIT, job="late", committed_at=second.ran_at - timedelta(minutes=1)
    )
    assert counts(project) == (2, 1)  # the first one ran before that


def test_a_cause_can_be_claimed_fixed_too() -> None:
    project, user = a_project(), a_user()
    store_line(project, ".F")
    claim = claim_fix(project.pk, fingerprint=7, commit="0123456", user=user)
    assert (claim.ord, claim.fingerprint) == (None, 7)
    assert counts(project) == (2, 1)


def test_the_history_names_a_cause_as_its_page_does() -> None:
    project, user = a_project(), a_user()
    a_said_run(project, {"a::x": ("fail", "E", "HTTP 503 password=hunter2secret")}, hour=0)
    fingerprint = take_fingerprint("E", "HTTP 503 password=hunter2secret")
    claim = claim_fix(project.pk, fingerprint=fingerprint, commit="0123456", user=user)
    withdraw_fix(project.pk, claim_id=claim.pk, user=user)
    for entry in AuditEntry.objects.filter(project=project):
        assert entry.subject == "HTTP <n> password=[masked password]"
        assert entry.detail == {"cause": write_fingerprint(fingerprint), "commit": "0123456", "note": ""}


@pytest.mark.parametrize("commit", ["", "  ", "abc123", "the fix", "v1.2"])
def test_what_is_no_commit_is_refused(commit: str) -> None:
    project = a_project()
    store_line(project, ".")
    with pytest.raises(UnknownCommitError):
        claim_fix(project.pk, ord=number_of(project), commit=commit, user=a_user())
    assert not FixClaim.objects.exists()


def test_the_beginning_of_a_commit_that_ran_is_one() -> None:
    project = a_project()
    store_line(project, ".", commit="r4711-trunk")
    assert claim_fix(project.pk, ord=number_of(project), commit="r4711", user=a_user()).run == 1

"""Cases that stopped running, each with what is suspected, from the upload."""

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from django.contrib.auth.models import User

from health import deferred_spans, vanishing, windows
from health.judging import judge_project
from health.models import Case, Job, Project, RenameProposal, Tile, VanishedCase
from health.rebuild import delete_upload, rebuild_project
from health.renames import dismiss_proposals, merge_cases
from tests.builders import FIRST_MOMENT, a_project, a_user, an_upload

pytestmark = pytest.mark.django_db


def look(project: Project) -> dict[str, tuple[int, int, str]]:
    """What vanished: last run, first run without it, suspicion."""
    names = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    return {
        names[row.ord]: (row.last_run, row.gone_run, row.suspicion)
        for row in VanishedCase.objects.filter(project=project)
    }


def deliver(project: Project, *names: str, **metadata: Any) -> None:
    """One run in which these cases pass."""
    an_upload(project, dict.fromkeys(names, "pass"), **metadata)
    judge_project(project.pk)


def test_a_case_that_is_left_out_is_deselected() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    deliver(project, "t.x::b")
    deliver(project, "t.x::b")
    assert look(project) == {"a": (1, 2, "deselected")}


def test_a_class_without_a_case_left_is_a_file_gone() -> None:
    project = a_project()
    deliver(project, "tests.unit.x::a", "tests.unit.y::b", "tests.unit.y::c")
    deliver(project, "tests.unit.x::a")
    assert look(project) == {"b": (1, 2, "file"), "c": (1, 2, "file")}


def test_what_went_while_its_class_ran_on_was_not_lost_with_it() -> None:
    """The class is gone now; of the case that went before it that says nothing."""
    project = a_project()
    deliver(project, "tests.unit.x::a", "tests.unit.y::early", "tests.unit.y::late")
    deliver(project, "tests.unit.x::a", "tests.unit.y::late")
    deliver(project, "tests.unit.x::a")
    assert look(project) == {"early": (1, 2, "deselected"), "late": (2, 3, "file")}


def test_a_suite_that_reports_nothing_is_silent_whoever_named_it() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b", run_id="1", suite="unit")
    deliver(project, "t.x::c", "t.y::d", run_id="1", suite="e2e")
    deliver(project, "t.x::a", run_id="2", suite="unit")
    assert look(project) == {"b": (1, 2, "deselected"), "c": (1, 2, "suite"), "d": (1, 2, "suite")}


def test_what_was_in_a_missing_shard_may_be_there() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    deliver(project, "t.x::a", shard="1/2")
    assert look(project) == {}  # nobody knows yet
    deliver(project, "t.x::a")
    assert look(project) == {"b": (1, 3, "shard")}


def test_a_case_that_likely_has_a_new_name_is_renamed(django_user_model: type[User]) -> None:
    project, user = a_project(), a_user()
    deliver(project, "t.x::test_reads_a_file", "t.x::b")
    deliver(project, "t.x::test_reads_a_file_again", "t.x::b")
    proposal = RenameProposal.objects.get(project=project)
    row = VanishedCase.objects.get(project=project)
    assert (row.ord, row.suspicion, row.other) == (proposal.old, "renamed", proposal.new)
    dismiss_proposals(project.pk, pairs=[(proposal.old, proposal.new)], user=user)
    judge_project(project.pk)
    row = VanishedCase.objects.get(project=project)
    assert (row.suspicion, row.other) == ("deselected", None)


def test_a_merged_case_did_not_vanish() -> None:
    project, user = a_project(), a_user()
    deliver(project, "t.x::test_reads_a_file", "t.x::b")
    deliver(project, "t.x::test_reads_a_file_again", "t.x::b")
    proposal = RenameProposal.objects.get(project=project)
    merge_cases(project.pk, pairs=[(proposal.old, proposal.new)], user=user)
    rebuild_project(project.pk)
    assert look(project) == {}


def test_a_case_that_runs_again_is_back() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    deliver(project, "t.x::b")
    deliver(project, "t.x::a", "t.x::b", shard="1/2")  # incomplete, and it is there
    assert look(project) == {}


def test_a_skipped_case_is_there() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    an_upload(project, {"t.x::a": "skip", "t.x::b": "pass"})
    judge_project(project.pk)
    assert look(project) == {}


def test_nothing_vanishes_from_pull_requests() -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b", branch="feature")
    deliver(project, "t.x::b", branch="other")
    assert look(project) == {}


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of three runs."""
    monkeypatch.setattr(windows.list_window, "__kwdefaults__", {"limit": 3})
    monkeypatch.setattr(vanishing, "N_JOBS", 3)
    monkeypatch.setattr(deferred_spans, "N_JOBS", 3)


def test_what_vanished_outlives_the_window(short_windows: None) -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    for _ in range(6):
        deliver(project, "t.x::b")
    assert look(project) == {"a": (1, 2, "deselected")}
    rebuild_project(project.pk)
    assert look(project) == {"a": (1, 2, "deselected")}
    deliver(project, "t.x::a", "t.x::b")
    assert look(project) == {}


def test_an_old_run_that_comes_late_is_looked_at(short_windows: None) -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b", run_id="first")
    for _ in range(5):
        deliver(project, "t.x::b")
    moment = Job.objects.filter(project=project).order_by("run")[0].ran_at
    an_upload(project, {"t.x::a": "pass", "t.x::c": "pass"}, ran_at=moment)
    judge_project(project.pk)
    assert look(project) == {"a": (7, 2, "deselected"), "c": (7, 2, "deselected")}
    delete_upload(project.pk, project.uploads.latest("id").pk)
    assert look(project) == {"a": (1, 2, "deselected")}


def test_a_delivery_that_is_deleted_lets_an_old_run_be_the_last_one_again(short_windows: None) -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    for _ in range(4):
        deliver(project, "t.x::b")
    deliver(project, "t.x::b", run_id="x")
    deliver(project, "t.x::a", run_id="x")
    assert look(project) == {}
    delete_upload(project.pk, project.uploads.latest("id").pk)
    assert look(project) == {"a": (1, 2, "deselected")}


@pytest.mark.parametrize("job", ["tests", "other"])
def test_a_run_that_moves_away_lets_an_old_run_be_the_last_one_again(short_windows: None, job: str) -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    for _ in range(4):
        deliver(project, "t.x::b")
    deliver(project, "t.x::a", "t.x::b", run_id="x")
    assert look(project) == {}
    # Its commit turns out to be the oldest of all.
    deliver(project, "t.x::b", run_id="x", job=job, committed_at=FIRST_MOMENT)
    assert look(project) == {"a": (1, 2, "deselected")}


def test_what_nobody_can_look_up_any_more_stays_noted(short_windows: None) -> None:
    project = a_project()
    deliver(project, "t.x::a", "t.x::b")
    for _ in range(5):
        deliver(project, "t.x::b")
    Tile.objects.filter(project=project, run=1).delete()
    rebuild_project(project.pk)
    assert look(project) == {"a": (1, 2, "deselected")}


@pytest.mark.parametrize("seed", range(12))
def test_any_history_of_one_branch_ends_in_what_judging_anew_gives(short_windows: None, seed: int) -> None:
    """Runs in any order, shards that come later and move a run, deletions; judged now and then."""
    chance, project = Random(seed), a_project()
    for number in range(14):
        act = chance.random()
        if act < 0.15 and (uploads := list(project.uploads.order_by("id"))):
            delete_upload(project.pk, chance.choice(uploads).pk)
            continue
        names = [name for name in ("t.x::a", "t.x::b", "t.y::c") if chance.random() < 0.5]
        metadata: dict[str, Any] = {
            "run_id": str(number),
            "ran_at": FIRST_MOMENT + timedelta(hours=chance.randrange(40)),
        }
        if act < 0.4:
            metadata |= {"run_id": str(chance.randrange(number + 1)), "state": "partial"}
        if act > 0.9:
            metadata["committed_at"] = FIRST_MOMENT + timedelta(hours=chance.randrange(40))
        an_upload(project, dict.fromkeys(names, "pass"), **metadata)
        if chance.random() < 0.7:
            judge_project(project.pk)
    judge_project(project.pk)
    arrived = look(project)
    rebuild_project(project.pk)
    assert arrived == look(project)

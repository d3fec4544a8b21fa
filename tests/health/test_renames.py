"""Renames as they are proposed by what is stored, and decided by a person."""

import gzip
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded

from health import renames
from health.models import AuditEntry, Case, Project, RenameProposal, Run
from health.rebuild import delete_run, rebuild_project
from health.renames import dismiss_proposals, merge_cases, undo_merge
from ingest.claims import claim_next
from ingest.parsers import read_report
from ingest.parsers.types import Limits
from ingest.store import Contents, store_contents
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.scenes import a_run, at

pytestmark = pytest.mark.django_db

DEMO = Path(__file__).parents[2] / "demo"
OLD = {"t.a::reads one user": "pass", "t.a::stays": "pass"}
NEW = {"t.a::reads a user": "pass", "t.a::stays": "pass"}


def proposals(project: Project) -> dict[str, str]:
    """Each proposed name with the one it would go on under."""
    names = {case.ord: case.name for case in Case.objects.filter(project=project)}
    found = RenameProposal.objects.filter(project=project, state="proposed")
    return {names[row.old]: names[row.new] for row in found}


def only_proposal(project: Project) -> RenameProposal:
    return RenameProposal.objects.get(project=project)


def test_a_rename_on_a_branch_is_proposed() -> None:
    project = a_project()
    an_upload(project, OLD, seconds=1.2)
    an_upload(project, NEW, seconds=1.1)
    assert proposals(project) == {"reads one user": "reads a user"}
    row = only_proposal(project)
    assert (row.run, row.state, row.decided_by) == (2, "proposed", "")
    assert 0.6 <= row.score < 1
    assert row.evidence["kind"] == "renamed"
    assert row.evidence["outcomes"] == [1, 1]
    assert row.evidence["units"] == [pytest.approx(120_000, rel=0.001), pytest.approx(110_000, rel=0.001)]
    assert len(row.evidence["group"]) == 16


def test_nothing_is_proposed_without_both_sides() -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, OLD | {"t.a::reads a user": "pass"})
    an_upload(project, {"t.a::stays": "pass", "t.a::reads a user": "pass"})
    assert proposals(project) == {}


def test_a_renamed_file_is_proposed_though_its_suite_is_silent() -> None:
    project = a_project()
    names = ["reads one user", "deletes one user", "writes many users"]
    an_upload(project, {f"tests.users::{name}": "pass" for name in names} | {"tests.b::stays": "pass"})
    an_upload(project, {f"tests.people.users::{name}": "pass" for name in names} | {"tests.b::stays": "pass"})
    assert Run.objects.get(project=project, number=2).n_gone == 0
    assert proposals(project) == {name: name for name in names}
    assert len({row.evidence["group"] for row in RenameProposal.objects.filter(project=project)}) == 1


@pytest.mark.parametrize(
    "metadata",
    [{"branch": "feature"}, {"pull_request": "7"}, {"state": "partial"}, {"shard": "1/2"}, {"job": "another"}],
)
def test_a_job_that_proves_nothing_proposes_nothing(metadata: dict[str, str]) -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, NEW, **metadata)
    assert proposals(project) == {}


def test_a_name_a_pull_request_brought_first_is_new_on_the_branch() -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, NEW, branch="feature", pull_request="7")
    an_upload(project, OLD)
    an_upload(project, NEW)
    assert proposals(project) == {"reads one user": "reads a user"}


def test_a_new_release_branch_is_not_the_reverse_of_a_rename() -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, NEW)
    RenameProposal.objects.all().delete()
    an_upload(project, OLD, branch="release/1")
    an_upload(project, OLD, branch="release/1")
    assert proposals(project) == {}


def test_a_case_that_came_back_is_nobody_s_new_name() -> None:
    project = a_project()
    an_upload(project, NEW)
    an_upload(project, OLD)
    RenameProposal.objects.all().delete()
    an_upload(project, NEW)
    assert proposals(project) == {}


def test_a_case_that_came_back_under_its_newest_name_is_nobody_s_new_name() -> None:
    project, other = a_project(), {"t.a::reads some user": "pass", "t.a::stays": "pass"}
    pair = a_proposal(project)
    merge_cases(project.pk, pairs=[pair], user=a_user())
    delete_run(project.pk, 2)
    an_upload(project, other)
    RenameProposal.objects.all().delete()
    an_upload(project, NEW)
    assert proposals(project) == {}


@pytest.mark.parametrize("n_away", [1, 12])
def test_a_long_history_is_looked_at_in_part(n_away: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A case that comes back is found where its block is oldest and where it is newest, among a bounded number."""
    monkeypatch.setattr(renames, "_LOOKS", (("ASC", 1), ("DESC", 2), ("DESC", 6)))
    fetched: list[object] = []
    fetch = renames._fetch_earlier

    def watch(*args: Any, **options: Any) -> Any:
        tiles = fetch(*args, **options)
        fetched.extend(tiles)
        return tiles

    monkeypatch.setattr(renames, "_fetch_earlier", watch)
    project = a_project()
    an_upload(project, NEW | OLD)
    for _ in range(n_away):
        an_upload(project, OLD)
    an_upload(project, NEW)
    assert proposals(project) == {}
    assert len(fetched) == 1
    an_upload(project, {"t.a::reads any user": "pass", "t.a::stays": "pass"})
    assert list(proposals(project).values()) == ["reads any user"]
    assert len(fetched) <= 1 + 1 + 2 + 6


@pytest.mark.parametrize("broken", ["pair_renamed", "_write_proposals", "_find_reported_before"])
def test_a_mistake_in_the_rules_costs_no_upload(
    broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(cursor: object, *_: object, **__: object) -> None:
        if isinstance(cursor, psycopg.Cursor):
            cursor.execute("SELECT * FROM no_such_table")
        raise ZeroDivisionError

    project = a_project()
    an_upload(project, OLD)
    monkeypatch.setattr(renames, broken, fail)
    assert an_upload(project, NEW).state == "stored"
    assert proposals(project) == {}
    assert f"project {project.pk}: no rename is proposed for run 2" in caplog.text
    run = Run.objects.get(project=project, number=2)
    assert (run.n_declared, run.n_new) == (2, 0)


def test_the_end_of_a_workers_time_is_no_mistake_in_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken for one, it let the storing go on until the hard limit killed the worker."""

    def fail(*_: object) -> None:
        raise SoftTimeLimitExceeded

    project = a_project()
    an_upload(project, OLD)
    monkeypatch.setattr(renames, "pair_renamed", fail)
    with pytest.raises(SoftTimeLimitExceeded):
        an_upload(project, NEW)
    assert not Run.objects.filter(project=project, number=2).exists()


def test_shards_propose_when_the_last_one_is_there() -> None:
    project = a_project()
    rest = {"t.b::stays": "pass"}
    an_upload(project, OLD | rest, run_id="1")
    an_upload(project, NEW, run_id="2", shard="1/2")
    assert proposals(project) == {}
    an_upload(project, rest, run_id="2", shard="2/2")
    assert proposals(project) == {"reads one user": "reads a user"}


def test_a_run_that_comes_late_is_looked_at_with_the_one_behind_it() -> None:
    project = a_project()
    a_run(project, NEW, hour=2)
    assert proposals(project) == {}
    a_run(project, OLD, hour=1)
    assert proposals(project) == {"reads one user": "reads a user"}
    assert only_proposal(project).run == 1  # its number; it ran second


def test_a_second_delivery_and_a_second_variant_propose_it_once() -> None:
    project = a_project()
    for variant in ("3.11", "3.12"):
        an_upload(project, OLD, run_id="1", variant=variant)
    for variant in ("3.11", "3.12", "3.12"):
        an_upload(project, NEW, run_id="2", variant=variant)
    assert proposals(project) == {"reads one user": "reads a user"}


def test_one_case_is_in_one_proposal() -> None:
    project = a_project()
    an_upload(project, OLD, variant="a", run_id="1")
    an_upload(project, OLD, variant="b", run_id="1")
    an_upload(project, NEW, variant="a", run_id="2")
    an_upload(project, {"t.a::stays": "pass", "t.a::reads any user": "pass"}, variant="b", run_id="2")
    assert proposals(project) == {"reads one user": "reads a user"}


def test_a_run_that_is_sent_again_after_it_was_deleted_is_proposed_again() -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, NEW)
    an_upload(project, {"other::case": "pass"}, job="other")
    delete_run(project.pk, 2)
    an_upload(project, NEW)
    assert only_proposal(project).run == 4


def test_a_rebuild_proposes_nothing_and_loses_nothing() -> None:
    project = a_project()
    an_upload(project, OLD)
    an_upload(project, NEW)
    before = list(RenameProposal.objects.values())
    rebuild_project(project.pk)
    assert list(RenameProposal.objects.values()) == before


# --- decisions -------------------------------------------------------------------------------------------------


def a_proposal(project: Project) -> tuple[int, int]:
    an_upload(project, OLD)
    an_upload(project, NEW)
    row = only_proposal(project)
    return row.old, row.new


def test_merge_and_undo_are_noted_with_who_did_it() -> None:
    project, ann = a_project(), a_user("ann")
    pair = a_proposal(project)
    assert merge_cases(project.pk, pairs=[pair], user=ann) == 1
    row = only_proposal(project)
    assert (row.state, row.decided_by, row.decided_at is not None) == ("merged", "ann", True)
    assert Case.objects.get(project=project, ord=pair[0]).merged_into == pair[1]
    assert undo_merge(project.pk, pairs=[pair], user=ann) == 1
    row = only_proposal(project)
    assert (row.state, row.decided_by, row.decided_at) == ("proposed", "", None)
    entries = AuditEntry.objects.filter(project=project).order_by("id")
    assert [(entry.action, entry.actor, entry.subject) for entry in entries] == [
        ("rename.merged", "ann", "reads one user → reads a user"),
        ("rename.undone", "ann", "reads one user → reads a user"),
    ]


def test_what_was_dismissed_is_not_proposed_again_and_can_still_be_merged() -> None:
    project, ann = a_project(), a_user("ann")
    pair = a_proposal(project)
    assert dismiss_proposals(project.pk, pairs=[pair], user=ann) == 1
    an_upload(project, OLD, variant="b", run_id="x")
    an_upload(project, NEW, variant="b", run_id="y")
    assert proposals(project) == {}
    assert AuditEntry.objects.filter(project=project).get().action == "rename.dismissed"
    assert merge_cases(project.pk, pairs=[pair], user=ann) == 0
    assert merge_cases(project.pk, pairs=[pair], user=ann, state="dismissed") == 1


def test_only_what_was_proposed_can_be_merged_and_only_once() -> None:
    project, foreign, ann = a_project(), a_project(), a_user("ann")
    pair = a_proposal(project)
    assert merge_cases(project.pk, pairs=[(pair[1], pair[0]), (0, 0), (7, 8)], user=ann) == 0
    assert merge_cases(foreign.pk, pairs=[pair], user=ann) == 0
    assert undo_merge(project.pk, pairs=[pair], user=ann) == 0
    assert merge_cases(project.pk, pairs=[pair, pair], user=ann) == 1
    assert merge_cases(project.pk, pairs=[pair], user=ann) == 0
    assert dismiss_proposals(project.pk, pairs=[pair], user=ann) == 0
    assert AuditEntry.objects.count() == 1


def test_names_do_not_go_round_in_circles() -> None:
    project, ann = a_project(), a_user("ann")
    old, new = a_proposal(project)
    RenameProposal.objects.create(project=project, old=new, new=old, run=1, series=1, score=0.9)
    assert merge_cases(project.pk, pairs=[(old, new), (new, old)], user=ann) == 1


def test_the_history_of_click_proposes_its_renames() -> None:
    """Two real commits through the real store: a file that became a folder of files."""
    project = a_project()
    for run, name in enumerate(("2026-06-23_679a7a0eccbd", "2026-07-15_b551fe85714c")):
        plain = gzip.decompress((DEMO / "click" / f"{name}.junit.xml.gz").read_bytes())
        report = read_report(lambda plain=plain: BytesIO(plain), filename="junit.xml", limits=Limits())  # type: ignore[misc]
        a_received_upload(project, branch="main", ran_at=at(run), run_id=name, provider="ci", job="tests")
        delivery = claim_next()
        assert delivery is not None
        store_contents(delivery, Contents(report), state="stored", receipt={"files": [], "warnings": []})
    found = RenameProposal.objects.filter(project=project)
    assert found.count() == 113
    assert {row.evidence["kind"] for row in found} == {"moved"}
    names = {case.ord: (case.class_name, case.name) for case in Case.objects.filter(project=project)}
    assert all(names[row.old][1] == names[row.new][1] for row in found)

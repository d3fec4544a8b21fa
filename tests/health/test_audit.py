"""The history of acts: one row each, kept for good, with the name at the time."""

import re
from pathlib import Path

import pytest

from health.audit import record
from health.models import AuditEntry
from tests.builders import a_project, a_user

ROOT = Path(__file__).resolve().parents[2]
CHANGES_A_ROW = re.compile(r"AuditEntry\.objects\S*\.(update|delete)\b|(UPDATE|DELETE FROM) health_auditentry")


@pytest.mark.django_db
def test_an_act_is_one_row_with_who_what_and_to_what() -> None:
    project, ann = a_project(), a_user("ann")
    record(project.pk, user=ann, action="token.created", subject="ci", detail={"last_four": "abcd"})
    record(project.pk, actor="the sweeper", action="run.timed_out", subject="run 4")
    by_ann, by_clock = AuditEntry.objects.order_by("id")
    assert (by_ann.user, by_ann.actor, by_ann.action, by_ann.subject) == (ann, "ann", "token.created", "ci")
    assert by_ann.detail == {"last_four": "abcd"}
    assert (by_clock.user, by_clock.actor, by_clock.detail) == (None, "the sweeper", {})
    assert by_ann.at <= by_clock.at


@pytest.mark.django_db
def test_an_act_stays_somebodys_when_the_account_is_gone() -> None:
    project, ann = a_project(), a_user("ann")
    record(project.pk, user=ann, action="token.created", subject="ci")
    ann.delete()
    entry = AuditEntry.objects.get()
    assert (entry.user, entry.actor) == (None, "ann")


def find_changes(root: Path) -> list[str]:
    """Where the product would change or remove a row of the history."""
    sources = (path for package in ("dashboard", "health", "ingest") for path in (root / package).rglob("*.py"))
    return [str(path) for path in sources if CHANGES_A_ROW.search(path.read_text())]


def test_nothing_changes_or_removes_what_was_written_down() -> None:
    assert find_changes(ROOT) == []


def test_a_change_of_what_was_written_down_is_found(tmp_path: Path) -> None:
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "planted.py").write_text("AuditEntry.objects.filter(pk=1).update(actor='me')\n")
    assert len(find_changes(tmp_path)) == 1

"""What people do with entries: their word holds before the file's and CI's, and of two who write at once none loses."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from health.deferral_acts import (
    Added,
    Changed,
    Conflict,
    accept_backing,
    accept_opening,
    add_entry,
    change_entry,
    read_values,
    release_entry,
)
from health.fsck import find_violations
from health.judging import judge_project
from health.models import AuditEntry, BackingCase, Case, Deferral, DeferralChange, DeferredCase, Project
from health.sql import open_cursor
from tests.builders import a_project, a_user
from tests.deferral_scenes import find_ord
from tests.scenes import a_run

pytestmark = pytest.mark.django_db

UNITS = "tests.unit::unit{}"


@pytest.fixture
def ann() -> User:
    return a_user("ann")


def run(project: Project, *, hour: float, n_units: int = 3, **words: str) -> None:
    """One run that skips `tests.api::put_off`, unless it is said otherwise."""
    cases = {"tests.api::put_off": "skip", "tests.api::fine": "pass"}
    cases |= {UNITS.format(k): "pass" for k in range(n_units)}
    cases |= {f"tests.api::{name}": word for name, word in words.items()}
    a_run(project, cases, hour=hour)
    judge_project(project.pk)


def a_skipping_project() -> tuple[Project, Deferral]:
    project = a_project()
    run(project, hour=0)
    return project, Deferral.objects.get(project=project)


def change(entry: Deferral, user: User, *, version: int | None = None, also: Any = (), **changes: Any) -> Any:
    version = entry.version if version is None else version
    return change_entry(entry.project_id, entry.pk, version=version, changes=changes, also=also, user=user)


def test_a_persons_word_holds_and_stays(ann: User) -> None:
    project, entry = a_skipping_project()
    revision = Project.objects.get(pk=project.pk).revision
    done = change(entry, ann, owner="bob", reason="the network is slow", review="2027-01-31", backing=["tests/unit"])
    assert done == Changed(1, 2)
    entry.refresh_from_db()
    holds = read_values(entry)
    assert (holds["owner"], holds["reason"], holds["review"]) == ("bob", "the network is slow", "2027-01-31")
    assert Project.objects.get(pk=project.pk).revision > revision
    run(project, hour=1)
    entry.refresh_from_db()
    assert (entry.owner, entry.reason, entry.version) == ("bob", "the network is slow", 2)
    row = DeferralChange.objects.get(deferral=entry, action="edited")
    assert (row.actor, row.fields) == ("ann", ["backing", "owner", "reason", "review"])
    assert (row.before["owner"], row.after["owner"]) == ("", "bob")
    audit = AuditEntry.objects.get(project=project, action="deferral.changed")
    assert (audit.actor, audit.subject, audit.detail["fields"]) == ("ann", "put_off", row.fields)


def test_emptied_says_that_there_is_nothing_and_given_back_what_ci_says(ann: User) -> None:
    _, entry = a_skipping_project()
    said = entry.reason
    assert said
    change(entry, ann, reason="")
    entry.refresh_from_db()
    assert (entry.reason, entry.written) == ("", {"reason": ""})
    change(entry, ann, reason=None)
    entry.refresh_from_db()
    assert (entry.reason, entry.written) == (said, {})


def test_who_writes_on_an_older_version_is_told_both_and_changes_nothing(ann: User) -> None:
    project, entry = a_skipping_project()
    change(entry, a_user("bob"), owner="bob")
    before = Deferral.objects.filter(pk=entry.pk).values().get()
    told = change(entry, ann, version=1, owner="ann", issue="#7")
    assert isinstance(told, Conflict)
    assert (told.version, told.by, told.current["owner"], dict(told.mine)) == (
        2,
        "bob",
        "bob",
        {"owner": "ann", "issue": "#7"},
    )
    assert told.at is not None
    assert Deferral.objects.filter(pk=entry.pk).values().get() == before
    assert DeferralChange.objects.filter(deferral=entry, action="edited").count() == 1
    assert change(entry, ann, version=told.version, owner="ann", issue="#7") == Changed(1, 3)
    changes = DeferralChange.objects.filter(deferral=entry, action="edited").order_by("pk")
    assert [row.after["owner"] for row in changes] == ["bob", "ann"]
    assert AuditEntry.objects.filter(project=project, action="deferral.changed").count() == 2


def test_the_same_sent_twice_is_done_once(ann: User) -> None:
    _, entry = a_skipping_project()
    assert change(entry, ann, version=1, owner="bob") == Changed(1, 2)
    assert change(entry, ann, version=1, owner="bob") == Changed(0, 2)
    assert DeferralChange.objects.filter(deferral=entry, action="edited").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_write_at_once_one_wins_and_the_other_is_told() -> None:
    _, entry = a_skipping_project()
    people = [a_user("ann"), a_user("bob")]
    start, answers = threading.Barrier(2), {}

    def write(user: User) -> None:
        try:
            start.wait(10)
            answers[user.username] = change(entry, user, version=1, owner=user.username)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = next(name for name, answer in answers.items() if answer == Changed(1, 2))
    loser = next(name for name in answers if name != winner)
    told = answers[loser]
    assert isinstance(told, Conflict)
    assert (told.by, told.current["owner"], told.mine) == (winner, winner, {"owner": loser})
    entry.refresh_from_db()
    assert (entry.owner, entry.version) == (winner, 2)
    assert [row.actor for row in DeferralChange.objects.filter(deferral=entry, action="edited")] == [winner]


def test_a_change_may_be_meant_for_others_too_and_each_has_its_own_history(ann: User) -> None:
    project = a_project()
    run(project, hour=0, **{"grid[0]": "skip", "grid[1]": "skip"})
    entry, *others = Deferral.objects.filter(project=project).order_by("ord")
    closed = others.pop()
    Deferral.objects.filter(pk=closed.pk).update(closed_at=datetime.now(UTC))
    _, foreign = a_skipping_project()
    done = change(entry, ann, also=[*(one.pk for one in others), closed.pk, foreign.pk], owner="team")
    assert done == Changed(1 + len(others), 2)
    assert {one.owner for one in Deferral.objects.filter(pk__in=[entry.pk, *(one.pk for one in others)])} == {"team"}
    assert set(Deferral.objects.filter(pk__in=[closed.pk, foreign.pk]).values_list("owner", "version")) == {("", 1)}
    assert DeferralChange.objects.filter(action="edited").count() == 1 + len(others)
    assert AuditEntry.objects.get(project=project, action="deferral.changed").detail["entries"] == 1 + len(others)


def test_a_backing_is_checked_as_soon_as_it_is_named(ann: User) -> None:
    _, entry = a_skipping_project()
    change(entry, ann, backing=["unit*"])
    entry.refresh_from_db()
    assert entry.backing is not None
    assert (entry.backing.state, entry.backing.named) == ("backed", ["unit*"])
    change(entry, ann, version=2, backing=["Task #72"])
    entry.refresh_from_db()
    assert entry.backing is not None
    assert entry.backing.state == "unproven"


def test_what_is_gone_is_missed_until_somebody_accepts_it(ann: User) -> None:
    project, entry = a_skipping_project()
    change(entry, ann, backing=["unit*"])
    run(project, hour=1, n_units=2)
    entry.refresh_from_db()
    assert entry.backing is not None
    assert entry.backing.state == "weakened"
    assert isinstance(accept_backing(project.pk, entry.pk, version=1, user=ann), Conflict)
    assert accept_backing(project.pk, entry.pk, version=2, user=ann) == Changed(1, 3)
    entry.backing.refresh_from_db()
    assert entry.backing.state == "backed"
    assert BackingCase.objects.filter(backing=entry.backing).count() == 2
    assert accept_backing(project.pk, entry.pk, version=2, user=ann) == Changed(0, 3)
    assert AuditEntry.objects.filter(action="deferral.backing_accepted").count() == 1


def test_what_came_back_is_accepted_once(ann: User) -> None:
    project, entry = a_skipping_project()
    run(project, hour=1, put_off="pass")
    run(project, hour=2)
    entry.refresh_from_db()
    assert (entry.n_openings, entry.n_accepted) == (2, 1)
    assert accept_opening(project.pk, entry.pk, version=entry.version, user=ann) == Changed(1, entry.version + 1)
    assert accept_opening(project.pk, entry.pk, version=entry.version, user=ann) == Changed(0, entry.version + 1)
    entry.refresh_from_db()
    assert entry.n_accepted == 2
    run(project, hour=3)
    entry.refresh_from_db()
    assert (entry.n_openings, entry.n_accepted) == (2, 2)


def test_a_test_is_quarantined_and_released_by_hand(ann: User) -> None:
    project, _ = a_skipping_project()
    ord_ = find_ord(project, "fine")
    added = add_entry(project.pk, ord_=ord_, fields={"reason": "flaky on Mondays"}, user=ann)
    assert added is not None
    assert added.is_new
    entry = Deferral.objects.get(pk=added.pk)
    assert (entry.kind, entry.reason, entry.origin) == ("quarantine", "flaky on Mondays", "person")
    run(project, hour=1)
    entry.refresh_from_db()
    assert entry.closed_at is None, "it runs, and stays put off until a person releases it"
    assert add_entry(project.pk, ord_=ord_, fields={}, user=ann) == Added(added.pk, is_new=False)
    assert release_entry(project.pk, added.pk, version=entry.version, user=ann) == Changed(1, entry.version + 1)
    assert release_entry(project.pk, added.pk, version=entry.version, user=ann) == Changed(0, entry.version + 1)
    run(project, hour=2)
    entry.refresh_from_db()
    assert (entry.ending, entry.closed_at is not None) == ("released", True)
    again = add_entry(project.pk, ord_=ord_, fields={"owner": "bob"}, user=ann)
    assert again == Added(added.pk, is_new=True)
    entry.refresh_from_db()
    assert (entry.closed_at, entry.ending, entry.owner, entry.reason) == (None, "", "bob", "")
    assert list(DeferralChange.objects.filter(deferral=entry).order_by("pk").values_list("action", flat=True)) == [
        "opened",
        "released",
        "reopened",
    ]


def test_a_pattern_names_tests_until_it_is_withdrawn(ann: User) -> None:
    project, skipped = a_skipping_project()
    added = add_entry(project.pk, pattern="tests/api*", fields={"owner": "team"}, user=ann)
    assert added is not None
    entry = Deferral.objects.get(pk=added.pk)
    assert entry.kind == "quarantine"
    skipped.refresh_from_db()
    assert (skipped.named_by_id, skipped.owner) == (entry.pk, "team")
    assert DeferredCase.objects.filter(deferral=entry).count() == entry.n_cases == 2
    change(entry, ann, owner="bob")
    skipped.refresh_from_db()
    assert skipped.owner == "bob"
    assert release_entry(project.pk, entry.pk, version=2, user=ann) == Changed(1, 3)
    skipped.refresh_from_db()
    assert (skipped.named_by_id, skipped.owner, skipped.closed_at) == (None, "", None)
    assert not DeferredCase.objects.filter(deferral=entry).exists()
    run(project, hour=1)
    entry.refresh_from_db()
    assert entry.ending == "unnamed"
    assert add_entry(project.pk, pattern="tests/api*", fields={}, user=ann) == Added(entry.pk, is_new=True)


def test_what_a_pattern_says_anew_holds_of_its_tests_at_once(ann: User) -> None:
    project, skipped = a_skipping_project()
    added = add_entry(project.pk, pattern="tests/api*", fields={"kind": "skip"}, user=ann)
    assert added is not None
    entry = Deferral.objects.get(pk=added.pk)
    assert entry.n_cases == 1, "of what CI puts off"
    change(skipped, ann, code=["src/api.py"])
    change(entry, ann, kind="quarantine", backing=["tests/unit*"])
    for one in (entry, skipped):
        one.refresh_from_db()
    assert (entry.n_cases, skipped.kind) == (2, "quarantine")
    assert skipped.backing_id != entry.backing_id
    assert [one.backing.state for one in (entry, skipped) if one.backing] == ["backed", "backed"]


def test_a_former_name_of_a_test_is_that_test(ann: User) -> None:
    project = a_project()
    run(project, hour=0, old="pass")
    run(project, hour=1, new="pass")
    old, new = find_ord(project, "old"), find_ord(project, "new")
    Case.objects.filter(project=project, ord=old).update(merged_into=new)
    added = add_entry(project.pk, ord_=old, fields={}, user=ann)
    assert added is not None
    assert Deferral.objects.get(pk=added.pk).ord == new
    assert add_entry(project.pk, ord_=new, fields={}, user=ann) == Added(added.pk, is_new=False)


def test_what_ci_puts_off_now_is_not_to_be_released(ann: User) -> None:
    project, _ = a_skipping_project()
    run(project, hour=1, odd="xfail")
    entry = Deferral.objects.get(project=project, ord=find_ord(project, "odd"))
    assert release_entry(project.pk, entry.pk, version=1, user=ann) is None
    run(project, hour=2, odd="pass")
    assert release_entry(project.pk, entry.pk, version=1, user=ann) == Changed(1, 2)
    assert find_violations(open_cursor(), project_ids=[project.pk]) == []


def test_a_released_quarantine_does_not_come_back_with_a_skip(ann: User) -> None:
    project, _ = a_skipping_project()
    added = add_entry(project.pk, ord_=find_ord(project, "fine"), fields={"owner": "bob"}, user=ann)
    assert added is not None
    entry = Deferral.objects.get(pk=added.pk)
    assert release_entry(project.pk, entry.pk, version=1, user=ann) == Changed(1, 2)
    run(project, hour=1, fine="skip")
    entry.refresh_from_db()
    assert (entry.closed_at, entry.kind, entry.owner) == (None, "skip", "bob")
    run(project, hour=2)
    entry.refresh_from_db()
    assert entry.ending == "ran"


def test_what_ci_skips_and_what_a_file_says_is_not_for_people_to_close(ann: User) -> None:
    project, skipped = a_skipping_project()
    assert release_entry(project.pk, skipped.pk, version=1, user=ann) is None
    written = Deferral.objects.create(
        project=project, origin="file", pattern="tests/**", kind="skip", opened_at=skipped.opened_at
    )
    assert release_entry(project.pk, written.pk, version=1, user=ann) is None
    assert change(written, ann, owner="ann") is None


def test_nothing_is_done_to_what_is_not_there(ann: User) -> None:
    project, entry = a_skipping_project()
    other = a_project()
    for pk in (entry.pk, 0):
        assert change_entry(other.pk, pk, version=1, changes={"owner": "ann"}, user=ann) is None
        assert release_entry(other.pk, pk, version=1, user=ann) is None
        assert accept_opening(other.pk, pk, version=1, user=ann) is None
        assert accept_backing(other.pk, pk, version=1, user=ann) is None
    assert add_entry(project.pk, ord_=99_999, fields={}, user=ann) is None
    assert accept_backing(project.pk, entry.pk, version=1, user=ann) is None
    assert not AuditEntry.objects.filter(action__startswith="deferral.").exists()

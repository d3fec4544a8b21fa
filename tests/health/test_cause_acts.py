"""Merge, split and category by hand: they hold for what is stored and what is to come, and undoing leaves nothing."""

import pytest
from django.contrib.auth.models import User

from health import cause_acts, causes
from health.cause_acts import merge_causes, set_category, split_cause, undo_split, unmerge_cause
from health.causes import fetch_merged, fetch_parts, fetch_splits
from health.fsck import find_violations
from health.models import AuditEntry, CauseCount, CauseSplit, Failure, Fingerprint, Project, Upload
from health.rebuild import delete_upload, rebuild_project
from health.rules.fingerprints import take_fingerprint
from health.sql import open_cursor
from tests.builders import a_project, a_user
from tests.cause_scenes import a_said_run, count_all, fails

pytestmark = pytest.mark.django_db

HTTP = ("HTTP 503 after 12 s", "HTTP 404 after 7 s", "HTTP 503 after 9 s")
BASE = take_fingerprint("E", HTTP[0])
ANSWERS = {503: take_fingerprint("E", HTTP[0], (0,)), 404: take_fingerprint("E", HTTP[1], (0,))}


@pytest.fixture
def ann() -> User:
    return a_user("ann")


def stored(project: Project) -> list[tuple[int, int]]:
    """Run and fingerprint of each failure."""
    return sorted(Failure.objects.filter(project=project).values_list("run", "fingerprint"))


def counted(project: Project) -> list[tuple[int, int, int]]:
    return sorted(CauseCount.objects.filter(project=project).values_list("run", "fingerprint", "n_failed"))


def test_a_split_is_the_same_before_and_after_an_upload(ann: User) -> None:
    before, after = a_project("before"), a_project("after")
    for project in (before, after):
        a_said_run(project, fails(HTTP[0]), hour=0)
    assert split_cause(before.pk, fingerprint=BASE, place=0, user=ann) == (1, 1, 0)
    for project in (before, after):
        a_said_run(project, fails(*HTTP, "other 5"), hour=1)
    assert split_cause(after.pk, fingerprint=BASE, place=0, user=ann) == (4, 2, 0)
    assert stored(before) == stored(after)
    assert counted(before) == counted(after)
    assert {one for _, one in stored(after)} == {*ANSWERS.values(), take_fingerprint("E", "other 5")}
    assert (2, ANSWERS[503], 2) in counted(after)


@pytest.mark.parametrize(("limit", "n"), [("_MOST_UPLOADS", 2), ("_MOST_FAILURES", 7), ("_MOST_BYTES", None)])
def test_nobody_waits_for_a_long_history(ann: User, monkeypatch: pytest.MonkeyPatch, limit: str, n: int | None) -> None:
    """Only the newest deliveries are read again; undoing needs no message, and brings back all of them."""
    project = a_project()
    for hour in range(4):
        a_said_run(project, fails(*HTTP), hour=hour)
    was = stored(project), counted(project)
    last = Failure.objects.filter(project=project).latest("run", "sequence")
    monkeypatch.setattr(cause_acts, limit, n or 5 * (last.text_offset + last.message_length) // 2)
    assert split_cause(project.pk, fingerprint=BASE, place=0, user=ann) == (6, 2, 2)
    assert {fingerprint for run, fingerprint in stored(project) if run < 3} == {BASE}
    assert {fingerprint for run, fingerprint in stored(project) if run > 2} == set(ANSWERS.values())
    for hour in range(4, 7):
        a_said_run(project, fails(*HTTP), hour=hour)
    assert undo_split(project.pk, fingerprint=BASE, user=ann) == (15, 5, 0)
    assert [row for row in stored(project) if row[0] < 5] == was[0]
    assert [row for row in counted(project) if row[0] < 5] == was[1]
    assert {fingerprint for _, fingerprint in stored(project)} == {BASE}
    count_all(project)
    assert sorted({n_failed for _, _, n_failed in counted(project)}) == [3]


def test_one_delivery_is_read_however_large(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project()
    for hour in range(2):
        a_said_run(project, fails(*HTTP), hour=hour)
    monkeypatch.setattr(cause_acts, "_MOST_FAILURES", 1)
    assert split_cause(project.pk, fingerprint=BASE, place=0, user=ann) == (3, 1, 1)


def test_undoing_leaves_nothing_behind(ann: User) -> None:
    project = a_project()
    for hour in range(2):
        a_said_run(project, fails(*HTTP), hour=hour)
    was = (stored(project), counted(project))
    split_cause(project.pk, fingerprint=BASE, place=0, user=ann)
    split_cause(project.pk, fingerprint=ANSWERS[503], place=1, user=ann)
    assert len({one for _, one in stored(project)}) == 3  # 503 after 12, 503 after 9, 404
    a_said_run(project, fails(*HTTP), hour=2)
    assert undo_split(project.pk, fingerprint=BASE, user=ann) == (9, 3, 0)
    assert [row for row in stored(project) if row[0] < 3] == was[0]
    assert [row for row in counted(project) if row[0] < 3] == was[1]
    assert not CauseSplit.objects.filter(project=project).exists()
    assert find_violations(open_cursor(), project_ids=[project.pk]) == []


def test_what_was_said_survives_the_same_files_again_and_a_rebuild(ann: User) -> None:
    project = a_project()
    a_said_run(project, fails(*HTTP, "other"), hour=0)
    split_cause(project.pk, fingerprint=BASE, place=0, user=ann)
    merge_causes(project.pk, fingerprints=[ANSWERS[404]], into=take_fingerprint("E", "other"), user=ann)
    set_category(project.pk, fingerprint=ANSWERS[503], category="network", user=ann)
    was = [fingerprint for _, fingerprint in stored(project)]
    counts, people = [row[1:] for row in counted(project)], said(project)
    delete_upload(project.pk, Upload.objects.get(project=project).pk)
    a_said_run(project, fails(*HTTP, "other"), hour=0)
    run = Upload.objects.get(project=project).run
    for _ in range(2):
        assert stored(project) == [(run, fingerprint) for fingerprint in was]
        assert [row[1:] for row in counted(project) if row[0] == run] == counts
        assert said(project) == people
        rebuild_project(project.pk)
        count_all(project)


def said(project: Project) -> list[tuple[int, int | None, str]]:
    rows = Fingerprint.objects.filter(project=project).order_by("fingerprint")
    return list(rows.values_list("fingerprint", "merged_into", "category"))


def test_a_part_can_be_told_apart_again_and_parts_are_known(ann: User) -> None:
    project = a_project()
    a_said_run(project, fails(*HTTP), hour=0)
    split_cause(project.pk, fingerprint=BASE, place=0, user=ann)
    cursor = open_cursor()
    splits = fetch_splits(cursor, project.pk)
    assert sorted(fetch_parts(cursor, project.pk, fingerprint=BASE, splits=splits)) == sorted(ANSWERS.values())
    followed: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(causes, "follow_splits", lambda kind, message, **_: followed.append(message) or [])
        a_said_run(project, fails(*(f"{chr(97 + k)} is no answer" for k in range(20))), hour=1)
        followed.clear()
        fetch_parts(cursor, project.pk, fingerprint=BASE, splits=splits)
        assert sorted(message[:4] for message in followed) == ["HTTP"] * 2  # others of their kind begin otherwise
        followed.clear()
        fetch_parts(cursor, project.pk, fingerprint=BASE, splits=splits, limit=1)
        assert len(followed) == 1
    assert split_cause(project.pk, fingerprint=ANSWERS[503], place=0, user=ann) is None  # kept already
    assert split_cause(project.pk, fingerprint=BASE, place=1, user=ann) is None  # split already
    assert split_cause(project.pk, fingerprint=ANSWERS[503], place=9, user=ann) is None
    assert split_cause(project.pk, fingerprint=12345, place=0, user=ann) is None
    assert undo_split(project.pk, fingerprint=ANSWERS[503], user=ann) is None


def test_merges_are_chains_without_circles(ann: User) -> None:
    project = a_project()
    a_said_run(project, fails("a", "b", "c"), hour=0)
    one, two, three = (take_fingerprint("E", word) for word in "abc")
    assert merge_causes(project.pk, fingerprints=[one], into=two, user=ann) == 1
    assert merge_causes(project.pk, fingerprints=[two], into=three, user=ann) == 1
    assert merge_causes(project.pk, fingerprints=[three], into=one, user=ann) == 0
    assert merge_causes(project.pk, fingerprints=[three], into=three, user=ann) == 0
    assert merge_causes(project.pk, fingerprints=[three], into=999, user=ann) == 0
    assert fetch_merged(open_cursor(), project.pk) == {one: two, two: three}
    assert unmerge_cause(project.pk, fingerprint=two, user=ann)
    assert fetch_merged(open_cursor(), project.pk) == {one: two}
    assert not unmerge_cause(project.pk, fingerprint=two, user=ann)


def test_every_act_is_on_record_and_makes_pages_stale(ann: User) -> None:
    project = a_project()
    a_said_run(project, fails(*HTTP, "b password=hunter2secret"), hour=0)
    project.refresh_from_db()
    revision = project.revision
    other = take_fingerprint("E", "b password=hunter2secret")
    merge_causes(project.pk, fingerprints=[BASE], into=other, user=ann)
    unmerge_cause(project.pk, fingerprint=BASE, user=ann)
    set_category(project.pk, fingerprint=BASE, category="network", user=ann)
    assert not set_category(project.pk, fingerprint=BASE, category="network", user=ann)
    split_cause(project.pk, fingerprint=BASE, place=1, user=ann)
    undo_split(project.pk, fingerprint=BASE, user=ann)
    rows = list(AuditEntry.objects.filter(project=project, actor="ann").order_by("id"))
    assert [row.action.removeprefix("cause.") for row in rows] == ["merged", "unmerged", "category", "split", "joined"]
    assert rows[0].subject == "b password=[masked password]"
    assert rows[1].subject == "HTTP <n> after <n> s"
    project.refresh_from_db()
    assert project.revision >= revision + 5


def test_another_project_is_left_alone(ann: User) -> None:
    ours, theirs = a_project("ours"), a_project("theirs")
    for project in (ours, theirs):
        a_said_run(project, fails(*HTTP), hour=0)
    was = stored(theirs)
    split_cause(ours.pk, fingerprint=BASE, place=0, user=ann)
    a_said_run(theirs, fails(*HTTP), hour=1)
    assert stored(theirs)[: len(was)] == was
    assert {one for _, one in stored(theirs)} == {BASE}


def test_failures_that_broke_nothing_in_the_end_are_told_apart_too(ann: User) -> None:
    """A retry that passed, a skip: their failures are no causes, and have fingerprints all the same."""
    project = a_project()
    a_said_run(project, {"a::x": ("fail", "E", HTTP[0])}, hour=0, run_id="r", attempt=1)
    a_said_run(project, {"a::x": ("pass", "", "")}, hour=0, run_id="r", attempt=2)
    split_cause(project.pk, fingerprint=BASE, place=0, user=ann)
    assert stored(project) == [(1, ANSWERS[503])]
    assert counted(project) == []


def test_what_was_told_apart_is_not_merged_into_its_own_part(ann: User) -> None:
    """Undoing the split is the way back; merged into a part, all failures would follow what was said of that one."""
    project = a_project()
    a_said_run(project, fails(*HTTP), hour=0)
    split_cause(project.pk, fingerprint=BASE, place=0, user=ann)
    assert merge_causes(project.pk, fingerprints=[BASE], into=ANSWERS[404], user=ann) == 0
    set_category(project.pk, fingerprint=ANSWERS[404], category="network", user=ann)
    undo_split(project.pk, fingerprint=BASE, user=ann)
    assert fetch_merged(open_cursor(), project.pk) == {}


def test_what_changes_nothing_leaves_pages_as_they_are(ann: User) -> None:
    project = a_project()
    a_said_run(project, fails("one", "two"), hour=0)
    one = take_fingerprint("E", "one")
    before = Project.objects.get(pk=project.pk).revision
    unmerge_cause(project.pk, fingerprint=one, user=ann)
    undo_split(project.pk, fingerprint=one, user=ann)
    merge_causes(project.pk, fingerprints=[one], into=one, user=ann)
    split_cause(project.pk, fingerprint=one, place=0, user=ann)
    set_category(project.pk, fingerprint=one, category="", user=ann)
    assert Project.objects.get(pk=project.pk).revision == before

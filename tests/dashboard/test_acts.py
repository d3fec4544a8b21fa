"""The history of a project in words: every act is one line, newest first, a page at a time."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from dashboard.queries import acts
from dashboard.queries.acts import Act, read_acts
from health.audit import record
from health.models import AuditEntry, Membership, Project, UploadToken
from tests.builders import a_project, a_received_upload, a_user
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db
PAGE = "/p/click/settings/"


@pytest.fixture
def project() -> Project:
    return a_project("click", owner=a_user("ann"))


@pytest.fixture
def ann(client: Client, project: Project) -> Client:
    client.force_login(User.objects.get(username="ann"))
    return client


def done(project: Project) -> list[tuple[str, str, str]]:
    """Who did what to what, oldest first."""
    entries = AuditEntry.objects.filter(project=project).order_by("id")
    return list(entries.values_list("actor", "action", "subject"))


def tell(project: Project, **entry: Any) -> Act:
    record(project.pk, actor="ann", **entry)
    return read_acts(project, before="").acts[0]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"action": "token.created", "subject": "ci", "detail": {"last_four": "abcd"}}, ("ci", "ending in abcd")),
        ({"action": "member.changed", "subject": "bob", "detail": {"before": "viewer", "after": "owner"}},
         ("bob", "viewer → owner")),
        ({"action": "member.removed", "subject": "bob", "detail": {"before": "viewer"}}, ("bob", "was viewer")),
        ({"action": "member.added", "subject": "bob", "detail": {"after": "viewer"}}, ("bob", "viewer")),
        ({"action": "uploads.retried", "subject": "not_xml", "detail": {"n": 3}}, ("not XML", "three deliveries")),
        ({"action": "project.changed", "subject": "time_zone", "detail": {"before": "UTC", "after": "Asia/Tokyo"}},
         ("time zone", "UTC → Asia/Tokyo")),
        ({"action": "run.timed_out", "subject": "run 4", "detail": {"missing": "It lacks two of 4 shards"}},
         ("run 4", "It lacks two of 4 shards")),
        ({"action": "configuration.in_force", "subject": "configuration 3",
          "detail": {"before": 2, "after": 3, "commit": "a" * 40, "run": 12}},
         ("configuration 3", "came with run 12 of commit aaaaaaaa; number 2 until then")),
        ({"action": "owners.in_force", "subject": "CODEOWNERS 1",
          "detail": {"before": None, "after": 1, "commit": "b" * 40}},
         ("CODEOWNERS 1", "came with commit bbbbbbbb; the first one")),
    ],
)  # fmt: skip
def test_an_act_in_words(project: Project, entry: dict[str, Any], words: tuple[str, str]) -> None:
    act = tell(project, **entry)
    assert (act.subject, act.change) == words
    assert "." not in act.what


def test_a_delivery_is_a_link_and_an_act_nobody_foresaw_has_its_own_name(project: Project) -> None:
    upload = a_received_upload(project)
    detail = {"code": "not_xml", "received_at": "2026-03-02T09:05:00+00:00"}
    act = tell(project, action="upload.retried", subject=str(upload.public_id), detail=detail)
    assert (act.upload, act.subject) == (upload.public_id, "the delivery of 2 Mar 2026, 09:05")
    assert act.change == "after: not XML"
    old = tell(project, action="upload.retried", subject=str(upload.public_id), detail={"code": "not_xml"})
    assert old.subject == "a delivery"
    assert tell(project, action="upload.retried", subject="no uuid").upload is None
    assert tell(project, action="thing.taken_back", subject="x").what == "thing, taken back"


def test_pages_follow_on_each_other_without_a_gap(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "N_ROWS", 3)
    for k in range(7):
        record(project.pk, actor="ann", action="token.created", subject=str(k))
    record(a_project().pk, actor="ann", action="token.created", subject="another project's")
    seen: list[str] = []
    before = ""
    while True:
        with counted_statements() as sent:
            page = read_acts(project, before=before)
        assert len(sent) == 1
        assert page.is_first is (not seen)
        seen += [act.subject for act in page.acts]
        before = page.next_before
        if not before:
            break
    assert seen == ["6", "5", "4", "3", "2", "1", "0"]


@pytest.mark.parametrize("before", ["abc", "-1", "1" * 30, "²"])
def test_a_strange_place_to_start_behind_is_the_start(project: Project, before: str) -> None:
    record(project.pk, actor="ann", action="token.created", subject="ci")
    assert len(read_acts(project, before=before).acts) == 1


def test_each_change_in_the_settings_is_one_row(ann: Client, project: Project) -> None:
    a_user("bob")
    ann.post(PAGE + "tokens/", {"name": "ci"})
    token = UploadToken.objects.get()
    for _ in range(2):  # the second time nothing happens
        ann.post(f"{PAGE}tokens/{token.pk}/")
        ann.post(PAGE + "members/", {"username": "bob", "role": "viewer"})
    bob = Membership.objects.get(user__username="bob")
    for role in ("viewer", "maintainer", "king", ""):  # the first changes nothing, the third is none
        ann.post(f"{PAGE}members/{bob.pk}/", {"role": role})
    form = {"name": "click", "time_zone": "Asia/Tokyo", "default_branch": "main", "run_timeout_minutes": 360}
    for _ in range(2):
        ann.post(PAGE + "project/", form)
    assert done(project) == [
        ("ann", "token.created", "ci"),
        ("ann", "token.revoked", "ci"),
        ("ann", "member.added", "bob"),
        ("ann", "member.changed", "bob"),
        ("ann", "member.removed", "bob"),
        ("ann", "project.changed", "time_zone"),
    ]
    page = ann.get(PAGE).text
    assert "revoked a token" in page
    assert f"ending in {token.last_four}" in page


def test_the_last_owner_who_stays_leaves_no_row(ann: Client, project: Project) -> None:
    mine = Membership.objects.get()
    ann.post(f"{PAGE}members/{mine.pk}/", {})
    assert done(project) == []


def test_whoever_leaves_is_written_down(ann: Client, project: Project) -> None:
    other = Membership.objects.create(project=project, user=a_user("bob"), role="viewer")
    bob = Client()
    bob.force_login(other.user)
    bob.post(f"{PAGE}members/{other.pk}/")
    assert done(project) == [("bob", "member.removed", "bob")]


def test_a_new_project_its_first_token_and_one_made_while_setting_up(ann: Client) -> None:
    ann.post("/projects/new/", {"name": "other"})
    ann.post("/p/other/start/token/")
    made = [("ann", "token.created", "first token"), ("ann", "token.created", "made while setting up")]
    assert done(Project.objects.get(slug="other")) == [("ann", "project.created", "other"), *made]


def test_an_owner_made_on_the_server_is_written_down_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call_command("create_user", "eve", "--owner", "click", "--exist-ok")
    assert done(project) == [("manage.py create_user", "member.added", "eve")]


def test_a_viewer_does_not_see_it(project: Project) -> None:
    other = Membership.objects.create(project=project, user=a_user("bob"), role="viewer")
    record(project.pk, actor="ann", action="token.created", subject="secret plans")
    bob = Client()
    bob.force_login(other.user)
    assert "secret plans" not in bob.get(PAGE).text


@pytest.mark.parametrize("n", [0, 60])
def test_the_page_is_paged(
    ann: Client, project: Project, django_assert_max_num_queries: Callable[[int], Any], n: int
) -> None:
    for k in range(n):
        record(project.pk, actor="ann", action="token.created", subject=f"token {k}")
    with django_assert_max_num_queries(7):  # session, user, membership, members, tokens, history, configuration
        page = ann.get(PAGE).text
    assert ("Nothing was changed yet." in page) is (n == 0)
    assert page.count(">made a token</td>") == min(n, acts.N_ROWS)
    link = re.search(r'href="(\?before=\d+)#history"', page)
    assert (link is not None) is (n > acts.N_ROWS)
    if link:
        older = ann.get(PAGE + link[1]).text
        assert "token 39" in older
        assert "token 40" not in older
        assert ">Newest</a>" in older


@pytest.mark.parametrize(
    ("entry", "run"),
    [
        ({"action": "run.finished", "subject": "run 4"}, 4),
        ({"action": "run.finished", "subject": "run 99 of github"}, None),
        ({"action": "configuration.in_force", "subject": "configuration 3", "detail": {"run": 12}}, 12),
        ({"action": "token.created", "subject": "7"}, None),
    ],
)
def test_an_act_about_a_run_leads_to_it(ann: Client, project: Project, entry: dict[str, Any], run: int | None) -> None:
    assert tell(project, **entry).run == run
    assert (f'<a href="/p/click/runs/{run}/">{entry["subject"]}</a>' in ann.get(PAGE).text) is (run is not None)

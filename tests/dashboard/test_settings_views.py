"""Settings: tokens, members, the project itself."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import pre_delete
from django.forms import IntegerField
from django.test import Client
from django.utils import timezone

from dashboard.views.settings import ProjectForm
from health.models import Membership, Project, UploadToken
from health.models.projects import is_well_formed_token
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db
PAGE = "/p/click/settings/"


@pytest.fixture
def project() -> Project:
    return a_project("click", owner=a_user("ann"))


@pytest.fixture
def ann(client: Client, project: Project) -> Client:
    client.force_login(User.objects.get(username="ann"))
    return client


def join(project: Project, name: str, role: str) -> Membership:
    return Membership.objects.create(project=project, user=a_user(name), role=role)


def signed_in_as(name: str) -> Client:
    client = Client()
    client.force_login(User.objects.get(username=name))
    return client


def test_a_token_is_shown_once(ann: Client) -> None:
    ann.post(PAGE + "tokens/", {"name": "GitHub secret"})
    first, second = ann.get(PAGE).text, ann.get(PAGE).text
    token = first.split('id="token" tabindex="0">')[1].split("<")[0]
    assert is_well_formed_token(token)
    assert token not in second
    assert f">{token[-4:]}</td>" in second
    assert "GitHub secret" in second


@pytest.mark.parametrize(("given", "scopes"), [("read", ["read"]), ("upload", ["upload"]), ("", ["upload"])])
def test_a_token_may_send_or_read(ann: Client, given: str, scopes: list[str]) -> None:
    ann.post(PAGE + "tokens/", {"name": "script", "scope": given})
    assert UploadToken.objects.get().scopes == scopes
    page = ann.get(PAGE).text
    assert ('<td data-l="May">read the figures</td>' in page) == (scopes == ["read"])
    # A token that only reads sends nothing.
    assert ("receives reports by one token" in page) == (scopes == ["upload"])
    assert ("may read, ending in" in page) == (scopes == ["read"])
    assert ("is seen by one person. One token reads, none sends.</h1>" in page) == (scopes == ["read"])
    assert ("Programs that still read with it are refused" in page) == (scopes == ["read"])
    assert ("CI that still sends with it is refused" in page) == (scopes == ["upload"])
    assert "nothing can be sent" not in page


def test_the_headline_counts_what_sends_and_what_reads(ann: Client, project: Project) -> None:
    assert "has no token, so nothing can be sent, and is seen by one person.</h1>" in ann.get(PAGE).text
    UploadToken.issue(project, name="a", scopes=["read"])
    UploadToken.issue(project, name="b", scopes=["read"])
    assert "Two tokens read, none sends.</h1>" in ann.get(PAGE).text
    UploadToken.issue(project, name="c", scopes=["upload"])
    assert "is seen by one person. One token sends, two read.</h1>" in ann.get(PAGE).text


def test_a_token_may_do_nothing_else(ann: Client) -> None:
    assert ann.post(PAGE + "tokens/", {"name": "script", "scope": "delete"}).status_code == 422
    assert not UploadToken.objects.exists()


def test_a_revoked_token_stays_in_the_list_without_a_button(ann: Client, project: Project) -> None:
    token, _ = UploadToken.issue(project, name="ci")
    ann.post(f"{PAGE}tokens/{token.pk}/")
    token.refresh_from_db()
    assert token.revoked_at is not None
    page = ann.get(PAGE).text
    assert "was revoked" in page
    assert "Revoke ci" not in page
    revoked_at = token.revoked_at
    ann.post(f"{PAGE}tokens/{token.pk}/")
    token.refresh_from_db()
    assert token.revoked_at == revoked_at


def test_a_token_needs_a_name(ann: Client) -> None:
    response = ann.post(PAGE + "tokens/", {"name": ""})
    assert response.status_code == 422
    assert 'id="token_name_error"' in response.text
    assert not UploadToken.objects.exists()


@pytest.mark.parametrize("part", ["tokens/", "members/", "project/", "delete/"])
def test_the_address_a_refused_form_leaves_leads_back(ann: Client, part: str) -> None:
    assert ann.get(PAGE + part).headers["Location"] == PAGE
    assert ann.head(PAGE + part).status_code == 302


def test_a_viewer_sees_members_and_no_tokens_and_no_forms_but_leaving(project: Project) -> None:
    join(project, "vic", "viewer")
    UploadToken.issue(project, name="ci token")
    page = signed_in_as("vic").get(PAGE).text
    assert "ci token" not in page
    assert "Delete the project" not in page
    assert page.count("<form") == 3  # search, sign out, leave
    assert ">Leave</button>" in page


def test_a_member_is_added_once(ann: Client, project: Project) -> None:
    a_user("bob")
    ann.post(PAGE + "members/", {"username": "bob", "role": "maintainer"})
    ann.post(PAGE + "members/", {"username": "bob", "role": "owner"})
    assert Membership.objects.get(user__username="bob").role == "maintainer"


@pytest.mark.parametrize("form", [{"username": "nobody", "role": "viewer"}, {"username": "ann", "role": "king"}])
def test_unknown_people_and_roles_are_refused(ann: Client, form: dict[str, str]) -> None:
    assert ann.post(PAGE + "members/", form).status_code == 422
    assert Membership.objects.count() == 1


def test_an_owner_changes_roles_and_removes(ann: Client, project: Project) -> None:
    bob = join(project, "bob", "viewer")
    ann.post(f"{PAGE}members/{bob.pk}/", {"role": "maintainer"})
    bob.refresh_from_db()
    assert bob.role == "maintainer"
    ann.post(f"{PAGE}members/{bob.pk}/", {"role": "king"})
    bob.refresh_from_db()
    assert bob.role == "maintainer"
    ann.post(f"{PAGE}members/{bob.pk}/")
    assert not Membership.objects.filter(pk=bob.pk).exists()


@pytest.mark.parametrize("form", [{}, {"role": "viewer"}, {"role": "maintainer"}])
def test_the_last_owner_stays(ann: Client, project: Project, form: dict[str, str]) -> None:
    mine = Membership.objects.get(user__username="ann")
    ann.post(f"{PAGE}members/{mine.pk}/", form)
    mine.refresh_from_db()
    assert mine.role == "owner"
    assert "make somebody else one first" in ann.get(PAGE).text


def test_one_of_two_owners_may_leave(ann: Client, project: Project) -> None:
    join(project, "bob", "owner")
    mine = Membership.objects.get(user__username="ann")
    assert ann.post(f"{PAGE}members/{mine.pk}/").headers["Location"] == "/"
    assert ann.get(PAGE).status_code == 404


@pytest.mark.parametrize("role", ["viewer", "maintainer"])
def test_members_end_only_their_own_membership_and_never_raise_it(project: Project, role: str) -> None:
    mine, other = join(project, "vic", role), join(project, "bob", "viewer")
    vic = signed_in_as("vic")
    assert vic.post(f"{PAGE}members/{mine.pk}/", {"role": "owner"}).status_code == 404
    assert vic.post(f"{PAGE}members/{other.pk}/").status_code == 404
    assert vic.post(f"{PAGE}members/{mine.pk}/").status_code == 302
    assert set(Membership.objects.values_list("user__username", flat=True)) == {"ann", "bob"}


def test_the_project_changes_and_its_pages_with_it(ann: Client, project: Project) -> None:
    ann.post(PAGE + "project/", {"name": "Click", "time_zone": "Europe/Vienna", "default_branch": "stable"})
    changed = Project.objects.get()
    assert (changed.name, changed.time_zone, changed.default_branch) == ("Click", "Europe/Vienna", "stable")
    assert (changed.slug, changed.revision) == ("click", project.revision + 1)


@pytest.mark.parametrize(("minutes", "kept"), [("90", 90), ("", 360), ("1", 1), ("43200", 43_200)])
def test_how_long_a_run_may_wait_is_set_in_minutes(ann: Client, minutes: str, kept: int) -> None:
    values = {"name": "Click", "time_zone": "UTC", "default_branch": "main", "run_timeout_minutes": minutes}
    assert ann.post(PAGE + "project/", values).status_code == 302
    assert Project.objects.get().run_timeout_minutes == kept
    assert f'value="{kept}"' in ann.get(PAGE).text


def test_what_the_configuration_may_say_can_be_saved_here() -> None:
    schema = json.loads((settings.BASE_DIR / "ingest/configuration/suitewatch.schema.json").read_text())
    bounds = schema["properties"]["run"]["properties"]["timeout_minutes"]
    field = ProjectForm().fields["run_timeout_minutes"]
    assert isinstance(field, IntegerField)
    assert (field.min_value, field.max_value) == (bounds["minimum"], bounds["maximum"])


@pytest.mark.parametrize("minutes", ["0", "-1", "1e9", "43201", "soon"])
def test_a_run_waits_neither_for_a_moment_nor_for_ever(ann: Client, minutes: str) -> None:
    response = ann.post(PAGE + "project/", {"name": "Click", "time_zone": "UTC", "run_timeout_minutes": minutes})
    assert response.status_code == 422
    assert Project.objects.get().run_timeout_minutes == 360


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../../etc/passwd", "localtime"])
def test_a_zone_nobody_knows_is_refused_beside_its_field(ann: Client, zone: str) -> None:
    response = ann.post(PAGE + "project/", {"name": "Click", "time_zone": zone})
    assert response.status_code == 422
    assert 'id="id_time_zone_error"' in response.text
    assert Project.objects.get().time_zone == "UTC"


def test_deleting_asks_for_the_name(ann: Client, project: Project) -> None:
    an_upload(project, {"tests.a::one": "fail"})
    ann.post(PAGE + "delete/", {"name": "clack"})
    assert Project.objects.exists()
    assert ann.post(PAGE + "delete/", {"name": "click"}).headers["Location"] == "/"
    assert not Project.objects.exists()
    assert "click was deleted" in ann.get("/").text


def test_deleting_waits_for_whoever_writes_to_the_project(ann: Client, project: Project) -> None:
    """A worker's rows that arrive beside a deletion would belong to nobody: no foreign key takes them away."""
    asked: list[str] = []
    with (
        patch("dashboard.views.settings.lock_project", side_effect=lambda *_: asked.append("lock")),
        patch.object(Project, "delete", autospec=True, side_effect=lambda *_: asked.append("delete")),
    ):
        ann.post(PAGE + "delete/", {"name": project.name})
    assert asked == ["lock", "delete"]


def test_deleting_a_large_project_is_not_cut_off_by_the_time_limit(ann: Client, project: Project) -> None:
    limits: list[str] = []

    def note_limit(**_: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            limits.append(cursor.fetchone()[0])

    pre_delete.connect(note_limit, sender=Project)
    try:
        ann.post(PAGE + "delete/", {"name": "click"})
    finally:
        pre_delete.disconnect(note_limit, sender=Project)
    assert limits == ["0"]


@pytest.mark.parametrize(("path", "form"), [("delete/", {"name": "click"}), ("tokens/", {"name": "ci"})])
def test_an_old_session_has_to_sign_in_again(ann: Client, project: Project, path: str, form: dict[str, str]) -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=13), tick=False):
        answer = ann.post(PAGE + path, form)
        assert answer.headers["Location"] == f"/login/?next={PAGE}"
        assert "needs a fresh sign-in" in ann.get(answer.headers["Location"]).text
        credentials = {"username": "ann", "password": "correct horse", "next": PAGE}
        assert ann.post("/login/", credentials).headers["Location"] == PAGE
        assert ann.post(PAGE + path, form).headers["Location"] != f"/login/?next={PAGE}"


@pytest.mark.parametrize("n", [1, 40])
def test_the_page_costs_seven_queries(
    ann: Client, project: Project, django_assert_num_queries: Callable[[int], Any], n: int
) -> None:
    for k in range(n):
        UploadToken.issue(project, name=f"t{k}", created_by_id=User.objects.get(username="ann").pk)
        join(project, f"user-{n}-{k}", "viewer")
    with django_assert_num_queries(7):  # session, user, membership, members, tokens, history, configuration
        ann.get(PAGE)


@pytest.mark.parametrize(("change", "is_rebuilt"), [({"time_zone": "Asia/Tokyo"}, True), ({"name": "New"}, False)])
def test_what_changes_the_meaning_of_days_or_baselines_is_rebuilt(
    ann: Client,
    project: Project,
    change: dict[str, str],
    is_rebuilt: bool,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    rebuilt: list[int] = []
    monkeypatch.setattr("dashboard.tasks.rebuild.delay", rebuilt.append)
    form = {"name": project.name, "time_zone": "UTC", "default_branch": "main", **change}
    with django_capture_on_commit_callbacks(execute=True):
        assert ann.post(PAGE + "project/", form).status_code == 302
    assert rebuilt == ([project.pk] if is_rebuilt else [])


def test_a_rebuild_moves_days_to_the_new_zone(project: Project) -> None:
    from dashboard.tasks import rebuild
    from health.models import SuiteDay

    an_upload(project, {"a": "pass"}, ran_at=timezone.now().replace(hour=22))
    before = SuiteDay.objects.get(project=project).day
    Project.objects.filter(pk=project.pk).update(time_zone="Asia/Tokyo")
    rebuild(project.pk)
    assert SuiteDay.objects.get(project=project).day == before + timedelta(days=1)

"""Signing in: by password, by a link that works once, and never to another host."""

from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from config.proxies import Proxies
from dashboard.views.login import make_link_path
from health.models import Allowance, Membership
from tests.builders import a_project, a_user

pytestmark = pytest.mark.django_db


def is_signed_in(client: Client) -> bool:
    return client.get("/").status_code == 200


def test_a_password_signs_in(client: Client) -> None:
    a_user("ann")
    response = client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert response.headers["Location"] == "/"
    assert is_signed_in(client)


def test_the_session_is_a_new_one_after_signing_in(client: Client) -> None:
    a_user("ann")
    planted = client.session  # a stranger may have planted the cookie, and would know this session
    planted["seen"] = True
    planted.save()
    client.cookies["sw_session"] = planted.session_key
    client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert client.session.session_key != planted.session_key


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(client: Client, name: str) -> None:
    a_user("ann")
    response = client.post("/login/", {"username": name, "password": "wrong"})
    assert response.status_code == 200
    assert "Please enter a correct username and password" in response.text


def test_guessing_is_stopped_even_when_the_guess_becomes_right(client: Client) -> None:
    a_user("ann")
    for _ in range(8):
        client.post("/login/", {"username": "ann", "password": "wrong"})
    response = client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert "Too many tries" in response.text
    assert not is_signed_in(client)


def test_whoever_signs_in_rightly_is_never_slowed(client: Client) -> None:
    a_user("ann")
    for _ in range(70):
        client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert is_signed_in(client)
    assert {round(left) for left in Allowance.objects.values_list("left", flat=True)} == {8, 60}


def test_tries_come_back_one_by_one(client: Client) -> None:
    a_user("ann")
    for _ in range(8):
        client.post("/login/", {"username": "ann", "password": "wrong"})
    slowed = client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert "Too many tries. Wait a minute, or use a one-time link." in slowed.text
    Allowance.objects.update(counted_at=timezone.now() - timedelta(seconds=40))
    client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert is_signed_in(client)


def test_guessing_somewhere_else_does_not_lock_the_account(client: Client) -> None:
    a_user("ann")
    for _ in range(8):
        client.post("/login/", {"username": "ann", "password": "wrong"}, REMOTE_ADDR="203.0.113.9")
    client.post("/login/", {"username": "ann", "password": "correct horse"})
    assert is_signed_in(client)


def test_behind_a_trusted_proxy_each_client_has_tries_of_its_own(client: Client, settings: Any) -> None:
    settings.PROXIES = Proxies((ip_network("127.0.0.1"),))
    a_user("ann")
    for n in range(8):  # only the last entry is the proxy's; what stands before it is anybody's
        forwarded = {"X-Forwarded-For": f"192.0.2.{n}, 203.0.113.9"}
        client.post("/login/", {"username": "ann", "password": "wrong"}, headers=forwarded)
    right = {"username": "ann", "password": "correct horse"}
    assert "Too many tries" in client.post("/login/", right, headers={"X-Forwarded-For": "203.0.113.9"}).text
    client.post("/login/", right, headers={"X-Forwarded-For": "198.51.100.7"})
    assert is_signed_in(client)


def test_without_a_trusted_proxy_its_header_is_not_believed(client: Client) -> None:
    a_user("ann")
    for n in range(8):
        forwarded = {"X-Forwarded-For": f"203.0.113.{n}"}
        client.post("/login/", {"username": "ann", "password": "wrong"}, headers=forwarded)
    right = {"username": "ann", "password": "correct horse"}
    assert "Too many tries" in client.post("/login/", right, headers={"X-Forwarded-For": "198.51.100.7"}).text


@pytest.mark.parametrize("evil", ["//evil.example", "/\\evil.example", "https:///evil.example", "javascript:alert(1)"])
def test_next_never_leads_to_another_host(client: Client, evil: str) -> None:
    a_user("ann")
    response = client.post("/login/?next=" + evil, {"username": "ann", "password": "correct horse", "next": evil})
    assert response.headers["Location"] == "/"


def test_next_leads_back_to_the_page_that_was_asked_for(client: Client) -> None:
    a_user("ann")
    asked = client.get("/projects/new/")
    assert asked.headers["Location"] == "/login/?next=/projects/new/"
    answer = client.post("/login/", {"username": "ann", "password": "correct horse", "next": "/projects/new/"})
    assert answer.headers["Location"] == "/projects/new/"


def test_signing_out_is_a_post(client: Client) -> None:
    client.force_login(a_user())
    assert client.get("/logout/").status_code == 405
    assert is_signed_in(client)
    client.post("/logout/")
    assert not is_signed_in(client)


def test_opening_a_link_changes_nothing(client: Client) -> None:
    path = make_link_path(a_user())
    assert client.get(path).status_code == 200
    assert client.get(path).status_code == 200
    assert not is_signed_in(client)


def test_a_link_signs_in_once(client: Client) -> None:
    path = make_link_path(a_user())
    assert client.post(path).headers["Location"] == "/"
    assert is_signed_in(client)
    second = Client()
    assert second.post(path).status_code == 410
    assert second.get(path).status_code == 410
    assert not is_signed_in(second)


def test_a_link_works_once_even_within_the_second_of_another_sign_in() -> None:
    user = a_user()
    with time_machine.travel("2026-03-02T09:00:00.100Z", tick=True):
        Client().force_login(user)
        path = make_link_path(User.objects.get(pk=user.pk))
        assert Client().post(path).status_code == 302
        assert Client().post(path).status_code == 410


def test_a_link_is_good_for_an_hour() -> None:
    path = make_link_path(a_user())
    now = timezone.now()
    with time_machine.travel(now + timedelta(minutes=59), tick=False):
        assert Client().get(path).status_code == 200
    with time_machine.travel(now + timedelta(minutes=61), tick=False):
        assert Client().post(path).status_code == 410


@pytest.mark.parametrize("uid", ["MQ", "!!", "x" * 200, "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_an_invented_link_is_refused(client: Client, uid: str) -> None:
    assert client.post(f"/login/link/{uid}/abc-0123456789/").status_code == 410


def test_a_link_of_an_inactive_user_is_refused(client: Client) -> None:
    user = a_user()
    path = make_link_path(user)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.post(path).status_code == 410


def test_a_link_is_of_one_user_only(client: Client) -> None:
    ann, bob = a_user(), a_user()
    uid = make_link_path(bob).split("/")[3]
    token = make_link_path(ann).split("/")[4]
    assert client.post(f"/login/link/{uid}/{token}/").status_code == 410


def test_a_link_never_stays_in_a_cache(client: Client) -> None:
    assert "no-store" in client.get(make_link_path(a_user())).headers["Cache-Control"]


def test_the_command_prints_a_link_that_works(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("create_user", "ann")
    printed = capsys.readouterr().out.strip()
    assert printed.startswith("http://127.0.0.1:8000/login/link/")
    client.post(printed.removeprefix("http://127.0.0.1:8000"))
    assert is_signed_in(client)
    call_command("login_link")
    assert "/login/link/" in capsys.readouterr().out


def test_the_command_asks_which_user_when_there_are_several() -> None:
    with pytest.raises(CommandError, match="create_user"):
        call_command("login_link")
    a_user(), a_user()
    with pytest.raises(CommandError, match="say which"):
        call_command("login_link")
    with pytest.raises(CommandError, match="no active user named nobody"):
        call_command("login_link", "nobody")


def test_a_new_user_may_own_projects() -> None:
    click, more = a_project("click"), a_project("more")
    call_command("create_user", "ann", "--owner", "click", stdout=None)
    assert set(Membership.objects.values_list("project", "role")) == {(click.pk, "owner")}
    call_command("create_user", "ann", "--owner", "--exist-ok", stdout=None)
    assert set(Membership.objects.values_list("project", "role")) == {(click.pk, "owner"), (more.pk, "owner")}


def test_a_user_is_made_whole_or_not_at_all() -> None:
    with pytest.raises(CommandError, match="no project nowhere"):
        call_command("create_user", "ann", "--owner", "nowhere", stdout=None)
    with pytest.raises(CommandError, match="Enter a valid username"):
        call_command("create_user", "an n!", stdout=None)
    assert not User.objects.exists()
    a_user("bob")
    with pytest.raises(CommandError, match="already a user"):
        call_command("create_user", "bob", stdout=None)

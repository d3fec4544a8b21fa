"""Who may read what through the API: every address × every way of asking."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern
from django.utils import timezone

from health.models import Project, UploadToken
from health.models.projects import make_token_text
from tests.addresses import World, a_world, api_patterns
from tests.builders import a_token, an_upload

PAGES = [pytest.param(pattern, id=str(pattern.name)) for pattern in api_patterns()]
CALLERS = {
    "nobody": 401,
    "a wrong token": 401,
    "no token at all": 401,
    "a token that may send": 403,
    "a revoked token": 401,
    "an expired token": 401,
    "a token of another project": 404,
    "a stranger": 404,
    "a viewer": 200,
    "a maintainer": 200,
    "an owner": 200,
    "a token that may read": 200,
    "a token that may do both": 200,
}


@pytest.fixture
def world() -> World:
    return a_world()


def ask(world: World, caller: str, url: str, **headers: str) -> Any:
    """The answer to this caller."""
    client, token = Client(), ""
    other = Project.objects.get(slug="click-2")
    past = timezone.now() - timedelta(minutes=1)
    made = {
        "a wrong token": make_token_text,
        "no token at all": lambda: "sw_up_short",
        "a token that may send": lambda: a_token(world.project),
        "an expired token": lambda: a_token(world.project, scopes=["read"], expires_at=past),
        "a token of another project": lambda: a_token(other, scopes=["read"]),
        "a token that may read": lambda: a_token(world.project, scopes=["read"]),
        "a token that may do both": lambda: a_token(world.project, scopes=["read", "upload"]),
    }
    if caller == "a revoked token":
        row, token = UploadToken.issue(world.project, name="old", scopes=["read"])
        UploadToken.objects.filter(pk=row.pk).update(revoked_at=past)
    elif caller in made:
        token = made[caller]()
    elif caller != "nobody":
        client.force_login(User.objects.get(username=caller.rpartition(" ")[2]))
    if token:
        headers["authorization"] = f"Bearer {token}"
    return client.get(url, headers=headers)


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", PAGES)
def test_every_address_answers_whom_it_should(world: World, pattern: URLPattern) -> None:
    url = world.url(pattern, of="api")
    found = {caller: ask(world, caller, url).status_code for caller in CALLERS}
    assert found == CALLERS


@pytest.mark.django_db
@pytest.mark.parametrize("caller", CALLERS)
def test_a_refusal_has_the_one_shape_of_errors(world: World, caller: str) -> None:
    response = ask(world, caller, "/api/v1/projects/click/overview")
    if response.status_code == 200:
        assert response.headers["Cache-Control"] == "private, no-cache"
        return
    error = response.json()["error"]
    codes = {401: {"token_missing", "token_malformed", "token_invalid"}, 403: {"scope_missing"}, 404: {"not_found"}}
    assert error["code"] in codes[response.status_code]
    assert error["docs"].endswith(f"/api/v1/errors#{error['code']}")
    assert {"message", "hint", "request_id"} <= error.keys()
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if response.status_code == 401 else None)


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", PAGES)
def test_nothing_of_another_project_is_told(world: World, pattern: URLPattern) -> None:
    for slug in ("nowhere", "click-2"):
        url = world.url(pattern, of="api").replace("/projects/click/", f"/projects/{slug}/")
        for caller in ("an owner", "a token that may read"):
            assert ask(world, caller, url).status_code == 404


@pytest.mark.django_db
def test_a_token_is_believed_before_the_session(world: World) -> None:
    """Who sends a token speaks for that token, whoever is signed in in the same browser."""
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    sender = {"authorization": f"Bearer {a_token(world.project)}"}
    assert client.get("/api/v1/projects/click/overview", headers=sender).status_code == 403


@pytest.mark.django_db
def test_a_token_in_the_address_is_refused_even_beside_a_good_one(world: World) -> None:
    token = a_token(world.project, scopes=["read"])
    response = Client().get(f"/api/v1/projects?token={token}", headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "token_in_url")


@pytest.mark.django_db
def test_a_token_that_may_read_cannot_send(world: World) -> None:
    headers = {"authorization": f"Bearer {a_token(world.project, scopes=['read'])}"}
    response = Client().put("/api/v1/uploads", b"<testsuite/>", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "scope_missing")


@pytest.mark.django_db
def test_guessing_is_slowed_here_as_at_the_door_and_in_one_count(world: World, settings: Any) -> None:
    settings.WRONG_TOKENS_PER_MINUTE = 2
    wrong = {"authorization": f"Bearer {make_token_text()}"}
    assert Client().get("/api/v1/projects", headers=wrong).status_code == 401
    assert Client().put("/api/v1/uploads", b"<a/>", headers=wrong).status_code == 401
    held = Client().get("/api/v1/projects", headers=wrong)
    assert (held.status_code, held.json()["error"]["code"]) == (429, "rate_limited")
    assert held.headers["Retry-After"]
    assert ask(world, "a token that may read", "/api/v1/projects").status_code == 200


@pytest.mark.django_db
def test_over_https_nobody_is_heard_in_the_clear(world: World, settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    response = ask(world, "a token that may read", "/api/v1/projects")
    assert (response.status_code, response.json()["error"]["code"]) == (403, "https_required")


@pytest.mark.django_db
def test_a_list_of_projects_is_the_callers_own(world: World) -> None:
    def slugs(caller: str) -> list[str]:
        return [line["slug"] for line in ask(world, caller, "/api/v1/projects").json()["data"]]

    assert slugs("an owner") == slugs("a token that may read") == ["click"]
    assert slugs("a stranger") == ["click-2"]
    assert slugs("a newcomer") == []
    assert [ask(world, caller, "/api/v1/projects").status_code for caller in ("nobody", "a token that may send")] == [
        401,
        403,
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["post", "put", "delete", "patch"])
@pytest.mark.parametrize("pattern", PAGES)
def test_nothing_is_ever_changed(world: World, pattern: URLPattern, method: str) -> None:
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    response = getattr(client, method)(world.url(pattern, of="api"))
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.django_db
def test_what_looks_like_a_secret_is_only_for_owners_in_a_browser(world: World) -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"
    upload = an_upload(world.project, {"tests.a::two": "fail"}, text=f"key {secret} refused", run_id="leak")
    url = f"/api/v1/projects/click/runs/{upload.run}"
    assert secret in ask(world, "an owner", url).text
    for caller in ("a viewer", "a token that may read"):
        assert secret not in ask(world, caller, url).text

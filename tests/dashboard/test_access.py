"""Who may open what: every address of the pages × every role, from the URL patterns themselves.

A new address without a row here fails. `-` in a row means that the method is not allowed.
"""

import re
import uuid
from collections.abc import Iterable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, path

from health.models import Membership, Project, UploadToken
from tests.addresses import World, a_world, page_patterns

ROLES = ("anonymous", "stranger", "viewer", "maintainer", "owner")

# What each role gets, in the order of ROLES; 302 of the anonymous is the way to the login page.
EVERYBODY_SIGNED_IN = (302, 200, 200, 200, 200)
MEMBERS = (302, 404, 200, 200, 200)
MAINTAINERS = (302, 404, 404, 200, 200)
MAINTAINERS_ACT = (302, 404, 404, 302, 302)
OWNERS_ACT = (302, 404, 404, 404, 302)
MEMBERS_SENT = (302, 404, 302, 302, 302)  # the address of a change, opened: on to the settings

# name → (what GET answers, what POST answers); None: not allowed, 405 for whoever gets so far.
ROWS: dict[str, tuple[tuple[int, ...] | None, tuple[int, ...] | None]] = {
    "projects": (EVERYBODY_SIGNED_IN, None),
    "project-create": (EVERYBODY_SIGNED_IN, (302, 302, 302, 302, 302)),
    "login": ((200,) * 5, (200,) * 5),
    "login-link": ((410,) * 5, (410,) * 5),
    "logout": (None, (302,) * 5),
    "start": (MAINTAINERS, None),
    "start-token": (MAINTAINERS_ACT, MAINTAINERS_ACT),
    "start-progress": (MAINTAINERS_ACT, None),  # a panel, opened directly: on to its page
    "settings": (MEMBERS, None),
    "settings-project": (MEMBERS_SENT, OWNERS_ACT),
    "settings-delete": (MEMBERS_SENT, OWNERS_ACT),
    "settings-token-issue": (MEMBERS_SENT, MAINTAINERS_ACT),
    "settings-token-revoke": (MEMBERS_SENT, MAINTAINERS_ACT),
    "settings-member-add": (MEMBERS_SENT, OWNERS_ACT),
    "settings-member-change": (MEMBERS_SENT, OWNERS_ACT),
    # PAGES
    "overview": (MEMBERS, None),
    "matrix": (MEMBERS, None),
    "trends": (MEMBERS, None),
    "runs": (MEMBERS, None),
    "run": (MEMBERS, None),
    "compare": (MEMBERS, None),
    "search": (MEMBERS, None),
    "coverage": (MEMBERS, None),
    "coverage-file": (MEMBERS, None),
    "case": (MEMBERS, None),
    "case-fixed": (MEMBERS_SENT, MAINTAINERS_ACT),
    "case-fixed-withdraw": (MEMBERS_SENT, MAINTAINERS_ACT),
    "flaky": (MEMBERS, None),
    "vanished": (MEMBERS, None),
    "deferred": (MEMBERS, None),
    "slow": (MEMBERS, None),
    "causes": (MEMBERS, None),
    "cause": (MEMBERS, None),
    **dict.fromkeys(
        (f"cause-{act}" for act in ("merge", "unmerge", "split", "join", "category", "claim", "withdraw")),
        (MEMBERS_SENT, MAINTAINERS_ACT),
    ),
    "deferral": (MEMBERS, None),
    "deferral-add": (MAINTAINERS, MAINTAINERS_ACT),
    **dict.fromkeys(
        (f"deferral-{act}" for act in ("edit", "reset", "release", "accept", "accept-gone")),
        (MEMBERS_SENT, MAINTAINERS_ACT),
    ),
    "renames": (MEMBERS, None),
    "renames-merge": (MEMBERS_SENT, MAINTAINERS_ACT),
    "renames-undo": (MEMBERS_SENT, MAINTAINERS_ACT),
    "renames-dismiss": (MEMBERS_SENT, MAINTAINERS_ACT),
    "uploads": (MEMBERS, None),
    "uploads-retry": (MAINTAINERS_ACT, MAINTAINERS_ACT),
    "upload": (MEMBERS, None),
    "upload-again": (MAINTAINERS_ACT, MAINTAINERS_ACT),
}
FORMS: dict[str, dict[str, str]] = {
    "project-create": {"name": "another"},
    "settings-project": {"name": "click", "time_zone": "UTC"},
    "settings-delete": {"name": "click"},
    "settings-token-issue": {"name": "ci"},
    "settings-member-add": {"username": "newcomer", "role": "viewer"},
    "settings-member-change": {"role": "viewer"},
    "deferral-add": {"pattern": "tests/unit/**"},
    "deferral-release": {"version": "1"},
}


def list_missing(patterns: Iterable[URLPattern], rows: Iterable[str]) -> set[str]:
    """The addresses nobody thought about."""
    return {str(pattern.name) for pattern in patterns} - set(rows)


PAGES = [pytest.param(pattern, id=str(pattern.name)) for pattern in page_patterns()]


@pytest.fixture
def world() -> World:
    return a_world()


def sign_in(client: Client, role: str) -> Client:
    if role != "anonymous":
        client.force_login(User.objects.get(username=role))
    return client


def expect(row: tuple[int, ...] | None, role: str) -> set[int]:
    return {row[ROLES.index(role)]} if row else {405, 302, 404}


def test_every_address_has_a_row_and_every_row_that_is_no_promise_an_address() -> None:
    assert list_missing(page_patterns(), ROWS) == set()


def test_an_address_without_a_row_is_found() -> None:
    planted = path("secret/", lambda request: None, name="planted")  # type: ignore[arg-type,return-value]
    assert list_missing([*page_patterns(), planted], ROWS) == {"planted"}


KNOWN = {"dashboard.urls", "ingest.urls", "dashboard.api.urls"}  # the last: test_api_access.py


def test_there_are_no_addresses_beside_the_pages_the_door_and_the_probes() -> None:
    named = {
        str(entry.pattern)
        for entry in get_resolver().url_patterns
        if not (isinstance(entry, URLResolver) and entry.urlconf_name.__name__ in KNOWN)
    }
    assert named <= {"healthz", "readyz", "csp-report"}


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("pattern", PAGES)
def test_get(client: Client, world: World, pattern: URLPattern, role: str) -> None:
    row, _ = ROWS[str(pattern.name)]
    response = sign_in(client, role).get(world.url(pattern))
    assert response.status_code in expect(row, role)
    if row and row[0] == 302 and role == "anonymous":
        assert response.headers["Location"].startswith("/login/?next=")


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", PAGES)
def test_a_head_is_answered_as_a_get(client: Client, world: World, pattern: URLPattern) -> None:
    url = world.url(pattern)
    sign_in(client, "owner")
    assert client.head(url).status_code == client.get(url).status_code


@pytest.mark.django_db
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("pattern", PAGES)
def test_post(client: Client, world: World, pattern: URLPattern, role: str) -> None:
    _, row = ROWS[str(pattern.name)]
    form = FORMS.get(str(pattern.name), {})
    response = sign_in(client, role).post(world.url(pattern), form)
    assert response.status_code in expect(row, role)


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", PAGES)
def test_a_post_without_its_token_changes_nothing(world: World, pattern: URLPattern) -> None:
    client = sign_in(Client(enforce_csrf_checks=True), "owner")
    form = FORMS.get(str(pattern.name), {})
    assert client.post(world.url(pattern), form).status_code in ({403} if ROWS[str(pattern.name)][1] else {403, 405})


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", PAGES)
def test_get_changes_nothing(client: Client, world: World, pattern: URLPattern) -> None:
    before = (Project.objects.count(), Membership.objects.count(), UploadToken.objects.count())
    sign_in(client, "owner").get(world.url(pattern))
    assert (Project.objects.count(), Membership.objects.count(), UploadToken.objects.count()) == before


@pytest.mark.django_db
@pytest.mark.parametrize("pattern", [page for page in PAGES if "slug" in page.values[0].pattern.converters])
def test_an_address_of_nothing_is_not_found(client: Client, world: World, pattern: URLPattern) -> None:
    """Objects of the other project, and objects that do not exist, under the project's own address."""
    url = world.url(pattern).replace("/p/click/", "/p/nowhere/")
    assert sign_in(client, "owner").get(url).status_code in {404, 405}
    assert client.post(url).status_code in {404, 405}


@pytest.mark.django_db
def test_objects_of_another_project_are_not_found_under_ones_own(client: Client, world: World) -> None:
    foreign = Project.objects.get(slug="click-2")
    token, _ = UploadToken.issue(foreign, name="theirs")
    member = Membership.objects.get(project=foreign)
    sign_in(client, "owner")
    assert client.post(f"/p/click/settings/tokens/{token.pk}/").status_code == 404
    assert client.post(f"/p/click/settings/members/{member.pk}/", {"role": "viewer"}).status_code == 404
    token.refresh_from_db()
    member.refresh_from_db()
    assert token.revoked_at is None
    assert member.role == "owner"


CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src-elem": "'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='",
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "object-src": "'none'",
    "report-uri": "/csp-report",
}


def read_policy(header: str) -> dict[str, str]:
    return dict(part.strip().split(" ", 1) for part in header.split(";") if part.strip())


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["anonymous", "owner"])
@pytest.mark.parametrize("pattern", PAGES)
def test_every_page_carries_the_policy(client: Client, world: World, pattern: URLPattern, role: str) -> None:
    response = sign_in(client, role).get(world.url(pattern))
    assert read_policy(response.headers["Content-Security-Policy"]) == CSP
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.django_db
def test_error_pages_carry_the_policy(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = sign_in(client, "owner").get("/p/nowhere/settings/")
    stale = sign_in(Client(enforce_csrf_checks=True), "owner").post("/logout/")

    def fail(user: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("dashboard.queries.projects.read_lines", fail)
    client.raise_request_exception = False
    broken = client.get("/")
    assert [answer.status_code for answer in (missing, stale, broken)] == [404, 403, 500]
    for answer in (missing, stale, broken):
        assert read_policy(answer.headers["Content-Security-Policy"]) == CSP
        assert '<link rel="stylesheet"' in answer.text
        assert "planted" not in answer.text
        assert not re.search(r"Traceback|Django|SELECT", answer.text)


@pytest.mark.django_db
def test_an_unknown_upload_is_not_found(client: Client, world: World) -> None:
    assert sign_in(client, "owner").get(f"/p/click/uploads/{uuid.uuid4()}/").status_code == 404

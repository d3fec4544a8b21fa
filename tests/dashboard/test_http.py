"""What every page's view relies on: roles, panels, conditional answers, secrets shown once."""

import os
from pathlib import Path

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path, reverse

from dashboard import http
from dashboard.urls import urlpatterns as pages
from health.models import Membership, Project
from tests.builders import a_project, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

HTMX = {"HX-Request": "true"}
built: list[str] = []


@http.require_login
def conditional(request: http.HtmxRequest, slug: str) -> HttpResponse:
    project = http.get_project_or_404(request, slug)

    def build() -> HttpResponse:
        built.append(slug)
        return http.render_page(request, "base.html", project=project)

    return http.answer_conditionally(request, project=project, build=build, also=request.headers.get("X-Also", ""))


@http.require_login
def maintained(request: http.HtmxRequest, slug: str) -> HttpResponse:
    http.get_project_or_404(request, slug, role=http.Role.MAINTAINER)
    return HttpResponse("ok")


@http.require_login
def panel(request: http.HtmxRequest, slug: str) -> HttpResponse:
    project = http.get_project_or_404(request, slug)
    return http.render_panel(request, "components/_empty.html", page_url="/the/page/", project=project, sentence="Hi.")


def reveal(request: HttpRequest) -> HttpResponse:
    return http.reveal_once(HttpResponse(), "secret-text", path="/shown/")


def shown(request: HttpRequest) -> HttpResponse:
    return http.forget_revealed(request, HttpResponse(http.read_revealed(request)))


urlpatterns = [
    path("c/<slug:slug>/", conditional),
    path("m/<slug:slug>/", maintained),
    path("panel/<slug:slug>/", panel),
    path("reveal/", reveal),
    path("shown/", shown),
    path("elsewhere/", shown),
    path("", include((pages, "dashboard"))),
    path("", include("ingest.urls")),
    path("", include("dashboard.api.urls")),
]


@pytest.fixture
def project() -> Project:
    built.clear()
    return a_project("click", owner=a_user("ann"))


@pytest.fixture
def owner(client: Client, project: Project) -> Client:
    client.force_login(Membership.objects.get(project=project).user)
    return client


def test_strangers_are_sent_to_the_login_page_and_back(client: Client, project: Project) -> None:
    assert client.get("/c/click/?branch=x").headers["Location"] == "/login/?next=/c/click/%3Fbranch%3Dx"


def test_a_panel_sends_the_whole_page_to_the_login(client: Client, project: Project) -> None:
    response = client.get("/panel/click/", headers=HTMX | {"HX-Current-URL": "http://testserver/p/click/?a=b"})
    assert response.status_code == 200
    assert response.headers["HX-Redirect"] == "/login/?next=/p/click/%3Fa%3Db"
    foreign = client.get("/panel/click/", headers=HTMX | {"HX-Current-URL": "https://evil.example/p/"})
    assert foreign.headers["HX-Redirect"] == "/login/?next=/"


@pytest.mark.parametrize(("role", "status"), [("viewer", 404), ("maintainer", 200), ("owner", 200)])
def test_too_small_a_role_sees_nothing(client: Client, project: Project, role: str, status: int) -> None:
    user = a_user()
    Membership.objects.create(project=project, user=user, role=role)
    client.force_login(user)
    assert client.get("/m/click/").status_code == status
    assert client.get("/c/click/").status_code == 200


def test_a_member_of_another_project_sees_nothing(client: Client, project: Project) -> None:
    stranger = a_user()
    a_project("other", owner=stranger)
    client.force_login(stranger)
    assert client.get("/c/click/").status_code == 404


def test_an_unchanged_page_is_not_built_again(owner: Client) -> None:
    first = owner.get("/c/click/")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = owner.get("/c/click/", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert built == ["click"]


def test_an_unchanged_page_costs_three_queries(owner: Client, django_assert_num_queries: object) -> None:
    etag = owner.get("/c/click/").headers["ETag"]
    with django_assert_num_queries(3):  # type: ignore[operator]  # session, user, membership with its project
        owner.get("/c/click/", headers={"If-None-Match": etag})


@pytest.mark.parametrize("change", ["revision", "filter", "role", "login", "also", "look"])
def test_whatever_changes_the_page_changes_its_tag(
    owner: Client, project: Project, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = owner.get("/c/click/").headers["ETag"]
    url, headers = "/c/click/", {"If-None-Match": etag}
    if change == "revision":
        Project.objects.update(revision=1)
    elif change == "filter":
        url += "?branch=main"
    elif change == "role":
        Membership.objects.update(role="viewer")
    elif change == "also":
        headers["X-Also"] = "something beside the facts"
    elif change == "look":
        monkeypatch.setattr(http, "_LOOK_CHANGED_AT", 1)
    else:
        owner.logout()
        owner.force_login(Membership.objects.get().user)
    assert owner.get(url, headers=headers).status_code == 200


def test_a_changed_template_or_static_file_is_a_changed_look(tmp_path: Path) -> None:
    templates, manifest = tmp_path / "templates", tmp_path / "staticfiles.json"
    assert http.find_newest(templates, manifest) == 0
    page = templates / "dashboard" / "page.html"
    page.parent.mkdir(parents=True)
    page.touch()
    for number, changed in enumerate((templates, page.parent, page), start=1):
        os.utime(changed, ns=(number, number))
    assert http.find_newest(templates, manifest) == 3
    manifest.touch()
    os.utime(manifest, ns=(4, 4))
    assert http.find_newest(templates, manifest) == 4


def test_what_an_action_said_is_shown_whatever_the_browser_holds(owner: Client) -> None:
    etag = owner.get("/c/click/").headers["ETag"]
    owner.post(reverse("dashboard:settings-project", kwargs={"slug": "click"}), {"name": "", "time_zone": "UTC"})
    owner.post(reverse("dashboard:settings-delete", kwargs={"slug": "click"}), {"name": "wrong"})
    response = owner.get("/c/click/", headers={"If-None-Match": etag})
    assert "To delete the project, type its name" in response.text
    assert "type its name" not in owner.get("/c/click/").text


@pytest.mark.parametrize("url", ["/", "/projects/new/", "/p/click/settings/", "/p/click/start/", "/p/click/"])
def test_every_page_is_for_one_person_only(owner: Client, url: str) -> None:
    page = owner.get(url)
    assert (page.status_code, page.headers["Cache-Control"]) == (200, "private, no-cache")


def test_so_is_one_that_says_what_an_action_did(owner: Client) -> None:
    owner.post(reverse("dashboard:settings-delete", kwargs={"slug": "click"}), {"name": "wrong"})
    page = owner.get("/p/click/uploads/?format=csv")
    assert "ETag" not in page.headers
    assert page.headers["Cache-Control"] == "private, no-cache"


def test_a_panel_opened_directly_leads_to_its_page(owner: Client) -> None:
    assert owner.get("/panel/click/").headers["Location"] == "/the/page/"
    fragment = owner.get("/panel/click/", headers=HTMX)
    assert fragment.text.strip() == '<div class="empty"><p>Hi.</p></div>'
    assert fragment.headers["Cache-Control"] == "no-store"


def test_a_secret_is_shown_once_and_only_where_it_belongs(client: Client) -> None:
    client.get("/reveal/")
    cookie = client.cookies["sw_shown_once"]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/shown/", True, "Strict")
    assert client.get("/elsewhere/").text == ""
    client.get("/reveal/")
    response = client.get("/shown/")
    assert response.text == "secret-text"
    assert response.headers["Cache-Control"] == "no-store"
    assert client.get("/shown/").text == ""


def test_a_forged_secret_is_not_shown() -> None:
    request = RequestFactory().get("/shown/")
    request.COOKIES["sw_shown_once"] = "evil:sig"
    assert http.read_revealed(request) == ""

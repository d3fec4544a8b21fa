"""The list of projects as a page, and making a project."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Membership, Project, UploadToken
from health.models.projects import is_well_formed_token
from tests.builders import a_project, a_user, an_upload

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def owned(client: Client, slug: str) -> Project:
    return a_project(slug, owner=User.objects.get(pk=client.session["_auth_user_id"]))


def test_an_empty_page_says_what_to_do(ann: Client) -> None:
    page = ann.get("/").text
    assert "No project yet. Add the first one, and send it a report." in page
    assert 'href="/projects/new/"' in page


def test_a_line_leads_to_its_project_and_has_its_numbers(ann: Client) -> None:
    an_upload(owned(ann, "click"), {"tests.a::one": "pass", "tests.a::two": "fail", "tests.a::three": "skip"})
    page = ann.get("/").text
    assert "1 of 2 tests fails on main." in page
    assert ">1 of 2</td>" in page
    assert ">2 of 3</td>" in page
    assert 'aria-label="1 run, 1 red"' in page
    assert "2026</time>" in page


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", ["failing", "calm", "empty"]),
        ("?sort=name", ["calm", "empty", "failing"]),
        ("?sort=last", ["failing", "calm", "empty"]),
        ("?show=attention", ["failing", "empty"]),
        ("?show=runs&sort=name", ["calm", "failing"]),
        ("?show=nonsense&sort=<script>", ["failing", "calm", "empty"]),
    ],
)
def test_choices_are_in_the_address(ann: Client, query: str, names: list[str]) -> None:
    an_upload(owned(ann, "calm"), {"tests.a::one": "pass"})
    owned(ann, "empty")
    an_upload(owned(ann, "failing"), {"tests.a::one": "fail"})
    page = ann.get("/" + query).text
    found = sorted((page.index(f'<a class="b" href="/p/{name}/'), name) for name in names)
    assert [name for _, name in found] == names
    assert page.count('<a class="b"') == len(names)


@pytest.mark.parametrize("n_projects", [1, 20])
def test_the_page_costs_eight_queries(
    ann: Client, django_assert_num_queries: Callable[[int], Any], n_projects: int
) -> None:
    for k in range(n_projects):
        an_upload(owned(ann, f"p{k}"), {"tests.a::one": "pass"})
    # session, user, projects, runs, jobs, silence, put off, flaky; refusals only of projects without a run
    with django_assert_num_queries(8):
        ann.get("/")


def test_a_new_project_asks_for_a_name_only(ann: Client) -> None:
    response = ann.post("/projects/new/", {"name": "pallets/click"})
    project = Project.objects.get()
    assert (project.name, project.slug, project.time_zone) == ("pallets/click", "palletsclick", "UTC")
    assert response.headers["Location"] == "/p/palletsclick/start/"
    assert Membership.objects.get().role == "owner"


def test_its_first_token_is_shown_once_and_kept_nowhere(ann: Client) -> None:
    ann.post("/projects/new/", {"name": "click"})
    token = UploadToken.objects.get()
    first = ann.get("/p/click/start/")
    shown = first.text.split('id="token" tabindex="0">')[1].split("<")[0]
    assert is_well_formed_token(shown)
    assert shown.endswith(token.last_four)
    assert first.headers["Cache-Control"] == "no-store"
    assert shown not in ann.get("/p/click/start/").text
    assert shown not in str(UploadToken.objects.values())
    assert shown not in str(dict(ann.session))


def test_names_may_repeat_addresses_do_not(ann: Client) -> None:
    for _ in range(3):
        ann.post("/projects/new/", {"name": "Click"})
    ann.post("/projects/new/", {"name": "日本語"})
    assert list(Project.objects.order_by("pk").values_list("slug", flat=True)) == [
        "click",
        "click-2",
        "click-3",
        "project",
    ]


@pytest.mark.parametrize("name", ["", "   ", "x" * 121])
def test_a_name_that_cannot_be_used_is_refused_beside_its_field(ann: Client, name: str) -> None:
    page = ann.post("/projects/new/", {"name": name}).text
    assert 'aria-invalid="true"' in page
    assert 'id="id_name_error"' in page
    assert not Project.objects.exists()


def test_no_other_field_is_taken_from_the_form(ann: Client) -> None:
    ann.post("/projects/new/", {"name": "click", "slug": "chosen", "revision": "99", "is_sample": "on"})
    assert list(Project.objects.values_list("slug", "revision", "is_sample")) == [("click", 0, False)]


def test_a_name_that_is_taken_between_look_and_write_gets_the_next_number(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(a_user())
    a_project("click")
    found = iter(["click", "click", "click-2"])
    monkeypatch.setattr("dashboard.views.projects._find_free_slug", lambda _: next(found))
    response = client.post("/projects/new/", {"name": "click"})
    assert response.headers["Location"] == "/p/click-2/start/"
    assert Project.objects.filter(slug__startswith="click").count() == 2
    assert UploadToken.objects.count() == 1

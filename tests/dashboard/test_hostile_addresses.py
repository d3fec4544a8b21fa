"""An address that nobody can read is answered with 400, on every page and to everybody; forms that are odd, with what
is wrong in them.
"""

from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from health.judging import judge_project
from health.models import AuditEntry, Deferral, DeferralChange, Membership, Project
from tests.addresses import World, a_world, api_patterns, page_patterns
from tests.builders import a_project, a_token, a_user
from tests.deferral_scenes import a_backing, an_entry, some_runs

pytestmark = pytest.mark.django_db

TOO_MANY = "&".join(f"a{n}=x" for n in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
# What only leads to another page, or looks at nothing that is asked.
NOTHING_READ = {200, 302, 404, 405}


@pytest.fixture
def world() -> World:
    return a_world()


def visit(client: Client, world: World, *, accept: dict[str, str]) -> dict[str, int]:
    """The status of each address with more parameters than are read."""
    client.raise_request_exception = False
    found = {}
    for of, patterns in (("dashboard", page_patterns()), ("api", api_patterns())):
        for pattern in patterns:
            url = world.url(pattern, of=of)
            found[f"{of}:{pattern.name}"] = client.get(f"{url}?{TOO_MANY}", headers=accept).status_code
    return found


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_more_parameters_than_are_read_are_400_on_every_page(world: World, headers: dict[str, str]) -> None:
    client = Client()
    client.force_login(User.objects.get(username="owner"))
    found = visit(client, world, accept=headers)
    assert {name for name, status in found.items() if status not in NOTHING_READ} == {
        name for name, status in found.items() if status == 400
    }
    read = {"overview", "matrix", "flaky", "causes", "cause", "runs", "run", "case", "slow", "uploads", "search"}
    read |= {"deferred", "deferral", "deferral-add"}
    assert {f"dashboard:{name}" for name in read} <= {name for name, status in found.items() if status == 400}


def test_they_are_400_to_anybody(world: World) -> None:
    found = visit(Client(), world, accept={})
    assert {status for status in found.values() if status not in NOTHING_READ} <= {400, 401}
    client = Client(raise_request_exception=False)
    answer = client.get(f"/login/?{TOO_MANY}")
    assert answer.status_code == 400
    assert "This request makes no sense." in answer.text
    assert client.get(f"/login/?{TOO_MANY.rpartition('&')[0]}").status_code == 200


def test_every_other_address_that_is_wrong_is_answered_too() -> None:
    client = Client(raise_request_exception=False)
    for path in ("/nowhere/", "/p/nothing/", "/api/v1/docs", "/api/v1/openapi.json", "/healthz", "/api/v1/errors"):
        assert client.get(f"{path}?{TOO_MANY}").status_code in {200, 302, 400, 404}, path


# --- the register ----------------------------------------------------------------------------------------------------

GARBAGE = [
    "",
    "x",
    "\x00",
    "\x00\x1b\u202e",
    "-1",
    "1e9",
    "99999999999999999999",
    "NaN",
    "'; DROP TABLE health_deferral; --",
    "%s%(x)s{0}{{ 1 }}",
    "../../etc/passwd",
    "\\",
    "%",
    "_",
    "é" * 20_000,
]
FILTERS = ("state", "backing", "kind", "missing", "age", "owner", "suite", "phase", "search", "arrange", "before")


@pytest.fixture
def project() -> Project:
    project = a_project("click", owner=a_user("owner"))
    for role in ("viewer", "maintainer"):
        Membership.objects.create(project=project, user=a_user(role), role=role)
    some_runs(project)
    judge_project(project.pk)
    an_entry(project, backing=a_backing(project, named=["unit*"]), owner="@a", phase="one", kind="xfail", n_openings=2)
    return project


def sign_in(name: str, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    client.force_login(User.objects.get(username=name))
    return client


def find_entry(project: Project) -> Deferral:
    return Deferral.objects.get(project=project, kind="xfail")


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: ascii(value[:20]))
def test_a_filter_takes_anything(project: Project, value: str) -> None:
    client, headers = sign_in("viewer"), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    queries = [urlencode({name: value}) for name in FILTERS] + [urlencode(dict.fromkeys(FILTERS, value))]
    for query in queries:
        for path in ("/p/click/deferred/", f"/p/click/deferred/{find_entry(project).pk}/"):
            assert client.get(f"{path}?{query}").status_code == 200, (path, query[:80])
        assert client.get(f"/p/click/deferred/?{query}&format=csv").status_code == 200, query[:80]
        answer = Client().get(f"/api/v1/projects/click/deferred?{query}", headers=headers)
        assert answer.status_code == 200, query[:80]


@pytest.mark.parametrize("value", GARBAGE, ids=lambda value: ascii(value[:20]))
def test_a_format_a_table_and_a_case_that_are_none_are_not_there(project: Project, value: str) -> None:
    """Or they are not looked at: none of them is trouble."""
    client, headers = sign_in("maintainer"), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    told = urlencode({"format": value, "table": value})
    assert client.get(f"/p/click/deferred/?{told}").status_code in {200, 404}
    assert client.get(f"/p/click/deferred/{find_entry(project).pk}/?{told}").status_code in {200, 404}
    expected = {True: 200, False: 404}
    case = urlencode({"case": value, "pattern": value})
    assert client.get(f"/p/click/deferred/add/?{case}").status_code == expected[not value]
    export = Client().get(f"/api/v1/projects/click/deferred/export?{urlencode({'format': value})}", headers=headers)
    assert export.status_code == 404
    assert export.json()["error"]["code"] == "not_found"


TOO_LONG = {
    "reason": "x" * 4_001,
    "owner": "x" * 201,
    "review": "2026-12-01T00:00:00Z",
    "issue": "x" * 501,
    "precedent": "x" * 501,
    "phase": "x" * 201,
    "kind": "planned\x00or",
    "backing": "x" * 501,
    "code": "\n".join(["src/a.py"] * 51),
}
WRONG = TOO_LONG | {"review": "2026-02-30", "kind": "deleted", "backing": "\n".join(["a"] * 51), "reason": "é" * 20_000}


@pytest.mark.parametrize("form", [TOO_LONG, WRONG], ids=["too long", "wrong"])
@pytest.mark.parametrize("name", TOO_LONG)
def test_a_field_that_cannot_be_taken_comes_back_and_changes_nothing(
    project: Project, name: str, form: dict[str, str]
) -> None:
    client, entry = sign_in("maintainer"), find_entry(project)
    answer = client.post(f"/p/click/deferred/{entry.pk}/edit/", {"version": entry.version, name: form[name]})
    assert answer.status_code == 422
    assert 'aria-invalid="true"' in answer.text or name == "kind"
    answer = client.post("/p/click/deferred/add/", {"pattern": "tests/nowhere/**", name: form[name]})
    assert answer.status_code == 422
    assert not Deferral.objects.filter(project=project, pattern="tests/nowhere/**").exists()
    entry.refresh_from_db()
    assert (entry.version, entry.written) == (1, {})
    assert not AuditEntry.objects.filter(project=project).exists()


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "1e3", "٣", "²", "9" * 400, "1000001", "NaN"])
def test_a_number_of_tests_that_is_none_comes_back(project: Project, count: str) -> None:
    form = {"pattern": "tests/nowhere/**", "kind": "planned", "count": count}
    assert sign_in("maintainer").post("/p/click/deferred/add/", form).status_code == 422
    assert not Deferral.objects.filter(project=project, pattern="tests/nowhere/**").exists()


@pytest.mark.parametrize("pattern", ["", " ", "\x00", "Task #72", "a\nb", "x" * 501, "100 % coverage", "*" * 20_000])
def test_a_pattern_that_names_no_tests_comes_back(project: Project, pattern: str) -> None:
    n = Deferral.objects.filter(project=project).count()
    assert sign_in("maintainer").post("/p/click/deferred/add/", {"pattern": pattern}).status_code == 422
    assert Deferral.objects.filter(project=project).count() == n


VERSIONS = ["", "0", "-1", "2", "1.0", "99999999999999", "9" * 5_000, "x", "\x00", "٣", "true"]
ACTS = ("edit", "release", "accept", "accept-gone", "reset")


@pytest.mark.parametrize("version", [None, *VERSIONS], ids=lambda version: ascii((version or str(version))[:20]))
def test_a_version_that_is_none_changes_nothing(project: Project, version: str | None) -> None:
    client, entry = sign_in("maintainer"), find_entry(project)
    entry.written = {"owner": "ann"}
    entry.save()
    form = {} if version is None else {"version": version}
    for act in ACTS:
        sent = form | {"owner": "bob", "was-owner": "ann", "field": "owner"}
        answer = client.post(f"/p/click/deferred/{entry.pk}/{act}/", sent)
        assert answer.status_code == 409, act
    now = find_entry(project)
    assert (now.version, now.written, now.n_accepted, now.closed_at) == (1, {"owner": "ann"}, 1, None)
    assert not DeferralChange.objects.filter(deferral=entry).exclude(actor="").exists()


@pytest.mark.parametrize("field", ["", "version", "written", "__class__", "\x00", "owner\x00", "x" * 20_000])
def test_a_field_that_is_none_is_not_given_back(project: Project, field: str) -> None:
    entry = find_entry(project)
    sign_in("maintainer").post(f"/p/click/deferred/{entry.pk}/reset/", {"version": 1, "field": field})
    assert find_entry(project).version == 1


@pytest.mark.parametrize("number", ["0", "99999999", "2147483648", "9223372036854775807", "9" * 30])
def test_an_entry_of_no_number_is_not_there(project: Project, number: str) -> None:
    client, headers = sign_in("maintainer"), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    assert client.get(f"/p/click/deferred/{number}/").status_code == 404
    assert Client().get(f"/api/v1/projects/click/deferred/{number}", headers=headers).status_code == 404
    for act in ACTS:
        answer = client.post(f"/p/click/deferred/{number}/{act}/", {"version": 1, "owner": "bob"})
        assert answer.status_code == 404, act


def test_an_entry_of_another_project_is_not_there_and_stays_as_it_is(project: Project) -> None:
    """Not even for who maintains both."""
    other = a_project("other")
    some_runs(other)
    judge_project(other.pk)
    foreign = an_entry(other, kind="xfail", n_openings=2)
    Membership.objects.create(project=other, user=User.objects.get(username="maintainer"), role="maintainer")
    client, headers = sign_in("maintainer"), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    assert client.get(f"/p/click/deferred/{foreign.pk}/").status_code == 404
    assert Client().get(f"/api/v1/projects/click/deferred/{foreign.pk}", headers=headers).status_code == 404
    assert Client().get("/api/v1/projects/other/deferred", headers=headers).status_code == 404
    for act in ACTS:
        answer = client.post(f"/p/click/deferred/{foreign.pk}/{act}/", {"version": 1, "owner": "bob", "field": "owner"})
        assert answer.status_code == 404, act
    foreign.refresh_from_db()
    assert (foreign.version, foreign.written, foreign.n_accepted, foreign.closed_at) == (1, {}, 1, None)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_not_allowed(project: Project, method: str) -> None:
    client, entry = sign_in("maintainer"), find_entry(project)
    paths = ["", "add/", f"{entry.pk}/", *(f"{entry.pk}/{act}/" for act in ACTS)]
    assert {getattr(client, method)(f"/p/click/deferred/{path}").status_code for path in paths} == {405}
    assert client.post("/p/click/deferred/").status_code == 405
    assert client.post(f"/p/click/deferred/{entry.pk}/").status_code == 405


def test_the_address_of_an_act_opened_leads_to_the_entry_and_does_nothing(project: Project) -> None:
    """As with every change: who comes back from signing in lands somewhere."""
    client, entry = sign_in("maintainer"), find_entry(project)
    for act in ACTS:
        answer = client.get(f"/p/click/deferred/{entry.pk}/{act}/?version=1&owner=bob&field=owner")
        assert (answer.status_code, answer.headers["Location"]) == (302, f"/p/click/deferred/{entry.pk}/"), act
    assert find_entry(project).version == 1


def send_everything(client: Client, entry: Deferral) -> set[int]:
    """Every act and a new entry, as good as they can be sent."""
    form = {"version": entry.version, "owner": "bob", "was-owner": entry.owner, "field": "owner"}
    found = {client.post(f"/p/click/deferred/{entry.pk}/{act}/", form).status_code for act in ACTS}
    return found | {client.post("/p/click/deferred/add/", {"pattern": "tests/nowhere/**"}).status_code}


@pytest.mark.parametrize(("name", "status"), [("viewer", 404), ("stranger", 404), ("", 302), ("a token", 302)])
def test_who_may_not_changes_nothing(project: Project, name: str, status: int) -> None:
    entry, client = find_entry(project), Client()
    if name == "stranger":
        a_user("stranger")
    if name == "a token":
        client = Client(headers={"authorization": f"Bearer {a_token(project, scopes=['read', 'upload'])}"})
    elif name:
        client = sign_in(name)
    before = list(Deferral.objects.order_by("pk").values()), DeferralChange.objects.count()
    assert send_everything(client, entry) == {status}
    assert (list(Deferral.objects.order_by("pk").values()), DeferralChange.objects.count()) == before
    assert not AuditEntry.objects.filter(action__startswith="deferral.").exists()


def test_a_form_of_another_site_changes_nothing(project: Project) -> None:
    entry = find_entry(project)
    assert send_everything(sign_in("maintainer", enforce_csrf_checks=True), entry) == {403}
    assert find_entry(project).version == 1
    assert not AuditEntry.objects.filter(action__startswith="deferral.").exists()

"""An address that nobody can read is answered with 400, on every page and to everybody."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from tests.addresses import World, a_world, api_patterns, page_patterns

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

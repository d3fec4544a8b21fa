"""Every page has its operation, and everything in an answer is described."""

import inspect
from collections import Counter
from dataclasses import fields

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, path
from pydantic import BaseModel

from dashboard import filters
from dashboard.api.addresses import ADDRESSES, WITHOUT
from dashboard.api.answers import Facts
from dashboard.api.operations import API, find_operation
from dashboard.api.parameters import DESCRIPTIONS
from tests.addresses import World, a_world, page_patterns


def find_unread(world: World, client: Client, patterns: list[URLPattern]) -> set[str]:
    """Pages of a project (what a GET shows) whose figures no program can read, and no reason why."""
    known = {*ADDRESSES, *WITHOUT}
    asked = [pattern for pattern in patterns if "slug" in pattern.pattern.converters and pattern.name not in known]
    return {str(pattern.name) for pattern in asked if client.get(world.url(pattern)).status_code == 200}


@pytest.mark.django_db
def test_every_page_of_a_project_has_an_address_here_or_a_reason() -> None:
    world, client = a_world(), Client()
    client.force_login(User.objects.get(username="owner"))
    assert find_unread(world, client, page_patterns()) == set()


def test_what_has_no_address_exists_and_has_a_reason() -> None:
    names = {str(pattern.name) for pattern in page_patterns()}
    assert WITHOUT.keys() <= names
    assert ADDRESSES.keys() <= names
    assert not WITHOUT.keys() & ADDRESSES.keys()


@pytest.mark.django_db
def test_a_page_without_either_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    world, client = a_world(), Client()
    client.force_login(User.objects.get(username="owner"))
    monkeypatch.delitem(ADDRESSES, "flaky")
    assert find_unread(world, client, page_patterns()) == {"flaky"}


@pytest.mark.parametrize("name", ["projects", *ADDRESSES])
def test_each_address_has_its_operation(name: str) -> None:
    assert callable(find_operation(name))


def test_there_are_no_operations_without_an_address() -> None:
    patterns, *_ = API.urls
    names = [pattern.name for pattern in patterns if pattern.name != "api-root"]
    assert sorted(names) == sorted(["projects", *ADDRESSES])


def list_pieces(root: type[BaseModel] = Facts) -> list[type[BaseModel]]:
    return [found for one in root.__subclasses__() for found in (one, *list_pieces(one))]


def test_no_two_pieces_have_one_name() -> None:
    pieces = list_pieces()
    assert len(pieces) > 60
    counted = Counter(piece.__name__ for piece in pieces)
    assert [name for name, n in counted.items() if n > 1] == []  # one would silently stand for both in the document


def test_every_field_and_every_piece_is_described() -> None:
    for piece in list_pieces():
        assert inspect.getdoc(piece), piece
        for name, field in piece.model_fields.items():
            assert (field.description or "").endswith("."), f"{piece.__name__}.{name}"


def test_every_filter_is_described() -> None:
    spelled = {filters._SPELLED.get(field.name, field.name) for field in fields(filters.Filters)}
    assert set(DESCRIPTIONS) == spelled
    assert all(told.endswith(".") for told in DESCRIPTIONS.values())


def test_an_unknown_name_has_no_operation() -> None:
    with pytest.raises(KeyError):
        find_operation(str(path("x/", lambda request: None, name="planted").name))  # type: ignore[arg-type,return-value]

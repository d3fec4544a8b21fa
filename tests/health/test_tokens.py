"""A token from its text: what is refused, and in which words."""

import pytest

from health.models import Project, UploadToken
from health.rules import refusals
from health.tokens import find_token, refuse_in_address
from ingest.catalogue import ERRORS
from ingest.errors import HINTS
from tests.builders import a_project, a_token

HERE = "203.0.113.1"


def refused(authorization: str, scope: str = "read") -> str:
    with pytest.raises(refusals.RefusedError) as raised:
        find_token(authorization, scope=scope, sender=HERE)
    assert raised.value.hint
    return raised.value.code


def test_both_sides_say_the_same_of_a_code() -> None:
    assert refusals.HINTS.items() <= HINTS.items()
    assert refusals.HINTS.keys() <= ERRORS.keys()


@pytest.mark.django_db
def test_a_token_is_found_with_its_project() -> None:
    project = a_project("click")
    token = find_token(f"Bearer {a_token(project, scopes=['read'])}", scope="read", sender=HERE)
    assert (token.project, token.scopes) == (project, ["read"])
    token.refresh_from_db()
    assert token.last_used_at is not None


@pytest.mark.django_db
def test_what_is_no_token_or_none_of_ours_is_refused() -> None:
    project: Project = a_project()
    text = a_token(project, scopes=["read"])
    assert refused("") == "token_missing"
    assert refused(f"Basic {text}") == "token_malformed"
    assert refused(f"Bearer {text}x") == "token_malformed"
    assert refused(f"Bearer {text}", scope="upload") == "scope_missing"
    UploadToken.objects.get().delete()
    assert refused(f"Bearer {text}") == "token_invalid"


@pytest.mark.parametrize("query", ["token=sw_up_abc", "a=sw%5Fup_abc", "sw_up_"])
def test_a_token_in_an_address_is_refused(query: str) -> None:
    with pytest.raises(refusals.RefusedError) as raised:
        refuse_in_address(query)
    assert raised.value.code == "token_in_url"


def test_other_addresses_are_not_refused() -> None:
    refuse_in_address("branch=main&search=sw_up")

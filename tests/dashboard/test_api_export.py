"""The register as a list: in the document and the reference as it answers, and told to nobody else."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator

from dashboard.api.document import write_document
from dashboard.api.export import PATH
from dashboard.api.reference import read_reference
from dashboard.queries import entry_marks
from dashboard.queries.deferred_export import CONTENT_TYPES, FORMATS
from health.models import Deferral, Project
from tests.api_scenes import Reader, a_full_project, place_of
from tests.builders import a_project, a_token, a_user

ADDRESS = "https://suitewatch.example"
URL = "/api/v1/projects/full/deferred/export"


@pytest.fixture(scope="module")
def operation() -> dict[str, Any]:
    return dict(json.loads(json.dumps(write_document(ADDRESS)))["paths"][PATH]["get"])


def ask(project: Project, url: str, *scopes: str) -> Any:
    return Client().get(url, headers={"authorization": f"Bearer {a_token(project, scopes=list(scopes))}"})


def test_the_document_names_the_formats_there_are(operation: dict[str, Any]) -> None:
    offered = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
    assert offered["format"]["enum"] == list(FORMATS)
    told = set(operation["responses"]["200"]["content"])
    assert told == {kind.partition(";")[0] for kind in CONTENT_TYPES.values()}
    assert operation["responses"]["200"]["description"] == "The list."
    assert {"304", "401", "403", "404"} <= set(operation["responses"])
    assert operation["security"] == [{"token": []}, {"session": []}]


def test_other_answers_are_still_called_figures() -> None:
    document = write_document(ADDRESS)
    assert (
        document["paths"]["/api/v1/projects/{slug}/deferred"]["get"]["responses"]["200"]["description"]
        == "The figures."
    )


def test_the_reference_shows_what_is_in_a_list_and_how_to_fetch_one() -> None:
    chapters = read_reference(write_document(ADDRESS)).chapters
    (found,) = [one for chapter in chapters for one in chapter.operations if one.key == "deferred_export"]
    assert [line.name for line in found.fields] == ["project", "run", "tests", "left_out"]
    assert not found.is_framed
    assert found.parameters[1].choices == FORMATS
    assert found.curl.endswith(f"Bearer $SUITEWATCH_READ_TOKEN\" '{ADDRESS}/api/v1/projects/SLUG/deferred/export'") or (
        found.curl.endswith(f'Bearer $SUITEWATCH_READ_TOKEN" {ADDRESS}/api/v1/projects/SLUG/deferred/export')
    )


@pytest.mark.django_db
def test_a_list_in_json_is_as_the_document_says(operation: dict[str, Any]) -> None:
    project = a_full_project()
    answer = ask(project, f"{URL}?format=json", "read")
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    Draft202012Validator(schema).validate(answer.json())
    assert set(answer.json()) == set(schema["properties"])
    assert answer.json()["tests"]
    assert set(answer.json()["tests"][0]) == set(schema["properties"]["tests"]["items"]["properties"])


@pytest.mark.django_db
@pytest.mark.parametrize("form", FORMATS)
def test_each_format_comes_as_what_it_is(form: str) -> None:
    reader = Reader(a_full_project())
    for client, headers in ((reader.client, reader.headers), (reader.browser, {})):
        answer = client.get(f"{URL}?format={form}", headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, CONTENT_TYPES[form])
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.django_db
def test_a_token_that_may_send_is_told_what_it_lacks() -> None:
    project = a_full_project()
    for url in (URL, f"{URL}?format=json", "/api/v1/projects/full/deferred"):
        answer = ask(project, url, "upload")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
        assert answer.json()["error"]["message"] == "This token may not read."


@pytest.mark.django_db
def test_another_project_is_not_there() -> None:
    a_full_project()
    other = a_project("other", owner=a_user("stranger"))
    assert ask(other, URL, "read").status_code == 404
    client = Client()
    client.force_login(a_user("nobody"))
    assert client.get(URL).status_code == 404
    assert Client().get(URL).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["deferred", "deferral"])
def test_an_entry_that_grew_older_is_told_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No fact changes over night, and yet its age and what is overdue do."""
    reader = Reader(a_full_project())
    Deferral.objects.filter(project=reader.project).update(review_on="2026-01-05")
    url = f"/api/v1/projects/full/{place_of(reader.project, name)}"
    tag = reader.client.get(url, headers=reader.headers).headers["ETag"]
    seen = {"if-none-match": tag, **reader.headers}
    assert reader.client.get(url, headers=seen).status_code == 304
    today = entry_marks.find_today
    monkeypatch.setattr(
        "dashboard.api.door.find_today", lambda project, *, now: today(project, now=now) + timedelta(days=1)
    )
    assert reader.client.get(url, headers=seen).status_code == 200

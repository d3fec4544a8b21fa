"""The OpenAPI document: valid, whole, and what answers really look like."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from dashboard.api.addresses import ADDRESSES
from dashboard.api.document import write_document
from dashboard.api.sending import ENTRIES
from ingest.metadata import Metadata
from ingest.urls import urlpatterns as doors
from tests.api_scenes import Reader, a_full_project, place_of

ADDRESS = "https://suitewatch.example"
METHODS = ("get", "post", "put")


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return dict(json.loads(json.dumps(write_document(ADDRESS))))


def list_operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        assert set(item) <= set(METHODS), path
        for method, operation in item.items():
            yield path, method, operation


def list_refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from list_refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from list_refs(value)


def find(document: dict[str, Any], ref: str) -> Any:
    found: Any = document
    for step in ref.removeprefix("#/").split("/"):
        found = found[step]
    return found


def test_it_is_what_openapi_asks_for(document: dict[str, Any]) -> None:
    assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
    assert {"title", "version"} <= set(document["info"])
    assert document["servers"] == [{"url": ADDRESS}]
    assert set(document) <= {"openapi", "info", "servers", "tags", "paths", "components", "security"}
    tags = {tag["name"] for tag in document["tags"]}
    ids = []
    for path, _, operation in list_operations(document):
        assert path.startswith("/")
        ids.append(operation["operationId"])
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        assert operation["description"].endswith("."), path
        assert operation["responses"]
        for status, answer in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d", status)
            assert "$ref" in answer or answer["description"]
        in_path = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for parameter in operation.get("parameters", ()):
            assert parameter["in"] in {"path", "query", "header"}
            assert parameter["description"].endswith("."), (path, parameter)
            assert parameter["required"] is True or parameter["in"] != "path"
            Draft202012Validator.check_schema(parameter["schema"])
        for needed in operation["security"]:
            assert set(needed) <= set(document["components"]["securitySchemes"])
    assert len(ids) == len(set(ids))


def test_every_schema_is_one_and_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    refs = set(list_refs(document))
    assert len(refs) > 60
    assert all(find(document, ref) for ref in refs)


def test_no_schema_is_left_over(document: dict[str, Any]) -> None:
    used = {ref.rpartition("/")[2] for ref in list_refs(document) if "/schemas/" in ref}
    assert set(document["components"]["schemas"]) == used


def test_each_address_is_in_it(document: dict[str, Any]) -> None:
    named = {re.sub(r"<\w+:(\w+)>", r"{\1}", address) for address in ADDRESSES.values()}
    paths = {path.removeprefix("/api/v1/projects/{slug}/") for path in document["paths"]}
    assert named <= paths


def check(document: dict[str, Any], name: str, answer: Any) -> None:
    """Raise ValidationError unless the answer is what the document says."""
    path = "/api/v1/projects/{slug}/" + re.sub(r"<\w+:(\w+)>", r"{\1}", ADDRESSES[name])
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    Draft202012Validator({**content["schema"], "components": document["components"]}).validate(answer)


@pytest.mark.django_db
def test_answers_are_as_it_says(document: dict[str, Any]) -> None:
    reader = Reader(a_full_project())
    for name in ADDRESSES:
        check(document, name, reader.get(place_of(reader.project, name)))


@pytest.mark.django_db
def test_another_answer_would_be_noticed(document: dict[str, Any]) -> None:
    reader = Reader(a_full_project())
    answer = reader.get("flaky")
    answer["data"]["families"][0]["n_ran"] = "eight"
    with pytest.raises(ValidationError):
        check(document, "flaky", answer)


@pytest.mark.django_db
def test_errors_are_as_it_says(document: dict[str, Any]) -> None:
    schema = {**document["components"]["schemas"]["Error"]}
    Draft202012Validator(schema).validate(Client().get("/api/v1/projects").json())


# --- What ingest answers, written by hand ----------------------------------------------------------------------------


def address_of(pattern: URLPattern) -> str:
    return "/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))


def test_the_doors_addresses_are_those_of_the_door() -> None:
    assert set(ENTRIES) == {address_of(pattern) for pattern in doors}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ENTRIES)
def test_and_so_are_their_methods(path: str) -> None:
    url = path.replace("{public_id}", "00000000-0000-4000-8000-000000000000")
    refused = Client().delete(url)
    assert refused.status_code == 405
    allowed = {method.strip().lower() for method in refused.headers["Allow"].split(",")} - {"head"}
    assert set(ENTRIES[path]) == allowed


def test_the_fields_of_an_upload_are_those_that_are_read() -> None:
    form = ENTRIES["/api/v1/uploads"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    assert set(form) - {"file"} == {field.name for field in fields(Metadata)}


@pytest.mark.django_db
def test_the_open_ones_answer_without_a_token() -> None:
    for path, item in ENTRIES.items():
        for method, operation in item.items():
            if operation["security"] == [{}] and method == "get":
                assert Client().get(path).status_code == 200, path
            elif operation["security"] != [{}]:
                url = path.replace("{public_id}", "00000000-0000-4000-8000-000000000000")
                assert getattr(Client(), method)(url).status_code == 401, path

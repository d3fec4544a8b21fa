"""The address that checks a configuration: no token, nothing kept, and not without end."""

import json
from typing import Any

import jsonschema
import pytest
from django.test import Client

from health.models import Configuration

pytestmark = pytest.mark.django_db


def check(text: str | bytes, *, filename: str = "", status: int = 200, **more: Any) -> dict[str, Any]:
    address = "/api/v1/check" + (f"?filename={filename}" if filename else "")
    body = text.encode() if isinstance(text, str) else text
    # The test client says no length where there is nothing to send.
    response = Client().post(address, body, content_type="text/plain", **{"CONTENT_LENGTH": str(len(body)), **more})
    assert response.status_code == status, response.content
    found: dict[str, Any] = json.loads(response.content)
    return found


def test_a_good_file_is_answered_with_what_was_understood() -> None:
    assert check("suites: [{path: a, level: unit}]") == {
        "file": ".suitewatch.yml",
        "ok": True,
        "warnings": [],
        "content": {"suites": [{"path": "a", "level": "unit"}]},
    }


def test_a_bad_file_is_answered_with_line_and_field_and_nothing_is_kept() -> None:
    found = check("run:\n  timeout_minutes: soon\n", filename=".suitewatch.yml")
    assert not found["ok"]
    assert [(w["line"], w["field"]) for w in found["warnings"]] == [(2, "run.timeout_minutes")]
    assert not Configuration.objects.exists()


def test_code_owners_are_known_by_the_name_of_the_file() -> None:
    found = check("* @a\nx team\n", filename=".github/CODEOWNERS")
    assert (found["file"], [w["line"] for w in found["warnings"]]) == ("CODEOWNERS", [2])


def test_a_file_of_deferrals_is_known_by_its_name_too() -> None:
    found = check("deferrals:\n- cases: tests/a\nsuites:\n", filename=".suitewatch-deferrals.yml")
    assert (found["file"], [w["line"] for w in found["warnings"]]) == (".suitewatch-deferrals.yml", [3])
    item = {"cases": "tests/a", "file": ".suitewatch-deferrals.yml", "line": 2}
    assert found["content"] == {"deferrals": [item]}


def test_an_empty_file_is_good_and_bytes_that_are_no_text_are_not() -> None:
    assert check("")["ok"]
    assert check(b"\xff\x00")["warnings"][0]["code"] == "undecodable_text"


def test_a_file_that_is_too_large_is_refused_with_the_limit() -> None:
    error = check("#" * (64 * 1024 + 1), status=413)["error"]
    assert (error["code"], error["limit"], error["actual"]) == ("too_large", 64 * 1024, 64 * 1024 + 1)


def test_an_address_may_check_so_often_a_minute_and_others_go_on(settings: Any) -> None:
    settings.CHECKS_PER_MINUTE = 2
    for _ in range(2):
        check("")
    error = check("", status=429)["error"]
    assert (error["code"], error["limit"]) == ("rate_limited", 2)
    check("", REMOTE_ADDR="192.0.2.9")


def test_only_post_is_answered() -> None:
    assert Client().get("/api/v1/check").status_code == 405


@pytest.mark.parametrize("name", ["suitewatch", "suitewatch-deferrals"])
def test_the_schema_is_served_to_any_editor(name: str) -> None:
    response = Client().get(f"/{name}.schema.json")
    assert response["Content-Type"] == "application/schema+json"
    assert response["Access-Control-Allow-Origin"] == "*"
    jsonschema.Draft202012Validator.check_schema(json.loads(response.content))

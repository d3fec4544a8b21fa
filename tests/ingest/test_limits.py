"""The list of limits is whole, public, and says what holds here; so is the list of errors."""

import json
import re
from pathlib import Path
from typing import Any

from django.conf import settings as all_settings
from django.test import Client

from ingest import views
from ingest.errors import HINTS
from ingest.limits import LIMITS

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (\S+) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def test_limits_are_shown_to_anybody_with_the_value_that_holds(settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = 7
    listed = {limit["name"]: limit for limit in json.loads(Client().get("/api/v1/limits").content)["limits"]}
    assert listed["SUITEWATCH_UPLOAD_MAX_FILES"] == {
        "name": "SUITEWATCH_UPLOAD_MAX_FILES",
        "value": 7,
        "unit": "files",
        "meaning": "Files in one upload; an archive counts as one.",
        "code": "too_many_parts",
    }
    assert {limit["code"] for limit in listed.values()} <= set(HINTS)


def test_each_setting_that_limits_uploads_is_listed_and_documented() -> None:
    names = {name for name in dir(all_settings) if name.startswith("UPLOAD_") or name.endswith("_PER_MINUTE")}
    assert {limit.name for limit in LIMITS} == names
    text = (ROOT / "docs" / "limits.md").read_text()
    for limit in LIMITS:
        assert f"`SUITEWATCH_{limit.name}`" in text


def documented_errors() -> dict[str, tuple[str, str, str]]:
    text = (ROOT / "docs" / "errors.md").read_text()
    return {code: (status, meaning, hint) for code, status, meaning, hint in ROW.findall(text)}


def describe_row(code: str) -> str:
    return f"| `{code}` | {views._STATUS.get(code, 'receipt')} | … what it means … | {HINTS[code]} |"


def test_each_error_is_documented_with_status_meaning_and_hint() -> None:
    listed = documented_errors()
    wanted = [
        describe_row(code)
        for code, hint in HINTS.items()
        if listed.get(code, ("", "", ""))[::2] != (str(views._STATUS.get(code, "receipt")), hint)
    ]
    assert wanted == [], "docs/errors.md needs these rows"
    assert all(meaning.endswith(".") for _, meaning, _ in listed.values())


def test_no_other_error_is_documented() -> None:
    assert set(documented_errors()) <= set(HINTS)


def test_where_an_error_sends_its_reader_a_browser_shows_a_page() -> None:
    page = Client().get("/api/v1/errors", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page["Content-Type"].startswith("text/html")
    assert '<tr id="token_invalid">' in page.text
    for accept in ("*/*", "application/json", ""):
        assert Client().get("/api/v1/errors", headers={"accept": accept})["Content-Type"] == "application/json"

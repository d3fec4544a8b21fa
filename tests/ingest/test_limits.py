"""The list of limits is whole, public, and says what holds here."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings as all_settings
from django.test import Client

from ingest.errors import HINTS
from ingest.limits import LIMITS

ROOT = Path(__file__).resolve().parents[2]


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


def test_a_browser_shows_them_as_a_page(settings: Any) -> None:
    settings.UPLOAD_MAX_WIRE_BYTES = 26_214_400
    page = Client().get("/api/v1/limits", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page["Content-Type"].startswith("text/html")
    assert "26,214,400 bytes" in page.text
    assert '<a class="id" href="/api/v1/errors#too_large">too_large</a>' in page.text

"""The files of the configuration as parts of a delivery: kept beside the reports, and never in their way."""

import gzip
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from health.models import PayloadChunk, Project, Upload, UploadFile
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'
RULES = b"suites: [{path: a, level: unit}]\n"


@pytest.fixture
def project() -> Project:
    return a_project("door")


def post(project: Project, *, report: bytes = REPORT, status: int = 202, **parts: Any) -> dict[str, Any]:
    """Send a report with other parts, given as bytes or as (name, bytes)."""
    files = {"file": [SimpleUploadedFile("junit.xml", report)]} if report else {}
    for field, given in parts.items():
        listed = given if isinstance(given, list) else [given]
        files[field] = [SimpleUploadedFile(".suitewatch.yml", data) for data in listed]
    response = Client().post("/api/v1/uploads", files, headers={"authorization": f"Bearer {a_token(project)}"})
    assert response.status_code == status, response.content
    found: dict[str, Any] = json.loads(response.content)
    return found


def read_kept(role: str) -> list[bytes]:
    kept = []
    for file in UploadFile.objects.filter(role=role).order_by("position"):
        chunks = PayloadChunk.objects.filter(file=file).order_by("sequence")
        kept.append(gzip.decompress(b"".join(bytes(chunk.data) for chunk in chunks)))
    return kept


def test_parts_are_told_apart_by_their_names_and_kept(project: Project) -> None:
    sent = {"configuration": RULES, "owners": b"* @a\n", "deferrals": b"deferrals: []\n"}
    body = post(project, **sent)
    assert body["warnings"] == []
    assert read_kept("report") == [REPORT]
    assert {part: read_kept(part) for part in sent} == {part: [data] for part, data in sent.items()}


def test_a_packed_one_is_unpacked(project: Project) -> None:
    post(project, configuration=gzip.compress(RULES))
    assert read_kept("configuration") == [RULES]


def test_the_same_results_with_another_configuration_are_the_same_delivery(project: Project) -> None:
    first = post(project, configuration=RULES)
    again = post(project, configuration=b"suites: []", status=200)
    assert again["duplicate_of"] == first["upload"]
    assert post(project, status=200)["duplicate_of"] == first["upload"]
    assert Upload.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"#" * (64 * 1024 + 1), "configuration_too_large"),
        (gzip.compress(b"#" * 10_000_000), "configuration_too_large"),
        (gzip.compress(RULES)[:-4], "bad_encoding"),
    ],
    ids=["large", "bomb", "cut"],
)
@pytest.mark.parametrize("part", ["configuration", "owners", "deferrals"])
def test_one_that_cannot_be_taken_is_a_warning_and_the_reports_are_kept(
    project: Project, part: str, data: bytes, code: str
) -> None:
    body = post(project, **{part: data})
    assert [(w["code"], bool(w["hint"])) for w in body["warnings"]] == [(code, True)]
    assert body["warnings"][0]["file"] in body["warnings"][0]["message"]
    assert (read_kept("report"), read_kept(part)) == ([REPORT], [])
    upload = Upload.objects.get()
    assert upload.receipt is not None
    assert upload.receipt["warnings"] == body["warnings"]


def test_how_much_is_read_is_a_setting(project: Project, settings: Any) -> None:
    settings.UPLOAD_MAX_CONFIGURATION_BYTES = len(RULES) - 1
    assert post(project, configuration=RULES)["warnings"][0]["code"] == "configuration_too_large"
    settings.UPLOAD_MAX_CONFIGURATION_BYTES = len(RULES)
    assert post(a_project(), configuration=RULES)["warnings"] == []


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n", b"PK\x03\x04 no zip", b"\x00\xff", b""])
def test_what_could_be_no_report_is_no_reason_to_refuse(project: Project, data: bytes) -> None:
    assert post(project, configuration=data)["warnings"] == []
    assert read_kept("configuration") == [data]


def test_of_two_the_first_is_read(project: Project) -> None:
    body = post(project, configuration=[RULES, b"x"])
    assert [w["code"] for w in body["warnings"]] == ["configuration_invalid"]
    assert read_kept("configuration") == [RULES]


@pytest.mark.parametrize("part", ["configuration", "owners", "deferrals"])
def test_a_configuration_alone_is_no_delivery(project: Project, part: str) -> None:
    assert post(project, report=b"", status=400, **{part: RULES})["error"]["code"] == "empty_body"

"""Multipart bodies: each part is read or named; none is left out unsaid."""

import json
from typing import Any

import pytest
from django.test import Client

from health.models import UploadFile
from ingest.forms import clean_name
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'
GOOD = ('Content-Disposition: form-data; name="file"; filename="good.xml"', REPORT)


@pytest.fixture
def token() -> str:
    return a_token(a_project())


def send(token: str, *parts: tuple[str, bytes], end: bytes = b"--b--\r\n") -> tuple[int, dict[str, Any]]:
    body = b"".join(b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n" for head, content in parts) + end
    headers = {"authorization": f"Bearer {token}"}
    response = Client().generic("POST", "/api/v1/uploads", body, "multipart/form-data; boundary=b", headers=headers)
    return response.status_code, json.loads(response.content)


@pytest.mark.parametrize(
    ("disposition", "kept"),
    [
        ('form-data; name="file"; filename=".."', "report.xml"),
        ('form-data; name="file"; filename="/"', "report.xml"),
        ('form-data; name="file"; filename="a/b/"', "report.xml"),
        ('form-data; name="file"; filename=" "', "report.xml"),
        ("form-data; name=file; filename*=UTF-8''bericht%2D%C3%A4.xml", "bericht-ä.xml"),
        ('form-data; name="file"; filename="C:\\\\fakepath\\\\junit.xml"', "junit.xml"),
        ('form-data; name="reports[]"; filename="x.xml"', "x.xml"),
    ],
)
def test_a_file_with_an_impossible_name_is_kept_under_another(token: str, disposition: str, kept: str) -> None:
    status, _ = send(token, GOOD, (f"Content-Disposition: {disposition}", REPORT))
    assert status == 202
    assert list(UploadFile.objects.order_by("position").values_list("name", flat=True)) == ["good.xml", kept]


@pytest.mark.parametrize(
    "line",
    [
        "Content-Disposition: form-data; name=file; filename*=nope''x",
        "Content-Disposition: form-data; filename=x.xml",
        "Content-Disposition: attachment",
        "Content-Type: text/xml",
        "no header at all",
    ],
)
def test_a_part_that_cannot_be_named_refuses_the_form(token: str, line: str) -> None:
    status, answer = send(token, GOOD, (line, REPORT))
    assert (status, answer["error"]["code"]) == (400, "bad_multipart")
    assert UploadFile.objects.count() == 0


@pytest.mark.parametrize("filename", ["", '; filename=""'])
def test_a_file_sent_as_text_is_told_with_what_to_do(token: str, filename: str) -> None:
    status, answer = send(token, GOOD, (f'Content-Disposition: form-data; name="file"{filename}', b"report.xml"))
    assert (status, answer["error"]["code"], answer["error"]["field"]) == (400, "bad_multipart", "file")
    assert "@" in answer["error"]["hint"]


def test_a_field_sent_twice_with_two_values_is_refused(token: str) -> None:
    field = 'Content-Disposition: form-data; name="branch"'
    status, answer = send(token, GOOD, (field, b"main"), (field, b"other"))
    assert (status, answer["error"]["code"], answer["error"]["field"]) == (400, "invalid_field", "branch")
    assert send(token, GOOD, (field, b"main"), (field, b"main"))[0] == 202


def test_a_boundary_at_the_edge_of_a_piece_is_counted_once(token: str) -> None:
    for size in range(256 * 1024 - 120, 256 * 1024 - 90):
        large = ('Content-Disposition: form-data; name="file"; filename="large.xml"', b"x" * size)
        assert send(token, large, GOOD)[0] in (200, 202)


def test_many_files_larger_than_memory_is_meant_for_leave_nothing_open(token: str) -> None:
    parts = [(f'Content-Disposition: form-data; name="file"; filename="{n}.xml"', REPORT * 1000) for n in range(5)]
    assert send(token, *parts)[0] == 202


def test_names_of_archives_entries_keep_their_folders() -> None:
    assert clean_name("all.zip/a/../b.xml", keep_folders=True) == "all.zip/a/../b.xml"

"""The document as a page: nothing of it is left out, and it needs neither a sign-in nor a script."""

import re

import pytest
from django.test import Client
from django.utils.html import escape

from dashboard.api.document import write_document
from dashboard.api.reference import Shape, read_reference
from dashboard.http import address_of
from tests.dashboard.test_access import CSP, read_policy

ADDRESS = "https://suitewatch.example"


@pytest.fixture
def page(client: Client) -> str:
    response = client.get("/api/v1/docs")
    assert response.status_code == 200
    assert read_policy(response.headers["Content-Security-Policy"]) == CSP
    return response.text


def test_every_operation_is_on_the_page(page: str) -> None:
    document = write_document(address_of("/").rstrip("/"))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            assert f"{method.upper()} {path}" in page
            assert f'id="{operation["operationId"]}"' in page
            assert f"<h3>{escape(operation['summary'])}</h3>" in page


def test_every_piece_a_field_leads_to_is_there(page: str) -> None:
    links = set(re.findall(r'href="#([\w-]+)"', page)) - {"main"}
    anchors = set(re.findall(r'id="([\w-]+)"', page))
    assert len(links) > 50
    assert links <= anchors


def test_every_anchor_is_there_once(page: str) -> None:
    anchors = re.findall(r'\sid="([\w-]+)"', page)
    assert len(anchors) == len(set(anchors))


def test_nothing_is_said_in_backticks(page: str) -> None:
    assert "`" not in page.partition("<main")[2]
    assert "<code>changes</code>" in page


def test_the_commands_name_this_server(page: str) -> None:
    commands = re.findall(r"curl [^<]+", page)
    assert len(commands) > 25
    assert all(address_of("/").rstrip("/") in command for command in commands)
    assert not [command for command in commands if "{" in command]  # curl reads braces as a list


def test_a_command_has_the_token_where_one_is_needed() -> None:
    reference = read_reference(write_document(ADDRESS))
    curls = {op.key: op.curl for chapter in reference.chapters for op in chapter.operations}
    assert curls["flaky"] == (
        f'curl --fail-with-body -H "Authorization: Bearer $SUITEWATCH_READ_TOKEN" {ADDRESS}/api/v1/projects/SLUG/flaky'
    )
    # What reads cannot send: the two are not called alike.
    assert '"Authorization: Bearer $SUITEWATCH_TOKEN"' in curls["send_form"]
    assert "Authorization" not in curls["errors"]
    assert "-F file=@junit.xml" in curls["send_form"]
    assert reference.n_operations == len(curls)


def test_shapes_are_told_in_words() -> None:
    reference = read_reference(write_document(ADDRESS))
    fields = {f"{piece.title}.{line.name}": line.shape for piece in reference.pieces for line in piece.fields}
    assert fields["Count.declared"] == Shape("integer")
    assert fields["Run.committed_at"] == Shape("moment, ISO 8601", "", " or null")
    assert fields["Family.members"] == Shape("list of ", "MemberFacts", "")
    assert fields["Family.members"].title == "Member"
    assert fields["Job.baseline"] == Shape("", "JobKeyFacts", " or null")

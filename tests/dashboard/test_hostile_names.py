"""Names that try to become markup, script or template stay what they are, on every page and in every place."""

from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Membership, Project, Upload, UploadFile, UploadToken
from tests.builders import a_project, a_received_upload, a_user, an_upload

pytestmark = pytest.mark.django_db

PAYLOADS = [
    "<script>window.__pwned=1</script>",
    '"><img src=x onerror=window.__pwned=1>',
    "'><svg onload=window.__pwned=1>",
    "</script><script>window.__pwned=1</script>",
    "</title><script>window.__pwned=1</script>",
    "javascript:window.__pwned=1",
    "{{ 7|add:7 }}{% now 'Y' %}",
    'x" hx-get="/logout/" hx-trigger="load',
    "user\u202egnp.exe",
    "=cmd|' /C calc'!A0",
]


class Findings(HTMLParser):
    """Which tags and attributes a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def look_at(html: str) -> Findings:
    findings = Findings()
    findings.feed(html)
    return findings


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def fill(payload: str, *, project: Project) -> None:
    """Write the payload wherever a name, a message or a branch can stand."""
    Project.objects.filter(pk=project.pk).update(name=payload[:120], default_branch=payload)
    Membership.objects.create(
        project=project, user=User.objects.create(username=payload[:150], password="!"), role="viewer"
    )
    UploadToken.issue(project, name=payload[:80])
    refused = a_received_upload(project)
    Upload.objects.filter(pk=refused.pk).update(
        state="failed", error={"code": "x", "message": payload, "hint": payload}
    )
    UploadFile.objects.create(upload=refused, position=0, name=payload, n_bytes_wire=1, n_bytes_plain=1, digest=b"x")


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("path", ["/", "/p/click/settings/", "/p/click/start/", "/projects/new/"])
def test_a_hostile_name_is_text(ann: Client, path: str, payload: str) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    plain = look_at(ann.get(path).text)
    fill(payload, project=project)
    if path == "/":
        an_upload(project, {f"{payload}::{payload}": "fail"}, branch=payload, job=payload, variant=payload)
    hostile = look_at(ann.get(path).text)
    assert hostile.tags.count("script") == plain.tags.count("script")
    assert not {"img", "svg"} & set(hostile.tags)
    assert not {name for name in hostile.attributes if name.startswith("on")}
    assert "logout" not in "".join(name for name in hostile.attributes if name.startswith("hx-"))
    assert "\u202e" not in hostile.text
    if path != "/projects/new/" and payload.isprintable():
        assert payload[:60] in hostile.text


def test_a_direction_override_is_marked_on_the_page(ann: Client) -> None:
    a_project("click", name="user\u202egnp.exe", owner=User.objects.get(username="ann"))
    assert 'user<span class="unseen">[U+202E]</span>gnp.exe' in ann.get("/").text

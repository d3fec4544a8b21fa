"""Names that try to become markup, script or template stay what they are, on every page and in every place."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.models import Membership, Project, Upload, UploadFile, UploadToken
from tests.builders import a_project, a_received_upload, a_user, an_upload
from tests.coverage_scenes import lines, measured

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


PAGES_OF_FACTS = [
    "/p/click/",
    "/p/click/trends/?by=suite",
    "/p/click/trends/?by=job&measure=time",
    "/p/click/runs/",
    "/p/click/runs/1/",
    "/p/click/runs/2/",
    "/p/click/cases/0/",
    "/p/click/runs/4/",
    "/p/click/causes/",
    "/p/click/causes/?run=2",
    "/p/click/coverage/",
    "/p/click/coverage/?directory=src",
    "/p/click/coverage/files/1/",
    "/p/click/coverage/files/3/",
    "/p/click/uploads/",
]


def measure(project: Project, name: str) -> None:
    """Three levels: files and directories, a test that ran a line, and a file that the newest run leaves out."""
    files = {f"src/{name}/a.py": lines(3, 1), "src/b.py": lines(2, 2), f"src/{name}/gone.py": lines(2, 1)}
    contexts = {name: ("src/b.py", (1,)), f"{name}|run": (f"src/{name}/a.py", (1,))}
    measured(project, files, hour=30, level=name, contexts=contexts)
    measured(project, dict(list(files.items())[:2]), hour=60, level=name, contexts=contexts)
    measured(project, files, hour=61, level="unit", branch=name, pull_request="7")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_hostile_report_is_text_on_every_page_of_facts(ann: Client, payload: str) -> None:
    """Names of tests, suites, jobs, variants and branches, messages and texts: all of it is written by strangers."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    for word, job in (("pass", "tests"), ("fail", "tests"), ("fail", payload)):
        cases = {f"{payload}::{payload}[ x ]": word, "tests::calm": "pass"}
        an_upload(
            project, cases, job=job, variant=payload, suite=payload, level=payload, text=f"{payload}\nE   {payload}"
        )
    measure(project, payload)
    fill(payload, project=project)
    Project.objects.filter(pk=project.pk).update(default_branch="main")
    plain = a_project("plain", owner=User.objects.get(username="ann"))
    for word, job in (("pass", "tests"), ("fail", "tests"), ("fail", "other")):
        an_upload(
            plain, {"a::b[ x ]": word, "tests::calm": "pass"}, job=job, variant="v", suite="s", level="l", text="t"
        )
    measure(plain, "plain")
    fill("plain words", project=plain)
    Project.objects.filter(pk=plain.pk).update(default_branch="main")
    for path in PAGES_OF_FACTS:
        answer = ann.get(path)
        assert answer.status_code == 200
        hostile, calm = look_at(answer.text), look_at(ann.get(path.replace("/click/", "/plain/")).text)
        assert hostile.tags.count("script") == calm.tags.count("script"), path
        assert "img" not in hostile.tags
        assert not {name for name in hostile.attributes if name.startswith("on")}, path
        assert {name for name in hostile.attributes if name.startswith("hx-")} <= calm.attributes, path
        assert "\u202e" not in re.sub('value="[^"]*"', "", answer.text), path  # what a form sends back is as it came

"""Names that try to become markup, script or template stay what they are, on every page and in every place."""

import csv
import re
from html.parser import HTMLParser
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.judging import judge_project
from health.models import Backing, Deferral, DeferredCase, Membership, Project, Upload, UploadFile, UploadToken
from health.rules.backings import Finding, Short
from tests.builders import a_project, a_received_upload, a_token, a_user, an_upload
from tests.coverage_scenes import lines, measured
from tests.deferral_scenes import a_backing, a_change, an_entry, find_ord

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

# What a reason, a file or a person may say beside that; PostgreSQL keeps no NUL.
SAID = [
    *PAYLOADS,
    "\x1b[31mred\x07\x85\u2028\u2066up\u2069\ufeff",
    "\u2400\\x00\\u0000%00",
    "'\"`${7*7}{{ fact.id }}{# x #}",
    'https://ok.example/issues/1\u202e"onmouseover=window.__pwned=1',
    "data:text/html,<script>window.__pwned=1</script>",
    f"covered by {'tests/unit/test_fields* ' * 900}".strip(),
]


class Findings(HTMLParser):
    """Which tags and attributes a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]

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


# --- the register ----------------------------------------------------------------------------------------------------


def put_off(project: Project, said: str) -> dict[str, Deferral]:
    """Entries of a case and of a pattern in which every text is this one, and a third one that cites them."""
    name = said[:400]  # of a case
    cases = {f"{name}::{name}": "skip", f"{name}::{name}[ x ]": "skip", "tests::other": "xfail", "tests::calm": "pass"}
    an_upload(project, cases, suite=said[:200], text=said)
    judge_project(project.pk)
    backing = a_backing(project, named=[said, "calm"], code=[said])
    tells = Finding(n_cases=1, unread=(said,), unfound=(said,), uncovered=(said,), short=(Short(said, 9, 1),)).to_json()
    Backing.objects.filter(project=project).update(found=tells)
    backing.changes.update(found=tells)
    texts = {"reason": said, "owner": said, "issue": said, "precedent": said, "phase": said}
    written = texts | {"backing": [said], "code": [said], "file": said, "line": 7}
    pattern = an_entry(project, pattern=said, origin="file", backing=backing, written=written, n_cases=2, **texts)
    DeferredCase.objects.create(project=project, deferral=pattern, ord=find_ord(project, "calm"))
    case = an_entry(project, name, backing=backing, written=written, read=written, named_by=pattern, **texts)
    an_entry(project, "other", kind="xfail", read=written, **texts)
    for entry in (pattern, case):
        changed = {"fields": [*texts, "backing"], "before": written, "after": written}
        a_change(entry, days=1, actor=said, action="edited", **changed)
        a_change(entry, days=2, actor=said, action="released")
    return {"pattern": pattern, "case": case}


def list_pages(entries: dict[str, Deferral]) -> list[str]:
    """Every page that tells of them, by what must be alike in a calm project."""
    pages = [
        "deferred/",
        "deferred/?state=closed",
        "deferred/?arrange=name",
        "",
        "runs/1/",
        "flaky/",
        "matrix/",
        "runs/",
    ]
    pages += ["deferred/add/", f"deferred/add/?case={entries['case'].ord}", "deferred/add/?case=3", "cases/0/"]
    return [*pages, *(f"deferred/{entry.pk}/" for entry in entries.values())]


@pytest.mark.parametrize("said", SAID, ids=lambda said: ascii(said[:20]))
def test_what_is_said_in_the_register_is_text_on_every_page(ann: Client, said: str) -> None:
    owner = User.objects.get(username="ann")
    click, plain = a_project("click", owner=owner), a_project("plain", owner=owner)
    pages, calm_pages = list_pages(put_off(click, said)), list_pages(put_off(plain, "plain words"))
    for path, calm_path in zip(pages, calm_pages, strict=True):
        answer = ann.get(f"/p/click/{path}", follow=True)
        assert answer.status_code == 200, path
        hostile, calm = look_at(answer.text), look_at(ann.get(f"/p/plain/{calm_path}", follow=True).text)
        assert hostile.tags.count("script") == calm.tags.count("script"), path
        assert hostile.tags.count("img") == 0, path
        assert not {name for name in hostile.attributes if name.startswith("on")}, path
        assert {name for name in hostile.attributes if name.startswith("hx-")} <= calm.attributes, path
        assert not [
            link for link in hostile.links if not link.startswith(("/", "../", "#", "?", "http://testserver/"))
        ], path
        shown = re.sub(r'value="[^"]*"|<textarea.*?</textarea>', "", answer.text, flags=re.DOTALL)
        assert not re.findall(".{,60}[\u202e\u2066\ufeff\x1b\x07].{,30}", shown), path
        assert len(answer.content) < 1_500_000, path


@pytest.mark.parametrize("said", SAID, ids=lambda said: ascii(said[:20]))
def test_what_is_said_in_the_register_stays_in_its_cell_of_a_file(ann: Client, said: str) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    entries = put_off(project, said)
    address = f"/p/click/deferred/{entries['case'].pk}/"
    for url in ("/p/click/deferred/?format=csv", f"{address}?format=csv&table=history"):
        rows = list(csv.reader(StringIO(ann.get(url).content.decode("utf-8-sig"))))
        assert len({len(row) for row in rows}) == 1, url
        assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@", "\t"))], url
    told = ann.get("/p/click/deferred/?format=json").json()["rows"]
    assert [row["reason"] for row in told if row["entry"] == entries["case"].pk] == [said]
    for form in ("deselect", "xfail"):
        listed = ann.get(f"/p/click/deferred/?format={form}").content.decode()
        starts = ("--deselect=",) if form == "deselect" else ("#", "tests", said[:400].strip()[:1])
        assert all(line.startswith(starts) for line in listed.split("\n") if line), listed
        assert not set("\u202e\u2028\x85\x1b") & set(listed)


@pytest.mark.parametrize("said", SAID, ids=lambda said: ascii(said[:20]))
def test_a_program_is_told_what_was_said_byte_for_byte(said: str) -> None:
    project = a_project("click")
    entries = put_off(project, said)
    headers = {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    for path in ("deferred", "overview", "runs/1", "cases/0", "deferred/export?format=json"):
        answer = Client().get(f"/api/v1/projects/click/{path}", headers=headers)
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (200, "application/json"), path
        answer.json()
    entry = Client().get(f"/api/v1/projects/click/deferred/{entries['case'].pk}", headers=headers).json()["data"]
    assert (entry["entry"]["reason"], entry["entry"]["owner"], entry["entry"]["issue"]) == (said, said, said)
    assert entry["backing"]["texts"][0]["text"] == said.strip()

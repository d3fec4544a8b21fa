"""Thirty payloads in every field of a delivery, sent through the door: text on each page, in each file, in each figure.

`test_hostile_names` takes one payload at a time through rows written by hand; here all of them stand together (B59).
"""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from health.models import Project, Run, SourceFile, Upload
from ingest.cases import forget_names
from ingest.pipeline import process_next
from tests.builders import a_project, a_token, a_user
from tests.ingest.test_properties import write

pytestmark = pytest.mark.django_db

PWN = "window.__pwned=1"
PAYLOADS = [
    f"<script>{PWN}</script>",
    f'"><img src=x onerror={PWN}>',
    f"'><svg onload={PWN}>",
    f"</script><script>{PWN}</script>",
    f"</title><script>{PWN}</script>",
    f"</style><script>{PWN}</script>",
    f"</textarea><script>{PWN}</script>",
    f"<!--<script>{PWN}</script>",
    f"--><script>{PWN}</script>",
    f"]]><script>{PWN}</script>",
    f"<body onload={PWN}>",
    f"<details open ontoggle={PWN}>",
    f'<iframe srcdoc="<script>{PWN}</script>">',
    '<a href="https://evil.example">x</a>',
    f'<a href="javascript:{PWN}">x</a>',
    '<base href="https://evil.example/">',
    '<meta http-equiv="refresh" content="0;url=https://evil.example">',
    '<link rel="stylesheet" href="https://evil.example/x.css">',
    f"javascript:{PWN}",
    "{{ 7|add:7 }}{% now 'Y' %}",
    "${7*7}#{7*7}%{7*7}",
    "&lt;script&gt;&#60;script&#62;",
    "%3Cscript%3E",
    'x" hx-get="/logout/" hx-trigger="load',
    "=cmd|' /C calc'!A0",
    "+1+1|x",
    "-2+3|x",
    "@SUM(1+1)",
    "user\u202egnp.exe",
    "\u2028</script>\u2029",
]
FORBIDDEN_TAGS = {"img", "iframe", "base", "object", "embed"}
NAMED = ("branch", "job", "variant", "suite", "level", "namespace", "provider", "run_id")
PAGES = ("start", "settings", "runs", "trends", "uploads", "renames", "coverage")
HANDLERS = re.compile(r"^on\w+$")


class Findings(HTMLParser):
    """What a browser would do with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.data: list[str] = []
        self._is_data = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in FORBIDDEN_TAGS or (tag == "meta" and "http-equiv" in given):
            self.faults.append(tag)
        if tag == "script":
            self._is_data = given.get("type") == "application/json"
            if not self._is_data and not str(given.get("src", "")).startswith("/static/"):
                self.faults.append("inline script")
        self.faults += [name for name in given if HANDLERS.match(name)]
        for name in ("href", "src", "action", "hx-get", "hx-post"):
            value = (given.get(name) or "").strip().lower()
            if value.startswith(("javascript:", "data:", "//")) or "evil.example" in value.partition("?")[0]:
                self.faults.append(f"{name}={value}")

    def handle_endtag(self, tag: str) -> None:
        self._is_data &= tag != "script"

    def handle_data(self, data: str) -> None:
        if self._is_data:
            self.data.append(data)


@pytest.fixture
def owner(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def write_deferrals(payload: str) -> str:
    """An entry that says the payload wherever it says anything, and one that cannot be used."""
    said = dict.fromkeys(("reason", "owner", "issue", "precedent", "phase"), payload)
    items = [
        {"cases": f"**/{payload}", **said, "backing": [payload], "code": [payload]},
        {"cases": payload, "kind": payload},
    ]
    return json.dumps({"deferrals": items})


def deliver(project: Project) -> None:
    """Each payload once as the name of everything that a delivery may name, with 30 cases that bear all of them."""
    forget_names()
    token = {"Authorization": f"Bearer {a_token(project)}"}
    cases = {(payload, payload): ("failure", "error", "skipped", "")[n % 4] for n, payload in enumerate(PAYLOADS)}
    for payload in PAYLOADS:
        named = dict.fromkeys(NAMED, payload)
        parts = {
            "file": SimpleUploadedFile(payload.replace("/", "\u2215")[:80], write(cases)),
            "configuration": SimpleUploadedFile(".suitewatch.yml", f"{json.dumps(payload)}: 1\nsuites: 3\n".encode()),
            "owners": SimpleUploadedFile("CODEOWNERS", f"{payload} {payload}\n* @a\n".encode()),
            "deferrals": SimpleUploadedFile(".suitewatch-deferrals.yml", write_deferrals(payload).encode()),
        }
        answer = Client().post("/api/v1/uploads", {**parts, **named, "default_branch": "main"}, headers=token)
        assert answer.status_code == 202, answer.content
        while process_next():
            pass
    assert set(Upload.objects.filter(project=project).values_list("state", flat=True)) == {"stored"}


def deliver_coverage(project: Project) -> None:
    """Each payload once as level and file name of a coverage report, and all of them as paths in it."""
    token = {"Authorization": f"Bearer {a_token(project)}"}
    paths = [*PAYLOADS, *(f"{payload}/{payload}" for payload in PAYLOADS)]
    report = "".join(f"TN:\nSF:{path}\nDA:1,1\nDA:2,0\nend_of_record\n" for path in paths).encode()
    for payload in PAYLOADS:
        file = SimpleUploadedFile(payload.replace("/", "\u2215")[:80] + ".info", report)
        fields = {"branch": "main", "default_branch": "main", "run_id": "coverage", "level": payload, "file": file}
        answer = Client().post("/api/v1/uploads", fields, headers=token)
        assert answer.status_code == 202, answer.content
        while process_next():
            pass
    assert Upload.objects.filter(project=project, metadata__run_id="coverage", state="stored").count() == len(PAYLOADS)


def test_thirty_payloads_are_text_wherever_they_come_out(owner: Client) -> None:
    from django.contrib.auth.models import User

    project = a_project("click", name=PAYLOADS[0], owner=User.objects.get(username="ann"))
    deliver(project)
    deliver_coverage(project)
    assert len(PAYLOADS) == 30
    runs = Run.objects.filter(project=project).values_list("number", flat=True)
    pages = ["/", "/p/click/", "/p/click/trends/?by=suite", "/p/click/trends/?by=job&measure=time"]
    pages += [f"/p/click/{page}/" for page in PAGES]
    pages += [f"/p/click/runs/{number}/" for number in runs]
    pages += [f"/p/click/cases/{ord_}/" for ord_ in range(0, 30 * len(PAYLOADS), 31)]
    pages += [f"/p/click/uploads/{upload.public_id}/" for upload in Upload.objects.filter(project=project)]
    pages += ["/p/click/coverage/?branch=main"]
    pages += [
        f"/p/click/coverage/files/{number}/?branch=main"
        for number in SourceFile.objects.filter(project=project).values_list("number", flat=True)[::3]
    ]
    for path in pages:
        answer = owner.get(path)
        assert answer.status_code == 200, path
        found = Findings()
        found.feed(answer.text)
        assert found.faults == [], path
        for data in found.data:
            json.loads(data)


def test_figures_draw_labels_as_text(owner: Client) -> None:
    """Plotly takes a few tags in labels for markup: a link in one would be live."""
    from django.contrib.auth.models import User

    project = a_project("click", owner=User.objects.get(username="ann"))
    deliver(project)
    for path in ("/p/click/trends/?by=suite", "/p/click/trends/?by=job&measure=time", "/p/click/cases/0/"):
        found = Findings()
        found.feed(owner.get(path).text)
        for data in found.data:
            texts = json.dumps(json.loads(data), ensure_ascii=False)
            assert "<a href" not in texts, path
            assert "<script" not in texts, path


def test_a_table_as_a_file_runs_nothing(owner: Client) -> None:
    from django.contrib.auth.models import User

    project = a_project("click", owner=User.objects.get(username="ann"))
    deliver(project)
    deliver_coverage(project)
    tables = [f"coverage/?branch=main&table={table}&" for table in ("files", "directories", "levels", "trend")]
    for page in ("runs/?", "trends/?", "uploads/?", "renames/?", *tables):
        answer = owner.get(f"/p/click/{page}format=csv")
        assert answer.headers["Content-Type"].startswith("text/csv"), page
        assert answer.headers["Content-Disposition"].startswith("attachment"), page
        rows = list(csv.reader(io.StringIO(answer.text)))
        assert len(rows) > 1 or page == "renames/?", page
        for row in rows:
            assert not [cell for cell in row if cell.startswith(("=", "@", "\t", "\r"))], page
            assert not [cell for cell in row if cell.startswith(("+", "-")) and "|" in cell], page


@pytest.mark.parametrize("address", [f"javascript:{PWN}", "data:text/html,x", "//evil.example", "file:///etc/passwd"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    project = a_project("click")
    answer = Client().post(
        "/api/v1/uploads",
        {"file": SimpleUploadedFile("r.xml", b"<testsuite/>"), "build_url": address},
        headers={"Authorization": f"Bearer {a_token(project)}"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_field")

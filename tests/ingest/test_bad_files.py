"""Files that are damaged, strange or made to do harm (B36 to B63): through the real endpoint, then the real pipeline.

Each entry of `docs/bad-input.md` from B36 on is a row here, under its number: what is sent, and what the receipt says.
The door's own refusals (B1 to B35) are in `tests/ingest/test_bad_requests.py`; B59 and B60 concern what pages show
(`tests/dashboard/test_hostile_names.py`, `tests/dashboard/test_masked_secrets.py`).
"""

import socket
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from health.models import Case, Job, Project, Run, Upload
from ingest.cases import forget_names
from ingest.pipeline import process_next
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

MIB = 2**20
CASE = '<testcase classname="c" name="a" time="1"/>'
SUITE = '<testsuite name="s">{}</testsuite>'
GOOD = SUITE.format(CASE)


@dataclass(frozen=True)
class Bad:
    """A file, and what has to become of it: its state, its error with place, its warnings, how many cases are kept."""

    number: str
    what: str
    body: str | bytes
    state: str = "stored"
    error: str | None = None
    line: int | None = None
    column: int | None = None
    warnings: frozenset[str] = frozenset()
    n: int = 1
    words: str = ""
    name: str = "report.xml"
    kept: tuple[str, ...] = field(default=())

    @property
    def data(self) -> bytes:
        """As it is sent."""
        return self.body if isinstance(self.body, bytes) else self.body.encode("utf-8", "surrogateescape")


def warned(*codes: str) -> dict[str, Any]:
    return {"warnings": frozenset(codes)}


def failed(error: str, line: int | None = None, column: int | None = None, **more: Any) -> dict[str, Any]:
    return {"state": "failed", "error": error, "line": line, "column": column, "n": 0, **more}


def cut(error: str, line: int, column: int, **more: Any) -> dict[str, Any]:
    return {"state": "partial", "error": error, "line": line, "column": column, **more}


def cases(*attributes: str) -> str:
    return SUITE.format("".join(f'<testcase classname="c" {text}/>' for text in attributes))


def timed(text: str) -> str:
    return cases(f'name="a" time="{text}"')


LAUGHS = (
    '<?xml version="1.0"?>\n<!DOCTYPE lolz [\n <!ENTITY a0 "ha">\n'
    + "".join(f' <!ENTITY a{n} "{f"&a{n - 1};" * 10}">\n' for n in range(1, 10))
    + "]>"
    + SUITE.format('<testcase name="&a9;"/>')
)
QUADRATIC = f'<!DOCTYPE x [<!ENTITY a "{"a" * 40_000}">]>' + SUITE.format(f"<system-out>{'&a;' * 180}</system-out>")
FAILURE = '<testcase classname="c" name="a" time="1"><failure message="m">{}</failure></testcase>'
ATTRIBUTES = "".join(f' a{number}=""' for number in range(200_000))
TWINS = ["caf\u00e9", "cafe\u0301", "c\u0430fe", "a\u202eb", " a", "a "]
INCLUDE = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="http://127.0.0.1:9/x"/>'
NESTED = f'<testsuites xmlns="urn:x"><testcase classname="c" name="direct"/>{SUITE.format(GOOD)}</testsuites>'
COBERTURA = """<?xml version="1.0"?><!DOCTYPE coverage SYSTEM "http://127.0.0.1:9/coverage-04.dtd">
<coverage><packages><package><classes>{}</classes></package></packages></coverage>"""
CLASS = '<class filename="{}"><lines>{}</lines></class>'
ONE_LINE = '<line number="1" hits="1"/>'
LINE = '<line number="{}" hits="{}"/>'
STRANGE_LINES = [("1", "-1"), ("2", "1e30"), ("3", "nan"), ("0", "1"), ("1000000000", "1"), ("5", "1")]

CAFE = cases('name="café" time="1"')

FILES = [
    Bad("B36", "billion laughs", LAUGHS, **failed("xml_entities_forbidden", 3, 2, words="entity declaration")),
    Bad("B37", "80 KB that would become 7 MB", QUADRATIC, **failed("xml_entities_forbidden", 1, 14)),
    Bad("B39", "a DOCTYPE of its own name", f"<!DOCTYPE testsuite>{GOOD}"),
    Bad("B39", "a DTD that is only named", f'<!DOCTYPE testsuite SYSTEM "http://127.0.0.1:9/x.dtd">{GOOD}'),
    Bad("B40", "XInclude", SUITE.format(CASE + INCLUDE)),
    Bad("B41", "a hundred thousand levels", "<testsuite>" + "<a>" * 100_000, **failed("xml_too_deep", 1)),
    Bad(
        "B42", "two hundred thousand attributes", f"<testsuite{ATTRIBUTES}/>", **failed("xml_too_many_attributes", 1, 1)
    ),
    Bad("B42", "an attribute of 11 MB", cases(f'name="{"x" * 11 * MIB}" time="1"'), **warned("name_truncated")),
    Bad("B43", "a comment of 20 MB", SUITE.format(f"{CASE}<!--{'x' * 20 * MIB}-->")),
    Bad("B43", "an instruction of 20 MB", SUITE.format(f"{CASE}<?x {'x' * 20 * MIB}?>")),
    Bad("B43", "a comment without end", f"<testsuite>{CASE}<!--{'x' * 20 * MIB}", **cut("report_truncated", 1, 55)),
    Bad("B44", "an output of 20 MB", SUITE.format(f"{CASE}<system-out>{'x' * 20 * MIB}</system-out>")),
    Bad("B44", "a text of 20 MB", SUITE.format(FAILURE.format("x" * 20 * MIB)), **warned("text_truncated")),
    Bad(
        "B44",
        "a CDATA of 20 MB",
        SUITE.format(FAILURE.format(f"<![CDATA[{'x' * 20 * MIB}]]>")),
        **warned("text_truncated"),
    ),
    *(
        Bad(
            "B45",
            f"the character {sign!r}",
            cases(f'name="a{sign}b" time="1"'),
            **warned("control_characters_removed"),
            kept=("ab",),
        )
        for sign in ("\x1b", "\x07", "\x00", "&#27;", "&#0;", "&#xD800;", "&#x1b;", "\ufffe")
    ),
    Bad(
        "B46",
        "Latin-1 that says nothing",
        cases('name="caf\udce9" time="1"'),
        **warned("encoding_repaired"),
        kept=("caf\ufffd",),
    ),
    Bad(
        "B46",
        "Latin-1 that says UTF-8",
        '<?xml version="1.0" encoding="UTF-8"?>\n' + cases('name="caf\udce9" time="1"'),
        **cut("undecodable_text", 2, 54, warnings=frozenset({"encoding_repaired"})),
    ),
    *(
        Bad("B47", name, f'<?xml version="1.0" encoding="{name}"?>{CAFE}'.encode(codec), kept=("café",))
        for name, codec in (
            ("ISO-8859-1", "latin-1"),
            ("UTF-16", "utf-16"),
            ("UTF-8", "utf-8-sig"),
            ("windows-1252", "cp1252"),
        )
    ),
    *(
        Bad(
            "B48",
            name,
            f'<?xml version="1.0" encoding="{name}"?>{GOOD}',
            **failed("unsupported_encoding", 1, 31, words=name),
        )
        for name in ("UTF-7", "x-nope")
    ),
    Bad(
        "B49", "cut in a tag", f"<testsuite>\n{CASE}\n<testcase name=", **cut("report_truncated", 3, 1, words="line 3")
    ),
    Bad("B49", "cut between two cases", f"<testsuite>\n{CASE}\n", **cut("report_truncated", 3, 1)),
    Bad("B49", "cut before the first case", '<?xml version="1.0"?>\n<testsuite>\n', **failed("report_truncated", 3, 1)),
    Bad(
        "B50",
        "a blank line before the declaration",
        f'\n<?xml version="1.0"?>{GOOD}',
        **warned("leading_space_removed"),
    ),
    Bad("B51", "two documents", GOOD + "\n" + GOOD.replace('"a"', '"b"'), n=2, **warned("several_documents")),
    Bad("B51", "log lines behind the report", f"{GOOD}\nDone in 3 s.\n", **warned("trailing_content")),
    Bad(
        "B52",
        "a login page",
        "<!doctype html><html><body>Sign in</body></html>",
        **failed("not_a_report", 1, words="an HTML page"),
    ),
    Bad("B52", "JSON of another kind", '{"tests": 3}', **failed("not_a_report", words="JSON")),
    Bad("B52", "an empty suite", "<testsuite/>", n=0, **warned("no_cases")),
    Bad("B52", "no suite at all", "<testsuites/>", n=0, **warned("no_cases")),
    Bad("B53", "a namespace, nested suites, cases outside of them", NESTED, n=2, **warned("time_missing")),
    *(
        Bad("B54", f"the time {text[:20]!r}", timed(text), **warned(*codes))
        for text, codes in {
            "NaN": ["time_unreadable"],
            "inf": ["time_unreadable"],
            "1e400": ["time_unreadable"],
            "-5": ["time_unreadable"],
            "1,234.5": ["time_rewritten"],
            "1_000": [],
            "٣": [],
            "9" * 300: ["time_unreadable"],
        }.items()
    ),
    Bad(
        "B55",
        "no name, an empty one, a blank one",
        cases("", 'name=""', 'name=" "'),
        n=3,
        **warned("time_missing", "repeated_name"),
    ),
    Bad("B55", "a name of 1 MB", cases(f'name="{"x" * MIB}" time="1"'), **warned("name_truncated")),
    Bad("B55", "names that look alike", cases(*(f'name="{name}" time="1"' for name in TWINS)), n=6, kept=tuple(TWINS)),
    Bad("B56", "one name five hundred times", cases(*['name="a" time="1"'] * 500), n=500, **warned("repeated_name")),
    Bad(
        "B57",
        "a suite that counts wrong",
        GOOD.replace("<testsuite", '<testsuite tests="5"'),
        **warned("declared_differs"),
    ),
    Bad("B58", "200,001 cases", SUITE.format(CASE * 200_001), **failed("too_many_cases", words="200,000")),
    Bad(
        "B61",
        "paths that lead elsewhere",
        COBERTURA.format(
            "".join(
                CLASS.format(path, ONE_LINE) for path in ("../../etc/passwd", "/etc/passwd", "C:\\x.py", "src/a.py")
            )
        ),
        n=0,
        name="coverage.xml",
        **warned("path_above_root", "path_absolute"),
    ),
    Bad(
        "B62",
        "hits and lines that cannot be",
        COBERTURA.format(CLASS.format("a.py", "".join(map(LINE.format, *zip(*STRANGE_LINES, strict=True))))),
        n=0,
        name="coverage.xml",
        **warned("hits_clamped", "line_out_of_range"),
    ),
]


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


@pytest.fixture
def project() -> Project:
    return a_project("click")


def send(project: Project, name: str, data: bytes) -> HttpResponse:
    file = SimpleUploadedFile(name, data, "application/octet-stream")
    headers = {"Authorization": f"Bearer {a_token(project)}"}
    return Client().post("/api/v1/uploads", {"file": file, "run_id": "1"}, headers=headers)


def deliver(project: Project, bad: Bad) -> Upload:
    """What became of it."""
    answer = send(project, bad.name, bad.data)
    assert answer.status_code == 202, answer.content
    assert process_next()
    return Upload.objects.get(project=project)


@pytest.mark.parametrize("bad", FILES, ids=lambda bad: f"{bad.number}: {bad.what}")
def test_a_bad_file_gets_its_receipt(project: Project, bad: Bad) -> None:
    began = time.process_time()
    upload = deliver(project, bad)
    assert time.process_time() - began < 10
    (file,) = upload.receipt["files"]
    assert (upload.state, file["state"], upload.attempts) == (bad.state, bad.state, 1)
    check_error(bad, file["error"])
    found = {warning["code"] for warning in file["warnings"]}
    assert found == bad.warnings
    assert all(warning["message"] and warning["hint"] and warning["count"] for warning in file["warnings"])
    assert all(warning["line"] for warning in file["warnings"])
    if bad.state == "failed":
        assert upload.error == file["error"]
        assert not Run.objects.filter(project=project).exists()
    assert Case.objects.filter(project=project).count() == bad.n
    names = set(Case.objects.filter(project=project).values_list("name", flat=True))
    assert names >= set(bad.kept)
    assert all(0 <= job.duration < 10**12 for job in Job.objects.filter(project=project))


def check_error(bad: Bad, error: dict[str, Any] | None) -> None:
    assert (error and error["code"]) == bad.error
    if error is None:
        return
    assert error["hint"]
    assert bad.words in error["message"]
    if bad.line:
        assert (error["line"], error["column"] if bad.column else None) == (bad.line, bad.column)


# --- Nothing is fetched -------------------------------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A server that nobody may connect to."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("number", range(6))
def test_b38_nothing_a_file_names_is_fetched_or_opened(
    project: Project, listener: socket.socket, tmp_path: Path, number: int
) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text("never read this")
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/x.dtd"
    target, doctype = [
        (target, doctype)
        for target in (address, canary.as_uri())
        for doctype in (
            '<!DOCTYPE x [<!ENTITY e SYSTEM "{}">]>',
            '<!DOCTYPE x [<!ENTITY % e SYSTEM "{}"> %e;]>',
            '<!DOCTYPE x SYSTEM "{}" [<!ELEMENT x ANY>]>',
        )
    ][number]
    body = doctype.format(target) + SUITE.format('<testcase name="&e;"/>')
    upload = deliver(project, Bad("B38", "XXE", body))
    assert (upload.state, upload.error["code"], upload.error["line"]) == ("failed", "xml_entities_forbidden", 1)
    assert "never read" not in str(upload.receipt)
    with pytest.raises(BlockingIOError):
        listener.accept()


# --- A database is refused at the door ----------------------------------------------------------------------------


def test_b63_a_coverage_database_is_never_opened(project: Project, tmp_path: Path) -> None:
    path = tmp_path / ".coverage"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE file (path TEXT)")
    database.close()
    answer = send(project, ".coverage", path.read_bytes())
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_type")
    assert "an SQLite database; send the XML report made from it" in answer.json()["error"]["message"]
    assert not Upload.objects.filter(project=project).exists()


# --- The list and the page that explains it ------------------------------------------------------------------------


def test_the_page_lists_each_entry() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/bad-input.md").read_text()
    for number in range(36, 64):
        assert f"| B{number} |" in page, number
    covered = {bad.number for bad in FILES} | {"B38", "B59", "B60", "B63"}
    assert covered == {f"B{number}" for number in range(36, 64)}

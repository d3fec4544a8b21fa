"""The list of codes is whole and closed: what the program can tell, the page, the API and docs/errors.md agree."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from ingest import errors, remarks, views
from ingest.catalogue import COVERAGE_REMARKS, ERRORS, RESULTS_REMARKS, UPLOAD_REMARKS, list_errors, list_remarks
from ingest.parsers import notes
from ingest.parsers.coverage import notes as coverage_notes

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
LISTED = {*errors.HINTS, *notes.HINTS, *coverage_notes.HINTS, *remarks.HINTS}
# Who tells a code names it as its first argument: Remark("…"), notes.add("…"), IngestError("…"), RefusedError("…"), and
# wrappers of these.
TELLERS = {"IngestError", "RefusedError", "Remark", "_warn", "add", "note", "_note"}
BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


# --- in the code --------------------------------------------------------------------------------------------


def find_told(source: str) -> Iterator[str]:
    """The codes that this source tells, by the way they are told."""
    for node in ast.walk(ast.parse(source)):
        told: list[ast.expr | None] = []
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in TELLERS:
            first = node.args[0] if node.args else None
            told = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
        elif isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            told = [value for key, value in pairs if isinstance(key, ast.Constant) and key.value == "code"]
        for part in told:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


def sources() -> Iterator[Path]:
    """What runs on the server; commands for a terminal have words of their own."""
    yield ROOT / "health" / "tokens.py"
    yield ROOT / "dashboard" / "api" / "door.py"
    for package in ("ingest", "config"):
        for path in (ROOT / package).rglob("*.py"):
            if "management" not in path.parts and path.name not in ("uploader.py", "catalogue.py"):
                yield path


def test_whatever_code_is_told_is_listed() -> None:
    told = {code for path in sources() for code in find_told(path.read_text(encoding="utf-8"))}
    assert len(told) > 80
    assert told - LISTED == set()


@pytest.mark.parametrize(
    "line",
    ["notes.add('new_code', 'x')", "Remark('new_code' if x else 'declared_differs', 'x')", "w = {'code': 'new_code'}"],
)
def test_a_code_that_is_not_listed_is_found(line: str) -> None:
    assert "new_code" in set(find_told(line)) - LISTED


def test_whatever_is_listed_is_told_somewhere() -> None:
    lists = {Path(str(module.__file__)) for module in (errors, remarks, notes, coverage_notes)}
    text = "".join(path.read_text(encoding="utf-8") for path in sources() if path not in lists)
    for name in ("retries.py", "tokens.py"):
        text += (ROOT / "health" / name).read_text(encoding="utf-8")
    text += (ROOT / "dashboard" / "api" / "door.py").read_text(encoding="utf-8")
    assert {code for code in LISTED if f'"{code}"' not in text} == set()


def test_each_has_a_meaning_and_a_hint_in_sentences() -> None:
    missing = "ingest/catalogue.py has to say what it means"
    assert set(ERRORS) == set(errors.HINTS), missing
    assert set(RESULTS_REMARKS) == set(notes.HINTS), missing
    assert set(COVERAGE_REMARKS) == set(coverage_notes.HINTS), missing
    assert set(UPLOAD_REMARKS) == set(remarks.HINTS), missing
    for row in (*list_errors(), *list_remarks()):
        assert row.meaning.endswith("."), row
        assert row.hint.endswith("."), row
        assert row.meaning.count("`") % 2 == row.hint.count("`") % 2 == 0, row


# --- in docs/errors.md --------------------------------------------------------------------------------------


def write_rows() -> list[tuple[str, str, str, str]]:
    rows = [(e.code, str(views._STATUS.get(e.code, "receipt")), e.meaning, e.hint) for e in list_errors()]
    return rows + [(r.code, r.about, r.meaning, r.hint) for r in list_remarks()]


def test_the_documentation_lists_exactly_these() -> None:
    documented = ROW.findall((ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))
    wanted = [f"| `{code}` | {' | '.join(rest)} |" for code, *rest in set(write_rows()) - set(documented)]
    assert wanted == [], "docs/errors.md needs these rows"
    assert documented == write_rows()


# --- at /api/v1/errors --------------------------------------------------------------------------------------


def test_the_list_tells_status_meaning_and_hint_and_the_remarks_beside() -> None:
    listed = Client().get("/api/v1/errors").json()
    assert [row["code"] for row in listed["errors"]] == list(errors.HINTS)
    assert listed["errors"][0] == {
        "code": "token_missing",
        "status": 401,
        "meaning": ERRORS["token_missing"],
        "hint": errors.HINTS["token_missing"],
    }
    assert {(row["code"], row["about"]) for row in listed["remarks"]} == {(r.code, r.about) for r in list_remarks()}


def test_where_an_error_sends_its_reader_a_browser_shows_a_page() -> None:
    page = Client().get("/api/v1/errors", headers=BROWSER)
    assert page["Content-Type"].startswith("text/html")
    assert '<tr id="token_invalid">' in page.text
    assert ERRORS["body_truncated"] in page.text
    assert RESULTS_REMARKS["repeated_name"] in page.text
    assert "a &lt;failure&gt; or &lt;error&gt; element" in page.text.replace("Only a", "a")
    assert "<code>Authorization: Bearer sw_up_…</code>" in page.text
    assert "`" not in page.text.partition("<main")[2]


@pytest.mark.parametrize("path", ["/api/v1/errors", "/api/v1/limits"])
@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_everybody_else_gets_json(path: str, accept: str) -> None:
    answer = Client().get(path, headers={"accept": accept})
    assert (answer["Content-Type"], "Accept" in answer["Vary"]) == ("application/json", True)

"""Reading reasons: known forms are read, everything else is left, and a hostile text costs no more than its length."""

import gzip
import time
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rules.reasons import Understood, read_reason

SHARED = Path(__file__).resolve().parents[3] / "shared" / "samples"

# What the sentence says of each field; fields that are not named are empty.
READ: list[tuple[str, dict[str, object]]] = [
    # what covers it
    ("covered by tests/unit/test_prices.py::test_sum", {"backing": ("tests/unit/test_prices.py::test_sum",)}),
    ("Covered by 9 unit tests in tests/unit/test_a*.", {"backing": ("9 unit tests in tests/unit/test_a*",)}),
    (
        "closed too early; covered by Task #12: 9 unit tests + Task #13: 4 integration tests, precedent Task #8 (3)",
        {"backing": ("Task #12: 9 unit tests", "Task #13: 4 integration tests"), "precedent": "Task #8"},
    ),
    ("covered by Task #12 (9 unit tests), see #7", {"backing": ("Task #12 (9 unit tests)",), "issue": "#7"}),
    ("covered by Task #12 (tests/a/test_x.py)", {"backing": ("tests/a/test_x.py",)}),
    ("covered by 9 unit tests (tests/unit/test_a*)", {"backing": ("9 unit tests (tests/unit/test_a*)",)}),
    ("covered by (tests/a/test_x.py, tests/b/test_y.py)", {"backing": ("tests/a/test_x.py", "tests/b/test_y.py")}),
    ("(covered by tests/unit/test_x.py)", {"backing": ("tests/unit/test_x.py",)}),
    ("backed by test_fields_* and test_rows_*", {"backing": ("test_fields_*", "test_rows_*")}),
    ("backed by suite fields", {"backing": ("suite fields",)}),
    ("Backed by suite:fields; see #7", {"backing": ("suite:fields",), "issue": "#7"}),
    ("tested in test_other.py", {"backing": ("test_other.py",)}),
    ("already tested in src/cart/cart.spec.ts", {"backing": ("src/cart/cart.spec.ts",)}),
    ("covered by CartTest and com.shop.CartServiceTest", {"backing": ("CartTest", "com.shop.CartServiceTest")}),
    ("covered by `src/a.test.ts::adds a, then b`", {"backing": ("src/a.test.ts::adds a, then b",)}),
    ("covered by t/a.py::test_p[1, 2] and test_q[a + b]", {"backing": ("t/a.py::test_p[1, 2]", "test_q[a + b]")}),
    ("covered by unit tests", {"backing": ("unit tests",)}),
    ("covered by tests/a_test.go, which is slow", {"backing": ("tests/a_test.go",)}),
    ("covered by tests/a.py::test_a for now", {"backing": ("tests/a.py::test_a",)}),
    ("covered by tests/a.py::test_a and tests/a.py::test_a", {"backing": ("tests/a.py::test_a",)}),
    ("covered by src/test/java/**", {"backing": ("src/test/java/**",)}),
    ("covered by tests/unit/test_a.py - owner: @web", {"backing": ("tests/unit/test_a.py",), "owner": "@web"}),
    # what covers nothing
    ("not covered by tests/unit/test_a.py", {}),
    ("isn't covered by tests/unit/test_a.py yet", {}),
    ("no longer covered by test_fields_*", {}),
    ("will be covered by test_fields_*", {}),
    ("should be tested in test_fields.py", {}),
    ("covered by manual QA", {}),
    ("covered by insurance", {}),
    ("tested in production", {}),
    ("only tested in CI", {}),
    ("tested with GitHub Actions", {}),
    ("covered by arithmetic tests", {}),
    ("covered by #12", {}),
    ("uncovered by tests/unit/test_a.py", {}),
    # issues
    ("see #123", {"issue": "#123"}),
    ("#123", {"issue": "#123"}),
    ("Fails since #9, see #10", {"issue": "#9"}),
    ("blocked by SHOP-123", {"issue": "SHOP-123"}),
    ("GH-12: order is random", {"issue": "GH-12"}),
    ("gh-98765", {"issue": "gh-98765"}),
    ("bpo-4512 on Windows", {"issue": "bpo-4512"}),
    ("known bug shop/cart#42", {"issue": "shop/cart#42"}),
    ("https://github.com/shop/cart/issues/12.", {"issue": "https://github.com/shop/cart/issues/12"}),
    ("(see https://tracker.example/browse/SHOP-9)", {"issue": "https://tracker.example/browse/SHOP-9"}),
    ("https://git.example/a/-/issues/3, ask @anna", {"issue": "https://git.example/a/-/issues/3", "owner": "@anna"}),
    ("TODO(#123): fix", {"issue": "#123"}),
    # no issues
    ("C# only", {}),
    ("needs C#7", {}),
    ("the button's color: #333", {}),
    ("colour is #123456 in dark mode", {}),
    ("background #336699", {}),
    ("#fff", {}),
    ("#0", {}),
    ("test #3 of the suite hangs", {}),
    ("build #512 broke it", {}),
    ("retry #2", {}),
    ("UTF-8 and ISO-8859 are not there, nor SHA-256", {}),
    ("CVE-2026-1234", {}),
    ("https://example.com/docs#12", {}),
    ("docs/setup.md#12", {}),
    ("&#123;", {}),
    ("see https://example.com/issues", {}),
    # days
    ("until 2026-12-01", {"until": "2026-12-01"}),
    ("skipped until: 2026-12-01 (release)", {"until": "2026-12-01"}),
    ("fix by 2027-01-31", {"until": "2027-01-31"}),
    ("expires on 2026-11-30", {"until": "2026-11-30"}),
    ("review 2026-10-05", {"until": "2026-10-05"}),
    ("Review by 2026-10-05, owner: anna", {"until": "2026-10-05", "owner": "anna"}),
    ("until 2026-02-30, then until 2026-03-01", {"until": "2026-03-01"}),
    # no days
    ("issue with dates 2026-02-30", {}),
    ("until 2026-13-01", {}),
    ("fails since 2026-01-05", {}),
    ("until 2026-01-011", {}),
    ("until the next release", {}),
    # owners
    ("TODO(anna): flaky", {"owner": "anna"}),
    ("FIXME(@anna)", {"owner": "@anna"}),
    ("owner: @shop/backend", {"owner": "@shop/backend"}),
    ("owner=anna", {"owner": "anna"}),
    ("ask @anna before", {"owner": "@anna"}),
    ("owner anna@example.com", {"owner": "anna@example.com"}),
    # nobody
    ("TODO(SHOP-7)", {"issue": "SHOP-7"}),
    ("TODO: fix", {}),
    ("owner: the payments team", {}),
    ("@Disabled", {}),
    ("needs @testing-library/react", {}),
    # precedents
    ("as in Task #74", {"precedent": "Task #74"}),
    ("like in Task #74", {"precedent": "Task #74"}),
    ("precedent: tests/a.py::test_b", {"precedent": "tests/a.py::test_b"}),
    ("same as #12, see #13", {"precedent": "#12", "issue": "#13"}),
    ("same reason as test_cart_total", {"precedent": "test_cart_total"}),
    ("same as above", {}),
    ("as in the docs", {}),
    ("like in production", {}),
    ("same as python-3", {}),
    # what runners write
    ("Windows-only test", {}),
    ("unconditional skip", {}),
    ("requires docker", {}),
    ("Skipped: could not import 'yaml': No module named 'yaml'", {}),
    ("need --runslow option to run", {}),
    ("got empty parameter set ['a'], function test_a at /srv/t.py:3", {}),
    ("class com.shop.CartIT is @Disabled", {}),
    ("org.opentest9j.TestAbortedException: Assumption failed: no db", {}),
    ("not on this platform (linux/arm64)", {}),
    ("only on Python 3.11+", {}),
    ("", {}),
    ("später 🐛 \u202e", {}),
]  # fmt: skip


def write_down(understood: Understood) -> dict[str, object]:
    said = {
        "backing": understood.backing,
        "issue": understood.issue,
        "until": understood.until and understood.until.isoformat(),
        "owner": understood.owner,
        "precedent": understood.precedent,
    }
    return {field: value for field, value in said.items() if value}


@pytest.mark.parametrize(("text", "said"), READ, ids=[text[:50] for text, _ in READ])
def test_a_sentence_is_read_for_what_it_says_and_nothing_else(text: str, said: dict[str, object]) -> None:
    assert write_down(read_reason(text)) == said


@pytest.mark.parametrize("text", [text for text, _ in READ], ids=[text[:50] for text, _ in READ])
def test_marks_say_where_it_was_read(text: str) -> None:
    understood = read_reason(text)
    marked: dict[str, list[str]] = {}
    for mark in understood.marks:
        marked.setdefault(mark.field, []).append(text[mark.start : mark.end])
    said = write_down(understood)
    assert marked == {field: list(value) if isinstance(value, tuple) else [value] for field, value in said.items()}
    ends = [0, *(mark.end for mark in understood.marks)]
    assert all(mark.start >= end for mark, end in zip(understood.marks, ends, strict=False))


def test_what_covers_it_may_go_over_more_than_one_sentence_part() -> None:
    text = "Broken by the new driver. Backed by tests/a.py::test_a; tests/b.py::test_b. Until 2026-12-01 (ask @anna)."
    understood = read_reason(text)
    assert understood.backing == ("tests/a.py::test_a", "tests/b.py::test_b")
    assert understood.until == date(2026, 12, 1)
    assert understood.owner == "@anna"


@pytest.mark.parametrize(
    "piece",
    ["covered by covered by (((", "covered by a, ", "covered by `", "covered by test_a[", "as in ", "http://", "#1 "]
    + ["A-", "TODO(", "owner: a", "precedent is the ", "not ", "until 2026-", "x/", "(", "\u202e", "\0", "test_", "a@"],
)  # fmt: skip
def test_a_hostile_text_costs_no_more_than_its_length(piece: str) -> None:
    text = (piece * 1_000_000)[:1_000_000]
    start = time.process_time()
    read_reason(text)
    assert time.process_time() - start < 1


@given(st.text(st.sampled_from("covered by#1(a_[`\"';,.+/: \n")) | st.text())
def test_any_text_can_be_read(text: str) -> None:
    understood = read_reason(text)
    assert all(text[mark.start : mark.end] for mark in understood.marks)
    assert all(said and said == said.strip() for said in understood.backing)


def list_real_reasons() -> set[str]:
    reasons = set()
    for path in [*SHARED.glob("junit/*.xml"), *SHARED.glob("history/**/*.xml.gz")]:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if b"<!ENTITY" in data:
            continue
        try:
            root = ET.fromstring(data)
        except ET.ParseError:
            continue
        for element in root.iter("skipped"):
            reasons |= {element.get("message", ""), element.text or ""}
    return reasons


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the shared sample corpus is not beside the repository ({SHARED})")
def test_of_real_reasons_only_what_they_say_is_read() -> None:
    reasons = list_real_reasons()
    assert len(reasons) > 50
    read = {text: write_down(read_reason(text)) for text in reasons}
    assert {text: said for text, said in read.items() if said} == {"known bug #42": {"issue": "#42"}}

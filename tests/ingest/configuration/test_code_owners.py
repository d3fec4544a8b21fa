"""CODEOWNERS line by line: what is read, and what is named and left out."""

import json
import time
from typing import Any

import pytest

from ingest.configuration.code_owners import read_code_owners
from ingest.configuration.remarks import OWNERS, Remarks
from ingest.remarks import Remark


def read(text: str) -> tuple[list[dict[str, Any]], list[Remark]]:
    remarks = Remarks(OWNERS)
    return read_code_owners(text, remarks=remarks), remarks.list_all()


def test_lines_keep_their_order_and_remarks_say_nothing() -> None:
    sections, remarks = read("# who is who\n\n*  @all\n/docs/\t@a @org/b c@d.example # at the end\n")
    assert remarks == []
    assert sections == [
        {
            "rules": [
                {"pattern": "*", "owners": ["@all"]},
                {"pattern": "/docs/", "owners": ["@a", "@org/b", "c@d.example"]},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("line", "pattern", "owners"),
    [
        (r"path\ with\ blanks/ @a", r"path\ with\ blanks/", ["@a"]),
        (r"\#hash @a", r"\#hash", ["@a"]),
        ("a#b @a", "a#b", ["@a"]),
        ("/ @a", "/", ["@a"]),
        ("x @@maintainer", "x", ["@@maintainer"]),
        ("x", "x", []),
        ("tail\\ @a", "tail\\ @a", []),
    ],
)
def test_patterns_and_owners(line: str, pattern: str, owners: list[str]) -> None:
    sections, remarks = read(line)
    assert (sections, remarks) == ([{"rules": [{"pattern": pattern, "owners": owners}]}], [])


def test_sections_bring_their_name_and_their_owners() -> None:
    sections, remarks = read("[Docs] @d\n/docs/\n/docs/api/ @api\n^[Maybe][2]\n!x\n[Empty]\n")
    assert remarks == []
    assert sections == [
        {
            "section": "Docs",
            "defaults": [["@d"]],
            "rules": [{"pattern": "/docs/", "default": 0}, {"pattern": "/docs/api/", "owners": ["@api"]}],
        },
        {"section": "Maybe", "rules": [{"pattern": "x", "excluded": True}]},
    ]


def test_a_word_that_is_no_owner_is_named_with_its_line() -> None:
    sections, remarks = read("* @a\nx team @b\ny team\n")
    assert sections == [{"rules": [{"pattern": "*", "owners": ["@a"]}, {"pattern": "x", "owners": ["@b"]}]}]
    assert [(r.file, r.code, r.line) for r in remarks] == [(OWNERS, "owners_invalid", n) for n in (2, 3)]
    assert remarks[0].message == "'team' is neither @team, @person nor a mail address."


def test_a_line_whose_owners_are_all_wrong_does_not_take_files_from_others() -> None:
    assert read("* @a\n/docs team\n")[0] == [{"rules": [{"pattern": "*", "owners": ["@a"]}]}]


@pytest.mark.parametrize("line", ["!", "! @a", "x" * 501 + " @a"])
def test_a_line_without_a_usable_pattern_is_named(line: str) -> None:
    sections, remarks = read(line)
    assert sections == []
    assert [r.line for r in remarks] == [1]


def test_a_heading_that_comes_again_goes_on_with_its_section_and_with_its_own_owners() -> None:
    sections, remarks = read("[Docs] @d\na\n[Web] @w\nb\n[DOCS]\nc\n[docs] @e\nd\n")
    assert remarks == []
    docs, web = sections
    assert (docs["section"], docs["defaults"]) == ("Docs", [["@d"], ["@e"]])
    assert [(rule["pattern"], rule["default"]) for rule in docs["rules"]] == [("a", 0), ("c", 0), ("d", 1)]
    assert web == {"section": "Web", "defaults": [["@w"]], "rules": [{"pattern": "b", "default": 0}]}


def test_of_very_many_sections_the_first_five_hundred_are_read() -> None:
    started = time.process_time()
    sections, remarks = read("".join(f"[{n}]\na\n" for n in range(7_000)))
    assert time.process_time() - started < 1
    assert [section["section"] for section in sections] == [str(n) for n in range(500)]
    assert remarks[0].message == "More than 500 sections are too many; this one is left out."
    assert len(remarks) == 101


def test_of_very_many_lines_the_first_three_thousand_are_read() -> None:
    sections, remarks = read("a @b\n" * 5_000)
    assert len(sections[0]["rules"]) == 3_000
    assert [(remark.line, remark.message.split(";")[0]) for remark in remarks] == [
        (3_001, "More than 3,000 lines are too many")
    ]


def test_the_owners_of_a_heading_are_kept_once() -> None:
    """Written out for each line they would be five hundred million characters of 64 KiB."""
    sections, _ = read("[s] " + "@a " * 10_000 + "\n" + "x\n" * 16_000)
    assert len(json.dumps(sections)) < 1_000_000

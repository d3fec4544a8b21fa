"""CODEOWNERS line by line: what is read, and what is named and left out."""

from typing import Any

import pytest

from ingest.configuration.code_owners import read_code_owners
from ingest.configuration.remarks import OWNERS, Remark, Remarks


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
            "rules": [{"pattern": "/docs/", "owners": ["@d"]}, {"pattern": "/docs/api/", "owners": ["@api"]}],
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

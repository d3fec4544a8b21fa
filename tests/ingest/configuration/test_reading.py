"""What is good in the two files is used, what is not is named with line, field and what to do."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.configuration import CONFIGURATION, OWNERS, decode_text, read_configuration
from ingest.configuration.shapes import load_schema
from ingest.remarks import Remark


def read(text: str) -> list[Remark]:
    return read_configuration(text).warnings


def test_content_has_one_form_and_leaves_out_what_says_nothing() -> None:
    text = 'suites: []\ncoverage: {prefixes: [x], levels: []}\nrun:\nowners: [{path: a, owners: ["@x"]}]\n'
    text += "expected_jobs: [b, a, b]\n"
    assert read_configuration(text).content == {
        "coverage": {"prefixes": ["x"]},
        "expected_jobs": ["b", "a"],
        "owners": [{"path": "a", "owners": ["@x"]}],
    }


def test_a_mistake_names_line_column_field_and_what_was_meant() -> None:
    text = "suites:\n  - path: a\n    level: unit\n  - path: b\n    levle: unit\n"
    found = read_configuration(text)
    assert found.content == {"suites": [{"path": "a", "level": "unit"}]}
    assert found.warnings[0].to_json() == {
        "file": ".suitewatch.yml",
        "line": 5,
        "column": 5,
        "field": "suites[1].levle",
        "code": "unknown_key",
        "message": "levle is not known here.",
        "hint": "Did you mean level?",
        "count": 1,
    }


def test_a_mistake_takes_its_whole_rule_out_and_no_other() -> None:
    """What is left of a rule could fit far more cases than was meant."""
    text = "suites:\n  - {path: a, name: 3, level: unit}\n  - {path: b, level: unit}\n  - {path: c, x: y, level: e2e}\n"
    assert read_configuration(text).content == {"suites": [{"path": "b", "level": "unit"}]}


def test_of_two_equal_keys_the_last_counts_and_both_lines_are_named() -> None:
    found = read_configuration("run: {timeout_minutes: 5}\nsuites:\nrun: {timeout_minutes: 9}\n")
    assert found.content == {"run": {"timeout_minutes": 9}}
    assert [(w.code, w.line, w.field) for w in found.warnings] == [("duplicate_key", 3, "run")]
    assert "line 1" in found.warnings[0].message


def test_of_two_equal_keys_in_a_rule_the_last_counts() -> None:
    found = read_configuration("suites: [{path: a, level: unit, level: e2e}]")
    assert found.content == {"suites": [{"path": "a", "level": "e2e"}]}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("expected_jobs: [3.10]", "Put it in quotes."),
        ("coverage: {prefixes: build/}", "Begin each entry with a dash, on a line of its own."),
        ("ownr: []", "Did you mean owners?"),
        (
            "zzz: []",
            f"Known here: {', '.join(load_schema()['properties'])}.",
        ),
    ],
)
def test_hints_say_what_to_write(text: str, hint: str) -> None:
    assert read(text)[0].hint == hint


def test_a_file_that_is_no_yaml_says_nothing_and_owners_are_read_all_the_same() -> None:
    found = read_configuration("suites: [\n", "* @a\n")
    assert list(found.content) == ["code_owners"]
    assert [(w.file, w.code) for w in found.warnings] == [(CONFIGURATION, "configuration_unreadable")]


@pytest.mark.parametrize(
    ("text", "is_readable"),
    [
        *((text, True) for text in ("", "# nothing", "~", "{}", "suites:", "suites: []", "suites: [{levle: unit}]")),
        *(("suites: []\nsuites: []", True), ("expected_jobs: [a]\nzzz: 1", True)),
        *((text, False) for text in ("suites: [", "a: &a b", "words", "3", "- suites", "zzz: 1", "suites: 3")),
    ],
)
def test_a_file_that_says_nothing_is_told_from_one_of_which_nothing_was_understood(
    text: str, is_readable: bool
) -> None:
    found = read_configuration(text)
    assert found.is_readable == is_readable
    last = [warning.code for warning in found.warnings][-1:]
    assert (last in (["configuration_unreadable"], ["yaml_forbidden"])) == (not is_readable)


def test_very_many_mistakes_are_counted_and_not_all_listed() -> None:
    warnings = read("".join(f"key{n}: 1\n" for n in range(500)))
    assert len(warnings) == 102
    assert warnings[-2].message == "400 more remarks are not listed."
    assert warnings[-1].message == "Nothing in the file could be understood."


def test_keys_that_are_no_texts_are_named() -> None:
    assert read("? [a, b]\n: 1\n")[0].message == "a list as a key is not known here."


def test_bytes_that_are_no_utf8_become_a_remark() -> None:
    text, remarks = decode_text(b"a: 1\nb: \xff\n", file=OWNERS)
    assert text == "a: 1\nb: \N{REPLACEMENT CHARACTER}\n"
    assert [(r.file, r.code, r.line) for r in remarks] == [(OWNERS, "undecodable_text", 2)]
    assert decode_text(b"\xef\xbb\xbfa\x00", file=OWNERS)[0] == "a\N{REPLACEMENT CHARACTER}"


# Any characters, NUL and halves of surrogate pairs among them, plain and as YAML may write them.
characters = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    [
        '"a\\0b"',
        '"\\ud800"',
        "!<%00> 1",
        "&a",
        "*a",
        "[",
        "{p: ",
        ": ",
        "\n",
        "- ",
        "suites:",
        "path",
        "@a",
        "!x",
        "[s]",
    ]
)
texts = st.lists(characters, max_size=12).map("".join)


@settings(max_examples=300, deadline=None)
@given(text=texts, owners=texts)
def test_any_texts_are_answered(text: str, owners: str) -> None:
    found = read_configuration(text, owners)
    assert isinstance(found.content, dict)
    assert all(warning.message and warning.hint is not None for warning in found.warnings)
    told = json.dumps([warning.to_json() for warning in found.warnings])
    assert "\\u0000" not in told
    json.loads(told, object_hook=check_encodable)


def check_encodable(told: dict[str, object]) -> None:
    """No half of a surrogate pair is in it."""
    for value in told.values():
        str(value).encode()


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["a", "@a", "unit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["suites", "path", "level", "owners", "coverage", "levels", "file", "run", "expected_jobs"]
                + ["deferrals", "cases", "kind", "review", "backing", "deferral_policy", "require", "gate", "fail_on"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(SHAPES)
def test_any_shape_gives_only_what_the_schema_allows(shape: object) -> None:
    import jsonschema

    content = read_configuration(json.dumps(shape)).content
    for item in content.get("deferrals", ()):
        assert item.pop("file") == CONFIGURATION
        assert item.pop("line") >= 1
    jsonschema.Draft202012Validator(load_schema()).validate(content)
    json.dumps(content, ensure_ascii=False).encode()

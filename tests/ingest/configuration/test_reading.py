"""What is good in the two files is used, what is not is named with line, field and what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.configuration import CONFIGURATION, OWNERS, Remark, decode_text, read_configuration


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
        ("zzz: []", "Known here: suites, coverage, expected_jobs, run, owners."),
    ],
)
def test_hints_say_what_to_write(text: str, hint: str) -> None:
    assert read(text)[0].hint == hint


def test_a_file_that_is_no_yaml_says_nothing_and_owners_are_read_all_the_same() -> None:
    found = read_configuration("suites: [\n", "* @a\n")
    assert list(found.content) == ["code_owners"]
    assert [(w.file, w.code) for w in found.warnings] == [(CONFIGURATION, "configuration_unreadable")]


def test_very_many_mistakes_are_counted_and_not_all_listed() -> None:
    warnings = read("".join(f"key{n}: 1\n" for n in range(500)))
    assert len(warnings) == 101
    assert warnings[-1].message == "400 more remarks are not listed."


def test_keys_that_are_no_texts_are_named() -> None:
    assert read("? [a, b]\n: 1\n")[0].message == "a list as a key is not known here."


def test_bytes_that_are_no_utf8_become_a_remark() -> None:
    text, remarks = decode_text(b"a: 1\nb: \xff\n", file=OWNERS)
    assert text == "a: 1\nb: \N{REPLACEMENT CHARACTER}\n"
    assert [(r.file, r.code, r.line) for r in remarks] == [(OWNERS, "undecodable_text", 2)]
    assert decode_text(b"\xef\xbb\xbfa\x00", file=OWNERS)[0] == "a\N{REPLACEMENT CHARACTER}"


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=80), owners=st.text(max_size=80))
def test_any_texts_are_answered(text: str, owners: str) -> None:
    found = read_configuration(text, owners)
    assert isinstance(found.content, dict)
    assert all(warning.message and warning.hint is not None for warning in found.warnings)


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.sampled_from(["a", "@a", "unit"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["suites", "path", "level", "owners", "coverage", "levels", "file", "run", "expected_jobs"]
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
    import json

    import jsonschema

    from ingest.configuration.shapes import load_schema

    content = read_configuration(json.dumps(shape)).content
    jsonschema.Draft202012Validator(load_schema()).validate(content)
    json.dumps(content, ensure_ascii=False).encode()

"""YAML as nodes with lines: values as editors see them, everything dangerous refused with its place."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.configuration.yaml_nodes import MOST_DEPTH, Node, YamlError, read_nodes


def plain(node: Node | None) -> Any:
    if node is None or node.kind == "null":
        return None
    if node.kind == "object":
        return {key.text: plain(value) for key, value in node.pairs}
    return [plain(item) for item in node.items] if node.kind == "array" else node.text


def refuse(text: str) -> YamlError:
    with pytest.raises(YamlError) as caught:
        read_nodes(text)
    return caught.value


def test_a_tree_knows_lines_and_columns() -> None:
    root, second = read_nodes("a: 1\nb:\n  - x\n  - {c: 'y'}\n")
    assert second is None
    assert root is not None
    assert plain(root) == {"a": "1", "b": ["x", {"c": "y"}]}
    item = root.pairs[1][1].items[1]
    assert (item.line, item.column, item.pairs[0][1].line, item.pairs[0][1].column) == (4, 5, 4, 9)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1", "integer"),
        ("0x1f", "integer"),
        ("1.5", "number"),
        ("3.10", "number"),
        ("007", "number"),
        (".inf", "number"),
        ("true", "boolean"),
        ("~", "null"),
        ("", "null"),
        ('""', "string"),
        ('"1"', "string"),
        ("yes", "string"),  # YAML 1.1 would make a truth of it, a time of the next, and a day of the last
        ("22:30", "string"),
        ("2026-01-01", "string"),
        ("|\n  text", "string"),
    ],
)
def test_values_mean_what_editors_think(text: str, kind: str) -> None:
    root, _ = read_nodes(f"key: {text}\n")
    assert root is not None
    assert root.pairs[0][1].kind == kind


@pytest.mark.parametrize(
    ("text", "code", "line", "words"),
    [
        ("a: &x [1]\nb: *x\n", "yaml_forbidden", 1, "alias or anchor"),
        ("a: 1\nb: *x\n", "yaml_forbidden", 2, "alias or anchor"),
        ("path: **/x\n", "configuration_unreadable", 1, "has to be quoted"),
        ("a: !!python/object/apply:os.system [x]\n", "yaml_forbidden", 1, "The tag tag:yaml.org"),
        ("a:\n  b: !secret x\n", "yaml_forbidden", 2, "The tag !secret"),
        ("[" * 3000, "yaml_forbidden", 1, "deeper than 50"),
        ("\n".join(" " * n + "a:" for n in range(60)), "yaml_forbidden", MOST_DEPTH + 1, "deeper than 50"),
        ("a:\n\t- b\n", "configuration_unreadable", 2, "\\t"),
        ("a: b: c\n", "configuration_unreadable", 1, "mapping values"),
        ("x: 1\ny: \x01\n", "configuration_unreadable", 2, "U+0001"),
        ("a: {", "configuration_unreadable", 1, "flow node"),
        ('a: "open\n', "configuration_unreadable", 2, "end of stream"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(text: str, code: str, line: int, words: str) -> None:
    problem = refuse(text)
    assert (problem.code, problem.line) == (code, line)
    assert words in problem.message


def test_a_bomb_of_aliases_is_refused_before_anything_is_expanded() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert refuse(bomb).code == "yaml_forbidden"


@pytest.mark.parametrize("text", ["", "# only a remark\n", "---\n", "\ufeff", "\r\n\r\n"])
def test_nothing_is_no_mistake(text: str) -> None:
    root, _ = read_nodes(text)
    assert plain(root) is None


def test_a_byte_order_mark_and_windows_lines_are_read() -> None:
    root, _ = read_nodes("\ufeffa: 1\r\nb: 2\r\n")
    assert plain(root) == {"a": "1", "b": "2"}


def test_a_second_document_is_told() -> None:
    root, second = read_nodes("a: 1\n---\nb: 2\n")
    assert (plain(root), second) == ({"a": "1"}, 2)


MARKS = st.sampled_from("ab:-[]{}&*!|>'\"#,?%@ \n\t\r\x00\x85\u2028é")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=MARKS, max_size=60) | st.text(max_size=60))
def test_any_text_ends_in_a_tree_or_in_our_own_error(text: str) -> None:
    with suppress(YamlError):
        read_nodes(text)


HARMFUL = ["[" * 65_000, "- " * 32_000, "{a: " * 16_000, "a" * 65_000, "? " * 32_000, "'" * 65_000]


@pytest.mark.parametrize("text", HARMFUL)
def test_the_largest_file_made_to_do_harm_is_answered_at_once(text: str) -> None:
    begun = time.perf_counter()
    with suppress(YamlError):
        read_nodes(text)
    assert time.perf_counter() - begun < 5

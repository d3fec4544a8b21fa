"""A YAML text as a tree of nodes that know their line: plain mappings, lists and values, and nothing that can do harm.

Used by `ingest.configuration.reading`; pure. Aliases, anchors and tags are refused, and so is nesting deeper than 50:
the events of the text are checked one by one, nothing is ever constructed or expanded.
Promise: any text ends in a tree or in one error with its line (`tests/ingest/configuration/test_yaml_nodes.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MOST_DEPTH: Final = 50
# What a value that is not quoted means in YAML 1.2, which editors check by; PyYAML's own rules are those of 1.1.
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*|0o[0-7]+|0x[0-9a-fA-F]+)")
_FRACTION = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})


class YamlError(Exception):
    """Why a text cannot be read; line and column count from 1."""

    def __init__(self, code: str, message: str, *, line: int | None, column: int | None) -> None:
        super().__init__(message)
        self.code, self.message, self.line, self.column = code, message, line, column


@dataclass(slots=True)
class Node:
    """One value: `kind` is a JSON Schema type; a mapping's keys are kept in order, with repeats."""

    kind: str
    line: int
    column: int
    text: str = ""
    items: list["Node"] = field(default_factory=list)
    pairs: list[tuple["Node", "Node"]] = field(default_factory=list)

    @property
    def words(self) -> str:
        """What it is, for a sentence."""
        known = {"object": "a mapping", "array": "a list", "string": "a text", "null": "nothing"}
        return known.get(self.kind) or ("true or false" if self.kind == "boolean" else "a number")


def read_nodes(text: str) -> tuple[Node | None, int | None]:
    """The tree of the first document, None when it is empty; and the line a second document starts in.

    Raises YamlError.
    """
    try:
        return _build(text)
    except yaml.reader.ReaderError as problem:
        line = text.count("\n", 0, problem.position) + 1
        message = f"The character U+{_number(problem.character):04X} cannot stand in YAML."
        raise YamlError("configuration_unreadable", message, line=line, column=None) from problem
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        words = ", ".join(part for part in (problem.problem, problem.context) if part)
        if problem.context in ("while scanning an alias", "while scanning an anchor"):
            words = "a text that starts with * or & has to be quoted"
        raise YamlError(
            "configuration_unreadable",
            f"The file is not YAML here: {words}.",
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        ) from problem
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        message = f"The file is not YAML: {type(problem).__name__}."
        raise YamlError("configuration_unreadable", message, line=None, column=None) from problem


def _number(character: Any) -> int:
    return ord(character) if isinstance(character, str) else int(character)


def _build(text: str) -> tuple[Node | None, int | None]:
    root: Node | None = None
    keys: list[Node | None] = []  # of each open mapping, the key that waits for its value
    path: list[Node] = []
    n_documents = 0
    for event in _check_events(text):
        if isinstance(event, yaml.DocumentStartEvent):
            n_documents += 1
            if n_documents > 1:
                return root, _find_place(event)[0]
        if isinstance(event, yaml.CollectionEndEvent):
            path.pop()
            keys.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        node = _make_node(event)
        if not path:
            root = node
        elif path[-1].kind == "array":
            path[-1].items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            path[-1].pairs.append((key, node))
            keys[-1] = None
        if isinstance(event, yaml.CollectionStartEvent):
            path.append(node)
            keys.append(None)
    return root, None


def _check_events(text: str) -> Iterator[yaml.Event]:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        forbidden = _find_forbidden(event)
        if not forbidden and depth > MOST_DEPTH:
            forbidden = f"The file is nested deeper than {MOST_DEPTH} levels here."
        if forbidden:
            line, column = _find_place(event)
            raise YamlError("yaml_forbidden", forbidden, line=line, column=column)
        yield event


def _find_forbidden(event: yaml.Event) -> str:
    tag = getattr(event, "tag", None)
    if tag:
        return f"The tag {tag[:80]} stands here."
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "An alias or anchor stands here. A text that starts with * or & has to be quoted."
    return ""


def _find_place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _make_node(event: yaml.NodeEvent) -> Node:
    line, column = _find_place(event)
    if isinstance(event, yaml.MappingStartEvent):
        return Node("object", line, column)
    if isinstance(event, yaml.SequenceStartEvent):
        return Node("array", line, column)
    text = str(getattr(event, "value", ""))
    return Node(_name_kind(text) if getattr(event, "style", None) is None else "string", line, column, text)


def _name_kind(text: str) -> str:
    if text in _NULLS:
        return "null"
    if text in _BOOLEANS:
        return "boolean"
    if _NUMBER.fullmatch(text):
        return "integer"
    return "number" if _FRACTION.fullmatch(text) else "string"

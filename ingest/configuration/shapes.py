"""Nodes become plain values as the published JSON Schema allows them; what it does not allow is left out, and said.

Used by `ingest.configuration.reading`; pure. The schema that editors check by is the only list of keys, types and
limits there is, so that editor and server cannot disagree (`tests/ingest/configuration/test_schema.py`).
What no schema can say, whether a text names tests that can be looked up, is asked of `health.rules.case_patterns`.
Promise: a mistake in a rule takes out the rule, since what is left of it could fit more cases than was meant.
"""

import difflib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from health.rules.case_patterns import read_pattern
from ingest.configuration.remarks import CONFIGURATION, DEFERRALS, Remarks
from ingest.configuration.yaml_nodes import Node

SCHEMA_PATH: Final = Path(__file__).with_name("suitewatch.schema.json")
# Everything the reader understands of JSON Schema; a test holds the file to it.
KEYWORDS: Final = frozenset(
    {
        *("$schema", "title", "description", "$defs", "$ref", "type", "properties", "additionalProperties"),
        *("required", "anyOf", "allOf", "items", "minItems", "maxItems", "minLength", "maxLength", "pattern"),
        *("minimum", "maximum", "enum", "format"),
    }
)
_WORDS: Final = {"object": "a mapping", "array": "a list", "string": "a text", "integer": "a whole number"}
_LONGEST_INTEGER: Final = 12
# The format of a text that has to name tests; that of `backing` should.
_CASE_PATTERN: Final = "case-pattern"
# The list whose entries are kept with the line they begin in, because pages show it.
_WITH_LINES: Final = "deferrals"

NOTHING: Final = object()


@cache
def load_schema(file: str = CONFIGURATION) -> dict[str, Any]:
    """The published schema of `.suitewatch.yml`, or of the file that holds the list of deferrals alone."""
    schema: dict[str, Any] = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
    if file == DEFERRALS:
        schema["title"] = f"Deferrals ({DEFERRALS})"
        schema["properties"] = {_WITH_LINES: schema["properties"][_WITH_LINES]}
    return schema


def read_shape(root: Node, *, remarks: Remarks) -> dict[str, Any] | None:
    """The values of a whole file as far as they fit its schema; None when it says something and nothing fits."""
    reader = _Reader(remarks)
    value = reader.read(root, load_schema(remarks.file), "")
    values = value if isinstance(value, dict) else {}
    return values if values or not reader.faults else None


class _Reader:
    """Walks nodes and schema side by side; `faults` counts what had to be left out."""

    def __init__(self, remarks: Remarks) -> None:
        self.remarks = remarks
        self.faults = 0

    def read(self, node: Node, shape: Mapping[str, Any], field: str) -> Any:
        """The value of a node, or NOTHING when it cannot be used."""
        shape = _resolve(shape)
        kinds = [shape["type"]] if isinstance(shape["type"], str) else list(shape["type"])
        if node.kind not in kinds:
            return self._refuse_kind(node, kinds, field)
        if node.kind == "object":
            return self._read_object(node, shape, field)
        if node.kind == "array":
            return self._read_array(node, shape, field)
        if node.kind == "string":
            return self._read_text(node, shape, field)
        return self._read_number(node, shape, field) if node.kind == "integer" else NOTHING

    def _refuse(self, node: Node, field: str, message: str, *, code: str = "configuration_invalid", **more: Any) -> Any:
        self.faults += 1
        self.remarks.add(code, message, line=node.line, column=node.column, field=field, **more)
        return NOTHING

    def _refuse_kind(self, node: Node, kinds: list[str], field: str) -> Any:
        wanted = " or ".join(_WORDS[kind] for kind in kinds if kind != "null")
        hint = None
        if "string" in kinds and node.kind in ("integer", "number", "boolean", "null"):
            hint = "Put it in quotes."
        elif "array" in kinds and node.kind == "string":
            hint = "Begin each entry with a dash, on a line of its own."
        what = field or "The file"
        return self._refuse(node, field, f"{what} has to be {wanted}, and this is {node.words}.", hint=hint)

    def _read_object(self, node: Node, shape: Mapping[str, Any], field: str) -> Any:
        properties = shape["properties"]
        values: dict[str, Any] = {}
        seen: dict[str, int] = {}
        faults = self.faults
        for key, value in node.pairs:
            where = f"{field}.{key.text}" if field else key.text
            if key.text not in properties or key.kind in ("object", "array"):
                self._refuse_key(key, properties, where)
                continue
            if key.text in seen:
                message = f"{key.text} stands in line {seen[key.text]} already; the last one counts."
                self.remarks.add("duplicate_key", message, line=key.line, column=key.column, field=where)
            seen[key.text] = key.line
            values[key.text] = self.read(value, properties[key.text], where)
        values = {name: value for name, value in values.items() if value is not NOTHING}
        for group in _list_needs(shape):
            if not any(name in seen for name in group):
                if self.faults > faults:
                    return NOTHING  # what is missing is probably the key that was not known
                return self._refuse(node, field, f"{field} needs {_join(group)}.")
        return values

    def _refuse_key(self, key: Node, properties: Mapping[str, Any], where: str) -> None:
        name = key.text if key.kind not in ("object", "array") else f"{key.words} as a key"
        near = [] if self.remarks.is_full else difflib.get_close_matches(key.text, properties, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(properties)}."
        self._refuse(key, where, f"{name[:80]} is not known here.", code="unknown_key", hint=hint)

    def _read_array(self, node: Node, shape: Mapping[str, Any], field: str) -> Any:
        most = shape.get("maxItems", len(node.items))
        if len(node.items) > most:
            self._refuse(node.items[most], field, f"{field} may have {most} entries; the rest is left out.")
        values = []
        for index, item in enumerate(node.items[:most]):
            faults = self.faults
            value = self.read(item, shape["items"], f"{field}[{index}]")
            if self.faults == faults:
                values.append(value | {"line": item.line} if field == _WITH_LINES else value)
        if len(values) < shape.get("minItems", 0) and not node.items:
            return self._refuse(node, field, f"{field} is empty.")
        if node.items and not values and "enum" in _resolve(shape["items"]):
            return NOTHING  # of known words an empty list is a choice, and one of mistakes is none
        return values

    def _read_text(self, node: Node, shape: Mapping[str, Any], field: str) -> Any:
        if "enum" in shape:
            return self._read_word(node, shape["enum"], field)
        is_encodable = not re.search(r"[\ud800-\udfff]", node.text)
        fits = shape.get("minLength", 0) <= len(node.text) <= shape["maxLength"] and is_encodable
        if not fits or not re.search(shape["pattern"], node.text):
            return self._refuse(node, field, f"{field} has to be {shape['description']}.")
        if "format" in shape and read_pattern(node.text) is None:
            return self._read_nameless(node, shape["format"], field)
        return node.text

    def _read_word(self, node: Node, known: list[str], field: str) -> Any:
        if node.text in known:
            return node.text
        near = [] if self.remarks.is_full else difflib.get_close_matches(node.text, known, n=1)
        return self._refuse(
            node,
            field,
            f"{field} has to be {_join(known)}, and this is {node.text[:80]!r}.",
            hint=f"Did you mean {near[0]}?" if near else None,
        )

    def _read_nameless(self, node: Node, kind: str, field: str) -> Any:
        """A backing that cannot be looked up is kept, because it is shown as never proven; entries need a pattern."""
        message = f"{node.text[:80]!r} names no tests that can be looked up"
        if kind == _CASE_PATTERN:
            return self._refuse(node, field, f"{message}; the entry is left out.", code="names_nothing")
        told = f"{message}; as backing it counts as never proven."
        self.remarks.add("names_nothing", told, line=node.line, column=node.column, field=field)
        return node.text

    def _read_number(self, node: Node, shape: Mapping[str, Any], field: str) -> Any:
        least, most = shape["minimum"], shape["maximum"]
        number = int(node.text, 0) if len(node.text) <= _LONGEST_INTEGER else most + 1
        if not least <= number <= most:
            return self._refuse(node, field, f"{field} has to be a whole number from {least} to {most:,}.")
        return number


def _join(names: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _resolve(shape: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a `$ref` stands for."""
    named: Mapping[str, Any] = load_schema()["$defs"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
    return named


def _list_needs(shape: Mapping[str, Any]) -> list[list[str]]:
    """Groups of keys, of each of which one has to be there."""
    groups = [[name] for name in shape.get("required", ())]
    for part in shape.get("allOf", ()):
        groups.append([name for choice in part["anyOf"] for name in choice["required"]])
    return groups

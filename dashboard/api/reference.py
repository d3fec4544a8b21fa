"""The OpenAPI document as a page shows it: chapters of operations, and the pieces their answers are made of.

Called by `dashboard.api.door`. Promise: nothing of the document is left out
(`tests/dashboard/test_api_reference.py`).
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html, format_html_join

from dashboard.api.addresses import ROOT
from dashboard.api.export import PATH as EXPORT

_SHAPES: Final = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}
_WORDS: Final = ("{}", "<code>{}</code>")
_METHODS: Final = ("get", "post", "put")
# In commands; curl reads braces as a list.
_EXAMPLES: Final = {
    "{slug}": "SLUG",
    "{number}": "NUMBER",
    "{pk}": "ENTRY",
    "{public_id}": "UPLOAD",
    "{fingerprint}": "CAUSE",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of value something is: words, and the piece it links to."""

    before: str = ""
    piece: str = ""
    after: str = ""

    @property
    def title(self) -> str:
        """What the piece is called."""
        return _name_piece(self.piece)


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A parameter, or a field of a piece."""

    name: str
    shape: Shape
    told: str
    where: str = ""
    is_required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OperationFact:
    """One operation."""

    key: str
    method: str
    path: str
    title: str
    told: str
    parameters: tuple[FieldLine, ...]
    sent: tuple[FieldLine, ...]
    fields: tuple[FieldLine, ...]
    is_framed: bool  # whether the fields are those of `data`
    curl: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """Operations about one thing."""

    name: str
    told: str
    operations: tuple[OperationFact, ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """A schema that answers are made of."""

    key: str
    title: str
    told: str
    fields: tuple[FieldLine, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """The whole page."""

    chapters: tuple[Chapter, ...]
    pieces: tuple[Piece, ...]
    n_operations: int
    first: str  # an address to begin with


def read_reference(document: Mapping[str, Any]) -> Reference:
    """The page of this document."""
    address = document["servers"][0]["url"]
    schemas = document["components"]["schemas"]
    found: dict[str, list[OperationFact]] = {tag["name"]: [] for tag in document["tags"]}
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                found[operation["tags"][0]].append(_read_operation(operation, method, path, address, schemas))
    chapters = (
        Chapter(tag["name"], _mark_code(tag["description"]), tuple(found[tag["name"]])) for tag in document["tags"]
    )
    pieces = (
        Piece(name, _name_piece(name), _mark_code(schema.get("description", "")), _list_fields(schema, schemas))
        for name, schema in sorted(schemas.items(), key=lambda entry: _name_piece(entry[0]))
        if not name.endswith(("Answer", "Page"))  # these stand with their operation
    )
    return Reference(tuple(chapters), tuple(pieces), sum(map(len, found.values())), f"{address}/api/v1/projects")


def _read_operation(
    operation: Mapping[str, Any], method: str, path: str, address: str, schemas: Mapping[str, Any]
) -> OperationFact:
    return OperationFact(
        key=operation["operationId"],
        method=method.upper(),
        path=path,
        title=operation["summary"],
        told=_mark_code(operation.get("description", "")),
        parameters=tuple(_read_parameter(parameter) for parameter in operation.get("parameters", ())),
        sent=_list_sent(operation, schemas),
        fields=_list_answered(operation, schemas),
        is_framed=path.startswith(f"/{ROOT}/") and path != EXPORT,
        curl=_write_curl(operation, address + path),
    )


def _read_parameter(parameter: Mapping[str, Any]) -> FieldLine:
    schema = parameter["schema"]
    return FieldLine(
        name=parameter["name"],
        shape=_read_shape(schema),
        told=_mark_code(parameter["description"]),
        where=parameter["in"],
        is_required=parameter["required"],
        choices=tuple(schema.get("enum", ())),
    )


def _list_sent(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[FieldLine, ...]:
    """The fields of a form."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        return _list_fields(content.get("schema", {}), schemas)
    return ()


def _list_answered(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[FieldLine, ...]:
    """The fields of the first good answer; of those in the usual frame, the fields of their data."""
    status = min(operation["responses"])
    for content in operation["responses"][status].get("content", {}).values():
        schema = _follow(content.get("schema", {}), schemas)
        if "as_of" in schema.get("properties", {}):
            schema = _follow(schema["properties"]["data"], schemas)
        return _list_fields(schema, schemas)
    return ()


def _follow(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    return schemas[_take_name(schema)] if "$ref" in schema else schema


def _list_fields(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> tuple[FieldLine, ...]:
    return tuple(
        # Where a field has no words of its own, those of its piece are meant.
        FieldLine(name, _read_shape(field), _mark_code(field.get("description", "") or _tell(field, schemas)))
        for name, field in schema.get("properties", {}).items()
    )


def _tell(field: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    return str(_follow(field, schemas).get("description", ""))


def _mark_code(text: str) -> str:
    """What stands between backticks is code."""
    pieces = enumerate(text.split("`"))
    return format_html_join("", "{}", ((format_html(_WORDS[k % 2], piece),) for k, piece in pieces))


def _read_shape(schema: Mapping[str, Any]) -> Shape:
    if "$ref" in schema:
        return Shape(piece=_take_name(schema))
    if "allOf" in schema:
        return _read_shape(schema["allOf"][0])
    if "anyOf" in schema:
        first = _read_shape(schema["anyOf"][0])
        return Shape(first.before, first.piece, f"{first.after} or null")
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        return Shape(f"{_SHAPES.get(kind[0], kind[0])} or null")
    if kind == "array":
        inner = _read_shape(schema.get("items", {}))
        return Shape(f"list of {inner.before}", inner.piece, inner.after)
    words = {"date-time": "moment, ISO 8601", "date": "day, ISO 8601", "uuid": "UUID", "binary": "file"}
    return Shape(words.get(schema.get("format", ""), _SHAPES.get(kind, kind)))


def _take_name(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _name_piece(name: str) -> str:
    return name.removesuffix("Facts")


def _write_curl(operation: Mapping[str, Any], url: str) -> str:
    """A command that can be copied, with the token in a variable: what sends and what reads are two tokens."""
    options = ["--fail-with-body"]
    if operation["security"] != [{}]:
        # What may read is also open to a session; what sends is not.
        name = "SUITEWATCH_READ_TOKEN" if {"session": []} in operation["security"] else "SUITEWATCH_TOKEN"
        options.append(f'-H "Authorization: Bearer ${name}"')
    options += {
        "send_form": ["-F branch=main", "-F file=@junit.xml"],
        "send_file": ["-X PUT --data-binary @junit.xml"],
        "finish": ["-d provider=my-ci -d run_id=4711"],
        "check": ["--data-binary @.suitewatch.yml"],
    }.get(operation["operationId"], [])
    for name, example in _EXAMPLES.items():
        url = url.replace(name, example)
    return f"curl {' '.join(options)} {shlex.quote(url)}"

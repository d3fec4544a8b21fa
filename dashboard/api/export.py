"""The lists for pytest as the OpenAPI document tells them: written by hand, because they are texts and no figures.

Used by `dashboard.api.document`; the address itself is answered by `dashboard.api.door`. Promise: the same formats, and
in JSON the same fields, as the export has (`tests/dashboard/test_api_export.py`).
"""

from typing import Any, Final

from dashboard.api.addresses import ROOT
from dashboard.queries.deferred_export import FORMATS

PATH: Final = f"/{ROOT}/{{slug}}/deferred/export"
_TEXT: Final[dict[str, Any]] = {"type": "string"}


def _tell(kind: str | list[str], description: str) -> dict[str, Any]:
    return {"type": kind, "description": description}


_TEST: Final[dict[str, Any]] = {
    "type": "object",
    "description": "A test that is put off.",
    "required": ["id", "kind", "reason", "owner", "review", "issue"],
    "properties": {
        "id": _tell("string", "As pytest calls it."),
        "kind": _tell("string", "skip, xfail or quarantine."),
        "reason": _tell("string", "Why; what looks like a secret is masked."),
        "owner": _tell("string", "Who sees to it; may be empty."),
        "review": _tell(["string", "null"], "When it is looked at again, ISO 8601."),
        "issue": _tell("string", "Its issue; may be empty."),
    },
}
_LIST: Final[dict[str, Any]] = {
    "type": "object",
    "description": "The register as a list.",
    "required": ["project", "run", "tests", "left_out"],
    "properties": {
        "project": _tell("string", "The project."),
        "run": _tell(["integer", "null"], "The newest run of its branch; null before the first."),
        "tests": {"type": "array", "items": _TEST, "description": "All that are put off and have a name in pytest."},
        "left_out": _tell("integer", "How many have none."),
    },
}
OPERATION: Final[dict[str, Any]] = {
    "operationId": "deferred_export",
    "summary": "Deferred cases, as a list for pytest",
    "description": (
        "Which tests are put off, by the names that pytest has for them. `deselect` is for `pytest @FILE`, `xfail` "
        "holds a name and its reason in each line, both as text; `json` is the same for programs."
    ),
    "tags": ["Health"],
    "parameters": [
        {"name": "slug", "in": "path", "required": True, "schema": _TEXT},
        {
            "name": "format",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "enum": list(FORMATS)},
            "description": "What is listed, and how it is written; an unknown one is 404.",
        },
    ],
    "responses": {
        "200": {
            "description": "The list.",
            "content": {"application/json": {"schema": _LIST}, "text/plain": {"schema": _TEXT}},
        }
    },
}

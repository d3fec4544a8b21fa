"""The OpenAPI document: the operations as django-ninja describes them, and beside them those of the door.

Called by `dashboard.api.door`. Promise: it is OpenAPI 3.1, every field and parameter in it is described, and every
answer fits it (`tests/dashboard/test_api_document.py`).
"""

from copy import deepcopy
from functools import cache
from typing import Any, Final

from dashboard.api.export import OPERATION, PATH
from dashboard.api.operations import API
from dashboard.api.sending import ENTRIES, TAG

_TAGS: Final = {
    "Projects": "Which projects the caller may read.",
    "Project": "How one project is and was.",
    "Health": "What broke, since when, and whether it is real.",
    "Runs": "The runs of a project, one of them, and two of them compared.",
    "Cases": "Single cases: their history, what was concluded of them, and how to find them.",
    "Coverage": "Which lines ran.",
    "Uploads": "What was delivered, and what became of it.",
    TAG: "Where CI sends its reports; these need a token that may upload, or none.",
}
_TOLD: Final = (
    "The numbers of every page as JSON. A token that may read a project is made on its settings page and travels as "
    "`Authorization: Bearer sw_up_…`; whoever is signed in in a browser may read what its pages show."
)
_REFUSALS: Final = {
    "304": ("NotModified", "Nothing changed since the ETag that was sent as If-None-Match."),
    "401": ("NoToken", "No token came, or one that is unknown, revoked or expired."),
    "403": ("NotAllowed", "The token may not read."),
    "404": ("NotThere", "There is no such thing, or not for this caller."),
    "429": ("TooMany", "Too many requests with unknown tokens came from this address."),
}
_ERROR: Final = {
    "type": "object",
    "description": "Why a request was turned away: the one shape of all errors.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "description": "What is wrong.",
            "required": ["code", "message", "hint", "docs", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "One of the codes of /api/v1/errors; never renamed."},
                "message": {"type": "string", "description": "What is wrong, in a sentence."},
                "hint": {"type": "string", "description": "What to do."},
                "docs": {"type": "string", "description": "Where the code is explained."},
                "field": {"type": "string", "description": "What it is about, where that helps."},
                "limit": {"type": "integer", "description": "The limit, where one was passed."},
                "actual": {"type": "integer", "description": "What came instead."},
                "request_id": {"type": "string", "description": "Names the request in the server's log."},
            },
        }
    },
}


@cache
def write_document(address: str) -> dict[str, Any]:
    """The whole document, for the server at this address."""
    document: dict[str, Any] = dict(API.get_openapi_schema(path_prefix="api/v1/"))
    document["info"] = {"title": "Suitewatch", "version": "1", "description": _TOLD}
    document["servers"] = [{"url": address}]
    document["tags"] = [{"name": name, "description": told} for name, told in _TAGS.items()]
    read = {**document["paths"], PATH: {"get": deepcopy(OPERATION)}}
    document["paths"] = {path: _complete(item) for path, item in read.items()} | ENTRIES
    components = document["components"]
    components["schemas"]["Error"] = _ERROR
    components["responses"] = {name: _describe(told) for _, (name, told) in _REFUSALS.items() if name != "NotModified"}
    components["responses"]["NotModified"] = {"description": _REFUSALS["304"][1]}
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "A token of the project's settings page."},
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "sessionid",
            "description": "Being signed in in a browser.",
        },
    }
    return document


def _complete(item: dict[str, Any]) -> dict[str, Any]:
    """What every read operation has beside its own answer; statuses are texts, as in JSON."""
    for operation in item.values():
        operation["responses"] = {str(status): told for status, told in operation["responses"].items()} | {
            status: {"$ref": f"#/components/responses/{name}"} for status, (name, _) in _REFUSALS.items()
        }
        operation["security"] = [{"token": []}, {"session": []}]
        good = operation["responses"]["200"]
        if good["description"] == _UNSAID:
            good["description"] = "The figures."
        for parameter in operation["parameters"]:
            parameter.setdefault("description", _NAMES_IN_PATH.get(parameter["name"], ""))
    return item


_UNSAID: Final = "OK"  # what django-ninja says of every answer
_NAMES_IN_PATH: Final = {
    "slug": "The project, as it stands in the addresses of its pages.",
    "number": "The number in the page's address.",
    "pk": "The entry, as it stands in the address of its page.",
    "fingerprint": "The cause, as it stands in the address of its page.",
    "public_id": "The upload, as it stands in the address of its page.",
}


def _describe(told: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": told, "content": {"application/json": {"schema": schema}}}

"""The addresses CI sends to, as the OpenAPI document tells them: written by hand, because `ingest` has no schemas.

Used by `dashboard.api.document`. Promise: the same addresses and methods as `ingest.urls`
(`tests/dashboard/test_api_document.py`).
"""

from typing import Any, Final

TAG: Final = "Sending"
_FIELDS: Final[dict[str, str]] = {
    "commit": "Commit the tests ran on, 7 to 64 hexadecimal digits.",
    "branch": "Its branch.",
    "pull_request": "Number of the pull or merge request.",
    "committed_at": "When it was committed, ISO 8601 with zone.",
    "ran_at": "When the tests ran, for importing old reports; else the time of arrival.",
    "provider": "Name of the CI system.",
    "run_id": "Number of the CI run; everything of one run carries the same.",
    "attempt": "1 for the first try of that run, 2 for its first re-run.",
    "job": "Name of the job.",
    "variant": "What sets equal jobs apart: system, version.",
    "job_id": "CI's id of this execution of the job.",
    "shard": "Which part of a divided job, for example 2/5.",
    "expected_jobs": "How many jobs of this run send reports.",
    "build_url": "Link back to the job.",
    "suite": "Name of the suite, when the reports do not say it well.",
    "level": "Test level: unit, contract, integration, e2e, performance, or a word of your own.",
    "namespace": "Put before the names of all tests.",
    "default_branch": "Name of the default branch.",
}
_TOKEN: Final[list[dict[str, list[str]]]] = [{"token": []}]
_OPEN: Final[list[dict[str, list[str]]]] = [{}]


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def _answer(status: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": description, "content": {"application/json": {"schema": schema}}}}


def _operation(
    operation_id: str, summary: str, description: str, *, responses: dict[str, Any], is_open: bool = False, **more: Any
) -> dict[str, Any]:
    return {
        "operationId": operation_id,
        "summary": summary,
        "description": description,
        "tags": [TAG],
        "security": _OPEN if is_open else _TOKEN,
        "responses": responses,
        **more,
    }


_ACCEPTED: Final = _object(
    upload=_text("Its name in addresses."),
    url=_text("Its page, for people."),
    status_url=_text("Where its state and receipt are."),
    duplicate_of={"type": ["string", "null"], "description": "The upload that it is a repeat of."},
    warnings={"type": "array", "items": {"type": "object"}, "description": "Remarks about its fields."},
)
_KEPT: Final = _answer("202", "It is kept, and will be read.", _ACCEPTED) | _answer(
    "200", "It was kept before: this is a repeat.", _ACCEPTED
)
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "8 to 200 visible characters; a second delivery with the same key is a repeat.",
    "schema": {"type": "string"},
}
_IN_FORM: Final = {
    "file": {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "description": "Reports: plain, gzip, zstd or zip.",
    },
    **{name: _text(told) for name, told in _FIELDS.items()},
}

ENTRIES: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "/api/v1/uploads": {
        "post": _operation(
            "send_form",
            "Send reports",
            "One or several files with what is known of the run as form fields, all of them optional.",
            parameters=[_KEY],
            requestBody={"required": True, "content": {"multipart/form-data": {"schema": _object(**_IN_FORM)}}},
            responses=_KEPT,
        ),
        "put": _operation(
            "send_file",
            "Send one report",
            "One file as the body, plain or packed as Content-Encoding says; the same fields stand in the query.",
            parameters=[
                _KEY,
                *(
                    {"name": name, "in": "query", "required": False, "description": told, "schema": {"type": "string"}}
                    for name, told in {"filename": "Name of the file.", **_FIELDS}.items()
                ),
            ],
            requestBody={
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            },
            responses=_KEPT,
        ),
    },
    "/api/v1/uploads/{public_id}": {
        "get": _operation(
            "upload_status",
            "What became of it",
            "State and receipt of an upload, for the token that may upload; to read figures, see Uploads.",
            parameters=[
                {
                    "name": "public_id",
                    "in": "path",
                    "required": True,
                    "description": "The upload.",
                    "schema": {"type": "string", "format": "uuid"},
                }
            ],
            responses=_answer(
                "200",
                "State and receipt.",
                _object(
                    upload=_text("Its name in addresses."),
                    project=_text("The project."),
                    state=_text("received, processing, retry, stored, partial, failed, dead or cancelled."),
                    received_at=_text("When it came."),
                    finished_at={"type": ["string", "null"], "description": "When it was read to its end."},
                    attempts={"type": "integer", "description": "How often it was read."},
                    url=_text("Its page, for people."),
                    run={"type": ["object", "null"], "description": "The run, and what it lacks."},
                    receipt={"type": ["object", "null"], "description": "What became of each file."},
                    error={"type": ["object", "null"], "description": "Why it failed."},
                ),
            ),
        )
    },
    "/api/v1/runs/finish": {
        "post": _operation(
            "finish",
            "Say that a run is over",
            "What came of this run is all: it stops waiting, and is whole once everything that came is read.",
            requestBody={
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": _object(
                            provider=_text(_FIELDS["provider"]), run_id=_text("Number of the CI run, as it was sent.")
                        )
                    }
                },
            },
            responses=_answer(
                "200",
                "What is known of the run.",
                _object(
                    run={"type": ["object", "null"], "description": "The run; null while nothing of it is read."},
                    waiting={"type": "integer", "description": "Its uploads that are still to be read."},
                    uploads={"type": "object", "description": "Its uploads by state that are not stored."},
                ),
            ),
        )
    },
    "/api/v1/runs/gate": {
        "post": _operation(
            "gate",
            "Ask whether a run may pass",
            "What fails it, what is only told, and what is tolerated; as of the day of its commit. Changes nothing.",
            requestBody={
                "required": True,
                "content": {
                    "application/x-www-form-urlencoded": {
                        "schema": _object(
                            provider=_text(_FIELDS["provider"]),
                            run_id=_text("Number of the CI run, as it was sent."),
                            fail_on=_text("Which reasons fail it, with commas between them; else as configured."),
                        )
                    }
                },
            },
            responses=_answer(
                "200",
                "The verdict.",
                _object(
                    verdict=_text("pass, fail or unknown."),
                    run={"type": ["object", "null"], "description": "The run; null while nothing of it is read."},
                    reasons={"type": "array", "items": {"type": "object"}, "description": "What fails it."},
                    warnings={"type": "array", "items": {"type": "object"}, "description": "What was found besides."},
                    tolerated={"type": "array", "items": {"type": "object"}, "description": "What fails nothing."},
                    waiting={"type": "integer", "description": "What is still to be read or compared."},
                    told=_text("The verdict in a sentence."),
                ),
            ),
        )
    },
    "/api/v1/check": {
        "post": _operation(
            "check",
            "Check a configuration",
            "What would be understood of the body: `.suitewatch.yml`, or where `filename` says so CODEOWNERS or "
            "`.suitewatch-deferrals.yml`.",
            parameters=[
                {
                    "name": "filename",
                    "in": "query",
                    "required": False,
                    "description": "Which of the three it is.",
                    "schema": {"type": "string"},
                }
            ],
            requestBody={"required": True, "content": {"text/plain": {"schema": {"type": "string"}}}},
            responses=_answer(
                "200",
                "What was understood.",
                _object(
                    file=_text("Which of the three it was read as."),
                    ok={"type": "boolean", "description": "Whether there is no remark."},
                    warnings={"type": "array", "items": {"type": "object"}, "description": "The remarks."},
                    content={"type": "object", "description": "What the file says."},
                ),
            ),
            is_open=True,
        )
    },
    "/api/v1/errors": {
        "get": _operation(
            "errors",
            "The list of codes",
            "Every code that an answer or a receipt can hold, with what it means and what helps.",
            responses=_answer("200", "The codes.", _object(errors={"type": "array"}, remarks={"type": "array"})),
            is_open=True,
        )
    },
    "/api/v1/limits": {
        "get": _operation(
            "limits",
            "The limits",
            "What this server takes, and how much of it.",
            responses=_answer("200", "The limits.", _object(limits={"type": "array"})),
            is_open=True,
        )
    },
    "/suitewatch.schema.json": {
        "get": _operation(
            "configuration_schema",
            "Schema of the configuration",
            "The JSON Schema of `.suitewatch.yml`, for editors.",
            responses={"200": {"description": "The schema.", "content": {"application/schema+json": {}}}},
            is_open=True,
        )
    },
    "/suitewatch-deferrals.schema.json": {
        "get": _operation(
            "deferrals_schema",
            "Schema of the deferrals file",
            "The JSON Schema of `.suitewatch-deferrals.yml`, for editors.",
            responses={"200": {"description": "The schema.", "content": {"application/schema+json": {}}}},
            is_open=True,
        )
    },
    "/suitewatch.py": {
        "get": _operation(
            "uploader",
            "The uploader",
            "The CI client as one Python file; its SHA-256 is in the header X-Content-SHA256.",
            responses={"200": {"description": "The file.", "content": {"text/x-python": {}}}},
            is_open=True,
        )
    },
    "/suitewatch.py.sha256": {
        "get": _operation(
            "uploader_sum",
            "The uploader's sum",
            "Its SHA-256 in the form that `sha256sum --check` reads.",
            responses={"200": {"description": "The sum.", "content": {"text/plain": {}}}},
            is_open=True,
        )
    },
}

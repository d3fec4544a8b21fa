"""The errors a sender can be told about: one exception and the closed list of its public codes.

Raised by the door, the parsers and the pipeline; `ingest.views` alone knows which HTTP status a code answers with.
Promise: a code is never renamed or reused, and each has a hint that says what to do
(`tests/ingest/parsers/test_errors.py`).
"""

import errno
import re
from typing import Any, Final

from health.rules import refusals

# RLIMIT_FSIZE and quotas are disks without room, too.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

HINTS: Final[dict[str, str]] = {
    # At the door, and where figures are read.
    **refusals.HINTS,
    # At the door.
    "upload_not_found": "Check the address, and that the token is the one the upload was sent with.",
    "run_not_found": "Give the provider and run id that the uploads of the run carried; at least one has to be there.",
    "unsupported_type": "Send test or coverage reports as multipart/form-data, or one as the raw body of a PUT.",
    "length_required": "Send Content-Length; with curl: --data-binary @file instead of a pipe.",
    "too_large": "Send fewer files in one upload, or gzip them.",
    "body_truncated": "The connection broke. Send it again; a repeated upload is stored once.",
    "upload_timeout": "Send it again, or send it in several smaller uploads.",
    "empty_body": "Attach at least one report as a part named `file`; check that the path in the CI step matches.",
    "too_many_parts": "Send the files in several uploads of the same run.",
    "bad_multipart": "Let the HTTP client build the body; do not set its Content-Type by hand.",
    "bad_encoding": "Compress the file again, or send it plain; look for a step that ran out of disk or time.",
    "too_large_uncompressed": "Split the report, or let the runner leave out captured output.",
    "unsupported_encoding": "Send each file plain, gzip or zstd, or several as one zip archive.",
    "bad_idempotency_key": "Use 8 to 200 visible ASCII characters, for example a UUID.",
    "idempotency_key_reused": "Use a new key for new content.",
    "queue_full": "Wait until the uploads before it are read, at least as long as Retry-After says.",
    "quota_exceeded": "Wait as long as Retry-After says, or ask whoever runs this server for a larger quota.",
    "invalid_field": "Correct the named fields and send it again; nothing was stored.",
    "storage_full": "Whoever runs this server has to prune its data or enlarge its disk.",
    "server_busy": "Try again in a few seconds.",
    "db_unavailable": "Try again in a few seconds.",
    # At any address; `config.trouble` answers these.
    "bad_request": "Check the address and the headers.",
    "forbidden": "Ask an owner of the project, or sign in again.",
    "stale_form": "Open the page again, then send the form.",
    "not_found": "Check the address for a typing error.",
    "method_not_allowed": "Use one of the methods that the header Allow names.",
    "db_busy": "Try again in a few seconds.",
    "too_slow": "Narrow the range, or try again later.",
    "read_only": "Try again in a minute.",
    # In a file.
    "empty_file": "The runner wrote nothing. Look at the step before the upload.",
    "not_xml": "Point the upload at the JUnit XML file the runner writes.",
    "not_a_report": "Let the runner write JUnit XML, or convert this file first.",
    "xml_malformed": "Nothing can be read behind this place. It is a fault of the program that wrote the file.",
    "report_truncated": "The runner was probably stopped while it wrote. What came before is kept.",
    "undecodable_text": "The bytes there are not in the declared encoding. They are shown as U+FFFD.",
    "xml_entities_forbidden": "A report needs no DTD of its own and no entities. Nothing was expanded or fetched.",
    "xml_too_deep": "No test runner nests this deeply; the file is damaged or made to do harm.",
    "xml_too_many_attributes": "No test runner writes this many; the file is damaged or made to do harm.",
    "xml_token_too_long": "No test runner writes this; the file is damaged or made to do harm.",
    "too_many_cases": "Split the report into several files, for example one per shard.",
    "bad_json": "Nothing can be read behind this place. It is a fault of the program that wrote the file.",
    "coverage_too_large": "Split the report, or measure fewer files.",
    # In the files of the configuration: each a warning, never a reason to refuse an upload.
    "configuration_too_large": "Make the file smaller. The upload was read without it.",
    "configuration_unreadable": "The one before it stays in force until this is mended. Run `suitewatch check`.",
    "configuration_invalid": "This entry is left out. docs/configuration-file.md lists what can stand here.",
    "yaml_forbidden": "Write the value out. The one before it stays in force until this is mended.",
    "unknown_key": "This entry is left out. docs/configuration-file.md lists the keys.",
    "duplicate_key": "Take one of them out.",
    "names_nothing": "Name a path, PATH::NAME, a name or `suite NAME`; docs/deferred.md shows how.",
    "owners_invalid": "This part of the line is left out. Write: pattern, blank, owners.",
    # In the worker.
    "worker_crashed": "Have it read again on the upload's page, or split the report.",
    "time_limit": "Split the report into smaller files, then upload again.",
    "out_of_memory": "Split the report into smaller files, then upload again.",
    "payload_missing": "Upload the reports again.",
    "internal": "This is our fault. The server's log has the reason.",
}


class IngestError(Exception):
    """What is wrong with a delivery or a file, in words for the person who sent it.

    `line` and `column` count from 1; `field`, `limit` and `actual` are set where they help; `retry_after` is the
    number of seconds after which another try makes sense.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str | None = None,
        *,
        line: int | None = None,
        column: int | None = None,
        field: str | None = None,
        limit: int | None = None,
        actual: int | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = HINTS[code] if hint is None else hint
        self.line = line
        self.column = column
        self.field = field
        self.limit = limit
        self.actual = actual
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def to_json(self) -> dict[str, Any]:
        """The error's public form; only what is known is in it."""
        known = {
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "limit": self.limit,
            "actual": self.actual,
        }
        words = {"code": self.code, "message": make_storable(self.message), "hint": make_storable(self.hint)}
        return words | {name: value for name, value in known.items() if value is not None}


def make_storable(text: str) -> str:
    """The text without what PostgreSQL cannot hold as JSON: NUL, and halves of a surrogate pair."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def is_disk_full(problem: BaseException) -> bool:
    """Whether an error says that a file could not grow: no fault of a sender, and it may pass."""
    return isinstance(problem, OSError) and problem.errno in _FULL

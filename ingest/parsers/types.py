"""What a parser returns: columns of cases, details of those that did not pass, warnings, limits.

Filled by `ingest.parsers`, read by `ingest.pipeline`, `ingest.store` and the `inspect` command; pure.
"""

from dataclasses import dataclass, field

from health.rules.cuts import LONGEST_MESSAGE
from ingest.errors import IngestError
from ingest.remarks import Remark


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read; over `max_plain_bytes` or `max_cases` it is refused, texts are shortened."""

    max_plain_bytes: int = 200 * 2**20
    max_cases: int = 200_000
    max_depth: int = 64
    max_attributes: int = 64
    max_documents: int = 1_000
    max_name_chars: int = 1_024
    max_message_bytes: int = LONGEST_MESSAGE
    text_head_bytes: int = 32 * 1024
    text_tail_bytes: int = 32 * 1024


@dataclass(slots=True)
class ElementCounts:
    """Figures over the `<testcase>` elements of a file, before repeated names are sorted out."""

    tests: int = 0
    passed: int = 0
    failed: int = 0
    errored: int = 0
    skipped: int = 0
    flaky: int = 0
    distinct: int = 0
    total_time: float = 0.0


@dataclass(slots=True)
class Detail:
    """One outcome that was not a plain pass.

    A case may have several, even within one attempt. In the inflated texts the message starts at `text_offset` and the
    text follows it; all three are counted in bytes.
    """

    case: int
    attempt: int
    outcome: int
    kind: str
    message: str
    text_offset: int
    message_length: int
    text_length: int


@dataclass(frozen=True, slots=True)
class SuiteInfo:
    """One `<testsuite>` element: its path (names joined by U+001E) and what it declares about itself."""

    path: str
    declared_tests: int | None
    declared_failures: int | None
    declared_errors: int | None
    declared_skipped: int | None
    seconds: float | None
    timestamp: str


@dataclass(frozen=True, slots=True)
class SuiteError:
    """An error or failure directly under a suite: no case, but the run is red."""

    path: str
    outcome: int
    message: str
    line: int


@dataclass(slots=True)
class ParsedReport:
    """One report, or several joined: a column entry per case in `keys`, `outcomes` and `seconds`.

    `texts` is one zlib stream that the details point into. `merged` elements were folded into another case as
    attempts, `rejected` ones were cut off before they said how they ended. With `truncated` set, the file broke off
    there, and its cases are what came before.
    """

    format: str
    elements: ElementCounts = field(default_factory=ElementCounts)
    keys: list[str] = field(default_factory=list)
    outcomes: bytearray = field(default_factory=bytearray)
    seconds: list[float] = field(default_factory=list)
    details: list[Detail] = field(default_factory=list)
    texts: bytes = b""
    suites: list[SuiteInfo] = field(default_factory=list)
    suite_errors: list[SuiteError] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    truncated: IngestError | None = None
    merged: int = 0
    rejected: int = 0

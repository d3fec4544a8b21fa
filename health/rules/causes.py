"""Categories of causes: which kind of trouble a failure is, by ordered rules that people can read and put rules before.

Used by the queries of run and causes; pure. A rule looks at the kind of the failure and at its masked message, since
that is what all failures of a cause have in common: so a category does not depend on which of them came first.
Promise: the first rule that fits decides, and the messages of real runners get the category a person would give them
(`tests/health/test_cause_rules.py`). A rule has few wildcards, so none takes long.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from health.rules.globs import compile_text

OTHER: Final = "other"
_WILD: Final = re.compile(r"[*?\\]")


@dataclass(frozen=True, slots=True)
class CauseRule:
    """One rule: its conditions, of which all that are named have to hold, and the category it gives.

    `kinds` are globs of the whole kind of the failure, `words` stand anywhere in its message; of each one has to fit.
    """

    category: str
    kinds: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    is_own: bool = False  # of the project's configuration
    _kinds: tuple[re.Pattern[str], ...] = field(init=False, repr=False, compare=False)
    _words: tuple["_Word", ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_kinds", tuple(compile_text(kind.lower()) for kind in self.kinds))
        object.__setattr__(self, "_words", tuple(_compile_word(word.lower()) for word in self.words))

    def find(self, kind: str, message: str) -> str | None:
        """Which of its words, or else kinds, fits this failure; None when the rule does not. Takes lower case."""
        matched = ""
        if self.kinds:
            fitting = (glob for glob, pattern in zip(self.kinds, self._kinds, strict=True) if pattern.fullmatch(kind))
            if (matched := next(fitting, "")) == "":
                return None
        if self.words:
            fitting = (word for word, one in zip(self.words, self._words, strict=True) if one.is_in(message))
            if (matched := next(fitting, "")) == "":
                return None
        return matched or None


class _Word(NamedTuple):
    """Words of a rule; `pattern` is None where they hold no wildcard, which is nearly always."""

    text: str
    pattern: re.Pattern[str] | None

    def is_in(self, message: str) -> bool:
        if self.text not in message:
            return False
        return self.pattern is None or self.pattern.fullmatch(message) is not None


def _compile_word(word: str) -> _Word:
    wild = _WILD.search(word)
    return _Word(word[: wild.start()], compile_text(f"*{word}*")) if wild else _Word(word, None)


class Category(NamedTuple):
    """What a cause was found to be: by which rule (None when none fits), and what in the failure it fits."""

    name: str
    rule: CauseRule | None = None
    matched: str = ""


def choose_category(kind: str, masked: str, rules: Sequence[CauseRule] = ()) -> Category:
    """The category of a failure by the first rule that fits: a project's own `rules`, then those built in.

    `masked` is its message without what changes (`mask_message`), but for words that a person told it apart by.
    """
    if rules and (found := _choose(kind.lower(), masked.lower(), rules)):
        return found
    return _choose_built_in(kind, masked)


@lru_cache(maxsize=20_000)
def _choose_built_in(kind: str, masked: str) -> Category:
    return _choose(kind.lower(), masked.lower(), RULES) or Category(OTHER)


def _choose(kind: str, message: str, rules: Iterable[CauseRule]) -> Category | None:
    for rule in rules:
        if matched := rule.find(kind, message):
            return Category(rule.category, rule, matched)
    return None


def compile_causes(entries: Iterable[Mapping[str, Any]]) -> tuple[CauseRule, ...]:
    """The `causes` of a configuration's content."""
    return tuple(
        CauseRule(
            category=entry["category"],
            kinds=(entry["kind"],) if "kind" in entry else (),
            words=(entry["contains"],) if "contains" in entry else (),
            is_own=True,
        )
        for entry in entries
    )


def list_categories(rules: Iterable[CauseRule] = ()) -> list[str]:
    """All categories there are, a project's own first, each once."""
    return list(dict.fromkeys([*(rule.category for rule in rules), *(rule.category for rule in RULES), OTHER]))


def find_head(merged: Mapping[int, int], fingerprint: int) -> int:
    """The fingerprint that stands for this one, after merges. A circle, which no merge makes, ends where it began."""
    seen = {fingerprint}
    while (following := merged.get(fingerprint)) is not None and following not in seen:
        seen.add(following)
        fingerprint = following
    return fingerprint


SCHEMA: Final = "schema mismatch"
EVENT_LOOP: Final = "event loop / async fixture"
ISOLATION: Final = "isolation / duplicate key"
IMPORT: Final = "import"
VALIDATION: Final = "validation"
TIMEOUT: Final = "timeout"
NETWORK: Final = "network"
PERMISSION: Final = "permission"
RESOURCES: Final = "memory / resources"
ASSERTION: Final = "assertion"

# What is narrow comes first: nearly every runner calls nearly everything an assertion in the end.
RULES: Final = (
    CauseRule(
        IMPORT,
        kinds=("ImportError", "ModuleNotFoundError", "*NoClassDefFoundError", "*ClassNotFoundException"),
    ),
    CauseRule(
        IMPORT,
        words=(
            *(
                "no module named",
                "cannot import name",
                "cannot find module",
                "could not find module",
                "collection failure",
            ),
            *("modulenotfounderror", "importerror", "noclassdeffounderror", "classnotfoundexception"),
            *("could not load file or assembly", "unresolved import", "failed to resolve import", "[setup failed]"),
            *("failed to load url", "class * not found"),
        ),
    ),
    CauseRule(
        EVENT_LOOP,
        words=(
            *("attached to a different loop", "different event loop", "event loop is closed", "no running event loop"),
            *("no current event loop", "event loop is already running", "from a running event loop", "async fixture"),
            *("was never awaited", "no reactor running", "cannot start a runtime from within a runtime"),
            *("without async support", "async def functions are not natively supported", "loop is not running"),
        ),
    ),
    CauseRule(
        ISOLATION,
        kinds=(
            "*UniqueViolation*",
            "*DuplicateKeyException",
            "*DuplicateKeyError",
            "*AlreadyExists*",
            "FileExistsError",
        ),
    ),
    CauseRule(
        ISOLATION,
        words=(
            *("duplicate key", "duplicate entry", "unique constraint", "unique index", "uniqueviolation"),
            *("already exists", "address already in use", "eaddrinuse", "eexist", "database is locked"),
        ),
    ),
    CauseRule(
        SCHEMA,
        kinds=("*UndefinedColumn*", "*UndefinedTable*", "*BadSqlGrammarException", "*SQLGrammarException"),
    ),
    CauseRule(
        SCHEMA,
        words=(
            *("column * does not exist", "relation * does not exist", "table * doesn't exist", "type * does not exist"),
            *("no such column", "no such table", "unknown column", "invalid column name", "invalid object name"),
            *("has no column named", "undefinedcolumn", "undefinedtable", "unapplied migration", "schema mismatch"),
        ),
    ),
    CauseRule(RESOURCES, kinds=("MemoryError", "*OutOfMemory*")),
    CauseRule(
        RESOURCES,
        words=(
            *("out of memory", "outofmemory", "memoryerror", "memory allocation of", "cannot allocate memory"),
            *("java heap space", "gc overhead limit", "heap limit", "no space left on device", "enospc", "disk quota"),
            *(
                "too many open files",
                "emfile",
                "too many connections",
                "too many clients",
                "oomkilled",
                "signal: killed",
            ),
            *("resource temporarily unavailable", "sigkill"),
        ),
    ),
    CauseRule(TIMEOUT, kinds=("*Timeout*", "*TimedOut*", "*DeadlineExceeded*")),
    CauseRule(
        TIMEOUT,
        words=(
            *("timed out", "timeouterror", "etimedout", "i/o timeout", "deadline exceeded", "timeout of * exceeded"),
            *("timeout * exceeded", "exceeded timeout", "timeout exceeded", "timeout was reached", "timeoutexception"),
            *("exceeded the time limit", "failed: timeout >"),
        ),
    ),
    CauseRule(
        NETWORK,
        kinds=(
            "*ConnectionError",
            "*ConnectionRefusedError",
            "*ConnectionResetError",
            "*ConnectException",
            "*UnknownHostException",
            "*SocketException",
            "*HttpRequestException",
            "socket.gaierror",
        ),
    ),
    CauseRule(
        NETWORK,
        words=(
            *("connection refused", "econnrefused", "connection reset", "econnreset", "connection aborted"),
            *("connection closed", "actively refused", "socket hang up", "broken pipe", "epipe", "no route to host"),
            *("could not connect", "failed to establish a new connection", "max retries exceeded", "not reachable"),
            *("name or service not known", "name resolution", "no such host", "getaddrinfo", "enotfound"),
            *("network is unreachable", "certificate verify failed", "tls handshake", "ssl error"),
            *("bad gateway", "service unavailable", "gateway timeout", "dial tcp", "fetch failed"),
        ),
    ),
    CauseRule(
        PERMISSION,
        kinds=("PermissionError", "*AccessDenied*", "*UnauthorizedAccessException", "*SecurityException"),
    ),
    CauseRule(
        PERMISSION,
        words=(
            *("permission denied", "permissionerror", "access denied", "access is denied", "operation not permitted"),
            *("eacces", "eperm", "unauthorized", "not authorized", "forbidden", "must be owner of"),
        ),
    ),
    CauseRule(
        VALIDATION,
        kinds=("*ValidationError", "*ValidationException", "*ConstraintViolationException", "*ValidationFailure*"),
    ),
    CauseRule(
        VALIDATION,
        words=(
            *("validation error", "validation failed", "validationerror", "failed validation", "validationexception"),
            *("must include", "field required", "required field", "missing required", "is a required property"),
            *("is required", "input should be", "is not a valid", "not-null constraint", "not null constraint"),
            *("check constraint", "does not match the schema", "additional properties are not allowed"),
        ),
    ),
    CauseRule(
        ASSERTION,
        kinds=(
            "*assert*",
            "*comparisonfailure",
            "*expectation*",
            "*multiplefailureserror",
            "expect.*",
            "check",
            "require",
            "*unexpectedsuccess",
            "*.TrueException",
            "*.EqualException",
        ),
    ),
    CauseRule(
        ASSERTION,
        words=(
            *("assertionerror", "assertion failed", "assertion `", "assert.", "assert ", "expect(", "expected:"),
            *(
                "expected * but was",
                "expected * but found",
                "expected * but got",
                "expected * got",
                "expected * actual",
            ),
            *("expected * to ", "expected equality", "expected success", "unexpected success", "not equal", "!="),
            *("expectation failed", "did not match", "did not panic"),
        ),
    ),
)

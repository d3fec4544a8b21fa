"""What a sentence that puts a test off says: what covers it meanwhile, which issue, until when, whose, as where.

Called by `health.register` for reasons that CI sends, and by the page that shows beside a reason what was read; pure.
Promise: it never guesses. What is not of a known form is left; numbers of builds, colours, encodings and days that no
calendar has are not read; and a text costs linear time, whatever it says (`tests/health/test_reasons.py`).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from health.rules.cover_claims import Clause, Span, find_clauses

# A reason is a sentence or two; behind them come traces.
_LONGEST: Final = 20_000
_MOST_CLAIMS: Final = 40


class Mark(NamedTuple):
    """A piece of the text that was understood; `field` is a name of `Understood`."""

    start: int
    end: int
    field: str


@dataclass(frozen=True, slots=True)
class Understood:
    """What was read; empty where the text says nothing of the kind. `marks` are in the order of the text."""

    backing: tuple[str, ...] = ()
    issue: str = ""
    until: date | None = None
    owner: str = ""
    precedent: str = ""
    marks: tuple[Mark, ...] = ()


def read_reason(text: str) -> Understood:
    """Read a reason; of each field the first that the text says, of backing all."""
    text = text[:_LONGEST]
    clauses = list(find_clauses(text))
    claims = _list_claims(text, clauses)
    precedents = list(_find_precedents(text, [clause.span for clause in clauses]))
    taken = [*(clause.span for clause in clauses), *(whole for whole, _ in precedents)]
    until, day = _find_day(text)
    found = {
        "issue": next(_find_issues(text, taken), None),
        "until": until,
        "owner": _find_owner(text),
        "precedent": precedents[0][1] if precedents else None,
    }
    marks = [Mark(*span, "backing") for span in claims.values()]
    marks += [Mark(*span, field) for field, span in found.items() if span]
    said = {field: text[slice(*span)] if span else "" for field, span in found.items()}
    return Understood(
        backing=tuple(claims),
        issue=said["issue"],
        until=day,
        owner=said["owner"],
        precedent=said["precedent"],
        marks=tuple(sorted(marks)),
    )


def _list_claims(text: str, clauses: Sequence[Clause]) -> dict[str, Span]:
    claims: dict[str, Span] = {}
    for clause in clauses:
        for span in clause.claims:
            if len(claims) < _MOST_CLAIMS:
                claims.setdefault(text[slice(*span)], span)
    return claims


# --- issues ----------------------------------------------------------------------------------------------------

_ISSUE: Final = re.compile(
    r"""
    (?P<url>https?://[^\s<>"'`()\[\]{}]{1,400})
    | (?<![\w#&/.@-]) (?P<repository>[A-Za-z0-9][\w.-]{0,99}/[\w.-]{1,100}) \#[1-9]\d{0,6} (?![\w-])
    | (?<![\w#&/.;@$=?-]) \#[1-9]\d{0,6} (?![\w%-]|\.\d)
    | (?<![\w#&/.-]) (?:GH[-# ]?\#?|gh-|bpo-)[1-9]\d{0,6} (?![\w-]|\.\d)
    | (?<![\w#&/.-]) (?P<key>[A-Z][A-Z0-9]{1,9})-[1-9]\d{0,6} (?![\w-]|[./]\w)
    """,
    re.VERBOSE,
)
_IS_ISSUE_PAGE: Final = re.compile(
    r"/(?:issues?|pull|pulls|merge_requests|browse|tickets?|bugs?|work_items|story|stories)/[\w-]*\d|show_bug\.cgi\?id=\d|"
    r"/issue\d|/[A-Z][A-Z0-9]{1,9}-\d"
)
_HAS_ENDING: Final = re.compile(r"\.(?:html?|md|rst|txt|adoc|py|js|ts|java|go|rb|css|json|ya?ml)\Z", re.IGNORECASE)
# What stands before a number that is no issue's.
_COUNTED: Final = re.compile(
    r"(?:\b(?:task|plan|phase|step|test|tests|case|cases|item|build|run|job|shard|worker|attempt|retry|argument|arg|param|"
    r"parameter|row|line|column|chapter|section|page|figure|table|option|rule|example|scenario|iteration|node|core|cpu|"
    r"gpu|thread|process|device|slot|channel|port|part|point|question|number|no|nr|reason|milestone|story|sprint|version"
    r")s?\.?|\bcolou?rs?\b[^#\n]{0,16}|\b(?:background|fill|stroke|border|hex|css|gr[ae]y|shade|rgb)\b[^#\n]{0,16})"
    r"\s{0,2}:?\s{0,2}\Z",
    re.IGNORECASE,
)
_LOOK_BACK: Final = 40
# Names of standards, encodings and machines look like the keys of a tracker.
_IS_STANDARD: Final = re.compile(
    r"AARCH|AC|AES|AMD|ANDROID|ANSI|API|ARM|ARMV|ASCII|AVX|BASE|BF|BIG|BST|CASE|CEST|CET|CI|CLANG|"
    r"COVID|CP|CPYTHON|CRC|CSS|CUDA|CVE|CWE|DDR|DES|DIN|DOM|DSA|EAN|EC2|ECMA|EN|EPSG|ES|EST|EUC|"
    r"EXT|FAT|FLOAT|FP|GB|GCC|GLSL|GMT|GO|GPT|GTK|HMAC|HTML|HTTP|HTTPS|I386|IEC|IEEE|INT|INTEL|"
    r"IOS|IP|IPV|ISBN|ISO|IST|JAVA|JDK|JEP|JIS|JRE|JSON|JSR|JST|KOI|L1|L2|L3|LATIN|LAYER|LLAMA|"
    r"LTS|MACOS|MD|MIPS|MP|MPEG|MSVC|NAD|NODE|NTFS|OPENGL|OS|P1|P2|P3|P4|PAGE|PART|PCI|PDF|PEP|"
    r"PERL|PHASE|PHP|PLAN|PPC|PS|PST|PY|PYPY|PYTHON|QA|QT|RAID|RC|RFC|RISCV|ROCM|RS|RSA|RUBY|S3|"
    r"SDK|SHA|SHIFT|SQL|SSE|SSL|STEP|T1|T2|TCP|TEST|TF32|TIS|TLS|TOP|UCS|UDP|UINT|USB|UTC|UTF|"
    r"UUID|VS|WGS|WIN|WINDOWS|X86|XML"
)


def _find_issues(text: str, taken: Sequence[Span]) -> Iterator[Span]:
    """Issues of a tracker outside of what says something else, in the order of the text."""
    for match in _ISSUE.finditer(text):
        span = _read_issue(text, match)
        if span and not any(start <= match.start() < end for start, end in taken):
            yield span


def _read_issue(text: str, match: re.Match[str]) -> Span | None:
    start, end = match.span()
    if match["url"]:
        url = match["url"].rstrip(".,;:!?…*_")
        return Span(start, start + len(url)) if _IS_ISSUE_PAGE.search(url) else None
    if match["key"]:
        return None if _IS_STANDARD.fullmatch(match["key"]) else Span(start, end)
    if match["repository"]:
        return None if _HAS_ENDING.search(match["repository"]) else Span(start, end)
    if text[start] == "#" and _COUNTED.search(text[max(0, start - _LOOK_BACK) : start]):
        return None
    return Span(start, end)


# --- days ------------------------------------------------------------------------------------------------------

_DAY: Final = re.compile(
    r"\b(?:until|till|by|before|expires?|expiry|expiring|expiration|deadline|due|valid|review(?:ed)?|revisit(?:ed)?|"
    r"re-?check(?:ed)?|re-?enabled?|remove[ds]?|fix(?:ed)?)\b"
    r"(?:\s{1,2}(?:on|by|at|after|date|until|in|before)\b){0,2}\s{0,2}[:=]?\s{0,2}"
    r"[(\[\"'`]?(?P<day>[12]\d{3}-\d\d-\d\d)(?![\d-])",
    re.IGNORECASE,
)


def _find_day(text: str) -> tuple[Span | None, date | None]:
    """The first day that there is, behind a word that says what it is for."""
    for match in _DAY.finditer(text):
        try:
            return Span(*match.span("day")), date.fromisoformat(match["day"])
        except ValueError:
            continue
    return None, None


# --- owners ----------------------------------------------------------------------------------------------------

_HANDLE: Final = r"@[A-Za-z0-9][\w-]{0,60}(?:/[\w.-]{1,60})?"
_MAIL: Final = r"[\w.+-]{1,64}@[\w-]{1,60}(?:\.[\w-]{1,60}){1,4}"
_OWNER: Final = re.compile(
    rf"""
    \b(?:TODO|FIXME|XXX)\((?P<author>@?[A-Za-z][\w./-]{{0,60}}|{_MAIL})\)
    | \b(?i:owner|owned\ by|assignee|assigned\ to|maintainer|contact|ask|ping|cc)\b
      \s{{0,2}}[:=]?\s{{0,2}}(?P<handle>{_MAIL}|{_HANDLE})(?![\w@])
    | \b(?i:owner|assignee)\s{{0,2}}[:=]\s{{0,2}}(?P<word>[A-Za-z][\w.-]{{0,60}}?)(?=\.?(?:[,;)\]\n]|\Z|\.\s))
    """,
    re.VERBOSE,
)
_HAS_NUMBER: Final = re.compile(r"\A[A-Za-z]{1,10}[-/]\d+\Z")  # TODO(b/123), TODO(PROJ-7)


def _find_owner(text: str) -> Span | None:
    for match in _OWNER.finditer(text):
        if match["author"] and _HAS_NUMBER.match(match["author"]):
            continue
        return Span(*match.span(str(match.lastgroup)))
    return None


# --- precedents ------------------------------------------------------------------------------------------------

_CASE_OR_TASK: Final = (
    r"(?:(?:task|plan|phase|step|story|milestone|issue|ticket|bug|pr)s?\s{1,2}\#?\d[\w-]{0,20}|\#[1-9]\d{0,6}\b|"
    r"(?-i:[A-Z][A-Z0-9]{1,9}-[1-9]\d{0,6}\b)|gh-\d{1,7}\b|https?://[^\s<>\"'`()\[\]{}]{1,400}[\w/]|"
    r"[\w./-]{1,200}\.\w{1,6}::[\w.:-]{1,200}\w|[\w./-]{0,200}\btest_\w{1,200}(?:\.py)?|(?-i:[A-Z]\w{0,100}(?:Test|Spec|IT)\b))"
)
_PRECEDENT: Final = re.compile(
    r"\b(?:(?:as|like)\s{1,2}(?:in|for|with|we did in)|precedents?|same(?:\s{1,2}(?:reason|cause|story|problem|issue))?"
    r"\s{1,2}as(?:\s{1,2}(?:in|for|with))?)\b"
    r"\s{0,2}[:=(]?\s{0,2}(?:(?:is|in|of|from|the)\s{1,2}){0,2}`?"
    rf"(?P<said>{_CASE_OR_TASK})",
    re.IGNORECASE,
)


def _find_precedents(text: str, taken: Sequence[Span]) -> Iterator[tuple[Span, Span]]:
    """Where else it was done so: the words with what leads to them, and what they name."""
    for match in _PRECEDENT.finditer(text):
        if not any(start <= match.start() < end for start, end in taken):
            yield Span(*match.span()), Span(*match.span("said"))

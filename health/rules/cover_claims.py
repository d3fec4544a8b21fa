"""Where a sentence says what covers a test that is put off: "covered by 11 unit tests in tests/unit/test_fields*".

Used by `health.rules.reasons`; pure. A clause goes from its verb to the end of what it lists; of its parts those are
claims that name tests in a known form, also where nobody can look them up ("Task #72: 11 unit tests").
Promise: as that of `health.rules.reasons` (`tests/health/test_reasons.py`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from health.rules.case_patterns import LONGEST, read_pattern
from health.rules.globs import IS_SOURCE

_LONGEST_CLAUSE: Final = 2_000
_LONGEST_BRACKET: Final = 300

_VERB: Final = re.compile(
    r"\b(?:covered|backed|tested|proven|verified|exercised)\s{1,3}(?:by|in|with|through|via)\b(?:\s?:)?", re.IGNORECASE
)
# What is not so, not yet or only perhaps so is no claim.
_DENIAL: Final = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\bno longer|\bcannot|\bhardly|\bbarely|\bonly|\bto be|\bwill|\bwould|\bshould|\bcould|"
    r"\bmust|\bcan|\bmay|\bmight|\bonce|\buntil|\bunless|\bif|\bneeds?)(?:\s(?:yet|be|been|being|is|are|it|this|fully|"
    r"really|properly|completely|even|actually|currently|still|better|easily|also|logic|only)){0,3}\s{0,3}\Z",
    re.IGNORECASE,
)
_LOOK_BACK: Final = 60
_AND: Final = re.compile(r"(?:and|plus|as well as|along with)(?=\s)", re.IGNORECASE)
_STOP: Final = re.compile(
    r"(?:until|till|by|see|because|since|but|which|that|so|while|whereas|as in|like in|same as|precedents?|owner|"
    r"review|expires?|expiry|todo|fixme|ask|when|where|although|though|however|for|on|at|before|after|due|with|without|"
    r"instead|already|now|anyway|too|is|are|was|were|has|have|covered|backed|tested)(?=[\s:(=]|\Z)",
    re.IGNORECASE,
)
_FILLER: Final = re.compile(
    r"(?:the|our|its|also|both|by|in|existing|other|separate|dedicated|either)\s+", re.IGNORECASE
)
_TASK: Final = r"(?:task|plan|phase|step|story|milestone)s?\s{1,2}#?\d[\w.-]{0,20}"
_IS_TASK: Final = re.compile(_TASK, re.IGNORECASE)
_LEVEL: Final = r"(?:unit|contract|integration|functional|e2e|end-to-end|acceptance|performance|load)"
_IS_COUNT: Final = re.compile(
    rf"(?:{_TASK}\s?:?\s{{1,2}})?(?:all\s)?(?:\d{{1,6}}\s)?(?:{_LEVEL}[\s-])?(?:tests?|cases|test\ssuite)"
    rf"(?:\s(?:of|in|from)\s{_TASK})?",
    re.IGNORECASE,
)
_SAYS_SOMETHING: Final = re.compile(rf"\d|{_LEVEL}", re.IGNORECASE)
_HEAD: Final = re.compile(r"(?:\S{1,60}\s{1,3}){0,6}")
_NAME_OF_CASE: Final = re.compile(r"_|[*?]|[a-z](?:Test|Spec|IT)|\A(?:Test|Spec)[A-Z]")
_PLACE_OF_CASES: Final = re.compile(r"test|spec|__|[*?]|/\Z", re.IGNORECASE)


class Span(NamedTuple):
    """A piece of a text."""

    start: int
    end: int


class Clause(NamedTuple):
    """What a verb says: all of it, and the claims in it."""

    span: Span
    claims: tuple[Span, ...]


@dataclass(slots=True)
class _Part:
    """A part of a clause and, where brackets stand right behind it, the parts in them."""

    span: Span
    inside: list[Span] = field(default_factory=list)
    end_inside: int = 0


def find_clauses(text: str) -> Iterator[Clause]:
    """Each clause that claims something, in the order of the text."""
    at = 0
    while verb := _VERB.search(text, at):
        at = verb.end()
        if _DENIAL.search(text[max(0, verb.start() - _LOOK_BACK) : verb.start()]):
            continue
        parts, at = _split(text, verb.end())
        claims = tuple(claim for part in parts for claim in _choose(text, part))
        # Behind a semicolon something else may be said, as which issue it is.
        end = text.find(";", claims[-1].end, at) if claims else at
        yield Clause(Span(verb.start(), at if end < 0 else end), claims)


# --- the parts of a clause -------------------------------------------------------------------------------------


def _split(text: str, start: int) -> tuple[list[_Part], int]:
    """The parts from there on, and where the clause ends."""
    parts: list[_Part] = []
    at = first = start
    depth = 0
    last = min(len(text), start + _LONGEST_CLAUSE)
    while at < last:
        step = _read_step(text, at, depth)
        if step.is_end:
            break
        if step.is_separator:
            _add(text, parts, Span(first, at), depth)
            first = at + step.length
            depth = max(0, depth + step.depth)
            if step.depth < 0 and parts:
                parts[-1].end_inside = at + 1
        at += step.length
    _add(text, parts, Span(first, at), depth)
    return parts, at


class _Step(NamedTuple):
    length: int = 1
    is_separator: bool = False
    is_end: bool = False
    depth: int = 0


_END: Final = _Step(is_end=True)
_SEPARATOR: Final = _Step(is_separator=True)


def _read_step(text: str, at: int, depth: int) -> _Step:
    """What the next character is to the clause: a part of a part, between two, or behind them all."""
    mark = text[at]
    before, after = text[at - 1 : at], text[at + 1 : at + 2]
    is_free = not after or after.isspace()
    if mark == "\n" or (mark == ")" and not depth) or (mark in ".!?" and (is_free or after in ")]\"'`")):
        return _Step() if depth and after == ")" else _END
    if mark in ",;":
        return _SEPARATOR
    if mark in "+&" and is_free:
        return _SEPARATOR
    if mark in "-–—" and is_free and before.isspace():
        return _END
    if mark == "(":
        return _skip(text, at, ")") if before.isalnum() or before == "_" else _Step(is_separator=True, depth=1)
    if mark == ")":
        return _Step(is_separator=True, depth=-1)
    if mark == "[" and before and not before.isspace():
        return _skip(text, at, "]")
    if mark in '`"':
        return _skip(text, at, mark)
    if (before.isspace() or before in "(,;") and mark.isalpha():
        return _read_word(text, at)
    return _Step()


def _read_word(text: str, at: int) -> _Step:
    if joined := _AND.match(text, at):
        return _Step(length=joined.end() - at, is_separator=True)
    return _END if _STOP.match(text, at) else _Step()


def _skip(text: str, at: int, closing: str) -> _Step:
    """Over brackets that belong to a name; those that are not closed on the line are a character like any other."""
    end = text.find(closing, at + 1, at + _LONGEST_BRACKET)
    if end < 0 or "\n" in text[at:end]:
        return _Step()
    return _Step(length=end + 1 - at)


def _add(text: str, parts: list[_Part], span: Span, depth: int) -> None:
    trimmed = _trim(text, span)
    if trimmed.start >= trimmed.end:
        return
    if depth and parts:
        parts[-1].inside.append(trimmed)
    else:
        parts.append(_Part(trimmed))


def _trim(text: str, span: Span) -> Span:
    """Without blanks, quotes and fillers around it."""
    start, end = span
    while start < end and text[start] in " \t\r:`\"'":
        start += 1
    while start < end and text[end - 1] in " \t\r:`\"'.":
        end -= 1
    filler = _FILLER.match(text, start, end)
    return _trim(text, Span(filler.end(), end)) if filler else Span(start, end)


# --- what of them is a claim -----------------------------------------------------------------------------------


def _choose(text: str, part: _Part) -> Iterator[Span]:
    said = text[slice(*part.span)]
    inside = [span for span in part.inside if _names_cases(text[slice(*span)])]
    counts = [span for span in part.inside if _is_claim(text[slice(*span)])]
    whole = Span(part.span.start, part.end_inside)
    is_task, is_count = _IS_TASK.fullmatch(said) is not None, _counts_cases(said)
    if part.end_inside and is_count and len(part.inside) == len(inside) == 1:
        yield whole  # "11 unit tests (tests/unit/test_fields*)"
    elif part.end_inside and is_task and counts and not inside:
        yield whole  # "Task #72 (11 unit tests)"
    else:
        if _is_claim(said) and not (is_task and inside):
            yield part.span
        yield from counts


def _is_claim(said: str) -> bool:
    return _IS_TASK.fullmatch(said) is not None or _counts_cases(said) or _names_cases(said)


def _counts_cases(said: str) -> bool:
    """Whether tests are counted or their level is said, and nothing else: nobody can look that up."""
    return _IS_COUNT.fullmatch(said) is not None and _SAYS_SOMETHING.search(said) is not None


def _names_cases(said: str) -> bool:
    """Whether cases are named so that they can be looked up, and not a word that would be a name like any other."""
    if len(said) > LONGEST or "://" in said:
        return False
    pattern = read_pattern(said)
    if pattern is None:
        return False
    if pattern.suite:
        return " " not in pattern.suite
    if "::" in said:
        return True
    name = said.partition("[")[0].rsplit(None, 1)[-1].strip("()`\"'")
    if "/" in name:
        return _PLACE_OF_CASES.search(name) is not None or IS_SOURCE.search(name) is not None
    return _NAME_OF_CASE.search(name) is not None or IS_SOURCE.search(name) is not None

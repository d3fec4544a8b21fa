"""An entry of the register as a form: what its fields show, what was sent, and what two people make of one field.

Used by the views of an entry and of a new one. Each field carries what it showed when the page was opened, so that only
what somebody touched is written, and a field that CI changed meanwhile is not taken for theirs.
Promise: what was sent is shown again as it was sent, with what is wrong at the field
(`tests/dashboard/test_deferral_form.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from dashboard.queries.deferral_facts import KINDS
from dashboard.templatetags.display import plain
from health.deferral_acts import Values
from health.rules.case_patterns import read_pattern
from health.rules.secrets import mask_reason, mask_secrets

LONGEST_PATTERN: Final = 500
_MOST_LINES: Final = 50
_LONGEST_LINE: Final = 500
_MOST_PROMISED: Final = 1_000_000
LISTS: Final = ("backing", "code")


@dataclass(frozen=True, slots=True)
class Shape:
    """How a field is asked for. `control` is select, text, date, number or lines; `limit` in characters."""

    label: str
    control: str
    limit: int
    note: str = ""


SHAPES: Final[dict[str, Shape]] = {
    "kind": Shape("How it is put off", "select", 10),
    "reason": Shape("Reason", "lines", 4_000),
    "owner": Shape("Owner", "text", 200, "Who sees to it: a person or a team."),
    "review": Shape("Review date", "date", 10, "The day on which it is looked at again, as 2026-12-01."),
    "issue": Shape("Issue", "text", 500, "An address, or a number such as #123."),
    "precedent": Shape("Precedent", "text", 500, "What was put off like this before."),
    "phase": Shape("Phase", "text", 200, "The phase of the plan whose work it holds up."),
    "count": Shape("Number of tests", "number", 7, "Where it is planned: how many tests there should be."),
    "backing": Shape(
        "Covered meanwhile by",
        "lines",
        _MOST_LINES * _LONGEST_LINE,
        "One a line, such as tests/unit/test_fields*, or 11 unit tests in tests/unit/test_fields*.",
    ),
    "code": Shape(
        "Code that these execute",
        "lines",
        _MOST_LINES * _LONGEST_LINE,
        "One a line, such as src/shop/cart.py or src/shop/cart.py:10-40; checked where coverage came with contexts.",
    ),
}
# What may be said of a case, and of a pattern.
OF_CASE: Final = tuple(name for name in SHAPES if name != "count")
OF_PATTERN: Final = tuple(SHAPES)


@dataclass(frozen=True, slots=True)
class Field:
    """One field as the page shows it; `was` is what it showed when the page was opened.

    After somebody else's change: `now` is what holds, and `is_theirs` says that only they touched it.
    """

    name: str
    value: str
    was: str
    error: str = ""
    now: str | None = None
    is_theirs: bool = False

    @property
    def shape(self) -> Shape:
        """How it is asked for."""
        return SHAPES[self.name]

    @property
    def is_touched(self) -> bool:
        """Whether somebody wrote something else into it."""
        return self.value != self.was

    @property
    def choices(self) -> tuple[tuple[str, str], ...]:
        """The kinds there are, and their words."""
        return tuple((kind, word) for kind, (_, word) in KINDS.items())

    @property
    def n_rows(self) -> int:
        """How many lines the control has."""
        return min(max(self.value.count("\n") + 2, len(self.value) // 70 + 2, 3), 12)

    @property
    def told_mine(self) -> str:
        """What was sent, in words."""
        return self._tell(self.value)

    @property
    def told_now(self) -> str:
        """What holds now, in words."""
        return self._tell(self.now or "")

    def _tell(self, written: str) -> str:
        if self.name == "kind":
            return KINDS.get(written, ("", written))[1]
        return plain_lines(written) or "nothing"


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was sent, field by field, and what it changes."""

    fields: tuple[Field, ...]
    changes: Values

    @property
    def is_wrong(self) -> bool:
        """Whether something in it cannot be taken."""
        return any(field.error for field in self.fields)


def make_fields(values: Values, *, names: Sequence[str]) -> tuple[Field, ...]:
    """A form that shows what holds; a masked secret stays what it is while nobody touches the field."""
    written = {name: write_value(name, values.get(name)) for name in names}
    return tuple(Field(name, text, text) for name, text in written.items())


def read_sent(form: Mapping[str, str], *, names: Sequence[str]) -> Sent:
    """What was sent; a field that is not in it was not touched."""
    fields, changes = [], {}
    for name in names:
        was = _tidy(form.get(f"was-{name}", ""))
        field = Field(name, _tidy(form.get(name, was)), was)
        if field.is_touched:
            value, error = _read_value(name, field.value)
            field = replace(field, error=error)
            if not error:
                changes[name] = value
        fields.append(field)
    return Sent(tuple(fields), changes)


def face(sent: Sent, current: Values) -> tuple[Field, ...]:
    """The same form after somebody else's change: mine stands where I wrote something, theirs where only they did."""
    faced = []
    for field in sent.fields:
        now = write_value(field.name, current.get(field.name))
        if field.is_touched:
            differs = field.value != now
            faced.append(replace(field, was=now, now=now if differs else None))
        else:
            is_theirs = field.was != now
            faced.append(replace(field, value=now, was=now, now=now if is_theirs else None, is_theirs=is_theirs))
    return tuple(faced)


def write_value(name: str, value: Any) -> str:
    """A value of an entry as its field shows it: masked, since most of it may have been read in a reason."""
    if value is None:
        return ""
    if name in LISTS:
        return mask_secrets(_tidy("\n".join(value)))
    # Cut as it was kept: only then is it known that something may be missing at its end.
    return _tidy(mask_reason(str(value))) if name == "reason" else mask_secrets(_tidy(str(value)))


def check_pattern(text: str) -> str:
    """What is wrong with a pattern that an entry should be of; empty where nothing is."""
    if not text:
        return "Say which tests: a path such as tests/unit/test_fields*, or the name of a test."
    if len(text) > LONGEST_PATTERN:
        return f"That is longer than {LONGEST_PATTERN} characters."
    if "\n" in text:
        return "One pattern is one line."
    if read_pattern(text) is None:
        return "That names no tests. Write a path such as tests/unit/test_fields*, or path::name."
    return ""


def find_unread(texts: Iterable[str]) -> list[str]:
    """Those of these texts that name nothing that can be looked up."""
    return [text for text in texts if read_pattern(text) is None]


def plain_lines(text: str) -> str:
    """Line by line, with what cannot be seen written as its code."""
    return "\n".join(plain(line) for line in text.split("\n"))


def _tidy(text: str) -> str:
    """As a browser would send it back: its line breaks alike, no blanks around it."""
    return text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _read_value(name: str, text: str) -> tuple[Any, str]:
    """The value, or what is wrong with it."""
    if name in LISTS:
        return _read_lines(text)
    limit = SHAPES[name].limit
    if len(text) > limit:
        return None, f"That is longer than {limit:,} characters: {len(text):,}."
    if name == "kind":
        return text, "" if text in KINDS else "There is no such kind."
    if name == "review":
        return text, "" if not text or _is_date(text) else "That is no date. Write it as 2026-12-01."
    if name == "count":
        return _read_count(text)
    return text, ""


def _read_lines(text: str) -> tuple[list[str], str]:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    longest = max(map(len, lines), default=0)
    if len(lines) > _MOST_LINES:
        return (
            [],
            f"These are {len(lines):,} lines; {_MOST_LINES} are taken. A pattern with * names many tests at once.",
        )
    if longest > _LONGEST_LINE:
        return [], f"A line is {longest:,} characters long; {_LONGEST_LINE} are taken."
    return lines, ""


def _read_count(text: str) -> tuple[int | None, str]:
    if not text:
        return None, ""
    if text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_PROMISED:
        return int(text), ""
    return None, f"Write a whole number from 1 to {_MOST_PROMISED:,}."


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False

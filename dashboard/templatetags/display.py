"""How values are written on pages: shares, durations, dates, names.

Loaded by templates as `display`; the functions are also called by queries that write sentences.
Promise: no query, no rounding up, and nothing a report wrote reaches the page unescaped
(`tests/dashboard/test_display.py`).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import date, datetime
from functools import partial, reduce
from operator import add
from typing import Final

from django import template
from django.utils import timezone
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

_NO_BREAK: Final = "\u00a0"
_MINUS: Final = "\u2212"
_ELLIPSIS: Final = "…"
_CODE: Final = partial(format_html, '<span class="id">{}</span>')
_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SMALL_NUMBERS: Final = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_NOTHING: Final = format_html("{}", "")
_BARS: Final = {
    mark: format_html("<i{}></i>", format_html(' data-s="{}"', mark) if mark else "")
    for mark in ("", "fail", "error", "retry", "none")
}
# Blanks a reader would miss: at either end of a name or of one of its parameters, doubled, or not the plain space.
_UNSEEN: Final = re.compile(r"^ +| +$|(?<= ) +|[^\S ]|(?<=\[) +| +(?=\]$)|(?<=-) +(?=[^\[\]]*\]$)| +(?=-[^\[\]]*\]$)")
_BLANK_MARK: Final = {" ": "␣", "\t": "⇥", "\n": "↵", "\r": "␍"}


@register.filter
def number(value: int | None) -> str:
    """Write a count with thousands separated; nothing for nothing."""
    return "" if value is None else f"{value:,}"


@register.filter
def in_words(value: int) -> str:
    """Write a small count as a word, as in a sentence: "seven", "no", but "13"."""
    return _SMALL_NUMBERS[value] if 0 <= value < len(_SMALL_NUMBERS) else f"{value:,}"


@register.filter
def percent_of(part: int, whole: int) -> str:
    """The share in per cent with one decimal, rounded down: 99.96 is never 100. Of nothing: "none"."""
    if whole <= 0:
        return "none"
    if part == whole:
        return "100"
    tenths = part * 1000 // whole
    if tenths == 0 and part > 0:
        return "under 0.1"
    return f"{tenths // 10}.{tenths % 10}"


@register.filter
def fraction_of(part: int, whole: int) -> str:
    """The share in words: "133 of 176". Of nothing: "none"."""
    return "none" if whole <= 0 else f"{part:,} of {whole:,}"


@register.filter
def signed(value: int | None) -> str:
    """A difference with its sign; "=" when nothing changed."""
    if value is None:
        return ""
    if value == 0:
        return "="
    return f"+{value:,}" if value > 0 else f"{_MINUS}{-value:,}"


@register.filter
def points(tenths: int | None) -> str:
    """A difference of two shares, given in tenths of a per cent: "+3.1", "=" when nothing changed."""
    if tenths is None:
        return ""
    if tenths == 0:
        return "="
    return f"{'+' if tenths > 0 else _MINUS}{abs(tenths) // 10}.{abs(tenths) % 10}"


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as people say them: "8 ms", "6.8 s", "4 min 31 s", "1 h 5 min"."""
    if seconds is None:
        return ""
    if seconds < 0.0005:
        return f"under 1{_NO_BREAK}ms" if seconds > 0 else f"0{_NO_BREAK}s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f}{_NO_BREAK}ms"
    if seconds < 9.995:
        return f"{seconds:.2f}{_NO_BREAK}s"
    if seconds < 59.95:
        return f"{seconds:.1f}{_NO_BREAK}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{_NO_BREAK}min {rest}{_NO_BREAK}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}{_NO_BREAK}h {minutes}{_NO_BREAK}min"


@register.filter
def longer(seconds: float) -> str:
    """A difference of times with its sign: "+1.2 s"; "=" where nothing a page shows has changed."""
    if abs(seconds) < 0.0005:
        return "="
    return f"{'+' if seconds > 0 else _MINUS}{duration(abs(seconds))}"


@register.filter
def size(n_bytes: int | None) -> str:
    """Bytes as people say them: "522 bytes", "233 kB", "1.2 MB"."""
    if n_bytes is None:
        return ""
    if n_bytes < 10_000:
        return f"{n_bytes:,}{_NO_BREAK}bytes"
    if n_bytes < 1_000_000:
        return f"{n_bytes // 1000:,}{_NO_BREAK}kB"
    return f"{n_bytes / 1_000_000:,.1f}{_NO_BREAK}MB"


@register.filter
def day(value: datetime | date | None) -> SafeString | str:
    """19 Aug 2026, in the project's time zone, with the exact time in the title."""
    return _time_element(value, write_day(value)) if value else ""


@register.filter
def day_among(value: datetime, crowded: Collection[date]) -> SafeString | str:
    """19 Aug 2026; on a day of several runs with the time: 19 Aug 2026, 19:50."""
    return _time_element(value, f"{write_day(value)}{_write_time(value, crowded)}")


@register.filter
def short_day_among(value: datetime, crowded: Collection[date]) -> str:
    """19 Aug, in the project's time zone: for the head of a narrow column. On a day of several runs with the time."""
    local = timezone.localtime(value)
    return f"{local.day} {_MONTHS[local.month - 1][:3]}{_write_time(value, crowded)}"


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """19 August 2026, 19:50, in the project's time zone, with the exact time in the title."""
    if value is None:
        return ""
    local = timezone.localtime(value)
    return _time_element(value, f"{write_long_day(local)}, {local:%H:%M}")


def find_crowded_days(moments: Iterable[datetime]) -> frozenset[date]:
    """The days, in the project's time zone, that more than one of these moments is on."""
    counted = Counter(timezone.localtime(moment).date() for moment in moments)
    return frozenset(day for day, n in counted.items() if n > 1)


def write_day(value: datetime | date | None) -> str:
    """19 Aug 2026, as plain text."""
    local = _local_day(value)
    return f"{local.day} {_MONTHS[local.month - 1][:3]} {local.year}" if local else ""


def write_long_day(value: datetime | date | None) -> str:
    """19 August 2026, as plain text."""
    local = _local_day(value)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}" if local else ""


@register.filter
def shorten(text: str, limit: int = 60) -> str:
    """Cut a long name in the middle: its start says where it lives, its end what it is."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) * 3 // 5
    return f"{text[: limit - 1 - tail]}{_ELLIPSIS}{text[-tail:]}"


@register.filter
def visible(text: str) -> SafeString:
    """A name with its unseen characters marked: edge and double blanks, controls, and bidi overrides."""
    if text.isprintable() and not _UNSEEN.search(text):
        return escape(text)  # nearly every name, and pages have hundreds
    return format_html_join("", "{}", ((piece,) for piece in _mark_unseen(text)))


@register.filter
def with_code(text: str) -> SafeString:
    """A sentence of ours in which names stand between backticks, as in a terminal: here they are code."""
    pieces = enumerate(text.split("`"))
    return format_html_join("", "{}", ((_CODE(plain(piece)) if at % 2 else plain(piece),) for at, piece in pieces))


@register.filter
def plain(text: str) -> str:
    """A name for titles and labels, where no markup can stand: what cannot be seen is written as its code."""
    return "".join(_mark_for(letter, is_unseen_blank=False) or letter for letter in text)


@register.filter(name="name")
def write_name(text: str, limit: int = 90) -> SafeString:
    """A name that can be copied: monospace, shortened in the middle, the whole of it in the title."""
    short = visible(shorten(text, limit))
    if len(text) <= limit:
        return format_html('<bdi class="id">{}</bdi>', short)
    return format_html('<bdi class="id" title="{}">{}</bdi>', plain(text), short)


@register.filter
def state(mark: str, word: str) -> SafeString:
    """A state: shape, colour and word. Pages have hundreds, so this is no template of its own."""
    return format_html('<span class="st" data-s="{}">{}</span>', mark, word)


@register.filter
def strip(marks: Iterable[str], label: str) -> SafeString:
    """A strip of runs, oldest first: a failed run is tall, a passed one ("") short. `label` is read aloud."""
    bars = reduce(add, (_BARS[mark] for mark in marks), _NOTHING)  # safe, and so is their sum
    return format_html('<span class="strip" role="img" aria-label="{}">{}</span>', label, bars)


def count_of(n: int, noun: str) -> str:
    """A count with its noun: "1 failure", "2 failures"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def count_in_words(n: int, noun: str) -> str:
    """A small count with its noun, as in a sentence: "one failure", "no failures", "13 failures"."""
    return f"{in_words(n)} {noun}{'' if n == 1 else 's'}"


def how_often(n: int) -> str:
    """ "once", "twice", "three times"."""
    return {1: "once", 2: "twice"}.get(n, f"{in_words(n)} times")


def _local_day(value: datetime | date | None) -> date | None:
    if isinstance(value, datetime):
        return timezone.localtime(value).date()
    return value


def _write_time(value: datetime, crowded: Collection[date]) -> str:
    local = timezone.localtime(value)
    return f", {local:%H:%M}" if local.date() in crowded else ""


def _time_element(value: datetime | date, shown: str) -> SafeString:
    if not isinstance(value, datetime):
        return format_html('<time datetime="{}">{}</time>', value.isoformat(), shown)
    local = timezone.localtime(value)
    exact = f"{write_long_day(local)}, {local:%H:%M:%S} {local.tzname()}"
    return format_html('<time datetime="{}" title="{}">{}</time>', local.isoformat(), exact, shown)


def _mark_unseen(text: str) -> list[SafeString]:
    """Split into escaped pieces; what cannot be seen becomes a mark of its own."""
    pieces: list[SafeString] = []
    plain = ""
    blanks = {at for found in _UNSEEN.finditer(text) for at in range(*found.span())}
    for at, character in enumerate(text):
        mark = _mark_for(character, is_unseen_blank=at in blanks)
        if mark is None:
            plain += character
            continue
        pieces.append(format_html("{}", plain))
        pieces.append(format_html('<span class="unseen">{}</span>', mark))
        plain = ""
    pieces.append(format_html("{}", plain))
    return pieces


def _mark_for(character: str, *, is_unseen_blank: bool) -> str | None:
    if is_unseen_blank:
        return _BLANK_MARK.get(character, f"[U+{ord(character):04X}]")
    # Controls and format characters: among them the bidi overrides that make a name read backwards.
    if unicodedata.category(character) in {"Cc", "Cf"}:
        return f"[U+{ord(character):04X}]"
    return None

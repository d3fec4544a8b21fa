"""How the text of a failure is written: as the runner printed it, the telling lines marked.

Loaded by the templates of run and case as `failures`.
Promise: nothing a report wrote reaches the page unescaped or unseen (`tests/dashboard/test_failure_text.py`).
"""

import re
import unicodedata
from typing import Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# Colours of a terminal, as such and as some reporters spell them in XML.
_TERMINAL: Final = re.compile(r"(?:\x1b|#x1B|\ufffd)\[[0-9;]*m")
# pytest marks the line that failed with ">" and what it found with "E".
_TELLING: Final = re.compile(r"^(?:>|E(?: {2,}|$))")
_MOST_LINES: Final = 24


@register.filter
def failure_text(text: str) -> SafeString:
    """All lines, escaped; telling ones marked, unseen characters named."""
    lines = [_show_unseen(line) for line in _TERMINAL.sub("", text).replace("\r\n", "\n").split("\n")]
    return format_html_join(
        "\n", "{}", ((format_html("<mark>{}</mark>", line) if _TELLING.match(line) else line,) for line in lines)
    )


@register.filter
def last_lines(text: str, limit: int = _MOST_LINES) -> str:
    """The end of a text, where runners say what went wrong."""
    lines = text.rstrip().split("\n")
    return "\n".join(lines[-limit:])


def _show_unseen(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(
        f"[U+{ord(character):04X}]"
        if unicodedata.category(character) in {"Cc", "Cf"} and character != "\t"
        else character
        for character in line
    )

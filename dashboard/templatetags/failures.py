"""How failures are written: their text as the runner printed it, the telling lines marked; and a run's longest rows.

Loaded by the templates of run, case and cause as `failures`. A run has hundreds of such rows, and the template engine
is slow at that: each is put together here in one go.
Promise: nothing a report wrote reaches the page unescaped or unseen (`tests/dashboard/test_failure_text.py`,
`test_hostile_names.py`).
"""

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.display import duration, shorten, state, strip, visible, write_name

if TYPE_CHECKING:  # the queries write sentences with this package
    from dashboard.queries.cases import CaseName
    from dashboard.queries.facts import JobFact
    from dashboard.queries.failures import BrokenFamily
    from dashboard.queries.put_off import PutOffCase, PutOffFamily

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


@register.simple_tag
def failure_row(family: "BrokenFamily", has_jobs: bool, has_owners: bool) -> SafeString:
    """A broken case of a run, or several of one family; the columns of job and owners where the table has them."""
    broken, n = family.first, len(family.cases)
    strip_ = strip(broken.lately, broken.lately_label) if n == 1 and broken.lately else ""
    return format_html(
        '<tr>\n<th scope="row">{}<span class="sub">{}</span></th>\n<td>{}</td>{}\n<td data-l="Lately">{}</td>{}\n'
        '<td class="n" data-l="Time">{}</td>\n</tr>',
        _link_case(broken.case) if n == 1 else _roll_up(family),
        visible(shorten(broken.case.place, 70)),
        format_html("{}{}{}", state(broken.mark, broken.word), _write_quarantine(family), _write_verdict(family)),
        _write_job(broken.job) if has_jobs else "",
        strip_,
        format_html('\n<td data-l="Owners">{}</td>', visible(", ".join(broken.owners))) if has_owners else "",
        duration(family.seconds),
    )


@register.simple_tag
def put_off_row(family: "PutOffFamily", has_jobs: bool, has_entries: bool) -> SafeString:
    """A case that a run put off, or several of one family; for how long, where the register knows any."""
    entry = family.first
    return format_html(
        '<tr>\n<th scope="row">{}<span class="sub">{}</span></th>\n<td>{}</td>{}{}\n</tr>',
        _link_case(entry.case) if len(family.cases) == 1 else _fold(family),
        visible(shorten(entry.case.place, 70)),
        state(entry.mark, entry.word),
        _write_job(entry.job) if has_jobs else "",
        _write_age(family) if has_entries else "",
    )


def _write_age(family: "PutOffFamily") -> SafeString:
    """How long it has been put off, linked to its entry; of several the longest."""
    oldest = family.oldest
    if oldest is None:
        return format_html("\n<td>{}</td>", "")
    ages = {one.entry.days if one.entry else None for one in family.cases}
    most = "" if len(ages) == 1 else "up to "
    return format_html('\n<td data-l="Put off for"><a href="{}">{}{}</a></td>', oldest.url, most, oldest.told_days)


def _link_case(case: "CaseName") -> SafeString:
    return format_html('<a href="{}">{}</a>', case.url, write_name(case.name))


def _link_entry(entry: "PutOffCase") -> SafeString | str:
    if entry.entry is None:
        return ""
    return format_html(' <a class="quiet" href="{}">{}</a>', entry.entry.url, entry.entry.told_days)


def _roll_up(family: "BrokenFamily") -> SafeString:
    cases = format_html_join("", "\n<li>{}</li>", ((_link_case(broken.case),) for broken in family.cases))
    name = write_name(family.first.case.family)
    return format_html(
        '<details class="rolled"><summary>{} cases of {}</summary><ul>{}\n</ul></details>',
        f"{len(family.cases):,}",
        name,
        cases,
    )


def _fold(family: "PutOffFamily") -> SafeString:
    """A family as the matrix names it, with how many they are; its cases below."""
    cases = format_html_join(
        "", "\n<li>{}{}</li>", ((_link_case(entry.case), _link_entry(entry)) for entry in family.cases)
    )
    return format_html(
        '<details class="rolled"><summary>{}<span class="id">[…]</span> {}</summary><ul>{}\n</ul></details>',
        write_name(family.first.case.family),
        f"{len(family.cases):,}",
        cases,
    )


def _write_quarantine(family: "BrokenFamily") -> SafeString | str:
    """That its failures are tolerated for now, linked to the register."""
    if not family.quarantine:
        return ""
    return format_html('<span class="sub"><a href="{}">{}</a></span>', family.quarantine_url, family.quarantine)


def _write_verdict(family: "BrokenFamily") -> SafeString | str:
    """Whether it is real, below its state: what is concluded of it, linked to what that is concluded from."""
    if not family.verdict:
        return ""
    return format_html('<span class="sub"><a href="{}">{}</a></span>', family.verdict_url, family.verdict)


def _write_job(job: "JobFact") -> SafeString:
    return format_html('\n<td data-l="Job">{}</td>', visible(shorten(job.title, 40)))


def _show_unseen(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(
        f"[U+{ord(character):04X}]"
        if unicodedata.category(character) in {"Cc", "Cf"} and character != "\t"
        else character
        for character in line
    )

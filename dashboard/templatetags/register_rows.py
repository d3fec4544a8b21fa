"""The lines of the register as escaped text: a page has 100 of ten cells, which is too much for the template engine.

Loaded by the register's page. Promise: nothing a report, file or person wrote reaches the page unescaped
(`tests/dashboard/test_deferred_views.py`).
"""

from datetime import date
from typing import TYPE_CHECKING, Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from dashboard.templatetags.display import count_in_words, count_of, day, shorten, state, visible, write_name

if TYPE_CHECKING:
    from dashboard.queries.deferral_facts import EntryFact
    from dashboard.queries.deferred_lines import DeferredLine

register = template.Library()

_NOTHING: Final = format_html("{}", "")
_NO_REASON: Final = format_html("<b>{}</b>", "no reason given")
_MORE: Final = format_html('<span class="quiet nowrap">{}</span>', "[…]")
_BREAK: Final = format_html("/<{}>", "wbr")  # a team is broken behind its organisation
_ENDED: Final = {"ran": "holds", "gone": "absent"}


@register.filter
def register_row(line: "DeferredLine") -> SafeString:
    """An open line: what is put off, how, why, by whom, since when, and what backs it."""
    entry = line.entry
    return format_html(
        '<tr><th scope="row">{}</th><td class="n" data-l="Tests">{}</td><td data-l="How">{}{}</td>'
        '<td data-l="Reason" class="wrap">{}{}</td>{}{}<td class="n nowrap" data-l="Age">{}</td>{}'
        '<td data-l="Backing">{}</td><td data-l="Sources" class="wrap quiet">{}{}</td></tr>',
        _write_tests(line),
        _write_count(line),
        state(entry.mark, entry.word),
        _write_wants(entry),
        visible(shorten(entry.reason, 240)) if entry.reason else _NO_REASON,
        _NOTHING if entry.issue in entry.reason else _write_sub(visible(shorten(entry.issue))),
        _write_owner(entry.owner),
        _write_review(entry.review_day, is_overdue=entry.is_overdue),
        count_of(entry.days, "day"),
        _write_runs(entry.runs),
        state(entry.backing_mark, entry.backing_word),
        entry.source_word,
        _write_running(entry),
    )


@register.filter
def closed_row(line: "DeferredLine") -> SafeString:
    """A closed line: what was put off, for how long, and how it ended."""
    entry = line.entry
    return format_html(
        '<tr><th scope="row">{}</th><td class="n" data-l="Tests">{}</td><td data-l="Was">{}</td>'
        '<td data-l="Reason" class="wrap">{}</td><td class="n nowrap" data-l="Put off for">{}</td>{}'
        '<td class="nowrap" data-l="Ended">{}</td><td data-l="How it ended">{}</td></tr>',
        _write_tests(line),
        _write_count(line),
        state(entry.mark, entry.word),
        visible(shorten(entry.reason, 240)) if entry.reason else _NO_REASON,
        count_of(entry.days, "day"),
        _write_runs(entry.runs),
        day(entry.closed_at) if entry.closed_at else "",
        state(_ENDED.get(entry.ending, "pass"), entry.ending_word),
    )


def _write_tests(line: "DeferredLine") -> SafeString:
    """What it is about, and the way to its story."""
    entry = line.entry
    return format_html(
        '<a class="b" href="{}">{}{}</a>{}{}{}',
        entry.url,
        write_name(line.name, 80),
        _MORE if line.is_family else _NOTHING,
        _write_sub(_write_place(line)),
        _write_names(line) if line.is_family else _NOTHING,
        _write_sub(f"lacks {', '.join(entry.missing_words)}") if entry.missing else _NOTHING,
    )


def _write_place(line: "DeferredLine") -> SafeString:
    entry = line.entry
    if entry.case is not None:
        family = f", {line.n_entries:,} parameters" if line.is_family else ""
        return format_html("{}{}", visible(shorten(entry.case.place)), family)
    if entry.kind != "planned":
        if not entry.n_cases:
            return format_html("{}", "names no test now")
        own = "on its own line" if entry.n_cases == 1 else "on lines of their own"
        return format_html("names {}{}", count_of(entry.n_cases, "test"), "" if line.n else f" {own}")
    promised = f" of {entry.n_promised:,}" if entry.n_promised else ""
    return format_html("{}{} there", f"{entry.n_cases:,}", promised)


def _write_count(line: "DeferredLine") -> str:
    """Tests; nothing for a pattern whose tests are counted where they have lines of their own."""
    return f"{line.n:,}" if line.n else ""


def _write_running(entry: "EntryFact") -> SafeString:
    """Where it runs meanwhile, of what some jobs put off and others do not."""
    if not entry.n_put_off or not entry.n_running:
        return _NOTHING
    return _write_sub(f"runs in {count_in_words(entry.n_running, 'other job')}")


def _write_names(line: "DeferredLine") -> SafeString:
    """The cases of a family, folded up."""
    names = ((case.url, write_name(case.name, 80)) for case in line.cases)
    return format_html(
        '<details><summary>{}</summary><ul class="names">{}</ul></details>',
        f"The first {len(line.cases)}" if line.n_unlisted else "One by one",
        format_html_join("", '<li><a href="{}">{}</a></li>', names),
    )


def _write_wants(entry: "EntryFact") -> SafeString:
    """What a person has to look at."""
    wants = _write_sub(state("stale", "came back")) if entry.needs_person else _NOTHING
    if entry.is_releasable:
        return wants + _write_sub(state("xpass", "proposed for release"))
    if entry.n_passes and entry.kind == "xfail":
        return wants + _write_sub(state("xpass", "passes unexpectedly"))
    return wants


def _write_owner(owner: str) -> SafeString:
    if not owner:
        return format_html('<td data-l="Owner" class="quiet">{}</td>', "nobody")
    parts = format_html_join(_BREAK, "{}", ((visible(part),) for part in shorten(owner, 40).split("/")))
    return format_html('<td data-l="Owner" class="wrap">{}</td>', parts)


def _write_review(review_day: date | None, *, is_overdue: bool) -> SafeString:
    if review_day is None:
        return format_html('<td data-l="Review" class="quiet">{}</td>', "none set")
    if not is_overdue:
        return format_html('<td data-l="Review" class="nowrap">{}</td>', day(review_day))
    return format_html(
        '<td data-l="Review" class="nowrap">{}{}</td>', state("stale", "overdue"), _write_sub(day(review_day))
    )


def _write_runs(runs: int | None) -> SafeString:
    if runs is None:
        return format_html('<td class="n quiet" data-l="Runs">{}</td>', "none")
    return format_html('<td class="n nowrap" data-l="Runs">{}</td>', f"{runs:,}")


def _write_sub(said: str) -> SafeString:
    return format_html('<span class="sub">{}</span>', said)

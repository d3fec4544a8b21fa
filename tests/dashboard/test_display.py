"""How values are written: rounded down, with their whole, and with nothing hidden."""

from datetime import UTC, date, datetime

import pytest
from django.utils import timezone

from dashboard.templatetags import display


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 0, "none"),
        (0, 5, "0.0"),
        (5, 5, "100"),
        (9996, 10_000, "99.9"),
        (99_999, 100_000, "99.9"),
        (133, 176, "75.5"),
        (1, 200_000, "under 0.1"),
        (4204, 4863, "86.4"),
    ],
)
def test_percent_is_rounded_down_and_nothing_has_no_percent(part: int, whole: int, text: str) -> None:
    assert display.percent_of(part, whole) == text


def test_fraction_names_its_whole() -> None:
    assert display.fraction_of(1991, 2016) == "1,991 of 2,016"
    assert display.fraction_of(0, 0) == "none"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0 s"),
        (0.0001, "under 1 ms"),
        (0.008, "8 ms"),
        (0.9996, "1.00 s"),
        (6.84, "6.84 s"),
        (9.996, "10.0 s"),
        (59.97, "1 min 0 s"),
        (271, "4 min 31 s"),
        (3900, "1 h 5 min"),
    ],
)
def test_durations_read_as_people_say_them(seconds: float | None, text: str) -> None:
    assert display.duration(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(("tenths", "text"), [(None, ""), (0, "="), (31, "+3.1"), (-4, "\u22120.4"), (1000, "+100.0")])
def test_points_carry_their_sign(tenths: int | None, text: str) -> None:
    assert display.points(tenths) == text


def test_runs_of_one_day_are_told_apart_by_their_time() -> None:
    first, second, other = (
        datetime(2026, 11, 20, 12, 3, tzinfo=UTC),
        datetime(2026, 11, 20, 13, 0, tzinfo=UTC),
        datetime(2026, 11, 21, 12, 3, tzinfo=UTC),
    )
    crowded = display.find_crowded_days([first, second, other])
    assert ">20 Nov 2026, 12:03</time>" in display.day_among(first, crowded)
    assert ">21 Nov 2026</time>" in display.day_among(other, crowded)
    assert display.short_day_among(first, crowded) == "20 Nov, 12:03"
    assert display.short_day_among(other, crowded) == "21 Nov"
    with timezone.override("Pacific/Auckland"):  # there it is 1:03 and 2:00 of the next day
        assert display.find_crowded_days([first, second, other]) == {date(2026, 11, 21)}


@pytest.mark.parametrize(("n", "text"), [(38, "+38"), (-1200, "\u22121,200"), (0, "="), (None, "")])
def test_differences_carry_their_sign(n: int | None, text: str) -> None:
    assert display.signed(n) == text


@pytest.mark.parametrize(("n", "text"), [(None, ""), (522, "522 bytes"), (238_652, "238 kB"), (1_250_000, "1.2 MB")])
def test_sizes(n: int | None, text: str) -> None:
    assert display.size(n).replace("\u00a0", " ") == text


def test_small_counts_are_words_and_large_ones_figures() -> None:
    assert [display.in_words(n) for n in (0, 7, 12, 13, 1200)] == ["no", "seven", "twelve", "13", "1,200"]


def test_a_day_is_of_the_projects_zone_and_keeps_the_exact_time() -> None:
    with timezone.override("America/Los_Angeles"):
        html = display.day(datetime(2026, 8, 20, 2, 50, 19, tzinfo=UTC))
    assert html == (
        '<time datetime="2026-08-19T19:50:19-07:00" title="19 August 2026, 19:50:19 PDT">19 Aug 2026</time>'
    )
    assert display.day(None) == ""
    assert display.day(date(2026, 8, 19)) == '<time datetime="2026-08-19">19 Aug 2026</time>'


def test_a_moment_shows_the_minute() -> None:
    assert ">2 March 2026, 09:05</time>" in display.moment(datetime(2026, 3, 2, 9, 5, tzinfo=UTC))


def test_long_names_are_cut_in_the_middle() -> None:
    name = "tests/test_utils.py::" + "x" * 100 + "::test_echo_via_pager[test5-cat]"
    short = display.shorten(name, 60)
    assert len(short) == 60
    assert short.startswith("tests/test_utils.py::")
    assert short.endswith("test_echo_via_pager[test5-cat]")
    assert display.shorten("short", 60) == "short"


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("plain name", "plain name"),
        ("cat ", "cat|␣|"),
        ("  two", "|␣||␣|two"),
        ("a  b", "a |␣|b"),
        ("tab\there", "tab|⇥|here"),
        ("two\nlines", "two|↵|lines"),
        ("no\u00a0break", "no|[U+00A0]|break"),
        ("user\u202etxt.exe", "user|[U+202E]|txt.exe"),
        ("zero\u200bwidth", "zero|[U+200B]|width"),
        ("esc\x1b[31m", "esc|[U+001B]|[31m"),
        ("Grüße – 日本語", "Grüße – 日本語"),
    ],
)
def test_what_cannot_be_seen_is_marked(text: str, marked: str) -> None:
    shown = str(display.visible(text)).replace('<span class="unseen">', "|").replace("</span>", "|")
    assert shown == marked


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a\u202e<b>"])
def test_a_name_never_becomes_markup(text: str) -> None:
    for html in (display.visible(text), display.write_name(text), display.write_name(text * 20, 40)):
        assert "<script" not in html
        assert "<img" not in html
        assert "<b>" not in html


def test_a_cut_name_keeps_the_whole_in_its_title() -> None:
    html = display.write_name('a"b' + "x" * 100, 20)
    assert html.startswith('<bdi class="id" title="a&quot;bxxx')


def test_what_stands_between_backticks_is_code_and_is_escaped() -> None:
    assert display.with_code("Set `a.<b>` or `c` <i>") == (
        'Set <span class="id">a.&lt;b&gt;</span> or <span class="id">c</span> &lt;i&gt;'
    )
    assert display.with_code("none") == "none"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(1.5, "+1.50\u00a0s"), (-0.02, "\u221220\u00a0ms"), (0, "="), (0.0001, "="), (-0.0001, "=")]
)
def test_a_difference_of_times_has_its_sign(seconds: float, shown: str) -> None:
    assert display.longer(seconds) == shown


def test_counts_carry_their_noun() -> None:
    assert [display.count_of(n, "test") for n in (0, 1, 1234)] == ["0 tests", "1 test", "1,234 tests"]
    assert [display.count_in_words(n, "test") for n in (0, 1, 13)] == ["no tests", "one test", "13 tests"]
    assert [display.how_often(n) for n in (1, 2, 3, 20)] == ["once", "twice", "three times", "20 times"]


def test_states_and_strips_are_escaped_and_read_aloud() -> None:
    assert display.state("fail", "<b>") == '<span class="st" data-s="fail">&lt;b&gt;</span>'
    assert display.strip(("", "error"), 'broke "1" of 2') == (
        '<span class="strip" role="img" aria-label="broke &quot;1&quot; of 2"><i></i><i data-s="error"></i></span>'
    )

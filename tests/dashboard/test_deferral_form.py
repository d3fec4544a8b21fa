"""An entry as a form: only what was touched is written, and two people's versions stand side by side."""

from datetime import date

import pytest

from dashboard.queries.deferral_form import (
    OF_CASE,
    OF_PATTERN,
    Field,
    check_pattern,
    face,
    make_fields,
    read_sent,
    write_value,
)

HOLDS = {
    "kind": "skip",
    "reason": "no network\nin CI",
    "owner": "ann",
    "review": "2026-12-01",
    "issue": "",
    "precedent": "",
    "phase": "",
    "count": None,
    "backing": ["tests/unit/**", "test_b*"],
    "code": [],
}


def send(**touched: str) -> dict[str, str]:
    """A form as a browser sends it back: each field with what it showed, line breaks as browsers write them."""
    shown = {field.name: field.value for field in make_fields(HOLDS, names=OF_CASE)}
    form = {f"was-{name}": value.replace("\n", "\r\n") for name, value in shown.items()}
    return form | {name: value.replace("\n", "\r\n") for name, value in (shown | touched).items()}


def find(fields: tuple[Field, ...], name: str) -> Field:
    return next(field for field in fields if field.name == name)


def test_an_untouched_form_changes_nothing() -> None:
    assert read_sent(send(), names=OF_CASE).changes == {}
    assert read_sent({}, names=OF_CASE).changes == {}


def test_only_what_was_touched_is_written() -> None:
    sent = read_sent(send(owner="bob", backing="tests/a.py::b\n\n  test_c*  \n", review=""), names=OF_CASE)
    assert sent.changes == {"owner": "bob", "backing": ["tests/a.py::b", "test_c*"], "review": ""}
    assert read_sent(send(backing=""), names=OF_CASE).changes == {"backing": []}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("review", "tomorrow", "Write it as 2026-12-01"),
        ("review", "2026-13-01", "That is no date"),
        ("review", "20261201", "That is no date"),
        ("review", "2026-W01-1", "That is no date"),
        ("kind", "nonsense", "There is no such kind"),
        ("kind", "", "There is no such kind"),
        ("owner", "x" * 201, "longer than 200 characters: 201"),
        ("reason", "x" * 4_001, "longer than 4,000 characters"),
        ("backing", "test_a\n" * 51, "51 lines; 50 are taken"),
        ("backing", "x" * 501, "501 characters long; 500 are taken"),
        ("code", "x" * 501, "501 characters long"),
        ("count", "0", "a whole number from 1"),
        ("count", "٣", "a whole number from 1"),
        ("count", "9" * 7, "a whole number from 1"),
        ("count", "9" * 5_000, "longer than 7 characters"),
    ],
)
def test_what_is_wrong_stands_at_its_field(name: str, text: str, told: str) -> None:
    sent = read_sent(send(**{name: text}), names=OF_PATTERN)
    field = find(sent.fields, name)
    assert told in field.error
    assert field.value == text.strip()
    assert sent.is_wrong
    assert name not in sent.changes


def test_what_ci_wrote_may_be_longer_than_what_people_may() -> None:
    shown = make_fields(HOLDS | {"reason": "x" * 9_000}, names=OF_CASE)
    form = {f"was-{field.name}": field.value for field in shown} | {field.name: field.value for field in shown}
    assert not read_sent(form | {"owner": "bob"}, names=OF_CASE).is_wrong


def test_a_secret_is_masked_and_stays_while_nobody_touches_it() -> None:
    field = find(make_fields(HOLDS | {"reason": "password=hunter2hunter2 is wrong"}, names=OF_CASE), "reason")
    assert "hunter2" not in field.value
    assert read_sent({"was-reason": field.value, "reason": field.value}, names=OF_CASE).changes == {}


def test_after_a_conflict_mine_stands_where_i_wrote_and_theirs_where_only_they_did() -> None:
    sent = read_sent(send(owner="bob", reason="flaky network"), names=OF_CASE)
    faced = face(sent, HOLDS | {"owner": "carl", "issue": "#7", "reason": "flaky network"})
    told = {field.name: (field.value, field.now, field.is_theirs) for field in faced}
    assert told["owner"] == ("bob", "carl", False)
    assert told["issue"] == ("#7", "#7", True)
    assert told["reason"] == ("flaky network", None, False)
    assert told["review"] == ("2026-12-01", None, False)
    again = {f"was-{field.name}": field.was for field in faced} | {field.name: field.value for field in faced}
    assert read_sent(again, names=OF_CASE).changes == {"owner": "bob"}


def test_a_kind_is_told_in_words_and_nothing_as_nothing() -> None:
    faced = face(read_sent(send(kind="xfail", owner=""), names=OF_CASE), HOLDS | {"owner": "carl"})
    assert (find(faced, "kind").told_mine, find(faced, "kind").told_now) == ("expected to fail", "skipped")
    assert (find(faced, "owner").told_mine, find(faced, "owner").told_now) == ("nothing", "carl")


@pytest.mark.parametrize("text", ["", "x" * 501, "a\nb", "Task #72"])
def test_a_pattern_that_names_nothing_is_refused(text: str) -> None:
    assert check_pattern(text)


@pytest.mark.parametrize("text", ["tests/unit/test_fields*", "tests/a.py::test_b[1]", "suite fields", "test_fields_*"])
def test_a_pattern_that_can_be_looked_up_is_taken(text: str) -> None:
    assert check_pattern(text) == ""


def test_values_are_written_as_people_write_them() -> None:
    assert write_value("review", date(2026, 12, 1)) == "2026-12-01"
    assert write_value("backing", ["a", "b"]) == "a\nb"
    assert write_value("count", None) == ""
    assert write_value("owner", " a\x00nn ") == "ann"

"""Who is believed about an entry: each field by itself, and what was corrected to nothing stays nothing."""

from datetime import date

import pytest

from health.rules.deferral_layers import Layers, merge_layers


def test_nothing_said_is_a_skip_without_words() -> None:
    assert merge_layers({}, {}, {}) == Layers(kind="skip")


def test_each_field_is_taken_from_the_strongest_that_has_it() -> None:
    written = {"owner": "ada"}
    named = {"owner": "team", "issue": "#7", "review": "2026-12-01", "backing": ["tests/unit/**"]}
    read = {"kind": "xfail", "reason": "no network", "issue": "#1", "backing": ["old"], "precedent": "Task #74"}
    found = merge_layers(written, named, read)
    assert found == Layers(
        kind="xfail",
        reason="no network",
        owner="ada",
        review_on=date(2026, 12, 1),
        issue="#7",
        precedent="Task #74",
        backing=("tests/unit/**",),
    )


def test_what_was_corrected_to_nothing_is_nothing() -> None:
    read = {"owner": "ada", "review": "2026-12-01", "backing": ["x"], "reason": "y"}
    assert merge_layers({"owner": "", "review": "", "backing": [], "reason": ""}, {}, read) == Layers()


@pytest.mark.parametrize(
    ("written", "named", "read", "kind"),
    [
        ({}, {}, {"kind": "xfail"}, "xfail"),
        ({}, {"kind": "skip"}, {"kind": "xfail"}, "xfail"),
        ({}, {"kind": "planned"}, {"kind": "xfail"}, "xfail"),
        ({}, {"kind": "quarantine"}, {"kind": "xfail"}, "quarantine"),
        ({"kind": "skip"}, {"kind": "quarantine"}, {"kind": "xfail"}, "skip"),
        ({"kind": "planned"}, {}, {}, "planned"),
        ({"kind": "nonsense"}, {}, {"kind": "skip"}, "skip"),
    ],
)
def test_a_pattern_may_quarantine_a_case_and_else_says_nothing_of_its_kind(
    written: dict[str, str], named: dict[str, str], read: dict[str, str], kind: str
) -> None:
    assert merge_layers(written, named, read).kind == kind


@pytest.mark.parametrize("review", ["soon", 20261201, None, "2026-13-01", [], "2026-12-01T00:00:00"])
def test_a_day_that_is_none_is_left_out(review: object) -> None:
    assert merge_layers({"review": review}, {}, {}).review_on is None


@pytest.mark.parametrize(("count", "expected"), [(14, 14), (0, None), (-1, None), (True, None), ("14", None)])
def test_a_count_is_a_number_of_cases(count: object, expected: int | None) -> None:
    assert merge_layers({"count": count}, {}, {}).count == expected

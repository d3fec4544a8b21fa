"""How a cause stands, run by run."""

import pytest

from health.rules.cause_states import MEANINGS, STATES, tell_state


def told(runs: str, *, was_before: bool = False, since: int | None = None) -> str:
    """`x` broke, `.` did not, `-` did not run."""
    return tell_state([{"x": True, ".": False, "-": None}[mark] for mark in runs], was_before=was_before, since=since)


@pytest.mark.parametrize(
    ("runs", "state"),
    [
        ("....x", "new"),
        ("x", "new"),
        ("...x-", "new"),  # what ran last is another workflow
        ("..xx", "ongoing"),
        ("x....x", "ongoing"),  # four silent runs
        ("x.....x", "returned"),
        ("x.....xx.x", "returned"),
        ("x--...--..x", "returned"),
        ("xx.", "quiet"),
        ("x.....x.", "quiet"),
        ("...", "quiet"),
        ("", "quiet"),
        ("---", "quiet"),
    ],
)
def test_a_state_follows_from_the_runs(runs: str, state: str) -> None:
    assert told(runs) == state


def test_what_was_there_before_the_window_is_not_new() -> None:
    assert told("..x", was_before=True) == "ongoing"
    assert told(".....x", was_before=True) == "returned"


def test_a_claim_holds_until_something_breaks_behind_it() -> None:
    assert told("xx...", since=2) == "claimed fixed"
    assert told("xx..x", since=2) == "returned"
    assert told("xxxxx", since=5) == "claimed fixed"  # nothing ran since


def test_every_state_has_a_meaning() -> None:
    assert set(MEANINGS) == set(STATES)

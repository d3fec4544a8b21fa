"""Speeds: what became slower, and whole grids against a plain reading of one case after another."""

from statistics import median
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from health.rules import outcomes as codes
from health.rules.durations import decode_units, encode_seconds
from health.rules.speeds import MOST_KEPT, choose_kept, measure_grid


def measure(seconds: list[float], outcomes: list[int] | None = None) -> dict[str, Any]:
    """One case's speed from its times, oldest first."""
    codes_of = np.array(outcomes or [codes.PASS] * len(seconds), np.uint8)
    speeds = measure_grid(codes_of[:, None], words=encode_seconds(seconds)[:, None])
    return {name: getattr(speeds, name)[0].item() for name in speeds.__slots__}


def test_half_as_slow_again_and_a_tenth_of_a_second_more_is_slower() -> None:
    assert measure([0.2] * 20 + [0.3] * 10)["is_slower"]
    assert not measure([0.2] * 20 + [0.29] * 10)["is_slower"]  # less than half
    assert not measure([0.1] * 20 + [0.19] * 10)["is_slower"]  # less than a tenth of a second


def test_five_results_on_each_side_are_needed() -> None:
    assert measure([0.2] * 5 + [1.0] * 10)["is_slower"]
    found = measure([0.2] * 4 + [1.0] * 10)
    assert (found["is_slower"], found["n"], found["n_before"]) == (False, 10, 4)
    assert measure([1.0] * 4)["n_before"] == 0


def test_one_slow_run_is_not_a_slower_case() -> None:
    assert not measure([0.2] * 29 + [9.0])["is_slower"]


def test_only_results_that_passed_are_timed() -> None:
    found = measure([0.512, 9.0, 0.512, 0.0], [codes.PASS, codes.FAIL, codes.PASS_ON_RETRY, codes.SKIP])
    assert (found["n"], found["median"]) == (2, 51_200)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_packed_times_are_in_the_order_of_what_they_stand_for(seconds: list[float]) -> None:
    words = np.sort(encode_seconds(seconds))
    assert (np.diff(decode_units(words)) >= 0).all()


@given(st.data())
def test_a_grid_is_read_as_its_cases_are(data: st.DataObject) -> None:
    n_jobs, n_cases = data.draw(st.integers(0, 40)), data.draw(st.integers(0, 3))
    seed = data.draw(st.integers(0, 2**31))
    random = np.random.default_rng(seed)
    outcomes = random.choice([1, 1, 1, 1, 6, 7, 2, 0], (n_jobs, n_cases)).astype(np.uint8)
    outcomes[:, ::2] = 1  # some always pass
    words = encode_seconds(random.choice([0.01, 0.2, 0.5, 3.0], (n_jobs, n_cases)))
    speeds = measure_grid(outcomes, words=words)
    for case in range(n_cases):
        passed = [int(decode_units(words[job, case])) for job in range(n_jobs) if outcomes[job, case] in (1, 6, 7)]
        now, before = passed[::-1][:10], passed[::-1][10:30]
        assert (speeds.n[case], speeds.n_before[case]) == (len(now), len(before))
        middle, middle_before = (int(median(times)) if times else 0 for times in (now, before))
        assert (speeds.median[case], speeds.median_before[case]) == (middle, middle_before)
        is_slower = len(now) >= 5 and len(before) >= 5 and middle >= 1.5 * middle_before
        assert speeds.is_slower[case] == (is_slower and middle - middle_before >= 10_000)


def test_the_slowest_are_kept_and_all_that_became_slower() -> None:
    n = MOST_KEPT + 20
    is_slower = np.zeros(n, np.bool_)
    is_slower[0] = True
    kept = choose_kept(np.arange(n), ords=np.arange(n), is_slower=is_slower)
    assert kept.tolist() == [0, *range(20, n)]


def test_among_equals_the_lower_numbers_are_kept() -> None:
    kept = choose_kept(
        np.ones(2 * MOST_KEPT, np.int64),
        ords=np.arange(2 * MOST_KEPT)[::-1].copy(),
        is_slower=np.zeros(2 * MOST_KEPT, np.bool_),
    )
    assert kept.tolist() == list(range(MOST_KEPT, 2 * MOST_KEPT))

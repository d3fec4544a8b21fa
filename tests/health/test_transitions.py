"""New, still, fixed, gone: what became of a case between a job and its baseline."""

import numpy as np

from health.rules.outcomes import ABSENT, ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL
from health.rules.transitions import Transitions, compare_outcomes


def compare(
    now: list[int], before: list[int], *, suites: list[int] | None = None, complete: bool = True
) -> Transitions:
    return compare_outcomes(
        np.array(now, np.uint8),
        np.array(before, np.uint8),
        suites=np.array(suites or [1] * len(now), np.int32),
        is_complete=complete,
    )


def test_each_case_has_at_most_one_transition() -> None:
    now = [FAIL, ERROR, PASS, ABSENT, SKIP, PASS, PASS_ON_RETRY, XFAIL]
    before = [PASS, FAIL, ERROR, PASS, FAIL, PASS, FAIL, FAIL]
    found = compare(now, before)
    assert found.new.tolist() == [True] + [False] * 7
    assert found.still.tolist() == [False, True] + [False] * 6
    assert found.fixed.tolist() == [False, False, True, False, False, False, True, False]
    assert found.gone.tolist() == [False, False, False, True] + [False] * 4
    assert found.count() == (1, 1, 2, 1)


def test_a_case_first_seen_failing_is_new() -> None:
    assert compare([FAIL], [ABSENT]).count() == (1, 0, 0, 0)


def test_a_suite_that_did_not_report_is_not_gone() -> None:
    assert compare([PASS, ABSENT], [PASS, PASS], suites=[1, 2]).count() == (0, 0, 0, 0)
    assert compare([PASS, ABSENT], [PASS, PASS], suites=[1, 1]).count() == (0, 0, 0, 1)


def test_an_incomplete_job_says_nothing_is_gone() -> None:
    assert compare([PASS, ABSENT], [PASS, PASS], complete=False).count() == (0, 0, 0, 0)

"""Verdicts: the rule, number by number, and whole grids against a plain reading of one case after another."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.models import CaseVerdict
from health.rules import flakiness
from health.rules import outcomes as codes
from health.rules.flakiness import (
    BROKEN,
    FLAKY,
    SOUND,
    UNCLEAR,
    VERDICTS,
    Jobs,
    chance_of_silence,
    chance_of_streak,
    is_mass_failure,
    judge_grid,
    wilson_interval,
)

MARKS = {".": codes.PASS, "F": codes.FAIL, "E": codes.ERROR, "r": codes.PASS_ON_RETRY, "s": codes.SKIP, " ": 0}


def judge(marks: str, **jobs: Any) -> dict[str, Any]:
    """What one case's marks, oldest first, come to; empty where nothing is said of it."""
    n = len(marks)
    facts = Jobs(
        jobs.get("commits", [str(number) for number in range(n)]),
        jobs.get("branches", [("main", "")] * n),
        jobs.get("is_long_lived", True),
    )
    tally = judge_grid(np.array([[MARKS[mark]] for mark in marks], np.uint8), jobs=facts)
    if not len(tally.places):
        return {}
    found = {name: int(getattr(tally, name)[0]) for name in tally.__slots__}
    return {**found, "verdict": VERDICTS[found["verdicts"]]}


@pytest.mark.parametrize(
    ("marks", "verdict"),
    [
        ("F...", UNCLEAR),  # four results are no ground
        ("ss ssF...", UNCLEAR),  # what was skipped or absent is no result
        ("F....", SOUND),
        ("....F", UNCLEAR),  # one in five may be luck: 1/6
        ("...................F", BROKEN),  # one in twenty is not: 1/21
        (".F...F.", FLAKY),
        (".FFF..", SOUND),  # one outage is no flake
        ("F.F.F.F.", FLAKY),
        ("r....", FLAKY),
        ("FFFFF", BROKEN),
        ("..........FF", BROKEN),
        (".F.F.FFFFFFF", BROKEN),  # it was flaky before
        (".F.F.F", FLAKY),  # a streak of one is what it did before
    ],
)
def test_the_rule(marks: str, verdict: str) -> None:
    assert judge(marks)["verdict"] == verdict


def test_what_always_passes_has_no_verdict() -> None:
    assert judge("....ss. .") == {}


def test_a_retry_ends_a_streak() -> None:
    assert judge("FFFFr")["n_streak"] == 0


def test_the_last_results_are_named() -> None:
    found = judge(".F. F.s ")
    assert (found["last_ran"], found["last_broken"]) == (5, 4)
    assert judge("r....")["last_broken"] == -1


# --- one commit, two answers ---------------------------------------------------------------------------------------


def test_one_commit_that_passes_and_breaks_is_flaky() -> None:
    found = judge("..F...", commits=["a", "b", "b", "c", "d", "e"])
    assert (found["verdict"], found["n_disagreed"]) == (FLAKY, 1)


def test_runs_of_unknown_commits_disagree_about_nothing() -> None:
    found = judge("..F...", commits=["", "", "", "", "", ""])
    assert (found["verdict"], found["n_disagreed"]) == (SOUND, 0)


# --- pull requests and short-lived branches ------------------------------------------------------------------------


def test_one_broken_branch_makes_no_case_flaky() -> None:
    branches = [("a", ""), ("bad", "7")] * 10
    found = judge(".F" * 10, branches=branches, is_long_lived=False)
    assert (found["n_flips"], found["verdict"]) == (0, UNCLEAR)
    found = judge("..........F.F.F.....", branches=[("bad", "")] * 20, is_long_lived=False)
    assert (found["n_flips"], found["verdict"]) == (0, SOUND)


def test_retries_on_one_branch_are_not_enough_and_on_two_they_are() -> None:
    one = [("a", ""), ("a", ""), ("b", ""), ("b", ""), ("c", "")]
    assert judge("rr...", branches=one, is_long_lived=False)["verdict"] == UNCLEAR
    assert judge("r.r..", branches=one, is_long_lived=False)["verdict"] == FLAKY


def test_a_push_and_the_pull_request_made_of_it_are_one_branch() -> None:
    branches = [("a", ""), ("a", "7"), ("b", ""), ("b", ""), ("c", "")]
    assert judge("rr...", branches=branches, is_long_lived=False)["verdict"] == UNCLEAR


def test_a_disagreement_is_seen_where_it_broke() -> None:
    branches = [("a", ""), ("b", ""), ("a", ""), ("c", ""), ("c", "")]
    commits = ["x", "x", "x", "y", "z"]
    found = judge("F....", branches=branches, commits=commits, is_long_lived=False)
    assert (found["n_disagreed"], found["verdict"]) == (1, UNCLEAR)
    found = judge("FF...", branches=branches, commits=commits, is_long_lived=False)
    assert (found["n_disagreed"], found["verdict"]) == (1, FLAKY)


# --- mass failures and figures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_broken", "n_executed", "is_mass"),
    [(3, 10, True), (9, 9, False), (2, 10, False), (30, 100, True), (0, 0, False)],
)
def test_a_mass_failure_is_a_third_of_enough_cases(n_broken: int, n_executed: int, is_mass: bool) -> None:
    assert is_mass_failure(n_broken, n_executed) is is_mass


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (3, 50, 0.0206, 0.1622), (1, 2, 0.0945, 0.9055), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilson_s(k: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(k, n) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_interval_holds_the_rate(k: int, n: int) -> None:
    low, high = wilson_interval(min(k, n), n)
    assert 0 <= low <= (min(k, n) / n if n else 0.5) <= high <= 1


def test_silence_is_luck_as_often_as_nothing_breaks() -> None:
    assert chance_of_silence(0.2, 10) == pytest.approx(0.8**10)
    assert chance_of_silence(0.2, 0) == 1.0
    assert chance_of_silence(1.0, 3) == 0.0


def test_a_streak_is_compared_with_what_was_before() -> None:
    chances = chance_of_streak(np.array([1, 2]), n_broken_before=np.array([0, 5]), n_ran_before=np.array([49, 10]))
    assert chances.tolist() == pytest.approx([1 / 51, 0.25])


def test_the_words_are_those_of_the_table() -> None:
    assert sorted(VERDICTS) == sorted(CaseVerdict.Verdict.values)


# --- whole grids ---------------------------------------------------------------------------------------------------


def read_plainly(marks: list[int], commits: list[str], branches: list[tuple[str, str]], is_long_lived: bool) -> Any:
    """The contract's words for one case, without any array."""
    ran = [
        (code, commit, branch)
        for code, commit, branch in zip(marks, commits, branches, strict=True)
        if code not in (0, 4)
    ]
    n_broken = sum(code in (2, 3) for code, _, _ in ran)
    n_retried = sum(code == 7 for code, _, _ in ran)
    if not n_broken + n_retried:
        return None
    by_commit = defaultdict(list)
    for code, commit, _ in ran:
        by_commit[commit].append(code in (2, 3))
    disagreed = {commit for commit, broken in by_commit.items() if commit and any(broken) and not all(broken)}
    pairs = pairwise(ran)
    n_flips = sum(a[0] not in (2, 3) and b[0] in (2, 3) for a, b in pairs) if is_long_lived else 0
    n_streak = 0
    for code, _, _ in reversed(ran):
        if code not in (2, 3):
            break
        n_streak += 1
    requests = defaultdict(set)
    for branch, request in branches:
        if request:
            requests[branch].add(request)
    seen = {
        (branch, request or min(requests[branch], default=""))
        for code, commit, (branch, request) in ran
        if code == 7 or (code in (2, 3) and commit in disagreed)
    }
    luck = ((n_broken - n_streak + 1) / (len(ran) - n_streak + 2)) ** n_streak
    if len(ran) < 5:
        verdict = UNCLEAR
    elif n_streak and luck < 0.05:
        verdict = BROKEN
    elif len(seen) >= (1 if is_long_lived else 2) or n_flips >= 2:
        verdict = FLAKY
    else:
        verdict = SOUND if not n_streak and not seen else UNCLEAR
    return len(ran), n_broken, n_retried, len(disagreed), n_flips, n_streak, verdict


@st.composite
def grids(draw: st.DrawFn) -> Any:
    n_jobs, n_cases = draw(st.integers(0, 14)), draw(st.integers(0, 4))
    code = st.sampled_from([1, 1, 1, 2, 3, 7, 0, 4, 5, 6])
    grid = [[draw(code) for _ in range(n_cases)] for _ in range(n_jobs)]
    commits = [draw(st.sampled_from(["", "a", "b", "c", "d"])) for _ in range(n_jobs)]
    branches = [(draw(st.sampled_from("xy")), draw(st.sampled_from(["", "1", "2"]))) for _ in range(n_jobs)]
    return np.array(grid, np.uint8).reshape(n_jobs, n_cases), commits, branches, draw(st.booleans())


@given(grids())
def test_a_grid_is_read_as_its_cases_are(found: Any) -> None:
    grid, commits, branches, is_long_lived = found
    tally = judge_grid(grid, jobs=Jobs(commits, branches, is_long_lived))
    names = ("n_ran", "n_broken", "n_retried", "n_disagreed", "n_flips", "n_streak")
    got = {
        int(place): (*(int(getattr(tally, name)[at]) for name in names), VERDICTS[tally.verdicts[at]])
        for at, place in enumerate(tally.places)
    }
    plain = {
        place: read_plainly(grid[:, place].tolist(), commits, branches, is_long_lived) for place in range(grid.shape[1])
    }
    assert got == {place: facts for place, facts in plain.items() if facts}


def test_the_numbers_of_the_rule_are_those_that_pages_name() -> None:
    assert (flakiness.MIN_RAN, flakiness.MIN_FLIPS, flakiness.MIN_BRANCHES) == (5, 2, 2)
    assert (flakiness.MOST_LUCK, flakiness.MASS_MIN_EXECUTED, flakiness.MASS_SHARE) == (0.05, 10, 0.3)

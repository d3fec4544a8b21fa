"""What a check concludes: the worst of what was found, told in words, the same after a round trip through JSON."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rules import outcomes as codes
from health.rules.backings import (
    STATUSES,
    Executed,
    Finding,
    Judged,
    TextFound,
    judge_backing,
    judge_cases,
    list_named,
)

READ = TextFound("tests/a*", is_read=True, n_found=3, n_known=3)
UNREAD = TextFound("Task #72", is_read=False)
NAMES = {1: "test_a", 2: "test_b", 3: "test_c", 4: "test_d", 5: "test_e"}


def judge(
    wrong: dict[int, str] | None = None,
    *texts: TextFound,
    n_passed: int = 3,
    not_run: tuple[int, ...] = (),
    executed: Executed | None = None,
) -> Judged:
    return judge_backing(
        wrong or {},
        n_passed=n_passed,
        texts=texts or [READ],
        names=NAMES,
        not_run=not_run,
        executed=executed or Executed(),
    )


@pytest.mark.parametrize(
    ("judged", "state", "told"),
    [
        (judge(), "backed", "3 of 3 passed"),
        (judge({1: "failed"}), "broken", "3 of 4 passed; test_a fails"),
        (judge({1: "absent"}), "weakened", "3 of 4 passed; test_a is gone"),
        (judge({1: "deferred"}), "weakened", "3 of 4 passed; test_a is put off itself"),
        (judge({1: "flaky"}), "weakened", "3 of 4 passed; test_a is flaky"),
        (
            judge({1: "absent", 2: "failed"}, n_passed=20),
            "broken",
            "20 of 22 passed; test_b fails, test_a is gone",
        ),
        (judge({1: "absent", 2: "absent"}, n_passed=0), "broken", "0 of 2 passed; test_a and test_b are gone"),
        (
            judge(dict.fromkeys(range(1, 6), "flaky"), n_passed=0),
            "weakened",
            "0 of 5 passed; test_a, test_b, test_c and 2 more are flaky",
        ),
        (judge(None, READ, UNREAD), "unproven", "3 of 3 passed; “Task #72” cannot be looked up"),
        (
            judge({1: "absent"}, READ, UNREAD),
            "weakened",
            "3 of 4 passed; test_a is gone; “Task #72” cannot be looked up",
        ),
        (judge(None, UNREAD, n_passed=0), "unproven", "“Task #72” cannot be looked up"),
        (
            judge(None, TextFound("x*", is_read=True, n_promised=2), n_passed=0),
            "unproven",
            "“x*” found no test yet",
        ),
        (judge(None, READ, TextFound("x*", is_read=True)), "unproven", "3 of 3 passed; “x*” found no test yet"),
        (
            judge(None, TextFound("11 tests in a*", True, n_promised=11, n_found=10, n_known=10), n_passed=10),
            "weakened",
            "10 of 10 passed; “11 tests in a*” finds 10",
        ),
        (judge(None, TextFound("2 tests in a*", True, n_promised=2, n_found=3, n_known=3)), "backed", "3 of 3 passed"),
        (
            judge(executed=Executed(7, 9, ("src/a.py",))),
            "weakened",
            "3 of 3 passed; no test executes src/a.py any more",
        ),
        (
            judge(executed=Executed(7, 9, is_unseen=True)),
            "backed",
            "3 of 3 passed; the coverage report says of none of these tests what it executed",
        ),
        (
            judge(not_run=(2,)),
            "backed",
            "3 of 3 passed; test_b did not report, a part of the run is missing",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_worst_decides_and_is_told(judged: Judged, state: str, told: str) -> None:
    assert (judged.state, judged.finding.tell()) == (state, told)


@pytest.mark.parametrize(
    ("outcomes", "is_flaky", "status"),
    [
        ((codes.PASS,), False, "passed"),
        ((codes.PASS_ON_RETRY,), False, "passed"),
        ((codes.XPASS,), False, "passed"),
        ((codes.PASS, codes.FAIL), False, "failed"),
        ((codes.PASS, codes.ERROR), True, "failed"),
        ((codes.ABSENT, codes.ABSENT), True, "absent"),
        ((codes.ABSENT, codes.SKIP), True, "deferred"),
        ((codes.XFAIL, codes.SKIP), False, "deferred"),
        ((codes.PASS, codes.SKIP), False, "passed"),
        ((codes.PASS, codes.SKIP), True, "flaky"),
        ((codes.PASS, codes.ABSENT), False, "passed"),
    ],
)
def test_the_status_of_a_case_over_several_jobs(outcomes: tuple[int, ...], *, is_flaky: bool, status: str) -> None:
    column = np.array([outcomes], np.uint8).T
    assert STATUSES[judge_cases(column, is_flaky=np.array([is_flaky]))[0]] == status


def test_an_empty_finding_says_nothing_and_knows_no_promise() -> None:
    assert Finding.from_json({}) == Finding()
    assert Finding().tell() == ""
    assert Finding().to_json() == {}


def test_of_many_cases_the_first_are_named() -> None:
    wrong = dict.fromkeys(range(50, 0, -1), "absent") | {70: "failed"}
    assert list_named(wrong, not_run=[99]) == {*range(1, 11), 70, 99}
    finding = judge(wrong).finding
    assert finding.gone.n == 50
    assert [case.ord for case in finding.gone.first] == list(range(1, 11))


texts = st.builds(
    TextFound,
    st.sampled_from(["a", "b*", "Task"]),
    st.booleans(),
    st.none() | st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
)


@given(
    st.dictionaries(st.integers(0, 40), st.sampled_from(STATUSES[1:])),
    st.lists(texts, max_size=4),
    st.integers(0, 3),
    st.randoms(),
)
def test_neither_order_nor_storing_changes_what_was_found(
    wrong: dict[int, str], named: list[TextFound], n_passed: int, random: object
) -> None:
    def conclude(wrong: dict[int, str], named: list[TextFound]) -> Judged:
        return judge_backing(wrong, n_passed=n_passed, texts=named, names={ord_: f"case{ord_}" for ord_ in wrong})

    judged = conclude(wrong, named)
    shuffled_cases, shuffled_texts = list(wrong.items()), list(named)
    random.shuffle(shuffled_cases)  # type: ignore[attr-defined]
    random.shuffle(shuffled_texts)  # type: ignore[attr-defined]
    assert conclude(dict(shuffled_cases), shuffled_texts) == judged
    assert Finding.from_json(json.loads(json.dumps(judged.finding.to_json()))) == judged.finding

"""Since when a case is broken: the first failing run of the streak that lasts until now."""

from datetime import UTC, datetime, timedelta

import pytest

from dashboard.queries.history import Moment
from dashboard.queries.streaks import Streak, find_streak, read_streaks
from health.models import Case, Series
from health.rules import outcomes as codes
from tests.builders import a_project
from tests.scenes import a_run, green, out_of_order
from tests.statements import counted_statements

LETTERS = {".": codes.PASS, "F": codes.FAIL, "E": codes.ERROR, "s": codes.SKIP, "x": codes.XFAIL, " ": codes.ABSENT}
START = datetime(2026, 3, 1, tzinfo=UTC)


def streak(history: str, *, limit: int = 100) -> Streak | None:
    """Of runs written as test runners do, oldest first."""
    moments = [
        Moment(run, "main", START + timedelta(days=run), START + timedelta(days=run), True)
        for run in reversed(range(len(history)))
    ]
    outcomes = {run: LETTERS[letter] for run, letter in enumerate(history) if letter != " "}
    return find_streak(moments, outcomes, limit=limit)


@pytest.mark.parametrize(
    ("history", "first", "n_broken"),
    [
        ("..F", 2, 1),
        (".FFF", 1, 3),
        ("F.FEF", 2, 3),
        ("FFF", 0, 3),
        (".F F", 1, 2),  # a run without the case is no evidence
        (".FsF", 1, 2),  # nor one that skipped it
        (".Fs", 1, 1),
        (".FxF", 3, 1),  # an expected failure ended as it should
    ],
)
def test_a_streak_begins_behind_the_last_result_that_held(history: str, first: int, n_broken: int) -> None:
    found = streak(history)
    assert found is not None
    assert (found.first.run, found.n_broken) == (first, n_broken)


@pytest.mark.parametrize("history", ["", ".", "F.", "ss", "F.s", "  "])
def test_a_case_that_last_held_has_none(history: str) -> None:
    assert streak(history) is None


def test_a_streak_as_long_as_what_was_looked_at_may_be_longer() -> None:
    assert (found := streak("FFF", limit=3)) is not None
    assert not found.is_whole
    assert (found := streak("FFF", limit=4)) is not None
    assert found.is_whole
    assert (found := streak(".FF", limit=3)) is not None
    assert found.is_whole


@pytest.mark.django_db
def test_streaks_are_read_in_the_order_of_commits_by_two_statements() -> None:
    project = out_of_order()
    a_run(project, green(case2="fail"), hour=1.5)
    a_run(project, green(case2="fail", case3="fail"), hour=3)
    ords = dict(Case.objects.filter(project=project).values_list("name", "ord"))
    series = Series.objects.get(project=project).number
    with counted_statements() as sent:
        found = read_streaks(project, cases=[(ords[f"case{k}"], series) for k in (2, 3, 4)])
    assert {ord_: (s.first.run, s.n_broken) for (ord_, _), s in found.items()} == {
        ords["case2"]: (5, 1),
        ords["case3"]: (5, 1),
    }
    assert len(sent) == 2


@pytest.mark.django_db
def test_nothing_asked_costs_nothing() -> None:
    with counted_statements() as sent:
        assert read_streaks(a_project(), cases=[]) == {}
    assert not [statement for statement in sent if "health_tile" in statement]

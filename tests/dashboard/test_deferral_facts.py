"""What is said of an entry: whose word it is, its age in days and runs, what it lacks."""

from datetime import timedelta

import pytest

from dashboard.queries.deferral_facts import EntryFact, count_runs_since, list_sources, read_entries, write_sources
from health.judging import judge_project
from health.models import Deferral, Project
from health.rules.deferral_policy import DeferralPolicy
from tests.builders import FIRST_MOMENT, a_project
from tests.deferral_scenes import a_backing, an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

TODAY = FIRST_MOMENT.date() + timedelta(days=10)
STRICT = DeferralPolicy(required=("reason", "owner", "review"), review_after_days=None, passes_to_release=2)


def a_register(*, n_runs: int = 3) -> Project:
    project = a_project()
    for hour in range(n_runs):
        a_run(project, green(6, case0="skip", case1="xfail"), hour=24 * hour)
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    return project


def read(project: Project, *entries: Deferral, policy: DeferralPolicy = STRICT) -> tuple[EntryFact, ...]:
    return read_entries(project, entries, policy=policy, today=TODAY)


def test_age_is_counted_in_days_and_runs() -> None:
    project = a_register()
    second = an_entry(project, "case0", opened_run=2, opened_at=FIRST_MOMENT + timedelta(days=1))
    lost = an_entry(project, "case1", opened_run=99)
    done = an_entry(
        project, "case2", opened_run=1, closed_at=FIRST_MOMENT + timedelta(days=2), closed_run=3, ending="ran"
    )
    found = read(project, second, lost, done)
    assert [(entry.days, entry.runs) for entry in found] == [(9, 2), (10, None), (2, 2)]
    assert count_runs_since(project, runs=[1, 3]) == {1: 3, 3: 1}
    assert count_runs_since(project, runs=[]) == {}


def test_a_review_is_overdue_the_day_after_and_only_while_it_stands() -> None:
    project = a_register()
    today = an_entry(project, "case0", review_on=TODAY)
    late = an_entry(project, "case1", review_on=TODAY - timedelta(days=1))
    closed = an_entry(project, "case2", review_on=FIRST_MOMENT.date(), closed_at=FIRST_MOMENT, ending="gone")
    assert [entry.is_overdue for entry in read(project, today, late, closed)] == [False, True, False]
    by_itself = DeferralPolicy(review_after_days=5)
    assert read(project, an_entry(project, "case3", review_on=None), policy=by_itself)[0].is_overdue


def test_what_the_policy_asks_for_and_nobody_says_is_missing() -> None:
    project = a_register()
    (entry,) = read(project, an_entry(project, "case0", reason="", owner="@ann", review_on=None))
    assert (entry.missing, entry.missing_words) == (("reason", "review"), ("reason", "review date"))
    (entry,) = read(project, an_entry(project, "case0"), policy=DeferralPolicy())
    assert entry.missing == ()


def test_one_that_came_back_or_passes_wants_a_person() -> None:
    project = a_register()
    back = an_entry(project, "case0", n_openings=3, n_accepted=2)
    passing = an_entry(project, "case1", kind="xfail", n_passes=2)
    skipped = an_entry(project, "case2", kind="skip", n_passes=2)
    found = read(project, back, passing, skipped)
    assert [(entry.needs_person, entry.is_releasable) for entry in found] == [
        (True, False),
        (False, True),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("origin", "is_seen", "is_written", "named_by", "sources", "word"),
    [
        ("ci", True, False, "", ("ci",), "CI only"),
        ("ci", True, True, "", ("ci", "person"), "CI results, a person"),
        ("ci", True, False, "file", ("ci", "file"), "CI results, a file"),
        ("file", False, True, "", ("file",), "file only: no run puts it off"),
        ("person", False, True, "", ("person",), "a person only: no run puts it off"),
        ("person", True, True, "file", ("ci", "file", "person"), "CI results, a file, a person"),
    ],
)
def test_whose_word_it_is(
    origin: str, *, is_seen: bool, is_written: bool, named_by: str, sources: tuple[str, ...], word: str
) -> None:
    found = list_sources(origin=origin, is_seen=is_seen, is_written=is_written, named_by=named_by)
    assert found == sources
    assert write_sources(found, is_put_off=is_seen) == word


def test_any_number_costs_four_statements_and_none_costs_none() -> None:
    project = a_register()
    backing = a_backing(project, named=["x"])
    pattern = an_entry(project, pattern="tests/**", origin="file")
    entries = [an_entry(project, f"case{k}", backing=backing, named_by=pattern) for k in range(6)]
    costs = []
    for chosen in (entries[:1], entries, []):
        with counted_statements() as sent:
            found = read(project, *chosen)
        assert [entry.backing_word for entry in found] == ["weakened"] * len(chosen)
        costs.append(len(sent))
    assert costs == [4, 4, 0]

"""What needs somebody in the register, as rows of the overview: what broke first, one row a backing."""

from datetime import timedelta

import pytest

from dashboard.queries.attention_concern import Concern
from dashboard.queries.attention_deferred import list_deferred
from dashboard.queries.standing import read_standing
from health.models import Case, Configuration, Deferral, Project
from health.rules.backings import CaseName, Cases, Finding
from tests.builders import FIRST_MOMENT, a_project
from tests.register_scenes import a_backing, a_quarantine, an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db
GONE = Finding(n_named=1, n_cases=2, n_found=1, n_passed=1, gone=Cases(1, (CaseName(7, "test_fields_b"),)))


@pytest.fixture
def project() -> Project:
    project = a_project("click")
    for hour in (0, 1):
        a_run(project, green(60, case0="skip", case1="skip"), hour=hour)
    return project


def read(project: Project, *, lane: str = "", days: int = 12) -> list[Concern]:
    project = Project.objects.get(pk=project.pk)
    return list(list_deferred(project, read_standing(project, lane=lane), now=FIRST_MOMENT + timedelta(days=days)))


def test_a_register_that_is_well_says_nothing(project: Project) -> None:
    assert read(a_project()) == []
    assert read(project) == []
    an_entry(project, "case0", backing=a_backing(project))
    an_entry(project, "case1")
    assert read(project) == []


def test_a_weakened_backing_names_what_is_wrong_and_leads_to_the_entry(project: Project) -> None:
    backing = a_backing(project, state="weakened", finding=GONE, changed_run=2)
    entry = an_entry(project, "case0", backing=backing)
    (row,) = read(project)
    assert (row.mark, row.word, row.rank) == ("stale", "backing weakened", 4)
    assert row.subject == "The backing of case0 weakened in run 2"
    assert "test_fields_b" in row.told
    assert (row.since, row.since_url) == (FIRST_MOMENT + timedelta(hours=1), "/p/click/runs/2/")  # when that run ran
    assert (row.url, row.action) == (f"/p/click/deferred/{entry.pk}/", "See the entry")


def test_a_broken_backing_of_many_tests_is_one_row_before_a_weakened_one(project: Project) -> None:
    broken = a_backing(project, state="broken", changed_run=2)
    an_entry(project, "case59", backing=a_backing(project, state="weakened", changed_run=1))
    for k in range(40):
        an_entry(project, f"case{k}", backing=broken)
    first, second = read(project)
    assert (first.rank, first.mark, first.subject) == (2, "fail", "The backing of 40 put-off tests broke in run 2")
    assert ([case.name for case in first.cases], first.n_unnamed) == (["case0", "case1", "case2"], 37)
    assert first.action == "See the first entry"
    assert second.subject == "The backing of case59 weakened in run 1"


def test_many_fallen_backings_are_a_few_rows_that_say_how_many(project: Project) -> None:
    for k in range(9):
        an_entry(project, f"case{k}", backing=a_backing(project, state="broken"))
    rows = read(project)
    assert len(rows) == 5
    assert {row.evidence for row in rows} == {"one of 9 that are broken"}


def test_what_is_quarantined_by_a_pattern_counts_though_it_has_no_entry_of_its_own(project: Project) -> None:
    backing = a_backing(project, state="broken", changed_run=2)
    pattern = a_quarantine(project, "tests/web/**", n_cases=2, n_passes=5, backing=backing)
    fallen, release = sorted(read(project), key=lambda row: row.rank)
    assert fallen.subject == "The backing of 2 put-off tests broke in run 2"
    assert (fallen.cases, fallen.n_unnamed, fallen.url) == ((), 0, f"/p/click/deferred/{pattern.pk}/")
    assert (release.word, release.url) == ("release?", "/p/click/deferred/?state=release#register")
    # What a file says is skipped is counted where CI skips it.
    pattern.kind = "skip"
    pattern.save()
    assert read(project) == []


def test_a_backing_that_nobody_names_any_more_needs_nobody(project: Project) -> None:
    an_entry(project, "case0", backing=a_backing(project, state="broken"), closed_at=FIRST_MOMENT)
    assert read(project) == []


def test_reviews_fall_due_with_the_day(project: Project) -> None:
    an_entry(project, "case0", review_on=(FIRST_MOMENT + timedelta(days=3)).date())
    an_entry(project, "case1", review_on=(FIRST_MOMENT + timedelta(days=5)).date())
    assert read(project, days=3) == []
    (row,) = read(project, days=4)
    assert (row.word, row.subject) == ("overdue", "One review of put-off tests is overdue")
    (row,) = read(project, days=6)
    assert row.subject == "Two reviews of put-off tests are overdue"
    assert row.told == "The oldest was due on 5 Mar 2026."
    assert (row.url, row.action) == ("/p/click/deferred/?state=overdue#register", "Open the register")


def test_the_policy_s_days_count_where_no_review_is_named(project: Project) -> None:
    content = {"deferral_policy": {"review_after_days": 5, "passes_to_release": 2}}
    configuration = Configuration.objects.create(
        project=project,
        number=1,
        role="configuration",
        digest=b"x" * 32,
        content=content,
        is_readable=True,
        warnings=[],
    )
    Project.objects.filter(pk=project.pk).update(configuration=configuration.number)
    an_entry(project, "case0")
    an_entry(project, "case5", kind="xfail", n_passes=2)
    assert [row.word for row in read(project, days=5)] == ["release?"]
    overdue, release = read(project, days=6)
    assert overdue.subject == "Two reviews of put-off tests are overdue"
    assert release.told == "It passed on two commits in a row or more."


def test_what_came_back_and_what_may_go_is_counted(project: Project) -> None:
    an_entry(project, "case0", n_openings=2)
    an_entry(project, "case1", n_openings=3, n_accepted=3)
    an_entry(project, "case2", kind="quarantine", n_passes=5)
    an_entry(project, "case3", kind="skip", n_passes=5)
    back, release = read(project)
    assert (back.word, back.subject) == ("came back", "One test was put off for a second time or more")
    assert (release.word, release.subject) == ("release?", "One put-off test can be released")
    assert release.told == "It passed on five commits in a row or more."


def test_what_the_newest_run_put_off_is_news(project: Project) -> None:
    an_entry(project, "case0", opened_run=1)
    an_entry(project, "case1", opened_run=2)
    (row,) = read(project)
    assert (row.word, row.subject) == ("newly put off", "One test was newly put off in run 2")
    assert row.since_url == "/p/click/runs/2/"
    assert [case.name for case in row.cases] == ["case1"]
    pattern = {"origin": "person", "kind": "planned", "pattern": "tests/later*", "opened_run": 2}
    Deferral.objects.create(project=project, opened_at=FIRST_MOMENT, **pattern)
    an_entry(project, "case2", opened_run=2, is_put_off=False, kind="quarantine")
    assert [one.subject for one in read(project)] == [row.subject]  # CI put off neither


def test_in_a_first_run_nothing_is_news() -> None:
    project = a_project()
    a_run(project, green(3, case0="skip"), hour=0)
    an_entry(project, "case0", opened_run=1)
    assert read(project) == []


def test_another_branch_is_not_the_register_s(project: Project) -> None:
    a_run(project, green(60), hour=2, branch="release")
    an_entry(project, "case0", backing=a_backing(project, state="broken"))
    assert len(read(project)) == 1
    assert read(project, lane="release") == []


def test_its_cost_does_not_grow(project: Project) -> None:
    costs = []
    for n in (1, 50):
        for k in range(n):
            an_entry(project, f"case{k}", backing=a_backing(project, state="broken"), n_openings=2)
        standing = read_standing(project)
        with counted_statements() as sent:
            list(list_deferred(project, standing, now=FIRST_MOMENT))
        costs.append(len(sent))
    assert costs[0] == costs[1] == 4
    assert Deferral.objects.count() <= Case.objects.count()

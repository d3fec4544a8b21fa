"""The register: what is put off, grouped, counted once, narrowed, ordered and paged."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models import F

from dashboard.filters import Filters
from dashboard.queries import deferred_lines
from dashboard.queries.deferred import DeferredPage, read_deferred, write_deferred
from dashboard.queries.deferred_lines import make_choice, read_all_entries
from dashboard.queries.deferred_numbers import read_register
from dashboard.queries.sql import fetch_rows
from health.judging import judge_project
from health.models import Backing, Configuration, Deferral, DeferredSpan, Project
from health.policies import fetch_policy
from health.rules.backings import Finding
from health.sql import open_cursor
from health.standing import fetch_standing
from tests.builders import FIRST_MOMENT, a_project
from tests.deferral_scenes import an_entry
from tests.scenes import Cases, a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

TODAY = FIRST_MOMENT.date() + timedelta(days=100)


def a_register(cases: Cases, *, slug: str = "", n_runs: int = 2) -> Project:
    """Runs of a project whose register is filled by hand."""
    project = a_project(slug)
    for hour in range(n_runs):
        a_run(project, cases, hour=24 * hour)
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    return project


def put_off(project: Project, *names: str, **fields: Any) -> None:
    for name in names:
        an_entry(project, name, **({"reason": "because", "read": {}} | fields))


def a_finding(project: Project, state: str = "backed", **found: Any) -> Backing:
    return Backing.objects.create(
        project=project, digest=state.encode(), named=[state], state=state, found=Finding(**found).to_json()
    )


def read(project: Project, *, today: date = TODAY, **chosen: str) -> DeferredPage:
    """Whoever writes an entry by hand has to count the revision up."""
    Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1)
    return read_deferred(Project.objects.get(pk=project.pk), Filters(**chosen), today=today)


def names(page: DeferredPage) -> list[str]:
    return [line.name for line in page.lines.lines]


SKIPPED = {f"tests.api::grid[{k}]": "skip" for k in range(3)} | {"tests.api::alone": "skip", "tests.web::page": "skip"}


def test_parameters_with_one_reason_are_one_line() -> None:
    project = a_register(green(3) | SKIPPED)
    put_off(project, "grid[0]", "grid[1]")
    put_off(project, "grid[2]", reason="something else")
    put_off(project, "alone")
    page = read(project)
    assert [(line.name, line.n, line.is_family) for line in page.lines.lines] == [
        ("grid", 2, True),
        ("grid[2]", 1, False),
        ("alone", 1, False),
    ]
    line = page.lines.lines[0]
    assert [case.name for case in line.cases] == ["grid[0]", "grid[1]"]
    assert (line.entry.days, line.entry.runs, line.debt) == (100, 2, 200)
    assert (page.summary.n, page.summary.n_entries, page.summary.debt) == (4, 4, 400)


def test_the_sentence_tells_what_is_put_off_and_what_stands_in() -> None:
    project = a_register(green(3) | SKIPPED)
    assert write_deferred(read(a_project())) == "No run has arrived yet."
    assert write_deferred(read(project)) == "Nothing is put off on main."  # though the newest run skipped some
    full = a_register(green(3))
    assert write_deferred(read(full)) == "Nothing is put off on main: 3 of 3 declared tests ran."
    put_off(project, "alone")
    assert write_deferred(read(project)) == "One test is put off, and nobody says what covers it meanwhile."
    found = a_finding(project, "weakened", n_promised=22, n_cases=21, n_found=20, n_passed=19)
    put_off(project, "grid[0]", "grid[1]", backing=found)
    assert write_deferred(read(project)) == (
        "Three tests are put off; the backing of two of them is weakened: of 22 tests named 20 are there, 19 passed"
        " in run 2."
    )
    lost = {"n_cases": 2, "gone": {"n": 2, "first": []}}
    Backing.objects.filter(pk=found.pk).update(state="broken", found=lost)
    assert write_deferred(read(project)) == (
        "Three tests are put off; the backing of two of them is broken: 2 of 2 tests are gone."
    )
    Backing.objects.filter(pk=found.pk).update(state="unproven")
    Backing.objects.filter(pk=found.pk).update(found=Finding(n_named=1, n_promised=22).to_json())
    assert write_deferred(read(project)).endswith(", and none of the 22 was found.")
    Backing.objects.filter(pk=found.pk).update(found=Finding(unread=("11 unit tests",)).to_json())
    assert write_deferred(read(project)).endswith("others are said to stand in, and none of those can be looked up.")


def test_a_suite_says_both_axes() -> None:
    project = a_project()
    for hour in range(2):
        cases = {f"tests.api::c{k}": "skip" if k < 2 else "pass" for k in range(14)}
        a_run(project, cases, hour=hour, suite="integration")
        a_run(project, green(3), hour=hour, suite="unit", job="unit")
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    put_off(project, "c0", backing=a_finding(project, "backed", n_cases=1, n_found=1, n_passed=1))
    put_off(project, "c1")
    page = read(project)
    (suite,) = page.suites
    assert suite.told == "12 of 14 executed (86 %), 2 deferred, 1 backed"
    assert (suite.owed.n, suite.owed.n_backed, suite.owed.debt, page.n_other_suites) == (2, 1, 200, 1)
    assert names(read(project, suite="integration")) == ["c0", "c1"]
    assert names(read(project, suite="tests.api")) == []
    assert page.lines.lines[0].entry.suite == "integration"


def test_what_a_pattern_names_counts_once() -> None:
    project = a_register(green(6) | SKIPPED)
    quarantine = an_entry(project, pattern="tests/api*", origin="file", n_cases=5)
    put_off(project, "alone", named_by=quarantine)
    planned = an_entry(project, pattern="tests/later*", kind="planned", n_promised=7, n_cases=2)
    said = an_entry(project, pattern="tests/said*", kind="skip", origin="file", n_cases=0)
    page = read(project)
    assert {line.entry.id: line.n for line in page.lines.lines} == {
        quarantine.pk: 4,
        planned.pk: 5,
        said.pk: 0,
        Deferral.objects.get(project=project, pattern="").pk: 1,
    }
    assert (page.summary.n, page.n_in_no_suite) == (10, 9)
    assert page.summary.by_kind == {"skip": 1, "quarantine": 4, "planned": 5}
    words = {line.entry.pattern: line.entry.source_word for line in page.lines.lines}
    assert words == {
        "tests/api*": "file only",
        "tests/later*": "a person only",
        "tests/said*": "file only: no run puts it off",
        "": "CI results, a file",
    }


def a_mixed_register() -> Project:
    """Entries that differ in all that can be chosen."""
    project = a_register(green(3) | SKIPPED)
    project.time_zone = "UTC"
    weak = a_finding(project, "weakened", n_cases=3, n_found=2, n_passed=2)
    young = FIRST_MOMENT + timedelta(days=95)
    put_off(project, "grid[0]", backing=weak, owner="@ann", issue="#12", precedent="#9", phase="two")
    put_off(project, "grid[1]", kind="xfail", n_passes=1, reason="", opened_at=young)
    put_off(project, "grid[2]", kind="xfail", n_passes=5, review_on=TODAY - timedelta(days=1))
    put_off(project, "alone", n_openings=2, review_on=TODAY)
    put_off(project, "page", closed_at=FIRST_MOMENT + timedelta(days=3), ending="ran", closed_run=2)
    return project


@pytest.mark.parametrize(
    ("chosen", "fitting"),
    [
        ({}, "grid[0] grid[1] grid[2] alone"),
        ({"backing": "weakened"}, "grid[0]"),
        ({"backing": "none"}, "grid[1] grid[2] alone"),
        ({"backing": "broken"}, ""),
        ({"kind": "xfail"}, "grid[1] grid[2]"),
        ({"state": "passing"}, "grid[1] grid[2]"),
        ({"state": "release"}, "grid[2]"),
        ({"state": "back"}, "alone"),
        ({"state": "overdue"}, "grid[2]"),
        ({"state": "missing"}, ""),
        ({"state": "closed"}, "page"),
        ({"state": "no such word"}, "grid[0] grid[1] grid[2] alone"),
        ({"missing": "owner"}, "grid[1] grid[2] alone"),
        ({"missing": "reason"}, "grid[1]"),
        ({"missing": "review"}, "grid[0] grid[1]"),
        ({"missing": "issue"}, "grid[1] grid[2] alone"),
        ({"age": "week"}, "grid[1]"),
        ({"age": "half"}, "grid[0] grid[2] alone"),
        ({"age": "older"}, ""),
        ({"owner": "@ann"}, "grid[0]"),
        ({"phase": "two"}, "grid[0]"),
        ({"suite": "tests.web", "state": "closed"}, "page"),
        ({"suite": "tests.web"}, ""),
        ({"search": "GRID[1"}, "grid[1]"),
        ({"search": "tests.api"}, "grid[0] grid[1] grid[2] alone"),
        ({"search": "becau"}, "grid[0] grid[2] alone"),
        ({"search": "#9"}, "grid[0]"),
        ({"search": "%"}, ""),
        ({"kind": "xfail", "age": "week", "missing": "owner"}, "grid[1]"),
    ],
)
def test_each_choice_narrows_the_list_and_is_counted_alike(chosen: dict[str, Any], fitting: str) -> None:
    page = read(a_mixed_register(), **chosen)
    assert sorted(names(page)) == sorted(fitting.split())
    assert (page.lines.n_entries, page.lines.n_tests) == (len(fitting.split()),) * 2


def test_the_counts_beside_choices_are_those_of_the_lists() -> None:
    project = a_mixed_register()
    page = read(project)
    for state, n in page.states.items():
        assert read(project, state=state).lines.n_entries == n, state
    for state, n in page.summary.by_backing.items():
        assert read(project, backing=state or "none").lines.n_tests == n, state
    for kind, n in page.summary.by_kind.items():
        assert read(project, kind=kind).lines.n_tests == n, kind
    for band in page.summary.ages:
        assert read(project, age=band.word).lines.n_tests == band.n, band
    for name, n in page.summary.by_missing.items():
        assert read(project, missing=name).lines.n_tests == n, name


def test_ages_begin_and_end_with_the_days_of_the_projects_zone() -> None:
    project = a_register(green(3) | SKIPPED)
    Project.objects.filter(pk=project.pk).update(time_zone="Pacific/Auckland")
    put_off(project, "alone", opened_at=FIRST_MOMENT.replace(hour=23))  # the next day there
    day = FIRST_MOMENT.date() + timedelta(days=1)
    for days, word in ((6, "week"), (7, "month"), (29, "month"), (30, "quarter"), (365, "older")):
        page = read(project, today=day + timedelta(days=days), age=word)
        assert (page.lines.n_tests, page.oldest) == (1, days), word
        assert [band.n for band in page.summary.ages if band.word == word] == [1]


def test_the_policy_says_what_is_missing_and_when_a_review_is_due() -> None:
    project = a_mixed_register()
    content = {"deferral_policy": {"require": ["owner", "reason"], "review_after_days": 50, "passes_to_release": 1}}
    Configuration.objects.create(
        project=project,
        number=1,
        digest=b"x",
        role="suitewatch",
        text="",
        is_readable=True,
        content=content,
        warnings=[],
    )
    Project.objects.filter(pk=project.pk).update(configuration=1)
    assert names(read(project, state="overdue")) == ["grid[0]", "grid[2]"]
    assert names(read(project, state="release")) == ["grid[2]", "grid[1]"]
    page = read(project, state="missing")
    assert {line.name: line.entry.missing_words for line in page.lines.lines} == {
        "grid[2]": ("owner",),
        "alone": ("owner",),
        "grid[1]": ("owner", "reason"),
    }
    assert page.states == {"passing": 2, "release": 2, "back": 1, "overdue": 2, "missing": 3, "closed": 1}


def test_lines_can_be_ordered() -> None:
    project = a_register(green(3) | SKIPPED)
    put_off(project, "alone", opened_at=FIRST_MOMENT - timedelta(days=400))
    put_off(project, "page", opened_at=FIRST_MOMENT - timedelta(days=20))
    put_off(project, "grid[0]", "grid[1]", "grid[2]")
    assert names(read(project)) == ["alone", "page", "grid"]
    assert names(read(project, arrange="name")) == ["alone", "grid", "page"]
    assert names(read(project, arrange="count"))[0] == "grid"
    assert names(read(project, arrange="debt")) == ["alone", "grid", "page"]


@pytest.mark.parametrize("order", ["age", "name", "count", "debt"])
def test_each_entry_stands_on_exactly_one_page(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    monkeypatch.setattr(deferred_lines, "N_LINES", 2)
    monkeypatch.setattr(deferred_lines, "MOST_READ", 4)
    cases = {f"tests.t{k}::alone{k}": "skip" for k in range(5)} | {f"tests.x::grid[{k}]": "skip" for k in range(7)}
    project = a_register(cases)
    put_off(project, *(name.partition("::")[2] for name in cases))
    seen, before, n_pages = 0, "", 0
    while n_pages == 0 or before != "0":
        page = read(project, arrange=order, before=before)
        assert len(page.lines.lines) <= 2
        seen += sum(line.n_entries for line in page.lines.lines)
        before, n_pages = str(page.lines.next_before), n_pages + 1
    assert seen == page.lines.n_entries == 12
    assert n_pages > 3


def test_of_large_families_the_first_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred_lines, "_MOST_NAMED", 4)
    cases = {f"tests.t{place}::grid[{k}]": "skip" for place in range(2) for k in range(5)}
    project = a_register(cases)
    for case in cases:
        place, _, name = case.partition("::")
        found = fetch_rows(
            "SELECT ord FROM health_case WHERE project_id = %(p)s AND class_name = %(c)s AND name = %(n)s",
            {"p": project.pk, "c": place, "n": name},
        )
        Deferral.objects.create(
            project=project, origin="ci", ord=found[0][0], kind="skip", opened_at=FIRST_MOMENT, is_put_off=True
        )
    assert [(line.n, len(line.cases), line.n_unlisted) for line in read(project).lines.lines] == [(5, 2, 3)] * 2


def test_precedents_are_followed_to_what_they_cite() -> None:
    project = a_register(green(3) | SKIPPED)
    put_off(project, "alone", "page", precedent="Task #74")
    put_off(project, "grid[0]", issue="Task #74", precedent="Task #60")
    put_off(project, "grid[1]", issue="Task #60", precedent="Task #74", closed_at=FIRST_MOMENT, ending="ran")
    first, second = read(project).summary.precedents
    assert (first.text, first.n, first.n_cited, first.chain) == ("Task #74", 2, 1, ("Task #60",))
    assert (second.text, second.n, second.n_cited, second.chain) == ("Task #60", 1, 1, ("Task #74",))


def test_secrets_are_masked_and_cannot_be_searched_for() -> None:
    project = a_register(green(3) | SKIPPED)
    secret = "ghp_" + "a1B2" * 9
    put_off(project, "alone", reason=f"waits for token {secret} of the bot", precedent=f"as with {secret}")
    page = read(project)
    assert secret not in repr(page)
    assert names(read(project, search="of the bot")) == ["alone"]
    assert names(read(project, search=secret[4:20])) == []
    policy = fetch_policy(open_cursor(), project.pk)
    standing = fetch_standing(open_cursor(), project.pk)
    register = read_register(project, standing=standing)
    choice = make_choice(project, register, Filters(), policy=policy, today=TODAY)
    assert secret not in repr(list(read_all_entries(project, choice, policy=policy, today=TODAY)))


def test_closed_entries_say_how_long_they_were_put_off() -> None:
    page = read(a_mixed_register(), state="closed")
    entry = page.lines.lines[0].entry
    assert (entry.days, entry.runs, entry.ending_word, entry.is_open) == (3, 1, "runs again", False)
    assert page.summary.endings == {"ran": 1}


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n, n_runs in ((4, 2), (300, 12)):
        cases = {f"tests.t{k % 7}::some{k}[{k}]": "skip" for k in range(n)}
        project = a_register(green(3) | cases, n_runs=n_runs)
        backings = [a_finding(project, state) for state in ("backed", "weakened")]
        rows = fetch_rows(
            "SELECT ord FROM health_case WHERE project_id = %(p)s AND name LIKE 'some%%' ORDER BY ord",
            {"p": project.pk},
        )
        Deferral.objects.bulk_create(
            Deferral(
                project=project,
                origin="ci",
                ord=ord_,
                kind="skip",
                reason=f"r{ord_}",
                backing=backings[ord_ % 2],
                opened_at=FIRST_MOMENT,
                opened_run=1,
                is_put_off=True,
                n_put_off=1,
            )
            for (ord_,) in rows
        )
        DeferredSpan.objects.filter(project=project).delete()
        read(project)
        for chosen in ({}, {"search": "some"}, {"arrange": "debt"}):
            Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1)
            with counted_statements() as sent:
                page = read_deferred(Project.objects.get(pk=project.pk), Filters(**chosen), today=TODAY)
            assert page.summary.n == page.lines.n_entries == n
            costs.append(len(sent))
    assert costs[:3] == costs[3:]
    assert max(costs) <= 21


def test_an_unchanged_register_is_counted_once() -> None:
    project = a_mixed_register()
    read(project)
    fresh = Project.objects.get(pk=project.pk)
    with counted_statements() as sent:
        read_deferred(fresh, Filters(kind="xfail"), today=TODAY)
    assert not [statement for statement in sent if "GROUP BY" in statement and "health_deferral" in statement]

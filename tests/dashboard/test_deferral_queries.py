"""The story of one entry: whose word each field is, how its backing stands, when it was put off before."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from dashboard.queries.deferral import DeferralPage, find_link, read_deferral
from dashboard.queries.deferral_backing import MOST_CASES
from dashboard.queries.deferral_reason import cut_pieces
from health.models import BackingCase, Case, Deferral, DeferredCase, Project, Run
from health.rules.reasons import Mark
from tests.builders import FIRST_MOMENT, a_project
from tests.deferral_scenes import REASON, a_backing, a_change, an_entry, find_ord, some_runs, some_spans
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db
TODAY = date(2026, 3, 12)


def read(entry: Deferral, *, for_forms: bool = False) -> DeferralPage:
    found = read_deferral(Project.objects.get(pk=entry.project_id), pk=entry.pk, today=TODAY, for_forms=for_forms)
    assert found is not None
    return found


@pytest.fixture
def project() -> Project:
    project = a_project("click")
    some_runs(project)
    Deferral.objects.filter(project=project).delete()
    return project


def test_it_says_since_when_and_how_its_backing_stands(project: Project) -> None:
    found = read(an_entry(project))
    assert found.sentence == (
        "This test has been skipped since 2 Mar 2026: ten days and three runs,"
        " and nothing is said to cover it meanwhile."
    )
    assert found.commit
    assert [source.told for source in found.sources] == ["CI results since run 1"]
    assert found.fact.is_single_source
    backed = read(an_entry(project, backing=a_backing(project, named=["2 unit tests in tests.unit"])))
    assert backed.sentence.endswith("and what covers it meanwhile is weakened.")


def test_one_that_is_over_says_how_it_ended(project: Project) -> None:
    closed = an_entry(project, closed_at=datetime(2026, 3, 5, tzinfo=UTC), closed_run=3, ending="ran")
    found = read(closed)
    assert found.sentence == "This test was put off for three days and two runs; it runs again since run 3."
    assert found.changes[0].what == "closed: runs again"
    assert found.changes[-1].what == "put off"


def test_what_came_back_says_when_it_ran_in_between(project: Project) -> None:
    some_spans(project)
    found = read(an_entry(project, n_openings=2))
    assert found.fact.needs_person
    assert found.came_back == "Put off for the second time: it ran in between, from run 2 until run 3"
    assert [(span.first_run, span.ended_run, span.word) for span in found.spans] == [
        (3, None, "skipped"),
        (1, 2, "skipped"),
    ]
    assert found.outcomes is not None
    assert [cell.letter for cell in found.outcomes.rows[0].cells] == ["s", "·", "s"]
    assert read(an_entry(project, n_openings=1)).came_back == ""


def test_each_field_says_whose_word_it_is(project: Project) -> None:
    pattern = an_entry(project, pattern="tests/**", origin="file", written={"owner": "team", "file": "x", "line": 12})
    entry = an_entry(
        project,
        named_by=pattern,
        owner="team",
        issue="#7",
        read={"kind": "skip", "reason": REASON, "issue": "#123", "review": "2026-12-01"},
        written={"issue": "#7", "review": ""},
    )
    words = {word.name: (word.values, word.source, word.instead_of) for word in read(entry).reason.words}
    assert words["owner"] == (("team",), "written in the file", ())
    assert words["issue"] == (("#7",), "written by a person", ("#123",))
    assert words["review"] == ((), "written by a person", ("2026-12-01",))
    assert words["kind"] == (("skipped",), "as CI reports it", ())
    told = [(source.told, source.pattern) for source in read(entry).sources]
    assert told == [("CI results since run 1", ""), ("a person", ""), ("`x` line 12", "tests/**")]


def test_a_corrected_reason_stands_beside_what_ci_says(project: Project) -> None:
    reason = read(an_entry(project, reason="slow", written={"reason": "slow"})).reason
    assert (reason.pieces[0].text, reason.from_ci, reason.is_corrected) == ("slow", REASON, True)


@pytest.mark.parametrize(
    ("marks", "pieces"),
    [
        ((), [("abcdef", "")]),
        ((Mark(0, 2, "issue"),), [("ab", "issue"), ("cdef", "")]),
        ((Mark(4, 6, "until"), Mark(1, 2, "owner")), [("a", ""), ("b", "owner"), ("cd", ""), ("ef", "until")]),
        ((Mark(1, 4, "backing"), Mark(2, 3, "issue")), [("a", ""), ("bcd", "covered by"), ("ef", "")]),
        ((Mark(3, 3, "issue"),), [("abcdef", "")]),
    ],
)
def test_what_was_understood_is_cut_out_of_the_reason(marks: tuple[Mark, ...], pieces: list[tuple[str, str]]) -> None:
    assert [(piece.text, piece.word) for piece in cut_pieces("abcdef", marks)] == pieces


def test_a_backing_lists_the_worst_first_with_how_each_ended(project: Project) -> None:
    found = read(an_entry(project, backing=a_backing(project, named=["unit*", "Task #72"]))).backing
    assert found is not None
    assert [(line.case.name, line.word, line.outcome_word, line.run) for line in found.lines] == [
        ("unit3", "gone", "", None),
        ("unit0", "flaky", "passed", 3),
        ("unit1", "passed", "passed", 3),
        ("unit2", "passed", "passed", 3),
    ]
    assert (found.n_cases, found.n_gone, found.n_unlisted, found.changed_run) == (4, 1, 0, 3)
    assert [(text.n_found, text.n_passed, text.n_gone) for text in found.texts] == [(3, 2, 1), (0, 0, 0)]
    ran_at = dict(Run.objects.filter(project=project).values_list("number", "ran_at"))
    assert (found.changed_at, found.changes[1].at) == (ran_at[3], ran_at[1])
    assert [(change.run, change.before_word, change.after_word) for change in found.changes] == [
        (3, "backed", "weakened"),
        (1, "never proven", "backed"),
    ]


def test_precedents_are_linked_both_ways(project: Project) -> None:
    first = an_entry(project, "grid[0]", issue="Task #74")
    entry = an_entry(project, precedent="Task #74", issue="Task #77")
    last = an_entry(project, "grid[1]", precedent="tests.api::put_off")
    found = read(entry)
    assert [one.id for one in found.cites] == [first.pk]
    assert [one.id for one in found.cited_by] == [last.pk]
    assert [one.id for one in read(last).cites] == [entry.pk]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kind": "planned", "n_promised": 4, "n_cases": 0}, "Four tests planned since 2 Mar 2026 are not there yet: "),
        ({"kind": "planned", "n_promised": 4, "n_cases": 3}, "One test planned since 2 Mar 2026 is not there yet: "),
        ({"kind": "quarantine", "n_cases": 0}, "No test of this pattern reports now. It has stood since 2 Mar 2026."),
        ({"kind": "skip", "n_cases": 0}, "No test of this pattern is skipped now. It has stood since 2 Mar 2026."),
        ({"kind": "skip", "n_cases": 1}, "One test has been skipped since 2 Mar 2026: "),
    ],
)
def test_a_pattern_says_how_many_are_put_off(project: Project, fields: dict[str, Any], told: str) -> None:
    assert read(an_entry(project, pattern="tests/web/**", **fields)).sentence.startswith(told)


def test_a_pattern_lists_the_tests_it_names(project: Project) -> None:
    pattern = an_entry(project, pattern="tests.api::*", n_cases=3)
    skipped = an_entry(project)
    for name in ("put_off", "grid[0]", "grid[1]"):
        DeferredCase.objects.create(project=project, deferral=pattern, ord=find_ord(project, name))
    found = read(pattern)
    assert {one.case.name: one.entry and one.entry.id for one in found.named} == {
        "put_off": skipped.pk,
        "grid[0]": None,
        "grid[1]": None,
    }
    assert found.sentence.startswith("Three tests have been quarantined since 2 Mar 2026")
    assert found.field_names[-3] == "count"


def test_a_change_may_be_meant_for_family_and_reason(project: Project) -> None:
    entry, relative = an_entry(project, "grid[0]"), an_entry(project, "grid[1]", reason="another")
    alike = an_entry(project)
    others = read(entry, for_forms=True).others
    assert (others.family, others.family_name, others.reason) == ((relative.pk,), "grid", (alike.pk,))
    assert read(entry).others.family == ()


def test_a_history_tells_who_changed_what(project: Project) -> None:
    entry = an_entry(project)
    a_change(entry, days=1, actor="ann", action="edited", fields=["owner", "backing"], before={"owner": ""},
             after={"owner": "ann", "backing": ["a", "b"]})  # fmt: skip
    a_change(entry, days=2, action="reason", run=2, fields=["reason"], before={"reason": "a"}, after={"reason": "b"})
    a_change(entry, days=3, actor="bob", action="accepted", fields=["backing"], after={"n": 2})
    a_change(entry, days=4, action="closed", run=3, after={"ending": "ran"})
    a_change(entry, days=5, action="reopened", run=3)
    a_change(entry, days=6, action="edited", run=3, fields=["owner"], before={"owner": "ann"})
    told = [(change.actor, change.what) for change in read(entry).changes]
    assert told == [
        ("", "changed in the file that names it"),
        ("", "put off again"),
        ("", "closed: runs again"),
        ("bob", "does without two backing tests that are gone"),
        ("", "another reason was given"),
        ("ann", "changed it"),
        ("", "put off"),
    ]
    assert [(field.label, field.before, field.after) for field in read(entry).changes[5].fields] == [
        ("Owner", "nothing", "ann"),
        ("Covered meanwhile by", "nothing", "a, b"),
    ]


@pytest.mark.parametrize("link", ["https://example.org/1", "http://issues.local/x?y=1"])
def test_an_issue_that_is_an_address_is_a_link(link: str) -> None:
    assert find_link(link) == link


@pytest.mark.parametrize(
    "text", ["#123", "JIRA-1", "javascript:alert(1)", "https:", "//x.org", "http://[", "https://x.org/\u202e", ""]
)
def test_an_issue_that_is_none_is_text(text: str) -> None:
    assert find_link(text) == ""


def test_an_entry_of_another_project_is_not_there(project: Project) -> None:
    entry = an_entry(project)
    assert read_deferral(a_project(), pk=entry.pk, today=TODAY) is None


@pytest.mark.parametrize(("n_cases", "n_runs"), [(4, 3), (400, 12)])
def test_the_number_of_statements_does_not_grow(n_cases: int, n_runs: int) -> None:
    project = a_project()
    some_runs(project, n=n_runs, n_cases=n_cases)
    Deferral.objects.filter(project=project).delete()
    some_spans(project)
    pattern = an_entry(project, pattern="tests/**")
    units = list(Case.objects.filter(project=project, name__startswith="unit"))
    DeferredCase.objects.bulk_create(DeferredCase(project=project, deferral=pattern, ord=one.ord) for one in units)
    Deferral.objects.bulk_create(
        Deferral(project=project, origin="ci", ord=one.ord, kind="skip", reason=REASON, opened_at=FIRST_MOMENT)
        for one in units
    )
    values: dict[str, Any] = {"precedent": "Task #1", "named_by": pattern, "owner": "x"}
    entry = an_entry(project, "grid[0]", backing=a_backing(project, named=["unit*", "b"], code=["a.py"]), **values)
    for one in (entry, pattern):
        with counted_statements() as sent:
            found = read(one, for_forms=True)
        assert len(sent) <= 30
    found = read(entry)
    assert found.backing is not None
    assert len(found.backing.lines) == min(n_cases, MOST_CASES)
    assert found.backing.n_unlisted == max(n_cases - MOST_CASES, 0)
    assert BackingCase.objects.filter(backing_id=found.backing.id).count() == n_cases

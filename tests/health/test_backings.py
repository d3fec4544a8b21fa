"""Backings over real uploads: what they find, what changes their state, and that nothing else does."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from django.utils import timezone

from health.aliases import fetch_aliases
from health.backings import Claim, check_backings, ensure_backings, fetch_members, forget_gone
from health.judging import judge_project
from health.models import Backing, BackingCase, BackingChange, Case, CaseVerdict, Deferral, Project, RenameProposal
from health.named_cases import forget_found
from health.rebuild import rebuild_project
from health.renames import merge_cases, undo_merge
from health.rules.backings import Finding
from health.sql import open_cursor
from health.standing import fetch_standing
from tests.builders import a_project, a_user, an_upload
from tests.coverage_scenes import lines, measured
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

FIELDS = "tests.unit.test_fields"


def cases(n: int = 3, *, without: Sequence[int] = (), **changed: str) -> dict[str, str]:
    """Cases `tests.unit.test_fields::test_0` …, all passing but for the changed ones: `test_1="fail"`."""
    found = {f"{FIELDS}::test_{number}": "pass" for number in range(n) if number not in without}
    return found | {f"{FIELDS}::{name}": word for name, word in changed.items()}


def ensure(project: Project, named: Sequence[str], *, code: Sequence[str] = ()) -> int:
    """The number of what says this."""
    claim = tuple(named), tuple(code)
    return ensure_backings(open_cursor(), project.pk, [claim])[claim]


def a_backing(project: Project, *named: str, code: Sequence[str] = ()) -> Backing:
    """A backing of an open entry."""
    number = ensure(project, named, code=code)
    Deferral.objects.get_or_create(
        project=project,
        origin="person",
        pattern=f"deferred_{number}",
        defaults={"kind": "skip", "backing_id": number, "opened_at": timezone.now()},
    )
    return Backing.objects.get(pk=number)


def check(project: Project) -> None:
    cursor = open_cursor()
    check_backings(cursor, project.pk, standing=fetch_standing(cursor, project.pk))


def look(backing: Backing) -> tuple[str, str]:
    """State and finding, as they are now; checking once more changes neither."""
    backing.refresh_from_db()
    found = backing.state, Finding.from_json(backing.found).tell()
    before = snapshot(backing)
    check(backing.project)
    assert snapshot(backing) == before
    return found


def snapshot(backing: Backing) -> tuple[object, ...]:
    return (
        Backing.objects.filter(pk=backing.pk).values_list().get(),
        sorted(BackingCase.objects.filter(backing=backing).values_list("ord", "part", "status")),
        list(BackingChange.objects.filter(backing=backing).order_by("pk").values_list()),
    )


def deliver(project: Project, found: dict[str, str], **metadata: object) -> None:
    an_upload(project, found, **metadata)  # type: ignore[arg-type]
    judge_project(project.pk)
    check(project)


def test_the_whole_story_leaves_a_row_for_each_change() -> None:
    project = a_project()
    backing = a_backing(project, "3 unit tests in tests/unit/test_fields*")
    assert backing.state == "unproven"
    deliver(project, cases())
    assert look(backing) == ("backed", "3 of 3 passed")
    deliver(project, cases(without=[1]))
    assert look(backing) == (
        "weakened",
        "2 of 3 passed; test_1 is gone; “3 unit tests in tests/unit/test_fields*” finds 2",
    )
    deliver(project, cases(test_2="fail"))
    assert look(backing) == ("broken", "2 of 3 passed; test_2 fails")
    deliver(project, cases())
    assert look(backing) == ("backed", "3 of 3 passed")
    changes = BackingChange.objects.filter(backing=backing).order_by("pk")
    assert list(changes.values_list("run", "before", "after")) == [
        (1, "unproven", "backed"),
        (2, "backed", "weakened"),
        (3, "weakened", "broken"),
        (4, "broken", "backed"),
    ]
    assert [case.name for case in Finding.from_json(changes[1].found).gone.first] == ["test_1"]
    assert backing.changed_run == 4


def test_a_backing_that_stays_as_it_is_keeps_the_run_that_changed_it() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases())
    deliver(project, cases(4))
    assert look(backing) == ("backed", "4 of 4 passed")
    assert backing.changed_run == 1
    assert BackingChange.objects.filter(backing=backing).count() == 1


@pytest.mark.parametrize(
    ("word", "told"), [("skip", "test_1 is put off itself"), ("xfail", "test_1 is put off itself")]
)
def test_what_is_put_off_itself_backs_nothing(word: str, told: str) -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases(test_1=word))
    assert look(backing) == ("weakened", f"2 of 3 passed; {told}")


def test_a_flaky_case_weakens() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases())
    ord_ = Case.objects.get(project=project, name="test_1").ord
    CaseVerdict.objects.create(
        project=project, series=1, ord=ord_, verdict="flaky", n_ran=9, n_broken=1, n_retried=3, n_disagreed=2,
        n_flips=0, n_streak=0, last_run=1,
    )  # fmt: skip
    check(project)
    assert look(backing) == ("weakened", "2 of 3 passed; test_1 is flaky")


def test_when_all_are_gone_it_is_broken() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases(1) | {"other::a": "pass"})
    deliver(project, {"other::a": "pass"})
    assert look(backing) == ("broken", "0 of 1 passed; test_0 is gone")


def test_fewer_than_promised_is_weakened_and_an_unread_text_never_proven() -> None:
    project = a_project()
    short = a_backing(project, "11 unit tests in tests/unit/test_fields*")
    unread = a_backing(project, "tests/unit/**", "Task #72")
    nothing = a_backing(project, "tests/none*")
    deliver(project, cases(10))
    assert look(short)[0] == "weakened"
    assert look(unread) == ("unproven", "10 of 10 passed; “Task #72” cannot be looked up")
    assert look(nothing) == ("unproven", "“tests/none*” found no test yet")


def test_a_person_accepts_that_a_case_is_gone() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases())
    deliver(project, cases(without=[0]))
    assert look(backing)[0] == "weakened"
    assert forget_gone(open_cursor(), project.pk, backing.pk) == 1
    check(project)
    assert look(backing) == ("backed", "2 of 2 passed")


def test_of_several_jobs_the_worst_counts_and_one_is_enough_to_be_there() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases(), variant="3.11", run_id="1")
    deliver(project, cases(without=[0], test_1="skip"), variant="3.12", run_id="1")
    assert look(backing) == ("backed", "3 of 3 passed")
    deliver(project, cases(test_1="fail"), variant="3.12", run_id="2")
    assert look(backing) == ("broken", "2 of 3 passed; test_1 fails")


def test_another_branch_proves_nothing() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases())
    deliver(project, cases(test_1="fail"), branch="feature", pull_request="3")
    assert look(backing) == ("backed", "3 of 3 passed")


def test_a_case_in_a_missing_shard_stays_as_it_was() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    deliver(project, cases(without=[2]), shard="1/2", run_id="1")
    deliver(project, {f"{FIELDS}::test_2": "pass"}, shard="2/3", run_id="2")
    deliver(project, cases(without=[2]), shard="1/2", run_id="3")
    assert look(backing) == ("backed", "3 of 3 passed; test_2 did not report, a part of the run is missing")
    deliver(project, cases(without=[2]), run_id="4")
    assert look(backing) == ("weakened", "2 of 3 passed; test_2 is gone")


def test_suites_are_named_as_deliveries_name_them_and_levels_as_they_are_known() -> None:
    project = a_project()
    suite, level = a_backing(project, "2 tests in suite fields"), a_backing(project, "unit tests in tests/**")
    deliver(project, cases(2), suite="fields", level="unit")
    deliver(project, {"tests.api.test_x::test_9": "pass"}, suite="api", level="integration", job="api")
    assert look(suite) == ("backed", "2 of 2 passed")
    assert look(level) == ("backed", "2 of 2 passed")


def test_texts_in_another_order_are_one_backing_and_two_that_overlap_judge_alike() -> None:
    project = a_project()
    texts = ["2 tests in tests/unit/test_fields.py::test_[01]", "tests/unit/**", "suite fields"]
    claims = [(named, ()) for named in permutations(texts)]
    numbers = set(ensure_backings(open_cursor(), project.pk, claims[:3]).values())
    assert len(numbers) == 1
    assert set(ensure_backings(open_cursor(), project.pk, claims).values()) == numbers
    assert ensure(project, [*texts, texts[0], " "], code=["\0"]) in numbers
    assert ensure(project, texts, code=["src/a.py"]) not in numbers
    assert ensure_backings(open_cursor(), project.pk, [(("", " "), ())]) == {}


def test_however_much_is_claimed_it_is_one_statement() -> None:
    project = a_project()
    claims: list[Claim] = [((f"tests/unit/test_{number}.py",), ()) for number in range(300)]
    with counted_statements() as sent:
        made = ensure_backings(open_cursor(), project.pk, claims)
    assert len(sent) == 1
    assert len(set(made.values())) == Backing.objects.filter(project=project).count() == 300


def test_hostile_texts_are_kept() -> None:
    project = a_project()
    backing = a_backing(project, "\ud800\0x", "a" * 100_000, *(f"n{number}" for number in range(1000)))
    deliver(project, cases())
    assert look(backing)[0] == "unproven"
    assert len(backing.named) == 100
    assert len(backing.named[1]) == 501


def test_members_are_those_that_are_there_now() -> None:
    project = a_project()
    deliver(project, cases())
    deliver(project, cases(without=[1]))
    names = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    found = fetch_members(open_cursor(), project.pk, ["tests/unit/**", "Task #1", "none_*"])
    assert {text: [names[ord_] for ord_ in ords.tolist()] for text, ords in found.items()} == {
        "tests/unit/**": ["test_0", "test_2"],
        "Task #1": [],
        "none_*": [],
    }


def a_renamed_project() -> tuple[Project, tuple[int, int]]:
    """`old_name` of a class that goes on as `new_name` elsewhere."""
    project = a_project()
    a_backing(project, "tests/unit/test_fields.py::old_name")
    deliver(project, cases(2) | {f"{FIELDS}::old_name": "pass"})
    deliver(project, cases(2) | {"tests.unit.test_rows::new_name": "pass"})
    numbers = dict(Case.objects.filter(project=project).values_list("name", "ord"))
    pair = numbers["old_name"], numbers["new_name"]
    RenameProposal.objects.update_or_create(
        project=project, old=pair[0], new=pair[1], defaults={"run": 2, "series": 1, "score": 1, "state": "proposed"}
    )
    return project, pair


def test_a_renamed_case_stays_and_comes_back_when_that_is_undone() -> None:
    project, pair = a_renamed_project()
    backing = Backing.objects.get(project=project)
    user = a_user()
    assert look(backing) == ("broken", "0 of 1 passed; old_name is gone")
    assert merge_cases(project.pk, pairs=[pair], user=user) == 1
    rebuild_project(project.pk)
    check(project)
    assert fetch_aliases(open_cursor(), project.pk)
    assert look(backing) == ("backed", "1 of 1 passed")
    assert [row.ord for row in BackingCase.objects.filter(backing=backing)] == [pair[1]]
    assert undo_merge(project.pk, pairs=[pair], user=user) == 1
    rebuild_project(project.pk)
    check(project)
    assert look(backing) == ("broken", "0 of 1 passed; old_name is gone")


def test_a_backing_of_no_open_entry_is_left_alone() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**")
    Deferral.objects.filter(project=project).update(closed_at=timezone.now(), ending="released")
    an_upload(project, cases())
    check(project)
    assert look(backing) == ("unproven", "")
    cursor = open_cursor()
    check_backings(cursor, project.pk, standing=fetch_standing(cursor, project.pk), backings=[backing.pk])
    backing.refresh_from_db()
    assert backing.state == "backed"


def test_what_a_process_knows_changes_nothing() -> None:
    """A case that was looked at when it was not there is found when it comes back."""
    project = a_project()
    deliver(project, cases())
    deliver(project, cases(without=[0]))
    backing = a_backing(project, "tests/unit/**")
    check(project)
    assert look(backing) == ("backed", "2 of 2 passed")
    deliver(project, cases())
    assert look(backing) == ("backed", "3 of 3 passed")
    before = snapshot(backing)
    forget_found()
    check(project)
    assert snapshot(backing) == before


def test_the_number_of_statements_does_not_grow() -> None:
    def count(n_backings: int, n_cases: int) -> int:
        project = a_project()
        for number in range(n_backings):
            a_backing(
                project, f"tests/unit/test_fields.py::test_{number}*", "suite fields", "Task #1", code=["src/a.py"]
            )
        deliver(project, cases(n_cases) | {"other::gone": "pass"})
        cursor, standing = open_cursor(), fetch_standing(open_cursor(), project.pk)
        with counted_statements() as statements:
            check_backings(cursor, project.pk, standing=standing)
        return len(statements)

    assert count(1, 2) == count(20, 200)


# --- coverage contexts -----------------------------------------------------------------------------------------


def test_code_that_no_backing_case_executes_any_more_weakens() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**", code=["src/fields.py", "src/rows.py:3-4"])
    files = {"src/fields.py": lines(9, 5), "src/rows.py": lines(9, 5)}
    of_0, of_1 = f"{FIELDS.replace('.', '/')}.py::test_0|run", f"{FIELDS.replace('.', '/')}.py::test_1|run"

    def run(hour: int, contexts: dict[str, tuple[str, tuple[int, ...]]]) -> None:
        measured(project, files, hour=hour, contexts=contexts, cases=cases(2))
        judge_project(project.pk)
        check(project)

    run(100, {of_0: ("src/fields.py", (1, 2)), of_1: ("src/rows.py", (3,))})
    assert look(backing) == ("backed", "2 of 2 passed")
    run(101, {of_0: ("src/fields.py", (1, 2)), of_1: ("src/rows.py", (7,))})
    assert look(backing) == ("weakened", "2 of 2 passed; no test executes src/rows.py:3-4 any more")
    run(102, {"elsewhere.py::test_x|run": ("src/rows.py", (3,))})
    assert look(backing) == (
        "backed",
        "2 of 2 passed; the coverage report says of none of these tests what it executed",
    )


def test_a_run_without_contexts_leaves_what_the_last_one_said() -> None:
    project = a_project()
    backing = a_backing(project, "tests/unit/**", code=["src/fields.py", "src/rows.py"])
    files = {"src/fields.py": lines(9, 5), "src/rows.py": lines(9, 5)}
    contexts = {f"{FIELDS}.test_0": ("src/fields.py", (1,))}
    measured(project, files, hour=1, contexts=contexts, cases=cases(1), job="tests")
    judge_project(project.pk)
    check(project)
    said = ("weakened", "1 of 1 passed; no test executes src/rows.py any more")
    assert look(backing) == said
    measured(project, files, hour=2, cases=cases(1), job="tests")
    judge_project(project.pk)
    check(project)
    assert look(backing) == said

"""The register from real uploads: what CI opens and closes, what files and people name, and that neither is lost."""

import random
from datetime import timedelta
from typing import Any

import pytest

from health.fsck import find_violations
from health.judging import judge_project
from health.models import (
    Backing,
    BackingChange,
    Case,
    Deferral,
    DeferralChange,
    DeferredSpan,
    FailureText,
    Project,
    RenameProposal,
    Run,
)
from health.rebuild import delete_run, rebuild_project
from health.register import settle_register
from health.register.entries import COMES_AND_GOES
from health.renames import merge_cases, undo_merge
from health.rules.backings import Finding
from health.sql import open_cursor
from tests.builders import FIRST_MOMENT, a_project, a_user, an_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

A, B, C = "tests.api::a", "tests.api::b", "tests.api::c"
WHY = "skip: no network here"


def deliver(project: Project, cases: dict[str, str] | None, **metadata: Any) -> None:
    """One upload, judged; `tests.api::c` passes in each."""
    an_upload(project, None if cases is None else {C: "pass", **cases}, **metadata)
    judge_project(project.pk)


def number_of(project: Project, name: str) -> int:
    class_name, _, case = name.rpartition("::")
    return Case.objects.get(project=project, class_name=class_name, name=case).ord


def find(project: Project, name: str = A) -> Deferral:
    return Deferral.objects.get(project=project, ord=number_of(project, name))


def entries(project: Project) -> dict[str, str]:
    """Every case's entry: whether it is put off, else how it ended."""
    names = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    found = Deferral.objects.filter(project=project, ord__isnull=False)
    return {names[one.ord or 0]: one.ending or ("put off" if one.is_put_off else "waits") for one in found}


def history(entry: Deferral) -> list[str]:
    return list(DeferralChange.objects.filter(deferral=entry).order_by("pk").values_list("action", flat=True))


def at(run: int) -> Any:
    return FIRST_MOMENT + timedelta(hours=run)


# --- what CI says ----------------------------------------------------------------------------------------------


def test_a_skipped_case_opens_an_entry_with_its_reason() -> None:
    project = a_project()
    deliver(project, {A: "pass"})
    deliver(project, {A: "skip: TODO(ada): no network here, see #12, until 2026-12-01"})
    entry = find(project)
    assert (entry.origin, entry.kind, entry.is_put_off, entry.closed_at) == ("ci", "skip", True, None)
    assert entry.reason == "TODO(ada): no network here, see #12, until 2026-12-01"
    assert (entry.issue, entry.owner, str(entry.review_on)) == ("#12", "ada", "2026-12-01")
    assert (entry.opened_run, entry.opened_at) == (2, at(2))
    assert (entry.n_put_off, entry.n_running, entry.n_openings, entry.n_accepted) == (1, 0, 1, 1)
    assert history(entry) == []


def test_it_closes_when_it_runs_and_is_the_same_entry_when_it_is_put_off_again() -> None:
    project = a_project()
    for word in (WHY, "pass", WHY):
        deliver(project, {A: word})
        if word == "pass":
            entry = find(project)
            assert (entry.ending, entry.closed_run, entry.closed_at) == ("ran", 2, at(2))
            assert (entry.is_put_off, entry.n_put_off, entry.n_running) == (False, 0, 0)
    again = find(project)
    assert (again.pk, again.ending, again.closed_run, again.closed_at) == (entry.pk, "", None, None)
    assert (again.opened_run, again.opened_at, again.n_openings, again.n_accepted) == (3, at(3), 2, 1)
    assert history(again) == ["closed", "reopened"]
    assert DeferralChange.objects.get(deferral=again, action="closed").at == at(2)


@pytest.mark.parametrize("word", ["fail", "error", "retry", "xpass"])
def test_a_skipped_case_that_is_executed_is_not_put_off_however_it_ends(word: str) -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {A: word})
    assert entries(project) == {"a": "ran"}


def test_history_that_is_judged_at_once_gives_the_age_and_the_openings() -> None:
    project = a_project()
    for word in ("pass", WHY, "pass", WHY, WHY):
        an_upload(project, {A: word})
    judge_project(project.pk)
    entry = find(project)
    assert (entry.opened_run, entry.opened_at, entry.n_openings) == (4, at(4), 2)
    assert entry.n_accepted == 1  # it came back: a person is asked


def test_whoever_accepts_a_fourth_opening_is_not_asked_again() -> None:
    project = a_project()
    for word in (WHY, "pass") * 4:
        deliver(project, {A: word})
    deliver(project, {A: WHY})
    entry = find(project)
    assert (entry.n_openings, entry.n_accepted) == (5, 1)
    Deferral.objects.filter(pk=entry.pk).update(n_accepted=COMES_AND_GOES)
    deliver(project, {A: "pass"})
    deliver(project, {A: WHY})
    entry = find(project)
    assert (entry.n_openings, entry.n_accepted) == (6, 6)


def test_a_case_that_stops_reporting_is_gone_and_comes_back() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {})
    entry = find(project)
    assert (entry.ending, entry.closed_run, entry.closed_at) == ("gone", 2, at(2))
    deliver(project, {A: WHY})
    entry = find(project)
    assert (entry.ending, entry.opened_run, entry.n_openings) == ("", 1, 1)  # it never ran meanwhile


def test_of_two_variants_one_runs() -> None:
    project = a_project()
    deliver(project, {A: "skip: not on 3.11", B: WHY}, variant="3.11", run_id="1", provider="ci")
    deliver(project, {A: "pass", B: WHY}, variant="3.12", run_id="1", provider="ci")
    assert (find(project).n_put_off, find(project).n_running) == (1, 1)
    assert (find(project, B).n_put_off, find(project, B).n_running, find(project, B).n_openings) == (2, 0, 1)
    deliver(project, {A: "pass", B: "pass"}, variant="3.11", run_id="2", provider="ci")
    assert entries(project) == {"a": "ran", "b": "put off"}
    assert (find(project, B).n_put_off, find(project, B).n_running) == (1, 1)


def test_other_branches_open_and_close_nothing() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {A: "pass", B: WHY}, branch="feature", pull_request="7")
    deliver(project, {A: "pass", B: WHY}, branch="release/1")
    assert entries(project) == {"a": "put off"}


# --- expected to fail ------------------------------------------------------------------------------------------


def test_an_expected_failure_that_passes_waits_for_a_person() -> None:
    project = a_project()
    deliver(project, {A: "xfail: known bug"})
    for n in range(3):
        deliver(project, {A: "pass" if n % 2 else "xpass"})
    deliver(project, {A: "pass"}, commit=f"{4:040x}")  # the commit of the run before
    entry = find(project)
    assert (entry.kind, entry.is_put_off, entry.closed_at, entry.n_passes) == ("xfail", False, None, 3)
    assert entry.n_running == 1


def test_every_series_that_holds_it_has_to_pass() -> None:
    project = a_project()
    for run, words in enumerate([("xfail", "xfail"), ("pass", "pass"), ("pass", "xfail"), ("pass", "pass")]):
        for variant, word in zip(("3.11", "3.12"), words, strict=True):
            deliver(project, {A: word}, variant=variant, run_id=str(run), provider="ci", commit=f"{run:040x}")
    assert find(project).n_passes == 1
    for variant, word in (("3.11", "pass"), ("3.12", "fail")):
        deliver(project, {A: word}, variant=variant, run_id="9", provider="ci", commit=f"{9:040x}")
    assert (find(project).ending, find(project).n_passes) == ("ran", 0)


def test_an_expected_failure_that_fails_is_not_put_off_any_more() -> None:
    project = a_project()
    deliver(project, {A: "xfail"})
    deliver(project, {A: "fail"})
    assert entries(project) == {"a": "ran"}


def test_an_expected_failure_that_is_skipped_is_the_same_entry() -> None:
    project = a_project()
    deliver(project, {A: "xfail: known bug"})
    pk = find(project).pk
    deliver(project, {A: "skip: known bug"})
    entry = find(project)
    assert (entry.pk, entry.kind, entry.opened_run, entry.n_openings) == (pk, "skip", 1, 1)
    assert history(entry) == ["reason"]
    assert DeferralChange.objects.get(deferral=entry).fields == ["kind"]


def test_an_expected_failure_that_fails_again_is_put_off_a_second_time() -> None:
    project = a_project()
    for word in ("xfail", "pass", "xfail"):
        deliver(project, {A: word})
    entry = find(project)
    assert (entry.is_put_off, entry.n_passes, entry.n_openings, entry.opened_run) == (True, 0, 2, 3)


# --- reasons ---------------------------------------------------------------------------------------------------


def test_a_reason_that_changes_is_read_again() -> None:
    project = a_project()
    deliver(project, {A: "skip: flaky, until 2026-06-01"})
    deliver(project, {A: "skip: flaky, until 2026-12-01"})
    entry = find(project)
    assert (entry.reason, str(entry.review_on)) == ("flaky, until 2026-12-01", "2026-12-01")
    change = DeferralChange.objects.get(deferral=entry)
    assert (change.action, change.run, change.fields) == ("reason", 2, ["reason", "review"])
    assert change.before == {"reason": "flaky, until 2026-06-01", "review": "2026-06-01"}


def test_a_second_delivery_of_the_same_run_is_read_too() -> None:
    project = a_project()
    deliver(project, {A: "skip: first words"}, run_id="1", provider="ci", attempt=1)
    deliver(project, {A: "skip: other words"}, run_id="1", provider="ci", attempt=2)
    assert find(project).reason == "other words"


def test_numbers_that_are_others_each_time_make_no_history() -> None:
    project = a_project()
    for port in (4001, 4002, 4003):
        deliver(project, {A: f"skip: nothing listens on port {port}"})
    assert find(project).reason == "nothing listens on port 4003"
    assert history(find(project)) == []


def test_a_long_reason_is_cut_and_an_absent_one_is_empty() -> None:
    project = a_project()
    deliver(project, {A: f"skip: {'x' * 1_010}"})
    assert find(project).reason == "x" * 1_000


def test_a_text_that_is_no_longer_kept_changes_nothing() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    FailureText.objects.filter(project=project).delete()
    rebuild_project(project.pk)
    assert find(project).reason == "no network here"


def test_the_first_series_of_the_newest_run_gives_the_reason() -> None:
    project = a_project()
    for run in range(2):
        for variant in ("3.12", "3.11"):
            deliver(project, {A: f"skip: run {run} on {variant}"}, variant=variant, run_id=str(run), provider="ci")
    assert find(project).reason == "run 1 on 3.12"  # which came first


# --- late, deleted, rebuilt ------------------------------------------------------------------------------------


def test_an_older_run_that_comes_late_opens_it_earlier() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {A: WHY}, ran_at=at(-5))
    assert (find(project).opened_run, find(project).opened_at) == (2, at(-5))
    deliver(project, {A: "pass"}, ran_at=at(-2))
    assert (find(project).opened_run, find(project).opened_at, find(project).n_openings) == (1, at(1), 2)


def test_without_the_run_that_closed_it_it_is_open() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {A: "pass"})
    delete_run(project.pk, 2)
    entry = find(project)
    assert (entry.ending, entry.is_put_off, entry.opened_run, entry.n_openings) == ("", True, 1, 1)


def test_without_any_run_that_put_it_off_there_was_no_entry_but_a_person_s_word_stays() -> None:
    project = a_project()
    deliver(project, {})
    deliver(project, {A: WHY, B: WHY}, run_id="2", provider="ci")
    deliver(project, {A: "skip: said otherwise", B: WHY}, run_id="2", provider="ci", attempt=2)
    assert history(find(project)) == ["reason"]
    Deferral.objects.filter(pk=find(project, B).pk).update(written={"owner": "ada"}, version=2)
    delete_run(project.pk, 2)
    assert entries(project) == {"b": "gone"}
    assert find(project, B).written == {"owner": "ada"}


def test_with_its_last_run_a_project_loses_its_entries() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    delete_run(project.pk, 1)
    assert entries(project) == {}


def test_a_rebuild_changes_nothing() -> None:
    project = a_project()
    for word in (WHY, "pass", "xfail", "pass", WHY):
        deliver(project, {A: word, B: WHY})
    before = look(project)
    rebuild_project(project.pk)
    assert look(project) == before
    assert find_violations(open_cursor(), project_ids=[project.pk]) == []


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_and_goes_the_register_says_what_the_spans_say(seed: int) -> None:
    dice = random.Random(seed)
    project = a_project()
    for _ in range(12):
        cases = {name: dice.choice(["pass", "fail", WHY, "xfail", "xpass"]) for name in (A, B) if dice.random() < 0.8}
        hour, variant = dice.randrange(40), dice.choice(["3.11", "3.12"])
        shard = {"shard": "1/2"} if dice.random() < 0.2 else {}
        deliver(project, cases, ran_at=at(hour), variant=variant, run_id=str(hour), provider="ci", **shard)
        if dice.random() < 0.25:
            delete_run(project.pk, dice.choice(Run.objects.filter(project=project).values_list("number", flat=True)))
        assert find_violations(open_cursor(), project_ids=[project.pk]) == []
    before = look(project)
    rebuild_project(project.pk)
    assert look(project) == before


# --- judged one by one, or all at once -------------------------------------------------------------------------


def tell(project: Project) -> dict[str, dict[str, object]]:
    """Every case's entry with all that is not merely a number of a row."""
    names = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    digests = dict(Backing.objects.filter(project=project).values_list("pk", "digest"))
    told = {}
    for entry in Deferral.objects.filter(project=project).values():
        entry["backing_id"] = digests.get(entry["backing_id"])
        told[names[entry["ord"]]] = {name: value for name, value in entry.items() if name not in ("id", "project_id")}
    return told


def send_twice(runs: list[list[tuple[dict[str, str], dict[str, Any]]]]) -> tuple[Project, Project]:
    """The same uploads, the ones of a run behind each other: judged behind each, and behind the last one only."""
    each, once = a_project("each"), a_project("once")
    for number, uploads in enumerate(runs):
        for cases, metadata in uploads:
            moment = {"ran_at": at(number), "run_id": str(number), "provider": "ci", "commit": f"{number:040x}"}
            deliver(each, cases, **moment | metadata)
            an_upload(once, {C: "pass", **cases}, **moment | metadata)
    judge_project(once.pk)
    return each, once


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("s.", ("ran", 1, 2, 1)),
        ("s.s..", ("ran", 3, 4, 2)),
        ("sF.", ("ran", 1, 2, 1)),
        ("x..", ("", 1, None, 1)),
        ("x.F.", ("ran", 1, 2, 1)),
        ("x. ", ("gone", 1, 3, 1)),
        ("x. .", ("", 1, None, 1)),
        ("s  ", ("gone", 1, 2, 1)),
        ("s .", ("ran", 1, 3, 1)),
        ("s. ", ("ran", 1, 2, 1)),
        ("sx.", ("", 1, None, 1)),
        ("xs.", ("ran", 1, 3, 1)),
        ("s." + "." * 60, ("ran", 1, 2, 1)),
        ("s" * 55 + "." * 60, ("ran", 1, 56, 1)),
        ("x.F" + "." * 60, ("ran", 1, 2, 1)),
    ],
)
def test_what_ended_before_anything_was_judged_is_in_the_register_too(
    words: str, told: tuple[str, int, int | None, int]
) -> None:
    known = {"s": WHY, "x": "xfail: no network here", ".": "pass", "F": "fail"}
    runs = [[({A: known[word]} if word != " " else {}, {})] for word in words]
    each, once = send_twice(runs)
    entry = find(once)
    assert (entry.ending, entry.opened_run, entry.closed_run, entry.n_openings) == told
    assert entry.reason == "no network here"
    assert tell(once) == tell(each)
    assert find_violations(open_cursor(), project_ids=[once.pk]) == []


def test_the_reason_of_what_is_over_is_the_newest_one_wherever_it_stood() -> None:
    each, once = send_twice(
        [
            [({A: "skip: first"}, {})],
            [({A: "skip: covered by tests/unit/**"}, {})],
            [({}, {"shard": "1/2"})],
            [({}, {"shard": "1/2"})],
            [({A: "pass"}, {})],
        ]
    )
    assert find(once).reason == "covered by tests/unit/**"
    assert find(once).backing
    assert tell(once) == tell(each)


@pytest.mark.parametrize("seed", range(6))
def test_when_it_was_judged_does_not_matter(seed: int) -> None:
    dice = random.Random(seed)
    words = ["pass", "pass", "fail", "skip: one", "skip: two", "xfail: three", "xpass", None]
    runs = []
    for _ in range(12):
        variants = ["3.11", "3.12"][: dice.choice([1, 2, 2])]
        drawn = [{name: dice.choice(words) for name in (A, B)} for _ in variants]
        runs.append(
            [
                ({name: word for name, word in cases.items() if word}, {"variant": variant})
                for variant, cases in zip(variants, drawn, strict=True)
            ]
        )
    each, once = send_twice(runs)
    assert tell(once) == tell(each)


# --- how much --------------------------------------------------------------------------------------------------


def list_rows(project: Project) -> list[tuple[object, ...]]:
    """Where every row of the register and of its spans lies, and which transaction wrote it."""
    rows = []
    for model in (Deferral, DeferredSpan):
        table = model._meta.db_table
        rows += open_cursor().execute(f"SELECT ctid, xmin FROM {table} WHERE project_id = %s", (project.pk,)).fetchall()
    return sorted(map(str, rows))  # type: ignore[arg-type]


def test_what_is_still_put_off_is_not_written_again() -> None:
    project = a_project()
    cases = {f"tests.api::c{number}": f"skip: {number % 7}" for number in range(60)}
    for variant in ("3.11", "3.12"):
        deliver(project, cases, variant=variant, run_id="1", provider="ci")
    before = list_rows(project)
    assert len(before) == 180
    for variant in ("3.11", "3.12"):
        deliver(project, cases, variant=variant, run_id="2", provider="ci")
    assert list_rows(project) == before


def look(project: Project) -> list[tuple[object, ...]]:
    """All that the register says of cases."""
    fields = [field.attname for field in Deferral._meta.concrete_fields]
    return list(Deferral.objects.filter(project=project).order_by("pk").values_list(*fields))


def test_a_project_takes_its_register_with_it() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {A: "pass"})
    project.delete()
    assert not Deferral.objects.exists()
    assert not DeferralChange.objects.exists()


# --- renames ---------------------------------------------------------------------------------------------------


def rename(project: Project, old: str, new: str) -> tuple[int, int]:
    pair = number_of(project, old), number_of(project, new)
    RenameProposal.objects.get_or_create(
        project=project, old=pair[0], new=pair[1], defaults={"run": 1, "series": 1, "score": 0.9}
    )
    assert merge_cases(project.pk, pairs=[pair], user=a_user()) == 1
    rebuild_project(project.pk)
    return pair


def test_an_entry_goes_on_under_the_new_name_and_back() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    Deferral.objects.filter(pk=find(project).pk).update(written={"owner": "ada"}, version=2)
    deliver(project, {B: WHY})
    pk = find(project).pk
    pair = rename(project, A, B)
    assert entries(project) == {"b": "put off"}
    entry = find(project, B)
    assert (entry.pk, entry.opened_run, entry.written) == (pk, 1, {"owner": "ada"})
    undo_merge(project.pk, pairs=[pair], user=a_user())
    rebuild_project(project.pk)
    assert entries(project) == {"a": "gone", "b": "put off"}
    assert (find(project).pk, find(project).written, find(project, B).written) == (pk, {"owner": "ada"}, {})


def test_of_two_entries_that_people_wrote_in_the_new_name_s_goes_on_and_undoing_gives_the_other_back() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, {B: WHY})
    for name, owner in ((A, "ada"), (B, "bob")):
        Deferral.objects.filter(pk=find(project, name).pk).update(written={"owner": owner}, version=2)
    pair = rename(project, A, B)
    assert find(project, B).written == {"owner": "bob"}
    assert find(project, B).opened_run == 1
    undo_merge(project.pk, pairs=[pair], user=a_user())
    rebuild_project(project.pk)
    assert entries(project) == {"a": "gone", "b": "put off"}
    assert (find(project).written, find(project, B).written) == ({"owner": "ada"}, {"owner": "bob"})
    assert find(project, B).opened_run == 2


# --- files and people ------------------------------------------------------------------------------------------

FILE = """
deferrals:
  - cases: tests/api.py::a
    reason: waits for the new login
    owner: team-login
    issue: "#31"
"""


def test_the_file_names_and_unnames() -> None:
    project = a_project()
    deliver(project, {A: WHY, B: WHY}, configuration=FILE)
    pattern = Deferral.objects.get(project=project, origin="file")
    entry = find(project)
    assert (pattern.pattern, pattern.kind, pattern.n_cases, pattern.opened_run) == ("tests/api.py::a", "skip", 1, 1)
    assert list(pattern.cases.values_list("ord", flat=True)) == [entry.ord]
    assert (entry.named_by_id, entry.owner, entry.issue) == (pattern.pk, "team-login", "#31")
    assert (entry.reason, entry.read["reason"]) == ("waits for the new login", "no network here")
    assert find(project, B).named_by is None
    deliver(project, {A: WHY, B: WHY}, configuration="run: {timeout_minutes: 60}\n")
    pattern.refresh_from_db()
    entry = find(project)
    assert (pattern.ending, pattern.closed_run, pattern.cases.count()) == ("unnamed", 2, 0)
    assert (entry.named_by, entry.owner, entry.reason) == (None, "", "no network here")
    assert history(entry) == ["unnamed"]
    deliver(project, {A: WHY, B: WHY}, configuration=FILE.replace("#31", "#32"))
    pattern.refresh_from_db()
    assert (pattern.closed_at, pattern.ending, pattern.issue) == (None, "", "#32")
    assert find(project).issue == "#32"
    assert history(pattern) == ["closed", "reopened", "edited"]
    edited = DeferralChange.objects.get(deferral=pattern, action="edited")
    assert (edited.actor, edited.run, edited.fields) == ("", 3, ["issue"])
    assert (edited.before, edited.after) == ({"issue": "#31"}, {"issue": "#32"})


def test_another_list_of_what_backs_it_misses_the_same_tests_and_goes_on_with_the_log() -> None:
    project = a_project()
    names = {"tests.unit::s1": "pass", "tests.unit::s2": "pass", "tests.more::t": "pass"}
    both = FILE + "    backing: [tests/more.py, tests/unit.py::s*]\n"
    deliver(project, {A: WHY, **names}, configuration=both)
    before = find(project).backing
    assert before is not None
    assert before.state == "backed"
    deliver(project, {A: WHY}, configuration=FILE + "    backing: [tests/unit.py::s*]\n")
    after = find(project).backing
    assert after is not None
    assert (after.pk != before.pk, after.named) == (True, ["tests/unit.py::s*"])
    assert (after.state, after.changed_run) == ("broken", 2)
    found = Finding.from_json(after.found)
    assert [case.name for case in found.gone.first] == ["s1", "s2"]
    log = BackingChange.objects.filter(backing=after).order_by("pk").values_list("run", "before", "after")
    assert list(log) == [(1, "unproven", "backed"), (2, "backed", "broken")]


def test_a_file_without_a_new_job_is_followed() -> None:
    project = a_project()
    deliver(project, {A: WHY})
    deliver(project, None, configuration=FILE)
    assert find(project).owner == "team-login"


def test_a_person_comes_before_the_file_and_an_own_word_before_both() -> None:
    project = a_project()
    deliver(project, {A: WHY, B: WHY}, configuration=FILE)
    mine = Deferral.objects.create(
        project=project,
        origin="person",
        pattern="tests/api.py::*",
        written={"owner": "ada"},
        kind="skip",
        opened_at=at(1),
    )
    Deferral.objects.filter(pk=find(project, B).pk).update(written={"owner": "bob"}, version=2)
    settle_register(open_cursor(), project.pk)
    assert (find(project).named_by_id, find(project).owner) == (mine.pk, "ada")
    assert (find(project, B).named_by_id, find(project, B).owner) == (mine.pk, "bob")


QUARANTINE = """
deferrals:
  - cases: tests/api.py::*
    kind: quarantine
"""


def test_a_quarantine_names_all_that_matches_and_counts_passes() -> None:
    project = a_project()
    deliver(project, {A: "fail", B: WHY}, configuration=QUARANTINE)
    pattern = Deferral.objects.get(project=project, origin="file")
    assert (pattern.kind, pattern.n_cases, pattern.n_passes) == ("quarantine", 3, 0)
    assert find(project, B).kind == "quarantine"
    deliver(project, {A: "pass", B: "pass"})
    deliver(project, {A: "pass", B: "pass"})
    pattern.refresh_from_db()
    assert (pattern.n_passes, pattern.closed_at) == (2, None)
    entry = find(project, B)
    assert (entry.is_put_off, entry.closed_at, entry.n_passes) == (False, None, 2)  # a person releases it
    deliver(project, {A: "fail", B: "fail"})
    pattern.refresh_from_db()
    assert (pattern.n_passes, find(project, B).closed_at) == (0, None)


PLANNED = """
deferrals:
  - cases: tests/new.py::*
    kind: planned
    count: 2
    phase: Phase 3
"""


def test_what_was_planned_is_over_once_all_of_it_runs() -> None:
    project = a_project()
    deliver(project, {}, configuration=PLANNED)
    pattern = Deferral.objects.get(project=project, origin="file")
    assert (pattern.kind, pattern.n_promised, pattern.n_cases, pattern.phase) == ("planned", 2, 0, "Phase 3")
    deliver(project, {"tests.new::x": "pass", "tests.new::y": WHY})
    pattern.refresh_from_db()
    assert (pattern.n_cases, pattern.closed_at) == (2, None)
    assert find(project, "tests.new::y").phase == "Phase 3"
    deliver(project, {"tests.new::x": "pass", "tests.new::y": "fail"})
    pattern.refresh_from_db()
    assert (pattern.ending, pattern.closed_run) == ("ran", 3)
    deliver(project, {"tests.new::x": "pass", "tests.new::y": "fail"})
    assert history(pattern) == ["closed"]
    deliver(project, {"tests.new::x": "pass", "tests.new::y": WHY})
    pattern.refresh_from_db()
    assert (pattern.ending, history(pattern)) == ("", ["closed", "reopened"])


def test_what_a_person_quarantined_is_a_person_s_to_release() -> None:
    project = a_project()
    deliver(project, {A: "fail"})
    Deferral.objects.create(
        project=project,
        origin="person",
        ord=number_of(project, A),
        written={"kind": "quarantine"},
        kind="quarantine",
        opened_at=at(1),
    )
    for word in ("pass", "pass"):
        deliver(project, {A: word})
    entry = find(project)
    assert (entry.n_passes, entry.n_running, entry.closed_at, entry.opened_at) == (2, 1, None, at(1))


# --- costs and laws --------------------------------------------------------------------------------------------


def test_a_project_that_puts_nothing_off_pays_two_statements() -> None:
    project = a_project()
    deliver(project, {A: "pass"})
    with counted_statements() as sent:
        settle_register(open_cursor(), project.pk)
    assert len(sent) == 2


def test_the_statements_do_not_grow_with_the_cases() -> None:
    counts = []
    for n in (3, 60):
        project = a_project()
        deliver(project, {f"tests.api::case{k}": WHY for k in range(n)})
        with counted_statements() as sent:
            settle_register(open_cursor(), project.pk)
        counts.append(len(sent))
    assert counts[0] == counts[1] < 40


def test_what_stays_as_it_is_is_not_written() -> None:
    project = a_project()
    deliver(project, {A: WHY, B: "xfail"}, configuration=FILE)
    deliver(project, {A: WHY, B: "pass"})
    with counted_statements() as sent:
        settle_register(open_cursor(), project.pk)
    assert not [text for text in sent if "health_deferral d SET" in text and "n_cases" not in text]

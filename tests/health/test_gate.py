"""May a run pass? Each reason for and against, what is tolerated, and that the answer stays what it was."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
import time_machine

from health.gate import judge_run
from health.judging import judge_project
from health.models import (
    Backing,
    BackingCase,
    BackingChange,
    Case,
    Deferral,
    DeferredCase,
    Job,
    Project,
    Run,
)
from health.rules.gate import GateVerdict, Reason, decide
from tests.builders import a_lost_upload, a_project
from tests.scenes import a_run, at, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def ask(project: Project, run: int, *fail_on: str) -> GateVerdict:
    verdict = judge_run(project.pk, run, fail_on=fail_on or None)
    assert verdict is not None
    return verdict


def settled(project: Project) -> Project:
    judge_project(project.pk)
    return project


def codes(reasons: tuple[Reason, ...]) -> list[str]:
    return [reason.code for reason in reasons]


def names(reason: Reason) -> list[str]:
    return [named.name for named in reason.named]


def ord_of(project: Project, name: str) -> int:
    return Case.objects.get(project=project, name=name).ord


def an_entry(project: Project, name: str = "", **fields: Any) -> Deferral:
    """An entry of the register, put there by hand; of the case of that name, else of a pattern."""
    where = {"ord": ord_of(project, name)} if name else {}
    values = {"kind": "skip", "origin": "ci", "opened_at": at(0), "opened_run": 1} | fields
    Deferral.objects.filter(project=project, **(where or {"pattern": values.get("pattern")})).delete()
    return Deferral.objects.create(project=project, **where, **values)


def a_backing(project: Project, state: str, *names: str) -> Backing:
    backing = Backing.objects.create(
        project=project, digest=f"{state}{names}".encode()[:32], named=list(names), state=state
    )
    for name in names:
        BackingCase.objects.create(project=project, backing=backing, ord=ord_of(project, name), part=0, status="passed")
    return backing


# --- the verdict ------------------------------------------------------------------------------------------------


def test_a_reason_that_is_not_asked_for_is_a_warning_and_what_is_unknown_never_passes() -> None:
    found = [Reason("new_failures", 1, "1 test fails.")]
    held = decide(7, found=found, tolerated=(), fail_on=["new-failures"])
    assert (held.verdict, codes(held.reasons), codes(held.warnings)) == ("fail", ["new_failures"], [])
    warned = decide(7, found=found, tolerated=(), fail_on=["overdue-reviews"])
    assert (warned.verdict, codes(warned.reasons), codes(warned.warnings)) == ("pass", [], ["new_failures"])
    assert warned.told == "Run 7 passes: no review is overdue."
    unknown = decide(7, found=found, tolerated=(), fail_on=["new-failures"], unknown="it waits for job e2e")
    assert (unknown.verdict, codes(unknown.reasons)) == ("unknown", ["new_failures"])
    assert unknown.told == "Whether run 7 passes is not known: it waits for job e2e."


# --- new failures -----------------------------------------------------------------------------------------------


def test_what_broke_since_the_baseline_fails_the_run_and_what_was_broken_before_does_not() -> None:
    project = a_project()
    a_run(project, green(case1="fail"), hour=0)
    a_run(project, green(case1="fail", case2="error"), hour=1)
    settled(project)
    verdict = ask(project, 2)
    (reason,) = verdict.reasons
    assert (verdict.verdict, reason.n, names(reason)) == ("fail", 1, ["tests.api::case2"])
    assert reason.told == "1 test fails that did not before."


def test_without_a_baseline_all_that_is_broken_is_new() -> None:
    project = a_project()
    a_run(project, green(case1="fail", case2="error"), hour=0)
    (reason,) = ask(settled(project), 1).reasons
    assert (reason.n, reason.told) == (2, "2 tests fail, and there is no earlier run to compare with.")


def test_a_green_run_passes_and_says_what_was_looked_for() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    verdict = ask(settled(project), 1)
    assert (verdict.verdict, verdict.told, verdict.reasons) == ("pass", "Run 1 passes: no new failures.", ())


def test_a_test_counts_once_over_the_jobs_of_a_matrix_and_its_jobs_are_named() -> None:
    project = a_project()
    for hour, word in ((0, "pass"), (1, "fail")):
        for variant in ("3.11", "3.12"):
            a_run(project, green(case2=word), hour=hour, variant=variant, run_id=str(hour))
    (reason,) = ask(settled(project), 2).reasons
    assert (reason.n, reason.told) == (1, "1 test fails (2 results in 2 jobs) that did not before.")
    assert reason.named[0].note == "in tests, 3.11; tests, 3.12"


def test_a_suite_that_can_no_longer_be_run_is_a_new_failure() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(), hour=1, suite_errors=1)
    (reason,) = ask(settled(project), 2).reasons
    assert (reason.n, reason.told, reason.named) == (1, "1 suite could not be run, and could before.", ())


def test_a_change_is_held_against_the_default_branch() -> None:
    project = a_project()
    a_run(project, green(case1="fail"), hour=0)
    a_run(project, green(case1="fail", case4="fail"), hour=1, branch="feature", pull_request="7")
    assert names(ask(settled(project), 2).reasons[0]) == ["tests.api::case4"]


# --- what is tolerated ------------------------------------------------------------------------------------------


def test_a_quarantined_failure_is_tolerated_and_listed_by_case_and_by_pattern() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail", case2="fail"), hour=1)
    settled(project)
    an_entry(project, "case1", kind="quarantine", origin="person")
    by_pattern = an_entry(project, kind="quarantine", origin="file", pattern="tests.api::case2")
    DeferredCase.objects.create(project=project, deferral=by_pattern, ord=ord_of(project, "case2"))
    verdict = ask(project, 2)
    assert (verdict.verdict, verdict.reasons) == ("pass", ())
    (reason,) = verdict.tolerated
    assert (reason.code, reason.told) == ("quarantined", "2 tests fail and are quarantined.")
    assert names(reason) == ["tests.api::case1", "tests.api::case2"]


def test_a_released_quarantine_shelters_the_runs_before_it_and_none_behind() -> None:
    project = a_project()
    for hour, word in ((0, "pass"), (1, "fail"), (2, "pass"), (3, "fail")):
        a_run(project, green(case1=word), hour=hour)
    settled(project)
    an_entry(project, "case1", kind="quarantine", closed_at=at(2.5), closed_run=3, ending="released")
    assert ask(project, 2).verdict == "pass"
    assert ask(project, 4).verdict == "fail"


def test_a_quarantine_by_pattern_shelters_a_test_that_is_new_on_this_branch() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(7, case6="fail"), hour=1, branch="feature", pull_request="7")
    settled(project)
    an_entry(project, kind="quarantine", origin="file", pattern="case6*")
    verdict = ask(project, 2)
    assert (verdict.verdict, codes(verdict.tolerated)) == ("pass", ["quarantined"])


def test_an_expected_failure_that_passes_is_told() -> None:
    project = a_project()
    a_run(project, green(case1="xfail"), hour=0)
    settled(project)
    an_entry(project, "case1", kind="xfail")
    a_run(project, green(), hour=1)
    Job.objects.filter(project=project).update(is_judged=True)
    (reason,) = ask(project, 2).tolerated
    assert (reason.code, reason.told) == ("unexpected_passes", "1 test passes although expected to fail.")


def test_what_was_expected_to_fail_before_a_run_is_told_of_it_whatever_becomes_of_the_entry() -> None:
    project = a_project()
    for hour, word in ((0, "pass"), (1, "xfail"), (2, "pass"), (3, "pass")):
        a_run(project, green(case1=word), hour=hour)
    settled(project)
    an_entry(project, "case1", kind="xfail", opened_run=2, closed_at=at(3.5), closed_run=4, ending="released")
    assert [codes(ask(project, run).tolerated) for run in (1, 3)] == [[], ["unexpected_passes"]]


# --- backing ----------------------------------------------------------------------------------------------------


def test_put_off_tests_without_backing_are_told_apart_from_those_nobody_knew_of() -> None:
    project = a_project()
    words = {f"case{k}": "skip" for k in range(5)}
    a_run(project, green(8, **words), hour=0)
    a_run(project, green(8, **words), hour=1)
    settled(project)
    an_entry(project, "case0", backing=a_backing(project, "backed", "case6"))
    an_entry(project, "case1", backing=a_backing(project, "weakened"))
    an_entry(project, "case2", backing=a_backing(project, "broken"))
    an_entry(project, "case3")
    Deferral.objects.filter(project=project, ord=ord_of(project, "case4")).delete()
    verdict = ask(project, 2, "unbacked-deferrals")
    (reason,) = verdict.reasons
    assert (verdict.verdict, reason.code, reason.n) == ("fail", "unbacked_deferrals", 4)
    assert reason.told == (
        "4 tests are put off without backing that holds: 1 put off here for the first time, 1 without any named, "
        "1 with broken backing, 1 with weakened backing."
    )
    assert names(reason) == [f"tests.api::case{k}" for k in (4, 3, 2, 1)]
    assert ask(project, 2).verdict == "pass"
    assert codes(ask(project, 2).warnings) == ["unbacked_deferrals"]


def test_backing_that_fails_or_goes_in_this_very_change_does_not_hold() -> None:
    project = a_project()
    a_run(project, green(case0="skip"), hour=0)
    without = green(case0="skip")
    without.pop("tests.api::case5")
    a_run(project, without, hour=1, branch="feature", pull_request="7")
    a_run(project, green(case0="skip", case5="fail"), hour=2, branch="feature", pull_request="8")
    a_run(project, green(case0="skip"), hour=3, branch="feature", pull_request="9")
    settled(project)
    an_entry(project, "case0", backing=a_backing(project, "backed", "case5"))
    for run, n in ((2, 1), (3, 1), (4, 0)):
        reasons = ask(project, run, "unbacked-deferrals").reasons
        assert [reason.n for reason in reasons] == [n] * bool(n), run
    assert "1 whose backing does not hold in this run" in ask(project, 2, "unbacked-deferrals").reasons[0].told


def test_backing_that_breaks_later_changes_nothing_of_the_run_before() -> None:
    project = a_project()
    for hour in (0, 1, 2):
        a_run(project, green(case0="skip"), hour=hour)
    settled(project)
    backing = a_backing(project, "broken", "case5")
    an_entry(project, "case0", backing=backing)
    for run, before, after in ((1, "unproven", "backed"), (3, "backed", "broken")):
        BackingChange.objects.create(project=project, backing=backing, run=run, before=before, after=after)
    assert [ask(project, run, "unbacked-deferrals").verdict for run in (1, 2, 3)] == ["pass", "pass", "fail"]


def test_an_entry_that_closed_behind_the_run_still_counts_for_it() -> None:
    project = a_project()
    a_run(project, green(case0="skip"), hour=0)
    a_run(project, green(), hour=1)
    settled(project)
    backing = a_backing(project, "backed", "case5")
    an_entry(project, "case0", backing=backing, closed_at=at(1), closed_run=2, ending="ran")
    assert ask(project, 1, "unbacked-deferrals").verdict == "pass"


def test_what_a_change_puts_off_first_stays_so_once_it_is_merged() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case0="skip"), hour=1, branch="feature", pull_request="7")
    settled(project)
    first = ask(project, 2, "unbacked-deferrals")
    assert "1 put off here for the first time" in first.reasons[0].told
    a_run(project, green(case0="skip"), hour=2)
    settled(project)
    Deferral.objects.filter(project=project).update(backing=a_backing(project, "backed", "case5"))
    assert ask(project, 2, "unbacked-deferrals") == first
    assert ask(project, 3, "unbacked-deferrals").verdict == "pass"


# --- reviews ----------------------------------------------------------------------------------------------------


def test_a_review_is_overdue_as_of_the_day_of_the_commit_whenever_one_asks() -> None:
    project = a_project(time_zone="Europe/Berlin")
    for hour in (0, 24, 48):  # 2, 3 and 4 March
        a_run(project, green(case0="skip"), hour=hour)
    settled(project)
    an_entry(project, "case0", review_on=date(2026, 3, 3))
    told = {}
    for clock in (datetime(2026, 3, 5, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC)):
        with time_machine.travel(clock):
            told[clock] = [ask(project, run, "overdue-reviews") for run in (1, 2, 3)]
    first, later = told.values()
    assert first == later
    assert [verdict.verdict for verdict in first] == ["pass", "pass", "fail"]
    (reason,) = first[2].reasons
    assert reason.told == "1 review was due before the day of its commit, 2026-03-04."
    assert (reason.named[0].name, reason.named[0].note) == ("tests.api::case0", "review was due on 2026-03-03")


def test_the_day_is_that_of_the_projects_time_zone() -> None:
    project = a_project(time_zone="Pacific/Auckland")
    a_run(project, green(case0="skip"), hour=3)  # 12:00 in UTC is 1:00 of the next day there
    settled(project)
    an_entry(project, "case0", review_on=date(2026, 3, 2))
    assert ask(project, 1, "overdue-reviews").verdict == "fail"


def test_a_quarantine_whose_review_is_over_is_told() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=24)
    settled(project)
    an_entry(project, "case1", kind="quarantine", review_on=date(2026, 3, 1))
    verdict = ask(project, 2, "new-failures", "overdue-reviews")
    assert (codes(verdict.reasons), codes(verdict.tolerated)) == (["overdue_reviews"], ["quarantined"])


# --- suites that shrink -----------------------------------------------------------------------------------------


def test_a_suite_that_declares_fewer_fails_the_run_where_it_did_and_none_before() -> None:
    project = a_project()
    for hour, n in enumerate((14, 14, 14, 14, 10)):
        a_run(project, green(n), hour=hour)
    settled(project)
    assert ask(project, 4, "shrinking-suites").verdict == "pass"
    (reason,) = ask(project, 5, "shrinking-suites").reasons
    assert (reason.n, reason.told) == (1, "1 suite declares fewer tests than in the runs before.")
    assert reason.named[0].note == "10 tests, 14 before, in tests"


def test_a_change_that_takes_tests_away_is_held_against_the_default_branch() -> None:
    project = a_project()
    for hour in range(4):
        a_run(project, green(14), hour=hour)
    a_run(project, green(5), hour=4, branch="other", pull_request="1")
    a_run(project, green(10), hour=5, branch="feature", pull_request="7")
    a_run(project, green(14), hour=6, branch="third", pull_request="8")
    settled(project)
    assert [ask(project, run, "shrinking-suites").verdict for run in (6, 7)] == ["fail", "pass"]


# --- what is not known ------------------------------------------------------------------------------------------


def test_an_incomplete_run_is_unknown_and_says_what_is_missing_and_what_it_knows() -> None:
    project = a_project()
    a_run(project, green(case1="fail"), hour=0, shard="1/2")
    verdict = ask(settled(project), 1)
    assert (verdict.verdict, verdict.waiting, codes(verdict.reasons)) == ("unknown", 0, ["new_failures"])
    assert verdict.told == "Whether run 1 passes is not known: it waits for shard 2 of 2 of job tests."


def test_an_upload_that_could_not_be_read_makes_the_run_unknown() -> None:
    project = a_project()
    a_run(project, green(), hour=0, run_id="1")
    a_lost_upload(project, provider="ci", run_id="1", job="e2e")
    Run.objects.filter(project=project).update(is_complete=False)
    assert "the report of job e2e could not be read" in ask(settled(project), 1).told


def test_what_is_unread_or_not_judged_yet_is_waited_for() -> None:
    project = a_project()
    a_run(project, green(), hour=0, run_id="1")
    verdict = ask(project, 1)
    assert (verdict.verdict, verdict.waiting) == ("unknown", 1)
    assert "still being compared" in verdict.told
    settled(project)
    a_lost_upload(project, state="retry", provider="ci", run_id="1", job="e2e")
    verdict = ask(project, 1)
    assert (verdict.verdict, verdict.waiting) == ("unknown", 1)
    assert "1 upload of it is still to be read" in verdict.told


def test_a_run_in_which_nothing_ran_is_unknown() -> None:
    project = a_project()
    a_run(project, green(2, case0="skip", case1="skip"), hour=0)
    assert ask(settled(project), 1).told == "Whether run 1 passes is not known: none of its 2 tests ran."


def test_a_run_that_is_not_there_has_no_verdict() -> None:
    assert judge_run(a_project().pk, 1) is None


# --- cost -------------------------------------------------------------------------------------------------------


def count_statements(project: Project, run: int) -> int:
    with counted_statements() as sent:
        ask(project, run)
    return len(sent)


def test_a_bounded_number_of_statements_however_many_jobs_and_tests() -> None:
    found = []
    for n_jobs, n_cases in ((1, 6), (6, 1200)):
        project = a_project()
        for hour in range(2):
            for job in range(n_jobs):
                cases = green(n_cases, case0="skip", case1="fail" if hour else "pass")
                a_run(project, cases, hour=hour, job=f"job{job}", run_id=str(hour))
        settled(project)
        found.append(count_statements(project, 2))
    assert found[0] == found[1] <= 16

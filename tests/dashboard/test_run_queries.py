"""One run: lists that agree with the counts, in each way a run can be."""

import random

import pytest

from dashboard.queries.run import RunPage, read_run_page
from health.models import Project, Run, UploadFile
from health.rules import outcomes as codes
from tests.builders import OUTCOMES, a_coverage, a_project, an_upload
from tests.scenes import (
    a_matrix,
    a_pull_request_beside_main,
    a_run,
    a_steady_project,
    at,
    green,
    out_of_order,
    two_workflows,
)
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project, number: int, *, series: str = "") -> RunPage:
    page = read_run_page(project, number=number, series=series)
    assert page is not None
    return page


def broken(page: RunPage) -> list[tuple[str, str, str]]:
    return [(b.case.name, b.word, b.job.variant) for cause in page.failures.causes for b in cause.cases]


def test_new_still_fixed_and_gone_are_listed_against_the_baseline() -> None:
    project = a_project()
    a_run(project, green(6, case1="fail", case2="fail"), hour=0)
    a_run(project, green(5, case1="fail", case3="error"), hour=1)
    page = read(project, 2)
    assert broken(page) == [("case3", "new error", ""), ("case1", "still failing", "")]
    assert [entry.case.name for entry in page.fixed.cases] == ["case2"]
    assert [entry.case.name for entry in page.gone.cases] == ["case5"]
    assert (page.n_new, page.n_still, page.n_fixed, page.n_gone, page.baselines) == (1, 1, 1, 1, (1,))


def test_the_transitions_count_every_case_once() -> None:
    project = a_project()
    a_run(project, green(5, case1="fail", case2="skip"), hour=0)
    a_run(project, green(4, case2="skip", case3="error"), hour=1)
    pairs = read(project, 2).pairs
    assert pairs is not None
    assert pairs.columns == ("passed", "error", "skipped", "absent")
    assert [(row.word, row.n, [(cell.n, cell.is_change) for cell in row.cells]) for row in pairs.rows] == [
        ("passed", 3, [(1, False), (1, True), (0, True), (1, True)]),
        ("failed", 1, [(1, True), (0, True), (0, True), (0, True)]),
        ("skipped", 1, [(0, True), (0, True), (1, False), (0, True)]),
    ]
    assert (pairs.totals, pairs.n_cases, pairs.n_changed) == ((2, 1, 1, 1), 5, 3)


def test_failures_are_grouped_by_what_they_said() -> None:
    project = a_project()
    cases = {f"a::case{k}": "fail" for k in range(3)}  # their messages differ in a number only
    a_run(project, cases | {"a::other": "error"}, hour=0, text="line 1\nE   assert 1 == 2")
    page = read(project, 1)
    assert [(cause.title, len(cause.cases)) for cause in page.failures.causes] == [
        ("fail: a::case0", 3),
        ("error: a::other", 1),
    ]
    said = page.failures.causes[0].said
    assert said is not None
    assert said == ("fail: a::case0", "line 1\nE   assert 1 == 2")


def test_a_case_shows_how_it_fared_up_to_this_run() -> None:
    project = a_project()
    for hour, word in enumerate(("pass", "fail", "skip", "fail", "pass")):
        a_run(project, green(case2=word), hour=hour)
    ((cause,),) = [read(project, 4).failures.causes]
    assert cause.cases[0].lately == ("", "fail", "none", "fail")
    assert cause.cases[0].lately_label == "broken in 2 of 4 runs"


def test_a_pull_request_is_not_shown_as_another_of_that_branch_name() -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    for hour, (branch, pull_request) in enumerate((("main", "7"), ("other", "9"), ("main", "9"), ("main", "9")), 1):
        a_run(project, green(case1="fail"), hour=hour, branch=branch, pull_request=pull_request)
    ((cause,),) = [read(project, 5).failures.causes]
    assert cause.cases[0].lately == ("fail", "fail")


@pytest.mark.parametrize("attempts", [(1, 2), (2, 1)])
def test_what_is_shown_is_of_the_last_attempt_in_ci(attempts: tuple[int, int]) -> None:
    project = a_project()
    for attempt in attempts:
        a_run(project, green(case1="fail"), hour=0, run_id="x", attempt=attempt, text=f"attempt {attempt}")
    said = read(project, 1).failures.causes[0].said
    assert said is not None
    assert said.text == "attempt 2"


def test_a_cause_is_named_by_its_own_words() -> None:
    project = a_project()
    for hour, seconds in enumerate((31, 95)):
        a_run(project, {f"t::took {seconds} s": "fail"}, hour=hour)
    assert [cause.title for cause in read(project, 2).failures.causes] == ["fail: t::took 95 s"]


def test_each_job_of_a_matrix_has_its_own_baseline() -> None:
    project = a_matrix()
    page = read(project, 2)
    assert [(job.variant, job.changes.new) for job in page.jobs] == [("3.11", 0), ("3.12", 1)]
    assert broken(page) == [("case2", "new failure", "3.12")]
    chosen = read(project, 2, series=str(page.jobs[0].key.series))
    assert (broken(chosen), chosen.counts.declared, len(chosen.jobs)) == ([], 6, 2)
    assert read(project, 2, series="nonsense").chosen is None


def test_a_workflow_is_never_compared_with_another() -> None:
    project = two_workflows()
    page = read(project, 3)
    assert page.baselines == (1,)
    assert (page.n_new, page.n_gone) == (1, 0)
    assert read(project, 4).baselines == (2,)


def test_a_pull_request_is_compared_with_the_default_branch() -> None:
    page = read(a_pull_request_beside_main(), 3)
    assert page.baselines == (2,)
    assert broken(page) == [("case4", "new failure", "")]


def test_runs_out_of_order_are_compared_in_the_order_of_their_commits() -> None:
    project = out_of_order()
    newest, middle = read(project, 1), read(project, 3)
    assert (newest.baselines, [entry.case.name for entry in newest.fixed.cases]) == ((3,), ["case2"])
    assert (middle.baselines, middle.n_new, middle.previous, middle.following) == ((2,), 1, 2, 1)


def test_an_incomplete_run_says_so_and_calls_no_case_gone() -> None:
    project = a_project()
    a_run(project, green(6), hour=0)
    a_run(project, green(3), hour=1, state="partial")
    page = read(project, 2)
    assert page.verdict == ("stale", "incomplete")
    assert (page.gone.n, page.n_gone) == (0, 0)


def test_a_retry_and_its_delivery_are_shown() -> None:
    project = a_project()
    a_run(project, green(case1="fail"), hour=0, run_id="1", shard="1/2")
    a_run(project, {"tests.api::other": "pass"}, hour=0, run_id="1", shard="2/2")
    a_run(project, {"tests.api::case1": "pass"}, hour=0, run_id="1", attempt=2, shard="1/2")
    page = read(project, 1)
    assert page.verdict.word == "passed"
    assert [entry.case.name for entry in page.retried.cases] == ["case1"]
    assert [(delivery.attempt, delivery.shard) for delivery in page.deliveries.listed] == [
        (1, "1/2"),
        (1, "2/2"),
        (2, "1/2"),
    ]


def test_a_run_whose_results_are_gone_still_has_its_counts() -> None:
    from health.models import Tile

    project = a_project()
    a_run(project, green(), hour=0)
    a_run(project, green(case1="fail"), hour=1)
    Tile.objects.filter(project=project).delete()
    page = read(project, 2)
    assert not page.is_kept
    assert (page.counts.failed, page.n_new, page.failures.n_broken, page.pairs) == (1, 1, 0, None)


def test_thousands_of_failures_are_counted_and_some_are_shown() -> None:
    project = a_project()
    a_run(project, {f"s{k}::case": "fail" for k in range(1500)}, hour=0)
    failures = read(project, 1).failures
    assert (failures.n_broken, failures.n_shown <= 200, len(failures.causes)) == (1500, True, 1)


def test_suites_are_summed_over_the_jobs_with_the_broken_first() -> None:
    project = a_project()
    cases = {"b.two::x": "pass", "a.one::x": "fail", "c.three::x": "skip"}
    for variant in ("1", "2"):
        a_run(project, cases, hour=0, variant=variant, run_id="1", level="unit")
    page = read(project, 1)
    assert [(suite.name, suite.level, suite.counts.declared, suite.mark) for suite in page.suites] == [
        ("a.one", "unit", 2, "fail"),
        ("b.two", "unit", 2, "pass"),
        ("c.three", "unit", 2, "absent"),
    ]


@pytest.mark.parametrize("number", [0, 2, 2**31, 10**30])
def test_a_run_that_does_not_exist_is_none(number: int) -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    assert read_run_page(project, number=number) is None


@pytest.mark.parametrize("seed", [1, 2])
def test_every_list_is_as_long_as_the_run_s_count(seed: int) -> None:
    dice, project = random.Random(seed), a_project()
    for run in dice.sample(range(8), 8):
        for variant in ("a", "b"):
            words = {f"s{k % 2}::case{k}": dice.choice(list(OUTCOMES)) for k in range(40) if dice.random() < 0.8}
            an_upload(
                project, words, run_id=str(run), provider="ci", variant=variant, ran_at=at(run), committed_at=at(run)
            )
    for row in Run.objects.filter(project=project):
        page = read(project, row.number)
        kinds = [word.split()[0] for _, word, _ in broken(page)]
        assert (kinds.count("new"), kinds.count("still")) == (row.n_new, row.n_still)
        assert (page.fixed.n, page.gone.n) == (row.n_fixed, row.n_gone)
        assert page.failures.n_broken == row.n_failed + row.n_errored
        assert sum(suite.counts.declared for suite in page.suites) == row.n_declared
        assert all(b.outcome in codes.BROKEN for cause in page.failures.causes for b in cause.cases)


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=25, n_cases=600, n_variants=3),
    ):
        newest = Run.objects.filter(project=project).order_by("-number")[0].number
        with counted_statements() as sent:
            read_run_page(project, number=newest)
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 21  # four of them for the register


def test_broken_cases_of_a_family_are_rolled_up() -> None:
    project = a_project()
    family = {f"a::fam[{k}]": "fail" for k in range(3)}
    few = {f"a::pair[{k}]": "fail" for k in range(2)}
    a_run(project, {"a::fam[0]": "pass", "a::alone0": "fail"}, hour=0)
    a_run(project, family | few | {"b::fam[0]": "fail", "a::alone0": "fail", "a::fam[9]": "pass"}, hour=1, text="boom")
    page = read(project, 2)
    rows = [
        (family.first.case.place, family.first.case.family, len(family.cases), family.first.word)
        for cause in page.failures.causes
        for family in cause.families
    ]
    assert sorted(rows) == [
        ("a", "alone0", 1, "still failing"),
        ("a", "fam", 3, "new failure"),
        ("a", "pair", 1, "new failure"),
        ("a", "pair", 1, "new failure"),
        ("b", "fam", 1, "new failure"),
    ]
    assert sum(len(family.cases) for cause in page.failures.causes for family in cause.families) == 7


def test_a_delivery_of_coverage_alone_says_its_job_and_the_size_of_its_report() -> None:
    project = a_project()
    upload = an_upload(project, None, coverage=[a_coverage({"a.py": "10"})], job="integration-tests", variant="3.12")
    for position, (name, role, n) in enumerate([("c.xml", "report", 705), (".suitewatch.yml", "configuration", 293)]):
        UploadFile.objects.create(
            upload=upload, position=position, name=name, role=role, n_bytes_wire=1, n_bytes_plain=n, digest=b"x"
        )
    (delivery,) = read(project, 1).deliveries.listed
    assert (delivery.job, delivery.n_bytes, delivery.files) == ("integration-tests, 3.12", 705, ("c.xml",))

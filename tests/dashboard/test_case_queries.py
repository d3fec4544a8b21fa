"""One case: its history by lane, its streak, what it said, its family."""

import pytest

from dashboard.queries.case import CasePage, read_case_page
from dashboard.queries.sentences import write_case
from health.models import Case, FailureText, Project
from tests.builders import a_project
from tests.scenes import a_matrix, a_pull_request_beside_main, a_run, a_steady_project, green, out_of_order
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project, name: str) -> CasePage:
    numbers = Case.objects.filter(project=project, name=name).order_by("class_name").values_list("ord", flat=True)
    page = read_case_page(Project.objects.get(pk=project.pk), number=numbers[0])
    assert page is not None
    return page


def letters(page: CasePage) -> dict[str, list[str]]:
    return {
        f"{history.lane} {row.title}": [cell.letter or ("-" if cell.outcome is None else "0") for cell in row.cells]
        for history in page.histories
        for row in history.rows
    }


def test_the_history_is_in_the_order_of_commits() -> None:
    page = read(out_of_order(), "case2")
    assert letters(page) == {"main tests": ["·", "F", "·"]}
    assert write_case(page) == "case2 passes, and broke in 1 of its last 3 runs on main."
    assert page.streak is None


def test_variants_stand_under_each_other_and_lanes_apart() -> None:
    project = a_matrix()
    a_run(project, green(case2="error"), hour=3, variant="3.11", branch="feature", pull_request="7", run_id="pr")
    a_run(project, green(), hour=4, variant="3.11", run_id="4")
    page = read(project, "case2")
    assert letters(page) == {
        "main tests, 3.11": ["·", "·", "·"],
        "main tests, 3.12": ["·", "F", "-"],
        "changes tests, 3.11": ["E"],
    }
    # 3.12 sent nothing in the newest run: what it said before is history, as on the overview.
    assert (page.mark, page.word, page.streak) == ("pass", "passed", None)
    assert write_case(page) == "case2 passes, and broke in 1 of its last 3 runs on main."
    assert [history.is_main for history in page.histories] == [True, False]


def test_a_failing_case_says_since_when_and_what_it_said_last() -> None:
    project = a_project()
    for hour, word in enumerate(("fail", "pass", "fail", "error")):
        a_run(project, green(case2=word), hour=hour, text=f"text of run {hour + 1}")
    page = read(project, "case2")
    assert page.streak is not None
    assert (page.streak.first.run, page.streak.n_broken) == (3, 2)
    assert write_case(page) == "case2 stops with an error on main since run 3 of 2 Mar 2026, 2 runs in a row."
    assert [(run.run, run.message) for run in page.broken] == [
        (4, "error: tests.api::case2"),
        (3, "fail: tests.api::case2"),
        (1, "fail: tests.api::case2"),
    ]
    assert page.said is not None
    assert page.said.text == "text of run 4"
    assert page.said_in == page.broken[0]


def test_a_failure_on_a_pull_request_is_not_main_s() -> None:
    page = read(a_pull_request_beside_main(), "case4")
    assert write_case(page) == "case4 passes, and broke in none of its last 2 runs on main."
    assert [run.run for run in page.broken] == [3]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["pass", "fail"], "case2 fails on main since run 2 of 2 Mar 2026."),
        (["skip", "skip"], "case2 is put off in all of its last 2 runs on main."),
        (["skip", "xfail"], "case2 is expected to fail in all of its last 2 runs on main."),
        (["pass", "skip"], "case2 was put off, and broke in none of its last 2 runs on main."),
        (["pass", "retry"], "case2 passed on a retry, and broke in none of its last 2 runs on main."),
        (["pass", None], "case2 no longer reports on main: last seen in run 1, 2 Mar 2026."),
        (["pass"], "case2 passes in its one run on main."),
        (["skip"], "case2 is put off in its one run on main."),
    ],
)
def test_the_sentence(words: list[str | None], sentence: str) -> None:
    project = a_project()
    for hour, word in enumerate(words):
        cases = green()
        cases.pop("tests.api::case2")
        a_run(project, cases | ({"tests.api::case2": word} if word else {}), hour=hour)
    assert write_case(read(project, "case2")) == sentence


def test_only_runs_the_case_was_in_are_counted() -> None:
    project = a_project()
    for hour in range(10):
        a_run(project, green(3) | ({"tests.api::fresh": "pass"} if hour == 9 else {}), hour=hour)
    assert write_case(read(project, "fresh")) == "fresh passes in its one run on main."


def test_a_run_that_was_cut_short_says_nothing_of_a_case_it_lacks() -> None:
    project = a_project()
    a_run(project, green(3), hour=0)
    a_run(project, green(2), hour=1, state="partial")
    assert write_case(read(project, "case2")) == "case2 passes in its one run on main."
    assert write_case(read(project, "case1")) == "case1 passes, and broke in none of its last 2 runs on main."


def test_a_variant_that_no_longer_runs_does_not_make_it_fail_for_ever() -> None:
    project = a_project()
    a_run(project, green(3, case2="fail") | {"tests.api::old": "fail"}, hour=0, variant="3.7", run_id="0")
    a_run(project, green(3), hour=0, variant="3.12", run_id="0")
    for hour in (1, 2):
        a_run(project, green(3), hour=hour, variant="3.12", run_id=str(hour))
    assert write_case(read(project, "case2")) == "case2 passes, and broke in 1 of its last 3 runs on main."
    assert write_case(read(project, "old")) == "old no longer reports on main: last seen in run 1, 2 Mar 2026."


def test_each_failure_has_its_own_words() -> None:
    project = a_project()
    names = ("took 31 s", "took 95 s")
    for hour, broken in enumerate((*names, names[1])):
        a_run(project, {f"t::{name}": "fail" if name == broken else "pass" for name in names}, hour=hour)
    assert [run.message for run in read(project, "took 95 s").broken] == ["fail: t::took 95 s"] * 2
    FailureText.objects.filter(project=project).delete()
    assert read(project, "took 95 s").broken[0].message == "fail: t::took <n> s"


@pytest.mark.parametrize("attempts", [(1, 2), (2, 1)])
def test_the_last_attempt_in_ci_is_what_it_said(attempts: tuple[int, int]) -> None:
    project = a_project()
    for attempt in attempts:
        a_run(project, green(case2="fail"), hour=0, run_id="x", attempt=attempt, text=f"attempt {attempt}")
    page = read(project, "case2")
    assert page.said is not None
    assert page.said.text == "attempt 2"


def test_the_family_shares_class_and_function() -> None:
    project = a_project()
    family = {f"a::fam[{k}]": "pass" for k in "xyz"}
    a_run(
        project, family | {"a::fam[y]": "fail", "b::fam[x]": "pass", "a::family[x]": "pass", "a::alone": "pass"}, hour=0
    )
    page = read(project, "fam[x]")
    assert page.family is not None
    assert [(other.case.class_name, other.case.name, other.word) for other in page.family.others] == [
        ("a", "fam[y]", "failed"),
        ("a", "fam[z]", "passed"),
    ]
    assert (page.family.name, page.family.run, page.family.n, page.family.n_more) == ("fam", 1, 3, 0)
    assert page.family.told == "1 failed, 2 passed"
    assert read(project, "alone").family is None
    assert read(project, "family[x]").family is None


@pytest.mark.parametrize("names", [("TestTable/one", "TestTable/two"), ("rows(int) [1] a", "rows(int) [2] b")])
def test_every_dialect_has_families(names: tuple[str, str]) -> None:
    project = a_project()
    a_run(project, {f"a::{name}": "pass" for name in names}, hour=0)
    family = read(project, names[0]).family
    assert family is not None
    assert [other.case.name for other in family.others] == [names[1]]


def test_a_family_counts_what_the_newest_run_reports() -> None:
    project = a_project()
    a_run(project, {f"a::fam[{k}]": "pass" for k in range(70)}, hour=0)
    a_run(project, {f"a::fam[{k}]": "skip" if k else "pass" for k in range(66)}, hour=1)
    family = read(project, "fam[0]").family
    assert family is not None
    assert (family.run, family.n, family.n_more, family.told) == (2, 66, 4, "1 passed, 65 skipped")
    assert (len(family.others), family.n_unlisted) == (60, 9)


def test_times_are_of_runs_in_which_it_ran() -> None:
    project = a_project()
    for hour, word in enumerate(("pass", "skip", "fail")):
        a_run(project, green(case2=word), hour=hour, seconds=0.25)
    timings = read(project, "case2").timings
    assert [(t.run, t.seconds, t.is_broken) for t in timings] == [
        (1, pytest.approx(0.25, rel=1e-3), False),
        (3, pytest.approx(0.25, rel=1e-3), True),
    ]


@pytest.mark.parametrize("number", [99, 2**31, 10**30])
def test_a_case_that_does_not_exist_is_none(number: int) -> None:
    project = a_project()
    a_run(project, green(), hour=0)
    assert read_case_page(project, number=number) is None


def test_a_case_without_kept_results_says_so() -> None:
    from health.models import Tile

    project = a_project()
    a_run(project, green(), hour=0)
    Tile.objects.filter(project=project).delete()
    page = read(project, "case2")
    assert (page.histories, page.mark) == ((), "absent")
    assert write_case(page) == "case2 has no result in the runs that are kept."


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=45, n_cases=600, n_variants=2),
    ):
        number = Case.objects.filter(project=project, name="case2").values_list("ord", flat=True)[0]
        with counted_statements() as sent:
            page = read_case_page(project, number=number)
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 13  # one of them for the register
    assert page is not None
    assert len(page.histories[0].runs) == 40

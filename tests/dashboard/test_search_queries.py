"""Search: what fits, in which order, with what is known of it; and where else the words lead."""

import pytest

from dashboard.filters import Filters
from dashboard.queries import search
from dashboard.queries.search import Found, search_cases, write_found
from health.judging import judge_project
from health.models import Project, RenameProposal
from health.renames import merge_cases
from tests.builders import a_project, a_user, an_upload
from tests.scenes import a_run, a_steady_project, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def find(project: Project, words: str, **query: str) -> Found:
    project.refresh_from_db()
    return search_cases(project, Filters.read({"search": words, **query}))


def names(found: Found) -> list[str]:
    return [hit.case.name for row in found.rows for hit in row.hits]


def test_the_exact_name_comes_first_then_those_that_begin_so() -> None:
    project = a_project()
    an_upload(project, {"a::the_login_page": "pass", "a::login_fails": "pass", "b::login": "fail", "Login::x": "pass"})
    found = find(project, "LOGIN")
    assert names(found)[:2] == ["login", "x"]
    assert names(found)[2:] == ["login_fails", "the_login_page"]
    assert write_found(found) == "Four tests have “LOGIN” in their name, class or suite."


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("tests.api::case1", ["case1"]),
        ("api::case1", ["case1"]),
        ("tests.api", ["case0", "case1"]),
        ("Tests.API", ["case0", "case1"]),
        ("100%", ["at 100% of_it"]),
        ("_", ["at 100% of_it"]),
        ("nothing", []),
        ("\\", []),
        ("a\x00b", []),
        ("", []),
    ],
)
def test_a_part_of_name_class_or_suite_is_found_as_it_is_written(words: str, found: list[str]) -> None:
    project = a_project()
    an_upload(project, {**green(2), "tests.web::at 100% of_it": "pass"})
    assert names(find(project, words)) == found


def test_the_last_outcome_is_of_the_branch_and_the_worst_of_its_jobs() -> None:
    project = a_project()
    a_run(project, green(3), hour=0, variant="a", run_id="0")
    a_run(project, green(2, case1="fail"), hour=0, variant="b", run_id="0")
    a_run(project, green(3, case0="error"), hour=1, branch="feature", pull_request="7")
    rows = find(project, "case").rows
    assert [(row.first.case.name, row.word, row.mark) for row in rows] == [
        ("case0", "passed", "pass"),
        ("case1", "failed", "fail"),
        ("case2", "passed", "pass"),
    ]
    (row,) = find(project, "case0", branch="changes").rows
    assert row.word == "error"


def test_a_family_counts_its_verdicts_and_lists_those_with_one_first() -> None:
    project = a_project()
    for hour in range(8):
        words = {0: "pass", 1: "pass", 2: "fail" if hour in (1, 3, 5) else "pass", 3: "fail" if hour == 2 else "pass"}
        a_run(project, green(20) | {f"a::fam[{k}]": word for k, word in words.items()}, hour=hour)
    judge_project(project.pk)
    (row,) = find(project, "fam").rows
    assert (row.told_verdict, row.told_more) == ("1 of 4 flaky", "1 sound again")
    assert [hit.case.name for hit in row.ranked] == ["fam[2]", "fam[3]", "fam[0]", "fam[1]"]
    assert next((hit.mark, hit.word) for hit in row.ranked) == ("pass", "passed")
    (alone,) = find(project, "fam[2]").rows
    assert (alone.told_verdict, alone.told_more.partition(",")[0]) == ("flaky", "3 of 8 runs")


@pytest.mark.parametrize("words", ["2", "#2", "run 2", "Run #2", "RUN  2", "run#2"])
def test_a_run_is_found_by_its_number_with_its_word_or_without(words: str) -> None:
    project = a_project()
    for hour in range(3):
        a_run(project, green(2), hour=hour)
    found = find(project, words)
    assert [(jump.kind, jump.run) for jump in found.jumps] == [("run", 2)]
    assert find(project, "run2 x").jumps == find(project, "running").jumps == ()
    if words == "run 2":
        assert write_found(found) == "“run 2” fits one run, and no test."


def test_families_are_rolled_up_and_the_worst_stands_for_them() -> None:
    project = a_project()
    cases = {f"a::fam[{k}]": "fail" if k == 2 else "pass" for k in range(4)}
    an_upload(project, cases | {"a::family": "pass", "b::fam[0]": "pass"})
    rows = find(project, "fam").rows
    assert [(row.first.case.place, len(row.hits), row.word) for row in rows] == [
        ("a", 4, "1 failed, 3 passed"),
        ("a", 1, "passed"),
        ("b", 1, "passed"),
    ]


def test_a_former_name_leads_to_the_case_it_is_now() -> None:
    project = a_project()
    a_run(project, {"a::old_name": "pass", "a::x": "pass"}, hour=0)
    a_run(project, {"a::brand_new": "pass", "a::x": "pass"}, hour=1)
    ords = {hit.case.name: hit.case.ord for row in find(project, "a::").rows for hit in row.hits}
    old, new = ords["old_name"], ords["brand_new"]
    pair = {"project": project, "old": old, "new": new, "run": 2, "series": 0, "score": 0.9}
    RenameProposal.objects.update_or_create(project=project, old=old, new=new, defaults=pair)
    assert merge_cases(project.pk, pairs=[(old, new)], user=a_user()) == 1
    (row,) = find(project, "old_name").rows
    assert row.first.former is not None
    assert (row.first.case.name, row.first.former.name, row.word) == ("brand_new", "old_name", "passed")
    assert [hit.former for hit in find(project, "brand").rows[0].hits] == [None]


def test_owners_and_suites_narrow_what_is_found() -> None:
    project = a_project()
    cases = {"tests/api/a.py::x": "pass", "tests/web/b.py::x": "pass"}
    an_upload(project, cases, owners="/tests/api/ @api\n")
    every = find(project, "x")
    assert every.n == 2
    owned = find(project, "x", owner="@nobody")
    assert (names(owned), owned.n, owned.n_looked_at) == ([], 2, 2)
    suite = every.offer.suites[0]
    assert find(project, "x", suite=suite).n == 1


def test_a_page_holds_so_many_rows_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "N_ROWS", 4)
    project = a_project()
    an_upload(project, green(10))
    seen, before = [], ""
    for _ in range(3):
        found = find(project, "case", before=before)
        assert found.n == 10
        seen += names(found)
        before = found.next_before
    assert (seen, before) == ([f"case{k}" for k in range(10)], "")


@pytest.mark.parametrize("words", ["2", "#2", "000000000000000000000000000000000000000b", "000000000000"])
def test_a_number_and_a_commit_lead_to_runs(words: str) -> None:
    project = a_project()
    a_run(project, green(1), hour=0, commit="f" * 40)
    a_run(project, green(1), hour=1, commit=f"{11:040x}")
    jumps = find(project, words).jumps
    assert [(jump.kind, jump.run) for jump in jumps] == [("run", 2)]


def test_a_branch_is_found_with_its_newest_run_the_exact_one_first() -> None:
    project = a_project()
    a_run(project, green(1), hour=0, branch="main")
    a_run(project, green(1), hour=1, branch="maintenance", pull_request="4")
    jumps = find(project, "MAIN").jumps
    assert [(jump.kind, jump.name, jump.run, jump.is_long_lived) for jump in jumps] == [
        ("branch", "main", 1, True),
        ("branch", "maintenance", 2, False),
    ]


def test_another_project_s_cases_are_not_found() -> None:
    project, other = a_project(), a_project()
    an_upload(other, green(3))
    assert find(project, "case").n == 0


def test_its_cost_does_not_grow() -> None:
    costs = []
    for project in (
        a_steady_project("small", n_runs=2, n_cases=6),
        a_steady_project("large", n_runs=25, n_cases=600, n_variants=3),
    ):
        find(project, "case")
        with counted_statements() as sent:
            search_cases(project, Filters.read({"search": "case"}))
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 12

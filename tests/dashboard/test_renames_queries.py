"""What looks renamed, in words; and what is not open any more."""

import pytest

from dashboard.queries.attention import read_attention
from dashboard.queries.case import CasePage, read_case_page
from dashboard.queries.renames import Renames, count_open, list_proposals, name_pairs, read_renames, write_renames
from dashboard.queries.run import read_run_page
from dashboard.queries.sentences import write_case
from dashboard.queries.standing import read_standing
from health.models import Case, Project
from health.rebuild import delete_run, rebuild_project
from health.renames import dismiss_proposals, merge_cases
from tests.builders import FIRST_MOMENT, a_project, a_user
from tests.scenes import a_run
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

OLD = {"t.a::reads one user by name": "pass", "t.a::stays": "pass"}
NEW = {"t.a::reads a user by name": "pass", "t.a::stays": "pass"}


def a_renamed_project(slug: str = "") -> Project:
    project = a_project(slug)
    a_run(project, OLD, hour=0, seconds=1.2)
    a_run(project, NEW, hour=1, seconds=1.1)
    return project


def merge_all(project: Project) -> None:
    pairs = [(row.old, row.new) for row in list_proposals(project)]
    merge_cases(project.pk, pairs=pairs, user=a_user())
    rebuild_project(project.pk)
    project.refresh_from_db()


def told(renames: Renames) -> list[str]:
    return [group.first.told for group in renames.proposed]


def read_case(project: Project, name: str) -> CasePage:
    page = read_case_page(project, number=Case.objects.get(project=project, name=name).ord)
    assert page is not None
    return page


def test_the_evidence_is_in_words() -> None:
    renames = read_renames(a_renamed_project())
    assert told(renames) == ["same class, name 82 % alike, both passed, 1.20\u00a0s and 1.10\u00a0s"]
    assert write_renames(renames) == "One case looks renamed in run 2."
    assert renames.proposed[0].score == f"{renames.proposed[0].first.proposal.score:.2f}"


@pytest.mark.parametrize(
    ("old", "new", "outcomes", "words"),
    [
        (
            "t.a::test_reads_users",
            "t.a.b::test_reads_users",
            ("pass", "pass"),
            "same name, class 80 % alike, both passed",
        ),
        ("t.a::test_x[1-long-x]", "t.a::test_x[1-long-x-y]", ("skip", "skip"), "same class and name, parameters 8"),
        ("t.a::test_list_price[1]", "t.a::test_price[1]", ("xfail", "xfail"), "same parameters, both expected failure"),
        ("t.a::test_x[1-long-x]", "t.a::test_x[1-long-x-y]", ("error", "error"), "both ended in an error"),
        ("t.a::test_x[1-long-x]", "t.a::test_x[1-long-x-y]", ("pass", "fail"), "passed before, failed after"),
    ],
)
def test_each_kind_of_rename_says_what_speaks_for_it(old: str, new: str, outcomes: tuple[str, str], words: str) -> None:
    project = a_project()
    a_run(project, {old: outcomes[0], "s::s": "pass"}, hour=0)
    a_run(project, {new: outcomes[1], "s::s": "pass"}, hour=1)
    assert words in told(read_renames(project))[0]


def test_what_one_change_explains_is_one_group() -> None:
    project = a_project()
    names = [f"reads user number {word}" for word in ("one", "two", "three")]
    a_run(project, {f"t.users::{name}": "pass" for name in names} | {"s::s": "pass"}, hour=0)
    a_run(project, {f"t.people.users::{name}": "pass" for name in names} | {"s::s": "pass"}, hour=1)
    (group,) = read_renames(project).proposed
    assert (group.n, group.is_moved, group.first.old.place, group.first.new.place) == (
        3,
        True,
        "t.users",
        "t.people.users",
    )
    assert write_renames(read_renames(project)) == "Three cases look renamed in run 2."


def test_a_former_name_that_is_back_is_not_open_any_more() -> None:
    project = a_renamed_project()
    a_run(project, OLD, hour=2, branch="feature", pull_request="7")  # an old branch proves nothing
    assert count_open(project) == {2: 1}
    a_run(project, OLD | NEW, hour=3)
    assert count_open(project) == {}
    assert read_renames(project).proposed == ()
    a_run(project, NEW, hour=4)
    assert count_open(project) == {2: 1}


def test_a_former_name_that_another_job_of_the_run_has_is_not_gone() -> None:
    project = a_project()
    for variant in ("3.11", "3.12"):
        a_run(project, OLD, hour=0, variant=variant, run_id="0")
    a_run(project, NEW, hour=1, variant="3.11", run_id="1")
    assert count_open(project) == {2: 1}  # the other job was last heard before
    a_run(project, OLD, hour=1, variant="3.12", run_id="1")
    assert count_open(project) == {}


def test_a_release_branch_may_keep_the_former_name() -> None:
    project = a_renamed_project()
    a_run(project, OLD, hour=2, branch="release/1")
    assert count_open(project) == {2: 1}
    assert count_open(project, lane="main") == {2: 1}
    assert count_open(project, lane="release/1") == {}


def test_of_a_deleted_run_nothing_is_open_but_merges_can_be_undone() -> None:
    project = a_renamed_project()
    delete_run(project.pk, 2)
    assert list_proposals(project) == []
    other = a_renamed_project()
    merge_all(other)
    delete_run(other.pk, 2)
    assert read_renames(other).n_merged == 1


def test_both_names_in_one_job_after_a_merge_look_wrong() -> None:
    project = a_renamed_project()
    merge_all(project)
    assert read_renames(project).merged[0].n_both == 0
    a_run(project, OLD | NEW | {"t.a::reads one user by name": "fail"}, hour=2)
    assert read_renames(project).merged[0].n_both == 1
    page = read_case(project, "reads a user by name")
    assert page.runs_with_both == (3,)
    assert [cell.letter for cell in page.histories[0].rows[0].cells] == ["·", "·", "F"]


def test_decisions_are_listed() -> None:
    project = a_renamed_project()
    pair = [(row.old, row.new) for row in list_proposals(project)]
    dismiss_proposals(project.pk, pairs=pair, user=a_user("ann"))
    renames = read_renames(project)
    assert (renames.n_proposed, renames.n_dismissed, renames.dismissed[0].proposal.decided_by) == (0, 1, "ann")
    assert write_renames(renames) == "No rename is waiting to be looked at."
    merge_cases(project.pk, pairs=pair, user=a_user("bob"), state="dismissed")
    project.refresh_from_db()
    assert write_renames(read_renames(project)) == "No rename is waiting; one case goes on under a new name."


def test_csv_names_every_pair() -> None:
    project = a_renamed_project()
    (pair,) = name_pairs(project, list_proposals(project))
    assert (pair.old.name, pair.new.name, pair.proposal.commit[:4]) == (
        "reads one user by name",
        "reads a user by name",
        "0000",
    )


# --- what other pages say --------------------------------------------------------------------------------------


def test_the_overview_and_the_run_say_it() -> None:
    project = a_renamed_project()
    rows = read_attention(project, read_standing(project), now=FIRST_MOMENT).rows
    assert [(row.word, row.subject) for row in rows if row.mark == "open"] == [
        ("renamed?", "1 case looks renamed in run 2")
    ]
    page = read_run_page(project, number=2)
    assert page is not None
    assert (page.n_renamed, page.n_gone) == (1, 1)
    merge_all(project)
    rows = read_attention(project, read_standing(project), now=FIRST_MOMENT).rows
    assert not [row for row in rows if row.mark in ("open", "absent")]
    page = read_run_page(project, number=2)
    assert page is not None
    assert (page.n_renamed, page.n_gone, page.gone.n) == (0, 0, 0)


def test_a_merged_case_has_one_history() -> None:
    project = a_project()
    a_run(project, OLD | {"t.a::reads one user by name": "fail"}, hour=0, text="said long ago")
    a_run(project, OLD | {"t.a::reads one user by name": "error"}, hour=1, text="said before")
    a_run(project, NEW | {"t.a::reads a user by name": "fail"}, hour=2, text="said now")
    merge_all(project)
    page = read_case(project, "reads a user by name")
    assert write_case(page) == "reads a user by name fails on main since run 1 of 2 Mar 2026, 3 runs in a row."
    assert [cell.letter for cell in page.histories[0].rows[0].cells] == ["F", "E", "F"]
    assert [(run.run, run.message) for run in page.broken] == [
        (3, "fail: t.a::reads a user by name"),
        (2, "error: t.a::reads one user by name"),
        (1, "fail: t.a::reads one user by name"),
    ]
    assert [former.case.name for former in page.formers] == ["reads one user by name"]
    run = read_run_page(project, number=2)
    assert run is not None
    (cause,) = run.failures.causes
    assert cause.said is not None
    assert (cause.cases[0].case.name, cause.said.text, cause.cases[0].lately) == (
        "reads a user by name",
        "said before",
        ("fail", "error"),
    )


def test_a_reason_given_under_the_former_name_is_the_case_s() -> None:
    project = a_project()
    a_run(project, OLD | {"t.a::reads one user by name": "skip"}, hour=0)
    a_run(project, NEW, hour=1)
    merge_all(project)
    page = read_run_page(project, number=1)
    assert page is not None
    assert [(reason.title, reason.cases[0].case.name) for reason in page.put_off.reasons] == [
        ("skip: t.a::reads one user by name", "reads a user by name")
    ]


def test_the_overview_s_failures_are_quoted_under_the_newest_name() -> None:
    project = a_project()
    a_run(project, OLD | {"t.a::reads one user by name": "fail"}, hour=0)
    a_run(project, NEW, hour=1)
    merge_all(project)
    delete_run(project.pk, 2)
    rows = read_attention(project, read_standing(project), now=FIRST_MOMENT).rows
    assert (rows[0].cases[0].name, rows[0].quoted) == ("reads a user by name", "fail: t.a::reads one user by name")


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n in (1, 300):
        project = a_project()
        names = [f"reads user number x{k}y" for k in range(n)]
        for hour in range(3):
            for place in ("t.users", "t.people.users")[:1] if hour < 2 else ("t.people.users",):
                a_run(project, {f"{place}::{name}": "pass" for name in names} | {"s::s": "pass"}, hour=hour)
        with counted_statements() as sent:
            renames = read_renames(project)
        assert renames.n_proposed == n
        costs.append(len(sent))
    assert costs[0] == costs[1] == 4


def test_a_count_for_one_run_reads_that_run_s_proposals_only() -> None:
    project = a_renamed_project()
    a_run(project, {"t.a::saves a user by name": "pass", "t.a::stays": "pass"}, hour=2)
    assert count_open(project) == {3: 1, 2: 1}
    assert [count_open(project, run=run) for run in (3, 7)] == [{3: 1}, {}]
    assert [count_open(project, lane=lane) for lane in ("main", "x")] == [{3: 1, 2: 1}, {}]
    assert [row.run for row in list_proposals(project, run=2)] == [2]


def test_what_is_only_counted_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The overview and every run's page count: thousands of proposals must not cost them a page's time."""
    project = a_renamed_project()
    monkeypatch.setattr("dashboard.queries.renames.json.loads", None)
    assert count_open(project) == {2: 1}


def test_without_proposals_it_costs_one_statement() -> None:
    project = a_project()
    with counted_statements() as sent:
        assert count_open(project) == {}
    assert len(sent) == 1

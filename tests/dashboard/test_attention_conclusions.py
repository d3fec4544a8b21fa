"""What was concluded, as rows of what needs attention: each leads to its page and is said from what is there."""

import pytest

from dashboard.queries import attention_conclusions
from dashboard.queries.attention_concern import Concern
from dashboard.queries.attention_conclusions import list_conclusions
from health.judging import judge_project
from health.models import Project
from tests.builders import a_project
from tests.scenes import Cases, a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def a_history(*runs: Cases, seconds: tuple[float, ...] = (), **more: object) -> Project:
    project = a_project()
    for hour, cases in enumerate(runs):
        a_run(project, cases, hour=hour, seconds=seconds[hour] if seconds else 0.01, **more)
    judge_project(project.pk)
    return project


def read(project: Project) -> list[Concern]:
    return list_conclusions(Project.objects.get(pk=project.pk), lane="main")


def test_nothing_is_said_of_what_holds() -> None:
    assert read(a_project()) == []
    assert read(a_history(green(), green(), green())) == []


def test_a_flaky_family_is_named_with_its_reason_and_rate() -> None:
    def cases(hour: int) -> Cases:
        words = {f"t.u::pager[{k}]": "fail" if hour in (1, 3) and k < 4 else "pass" for k in range(5)}
        return green(20) | words

    project = a_history(*[cases(hour) for hour in range(6)], commit="d1a80aa9" * 5)
    (row,) = read(project)
    assert (row.mark, row.word, row.subject) == ("flaky", "flaky", "4 cases of pager are flaky")
    assert ([case.name for case in row.cases], row.n_unnamed) == (["pager[0]", "pager[1]", "pager[2]"], 1)
    assert row.told == "Passed and broke on one commit, with nothing changed in between."
    assert (
        row.evidence
        == "d1a80aa9: 2 of its 6 runs broke; 8 of 24 results, 33\u00a0%; 17 to 54\u00a0% with 95\u00a0% confidence"
    )
    assert row.url == f"/p/{project.slug}/flaky/?state=flaky"
    assert row.since_url == f"/p/{project.slug}/runs/2/"


def test_several_flaky_tests_are_one_row() -> None:
    def word(*bad: int, hour: int, mark: str = "fail") -> str:
        return mark if hour in bad else "pass"

    runs = [green(case1=word(1, 3, hour=h), case2=word(1, 2, hour=h, mark="retry")) for h in range(6)]
    (row,) = read(a_history(*runs))
    assert (row.subject, row.told) == ("2 tests are flaky", "Passed on a retry, with nothing changed in between.")
    assert row.evidence.endswith("for the first")


def test_tests_that_stopped_running_lead_to_where_they_are_listed() -> None:
    project = a_history(green(8), green(8), green(6))
    (row,) = read(project)
    assert (row.rank, row.word, row.subject) == (4, "2 vanished", "2 tests stopped running since run 3")
    assert (row.told, row.evidence) == ("Deselected or removed; others beside them still run.", "last seen in run 2")
    assert (row.url, row.since_url) == (f"/p/{project.slug}/vanished/", f"/p/{project.slug}/runs/3/")


def test_what_stopped_running_long_ago_is_counted_and_not_listed() -> None:
    """In the hundredth run nobody is told of the first one's losses as if they were new."""
    runs = [green(40), green(37), *[green(37)] * 8, green(35), *[green(34)] * 3]
    rows = read(a_history(*runs))  # 3 in run 2 of 14; 2 in run 11 and 1 in run 12
    (row,) = (row for row in rows if row.mark == "absent")
    assert (row.word, row.subject) == ("3 vanished", "3 tests stopped running since run 11, 3 earlier")
    assert ([case.name for case in row.cases], row.n_unnamed) == (["case34", "case35", "case36"], 0)
    assert row.since_url.endswith("/runs/11/")
    assert row.evidence == "the latest last seen in run 11"

    assert [row.word for row in read(a_history(green(40), *[green(37)] * 12)) if row.mark == "absent"] == []


def test_flaky_tests_that_vanished_are_told_in_the_past_and_not_for_ever() -> None:
    def runs(n: int, n_after: int) -> list[Cases]:
        flaky = [{f"t::pager[{k}]": "fail" if hour in (1, 3) else "pass" for k in range(n)} for hour in range(6)]
        return [green(20) | words for words in flaky] + [green(20)] * n_after

    def subject(*history: Cases) -> str:
        return next((row.subject for row in read(a_history(*history)) if row.mark == "flaky"), "")

    assert subject(*runs(3, 2)) == "3 cases of pager were flaky until they vanished after run 6"
    assert subject(*runs(1, 2)) == "One test was flaky until it vanished after run 6"
    assert subject(*runs(3, 11)) == ""
    both = [cases | {"u::still": "fail" if hour in (2, 4) else "pass"} for hour, cases in enumerate(runs(2, 2))]
    assert subject(*both) == "One test is flaky, 2 more were until they vanished lately"
    assert subject(*runs(3, 0)) == "3 cases of pager are flaky"


def test_a_sliding_suite_is_told_although_all_is_green() -> None:
    counts = (40, 40, 38, 36, 33)
    project = a_history(*[green(n) for n in counts], suite="api")
    rows = {row.word: row for row in read(project)}
    row = rows["shrinking"]
    assert row.subject == "api declares 33 tests, 7 fewer than it did"
    assert row.told == "7 fewer than 3 runs ago, in three steps."
    assert row.url == f"/p/{project.slug}/vanished/#shrinking"


def test_slower_tests_say_from_what_to_what() -> None:
    project = a_history(*[green(2)] * 20, seconds=(*[0.2] * 12, *[0.9] * 8))
    (row,) = read(project)
    assert (row.word, row.subject) == ("slower", "2 tests became slower")
    assert row.told == "The first takes 900\u00a0ms, after 200\u00a0ms."
    assert row.evidence == "medians of 10 and 10 results"
    assert (row.since is not None, row.since_url) == (True, f"/p/{project.slug}/runs/13/")
    assert row.url == f"/p/{project.slug}/slow/#slower"


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n in (4, 60):
        flaky = {f"t::f{k}" for k in range(n)}
        runs = [
            green(4 * n)
            | dict.fromkeys(flaky, "fail" if hour in (1, 3) else "pass")
            | {f"g::{k}": "pass" for k in range(n)}
            for hour in range(12)
        ]
        project = a_history(*runs, green(3 * n))
        with counted_statements() as sent:
            assert {row.word.split()[-1] for row in read(project)} >= {"flaky", "vanished"}
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 10


def test_what_vanished_long_ago_hides_nothing_that_vanished_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    def word(hour: int, *bad: int) -> str:
        return "fail" if hour in bad else "pass"

    runs = []
    for hour in range(22):
        old = {"t::old": word(hour, 1, 3, 5)} if hour < 7 else {}
        lately = {"t::lately": word(hour, 8, 10)} if hour < 19 else {}
        runs.append(green(20) | old | lately)
    project = a_history(*runs)
    monkeypatch.setattr(attention_conclusions, "_MOST_READ", 1)
    (row,) = [row for row in read(project) if row.mark == "flaky"]
    assert [case.name for case in row.cases] == ["lately"]

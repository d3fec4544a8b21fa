"""What a run put off: grouped by the reasons, none left out, at a cost that does not grow."""

import pytest
from django.test import Client

from dashboard.queries import put_off
from dashboard.queries.case import read_case_page
from dashboard.queries.run import RunPage, read_run_page
from health.models import Failure, Fingerprint, Project
from health.rules import outcomes as codes
from tests.builders import a_project, a_user
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project, number: int = 1) -> RunPage:
    page = read_run_page(project, number=number)
    assert page is not None
    return page


def listed(page: RunPage) -> list[tuple[str, list[str]]]:
    return [(reason.title, [entry.case.name for entry in reason.cases]) for reason in page.put_off.reasons]


def test_every_deferred_case_is_listed_under_its_own_reason() -> None:
    project = a_project()
    a_run(project, green(6, case1="skip", case2="xfail", case3="fail"), hour=0)
    page = read(project)
    assert listed(page) == [("skip: tests.api::case1", ["case1"]), ("xfail: tests.api::case2", ["case2"])]
    assert [(e.mark, e.word) for reason in page.put_off.reasons for e in reason.cases] == [
        ("deferred", "skipped"),
        ("xfail", "expected failure"),
    ]
    assert page.put_off.n == page.counts.deferred == 2


def test_the_first_line_of_the_text_stands_in_for_a_message() -> None:
    project = a_project()
    a_run(project, green(4, case1="skip", case2="skip"), hour=0, text="no database here\nsecond line")
    Failure.objects.filter(project=project).update(message_length=0, text_offset=0, text_length=0)
    Failure.objects.filter(project=project, ord=1).update(text_offset=len("skip: tests.api::case1"), text_length=25)
    assert listed(read(project)) == [("", ["case2"]), ("no database here", ["case1"])]


def test_cases_without_a_reason_are_a_group() -> None:
    project = a_project()
    a_run(project, green(4, case1="skip", case2="skip"), hour=0)
    Failure.objects.filter(project=project).delete()
    assert listed(read(project)) == [("", ["case1", "case2"])]


def test_the_text_gone_the_fingerprint_still_knows_the_reason() -> None:
    project = a_project()
    a_run(project, green(4, case1="skip"), hour=0)
    Failure.objects.filter(project=project).update(text_offset=2**40)
    Fingerprint.objects.filter(project=project).update(message="needs /dev/kvm")
    ((title, names),) = listed(read(project))
    assert (title.startswith("needs "), names) == (True, ["case1"])


def test_what_is_beyond_the_first_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_off, "MOST_CASES", 3)
    project = a_project()
    a_run(project, {f"tests.a::case{k}": "skip" for k in range(5)}, hour=0)
    found = read(project).put_off
    assert (found.n_shown, found.n, sum(len(reason.cases) for reason in found.reasons)) == (3, 5, 3)


def test_a_family_is_one_row_as_in_the_matrix() -> None:
    project = a_project()
    windows = {f"t.termui::getchar_windows[{k}]": "skip" for k in range(4)}
    a_run(project, windows | {"t.termui::alone": "skip", "t.other::getchar_windows[0]": "skip"}, hour=0)
    Failure.objects.filter(project=project).delete()
    (reason,) = read(project).put_off.reasons
    assert sorted((family.first.case.place, len(family.cases)) for family in reason.families) == [
        ("t.other", 1),
        ("t.termui", 1),
        ("t.termui", 4),
    ]


@pytest.mark.parametrize(("n", "is_folded"), [(10, False), (11, True)])
def test_more_than_ten_are_folded_away(client: Client, n: int, is_folded: bool) -> None:
    ann = a_user("ann")
    client.force_login(ann)
    project = a_project("click", owner=ann)
    a_run(project, green(2) | {f"t.termui::getchar_windows[{k}]": "skip" for k in range(n)}, hour=0)
    Failure.objects.filter(project=project).delete()
    band = client.get("/p/click/runs/1/").text.split('id="put-off"')[1].split("</section>")[0]
    assert (f"<details><summary>{n} results, by one reason</summary>" in band) is is_folded
    assert f'<bdi class="id">getchar_windows</bdi><span class="id">[…]</span> {n}</summary>' in band
    assert band.count("</details>") == 1 + is_folded
    assert band.count("<li><a ") == n


def test_its_cost_does_not_grow() -> None:
    costs = []
    for slug, n_cases in (("none", 0), ("one", 1), ("many", 400)):
        project = a_project(slug)
        a_run(project, green(2) | {f"tests.a::skip{k}": "skip" for k in range(n_cases)}, hour=0)
        with counted_statements() as sent:
            read(project)
        costs.append(len(sent))
    assert costs[0] + 6 >= costs[1] == costs[2] <= 16  # four of them for the register


def test_a_case_says_why_it_is_put_off_and_a_broken_one_does_not() -> None:
    project = a_project()
    a_run(project, green(4, case1="skip", case2="fail"), hour=0)
    put_off_case, broken = (read_case_page(project, number=ord_) for ord_ in (1, 2))
    assert put_off_case is not None
    assert broken is not None
    assert (put_off_case.is_put_off, put_off_case.reason) == (True, "skip: tests.api::case1")
    assert (broken.is_put_off, broken.reason) == (False, "")
    assert put_off_case.latest is not None
    assert put_off_case.latest.outcome in codes.DEFERRED

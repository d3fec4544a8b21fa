"""What the pages of runs and cases say of a case's entry in the register, and the way there."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from dashboard.queries.case import read_case_page
from dashboard.queries.entry_marks import find_today, read_marks
from health.models import Case, DeferredCase, Failure, Membership, Project
from tests.builders import FIRST_MOMENT, a_project, a_user
from tests.register_scenes import a_backing, a_quarantine, an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = a_project("click", owner=a_user("ann"))
    a_run(project, green(6, case0="skip", case1="skip", case2="fail", case3="xfail"), hour=0)
    return project


@pytest.fixture
def ann(client: Client, project: Project) -> Client:
    client.force_login(project.memberships.get().user)
    return client


def test_marks_are_of_open_entries_in_one_statement(project: Project) -> None:
    entry = an_entry(project, "case0")
    an_entry(project, "case1", closed_at=FIRST_MOMENT)
    ords = [case.ord for case in Case.objects.filter(project=project)]
    with counted_statements() as sent:
        marks = read_marks(project, ords=ords, now=FIRST_MOMENT + timedelta(days=12))
    assert len(sent) == 1
    assert {ord_: (mark.kind, mark.told_days, mark.url) for ord_, mark in marks.items()} == {
        entry.ord: ("skip", "12 days", f"/p/click/deferred/{entry.pk}/")
    }
    with counted_statements() as sent:
        assert read_marks(project, ords=[]) == {}
    assert sent == []


def test_a_case_that_a_pattern_quarantines_leads_to_the_pattern(ann: Client, project: Project) -> None:
    pattern = a_quarantine(project, "tests/api/**", n_cases=2)
    own = an_entry(project, "case1")
    ords = {case.name: case.ord for case in Case.objects.filter(project=project)}
    for name in ("case1", "case2"):
        DeferredCase.objects.create(project=project, deferral=pattern, ord=ords[name])
    marks = read_marks(project, ords=ords.values())
    assert {ord_: mark.url for ord_, mark in marks.items()} == {
        ords["case1"]: f"/p/click/deferred/{own.pk}/",
        ords["case2"]: f"/p/click/deferred/{pattern.pk}/",
    }
    assert marks[ords["case2"]].is_quarantined
    assert f'href="/p/click/deferred/{pattern.pk}/">quarantined' in ann.get("/p/click/runs/1/").text
    page = ann.get(f"/p/click/cases/{ords['case2']}/").text
    assert f'<a href="/p/click/deferred/{pattern.pk}/">The whole story</a>' in page


def test_a_day_is_one_of_the_project_s_zone() -> None:
    project = Project(time_zone="Asia/Kolkata")
    assert f"{find_today(project, now=datetime(2026, 3, 2, 19, tzinfo=UTC))}" == "2026-03-03"


def test_the_run_leads_to_each_entry_with_its_age(ann: Client, project: Project) -> None:
    assert "Put off for" not in ann.get("/p/click/runs/1/").text
    entry = an_entry(project, "case0")
    page = ann.get("/p/click/runs/1/?fresh").text
    assert f'<td data-l="Put off for"><a href="/p/click/deferred/{entry.pk}/">' in page
    row = ann.get("/p/click/runs/1/?format=json&table=put-off").json()["rows"][0]
    assert row["entry"] == f"/p/click/deferred/{entry.pk}/"
    assert row["days"] > 0


def test_a_family_says_its_greatest_age(ann: Client, project: Project) -> None:
    a_run(project, {f"t::pager[{k}]": "skip" for k in range(4)}, hour=1)
    Failure.objects.filter(project=project, run=2).delete()  # without reasons they are one group
    an_entry(project, "pager[1]", opened_at=FIRST_MOMENT + timedelta(days=1))
    oldest = an_entry(project, "pager[2]")
    page = ann.get("/p/click/runs/2/").text
    assert f'<td data-l="Put off for"><a href="/p/click/deferred/{oldest.pk}/">up to ' in page
    assert f' <a class="quiet" href="/p/click/deferred/{oldest.pk}/">' in page
    for name in ("pager[0]", "pager[1]", "pager[3]"):
        an_entry(project, name)
    assert "up to" not in ann.get("/p/click/runs/2/?fresh").text


def test_a_failure_in_quarantine_says_so_and_counts(ann: Client, project: Project) -> None:
    entry = an_entry(project, "case2", kind="quarantine")
    page = ann.get("/p/click/runs/1/").text
    assert f'<a href="/p/click/deferred/{entry.pk}/">quarantined</a>' in page
    assert "1 failed" in page
    (row,) = ann.get("/p/click/runs/1/?format=json&table=failures").json()["rows"]
    assert row["quarantined"] is True


@pytest.mark.parametrize("kind", ["xfail", "quarantine", "skip"])
def test_a_case_that_passes_although_it_should_not_says_so(ann: Client, project: Project, kind: str) -> None:
    entry = an_entry(project, "case4", kind=kind, reason="too slow here", owner="ann", backing=a_backing(project))
    page = read_case_page(project, number=entry.ord or 0)
    assert page is not None
    assert page.passes_unexpectedly is (kind != "skip")
    text = ann.get(f"/p/click/cases/{entry.ord}/").text
    words = {"xfail": "passes unexpectedly", "quarantine": "passes now"}
    assert [word for word in words.values() if word in text] == [words[key] for key in words if key == kind]
    band = text.partition('id="put-off"')[2].partition("</section>")[0]
    for said in (f'href="/p/click/deferred/{entry.pk}/"', "too slow here", "ann", "backed", "run 1"):
        assert said in band


def test_a_case_that_runs_again_still_tells_of_its_past(ann: Client, project: Project) -> None:
    entry = an_entry(project, "case4", closed_at=FIRST_MOMENT + timedelta(days=3), ending="ran", is_put_off=False)
    band = ann.get(f"/p/click/cases/{entry.ord}/").text.partition('id="put-off"')[2].partition("</section>")[0]
    assert "Not any more." in band
    assert "runs again" in band


def test_only_who_may_is_asked_to_put_a_case_on_the_register(ann: Client, project: Project) -> None:
    ord_ = Case.objects.get(project=project, name="case4").ord
    assert f"/deferred/add/?case={ord_}" in ann.get(f"/p/click/cases/{ord_}/").text
    Membership.objects.filter(project=project).update(role="viewer")
    assert "deferred/add" not in ann.get(f"/p/click/cases/{ord_}/").text


def test_what_an_entry_says_is_shown_as_it_is_and_masked(ann: Client, project: Project) -> None:
    entry = an_entry(project, "case4", reason="<b>x</b>\u202e password=hunter2hunter2", owner="<i>o</i>")
    band = ann.get(f"/p/click/cases/{entry.ord}/").text.partition('id="put-off"')[2].partition("</section>")[0]
    assert "<b>x" not in band
    assert "<i>o" not in band
    assert "\u202e" not in band
    assert "hunter2" not in band

"""What is gone and looks renamed: counted in the sentences of run and compare, named on the case's page."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.filters import Filters
from dashboard.queries.compare import read_compare
from dashboard.queries.compare_sentences import write_compare
from dashboard.queries.facts import Changes, Counts
from dashboard.queries.sentences import write_run
from health.judging import judge_project
from health.models import Case, Project, RenameProposal
from tests.builders import a_project, a_user
from tests.scenes import a_run
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

REST = {"t.a::stays": "pass", "t.a::counts": "pass"}
OLD = {"t.a::reads one user by name": "pass", "t.a::unlike anything": "pass"}
NEW = {"t.a::reads a user by name": "pass"}


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_renamed_project() -> Project:
    project = a_project("click", owner=User.objects.filter(username="ann").first())
    a_run(project, REST | OLD, hour=0)
    a_run(project, REST | NEW, hour=1)
    judge_project(project.pk)
    return project


@pytest.mark.parametrize(
    ("gone", "renamed", "sentence"),
    [
        (148, 113, "148 tests are gone since run 5, 113 of them look renamed."),
        (2, 1, "Two tests are gone since run 5, one of them looks renamed."),
        (2, 2, "Two tests are gone since run 5, all of them look renamed."),
        (1, 1, "One test is gone since run 5 and looks renamed."),
        (1, 0, "One test is gone since run 5."),
    ],
)
def test_the_sentence_of_a_green_run(gone: int, renamed: int, sentence: str) -> None:
    counts = Counts(declared=9, passed=9)
    said = write_run(counts, Changes(gone=gone), is_complete=True, baselines=[5], n_renamed=renamed)
    assert said == f"All 9 executed tests passed. {sentence}"


def test_the_sentence_of_a_red_run() -> None:
    counts, changes = Counts(declared=9, passed=8, failed=1), Changes(new=1, gone=148)
    said = write_run(counts, changes, is_complete=True, baselines=[5], n_renamed=113)
    assert said == "One test broke that did not in run 5 and 148 tests are gone, 113 of them look renamed."


def test_run_and_compare_say_how_many(ann: Client) -> None:
    project = a_renamed_project()
    assert "Two tests are gone since run 1, one of them looks renamed.</h1>" in ann.get("/p/click/runs/2/").text
    page = read_compare(project, Filters(start="1", end="2"))
    assert write_compare(page) == (
        "From run 1 to run 2, one test came new and two tests are gone, one of them looks renamed; 2 of 5 results are"
        " alike."
    )
    RenameProposal.objects.update(state="dismissed")
    assert "renamed" not in write_compare(read_compare(project, Filters(start="1", end="2")))


def test_a_comparison_asks_once_and_only_where_something_is_gone() -> None:
    project = a_renamed_project()
    a_run(project, REST | NEW, hour=2)
    asked = []
    for start, end in (("1", "2"), ("2", "3")):
        with counted_statements() as sent:
            read_compare(project, Filters(start=start, end=end))
        asked.append(sum("health_renameproposal" in statement for statement in sent))
    assert asked == [1, 0]


def test_a_vanished_case_leads_to_the_one_it_may_be_now(ann: Client) -> None:
    project = a_renamed_project()
    old, new = (Case.objects.get(project=project, name=f"reads {who} user by name") for who in ("one", "a"))
    page = ann.get(f"/p/click/cases/{old.ord}/").text
    assert "<h1>reads one user by name no longer reports on main: last seen in run 1" in page
    assert f'It may be <a href="/p/click/cases/{new.ord}/"><bdi class="id">reads a user by name</bdi></a> now' in page
    assert '<a class="act" href="/p/click/renames/#proposed">Look at the proposal</a>' in page
    other = Case.objects.get(project=project, name="unlike anything")
    assert "It may be" not in ann.get(f"/p/click/cases/{other.ord}/").text


def test_a_long_name_is_cut_in_the_middle_of_the_headline(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {f"t.a::test_pager[{'x' * 200}-cat]": "pass"}, hour=0)
    page = ann.get("/p/click/cases/0/").text
    headline = page.split("<h1>")[1].split("</h1>")[0]
    assert headline.startswith("test_pager[xx")
    assert headline.endswith("x-cat] passes in its one run on main.")
    assert "…" in headline
    assert len(headline) < 130

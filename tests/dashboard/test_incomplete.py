"""A run that waits, or waited in vain: each page says so and names what is missing, and none calls it passed."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dashboard.filters import Filters
from dashboard.queries.run import read_run_page
from dashboard.queries.runs import list_runs
from dashboard.queries.standing import read_standing
from health.closings import close_overdue_runs, finish_run
from health.models import Project, Upload
from tests.builders import a_lost_upload, a_project, a_user
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

CALM = re.compile(r"\b(passing|calm|green)\b", re.IGNORECASE)
PASSED = 'data-s="pass">'


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


@pytest.fixture
def project(ann: Client) -> Project:
    """main was green; its newest run lacks something."""
    found = a_project("shop", owner=User.objects.get(username="ann"))
    a_run(found, green(), hour=0)
    return found


def text_of(ann: Client, address: str) -> str:
    """The words of a page's main part."""
    main = ann.get(address).text.split("<main", 1)[1].partition(">")[2].split("</main>")[0]
    return " ".join(unescape(re.sub("<[^>]*>", " ", re.sub("<script.*?</script>", "", main, flags=re.DOTALL))).split())


LACKS: list[tuple[dict[str, Any], str]] = [
    ({"shard": "1/3"}, "it waits for shards 2 and 3 of 3 of job tests"),
    ({"expected_jobs": 3}, "it waits for 2 of 3 jobs"),
    ({"state": "partial"}, "the report of job tests broke off"),
]


@pytest.mark.parametrize(("fields", "words"), LACKS, ids=str)
def test_every_page_names_what_is_missing_and_none_calls_the_run_passed(
    ann: Client, project: Project, fields: dict[str, Any], words: str
) -> None:
    a_run(project, green(), hour=1, **fields)
    run = text_of(ann, "/p/shop/runs/2/")
    assert run.startswith("incomplete ·")
    assert f"This run is incomplete: {words}. Of what arrived, all 6 executed tests passed." in run
    overview = text_of(ann, "/p/shop/")
    assert overview.startswith("incomplete ·")
    assert f"main is incomplete: {words.replace('it waits', 'run 2 waits')}. Of what arrived" in overview
    assert f"Run 2 is incomplete . {words[0].upper()}{words[1:]}. What arrived is counted." in overview
    runs = text_of(ann, "/p/shop/runs/")
    assert "Two runs, none of them red, one incomplete." in runs
    assert f"incomplete {words[0].upper()}{words[1:]}" in runs
    projects = text_of(ann, "/")
    assert "incomplete" in projects
    assert "A run on main is incomplete; what arrived passed." in projects
    assert "1 of 2 runs left it green" in overview  # the one before
    for page in (run, overview.replace("1 of 2 runs left it green", ""), projects):
        assert not CALM.search(page), page
    assert PASSED not in ann.get("/p/shop/runs/2/").text.split('<section class="band"')[0]
    assert ann.get("/p/shop/runs/?format=json").json()["rows"][0]["outcome"] == "incomplete"


def test_a_run_closed_by_the_clock_says_after_how_long_and_without_what(ann: Client, project: Project) -> None:
    a_run(project, green(), hour=1, shard="1/2")
    Upload.objects.filter(project=project).update(received_at=timezone.now() - timedelta(hours=6, minutes=2))
    assert close_overdue_runs(project.pk) == 1
    run = text_of(ann, "/p/shop/runs/2/")
    assert "This run is incomplete: it was closed after 6 hours without shard 2 of 2 of job tests." in run
    assert "main is incomplete: run 2 was closed after 6 hours without" in text_of(ann, "/p/shop/")


def test_a_report_that_could_not_be_read_and_one_that_is_unread_are_said_on_each_page(
    ann: Client, project: Project
) -> None:
    run = {"run_id": "9", "provider": "ci"}
    a_run(project, green(), hour=1, **run, job="tests")
    a_lost_upload(project, **run, job="e2e")
    words = "the report of job e2e could not be read"
    assert f"This run is incomplete: {words}. Of what arrived, all 6" in text_of(ann, "/p/shop/runs/2/")
    overview = text_of(ann, "/p/shop/")
    assert f"main is incomplete: {words}. Of what arrived" in overview
    assert not CALM.search(overview.replace("1 of 2 runs left it green", ""))
    assert f"incomplete {words[0].upper()}{words[1:]}" in text_of(ann, "/p/shop/runs/")
    a_lost_upload(project, **run, job="e2e", attempt=2, state="retry")
    assert f"This run is incomplete: 1 upload is still unread; {words}." in text_of(ann, "/p/shop/runs/2/")


def test_a_finished_run_is_whole(ann: Client, project: Project) -> None:
    a_run(project, green(), hour=1, run_id="9", shard="1/2")
    finish_run(project.pk, provider="ci", run_id="9", actor="ci")
    assert "incomplete" not in text_of(ann, "/p/shop/runs/2/")
    assert text_of(ann, "/p/shop/").startswith("passing ·")


def test_a_lane_is_not_green_while_a_job_is_awaited_although_each_that_came_is_whole(project: Project) -> None:
    a_run(project, green(), hour=1, run_id="9", expected_jobs=2)
    assert read_standing(project).verdict == ("stale", "incomplete")
    a_run(project, green(), hour=1, run_id="9", job="e2e")
    assert read_standing(project).verdict == ("pass", "passing")


def test_a_broken_test_of_an_incomplete_run_is_told_first(ann: Client, project: Project) -> None:
    a_run(project, green(case1="fail"), hour=1, shard="1/2")
    assert text_of(ann, "/p/shop/runs/2/").startswith("1 failed, incomplete ·")
    assert "main is failing" in text_of(ann, "/p/shop/")
    assert "It waits for shard 2 of 2 of job tests." in text_of(ann, "/p/shop/")


def test_of_several_incomplete_runs_the_newest_is_named(ann: Client, project: Project) -> None:
    a_run(project, green(), hour=1, shard="1/2")
    a_run(project, green(), hour=2, job="lint", shard="1/2")
    overview = text_of(ann, "/p/shop/")
    assert "2 runs are incomplete . Run 3 waits for shard 2 of 2 of job lint." in overview


def test_one_job_of_the_run_alone_lacks_only_its_own(ann: Client, project: Project) -> None:
    a_run(project, green(), hour=1, run_id="9", shard="1/2", job="e2e")
    a_run(project, green(), hour=1, run_id="9")
    page = read_run_page(project, number=2)
    assert page is not None
    series = {job.job: str(job.key.series) for job in page.jobs}
    assert text_of(ann, f"/p/shop/runs/2/?job={series['tests']}").startswith("passed ·")
    assert "it waits for shard 2 of 2 of job e2e." in text_of(ann, f"/p/shop/runs/2/?job={series['e2e']}")
    assert text_of(ann, "/p/shop/runs/2/").startswith("incomplete ·")


def test_a_job_s_name_cannot_write_on_the_page(ann: Client, project: Project) -> None:
    a_run(project, green(), hour=1, shard="1/2", job="<b>e\u202e</b>")
    for address in ("/p/shop/", "/p/shop/runs/", "/p/shop/runs/2/"):
        page = ann.get(address).text
        assert "<b>e" not in page
        assert "\u202e" not in page


def test_siblings_are_told_where_the_run_lists_its_deliveries(ann: Client, project: Project) -> None:
    a_run(project, green(case1="fail"), hour=1, run_id="9")
    a_run(project, green(), hour=1, run_id="9")
    page = text_of(ann, "/p/shop/runs/2/")
    assert page.startswith("1 failed ·")
    assert "Side by side: deliveries of one job ran the same tests" in page
    assert "6 of its tests also came with another delivery" in page
    assert "Side by side" not in text_of(ann, "/p/shop/runs/1/")


def test_whole_runs_cost_no_statement_more(project: Project) -> None:
    def count(ask: Any) -> int:
        with counted_statements() as sent:
            ask()
        return len(sent)

    asks = [
        lambda: read_run_page(project, number=1),
        lambda: list_runs(project, Filters()),
        lambda: read_standing(project),
    ]
    asks[0]()  # what is remembered from page to page is read now
    before = [count(ask) for ask in asks]
    a_run(project, green(), hour=1, shard="1/2")
    after = [count(asks[0]), *(count(ask) - 1 for ask in asks[1:])]
    assert after == before

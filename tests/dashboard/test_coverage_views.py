"""Coverage as pages and as files; and what the other pages say of a run that measured something."""

import csv
import io
import re

import pytest
from django.contrib.auth.models import User
from django.db.models import F
from django.test import Client

from dashboard.queries import coverage_reports
from dashboard.queries.coverage_reports import N_RUNS
from health.models import CoverageReport, Membership, Project
from tests.builders import a_project, a_user
from tests.coverage_scenes import counted, lines, measured
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

DAY = 24
LONG = "src/" + "very_long_name" * 70 + ".py"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def click(**fields: object) -> Project:
    return a_project("click", owner=User.objects.get(username="ann"), **fields)


def a_measured_project() -> Project:
    project = click(long_lived_branches=["release/*"])
    files = {"src/a.py": lines(10, 5), "src/b/c.py": lines(20, 20), "src/b/old.py": lines(3, 1)}
    measured(project, files, hour=0, level="unit")
    files = {"src/a.py": lines(10, 8, branches=(4, 2)), "src/b/c.py": lines(20, 20), LONG: counted(7, 0)}
    measured(project, files, hour=40 * DAY, level="unit")
    return project


def read_csv(answer: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer)))


def plain(html: str) -> str:
    """The text of the main part."""
    main = html.split("<main", 1)[1].split("</main", 1)[0]
    main = re.sub(r"<script.*?</script>", "", main, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main))


# --- the page ----------------------------------------------------------------------------------------------------


def test_the_page_says_how_much_of_what_in_which_run(ann: Client) -> None:
    a_measured_project()
    page = ann.get("/p/click/coverage/").text
    text = plain(page)
    assert "The unit tests ran 75.6 % of lines in the newest run of main: 28 of 37 lines of 3 files" in text
    assert "data as of 11 April 2026, 09:00" in text
    assert '<a href="/p/click/runs/2/">run 2</a>' in page
    assert 'data-figure="coverage-data"' in page
    assert '<a href="/p/click/coverage/" aria-current="page">Coverage</a>' in page
    assert '<a class="b" href="?directory=src%2Fb">' in page
    assert '<a href="/p/click/coverage/files/2/?branch=main">' in page
    assert "that one of the last two runs measured" in text
    assert "src/b/old.py" in text.split("Not measured now")[1]
    assert '<a href="/p/click/runs/1/">run 1</a>' in page


def test_a_directory_leads_up_and_keeps_the_choices(ann: Client) -> None:
    a_measured_project()
    page = ann.get("/p/click/coverage/?directory=src%2Fb&sort=path").text
    assert "The unit tests ran 100 % of lines in src/b in the newest run of main: 20 of 20 lines of one file" in page
    assert '<a href="?sort=path">everything</a>' in page
    assert '<a href="?directory=src&amp;sort=path">' in page
    assert 'href="?directory=src%2Fb&amp;sort=path&amp;table=files&amp;format=csv"' in page


def test_levels_and_branches_are_chosen_in_the_address(ann: Client) -> None:
    project = a_measured_project()
    measured(project, {"src/a.py": lines(10, (9, 10))}, hour=41 * DAY, level="e2e")
    measured(project, {"src/a.py": lines(10, 1)}, hour=42 * DAY, branch="release/1")
    page = ann.get("/p/click/coverage/").text
    assert "Both levels together ran" in page
    assert '<a href="?" aria-current="true">all</a>' in page
    assert '<a href="?level=e2e">e2e</a>' in page
    assert '<a href="?branch=release%2F1">release/1</a>' in page
    assert "together" in plain(page).split("Levels", 1)[1]
    chosen = ann.get("/p/click/coverage/?level=e2e").text
    assert "The e2e tests ran 20.0 % of lines in the newest run of main: 2 of 10 lines of one file." in chosen
    released = ann.get("/p/click/coverage/?branch=release/1").text
    assert "10.0 % of lines ran in the newest run of release/1: 1 of 10 lines of one file." in released
    assert 'href="/p/click/coverage/files/1/?branch=release%2F1"' in released


def test_each_table_is_a_file_at_the_same_address(ann: Client) -> None:
    project = a_measured_project()
    answer = ann.get("/p/click/coverage/?format=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="click-coverage-files.csv"'
    rows = read_csv(answer.text)
    assert [(row["path"][:12], row["lines_covered"], row["in_newest_run"]) for row in rows] == [
        (LONG[:12], "0", "True"),
        ("src/a.py", "8", "True"),
        ("src/b/c.py", "20", "True"),
        ("src/b/old.py", "1", "False"),
    ]
    (level,) = ann.get("/p/click/coverage/?format=json&table=levels").json()["rows"]
    assert (level["level"], level["run"], level["lines_valid"], level["branches_covered"]) == ("unit", 2, 37, 2)
    trend = read_csv(ann.get("/p/click/coverage/?format=csv&table=trend").text)
    assert [(row["day"], row["lines_covered"]) for row in trend] == [("2026-03-02", "26"), ("2026-04-11", "28")]
    directories = read_csv(ann.get("/p/click/coverage/?format=csv&table=directories").text)
    assert [(row["directory"], row["files"]) for row in directories] == [("(directly here)", "2"), ("src/b", "1")]
    measured(project, {"src/a.py": lines(10, (9, 10))}, hour=41 * DAY, level="e2e")
    row = next(row for row in read_csv(ann.get("/p/click/coverage/?format=csv").text) if row["path"] == "src/a.py")
    assert (row["lines_covered"], row["e2e: lines_covered"], row["unit: lines_covered"]) == ("10", "2", "8")


def test_the_answer_is_not_built_again_while_nothing_changed(ann: Client) -> None:
    a_measured_project()
    for url in ("/p/click/coverage/", "/p/click/coverage/?format=csv", "/p/click/coverage/files/1/"):
        first = ann.get(url)
        assert ann.get(url, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_nothing_sent_says_how_to_send_it(ann: Client) -> None:
    project = click()
    page = ann.get("/p/click/coverage/").text
    assert "<h1>No coverage has arrived yet.</h1>" in page
    assert "python3 suitewatch.py upload junit.xml coverage.xml" in page
    assert 'href="/p/click/start/"' in page
    assert ann.get("/p/click/coverage/?format=json").json()["rows"] == []
    Membership.objects.filter(project=project).update(role="viewer")
    assert 'href="/p/click/start/"' not in ann.get("/p/click/coverage/").text


def test_choices_that_fit_nothing_say_so(ann: Client) -> None:
    a_measured_project()
    for query in ("?branch=nowhere", "?level=nothing"):
        assert "No run fits these choices." in ann.get(f"/p/click/coverage/{query}").text
    assert "No report names a file here." in ann.get("/p/click/coverage/?directory=lib").text
    assert ann.get("/p/click/coverage/?directory=%00&sort=%00&before=x&format=nonsense").status_code == 200


def test_many_files_are_paged(ann: Client) -> None:
    measured(click(), {f"f{k:02}.py": lines(10, 0) for k in range(60)}, hour=0)
    first = ann.get("/p/click/coverage/").text
    following = re.search(r'href="(\?before=\d+)#files">Next files', first)
    assert following
    second = ann.get(f"/p/click/coverage/{following[1]}").text
    assert "f59.py" in second
    assert "f00.py" not in second
    assert "First files" in second
    assert len(read_csv(ann.get("/p/click/coverage/?format=csv").text)) == 60


def test_figures_on_a_page_never_count_the_source_itself(ann: Client) -> None:
    """The strip and the ranges are all a file page has of a file."""
    a_measured_project()
    page = ann.get("/p/click/coverage/files/1/").text
    assert "9–10" in plain(page)
    assert "<pre" not in page


# --- one file ----------------------------------------------------------------------------------------------------


def test_a_file_shows_its_lines_and_leads_back(ann: Client) -> None:
    a_measured_project()
    page = ann.get("/p/click/coverage/files/1/").text
    text = plain(page)
    assert "The unit tests ran 80.0 % of the lines of a.py, 8 of 10." in text
    assert "8 of 10 lines ran; 2 of 4 branches were taken." in text
    assert '<path class="left-out" d="M8 12h2v-12h-2z"/>' in page
    assert 'data-figure="history-data"' in page
    assert '<a href="/p/click/coverage/?branch=main&amp;directory=src">' in page
    assert '<a href="/p/click/runs/2/">Run 2</a>' in page
    rows = read_csv(ann.get("/p/click/coverage/files/1/?format=csv").text)
    assert [tuple(row.values()) for row in rows] == [("unit", "2", "1", "8", "True"), ("unit", "2", "9", "10", "False")]


def test_a_file_whose_lines_are_only_counted_says_so(ann: Client) -> None:
    a_measured_project()
    page = ann.get("/p/click/coverage/files/4/").text
    assert "does not say which they are" in page
    assert f'title="{LONG}"' not in page  # whole in its own band
    assert LONG in page


def test_a_file_that_is_gone_names_both_runs(ann: Client) -> None:
    a_measured_project()
    text = plain(ann.get("/p/click/coverage/files/3/").text)
    assert "Not measured by the newest run of main; last by run 1, 2 Mar 2026." in text
    assert "run 2 , the newest, did not measure it" in text


def test_a_file_left_out_here_leads_to_this_branch_though_another_one_measures_it(ann: Client) -> None:
    project = a_measured_project()
    measured(project, {"src/b/old.py": lines(3, 3)}, hour=41 * DAY, branch="release/1", level="unit")
    page = ann.get("/p/click/coverage/").text
    (url,) = re.findall(r'<a href="(/p/click/coverage/files/3/[^"]*)">', page)
    page = ann.get(url).text
    assert "Not measured by the newest run of main; last by run 1, 2 Mar 2026." in plain(page)
    assert '<a href="?branch=main" aria-current="true">main</a>' in page
    assert '<a href="?branch=release%2F1">release/1</a>' in page
    elsewhere = ann.get("/p/click/coverage/files/3/").text
    assert "The unit tests ran 100 % of the lines of old.py, 3 of 3." in plain(elsewhere)
    assert '<a href="/p/click/coverage/?branch=release%2F1">Coverage</a>' in elsewhere


def test_a_page_says_when_fewer_runs_were_read_than_there_are(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    a_measured_project()
    said = "None of the last two runs was read: reports this large take too long."
    pages = {n: f"/p/click/coverage/files/{n}/?branch=main" for n in (1, 3)} | {0: "/p/click/coverage/"}
    for url in pages.values():
        assert "reports this large" not in ann.get(url).text
    monkeypatch.setattr(coverage_reports, "_MOST_BYTES", 0)
    Project.objects.update(revision=F("revision") + 1)
    page = plain(ann.get(pages[0]).text)
    assert said in page.split("Not measured now")[1]
    assert "Whether older runs measured other files is not known." in page
    assert said in plain(ann.get(pages[1]).text).split("History")[1]
    gone = plain(ann.get(pages[3]).text)
    assert "It is not known whether a run of main has measured this file." in gone
    assert said in gone
    newest = CoverageReport.objects.order_by("run").last()
    assert newest is not None
    monkeypatch.setattr(coverage_reports, "_MOST_BYTES", len(newest.blob))
    for url in pages.values():
        assert "Of the last two runs only the newest one was read" in ann.get(url).text


def test_a_directory_that_was_not_looked_for_is_not_called_unknown(
    ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = click()
    measured(project, {"a.py": lines(1, 1), "old/x.py": lines(1, 1)}, hour=0)
    measured(project, {"a.py": lines(1, 1)}, hour=1)
    monkeypatch.setattr(coverage_reports, "_MOST_BYTES", 0)
    page = ann.get("/p/click/coverage/?directory=old").text
    assert "No report names a file here." not in page
    assert "None of the last two runs was read" in page


def test_a_file_that_only_older_runs_may_have_measured_is_not_called_never_measured(ann: Client) -> None:
    project = click()
    measured(project, {"b.py": lines(1, 1), "old.py": lines(1, 1)}, hour=0)
    for hour in range(1, 1 + N_RUNS):
        measured(project, {"b.py": lines(1, 1)}, hour=hour)
    page = plain(ann.get("/p/click/coverage/files/2/?branch=main").text)
    assert "None of the last 20 runs of main has measured this file." in page
    assert "None of the newest runs of this branch has measured this file." in page
    assert "No run of gone has measured this file." in plain(ann.get("/p/click/coverage/files/2/?branch=gone").text)


def test_a_file_of_another_project_is_not_found(ann: Client) -> None:
    a_measured_project()
    other = a_project("other")
    measured(other, {f"f{k}.py": lines(1, 1) for k in range(9)}, hour=0)
    assert ann.get("/p/click/coverage/files/9/").status_code == 404
    assert ann.get("/p/other/coverage/files/1/").status_code == 404


# --- the other pages ---------------------------------------------------------------------------------------------


def test_a_run_shows_what_it_measured_beside_its_tests(ann: Client) -> None:
    project = click()
    measured(project, {"a.py": lines(10, 4)}, hour=0, level="unit", cases=green())
    measured(project, {"a.py": lines(10, 6)}, hour=1, level="unit", cases=green())
    page = ann.get("/p/click/runs/2/").text
    text = plain(page).split("Coverage")[1]
    assert "6 of 10" in text
    assert "+20.0" in text
    assert '<a href="/p/click/runs/1/">run 1</a>, 4 of 10' in page
    assert '<a href="/p/click/coverage/?branch=main">' in page
    assert "Coverage" not in plain(ann.get(f"/p/click/runs/{a_plain_run(project)}/").text)


def a_plain_run(project: Project) -> int:
    return a_run(project, green(), hour=5).run or 0


def test_a_run_of_coverage_alone_is_no_run_of_no_tests(ann: Client) -> None:
    project = click()
    a_run(project, green(), hour=0)
    measured(project, {"a.py": lines(10, 4)}, hour=1, level="unit")
    run = plain(ann.get("/p/click/runs/2/").text)
    assert "This run sent coverage and no test results: unit 40.0 %, 4 of 10 lines." in run
    assert "no test results ·" in run
    assert "executed tests passed" not in run
    assert "in tests, added up" not in run
    assert "One delivery" in run
    listed = plain(ann.get("/p/click/runs/").text)
    assert "no test results main 00000000 coverage only unit 4 of 10" in listed
    overview = plain(ann.get("/p/click/").text)
    assert "main is green: all 6 executed tests passed." in overview
    assert "no test results coverage only 00000000 coverage unit 40.0 %, 4 of 10 lines" in overview
    assert "All trends" in overview
    row = read_csv(ann.get("/p/click/runs/?format=csv").text)[0]
    assert (row["outcome"], row["jobs"]) == ("no test results", "")
    assert (row["unit: lines_valid"], row["unit: lines_covered"], row["unit: branches_valid"]) == ("10", "4", "0")
    assert read_csv(ann.get("/p/click/runs/?format=csv").text)[1]["unit: lines_valid"] == ""


def test_a_project_of_coverage_alone_says_what_it_lacks(ann: Client) -> None:
    project = click()
    for hour in range(3):
        measured(project, {"a.py": lines(10, 4)}, hour=hour)
    overview = ann.get("/p/click/").text
    assert "No test results of main yet, only coverage: 40.0 %, 4 of 10 lines." in overview
    assert "So far only coverage has arrived." in overview
    assert 'href="/p/click/coverage/"' in overview
    projects = plain(ann.get("/").text)
    assert "Coverage came, and no test results yet." in projects
    assert "click waits for its first test results." in projects
    assert "2 Mar 2026" in projects
    trends = plain(ann.get("/p/click/trends/").text)
    assert "No test results yet, only coverage." in trends
    assert "So far only coverage has arrived" in trends
    for url in ("/p/click/trends/", "/p/click/runs/", "/p/click/uploads/", "/p/click/settings/"):
        assert ann.get(url).status_code == 200


def test_overview_and_coverage_page_say_the_same_of_several_levels(ann: Client) -> None:
    project = click()
    measured(project, {"a.py": lines(10, 4)}, hour=0, cases=green())
    measured(project, {"a.py": lines(20, 9)}, hour=1, level="unit")
    for hour in range(2, 4):
        measured(project, {"a.py": lines(10, 6)}, hour=hour, level="e2e")
    overview = plain(ann.get("/p/click/").text)
    said = "Line coverage 45.0 % 9 of 20 lines ran , by the unit tests. e2e: 6 of 10. no level: 4 of 10."
    assert said in overview
    assert (
        "The unit tests ran 45.0 % of lines in their newest run on main: 9 of 20" in ann.get("/p/click/coverage/").text
    )


def test_a_project_of_coverage_alone_names_every_level(ann: Client) -> None:
    project = click()
    measured(project, {"a.py": lines(10, 7)}, hour=0)
    measured(project, {"a.py": lines(10, 4)}, hour=1, level="unit")
    assert (
        "No test results of main yet, only coverage: no level 70.0 %, 7 of 10 lines; unit 40.0 %, 4 of 10 lines."
        in ann.get("/p/click/").text
    )


def test_what_a_report_counts_and_does_not_list_is_said_where_files_are(ann: Client) -> None:
    project = click()
    measured(project, {"a/x.py": lines(5, 5), "b/y.py": lines(6, 6)}, hour=0, level="unit", totals=(161, 161))
    measured(project, {"a/x.py": lines(5, 2)}, hour=1, level="e2e")
    text = plain(ann.get("/p/click/coverage/").text)
    assert "Unit counts 161 of 161 lines and lists 11 of 11." in text.split("Directories", 1)[1]
    assert "together unknown: unit counts other lines than it lists one by one" in text


def test_too_short_a_time_for_a_trend_leads_back_to_a_longer_one(ann: Client) -> None:
    a_measured_project()
    page = ann.get("/p/click/coverage/?span=quarter").text
    assert 'data-figure="coverage-data"' in page
    measured(Project.objects.get(slug="click"), {"src/a.py": lines(10, 9)}, hour=400 * DAY, level="unit")
    page = ann.get("/p/click/coverage/?span=quarter").text
    assert "One day with coverage in that time. A trend needs two." in page
    assert '<a href="?span=all">all</a>' in page


def test_a_share_says_that_it_is_cut(ann: Client) -> None:
    a_measured_project()
    for url in ("/p/click/coverage/", "/p/click/coverage/files/1/"):
        assert "never rounded up" in ann.get(url).text


def test_a_report_that_broke_off_is_compared_with_no_other_run(ann: Client) -> None:
    project = click()
    measured(project, {"a.py": lines(10, 4)}, hour=0, level="unit")
    measured(project, {"a.py": lines(5, 4)}, hour=1, level="unit", is_partial=True)
    text = plain(ann.get("/p/click/runs/2/").text)
    assert "not compared: more may have run" in text
    assert "+40.0" not in text


def test_coverage_is_one_of_the_four_numbers(ann: Client) -> None:
    project = click()
    measured(project, {"a.py": lines(10, 4)}, hour=0, level="unit", cases=green())
    measured(project, {"a.py": lines(10, 6)}, hour=1, level="unit", cases=green())
    measured(project, {"a.py": lines(10, 1)}, hour=2, level="e2e")
    page = ann.get("/p/click/").text
    text = plain(page)
    assert "Line coverage 60.0 % 6 of 10 lines ran , by the unit tests. e2e: 1 of 10." in text
    assert page.count("<h3>") == 4
    assert '<a href="/p/click/coverage/">60.0</a>' in page
    assert "Line coverage in 2 runs: higher now than at first" in page


def test_a_run_before_coverage_was_sent_has_an_empty_cell(ann: Client) -> None:
    project = click()
    a_run(project, green(), hour=0)
    assert "Lines that ran" not in ann.get("/p/click/runs/").text
    assert "Line coverage" not in ann.get("/p/click/").text
    measured(project, {"a.py": lines(10, 4)}, hour=1, cases=green())
    assert "Lines that ran" in ann.get("/p/click/runs/").text


def test_trends_of_everything_have_a_line_of_coverage(ann: Client) -> None:
    project = click()
    for day in range(2):
        measured(project, {"a.py": lines(10, 4 + day)}, hour=day * DAY, level="unit", cases=green(), variant="3.12")
    assert "Lines that ran, unit" in ann.get("/p/click/trends/").text
    for query in ("?by=suite", "?variant=3.12", "?level=e2e", "?branch=elsewhere"):
        assert "Lines that ran" not in ann.get(f"/p/click/trends/{query}").text


def test_the_list_of_runs_takes_as_many_statements_however_many_there_are(ann: Client) -> None:
    counts = []
    project = click()
    for n in (1, 20):
        for hour in range(n):
            measured(project, {"a.py": lines(10, 4)}, hour=hour + n, level="unit", cases=green())
        with counted_statements() as sent:
            ann.get("/p/click/runs/")
        counts.append(len(sent))
    assert counts[0] == counts[1]

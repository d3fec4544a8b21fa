"""The API tells the numbers of the pages: the same as their queries find, and as their pages show."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from dashboard.api.addresses import ADDRESSES
from dashboard.filters import Filters
from dashboard.queries.case import read_case_page
from dashboard.queries.cause import read_cause_page
from dashboard.queries.causes import read_causes_page
from dashboard.queries.compare import read_compare
from dashboard.queries.coverage import read_coverage
from dashboard.queries.coverage_file import read_file_page
from dashboard.queries.deferral import read_deferral
from dashboard.queries.deferred import read_deferred
from dashboard.queries.deliveries import list_days
from dashboard.queries.flaky import read_flaky
from dashboard.queries.matrix import read_matrix
from dashboard.queries.overview import read_overview
from dashboard.queries.renames import read_renames
from dashboard.queries.run import read_run_page
from dashboard.queries.runs import list_runs
from dashboard.queries.search import search_cases
from dashboard.queries.slow import read_slow
from dashboard.queries.trends import read_trends
from dashboard.queries.uploads import list_uploads
from dashboard.queries.vanished import read_vanished
from health.models import Fingerprint, Project, Upload
from health.rules import outcomes as codes
from tests.api_scenes import Reader, a_full_project, make_plain, place_of

pytestmark = pytest.mark.django_db
USUAL = Filters()


@pytest.fixture
def full() -> Reader:
    return Reader(a_full_project())


# --- As the queries find them ----------------------------------------------------------------------------------------


def compare_overview(project: Project, data: Any) -> None:
    found = read_overview(project, now=timezone.now())
    assert found.standing.head is not None
    counts = found.standing.head.counts
    assert data["sentence"] == found.sentence
    told = data["standing"]["head"]["counts"]
    assert "flaky" not in told  # a verdict elsewhere
    assert told["passed_on_retry"] == counts.flaky
    names = ("declared", "executed", "as_expected", "passed", "failed", "errored", "skipped", "xfailed")
    assert [told[name] for name in names] == [getattr(counts, name) for name in names]
    assert told["seconds"] == counts.seconds
    assert [row["subject"] for row in data["attention"]["rows"]] == [row.subject for row in found.attention.rows]
    assert [line["run"]["number"] for line in data["recent"]] == [line.run.number for line in found.recent]
    assert [(n["title"], n["figure"]) for n in data["numbers"]] == [(n.title, n.figure) for n in found.numbers]


def compare_trends(project: Project, data: Any) -> None:
    points = read_trends(project, USUAL).groups[0].points
    told = data["groups"][0]["points"]
    assert [(p["day"], p["executed"], p["declared"], p["seconds"], p["declared_once"]) for p in told] == [
        (p.day.isoformat(), p.executed, p.declared, p.seconds, p.declared_once) for p in points
    ]


def compare_runs(project: Project, data: Any) -> None:
    told = [(line["run"]["number"], line["run"]["counts"]["failed"], line["what"]) for line in data["lines"]]
    assert told == [(line.run.number, line.run.counts.failed, line.what) for line in list_runs(project, USUAL).lines]


def compare_run(project: Project, data: Any) -> None:
    found = read_run_page(project, number=data["run"]["number"])
    assert found is not None
    names = ("n_new", "n_still", "n_fixed", "n_gone", "previous", "is_complete")
    assert {name: data[name] for name in names} == {name: getattr(found, name) for name in names}
    assert data["counts"]["executed"] == found.counts.executed
    assert data["failures"]["n_broken"] == found.failures.n_broken > 0
    broken = [case["case"]["ord"] for cause in data["failures"]["causes"] for case in cause["cases"]]
    assert broken == [case.case.ord for cause in found.failures.causes for case in cause.cases]
    assert [suite["counts"]["declared"] for suite in data["suites"]] == [s.counts.declared for s in found.suites]
    assert data["put_off"]["n"] == found.put_off.n
    assert found.pairs is not None
    assert [c["n"] for row in data["pairs"]["rows"] for c in row["cells"]] == [
        c.n for row in found.pairs.rows for c in row.cells
    ]


def compare_case(project: Project, data: Any) -> None:
    found = read_case_page(project, number=data["case"]["ord"])
    assert found is not None
    cells = [cell["outcome"] for row in data["histories"][0]["rows"] for cell in row["cells"]]
    assert cells == [codes.WORDS[cell.outcome or 0] for row in found.histories[0].rows for cell in row.cells]
    assert data["word"] == found.word
    assert [timing["seconds"] for timing in data["timings"]] == [timing.seconds for timing in found.timings]
    verdicts = [verdict["word"] for verdict in data["judgement"]["verdicts"]]
    assert verdicts == [verdict.word for verdict in found.judgement.verdicts]


def compare_renames(project: Project, data: Any) -> None:
    found = read_renames(project)
    assert len(data["pairs"]) == found.n_proposed + found.n_merged + found.n_dismissed


def compare_coverage(project: Project, data: Any) -> None:
    found = read_coverage(project, USUAL)
    assert tuple(data["covered"].values()) == found.covered
    assert [(f["path"], f["covered"]["lines_covered"]) for f in data["files"]] == [
        (file.path, file.covered.lines_covered) for file in found.page
    ]
    assert data["n_files"] == found.n_files == 2


def compare_file(project: Project, data: Any) -> None:
    found = read_file_page(project, number=data["number"], filters=USUAL)
    assert found is not None
    assert [level["uncovered"] for level in data["levels"]] == [[list(r) for r in lv.uncovered] for lv in found.levels]


def compare_uploads(project: Project, data: Any) -> None:
    today = timezone.localdate()
    found = list_uploads(project, USUAL, today=today)
    assert [(line["public_id"], line["n_tests"]) for line in data["lines"]] == [
        (str(line.public_id), line.n_tests) for line in found.lines
    ]
    assert sum(day["n_kept"] for day in data["days"]) == sum(day.n_kept for day in list_days(project, today=today))


def compare_upload(project: Project, data: Any) -> None:
    upload = Upload.objects.get(public_id=data["public_id"])
    assert (data["receipt"], data["state"], data["run"]) == (upload.receipt, upload.state, upload.run)


def compare_flaky(project: Project, data: Any) -> None:
    found = read_flaky(project, USUAL)
    told = [(family["case"]["ord"], family["verdict"], family["n_bad"], family["n_ran"]) for family in data["families"]]
    assert told == [(family.case.ord, family.verdict, family.n_bad, family.n_ran) for family in found.families]
    assert (data["counts"], data["counts_gone"]) == (found.counts, found.counts_gone)
    assert [(f["name"], f["suite"], f["case"]["place"]) for f in data["families"]] == [
        (family.name, family.suite, family.case.place) for family in found.families
    ]
    assert all(family["suite"] for family in data["families"])
    judged = data["families"][0]["members"][0]["judged"]
    assert 0 <= judged["rate_low"] <= judged["n_bad"] / judged["n_ran"] <= judged["rate_high"] <= 1


def compare_vanished(project: Project, data: Any) -> None:
    found = read_vanished(project, USUAL)
    assert data["n_cases"] == found.n_cases > 0
    assert [(group["n"], group["suspicion"], group["last"]["run"]) for group in data["groups"]] == [
        (group.n, group.suspicion, group.last.run) for group in found.groups
    ]


def compare_deferred(project: Project, data: Any) -> None:
    found = read_deferred(project, USUAL, today=timezone.localdate())
    summary = found.summary
    assert (data["n"], data["n_entries"], data["debt"]) == (summary.n, summary.n_entries, summary.debt)
    assert [(line["entry"]["id"], line["n"], line["entry"]["days"]) for line in data["lines"]] == [
        (line.entry.id, line.n, line.entry.days) for line in found.lines.lines
    ]
    assert [(suite["name"], suite["told"]) for suite in data["suites"]] == [
        (suite.name, suite.told) for suite in found.suites
    ]
    assert {state["state"]: state["n"] for state in data["backings"]} == {
        state or "none": n for state, n in found.summary.by_backing.items()
    }


def compare_deferral(project: Project, data: Any) -> None:
    found = read_deferral(project, pk=data["entry"]["id"], today=timezone.localdate())
    assert found is not None
    names = ("kind", "reason", "days", "runs", "n_openings", "version")
    assert [data["entry"][name] for name in names] == [getattr(found.fact, name) for name in names]
    assert data["sentence"] == found.sentence
    assert [(span["first_run"], span["word"]) for span in data["spans"]] == [
        (span.first_run, span.word) for span in found.spans
    ]
    assert [(change["what"], change["run"]) for change in data["changes"]] == [
        (change.what, change.run) for change in found.changes
    ]


def compare_slow(project: Project, data: Any) -> None:
    found = read_slow(project, USUAL)
    assert [(s["case"]["ord"], s["seconds"], s["n"], s["seconds_before"]) for s in data["slowest"]] == [
        (speed.case.ord, speed.seconds, speed.n, speed.seconds_before) for speed in found.slowest
    ]
    assert [(suite["suite"], suite["seconds"]) for suite in data["suites"]] == [
        (suite.suite, suite.now.seconds) for suite in found.suites
    ]


def compare_causes(project: Project, data: Any) -> None:
    found = read_causes_page(project, USUAL)
    assert found is not None
    assert [(line["cause"]["key"], line["state"], line["count"]["broken"], line["n_of"]) for line in data["lines"]] == [
        (line.fact.key, line.state, line.count.broken, line.n_of) for line in found.lines
    ]
    assert data["total"]["broken"] == found.total.broken
    assert [(c["name"], c["count"]["broken"]) for c in data["categories"]] == [
        (category.name, category.count.broken) for category in found.categories
    ]


def compare_cause(project: Project, data: Any) -> None:
    fingerprint = Fingerprint.objects.filter(project=project).values_list("fingerprint", flat=True)[0]
    found = read_cause_page(project, fingerprint=fingerprint, filters=USUAL)
    assert (data["cause"]["key"], data["state"], data["n_of"]) == (found.fact.key, found.state, found.n_of)
    assert [case["broke"]["broken"] for case in data["evidence"]["cases"]] == [
        case.broke.broken for case in found.evidence.cases
    ]


def compare_matrix(project: Project, data: Any) -> None:
    found = read_matrix(project, USUAL)
    rows = [(row["ord"], row["cells"], row["n"]) for group in data["groups"] for row in group["rows"]]
    assert rows == [
        (row.ord, [codes.WORDS[cell] for cell in row.cells], row.n) for group in found.groups for row in group.rows
    ]
    assert [column["run"] for column in data["columns"]] == [column.run for column in found.columns]
    assert data["facts"]["n_broken"] == found.facts.n_broken


def compare_search(project: Project, data: Any) -> None:
    found = search_cases(project, Filters(search="case"))
    assert data["n"] == found.n > 0
    assert [hit["case"]["ord"] for row in data["rows"] for hit in row["hits"]] == [
        hit.case.ord for row in found.rows for hit in row.hits
    ]


def compare_sides(project: Project, data: Any) -> None:
    found = read_compare(project, USUAL)
    changes = found.changes
    assert tuple(data["changes"].values()) == (changes.new, changes.still, changes.fixed, changes.gone)
    assert found.table is not None
    assert data["table"]["n_changed"] == found.table.n_changed > 0
    assert found.cell is not None
    assert (data["cell"]["key"], data["cell"]["n"]) == (found.cell.key, found.cell.n)


COMPARED: dict[str, Callable[[Project, Any], None]] = {
    "overview": compare_overview,
    "trends": compare_trends,
    "runs": compare_runs,
    "run": compare_run,
    "case": compare_case,
    "renames": compare_renames,
    "coverage": compare_coverage,
    "coverage-file": compare_file,
    "uploads": compare_uploads,
    "upload": compare_upload,
    "flaky": compare_flaky,
    "vanished": compare_vanished,
    "deferred": compare_deferred,
    "deferral": compare_deferral,
    "slow": compare_slow,
    "causes": compare_causes,
    "cause": compare_cause,
    "matrix": compare_matrix,
    "search": compare_search,
    "compare": compare_sides,
}


def test_every_address_is_compared() -> None:
    assert set(COMPARED) == set(ADDRESSES)


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_figures_are_those_of_the_query(full: Reader, name: str) -> None:
    answer = full.get(place_of(full.project, name))
    COMPARED[name](full.project, answer["data"])
    assert set(answer) == {"as_of", "page", "next", "data"}
    assert answer["as_of"]["run"] is not None
    assert answer["as_of"]["ran_at"].endswith("Z")


@pytest.mark.parametrize("name", ADDRESSES)
def test_the_page_an_answer_names_is_there(full: Reader, name: str) -> None:
    page = full.get(place_of(full.project, name))["page"]
    assert page.startswith("http")
    assert full.browser.get("/" + page.split("/", 3)[3]).status_code == 200


@pytest.mark.parametrize("name", [name for name in ADDRESSES if name not in ("upload", "uploads")])
def test_an_answer_is_as_of_the_run_that_its_page_names(full: Reader, name: str) -> None:
    """Those two name the moment of the newest delivery instead."""
    answer = full.get(place_of(full.project, name))
    shown = full.show(answer["page"].partition("/p/full/")[2])
    assert f"Data as of run {answer['as_of']['run']}" in shown


@pytest.mark.parametrize("name", ADDRESSES)
def test_a_page_leads_to_its_figures_with_its_filters(full: Reader, name: str) -> None:
    answer = full.get(place_of(full.project, name))
    page = "/p/full/" + answer["page"].partition("/p/full/")[2].partition("?")[0]
    html = full.browser.get(f"{page}?branch=main&format=&table=x").text
    link = re.findall(r'href="([^"]+)">These figures as JSON', html)
    assert link == [f"/api/v1/projects/full/{place_of(full.project, name).partition('?')[0]}?branch=main"]
    assert full.browser.get(link[0]).status_code == 200


# --- As the pages show them ------------------------------------------------------------------------------------------


def test_the_overview_shows_these_words(full: Reader) -> None:
    data, shown = full.get("overview")["data"], full.show("")
    assert data["sentence"] in shown
    for number in data["numbers"]:
        assert number["figure"] in shown
        assert make_plain(number["whole"]) in shown


def test_the_run_shows_these_numbers(full: Reader) -> None:
    data, shown = full.get("runs/8")["data"], full.show("runs/8/")
    counts = data["counts"]
    assert f"{counts['as_expected']} of {counts['executed']}" in shown
    assert f"{counts['executed']} of {counts['declared']}" in shown
    assert data["verdict"]["word"] in shown
    assert f"{data['failures']['n_broken']} broken results" in shown


def test_flaky_shows_these_rates(full: Reader) -> None:
    data, shown = full.get("flaky")["data"], full.show("flaky/")
    for family in data["families"]:
        assert make_plain(family["rate"]) in shown


def test_causes_show_this_sentence(full: Reader) -> None:
    assert full.get("causes")["data"]["sentence"] in full.show("causes/")

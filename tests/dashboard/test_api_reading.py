"""Reading through the API as programs do: filters, long lists, what is missing, hostile names; and what it costs."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.utils.html import strip_tags

from dashboard.api.addresses import ADDRESSES
from dashboard.api.operations import API
from dashboard.api.parameters import DESCRIPTIONS
from dashboard.filters import Filters
from dashboard.queries.flaky import read_flaky
from health.judging import judge_project
from health.renames import merge_cases
from tests.api_scenes import Reader, a_full_project, make_plain, place_of
from tests.builders import a_project
from tests.scenes import a_run, a_steady_project
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def full() -> Reader:
    return Reader(a_full_project())


# --- Filters, pages of a list, empty projects, hostile names ---------------------------------------------------------


def test_filters_are_those_of_the_pages(full: Reader) -> None:
    assert (
        full.get("flaky?state=broken")["data"]["n_families"]
        == read_flaky(full.project, Filters(state="broken")).n_families
    )
    assert full.get("runs?branch=nowhere")["data"]["lines"] == []
    assert full.get("trends?by=job")["data"]["groups"][0]["name"] == "tests"
    assert full.get("matrix?search=case2")["data"]["n_rows"] == 1
    assert full.get("runs?branch=nowhere")["page"].endswith("/p/full/runs/?branch=nowhere")
    assert full.get("compare?from=1&to=2")["data"]["sides"]["now"]["asked"] == "2"
    assert "from=1" in full.get("compare?from=1&to=2")["page"]


def test_a_job_of_a_run(full: Reader) -> None:
    series = full.get("runs/8")["data"]["jobs"][0]["key"]["series"]
    assert full.get(f"runs/8?job={series}")["data"]["chosen"]["key"] == {"run": 8, "series": series}
    assert full.get("runs/8")["data"]["chosen"] is None


@pytest.mark.parametrize(("name", "key"), [("runs", "lines"), ("uploads", "lines")])
def test_a_long_list_goes_on_at_next(name: str, key: str) -> None:
    reader = Reader(a_steady_project("long", n_runs=60, n_cases=4))
    address, seen = name, []
    while address:
        answer = reader.get(address)
        seen += [json.dumps(line) for line in answer["data"][key]]
        address = (answer["next"] or "").rpartition("/projects/long/")[2]
        assert (answer["next"] or "http").startswith("http")
    assert len(seen) == len(set(seen)) == 60


@pytest.mark.parametrize("name", [name for name in ADDRESSES if "<" not in ADDRESSES[name]])
def test_a_project_without_anything_answers(name: str) -> None:
    answer = Reader(a_project("empty")).get(ADDRESSES[name])
    assert answer["as_of"] == {"run": None, "ran_at": None}
    assert answer["next"] is None


@pytest.mark.parametrize(
    "path", ["runs/99", "cases/99", "coverage/files/99", "causes/00000000000000ff", "causes?run=99"]
)
def test_what_is_not_there_is_not_found(full: Reader, path: str) -> None:
    response = full.client.get(f"/api/v1/projects/full/{path}", headers=full.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


def test_a_merged_case_answers_under_its_newest_name(full: Reader) -> None:
    pair = full.get("renames")["data"]["pairs"][0]
    old, new = pair["old"]["ord"], pair["new"]["ord"]
    user = User.objects.get(username="full-owner")
    assert merge_cases(full.project.pk, pairs=[(old, new)], user=user) == 1
    answer = full.get(f"cases/{old}")
    assert answer["data"]["case"]["ord"] == new
    assert [former["case"]["ord"] for former in answer["data"]["formers"]] == [old]
    assert answer["page"].endswith(f"/cases/{new}/")


HOSTILE = [
    "<script>alert(1)</script>",
    '"}],"x":[{',
    "=cmd()",
    "user\u202egnp.exe",
    "a\u0085b\u2028c",
    "%s{0}",
    "\ue000",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_come_back_byte_for_byte(name: str) -> None:
    project = a_project("hostile")
    a_run(project, {f"{name}::{name}": "fail"}, hour=1, job=name, variant=name, suite=name, text=name)
    judge_project(project.pk)
    reader = Reader(project)
    case = reader.get("cases/0")["data"]["case"]
    assert (case["name"], case["class_name"]) == (name, name)
    run = reader.get("runs/1")["data"]
    assert run["jobs"][0]["job"] == name
    assert run["suites"][0]["name"] == name
    for path in ("overview", "matrix", "flaky", "causes", "runs", "trends", "slow", "compare?from=1&to=1"):
        response = reader.client.get(f"/api/v1/projects/hostile/{path}", headers=reader.headers)
        assert response.headers["Content-Type"] == "application/json; charset=utf-8"
        json.loads(response.content)


# --- What it costs ---------------------------------------------------------------------------------------------------

MOST_STATEMENTS = 45  # of the pages that read most; the token and its project are one of them


def count_statements(reader: Reader) -> dict[str, int]:
    counted = {}
    for name in ADDRESSES:
        address = place_of(reader.project, name)
        reader.get(address)  # the token's use is noted once a minute, and some things are kept in the process
        with counted_statements() as sent:
            reader.get(address)
        counted[name] = len(sent)
    return counted


def test_the_number_of_statements_does_not_grow_with_the_project() -> None:
    # With three variants and more the run that is asked for is the newest: of older ones less is known.
    small = count_statements(Reader(a_full_project("small", n_variants=3)))
    large = count_statements(Reader(a_full_project("large", n_runs=14, n_cases=60, n_variants=6)))
    assert {name: n for name, n in large.items() if n > small[name] + 2} == {}
    assert max(large.values()) <= MOST_STATEMENTS, large


# --- No page learns a filter that the API does not know --------------------------------------------------------------

# What may stand in an address and changes how a page looks, and no figure.
OF_LOOKS = {"view", "measure", "rows"}
NARROWING = {
    "before": "2",
    "by": "suite",
    "span": "all",
    "sort": "path",
    "order": "name",
    "rank": "rate",
    "rows": "1000",
}


def take_filters(name: str) -> set[str]:
    """The filters that the document tells of this address."""
    told = API.get_openapi_schema(path_prefix="api/v1/")["paths"]
    path = re.sub(r"<\w+:(\w+)>", r"{\1}", f"/api/v1/projects/{{slug}}/{ADDRESSES[name]}")
    return {parameter["name"] for parameter in told[path]["get"]["parameters"] if parameter["in"] == "query"}


@pytest.mark.parametrize("name", ADDRESSES)
def test_whatever_a_page_is_narrowed_by_is_a_parameter_here(full: Reader, name: str) -> None:
    place = place_of(full.project, name)
    link = "&" if "?" in place else "?"
    page = "/p/full/" + full.get(place)["page"].partition("/p/full/")[2]
    before = words_of(full, page)
    found = set()
    for word in set(DESCRIPTIONS) - take_filters(name) - OF_LOOKS:
        if words_of(full, f"{page}{link}{word}={NARROWING.get(word, 'zzz')}") != before:
            found.add(word)
    assert found == set(), f"{name} is narrowed by these on its page"


def words_of(reader: Reader, page: str) -> str:
    """What a page says; 404 is an answer, too."""
    response = reader.browser.get(page)
    return make_plain(strip_tags(response.text.partition("<main")[2])) if response.status_code == 200 else "nothing"

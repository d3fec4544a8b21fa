"""The demo is the recorded history: case by case where the recordings are, else by its own totals."""

import gzip
import json
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from ingest.parsers.coverage import read_coverage
from ingest.parsers.coverage.types import CoverageLimits

ROOT = Path(__file__).resolve().parents[2]
HISTORY = ROOT.parent / "shared" / "samples" / "history"
PROJECTS = {"click": (40, 10), "more-itertools": (30, 0)}


def index_of(slug):
    return json.loads((ROOT / "demo" / slug / "runs.json").read_text(encoding="utf-8"))


RUNS = [(slug, run) for slug in PROJECTS for run in index_of(slug)["runs"]]
EACH_RUN = pytest.mark.parametrize(("slug", "run"), RUNS, ids=[f"{slug}-{run['run_id']}" for slug, run in RUNS])


def read_plain(path):
    with gzip.open(path) as packed:
        return packed.read()


def read_cases(path):
    """(classname, name, outcome, time, messages) of each testcase, in order; skipped wins, then error."""
    cases = []
    for case in ET.fromstring(read_plain(path)).iter("testcase"):
        kinds = [child.tag for child in case]
        outcome = next((kind for kind in ("skipped", "error", "failure") if kind in kinds), "passed")
        messages = [(child.tag, child.get("type"), child.get("message")) for child in case]
        cases.append((case.get("classname"), case.get("name"), outcome, case.get("time"), messages))
    return cases


def recording_of(slug, run):
    """The folder the run was made from, found by its name and commit."""
    day, _, rest = run["run_id"].partition("_")
    commit, _, repeat = rest.partition("_repeat-")
    return HISTORY / slug / (f"flaky-{commit}/run-{int(repeat)}" if repeat else f"{day}_{commit}")


@EACH_RUN
def test_the_totals_are_those_of_the_index(slug, run):
    cases = [case for name in run["files"] for case in read_cases(ROOT / "demo" / slug / name)]
    outcomes = [outcome for _classname, _name, outcome, _time, _messages in cases]
    assert run["expected"] == {
        "tests": len(cases),
        "passed": outcomes.count("passed"),
        "failed": outcomes.count("failure"),
        "errored": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }


@pytest.mark.skipif(not HISTORY.is_dir(), reason="the recordings lie beside the repository, not in it")
@EACH_RUN
def test_each_case_is_the_recorded_one(slug, run):
    recording = recording_of(slug, run)
    (name,) = run["files"]
    assert read_cases(ROOT / "demo" / slug / name) == read_cases(recording / "junit.xml.gz")
    meta = json.loads((recording / "meta.json").read_text(encoding="utf-8"))
    assert (run["commit"], run["branch"], run["committed_at"]) == (
        meta["commit"],
        meta["branch"],
        meta["committed_at"],
    )
    assert run["variant"] == f"python {meta['python'].rsplit('.', 1)[0]}"


@pytest.mark.skipif(not HISTORY.is_dir(), reason="the recordings lie beside the repository, not in it")
@EACH_RUN
def test_each_hit_line_is_the_recorded_one(slug, run):
    if "coverage" not in run:
        assert "_repeat-" in run["run_id"]
        return
    recorded = read_plain(recording_of(slug, run) / "coverage.lcov.gz").decode().splitlines()
    kept = read_plain(ROOT / "demo" / slug / run["coverage"]).decode().splitlines()
    hits = ("SF:", "DA:", "LF:", "LH:", "BRF:", "BRH:")
    assert [line for line in kept if line != "end_of_record"] == [line for line in recorded if line.startswith(hits)]


@EACH_RUN
def test_the_coverage_is_read_as_the_index_says(slug, run):
    assert ("coverage" in run) == ("expected_coverage" in run)
    if "coverage" in run:
        path = ROOT / "demo" / slug / run["coverage"]
        plain = read_plain(path)
        report = read_coverage(lambda: BytesIO(plain), filename="report", limits=CoverageLimits())
        found = {name: getattr(report, name) for name in run["expected_coverage"]}
        assert {**found, "files": len(report.files)} == run["expected_coverage"]
        assert not report.warnings


@pytest.mark.skipif(not HISTORY.is_dir(), reason="the recordings lie beside the repository, not in it")
def test_the_coverage_is_that_of_the_manifest_at_every_commit():
    manifest = json.loads((HISTORY.parent / "MANIFEST.json").read_text(encoding="utf-8"))["history"]
    recorded = {
        (entry["commit"], name): value
        for entries in manifest.values()
        for entry in entries
        for name, value in entry.get("coverage.lcov.gz", {}).items()
    }
    kept = {(run["commit"], name): value for _, run in RUNS for name, value in run.get("expected_coverage", {}).items()}
    assert len(kept) == 60 * 5
    assert kept == recorded


@pytest.mark.skipif(not HISTORY.is_dir(), reason="the recordings lie beside the repository, not in it")
def test_no_recording_was_left_out():
    recorded = sorted(path.parent for path in HISTORY.glob("*/**/junit.xml.gz"))
    assert sorted(recording_of(slug, run) for slug, run in RUNS) == recorded


@EACH_RUN
def test_no_source_line_and_no_folder_of_the_machine_remains(slug, run):
    for name in run["files"]:
        plain = read_plain(ROOT / "demo" / slug / name)
        assert b"/srv/" not in plain
        document = ET.fromstring(plain)
        assert {element.tag for element in document.iter()} <= {
            *("testsuites", "testsuite", "testcase", "skipped", "failure", "error")
        }
        for element in document.iter():
            texts = [element.text or "", element.tail or "", element.get("message") or ""]
            lines = [line for text in texts for line in text.splitlines()]
            assert not [line for line in lines if line.startswith((">", "    ", "E  ", "def ", "class "))]
            assert max(map(len, texts)) < 200
        failures = [*document.iter("failure"), *document.iter("error")]
        assert all(len((failure.text or "").splitlines()) == 1 for failure in failures)
    if "coverage" in run:
        records = read_plain(ROOT / "demo" / slug / run["coverage"]).decode().splitlines()
        assert {record.partition(":")[0] for record in records} == {
            *("SF", "DA", "LF", "LH", "BRF", "BRH", "end_of_record")
        }


@pytest.mark.parametrize("slug", PROJECTS)
def test_runs_stand_in_order_with_true_dates(slug):
    runs = index_of(slug)["runs"]
    n_runs, n_repeats = PROJECTS[slug]
    assert (len(runs), len({run["run_id"] for run in runs})) == (n_runs, n_runs)
    ran_at = [datetime.fromisoformat(run["ran_at"]) for run in runs]
    assert ran_at == sorted(ran_at)
    late = [datetime.fromisoformat(run["ran_at"]) - datetime.fromisoformat(run["committed_at"]) for run in runs]
    assert [delay for delay in late if delay] == [timedelta(minutes=minute) for minute in range(1, n_repeats + 1)]


@pytest.mark.parametrize("slug", PROJECTS)
def test_the_index_names_every_file_and_nothing_else(slug):
    named = {name for run in index_of(slug)["runs"] for name in [*run["files"], run.get("coverage")] if name}
    assert named | {"runs.json"} == {path.name for path in (ROOT / "demo" / slug).iterdir()}


def test_the_demo_is_small_and_names_its_licences():
    assert sum(path.stat().st_size for path in (ROOT / "demo").rglob("*") if path.is_file()) < 1_500_000
    readme = (ROOT / "demo" / "README.md").read_text(encoding="utf-8")
    for slug in PROJECTS:
        project = index_of(slug)["project"]
        assert project["repository"] in readme
        assert project["licence"] in readme

"""The bench stays alive: its pieces run on small sizes and judge what they measured. No time is asserted here."""

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import report
from benchmarks.figures import FLOORS, Figure, Floor, Section, short
from benchmarks.fresh import FreshCallError, call_fresh
from benchmarks.generator import generate_cases, write_report
from benchmarks.inside import store, worker
from benchmarks.pieces import coverage, parse
from benchmarks.timing import compare, interleave, percentile
from benchmarks.workbench import QUICK, Workbench


@pytest.fixture
def bench():
    """A run of the smallest size, whose servers nobody starts."""
    made = Workbench(replace(QUICK, sizes=(200,), rounds=1))
    yield made
    made.close()


# --- generated reports -----------------------------------------------------------------------------------------------


def test_a_report_declares_what_it_lists_and_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one.xml", "two.xml"):
        write_report(tmp_path / name, 400)
    assert (tmp_path / "one.xml").read_bytes() == (tmp_path / "two.xml").read_bytes()
    suite = ET.parse(tmp_path / "one.xml").getroot()[0]
    assert len(suite) == 400 == int(suite.get("tests"))
    assert len(suite.findall("*/failure")) == int(suite.get("failures")) > 0
    assert len(suite.findall("*/skipped")) == int(suite.get("skipped")) > 0


def test_variants_share_names_and_differ_in_some_outcomes() -> None:
    one, two = (list(generate_cases(2_000, variant=variant)) for variant in (0, 1))
    assert [case.name for case in one] == [case.name for case in two]
    assert len({(case.class_name, case.name) for case in one}) == 2_000
    flips = sum(a.outcome != b.outcome for a, b in zip(one, two, strict=True))
    assert 0 < flips < 60
    assert 20 < sum(case.outcome == "fail" for case in one) < 60


# --- pieces ----------------------------------------------------------------------------------------------------------


def test_parsing_is_measured_beside_its_peers(bench: Workbench) -> None:
    section = parse.measure(bench)
    assert section.notes == []
    assert {figure.name for figure in section.figures} == {
        "parse.of_expat.200",
        "parse.over_iterparse.200",
        "parse.over_junitparser.200",
    }
    assert all(figure.value > 0 for figure in section.figures)


def test_coverage_is_measured_beside_the_shortest_program(bench: Workbench) -> None:
    bench.effort = replace(bench.effort, coverage_lines=1_450, has_servers=False)
    section = coverage.measure(bench)
    assert section.notes == []
    assert {figure.name for figure in section.figures} == {
        "coverage.lines_per_second.1450",
        "coverage.of_expat.1450",
        "coverage.over_plain_program.1450",
    }
    assert all(figure.value > 0 for figure in section.figures)


@pytest.mark.django_db(transaction=True)
def test_storing_is_measured_beside_copy(bench: Workbench) -> None:
    reports = [str(bench.shelf.plain(200, variant=variant)) for variant in range(2)]
    readings = store.compare_with_copy(reports=reports, repeats=2)
    wanted = {"cold": 1, "store": 2, "copy": 2}
    assert {name: len(values) for name, values in readings.items()} == wanted | {
        f"{name}_cpu": n for name, n in wanted.items()
    }


@pytest.mark.django_db(transaction=True)
def test_the_workers_whole_way_is_measured(bench: Workbench) -> None:
    packed, plain = [str(bench.shelf.packed(200))], [str(bench.shelf.plain(200))]
    readings = worker.measure_cpu(packed=packed, plain=plain, repeats=2)
    assert all(len(values) == 2 for values in readings.values())


def test_a_broken_measurement_says_why_and_a_slow_one_ends() -> None:
    with pytest.raises(FreshCallError, match="KeyError"):
        call_fresh("benchmarks.readers:read_often", seconds=30, arguments={"reader": "none", "path": "", "repeats": 1})
    with pytest.raises(FreshCallError, match="longer than"):
        call_fresh("benchmarks.figures:short", seconds=0.001, arguments={"n": 1})


# --- figures, report, baseline ---------------------------------------------------------------------------------------


def test_readings_are_taken_in_turns_and_compared_pair_by_pair() -> None:
    order: list[str] = []
    methods = {name: lambda name=name: order.append(name) or 1.0 for name in "ab"}
    assert interleave(methods, rounds=2) == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert order == ["a", "b", "a", "b"]
    assert compare([2.0, 8.0, 9.0], [1.0, 2.0, 3.0]) == 3.0
    assert [percentile(range(1, 101), share) for share in (0.5, 0.95, 1.0)] == [50, 95, 100]
    assert short(10_000) == "10k"


def test_a_floor_bites_from_below_and_a_ceiling_from_above() -> None:
    assert Floor(2).holds(2)
    assert not Floor(2).holds(1.9)
    assert Floor(2, is_ceiling=True).holds(2)
    assert not Floor(2, is_ceiling=True).holds(2.1)
    assert Figure("without a floor", 0).holds
    assert not Figure("store.of_copy.10k", FLOORS["store.of_copy.10k"].limit / 2).holds


def test_the_report_shows_what_was_missed_and_what_got_slower() -> None:
    section = Section("Storing", ("cases", "ms"), [("10", "3.0")])
    section.add("store.of_copy.10k", 0.2)
    section.notes.append("nothing else")
    text = report.format_section(section, baseline={"store.of_copy.10k": 0.4})
    for words in ("cases", "✗ store.of_copy.10k", "≥ 0.3 (aim 0.6)", "baseline 0.4, -50%", "note: nothing else"):
        assert words in text


def test_results_keep_everything_and_the_baseline_ratios_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "BASELINE", tmp_path / "baseline.json")
    section = Section("Storing", readings={"10k": [1.0]})
    section.add("store.of_copy.10k", 0.41234)
    section.add("visible.p50.10k", 70, "ms")
    machine: dict[str, object] = {"processor": "one", "cores": 2, "python": "3", "load_before": 0.1}
    file = report.write_results([section], machine=machine, file=tmp_path / "deep" / "results.json")
    assert json.loads(file.read_text())["sections"][0]["readings"] == {"10k": [1.0]}
    assert report.read_baseline() == {}
    report.write_baseline([section], machine=machine)
    assert report.read_baseline() == {"store.of_copy.10k": 0.412}
    assert "load_before" not in report.BASELINE.read_text()


def test_the_committed_baseline_names_figures_of_today() -> None:
    known = {name for name in FLOORS if name.split(".")[0] in ("parse", "store", "visible")}
    assert known <= report.read_baseline().keys()

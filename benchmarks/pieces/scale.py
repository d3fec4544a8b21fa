"""Scale: a history of a hundred million results, stored by the real store; then every page and its SQL.

`make bench-scale` runs it, `make bench` does not: two histories of 100 M results take about half an hour. RESULTS makes
them smaller.
"""

import statistics
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.figures import Section
from benchmarks.fresh import call_fresh
from benchmarks.stack import Stack
from benchmarks.timing import compare, percentile
from benchmarks.workbench import Workbench

_SHAPES: Final = (10_000, 100_000)  # cases; as many runs as make the results
_TURNS: Final = 4
_N_COMPARED: Final = 15  # uploads a turn
_N_WARM: Final = 5
_ROUNDS: Final = 20
_MOST_SECONDS: Final = 120.0
_STORE_SECONDS: Final = 3_000.0
_ACT: Final = "answers 302"
_PAGE_LIMIT: Final = 50.0
_SQL_LIMIT: Final = 15.0
_CROWD_LIMIT: Final = 50.0


def measure(bench: Workbench) -> Section:
    """One history after the other, in one database."""
    section = Section(
        f"Scale: {bench.effort.scale_results / 1e6:g} M results a history",
        ("history", "page", "p50 ms", "p95 ms", "SQL p95", "slowest statement", "statement of 4 clients", "kB"),
    )
    for cases in _SHAPES:
        _measure_history(
            bench, section, cases=cases, runs=max(bench.effort.scale_results // cases, 2 * _TURNS * _N_COMPARED)
        )
    return section


def _measure_history(bench: Workbench, section: Section, *, cases: int, runs: int) -> None:
    name, key = f"{cases // 1000}k × {runs:,}", f"{cases // 1000}k"
    project = bench.call_inside("history:open_project", slug="scale")
    fill: dict[str, Any] = {"project": project, "cases": cases, "of": runs}
    n_before = runs - _TURNS * _N_COMPARED
    bench.call_inside("history:store_runs", seconds=_STORE_SECONDS, first=1, runs=n_before, **fill)
    settled = bench.call_inside("history:settle", seconds=900, project=project)
    turns = _compare_with_empty(bench, fill, first=n_before + 1)
    pages = bench.call_inside(
        "pages:measure_stored", seconds=600, project=project, rounds=_ROUNDS, seconds_of_requests=_MOST_SECONDS
    )
    for step in ("store", "judge"):
        full, empty = ([turn[step] for turn in turns[where]] for where in ("full", "empty"))
        section.add(f"scale.{step}_over_empty.{key}", compare(full, empty))
        section.add(f"scale.{step}.{key}", statistics.median(full) * 1e3, "ms")
    section.add(f"scale.bytes_per_result.{key}", settled["bytes"] / settled["results"], "B")
    _add_pages(section, name, key, pages)
    section.readings[name] = {"turns": turns, "settled": settled, "pages": pages}


def _compare_with_empty(bench: Workbench, fill: Mapping[str, Any], *, first: int) -> dict[str, list[dict[str, float]]]:
    """Uploads into the full database and into an empty one, in turns: what an upload costs, as medians of each turn.

    In CPU time of the worker and its backend: a commit waits for a disk that others may keep busy.
    """
    turns: dict[str, list[dict[str, float]]] = {"full": [], "empty": []}
    empty = Stack()
    try:
        other = {**fill, "project": _call(empty, "open_project", slug="scale")}
        # The first upload numbers all names; what counts is what an ordinary one costs.
        _call(empty, "store_runs", first=first - _N_WARM, runs=_N_WARM, **other)
        for turn in range(_TURNS):
            runs = {"first": first + turn * _N_COMPARED, "runs": _N_COMPARED}
            turns["full"].append(_take_medians(_call(bench.stack, "store_runs", **runs, **fill)))
            turns["empty"].append(_take_medians(_call(empty, "store_runs", **runs, **other)))
    finally:
        empty.close()
    return turns


def _call(stack: Stack, function: str, **arguments: Any) -> Any:
    environment = stack.environment
    return call_fresh(
        f"benchmarks.inside.history:{function}", seconds=900, environment=environment, arguments=arguments
    )


def _take_medians(answer: Mapping[str, Any]) -> dict[str, float]:
    return {step: statistics.median(answer["readings"][f"{step}_cpu"]) for step in ("store", "judge")}


def _add_pages(section: Section, history: str, key: str, answer: Mapping[str, Any]) -> None:
    """A row for each page; the figures are of all statements that all pages ask, and notes name what is above."""
    slow: dict[str, list[str]] = {"page": [], "statement": [], "statement with four clients": []}
    every, crowd = [], []
    for name, readings in sorted(answer["pages"].items()):
        whole, slowest = (percentile(readings[kind], 0.95) for kind in ("changed", "slowest"))
        of_four = percentile(answer["crowd"][name], 0.95)
        every += readings["each"]
        crowd += answer["crowd"][name]
        section.rows.append(
            (
                *(history, name, f"{statistics.median(readings['changed']):.1f}", f"{whole:.1f}"),
                *(f"{percentile(readings['sql'], 0.95):.1f}", f"{slowest:.1f}", f"{of_four:.1f}"),
                f"{readings['bytes'] / 1e3:.0f}",
            )
        )
        for words, value, limit in (
            ("page", whole, _PAGE_LIMIT),
            ("statement", slowest, _SQL_LIMIT),
            ("statement with four clients", of_four, _CROWD_LIMIT),
        ):
            if value > limit:
                slow[words].append(f"{name} {value:.0f}")
    section.add(f"scale.sql_p95.{key}", percentile(every, 0.95), "ms")
    section.add(f"scale.sql_p95_of_four.{key}", percentile(crowd, 0.95), "ms")
    for words, names in slow.items():
        if names:
            section.notes.append(f"{history}: {words} above its limit, p95 in ms: {', '.join(names)}")
    acts = [name for name, why in answer["skipped"].items() if why == _ACT]
    others = [f"{name} was skipped: it {why}" for name, why in answer["skipped"].items() if why != _ACT]
    section.notes += [f"{history}: not measured, being acts: {', '.join(acts)}", *others]

"""Pages: server time of each one on a project with a long history, right after an upload and when nothing changed."""

import statistics

from benchmarks.figures import Section
from benchmarks.timing import percentile
from benchmarks.workbench import Workbench

_VARIANTS = 6
_ROUNDS = 4
_MOST_SECONDS = 60
_PAGES = ("projects", "overview", "trends", "runs", "run", "case", "uploads", "upload")


def measure(bench: Workbench) -> Section:
    """Page after page, in turns; the first round warms up."""
    runs, cases = bench.effort.history_runs, bench.effort.history_cases
    section = Section(
        f"Pages: server time with {runs} runs of {cases:,} cases",
        ("page", "p50 ms", "p95 ms", "unchanged p50", "p95", "first ms", "kB"),
    )
    answer = bench.call_inside(
        "pages:measure_pages",
        seconds=240,
        reports=[str(bench.shelf.plain(cases, variant=variant)) for variant in range(_VARIANTS)],
        runs=runs,
        rounds=_ROUNDS * bench.effort.rounds,
        seconds_of_requests=_MOST_SECONDS,
    )
    for name, readings in sorted(answer["pages"].items()):
        changed, same = readings["changed"], readings["same"]
        section.rows.append(
            (
                *(name, f"{statistics.median(changed):.1f}", f"{percentile(changed, 0.95):.1f}"),
                *(f"{statistics.median(same):.1f}", f"{percentile(same, 0.95):.1f}"),
                *(f"{answer['first'][name]:.0f}", f"{readings['bytes'] / 1e3:.0f}"),
            )
        )
        section.add(f"pages.p95.{name}", percentile(changed, 0.95), "ms")
    known = answer["pages"].keys() | answer["skipped"].keys()
    section.notes += [f"{name} is not there yet" for name in _PAGES if name not in known]
    section.notes += [f"{name} was skipped: it {why}" for name, why in answer["skipped"].items()]
    section.readings = answer
    return section

"""From the first byte of a POST until the results are there, through gunicorn, Celery and everything between.

Beside it, in turns, SQUAD on the same PostgreSQL and Valkey, sent the same results.
"""

import itertools
import statistics

from benchmarks.client import Door, name_run
from benchmarks.figures import Section, short
from benchmarks.squad import Squad, SquadError, install_squad, start_squad
from benchmarks.timing import interleave, percentile, wait_until_quiet
from benchmarks.workbench import CACHE, Workbench

_SIZE = 10_000
_VARIANTS = 4
# Both worker processes have to have met the names.
_WARM_UPS = 8
_PER_ROUND = 5
_SQUAD_WARM_UPS = 2


def measure(bench: Workbench) -> Section:
    """Idle servers, one upload at a time."""
    stack = bench.stack
    stack.start("web", "worker", "beat")
    door = bench.open_door("visible")
    section = Section(
        f"Visible: POST of {_SIZE:,} cases until they are stored, idle servers", ("server", "p50 ms", "p95 ms", "cases/s")
    )
    squad = _find_squad(bench, section)
    numbers = itertools.count()
    first = _deliver(bench, door, next(numbers))
    for _ in range(_WARM_UPS):
        _deliver(bench, door, next(numbers))
    stack.query("VACUUM ANALYZE")
    pids = [stack.pid(name) for name in ("postgres", "web", "worker")] + (squad.pids if squad else [])
    ours: list[float] = []

    def deliver_some() -> float:
        wait_until_quiet(pids)
        some = [_deliver(bench, door, next(numbers)) for _ in range(_PER_ROUND)]
        ours.extend(some)
        return statistics.median(some)

    methods = {"ours": deliver_some}
    if squad:
        builds = itertools.count(_SQUAD_WARM_UPS)

        def submit() -> float:
            wait_until_quiet(pids)
            return squad.submit(_SIZE, build=next(builds))

        methods["squad"] = submit
    readings = interleave(methods, rounds=bench.effort.rounds)
    _fill(section, ours, readings, first)
    stack.stop("squad-worker", "squad-web")
    return section


def _find_squad(bench: Workbench, section: Section) -> Squad | None:
    if not bench.effort.has_peers:
        section.notes.append("SQUAD is left out of a quick run")
        return None
    try:
        squad = start_squad(install_squad(CACHE), bench.stack)
        for build in range(_SQUAD_WARM_UPS):
            squad.submit(_SIZE, build=build)
        squad.analyze()
    except SquadError as problem:
        section.notes.append(str(problem))
        return None
    return squad


def _deliver(bench: Workbench, door: Door, number: int) -> float:
    report = bench.shelf.packed(_SIZE, variant=number % _VARIANTS).read_bytes()
    return door.deliver(report, name_run(number))


def _fill(section: Section, ours: list[float], readings: dict[str, list[float]], first: float) -> None:
    for name, seconds in (("Suitewatch", ours), ("SQUAD 1.98", readings.get("squad", []))):
        if seconds:
            middle = statistics.median(seconds)
            section.rows.append(
                (name, f"{middle * 1e3:,.0f}", f"{percentile(seconds, 0.95) * 1e3:,.0f}", f"{_SIZE / middle:,.0f}")
            )
    section.notes.append(f"the very first upload, all names new and every process cold, took {first * 1e3:,.0f} ms")
    section.add(f"visible.p50.{short(_SIZE)}", statistics.median(ours) * 1e3, "ms")
    if "squad" in readings:
        pairs = zip(readings["squad"], readings["ours"], strict=True)
        section.add(f"visible.over_squad.{short(_SIZE)}", statistics.median(squad / mine for squad, mine in pairs))
    section.readings |= {"each": ours, **readings}

"""From the first byte of a POST until the results are there, through gunicorn, Celery and everything between.

Beside it, in turns, SQUAD on the same PostgreSQL and Valkey, sent the same results.
"""

import itertools
import statistics
from collections.abc import Callable

from benchmarks.client import Delivered, name_run
from benchmarks.figures import Section, short
from benchmarks.squad import VERSION, Squad, SquadError, install_squad, start_squad
from benchmarks.stack import StackError
from benchmarks.timing import compare, interleave, percentile, wait_until_quiet
from benchmarks.workbench import CACHE, Workbench

_SIZE = 10_000
_VARIANTS = 4
# Both worker processes have to have met the names.
_WARM_UPS = 8
_PER_ROUND = 5
_SQUAD_WARM_UPS = 2


def measure(bench: Workbench) -> Section:
    """Idle servers, one upload at a time."""
    bench.stack.start("valkey", "web", "worker", "beat")
    section = Section(
        f"Visible: POST of {_SIZE:,} cases until they are stored, idle servers",
        ("server", "answered p50 ms", "stored p50 ms", "p95 ms", "cases/s"),
    )
    squad = _find_squad(bench, section)
    ours = _Ours(bench)
    pids = [bench.stack.pid(name) for name in ("postgres", "web", "worker")] + (squad.pids if squad else [])
    methods: dict[str, Callable[[], float]] = {"ours": ours.deliver_some}
    if squad:
        methods["squad"] = lambda: squad.submit(_SIZE, build=next(ours.numbers))
    quietly = {name: _when_quiet(method, pids) for name, method in methods.items()}
    readings = interleave(quietly, rounds=bench.effort.rounds)
    _fill(section, ours, readings)
    bench.stack.stop("squad-worker", "squad-web")
    return section


def _find_squad(bench: Workbench, section: Section) -> Squad | None:
    if not bench.effort.has_peers:
        section.notes.append("SQUAD is left out of a quick run")
        return None
    try:
        squad = start_squad(install_squad(CACHE), bench.stack)
        for build in range(_SQUAD_WARM_UPS):
            squad.submit(_SIZE, build=-1 - build)
    except (SquadError, StackError) as problem:
        section.notes.append(str(problem))
        return None
    return squad


def _when_quiet(method: Callable[[], float], pids: list[int]) -> Callable[[], float]:
    def measure_quietly() -> float:
        wait_until_quiet(pids)
        return method()

    return measure_quietly


class _Ours:
    """A project whose names both worker processes know."""

    def __init__(self, bench: Workbench) -> None:
        self._reports = [bench.shelf.packed(_SIZE, variant=variant).read_bytes() for variant in range(_VARIANTS)]
        self._door = bench.open_door("visible")
        self.numbers = itertools.count()
        self.first = self._deliver()
        for _ in range(_WARM_UPS):
            self._deliver()
        bench.stack.query("VACUUM ANALYZE")
        self.deliveries: list[Delivered] = []

    def deliver_some(self) -> float:
        """A few uploads, one after the other; the median of their seconds."""
        some = [self._deliver() for _ in range(_PER_ROUND)]
        self.deliveries += some
        return statistics.median(delivered.stored for delivered in some)

    def _deliver(self) -> Delivered:
        number = next(self.numbers)
        return self._door.deliver(self._reports[number % _VARIANTS], name_run(number))


def _fill(section: Section, ours: _Ours, readings: dict[str, list[float]]) -> None:
    stored = [delivered.stored for delivered in ours.deliveries]
    accepted = [delivered.accepted for delivered in ours.deliveries]
    section.rows.append(_make_row("Suitewatch", accepted, stored))
    if "squad" in readings:
        section.rows.append(_make_row(f"SQUAD {VERSION}", readings["squad"], readings["squad"]))
    first = f"{ours.first.stored * 1e3:,.0f} ms"
    section.notes.append(f"the very first upload, all names new and every process cold, took {first}")
    section.add(f"visible.p50.{short(_SIZE)}", statistics.median(stored) * 1e3, "ms")
    if "squad" in readings:
        section.add(f"visible.over_squad.{short(_SIZE)}", compare(readings["squad"], readings["ours"]))
    section.readings |= {"accepted": accepted, "stored": stored, **readings}


def _make_row(name: str, accepted: list[float], stored: list[float]) -> tuple[str, ...]:
    middle = statistics.median(stored)
    numbers = (statistics.median(accepted) * 1e3, middle * 1e3, percentile(stored, 0.95) * 1e3, _SIZE / middle)
    return (name, *(f"{number:,.0f}" for number in numbers))

"""A history of any length, fed to the real store as arrays: what a parser would hand over, without the XML.

Called by `benchmarks.pieces.scale`. About one case in fifty is put off and one in eighty breaks: most of those keep
breaking for a while and say one of a few dozen things, some come and go from run to run.
"""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from django.db import connection

from benchmarks.inside.seeding import add_waiting_upload, claim_waiting, make_project
from benchmarks.inside.store import find_backend
from benchmarks.timing import own_peak_mb, read_cpu_seconds
from health.judging import judge_project
from health.models import Project
from health.rules import outcomes as codes
from health.rules.identity import PART
from ingest.parsers.types import Detail, ElementCounts, ParsedReport
from ingest.store import Contents, store_contents

_N_PER_CLASS: Final = 20
_N_SEEDS: Final = 64
_N_FRAMES: Final = 8
_KINDS: Final = ("AssertionError", "TimeoutError", "ValidationError", "KeyError", "OSError", "ConnectionError")
# A burst of uploads is judged once at its end; so are the runs of a history, but for the newest.
_JUDGED_EACH: Final = 250


class Generator:
    """Runs of one project: the same names each time, outcomes and durations drawn anew."""

    def __init__(self, n_cases: int) -> None:
        drawn = np.random.default_rng(n_cases)
        self._n = n_cases
        self._keys = [_write_key(number) for number in range(n_cases)]
        self._usual = drawn.lognormal(-4.5, 1.3, n_cases)
        self._fate = drawn.random(n_cases)
        self._seed = drawn.integers(0, _N_SEEDS, n_cases)

    def make_report(self, number: int) -> ParsedReport:
        """The report of one run."""
        drawn = np.random.default_rng((self._n, number))
        chance = drawn.random(self._n)
        breaks = (self._fate > 0.99) & ((number // 40 + self._seed) % 3 == 0)  # for forty runs at a time
        breaks |= (self._fate > 0.98) & (self._fate <= 0.99) & (chance < 0.3)  # now and then
        outcomes = np.full(self._n, codes.PASS, np.uint8)
        outcomes[self._fate < 0.02] = codes.SKIP
        outcomes[breaks] = np.where(self._seed[breaks] % 8 == 0, codes.ERROR, codes.FAIL)
        seconds = self._usual * drawn.uniform(0.85, 1.2, self._n)
        report = ParsedReport("junit", keys=self._keys, outcomes=bytearray(outcomes.tobytes()))
        report.seconds = np.where(outcomes == codes.SKIP, 0.0, seconds).tolist()
        _add_details(report, np.flatnonzero(outcomes != codes.PASS).tolist(), outcomes, self._seed, drawn)
        report.elements = ElementCounts(tests=self._n, distinct=self._n)
        return report


def _write_key(number: int) -> str:
    group = number // _N_PER_CLASS
    name = f"test_case_{number}" if number % 5 else f"test_family_{group}[{number}]"
    return PART.join(("", f"tests.area{group // 25 % 40}.test_module{group // 5}.TestGroup{group}", name))


def _add_details(report: ParsedReport, ords: list[int], outcomes: Any, seeds: Any, drawn: Any) -> None:
    packer, blob, offset = zlib.compressobj(), b"", 0
    numbers = drawn.integers(0, 1000, (len(ords), _N_FRAMES + 1)).tolist()
    for ord_, line in zip(ords, numbers, strict=True):
        outcome, seed = int(outcomes[ord_]), int(seeds[ord_])
        if outcome == codes.SKIP:
            kind, message, text = "pytest.skip", f"needs service {seed % 7} >= {seed}.0", ""
        else:
            kind = _KINDS[seed % len(_KINDS)]
            message = f"{kind}: assert {line[0]} == {line[1]} in table_{seed}"
            text = "".join(
                f"src/area{seed}/module.py:{at}: in write_part_{at % 9}\n    return self.part.write({at})\n"
                for at in line[1:]
            )
        said = message.encode(), text.encode()
        blob += packer.compress(said[0] + said[1])
        report.details.append(Detail(ord_, 1, outcome, kind, message, offset, len(said[0]), len(said[1])))
        offset += len(said[0]) + len(said[1])
    report.texts = blob + packer.flush()


def open_project(slug: str) -> int:
    """A new project's number."""
    return int(make_project(slug).pk)


def store_runs(project: int, cases: int, first: int, runs: int, of: int) -> dict[str, Any]:
    """Store so many runs, an hour apart; seconds of each step, by the clock and in CPU time of us and our backend."""
    owner, generator = Project.objects.get(pk=project), Generator(cases)
    readings: dict[str, list[float]] = {"store": [], "store_cpu": [], "judge": [], "judge_cpu": []}
    for number in range(first, first + runs):
        add_waiting_upload(owner, number=number, of=of)
        delivery, report = claim_waiting(), generator.make_report(number)
        with _timing(readings, "store"):
            store_contents(delivery, Contents(report), state="stored", receipt={"files": [], "warnings": []})
        if number % _JUDGED_EACH == 0 or runs <= _JUDGED_EACH:
            with _timing(readings, "judge"):
                judge_project(project)
    return {"readings": readings, "peak_mb": own_peak_mb()}


@contextmanager
def _timing(readings: dict[str, list[float]], name: str) -> Iterator[None]:
    """Append how long the block took to the readings."""
    backend = find_backend()
    began, used = time.perf_counter(), time.process_time() + read_cpu_seconds(backend)
    yield
    readings[name].append(time.perf_counter() - began)
    readings[f"{name}_cpu"].append(time.process_time() + read_cpu_seconds(backend) - used)


def settle(project: int) -> dict[str, float]:
    """Judge what is left, give the planner its statistics; bytes on disk of all facts, payloads apart, and results."""
    judge_project(project)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute(
            """
            SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class
            WHERE relkind = 'r' AND relname LIKE 'health\\_%' AND relname <> 'health_payloadchunk'
            """
        )
        n_bytes = cursor.fetchone()[0]
        cursor.execute("SELECT sum(n)::bigint FROM health_tile")
        n_results = cursor.fetchone()[0]
    return {"bytes": float(n_bytes), "results": float(n_results)}

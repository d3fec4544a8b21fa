"""Tiles: 512 consecutive cases of one upload, packed; how they are written, read and merged.

Used by `ingest.store` (pack), `health.rollups` and the pages' queries (fetch, merge).
Promise: `merge_tiles` is the one place that says which delivery of a job is believed
(`tests/health/test_tiles.py`): within one attempt the worst outcome, over attempts the last one that ran.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from health.aliases import NO_ALIASES, Aliases
from health.rules import outcomes as codes
from health.rules.durations import decode_units
from health.sql import Cursor

BLOCK_SIZE: Final = 512
DENSE: Final = 0
SPARSE: Final = 1
NO_SUITE: Final = -1

Ords = npt.NDArray[np.int32]
Outcomes = npt.NDArray[np.uint8]

_SEVERITY = np.array(codes.SEVERITY, np.uint8)


@dataclass(frozen=True, slots=True)
class PackedTile:
    """The cases of one block, ready for the table."""

    block: int
    encoding: int
    n: int
    offsets: bytes | None
    outcomes: bytes
    durations: bytes


@dataclass(frozen=True, slots=True)
class StoredTile:
    """A tile as read back, unpacked: which cases, their outcome codes and 16-bit durations."""

    series: int
    run: int
    upload: int
    attempt: int
    suite: int | None
    ords: Ords
    outcomes: Outcomes
    durations: npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Results:
    """One job's merged results; every array is indexed by case number and as long as the project has cases."""

    outcomes: Outcomes
    units: npt.NDArray[np.int64]  # durations in units of 10 µs
    suites: npt.NDArray[np.int32]  # the suite a delivery named, NO_SUITE where the case's own holds


def pack_tiles(ords: Ords, outcomes: Outcomes, durations: npt.NDArray[np.uint16]) -> list[PackedTile]:
    """Pack results into tiles, one per block. `ords` need not be sorted, and each occurs once."""
    if not len(ords):
        return []
    order = np.argsort(ords, kind="stable")
    ords, outcomes, durations = ords[order], outcomes[order], durations[order]
    blocks = ords // BLOCK_SIZE
    starts = np.flatnonzero(np.diff(blocks, prepend=-1))
    ends = [*starts[1:].tolist(), len(ords)]
    return [
        _pack_block(int(blocks[start]), ords[start:end], outcomes[start:end], durations[start:end])
        for start, end in zip(starts.tolist(), ends, strict=True)
    ]


def _pack_block(block: int, ords: Ords, outcomes: Outcomes, durations: npt.NDArray[np.uint16]) -> PackedTile:
    offsets = ords - block * BLOCK_SIZE
    n, length = len(ords), int(offsets[-1]) + 1
    if n * 4 < length:
        return PackedTile(
            block,
            SPARSE,
            n,
            offsets.astype("<u2").tobytes(),
            outcomes.tobytes(),
            durations.astype("<u2").tobytes(),
        )
    if n == length:
        return PackedTile(block, DENSE, n, None, outcomes.tobytes(), durations.astype("<u2").tobytes())
    wide_outcomes, wide_durations = np.zeros(length, np.uint8), np.zeros(length, "<u2")
    wide_outcomes[offsets], wide_durations[offsets] = outcomes, durations
    return PackedTile(block, DENSE, n, None, wide_outcomes.tobytes(), wide_durations.tobytes())


def unpack_tile(
    block: int, encoding: int, offsets: bytes | None, outcomes: bytes, durations: bytes
) -> tuple[Ords, Outcomes, npt.NDArray[np.uint16]]:
    """The case numbers, outcome codes and durations of one tile; absent slots are left out."""
    outcome_codes = np.frombuffer(outcomes, np.uint8)
    words = np.frombuffer(durations, "<u2")
    if encoding == SPARSE and offsets is not None:
        slots = np.frombuffer(offsets, "<u2").astype(np.int32)
        return slots + block * BLOCK_SIZE, outcome_codes, words
    slots = np.arange(len(outcome_codes), dtype=np.int32)
    if 0 in outcomes:
        slots = np.flatnonzero(outcome_codes).astype(np.int32)
        outcome_codes, words = outcome_codes[slots], words[slots]
    return slots + block * BLOCK_SIZE, outcome_codes, words


def list_ords(block: int, encoding: int, offsets: bytes | None, outcomes: bytes) -> Ords:
    """The case numbers of one tile, without what became of them."""
    if encoding == SPARSE and offsets is not None:
        return np.frombuffer(offsets, "<u2").astype(np.int32) + block * BLOCK_SIZE
    return np.flatnonzero(np.frombuffer(outcomes, np.uint8)).astype(np.int32) + block * BLOCK_SIZE


_COLUMNS = "series, run, upload, attempt, suite, block, encoding, offsets, outcomes, durations"


def fetch_job_tiles(cursor: Cursor, project_id: int, *, run: int, series: int, n_cases: int) -> list[StoredTile]:
    """All tiles of one job, in one probe per block: the key holds the block before the run."""
    rows = cursor.execute(
        f"""
        SELECT {_COLUMNS} FROM health_tile
        WHERE project_id = %s AND series = %s AND block = ANY(%s) AND run = %s
        """,  # noqa: S608 - the columns are a constant
        (project_id, series, list(range(-(-n_cases // BLOCK_SIZE))), run),
        binary=True,
    ).fetchall()
    return [_read_row(row) for row in rows]


def fetch_tiles_of_jobs(
    cursor: Cursor, project_id: int, *, jobs: Sequence[tuple[int, int]], n_cases: int
) -> list[StoredTile]:
    """All tiles of several jobs (run, series) in one statement: what a page compares."""
    return fetch_tiles_in_blocks(cursor, project_id, jobs=jobs, blocks=range(-(-n_cases // BLOCK_SIZE)))


def fetch_tiles_in_blocks(
    cursor: Cursor, project_id: int, *, jobs: Sequence[tuple[int, int]], blocks: Iterable[int]
) -> list[StoredTile]:
    """The tiles of several jobs (run, series) that hold cases of these blocks, in one statement."""
    rows = cursor.execute(
        f"""
        SELECT {_COLUMNS} FROM health_tile
        JOIN unnest(%s::int[], %s::int[]) AS job(job_run, job_series) ON run = job_run AND series = job_series
        WHERE project_id = %s AND block = ANY(%s)
        """,  # noqa: S608 - the columns are a constant
        ([run for run, _ in jobs], [series for _, series in jobs], project_id, list(blocks)),
        binary=True,
    ).fetchall()
    return [_read_row(row) for row in rows]


def fetch_ords_of_jobs(
    cursor: Cursor, project_id: int, *, jobs: Sequence[tuple[int, int]], blocks: Sequence[int]
) -> list[tuple[int, int, Ords]]:
    """Run, series and case numbers of each tile of these jobs in these blocks, without what became of the cases."""
    rows = cursor.execute(
        """
        SELECT run, series, block, encoding, offsets, outcomes FROM health_tile
        JOIN unnest(%s::int[], %s::int[]) AS job(job_run, job_series) ON run = job_run AND series = job_series
        WHERE project_id = %s AND block = ANY(%s)
        """,
        ([run for run, _ in jobs], [series for _, series in jobs], project_id, list(blocks)),
        binary=True,
    ).fetchall()
    return [(run, series, list_ords(*tile)) for run, series, *tile in rows]


def _read_row(row: tuple[object, ...]) -> StoredTile:
    series, run, upload, attempt, suite, block, encoding, offsets, outcomes, durations = row
    ords, outcome_codes, words = unpack_tile(block, encoding, offsets, outcomes, durations)  # type: ignore[arg-type]
    return StoredTile(series, run, upload, attempt, suite, ords, outcome_codes, words)  # type: ignore[arg-type]


def merge_tiles(tiles: Iterable[StoredTile], *, n_cases: int, aliases: Aliases = NO_ALIASES) -> Results:
    """Merge the tiles of ONE job into what the job says of every case, a former name's results under the newest.

    Attempts are merged from the first to the last. Within an attempt, deliveries that speak of the same case are
    read so that the order of arrival cannot matter: the worst outcome holds, among equals the longest time.
    A later attempt replaces an earlier one where it ran the case; a case that was broken before and passes then
    passed on retry. A skip in a later attempt is no evidence and replaces nothing that ran. Nor does a pass clear a
    case that more deliveries spoke of before: it repeats one of the siblings, and nobody knows which.
    """
    if aliases:
        tiles = [renamed for tile in tiles for renamed in _rename(tile, aliases)]
    in_order = groupby(sorted(tiles, key=lambda t: (t.attempt, t.upload)), key=lambda t: t.attempt)
    attempts = [list(group) for _, group in in_order]
    total = _merge_attempt(attempts[0] if attempts else [], n_cases)
    if len(attempts) < 2:
        return total
    n_spoke = _count_deliveries(attempts[0], n_cases)
    for attempt in attempts[1:]:
        n_speak = _count_deliveries(attempt, n_cases)
        total = _follow(total, _merge_attempt(attempt, n_cases), is_outnumbered=n_speak < n_spoke)
        n_spoke = np.maximum(n_spoke, n_speak)
    return total


def _count_deliveries(tiles: list[StoredTile], n_cases: int) -> npt.NDArray[np.int32]:
    """How many deliveries of an attempt speak of each case."""
    counts = np.zeros(n_cases, np.int32)
    for tile in tiles:
        counts[tile.ords] += 1
    return counts


def _nothing(n_cases: int) -> Results:
    return Results(np.zeros(n_cases, np.uint8), np.zeros(n_cases, np.int64), np.full(n_cases, NO_SUITE, np.int32))


def _rename(tile: StoredTile, aliases: Aliases) -> list[StoredTile]:
    """The tile under the newest names. One that holds two names of a case becomes two: each case once in a tile."""
    if not aliases.touch(tile.ords):
        return [tile]
    pieces = []
    ords, outcomes, durations = aliases.translate(tile.ords), tile.outcomes, tile.durations
    while len(ords):
        _, first = np.unique(ords, return_index=True)
        pieces.append(replace(tile, ords=ords[first], outcomes=outcomes[first], durations=durations[first]))
        rest = np.delete(np.arange(len(ords)), first)
        ords, outcomes, durations = ords[rest], outcomes[rest], durations[rest]
    return pieces


def _merge_attempt(tiles: list[StoredTile], n_cases: int) -> Results:
    merged = _nothing(n_cases)
    for tile in tiles:
        ords, units = tile.ords, decode_units(tile.durations)
        held = merged.outcomes[ords]
        severity, held_severity = _SEVERITY[tile.outcomes], _SEVERITY[held]
        wins = (severity > held_severity) | ((severity == held_severity) & (units > merged.units[ords]))
        wins |= held == codes.ABSENT
        taken = ords[wins]
        merged.outcomes[taken] = tile.outcomes[wins]
        merged.units[taken] = units[wins]
        merged.suites[taken] = NO_SUITE if tile.suite is None else tile.suite
    return merged


def _follow(earlier: Results, later: Results, *, is_outnumbered: npt.NDArray[np.bool_]) -> Results:
    reran = later.outcomes != codes.ABSENT
    reran &= (later.outcomes != codes.SKIP) | (earlier.outcomes == codes.ABSENT) | (earlier.outcomes == codes.SKIP)
    was_broken = np.isin(earlier.outcomes, [codes.FAIL, codes.ERROR, codes.PASS_ON_RETRY])
    reran &= ~(is_outnumbered & was_broken & (later.outcomes == codes.PASS))
    passed_then = np.where(was_broken & (later.outcomes == codes.PASS), np.uint8(codes.PASS_ON_RETRY), later.outcomes)
    return Results(
        np.where(reran, passed_then, earlier.outcomes),
        np.where(reran, later.units, earlier.units),
        np.where(reran, later.suites, earlier.suites),
    )


def fetch_results(
    cursor: Cursor, project_id: int, *, run: int, series: int, n_cases: int, aliases: Aliases = NO_ALIASES
) -> Results:
    """What one job says of every case: its tiles, fetched and merged."""
    tiles = fetch_job_tiles(cursor, project_id, run=run, series=series, n_cases=n_cases)
    return merge_tiles(tiles, n_cases=n_cases, aliases=aliases)

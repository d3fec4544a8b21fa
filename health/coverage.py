"""Coverage of runs, files and days, from what each delivery measured.

`settle_coverage` is called by `ingest.store` and wherever a run is settled, inside their transactions,
`rebuild_coverage` by `health.rebuild`; callers hold the project's row lock. Pages read runs through `fetch_run_files`.
A file stands as the newest run left it: the newest whole run says which files there are, and a partial one, whose
report broke off or which is incomplete itself, only adds what it has. A day shows its newest whole run.
Promise: any order of arrival and any deletion ends in what `rebuild_coverage` computes
(`tests/health/test_coverage.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

from health.rules.bitmaps import FileLines, add_up, join_files, unpack_files
from health.rules.contexts import ContextLines, join_contexts, unpack_contexts
from health.rules.directories import sum_directories
from health.rules.lanes import CHANGES
from health.sql import Cursor, format_array

_FIGURES: Final = "lines_valid, lines_covered, branches_valid, branches_covered"
# Of a single report: its own.
_LARGEST: Final = ", ".join(f"max({name})" for name in f"n_files, {_FIGURES}".split(", "))


class Strand(NamedTuple):
    """What may be compared over time: one level on one lane."""

    lane: str
    level: str


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a run stands in a strand. `place` puts runs in order: commit's time, run's time, number."""

    place: tuple[datetime, datetime, int]
    day: date
    is_partial: bool


_Stands = dict[Strand, _Stand]


# --- reading ---------------------------------------------------------------------------------------------------


def fetch_run_files(cursor: Cursor, project_id: int, *, run: int, level: str | None = None) -> list[FileLines]:
    """A run's files at one level, or at all of them: a line is covered if any delivery ran it."""
    rows = cursor.execute(
        """
        SELECT blob FROM health_coveragereport
        WHERE project_id = %(project)s AND run = %(run)s AND level = coalesce(%(level)s, level)
        """,
        {"project": project_id, "run": run, "level": level},
        binary=True,
    )
    return join_files(unpack_files(blob) for (blob,) in rows)


def fetch_paths(cursor: Cursor, project_id: int, numbers: Iterable[int]) -> dict[int, str]:
    """The paths of files by their numbers."""
    rows = cursor.execute(
        "SELECT number, path FROM health_sourcefile WHERE project_id = %s AND number = ANY(%s)",
        (project_id, format_array(numbers)),
        binary=True,
    ).fetchall()
    return dict(rows)


def fetch_contexts(cursor: Cursor, project_id: int, *, run: int) -> ContextLines | None:
    """Which test ran which line of a run, over all its deliveries; None where no report said."""
    rows = cursor.execute(
        "SELECT contexts FROM health_coveragereport WHERE project_id = %s AND run = %s AND contexts IS NOT NULL",
        (project_id, run),
        binary=True,
    ).fetchall()
    return join_contexts([unpack_contexts(blob) for (blob,) in rows]) if rows else None


# --- keeping up ------------------------------------------------------------------------------------------------


def settle_coverage(
    cursor: Cursor, project_id: int, *, run: int, has_new: bool = False, has_lost: bool = False
) -> None:
    """Bring what stands on a run's coverage up to date: its totals, its files' state, its day's directories.

    `has_new` and `has_lost` say that reports were added or taken away; that the run stands elsewhere now, or became
    whole or no longer is, shows by itself.
    """
    if not (has_new or has_lost or _has_moved(cursor, project_id, run)):
        return
    before = _fetch_stands(cursor, project_id, run)
    _write_run(cursor, project_id, run)
    after = _fetch_stands(cursor, project_id, run)
    for strand in sorted(before.keys() | after.keys()):
        if strand.lane == CHANGES:
            continue
        old, new = before.get(strand), after.get(strand)
        _settle_state(cursor, project_id, strand, before=old, after=new, has_lost=has_lost)
        for day in sorted({stand.day for stand in (old, new) if stand}):
            _replace_day(cursor, project_id, strand, day, run=run)


def _has_moved(cursor: Cursor, project_id: int, run: int) -> bool:
    """Whether the kept coverage of a run says another place than the run, or is whole where the run is not."""
    row = cursor.execute(
        """
        SELECT 1 FROM health_runcoverage c JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
        CROSS JOIN LATERAL (
            SELECT bool_or(k.is_partial) OR NOT r.is_complete AS is_partial FROM health_coveragereport k
            WHERE k.project_id = c.project_id AND k.run = c.run AND k.level = c.level HAVING count(*) > 0) kept
        WHERE c.project_id = %s AND c.run = %s
          AND (c.lane, c.branch, c.pull_request, c.ordered_at, c.ran_at, c.is_partial)
            <> (r.lane, r.branch, r.pull_request, r.ordered_at, r.ran_at, kept.is_partial) LIMIT 1
        """,
        (project_id, run),
    ).fetchone()
    return row is not None


def rebuild_coverage(cursor: Cursor, project_id: int) -> None:
    """Recompute everything that stands on coverage reports. What stands on reports no longer kept is left alone."""
    runs = cursor.execute(
        "SELECT DISTINCT run FROM health_coveragereport WHERE project_id = %s ORDER BY run", (project_id,)
    ).fetchall()
    for (run,) in runs:
        _write_run(cursor, project_id, run)
    _drop_strangers(cursor, project_id)
    days = cursor.execute(
        """
        SELECT DISTINCT lane, level, day FROM health_runcoverage WHERE project_id = %s AND lane <> %s ORDER BY 1, 2, 3
        """,
        (project_id, CHANGES),
    ).fetchall()
    for strand in sorted({Strand(lane, level) for lane, level, _ in days}):
        _recompute_state(cursor, project_id, strand)
    for lane, level, day in days:
        _replace_day(cursor, project_id, Strand(lane, level), day)


def _drop_strangers(cursor: Cursor, project_id: int) -> None:
    """Remove what belongs to strands and days that no run is on any more."""
    for table, columns in (("health_filecoverage", "lane, level"), ("health_directoryday", "lane, level, day")):
        cursor.execute(
            f"""
            DELETE FROM {table} WHERE project_id = %(project)s AND ({columns}) NOT IN (
                SELECT {columns} FROM health_runcoverage WHERE project_id = %(project)s)
            """,  # noqa: S608 - both are constants
            {"project": project_id},
        )


# --- one run ---------------------------------------------------------------------------------------------------


def _fetch_stands(cursor: Cursor, project_id: int, run: int) -> _Stands:
    rows = cursor.execute(
        """
        SELECT lane, level, ordered_at, ran_at, day, is_partial FROM health_runcoverage
        WHERE project_id = %s AND run = %s
        """,
        (project_id, run),
    ).fetchall()
    return {
        Strand(lane, level): _Stand((ordered_at, ran_at, run), day, is_partial)
        for lane, level, ordered_at, ran_at, day, is_partial in rows
    }


def _write_run(cursor: Cursor, project_id: int, run: int) -> None:
    """Replace a run's totals: those of its only report at a level as they are, else those of all of them joined."""
    reports = cursor.execute(
        f"""
        SELECT level, count(*), bool_or(is_partial), {_LARGEST}
        FROM health_coveragereport WHERE project_id = %s AND run = %s GROUP BY level
        """,  # noqa: S608 - the columns are constants
        (project_id, run),
    ).fetchall()
    cursor.execute("DELETE FROM health_runcoverage WHERE project_id = %s AND run = %s", (project_id, run))
    for level, n_reports, is_partial, *figures in reports:
        if n_reports > 1:
            files = fetch_run_files(cursor, project_id, run=run, level=level)
            figures = [len(files), *add_up(files)]
        cursor.execute(
            f"""
            INSERT INTO health_runcoverage (project_id, run, level, lane, branch, pull_request, ordered_at, ran_at, day,
                is_partial, n_files, {_FIGURES})
            SELECT r.project_id, r.number, %s, r.lane, r.branch, r.pull_request, r.ordered_at, r.ran_at,
                (r.ran_at AT TIME ZONE p.time_zone)::date, %s OR NOT r.is_complete, %s, %s, %s, %s, %s
            FROM health_run r JOIN health_project p ON p.id = r.project_id WHERE r.project_id = %s AND r.number = %s
            """,  # noqa: S608 - the columns are constants
            (level, is_partial, *figures, project_id, run),
        )


# --- the state of files ----------------------------------------------------------------------------------------


def _settle_state(
    cursor: Cursor,
    project_id: int,
    strand: Strand,
    *,
    before: _Stand | None,
    after: _Stand | None,
    has_lost: bool,
) -> None:
    """Bring a strand's files up to date after one of its runs changed, reading as few runs as can be."""
    base = _find_base(cursor, project_id, strand)
    if base and all(stand.place < base for stand in (before, after) if stand):
        return  # a newer whole run has the word
    stood = before or after
    has_grown = after and stood and stood.place == after.place and (stood.is_partial or not after.is_partial)
    if after and has_grown and not has_lost:
        _lay_over(cursor, project_id, strand, after)
    else:
        _recompute_state(cursor, project_id, strand)


def _find_base(cursor: Cursor, project_id: int, strand: Strand) -> tuple[datetime, datetime, int] | None:
    """The place of a strand's newest whole run."""
    return cursor.execute(
        """
        SELECT ordered_at, ran_at, run FROM health_runcoverage
        WHERE project_id = %s AND lane = %s AND level = %s AND NOT is_partial
        ORDER BY ordered_at DESC, ran_at DESC, run DESC LIMIT 1
        """,
        (project_id, *strand),
    ).fetchone()


def _lay_over(cursor: Cursor, project_id: int, strand: Strand, stand: _Stand) -> None:
    """Put a run that brought more over what older runs left, and under what newer ones did."""
    files = fetch_run_files(cursor, project_id, run=stand.place[2], level=strand.level)
    numbers = format_array(file.file for file in files)
    cursor.execute(
        """
        DELETE FROM health_filecoverage f USING health_runcoverage c
        WHERE f.project_id = %s AND f.lane = %s AND f.level = %s AND (%s OR f.file = ANY(%s))
          AND c.project_id = f.project_id AND c.run = f.run AND c.level = f.level
          AND (c.ordered_at, c.ran_at, c.run) <= (%s, %s, %s)
        """,
        (project_id, *strand, not stand.is_partial, numbers, *stand.place),
    )
    rows = cursor.execute(
        "SELECT file FROM health_filecoverage WHERE project_id = %s AND lane = %s AND level = %s AND file = ANY(%s)",
        (project_id, *strand, numbers),
    ).fetchall()
    newer = {file for (file,) in rows}
    _copy_state(cursor, project_id, strand, [(stand.place[2], file) for file in files if file.file not in newer])


def _recompute_state(cursor: Cursor, project_id: int, strand: Strand) -> None:
    """The newest whole run and, over it, each newer partial one; without a whole one, all of them."""
    runs = cursor.execute(
        """
        SELECT c.run, EXISTS (
            SELECT 1 FROM health_coveragereport r
            WHERE r.project_id = c.project_id AND r.run = c.run AND r.level = c.level)
        FROM health_runcoverage c
        WHERE c.project_id = %(project)s AND c.lane = %(lane)s AND c.level = %(level)s AND NOT EXISTS (
            SELECT 1 FROM health_runcoverage n
            WHERE n.project_id = c.project_id AND n.lane = c.lane AND n.level = c.level AND NOT n.is_partial
              AND (n.ordered_at, n.ran_at, n.run) > (c.ordered_at, c.ran_at, c.run))
        ORDER BY c.ordered_at, c.ran_at, c.run
        """,
        {"project": project_id, "lane": strand.lane, "level": strand.level},
    ).fetchall()
    if not all(is_kept for _, is_kept in runs):
        return  # what it said is no longer known; what it left is
    files: dict[int, tuple[int, FileLines]] = {}
    for run, _ in runs:
        for file in fetch_run_files(cursor, project_id, run=run, level=strand.level):
            files[file.file] = run, file
    cursor.execute(
        "DELETE FROM health_filecoverage WHERE project_id = %s AND lane = %s AND level = %s", (project_id, *strand)
    )
    _copy_state(cursor, project_id, strand, list(files.values()))


def _copy_state(cursor: Cursor, project_id: int, strand: Strand, found: Sequence[tuple[int, FileLines]]) -> None:
    """Write files that have no row, each with the run that left it so."""
    with cursor.copy(
        f"""
        COPY health_filecoverage (project_id, lane, level, file, run, {_FIGURES}, valid, covered)
        FROM STDIN (FORMAT binary)
        """
    ) as copy:
        copy.set_types(["int8", "text", "text", *["int4"] * 6, "bytea", "bytea"])
        for run, file in found:
            bitmaps = (file.valid.to_bytes(), file.covered.to_bytes())
            copy.write_row((project_id, *strand, file.file, run, *file.totals, *bitmaps))


# --- days ------------------------------------------------------------------------------------------------------


def _replace_day(cursor: Cursor, project_id: int, strand: Strand, day: date, *, run: int | None = None) -> None:
    """Replace a day's directories from its newest whole run. With `run`, only if that run has to do with it."""
    place = {"project": project_id, "lane": strand.lane, "level": strand.level, "day": day}
    row = cursor.execute(
        """
        SELECT (SELECT c.run FROM health_runcoverage c
            WHERE c.project_id = %(project)s AND c.lane = %(lane)s AND c.level = %(level)s AND c.day = %(day)s
              AND NOT c.is_partial
            ORDER BY c.ordered_at DESC, c.ran_at DESC, c.run DESC LIMIT 1),
          (SELECT d.run FROM health_directoryday d
            WHERE d.project_id = %(project)s AND d.lane = %(lane)s AND d.level = %(level)s AND d.day = %(day)s
              AND d.directory = '')
        """,
        place,
    ).fetchone()
    newest, shown = row or (None, None)
    if newest == shown and run not in (None, newest):
        return
    files: list[FileLines] = []
    if newest is not None:
        files = fetch_run_files(cursor, project_id, run=newest, level=strand.level)
        if not files and not _has_report(cursor, project_id, newest, strand.level):
            return
    cursor.execute(
        """
        DELETE FROM health_directoryday
        WHERE project_id = %(project)s AND lane = %(lane)s AND level = %(level)s AND day = %(day)s
        """,
        place,
    )
    if newest is not None:
        _copy_day(cursor, project_id, strand, day, newest, files)


def _has_report(cursor: Cursor, project_id: int, run: int, level: str) -> bool:
    """Whether anything of a run is kept at a level; a report may list no file at all."""
    values = (project_id, run, level)
    statement = "SELECT 1 FROM health_coveragereport WHERE project_id = %s AND run = %s AND level = %s LIMIT 1"
    return cursor.execute(statement, values).fetchone() is not None


def _copy_day(cursor: Cursor, project_id: int, strand: Strand, day: date, run: int, files: Sequence[FileLines]) -> None:
    paths = fetch_paths(cursor, project_id, (file.file for file in files))
    directories = sum_directories((paths[file.file], file.totals) for file in files)
    with cursor.copy(
        f"""
        COPY health_directoryday (project_id, lane, level, day, directory, run, n_files, {_FIGURES})
        FROM STDIN (FORMAT binary)
        """
    ) as copy:
        copy.set_types(["int8", "text", "text", "date", "text", "int4", "int4", *["int8"] * 4])
        for directory, (n_files, totals) in directories.items():
            copy.write_row((project_id, *strand, day, directory, run, n_files, *totals))

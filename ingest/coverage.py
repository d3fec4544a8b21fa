"""Coverage reports of a delivery become facts: file numbers, and one packed report per level.

Called by `ingest.pipeline` (rules) and `ingest.store` (inside its transaction, under the project's lock).
The level of a file is the one the delivery names, else that of the first rule of its configuration that fits the
file's name, else the one its name or its job's suggests, else none, which is the empty text. Where none is found and
coverage.py recorded which test ran which line, the tests' names may tell levels apart: what they ran is stored for each
such level beside the whole report, which keeps its own totals.
Promise: totals of a single file are stored as its format counts them, every line of several files once
(`tests/ingest/test_coverage.py`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from health.rules.bitmaps import FileLines, Totals, add_up, join_files, mark_lines, pack_files
from health.rules.contexts import Column, ContextLines, join_contexts, pack_contexts
from health.rules.globs import compile_text
from health.rules.suites import guess_level
from health.sql import Cursor
from ingest.metadata import Metadata
from ingest.parsers.coverage.types import ParsedCoverage

_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class CoverageRules:
    """What a project's configuration says about coverage: prefixes of paths, and levels by names of report files."""

    prefixes: tuple[str, ...] = ()
    levels: tuple[tuple[str, str], ...] = ()


def fetch_rules(cursor: Cursor, upload: int) -> CoverageRules:
    """The rules an upload is read by: of the file it brought, if that can be read, else of the one in force."""
    row = cursor.execute(
        """
        SELECT c.content -> 'coverage' FROM health_upload u JOIN health_project p ON p.id = u.project_id
        LEFT JOIN health_configuration own
            ON own.project_id = p.id AND own.number = u.configuration AND own.is_readable
        JOIN health_configuration c ON c.project_id = p.id AND c.number = coalesce(own.number, p.configuration)
        WHERE u.id = %s
        """,
        (upload,),
    ).fetchone()
    content = (row[0] if row else None) or {}
    if isinstance(content, str):  # Django leaves JSON to its own fields
        content = json.loads(content)
    levels = tuple((rule["file"], rule["level"]) for rule in content.get("levels") or ())
    return CoverageRules(tuple(content.get("prefixes") or ()), levels)


class FoundLevel(NamedTuple):
    """A test level, and what told it: delivery, rule, file, suite or job. Both are empty where nothing did."""

    name: str
    source: str


@dataclass(frozen=True, slots=True)
class CoverageFile:
    """One coverage file of a delivery as it was read. `is_partial`: it, or another one beside it, broke off."""

    report: ParsedCoverage
    level: str
    is_partial: bool = False


@dataclass(frozen=True, slots=True)
class _Share:
    """What one file says at one level."""

    level: str
    format: str
    is_partial: bool
    files: list[FileLines]
    totals: Totals
    contexts: ContextLines | None = None


def choose_level(filename: str, *, metadata: Metadata, rules: CoverageRules) -> FoundLevel:
    """The test level of a coverage file; empty where nothing tells."""
    if metadata.level:
        return FoundLevel(metadata.level, "delivery")
    for glob, level in rules.levels:
        if compile_text(glob).fullmatch(filename):
            return FoundLevel(level, "rule")
    for source, name in (("file", filename), ("suite", metadata.suite), ("job", metadata.job)):
        if level := guess_level(name):
            return FoundLevel(level, source)
    return FoundLevel("", "")


def list_context_levels(names: Sequence[str]) -> list[str]:
    """The level that each context's name suggests; empty where it suggests none.

    Where a test stands decides, not what it is called: `tests/test_load.py::test_unit_price|run` is of `test_load`.
    """
    return [guess_level(*map(_find_module, name.split("|"))) for name in names]


def find_context_levels(names: Sequence[str]) -> list[str]:
    """The levels that the names of contexts tell apart."""
    return sorted(set(list_context_levels(names)) - {""})


def _find_module(part: str) -> str:
    path, separator, _ = part.partition("::")
    if separator or "/" in path or "." not in path:
        return path
    return path.rpartition(".")[0]


def store_coverage(cursor: Cursor, project_id: int, *, upload: int, run: int, coverage: Sequence[CoverageFile]) -> None:
    """Write a delivery's coverage inside the storing transaction."""
    paths = dict.fromkeys(file.path for item in coverage for file in item.report.files)
    numbers = _number_files(cursor, project_id, list(paths))
    by_level: dict[str, list[_Share]] = {}
    for item in coverage:
        for share in _list_shares(item, numbers):
            by_level.setdefault(share.level, []).append(share)
    with cursor.copy(
        """
        COPY health_coveragereport (project_id, upload, level, run, formats, is_partial, n_files, lines_valid,
            lines_covered, branches_valid, branches_covered, blob, contexts) FROM STDIN (FORMAT binary)
        """
    ) as copy:
        copy.set_types(
            ["int8", "int8", "text", "int4", "text", "bool", "int4", "int8", "int8", "int8", "int8", "bytea", "bytea"]
        )
        for level, shares in by_level.items():
            copy.write_row((project_id, upload, level, run, *_pack_shares(shares)))


def _pack_shares(shares: Sequence[_Share]) -> tuple[Any, ...]:
    """The columns of a report from what its files say."""
    formats = ", ".join(sorted({share.format for share in shares}))
    is_partial = any(share.is_partial for share in shares)
    contexts = [share.contexts for share in shares if share.contexts]
    files, totals = shares[0].files, shares[0].totals
    if len(shares) > 1:
        files = join_files(share.files for share in shares)
        totals = add_up(files)
    packed_contexts = pack_contexts(join_contexts(contexts)) if contexts else None
    return formats, is_partial, len(files), *totals, pack_files(files), packed_contexts


def _list_shares(item: CoverageFile, numbers: Mapping[str, int]) -> list[_Share]:
    report = item.report
    files = [
        FileLines(
            numbers[file.path],
            file.valid,
            file.covered,
            file.lines_valid,
            file.lines_covered,
            file.branches_valid,
            file.branches_covered,
        )
        for file in report.files
    ]
    totals = Totals(report.lines_valid, report.lines_covered, report.branches_valid, report.branches_covered)
    contexts = _number_contexts(report, files)
    whole = _Share(item.level, report.format, item.is_partial, files, totals, contexts)
    return [whole] if item.level or not contexts else [whole, *_split_contexts(whole, contexts)]


def _number_contexts(report: ParsedCoverage, files: Sequence[FileLines]) -> ContextLines | None:
    if not len(report.contexts):
        return None
    of_file = np.array([file.file for file in files], np.uint32)
    contexts, places, lines = (
        np.frombuffer(column, np.uint32)
        for column in (report.contexts.contexts, report.contexts.files, report.contexts.lines)
    )
    return ContextLines(report.contexts.names, contexts, of_file[places], lines)


def _split_contexts(whole: _Share, contexts: ContextLines) -> list[_Share]:
    """What the tests of each level ran, where their names tell a level. Nobody knows of branches who took them."""
    level_of = np.array(list_context_levels(contexts.names))
    shares = []
    for level in find_context_levels(contexts.names):
        chosen = (level_of == level)[contexts.contexts]
        ran = _group_lines(contexts.files[chosen], contexts.lines[chosen])
        files = []
        for file in whole.files:
            if file.valid:
                covered = file.valid & mark_lines(ran.get(file.file, np.zeros(0, np.uint32)))
                files.append(FileLines(file.file, file.valid, covered, len(file.valid), len(covered), 0, 0))
        shares.append(_Share(level, whole.format, whole.is_partial, files, add_up(files)))
    return shares


def _group_lines(files: Column, lines: Column) -> dict[int, Column]:
    """The lines of each file."""
    order = np.argsort(files, kind="stable")
    found, starts = np.unique(files[order], return_index=True)
    return dict(zip(found.tolist(), np.split(lines[order], starts[1:]), strict=True))


def _number_files(cursor: Cursor, project_id: int, paths: list[str]) -> dict[str, int]:
    """The number of each path, made where it is new. The caller holds the project's lock."""
    numbers: dict[str, int] = {}
    for start in range(0, len(paths), _BATCH):
        rows = cursor.execute(
            "SELECT path, number FROM health_sourcefile WHERE project_id = %s AND path = ANY(%s)",
            (project_id, paths[start : start + _BATCH]),
            binary=True,
        ).fetchall()
        numbers |= dict(rows)
    new = [path for path in paths if path not in numbers]
    if new:
        row = cursor.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM health_sourcefile WHERE project_id = %s", (project_id,)
        ).fetchone()
        numbers |= {path: number for number, path in enumerate(new, row[0] if row else 1)}
        with cursor.copy("COPY health_sourcefile (project_id, number, path) FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "int4", "text"])
            for path in new:
                copy.write_row((project_id, numbers[path], path))
    return numbers

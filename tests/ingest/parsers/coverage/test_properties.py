"""Laws over all formats: the same coverage gives the same report, and any bytes give a report or our own error."""

import io
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.parsers.coverage import HEAD_BYTES, looks_like_coverage, read_coverage
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage

SAMPLES = Path(__file__).parents[3] / "samples/coverage"

# Path → line → (hits, taken branches as yes or no).
Model = dict[str, dict[int, tuple[int, list[bool]]]]
paths = st.sampled_from(["a.py", "src/b.c", "src/deep/c d.go", "é.rb", "<&>.js"])
lines = st.dictionaries(
    st.integers(1, 400), st.tuples(st.integers(0, 3), st.lists(st.booleans(), max_size=4)), max_size=12
)
models = st.dictionaries(paths, lines, min_size=1, max_size=4)


def read_bytes(data: bytes) -> ParsedCoverage:
    return read_coverage(lambda: io.BytesIO(data), filename="report", limits=CoverageLimits())


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def write_cobertura(model: Model) -> str:
    def write_line(line: int, hits: int, branches: list[bool]) -> str:
        share = f' branch="true" condition-coverage="0% ({sum(branches)}/{len(branches)})"' if branches else ""
        return f'<line number="{line}" hits="{hits}"{share}/>'

    return write_elements(
        model, '<coverage line-rate="1"><packages>', '<class filename="{}"><lines>', write_line, "</lines></class>"
    ) + ("</packages></coverage>")


def write_elements(
    model: Model, head: str, opening: str, write_line: Callable[[int, int, list[bool]], str], closing: str
) -> str:
    files = [
        opening.format(escape(path))
        + "".join(write_line(line, hits, branches) for line, (hits, branches) in found.items())
        + closing
        for path, found in model.items()
    ]
    return head + "".join(files)


def write_sonarqube(model: Model) -> str:
    def write_line(line: int, hits: int, branches: list[bool]) -> str:
        share = f' branchesToCover="{len(branches)}" coveredBranches="{sum(branches)}"' if branches else ""
        return f'<lineToCover lineNumber="{line}" covered="{"true" if hits else "false"}"{share}/>'

    return write_elements(model, '<coverage version="1">', '<file path="{}">', write_line, "</file>") + "</coverage>"


def write_jacoco(model: Model) -> str:
    def write_line(line: int, hits: int, branches: list[bool]) -> str:
        taken = sum(branches)
        return f'<line nr="{line}" mi="0" ci="{hits}" mb="{len(branches) - taken}" cb="{taken}"/>'

    head = '<report name="x"><package name="">'
    return write_elements(model, head, '<sourcefile name="{}">', write_line, "</sourcefile>") + "</package></report>"


def write_lcov(model: Model) -> str:
    records = []
    for path, found in model.items():
        records.append(f"TN:\nSF:{path}")
        for line, (hits, branches) in found.items():
            records += [f"BRDA:{line},0,{index},{int(is_taken)}" for index, is_taken in enumerate(branches)]
            records.append(f"DA:{line},{hits}")
        records.append("end_of_record\n")
    return "\n".join(records)


def write_coveragepy(model: Model) -> str:
    files = {
        path: {
            "executed_lines": [line for line, (hits, _) in found.items() if hits],
            "missing_lines": [line for line, (hits, _) in found.items() if not hits],
            "executed_branches": [
                [a, b] for a, (_, taken) in found.items() for b, is_taken in enumerate(taken) if is_taken
            ],
            "missing_branches": [
                [a, b] for a, (_, taken) in found.items() for b, is_taken in enumerate(taken) if not is_taken
            ],
        }
        for path, found in model.items()
    }
    return json.dumps({"meta": {}, "files": files, "totals": {"num_statements": "unknown"}})


def write_istanbul(model: Model) -> str:
    files = {
        path: {
            "path": path,
            "statementMap": {str(line): {"start": {"line": line, "column": 0}} for line in found},
            "s": {str(line): hits for line, (hits, _) in found.items()},
            "b": {str(line): [int(is_taken) for is_taken in taken] for line, (_, taken) in found.items()},
        }
        for path, found in model.items()
    }
    return json.dumps(files)


def write_simplecov(model: Model) -> str:
    files = {}
    for path, found in model.items():
        hits = [found[line][0] if line in found else None for line in range(1, max(found, default=0) + 1)]
        branches = {
            f"[:if, {line}]": {f"[:then, {index}]": int(is_taken) for index, is_taken in enumerate(taken)}
            for line, (_, taken) in found.items()
        }
        files[path] = {"lines": hits, "branches": branches}
    return json.dumps({"RSpec": {"coverage": files, "timestamp": 1}})


def write_gcovr(model: Model) -> str:
    files = [
        {
            "file": path,
            "lines": [
                {
                    "line_number": line,
                    "count": hits,
                    "branches": [{"branchno": index, "count": int(is_taken)} for index, is_taken in enumerate(taken)],
                }
                for line, (hits, taken) in found.items()
            ],
        }
        for path, found in model.items()
    ]
    return json.dumps({"gcovr/format_version": "0.15", "files": files})


def write_clover(model: Model) -> str:
    """Clover has no branches that a line could tell."""

    def write_line(line: int, hits: int, _branches: list[bool]) -> str:
        return f'<line num="{line}" type="stmt" count="{hits}"/>'

    head = '<coverage generated="1"><project>'
    return write_elements(model, head, '<file name="{}">', write_line, "</file>") + "</project></coverage>"


def write_go(model: Model) -> str:
    blocks = [
        f"{path}:{line}.1,{line}.9 1 {hits}" for path, found in model.items() for line, (hits, _) in found.items()
    ]
    return "\n".join(["mode: count", *blocks, ""])


WITH_BRANCHES = [
    write_cobertura,
    write_sonarqube,
    write_jacoco,
    write_lcov,
    write_coveragepy,
    write_istanbul,
    write_simplecov,
    write_gcovr,
]
WITHOUT_BRANCHES = [write_clover, write_go]


@pytest.mark.parametrize("write", [*WITH_BRANCHES, *WITHOUT_BRANCHES], ids=lambda write: write.__name__[6:])
@given(models)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_the_same_coverage_gives_the_same_report_in_every_format(write: Callable[[Model], str], model: Model) -> None:
    report = read_bytes(write(model).encode())
    # A Go profile names no file without a block.
    expected = {path: found for path, found in model.items() if found or write is not write_go}
    assert [file.path for file in report.files] == list(expected)
    for file in report.files:
        found = expected[file.path]
        assert set(file.valid) == set(found)
        assert set(file.covered) == {line for line, (hits, _) in found.items() if hits}
        if write in WITH_BRANCHES:
            assert file.branches_valid == sum(len(taken) for _, taken in found.values())
            assert file.branches_covered == sum(sum(taken) for _, taken in found.values())
    assert report.lines_valid == sum(map(len, expected.values()))
    assert report.truncated is None
    assert not {warning.code for warning in report.warnings} - {"no_files"}


def assert_sound(report: ParsedCoverage) -> None:
    for file in report.files:
        assert not file.covered - file.valid
        assert 0 <= file.lines_covered <= file.lines_valid
        assert 0 <= file.branches_covered <= file.branches_valid
        assert file.path.encode()
    assert 0 <= report.lines_covered <= report.lines_valid
    assert 0 <= report.branches_covered <= report.branches_valid
    for warning in report.warnings:
        assert json.dumps(warning.to_json()).encode()
    assert len(report.contexts.contexts) == len(report.contexts.files) == len(report.contexts.lines)
    assert all(name.encode() for name in report.contexts.names)


def assert_report_or_error(data: bytes) -> None:
    assert looks_like_coverage(data[:HEAD_BYTES]) in (True, False)
    with suppress(IngestError):
        assert_sound(read_bytes(data))


openings = st.sampled_from(
    [b"", b"<coverage>", b"<coverage ", b"<report name='x'><package>", b"{", b'{"files": {', b'{"a": {"statementMap": ']
    + [b"TN:\nSF:a\n", b"mode: set\n", b"\xff\xfe", b"\xef\xbb\xbf<", b'{"RSpec": {"coverage": {', b"\x00<", b"[["]
)


@given(openings, st.binary(max_size=200))
@settings(max_examples=400)
@example(b"", b"\xff\xfe<\x00")
def test_any_bytes_give_a_report_or_our_own_error(opening: bytes, rest: bytes) -> None:
    assert_report_or_error(opening + rest)


PLAIN = sorted(path for path in SAMPLES.iterdir() if path.name != "MANIFEST.json")
replacements = st.sampled_from(
    [
        b"",
        b"\x00",
        b"-",
        b"9" * 40,
        b"nan",
        b"null",
        b"[]",
        b"{}",
        b"<",
        b">",
        b'"',
        b"\\ud800",
        b"..",
        b"/",
        b"\xff",
        b"1e999",
    ]
)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_report_gives_a_report_or_our_own_error(path: Path, data: Any) -> None:
    raw = path.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(raw)))
        stop = min(start + data.draw(st.integers(0, 12)), len(raw))
        raw = raw[:start] + data.draw(replacements) + raw[stop:]
    assert_report_or_error(raw)


@pytest.mark.parametrize("path", PLAIN, ids=lambda path: path.name)
def test_a_cut_report_never_lists_more_than_the_whole(path: Path) -> None:
    raw = path.read_bytes()
    try:
        whole = read_bytes(raw)
    except IngestError:
        return
    known = {file.path: file for file in whole.files}
    for at in range(0, len(raw), max(len(raw) // 60, 1)):
        try:
            report = read_bytes(raw[:at])
        except IngestError:
            continue
        assert_sound(report)
        for file in report.files:
            # A path may itself be cut.
            if file.path in known:
                assert not file.valid - known[file.path].valid
                assert not file.covered - known[file.path].covered

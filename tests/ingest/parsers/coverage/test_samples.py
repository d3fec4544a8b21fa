"""Every coverage sample gives the figures of its manifest: our own, and the shared corpus where it is."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers.coverage import HEAD_BYTES, looks_like_coverage, read_coverage
from ingest.parsers.coverage.types import CoverageLimits, ParsedCoverage

REPOSITORY = Path(__file__).parents[4]
OWN = REPOSITORY / "tests/samples/coverage"
SHARED = REPOSITORY.parent / "shared/samples"
FIGURES = ("format", "lines_valid", "lines_covered", "branches_valid", "branches_covered")
# Shared files we read in another way than the manifest says, each with the reason. None.
EXCEPTIONS: dict[str, str] = {}
# Reports of one run by one tool in several formats: they have to agree line by line.
SAME_LINES = (
    ("coveragepy-branch.json", "coveragepy-branch.cobertura.xml", "coveragepy.lcov"),
    ("gcovr-8.8.json", "gcovr-8.8.cobertura.xml", "gcovr-8.8.lcov", "gcovr-8.8.sonarqube.xml", "gcovr-8.8.clover.xml"),
    ("jest-istanbul.coverage-final.json", "jest-istanbul.cobertura.xml", "jest-istanbul.lcov.info"),
    ("llvm-cov-14-export.json", "llvm-cov-14.lcov"),
    ("go-count.coverprofile", "go-set.coverprofile"),
)
PREFIXES = ("/srv/cppw", "/srv/node/jest", "/srv/demo/cpp")

needs_shared = pytest.mark.skipif(
    not SHARED.exists(),
    reason=f"the shared sample corpus is not beside the repository ({SHARED}): only our own samples were read",
)


def list_own() -> list[Any]:
    entries = json.loads((OWN / "MANIFEST.json").read_text("utf-8"))
    return [pytest.param(OWN, entry, id=entry["path"]) for entry in entries]


def list_shared() -> list[Any]:
    if not SHARED.exists():
        return [pytest.param(SHARED, {}, id="shared corpus", marks=needs_shared)]
    entries = json.loads((SHARED / "MANIFEST.json").read_text("utf-8"))["files"]
    return [
        pytest.param(SHARED, entry, id=entry["path"])
        for entry in entries
        if entry["kind"] in ("coverage", "history coverage") and entry["path"] not in EXCEPTIONS
    ]


def load(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def read_path(path: Path, *, prefixes: tuple[str, ...] = ()) -> ParsedCoverage:
    data = load(path)
    # Without its name, because only the content may decide.
    return read_coverage(lambda: io.BytesIO(data), filename="report", limits=CoverageLimits(), prefixes=prefixes)


def read_sample(folder: Path, entry: dict[str, Any]) -> tuple[ParsedCoverage | None, IngestError | None]:
    try:
        report = read_path(folder / entry["path"])
    except IngestError as error:
        return None, error
    return report, report.truncated


def assert_whole(report: ParsedCoverage) -> None:
    """What holds for every report."""
    assert len({file.path for file in report.files}) == len(report.files)
    for file in report.files:
        assert not file.covered - file.valid
        assert file.lines_covered <= file.lines_valid
        assert file.branches_covered <= file.branches_valid
    assert report.lines_covered <= report.lines_valid
    assert report.branches_covered <= report.branches_valid
    assert len({warning.code for warning in report.warnings}) == len(report.warnings)


@pytest.mark.parametrize(("folder", "entry"), [*list_own(), *list_shared()])
def test_a_sample_gives_the_figures_of_its_manifest(folder: Path, entry: dict[str, Any]) -> None:
    report, error = read_sample(folder, entry)
    expected = entry["expected"]
    if entry.get("ingest", "accept").startswith("reject"):
        assert error is not None
        assert error.line
        assert error.column
        if "error" in expected:
            assert error.line == expected["error"]["line"]
            assert abs(error.column - expected["error"]["column"]) <= 1
        if report:
            assert_whole(report)
        return
    assert error is None
    assert report is not None
    assert_whole(report)
    assert {name: getattr(report, name) for name in FIGURES} == {name: expected[name] for name in FIGURES}
    assert len(report.files) == expected["files"]
    if "statements_valid" in expected:
        assert report.statements_valid == expected["statements_valid"]
        assert report.statements_covered == expected["statements_covered"]


def test_exceptions_are_files_of_the_corpus() -> None:
    known = {param.values[1].get("path") for param in list_shared()}
    assert not set(EXCEPTIONS) & known


@needs_shared
def test_coverage_is_told_from_test_results_by_its_first_bytes() -> None:
    entries = json.loads((SHARED / "MANIFEST.json").read_text("utf-8"))["files"]
    for entry in entries:
        data = load(SHARED / entry["path"]) if "coverage" in entry["kind"] or "junit" in entry["kind"] else b""
        if data:
            assert looks_like_coverage(data[:HEAD_BYTES]) == ("coverage" in entry["kind"]), entry["path"]


@needs_shared
@pytest.mark.parametrize("names", SAME_LINES, ids=lambda names: names[0])
def test_formats_of_one_tool_agree_line_by_line(names: tuple[str, ...]) -> None:
    first, *others = (read_path(SHARED / "coverage" / name, prefixes=PREFIXES) for name in names)
    lines = {file.path: (file.valid, file.covered) for file in first.files}
    assert any(valid for valid, _ in lines.values())
    for other in others:
        assert {file.path: (file.valid, file.covered) for file in other.files} == lines


@needs_shared
@pytest.mark.parametrize("project", ["click", "more-itertools"])
def test_both_formats_of_each_run_of_a_project_agree_line_by_line(project: str) -> None:
    runs = sorted(path for path in (SHARED / "history" / project).iterdir() if (path / "coverage.xml.gz").exists())
    assert len(runs) >= 30
    for run in runs:
        xml, lcov = read_path(run / "coverage.xml.gz"), read_path(run / "coverage.lcov.gz")
        assert len(xml.files) == len(lcov.files)
        by_lines = {(file.lines_valid, file.valid, file.covered, file.branches_covered) for file in xml.files}
        assert by_lines == {(file.lines_valid, file.valid, file.covered, file.branches_covered) for file in lcov.files}

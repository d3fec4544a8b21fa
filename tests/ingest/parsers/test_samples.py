"""Every sample file gives the figures of its manifest: our own samples, and the shared corpus where it is."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from health.rules.outcomes import WORDS
from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.types import Limits, ParsedReport

REPOSITORY = Path(__file__).parents[3]
OWN = REPOSITORY / "tests/samples/junit"
SHARED = REPOSITORY.parent / "shared/samples"
FIGURES = ("tests", "passed", "failed", "errored", "skipped", "distinct")
# Shared files we read in another way than the manifest says, each with the reason. None.
EXCEPTIONS: dict[str, str] = {}


def list_own() -> list[Any]:
    entries = json.loads((OWN / "MANIFEST.json").read_text("utf-8"))
    return [pytest.param(OWN, entry, id=entry["path"]) for entry in entries]


def list_shared() -> list[Any]:
    if not SHARED.exists():
        reason = f"the shared sample corpus is not beside the repository ({SHARED}): only our own samples were read"
        return [pytest.param(SHARED, {}, id="shared corpus", marks=pytest.mark.skip(reason=reason))]
    entries = json.loads((SHARED / "MANIFEST.json").read_text("utf-8"))["files"]
    return [
        pytest.param(SHARED, entry, id=entry["path"])
        for entry in entries
        if entry["kind"] in ("junit", "history junit") and entry["path"] not in EXCEPTIONS
    ]


def read_sample(folder: Path, entry: dict[str, Any]) -> tuple[ParsedReport | None, IngestError | None]:
    path = folder / entry["path"]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        report = read_report(lambda: io.BytesIO(data), filename=path.name, limits=Limits())
    except IngestError as error:
        return None, error
    return report, report.truncated


def assert_figures(report: ParsedReport, expected: dict[str, Any]) -> None:
    counts = report.elements
    assert {name: getattr(counts, name) for name in FIGURES} == {name: expected[name] for name in FIGURES}
    assert counts.flaky == expected.get("flaky", 0)
    assert counts.total_time == pytest.approx(expected["total_time"], abs=1e-6)
    assert len(report.suite_errors) == expected.get("suite_level_errors", 0)


def assert_whole(report: ParsedReport) -> None:
    """What holds for every report: columns of one length, unique names, nothing lost."""
    assert len(report.keys) == len(report.outcomes) == len(report.seconds) == len(set(report.keys))
    assert len(report.keys) + report.merged == report.elements.tests
    assert all(0 <= detail.case < len(report.keys) for detail in report.details)
    assert len({warning.code for warning in report.warnings}) == len(report.warnings)


@pytest.mark.parametrize(("folder", "entry"), [*list_own(), *list_shared()])
def test_a_sample_gives_the_figures_of_its_manifest(folder: Path, entry: dict[str, Any]) -> None:
    report, error = read_sample(folder, entry)
    expected = entry["expected"]
    if entry.get("ingest", "accept").startswith("reject"):
        assert error is not None
        if "error" in expected:
            assert error.line == expected["error"]["line"]
            assert abs((error.column or 0) - expected["error"]["column"]) <= 1
            assert f"{error.line}" in error.message or report is None
        if report:
            assert_whole(report)
        return
    assert error is None
    assert report is not None
    assert_figures(report, expected)
    assert_whole(report)
    codes = {warning.code for warning in report.warnings}
    if entry.get("ingest") == "accept with warning":
        assert codes
        assert all(warning.line for warning in report.warnings)
    if folder == SHARED:
        assert ("declared_differs" in codes) == ("declared_differs" in expected)


@pytest.mark.parametrize(("folder", "entry"), list_own())
def test_a_sample_of_ours_gives_its_cases_codes_and_outcomes(folder: Path, entry: dict[str, Any]) -> None:
    report, error = read_sample(folder, entry)
    assert (error.code if error else None) == entry.get("error_code")
    if report is None:
        return
    assert_figures(report, entry["expected"])
    assert len(report.keys) == entry.get("cases", entry["expected"]["tests"])
    assert (report.merged, report.rejected) == (entry["merged"], entry["rejected"])
    assert sorted(warning.code for warning in report.warnings) == entry["codes"]
    if "outcomes" in entry:
        assert [WORDS[code] for code in report.outcomes] == entry["outcomes"]


def test_every_sample_of_ours_is_in_its_manifest() -> None:
    listed = {entry["path"] for entry in json.loads((OWN / "MANIFEST.json").read_text("utf-8"))}
    assert {path.name for path in OWN.iterdir()} == listed | {"MANIFEST.json"}


def test_the_guard_bites() -> None:
    """A figure that is off by one is noticed."""
    entry = json.loads((OWN / "MANIFEST.json").read_text("utf-8"))[0]
    report, _ = read_sample(OWN, entry)
    assert report is not None
    report.elements.failed += 1
    with pytest.raises(AssertionError):
        assert_figures(report, entry["expected"])

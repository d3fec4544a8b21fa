"""The receipt that docs/uploads.md shows is one this program could write, and its figures add up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from health.models import UploadFile
from ingest import receipts
from ingest.coverage import FoundLevel
from ingest.errors import IngestError
from ingest.parsers.coverage.types import ParsedCoverage
from ingest.parsers.types import ParsedReport
from ingest.remarks import Remark

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "uploads.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def receipt() -> dict[str, Any]:
    found = re.search(r"```json\n(.+?)```", PAGE, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_its_files_have_exactly_what_a_receipt_says_of_them(receipt: dict[str, Any]) -> None:
    results, coverage, failed = receipt["files"]
    file, level = UploadFile(name="a.xml"), FoundLevel("unit", "delivery")
    assert results.keys() == receipts.describe_report(file, ParsedReport(format="junit")).keys()
    assert coverage.keys() == receipts.describe_coverage(file, ParsedCoverage(format="cobertura"), level).keys()
    error = IngestError("not_a_report", "A page.")
    described = receipts.describe_failure(file, error, None)
    assert failed.keys() == described.keys()
    assert failed["error"].keys() == error.to_json().keys()
    assert results["warnings"][0].keys() == Remark("declared_differs", "…").to_json().keys()


def test_its_figures_add_up(receipt: dict[str, Any]) -> None:
    results = receipt["files"][0]
    assert sum(results[name] for name in ("passed", "failed", "errored", "skipped")) == results["tests"]
    assert results["accepted"] + results["merged"] + results["rejected"] == results["tests"]
    assert results["xfailed"] <= results["skipped"]
    told = f"{results['skipped'] - results['xfailed']} skipped, one expected to fail, of {results['tests']:,}"
    assert told in PAGE.replace("\n  ", " ")

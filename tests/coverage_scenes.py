"""Runs with coverage, stored through the real store: for tests of the pages that show it.

`measured` is one delivery of coverage at one level; `lines` says in short which lines of a file there are and ran.
"""

from collections.abc import Mapping
from typing import Any

from health.models import Project, Run
from health.rules.bitmaps import LineSet
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.coverage import CoverageFile
from ingest.parsers.coverage.types import Contexts, FileCoverage, ParsedCoverage
from ingest.store import Contents, store_contents
from tests.builders import a_received_upload, a_report
from tests.scenes import at

Files = Mapping[str, FileCoverage]


def lines(n: int, covered: int | tuple[int, ...], *, branches: tuple[int, int] = (0, 0)) -> FileCoverage:
    """Lines 1 to n; the first `covered` of them ran, or those named. Branches by number: valid, covered."""
    ran = LineSet.of(range(1, covered + 1) if isinstance(covered, int) else covered)
    valid = LineSet.of(range(1, n + 1))
    return FileCoverage("", valid, ran, len(valid), len(ran), *branches)


def counted(n: int, covered: int) -> FileCoverage:
    """A file whose lines are only counted."""
    return FileCoverage("", lines_valid=n, lines_covered=covered)


def measured(
    project: Project,
    files: Files,
    *,
    hour: float,
    level: str = "",
    branch: str = "main",
    is_partial: bool = False,
    totals: tuple[int, int] | None = None,
    contexts: Mapping[str, tuple[str, tuple[int, ...]]] | None = None,
    cases: Mapping[str, str] | None = None,
    **metadata: Any,
) -> int:
    """Store one report; returns the number of its run. Equal `run_id`s make one run, else each hour is one.

    `cases` are test results that come with it.

    `totals` are lines (valid, covered) where the report's own differ from the sums; `contexts` are tests with the file
    and the lines they ran.
    """
    values: dict[str, Any] = {
        "ran_at": at(hour),
        "committed_at": at(hour),
        "commit": f"{int(hour) + 1:040x}",
        "provider": "ci",
        "run_id": f"coverage {branch} {hour:g}",
        "job": "coverage",
    } | metadata
    upload = a_received_upload(project, branch=branch, level=level, **values)
    forget_names()
    delivery = claim_next()
    assert delivery is not None
    assert delivery.upload_id == upload.pk
    report = _write_report(files, totals, contexts or {})
    receipt = {"files": [{"name": "coverage.xml", "format": "cobertura", "state": "stored"}], "warnings": []}
    results = a_report(dict(cases)) if cases else None
    contents = Contents(results, [CoverageFile(report, level, is_partial)])
    store_contents(delivery, contents, state="partial" if is_partial else "stored", receipt=receipt)
    upload.refresh_from_db()
    project.refresh_from_db()
    assert upload.run is not None
    return int(Run.objects.get(project=project, number=upload.run).number)


def _write_report(
    files: Files, totals: tuple[int, int] | None, contexts: Mapping[str, tuple[str, tuple[int, ...]]]
) -> ParsedCoverage:
    named = [
        FileCoverage(
            path,
            file.valid,
            file.covered,
            file.lines_valid,
            file.lines_covered,
            file.branches_valid,
            file.branches_covered,
        )
        for path, file in files.items()
    ]
    valid, covered = totals or (sum(f.lines_valid for f in named), sum(f.lines_covered for f in named))
    report = ParsedCoverage("cobertura", named, valid, covered)
    report.branches_valid = sum(file.branches_valid for file in named)
    report.branches_covered = sum(file.branches_covered for file in named)
    report.contexts = Contexts(list(contexts))
    for number, (path, ran) in enumerate(contexts.values()):
        for line in ran:
            report.contexts.contexts.append(number)
            report.contexts.files.append(list(files).index(path))
            report.contexts.lines.append(line)
    return report

"""The reports of one upload as one report.

Used by `ingest.pipeline`; pure.
Promise: the figures are those of the files together, and a name that stands in several files is numbered on as it is
within one (`tests/ingest/parsers/test_joining.py`).
"""

from collections.abc import Sequence
from dataclasses import replace

from health.rules.identity import PART
from ingest.parsers.notes import HINTS
from ingest.parsers.repeats import name_case
from ingest.parsers.texts import TextStore, inflate_texts
from ingest.parsers.types import ElementCounts, ParsedReport
from ingest.remarks import Remark


def join_reports(reports: Sequence[ParsedReport]) -> ParsedReport:
    """Join reports in the order given. Its warnings are only those that concern several files."""
    joined = ParsedReport(reports[0].format, warnings=[])
    texts = TextStore()
    for report in reports:
        first_case, first_byte = len(joined.keys), texts.size
        joined.keys += report.keys
        joined.outcomes += report.outcomes
        joined.seconds += report.seconds
        joined.details += [
            replace(detail, case=detail.case + first_case, text_offset=detail.text_offset + first_byte)
            for detail in report.details
        ]
        joined.suites += report.suites
        joined.suite_errors += report.suite_errors
        joined.truncated = joined.truncated or report.truncated
        joined.merged += report.merged
        joined.rejected += report.rejected
        for data in inflate_texts(report.texts):
            texts.add(data)
    joined.texts = texts.finish()
    _number_siblings(joined, [len(report.keys) for report in reports])
    joined.elements = _add_counts(joined, reports)
    return joined


def _number_siblings(joined: ParsedReport, sizes: list[int]) -> None:
    """Continue each name's numbers where the files before left off."""
    if len(set(joined.keys)) == len(joined.keys):
        return
    highest: dict[str, int] = {}
    start = n_repeated = 0
    example = ""
    for size in sizes:
        here: dict[str, int] = {}
        for index in range(start, start + size):
            key, occurrence = _split_occurrence(joined.keys[index])
            offset = highest.get(key, 0)
            here[key] = max(here.get(key, 0), offset + occurrence)
            if offset:
                joined.keys[index] = f"{key}{PART}{offset + occurrence}"
                n_repeated += 1
                example = example or name_case(key)
        highest |= here
        start += size
    message = f"{example!r} stands in several files of this upload."
    joined.warnings.append(Remark("repeated_name", message, None, None, HINTS["repeated_name"], n_repeated))


def _split_occurrence(key: str) -> tuple[str, int]:
    suite_path, class_name, name, *occurrence = key.split(PART)
    return PART.join((suite_path, class_name, name)), int(occurrence[0]) if occurrence else 1


def _add_counts(joined: ParsedReport, reports: Sequence[ParsedReport]) -> ElementCounts:
    counts = [report.elements for report in reports]
    return ElementCounts(
        tests=sum(count.tests for count in counts),
        passed=sum(count.passed for count in counts),
        failed=sum(count.failed for count in counts),
        errored=sum(count.errored for count in counts),
        skipped=sum(count.skipped for count in counts),
        flaky=sum(count.flaky for count in counts),
        distinct=len({_split_occurrence(key)[0] for key in joined.keys}),
        total_time=sum(count.total_time for count in counts),
    )

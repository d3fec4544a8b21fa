"""From columns as they were read to a finished report: counts, checks of what the file declares, repeated names.

Used by `ingest.parsers`; pure. Promise: the figures are those of the sample manifest
(`tests/ingest/parsers/test_samples.py`).
"""

from typing import Final

from health.rules.identity import PART
from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL
from ingest.errors import IngestError
from ingest.parsers.junit import JunitHandler
from ingest.parsers.notes import Notes
from ingest.parsers.repeats import resolve_repeats
from ingest.parsers.suites import Suite, shorten_name
from ingest.parsers.types import ElementCounts, ParsedReport

# Four hours in whole seconds: no suite is that slow and that round.
_SUSPICIOUS_SECONDS: Final = 4 * 3600


def assemble_report(handler: JunitHandler, *, cut: IngestError | None) -> ParsedReport:
    """Finish what a handler has read. With `cut`, the file is not whole."""
    notes = handler.notes
    rejected = handler.finish(is_cut=cut is not None)
    if rejected:
        notes.add("case_cut_off", "The file breaks off inside a case.", case=len(handler.keys), count=rejected)
    report = ParsedReport(
        "junit",
        keys=handler.keys,
        outcomes=handler.outcomes,
        seconds=handler.times.settle(),
        details=handler.failures.details,
        texts=handler.failures.texts.finish(),
        suites=[suite.info for suite in handler.suites.suites],
        suite_errors=handler.suite_errors,
        truncated=cut,
        rejected=rejected,
    )
    _shorten_names(report, handler)
    report.elements = _count(report, n_flaky=handler.failures.n_flaky)
    if not cut:
        _check_declarations(report.elements, handler.suites.suites, notes)
    _check_units(report, notes)
    if report.elements.distinct != report.elements.tests:
        resolve_repeats(report, suites=handler.suites.suites, repetitions=handler.repetitions, notes=notes)
    return report


def _count(report: ParsedReport, *, n_flaky: int) -> ElementCounts:
    outcomes = report.outcomes
    return ElementCounts(
        tests=len(report.keys),
        passed=outcomes.count(PASS) + outcomes.count(PASS_ON_RETRY),
        failed=outcomes.count(FAIL),
        errored=outcomes.count(ERROR),
        skipped=outcomes.count(SKIP) + outcomes.count(XFAIL),
        flaky=n_flaky,
        distinct=len(set(report.keys)),
        total_time=sum(report.seconds),
    )


def _shorten_names(report: ParsedReport, handler: JunitHandler) -> None:
    longest = handler.limits.max_name_chars
    if max(map(len, report.keys), default=0) <= longest:
        return
    for index, key in enumerate(report.keys):
        if len(key) > longest:
            path, *names = key.split(PART)
            names = [shorten_name(name, limits=handler.limits, notes=handler.notes, case=index) for name in names]
            report.keys[index] = PART.join((path, *names))


def _check_declarations(counts: ElementCounts, suites: list[Suite], notes: Notes) -> None:
    """Compare what the outermost suites declare with what is listed; parents repeat the totals of their children."""
    outermost = [(number, suite) for number, suite in enumerate(suites) if suite.is_outermost]
    declared = [suite.info.declared_tests for _, suite in outermost if suite.info.declared_tests is not None]
    if not counts.tests:
        promised = f", although it declares {sum(declared):,}" if any(declared) else ""
        notes.add("no_cases", f"The report lists no case{promised}.", line=1, column=1)
    if declared and sum(declared) != counts.tests:
        differing = [
            number for number, suite in outermost if suite.info.declared_tests not in (None, suite.stop - suite.first)
        ]
        message = f"The suites declare {sum(declared):,} tests and list {counts.tests:,}."
        notes.add("declared_differs", message, suite=differing[0] if differing else outermost[0][0])
    problems = [
        (suite.info.declared_failures or 0) + (suite.info.declared_errors or 0)
        for _, suite in outermost
        if suite.info.declared_failures is not None or suite.info.declared_errors is not None
    ]
    n_broken = counts.failed + counts.errored
    if problems and sum(problems) != n_broken:
        message = f"The suites declare {sum(problems):,} failures and errors and list {n_broken:,}."
        notes.add("declared_differs", message, suite=outermost[0][0])


def _check_units(report: ParsedReport, notes: Notes) -> None:
    total = report.elements.total_time
    if total >= _SUSPICIOUS_SECONDS and all(seconds.is_integer() for seconds in report.seconds):
        slowest = max(range(len(report.seconds)), key=report.seconds.__getitem__)
        message = f"The cases take {total / 3600:,.1f} hours together, all in whole seconds."
        notes.add("suspicious_unit", message, case=slowest)

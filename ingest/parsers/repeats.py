"""Names that stand in a report more than once: attempts of one case, or several cases with one name.

A report never says which it is. Where the writer is known to repeat attempts they become one case; every other
repeat is kept apart as sibling #2, #3. Used by `ingest.parsers.assemble` and `ingest.parsers.joining`; pure.
Promise: no element is lost, and a failure is only ever folded into a later attempt
(`tests/ingest/parsers/test_repeats.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Final

from health.rules.identity import PART
from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP
from ingest.parsers.notes import Notes
from ingest.parsers.suites import Suite
from ingest.parsers.types import ParsedReport

_BROKEN: Final = frozenset({FAIL, ERROR})
# TestNG writes the attempts it will repeat as skipped.
_REPEATED_AFTER: Final[dict[str, frozenset[int]]] = {
    "go": _BROKEN,
    "gradle": _BROKEN,
    "testng": _BROKEN | {SKIP},
}
_MOST_ATTEMPTS: Final = 32_767

Attempts = list[int]


def resolve_repeats(
    report: ParsedReport, *, suites: Sequence[Suite], repetitions: Mapping[int, str], notes: Notes
) -> None:
    """Fold attempts and number siblings, in place. `repetitions` are the `repetition` properties by case."""
    groups = _group(report.keys)
    if not groups:
        return
    judge = _Judge(report, suites, repetitions)
    folded: dict[int, tuple[int, int]] = {}
    for group in groups:
        cases = judge.split(group)
        _note(report.keys[group[0]], cases, notes)
        for occurrence, attempts in enumerate(cases, 1):
            if len(attempts) > 1:
                _fold(report, attempts, is_rerun=judge.is_rerun_of_failure(attempts))
                folded |= {case: (attempts[0], number) for number, case in enumerate(attempts, 1)}
            if occurrence > 1:
                report.keys[attempts[0]] += f"{PART}{occurrence}"
    if folded:
        _drop_folded(report, folded)


def name_case(key: str) -> str:
    """A case as a person would name it."""
    _, class_name, name, *_ = key.split(PART)
    return f"{class_name} {name}".strip()[:200] or "(unnamed)"


def _group(keys: list[str]) -> list[list[int]]:
    """The elements of every name that stands more than once."""
    first_at: dict[str, int] = {}
    groups: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        first = first_at.setdefault(key, index)
        if first != index:
            groups.setdefault(key, [first]).append(index)
    return list(groups.values())


class _Judge:
    """Decides which elements with one name are attempts of one case."""

    def __init__(self, report: ParsedReport, suites: Sequence[Suite], repetitions: Mapping[int, str]) -> None:
        self._report = report
        self._suites = suites
        self._repetitions = repetitions
        # The innermost suite of each element: a suite comes behind the one it is in.
        self._suite_of = [-1] * len(report.keys)
        for number, suite in enumerate(suites):
            self._suite_of[suite.first : suite.stop] = [number] * (suite.stop - suite.first)
        self._declares_names: dict[int, bool] = {}

    def split(self, group: list[int]) -> list[Attempts]:
        """The cases behind a repeated name, each with its attempts."""
        if any(index in self._repetitions for index in group):
            return self._split_by_repetition(group)
        if self._is_call_and_teardown(group) or self._is_one_case(group):
            return [group]
        return [[index] for index in group]

    def is_rerun_of_failure(self, attempts: Attempts) -> bool:
        """Whether earlier attempts failed although the report lists them as passed (pytest-rerunfailures)."""
        suite = self._find_common_suite(attempts)
        return suite >= 0 and self._suites[suite].writer == "pytest" and self._declares_distinct_names(suite)

    def _split_by_repetition(self, group: list[int]) -> list[Attempts]:
        """Xcode numbers the repetitions; the same number again is another case (two equal argument rows)."""
        cases: list[tuple[Attempts, set[str]]] = []
        for index in group:
            repetition = self._repetitions.get(index, "")
            if cases and repetition not in cases[-1][1]:
                cases[-1][0].append(index)
                cases[-1][1].add(repetition)
            else:
                cases.append(([index], {repetition}))
        return [attempts for attempts, _ in cases]

    def _is_call_and_teardown(self, group: list[int]) -> bool:
        """Pytest, nose2 and unittest write a second element when the tear-down of a failed test breaks too."""
        if len(group) != 2 or group[1] != group[0] + 1:
            return False
        outcomes = self._report.outcomes
        return outcomes[group[0]] == FAIL and outcomes[group[1]] == ERROR

    def _is_one_case(self, group: list[int]) -> bool:
        suite = self._find_common_suite(group)
        if suite < 0:
            return False
        if self._declares_distinct_names(suite):
            return True
        outcomes = [self._report.outcomes[index] for index in group]
        repeated_after = _REPEATED_AFTER.get(self._suites[suite].writer, frozenset())
        # Behind an attempt that passed there is no other: such rows belong to different data.
        return set(outcomes[:-1]) <= repeated_after and outcomes[-1] != SKIP

    def _find_common_suite(self, group: list[int]) -> int:
        suite = self._suite_of[group[0]]
        return suite if all(self._suite_of[index] == suite for index in group) else -1

    def _declares_distinct_names(self, number: int) -> bool:
        """Whether a suite declares as many tests as it has names, while it lists more."""
        if number not in self._declares_names:
            suite = self._suites[number]
            declared, n_listed = suite.info.declared_tests, suite.stop - suite.first
            self._declares_names[number] = (
                declared is not None
                and declared < n_listed
                and declared == len(set(self._report.keys[suite.first : suite.stop]))
            )
        return self._declares_names[number]


def _fold(report: ParsedReport, attempts: Attempts, *, is_rerun: bool) -> None:
    """Give the first attempt's place what all of them together say."""
    target, outcomes = attempts[0], [report.outcomes[index] for index in attempts]
    outcome, seconds = outcomes[-1], report.seconds[attempts[-1]]
    if outcomes == [FAIL, ERROR] and attempts[1] == target + 1:
        # The call failed, then the tear-down broke: the test failed, and both took their time.
        outcome, seconds = FAIL, report.seconds[target] + seconds
    elif outcome == PASS and (is_rerun or set(outcomes) != {PASS}):
        outcome = PASS_ON_RETRY
    report.outcomes[target], report.seconds[target] = outcome, seconds


def _note(key: str, cases: list[Attempts], notes: Notes) -> None:
    name = name_case(key)
    for attempts in cases:
        if len(attempts) > 1:
            message = f"{name!r} is listed {len(attempts)} times: read as attempts of one case."
            notes.add("attempts_merged", message, case=attempts[1], count=len(attempts) - 1)
    if len(cases) > 1:
        message = f"{name!r} stands for {len(cases)} cases."
        notes.add("repeated_name", message, case=cases[1][0], count=len(cases) - 1)


def _drop_folded(report: ParsedReport, folded: Mapping[int, tuple[int, int]]) -> None:
    """Take folded elements out of the columns; `folded` gives each attempt's first element and its number."""
    dropped = {case for case, (target, _) in folded.items() if case != target}
    kept = [index for index in range(len(report.keys)) if index not in dropped]
    number_of = {old: new for new, old in enumerate(kept)}
    report.keys[:] = [report.keys[index] for index in kept]
    report.outcomes[:] = bytes(report.outcomes[index] for index in kept)
    report.seconds[:] = [report.seconds[index] for index in kept]
    for detail in report.details:
        target, number = folded.get(detail.case, (detail.case, 1))
        detail.case = number_of[target]
        detail.attempt = min(detail.attempt + number - 1, _MOST_ATTEMPTS)
    report.merged += len(dropped)

"""The verdict on one run: may it pass, which reasons fail it, and what is only told.

Used by `health.gate`, which finds the reasons, and by `ingest.forms`, which reads what a sender asks for; pure.
Promise: what is not known is never called passed, and a reason that does not fail the run is still told
(`tests/health/test_gate.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

NEW_FAILURES: Final = "new_failures"
UNBACKED: Final = "unbacked_deferrals"
OVERDUE: Final = "overdue_reviews"
SHRINKING: Final = "shrinking_suites"
QUARANTINED: Final = "quarantined"
UNEXPECTED_PASSES: Final = "unexpected_passes"

# How a configuration and a command line name the reasons, and what is said where there is none.
RULES: Final[dict[str, str]] = {
    "new-failures": NEW_FAILURES,
    "unbacked-deferrals": UNBACKED,
    "overdue-reviews": OVERDUE,
    "shrinking-suites": SHRINKING,
}
_NOTHING: Final[dict[str, str]] = {
    NEW_FAILURES: "no new failures",
    UNBACKED: "nothing put off without backing",
    OVERDUE: "no review is overdue",
    SHRINKING: "no suite shrinks",
}
MOST_NAMED: Final = 20

Verdict = Literal["pass", "fail", "unknown"]


@dataclass(frozen=True, slots=True)
class Named:
    """A test or suite that a reason is about; `ord` is the test's number, None of a suite. `note` says what of it."""

    name: str
    ord: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that was found: how many tests or suites, in one sentence, and the first of them."""

    code: str
    n: int
    told: str
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What is said of a run. `reasons` are those that fail it, `warnings` the others; `tolerated` fails nothing.

    `waiting` counts what is still to be read or compared: asked again, the answer may be another one.
    """

    verdict: Verdict
    run: int
    told: str
    reasons: tuple[Reason, ...] = ()
    warnings: tuple[Reason, ...] = ()
    tolerated: tuple[Reason, ...] = ()
    waiting: int = 0


def decide(
    run: int,
    *,
    found: Sequence[Reason],
    tolerated: Sequence[Reason],
    fail_on: Sequence[str],
    unknown: str = "",
    waiting: int = 0,
) -> GateVerdict:
    """Weigh what was found. `unknown` says why nobody can call the run passed yet; empty when all is there."""
    failing = {RULES[rule] for rule in fail_on}
    reasons = tuple(reason for reason in found if reason.code in failing)
    warnings = tuple(reason for reason in found if reason.code not in failing)
    verdict: Verdict = "unknown" if unknown else "fail" if reasons else "pass"
    told = {
        "unknown": f"Whether run {run} passes is not known: {unknown}.",
        "fail": f"Run {run} does not pass.",
        "pass": f"Run {run} passes: {_write_nothing(fail_on)}.",
    }[verdict]
    return GateVerdict(verdict, run, told, reasons, warnings, tuple(tolerated), waiting)


def _write_nothing(fail_on: Sequence[str]) -> str:
    """What was looked for and not found, in words."""
    said = [_NOTHING[code] for rule, code in RULES.items() if rule in fail_on]
    return ", ".join(said) or "nothing was asked of it"


def count_tests(n: int) -> str:
    """ "1 test", "2,016 tests"."""
    return f"{n:,} test{'' if n == 1 else 's'}"

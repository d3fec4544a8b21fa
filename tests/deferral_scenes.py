"""Entries of the register with all that a page may have to say of one, put together by hand.

Used by the tests of an entry's page and of what people do with it; how entries come from uploads is tested in
`tests/health/test_register.py`.
"""

from datetime import timedelta
from typing import Any

from health.models import (
    Backing,
    BackingCase,
    BackingChange,
    Case,
    Deferral,
    DeferralChange,
    DeferredSpan,
    Project,
)
from health.rules import outcomes as codes
from tests.builders import FIRST_MOMENT
from tests.scenes import a_run

REASON = "MissingGreenlet on tags; covered by 2 unit tests in tests.unit, see #123, until 2026-12-01"


def find_ord(project: Project, name: str) -> int:
    """The number of the case of that name."""
    return Case.objects.get(project=project, name=name).ord


def an_entry(project: Project, name: str = "put_off", *, pattern: str = "", **fields: Any) -> Deferral:
    """An open entry of a case that CI skips, or of a pattern that a person wrote down."""
    values: dict[str, Any] = {
        "origin": "person" if pattern else "ci",
        "ord": None if pattern else find_ord(project, name),
        "pattern": pattern,
        "kind": "quarantine" if pattern else "skip",
        "opened_at": FIRST_MOMENT,
        "is_put_off": not pattern,
        "n_put_off": 0 if pattern else 1,
        "opened_run": None if pattern else 1,
    }
    if not pattern:
        values |= {"reason": REASON, "read": {"kind": "skip", "reason": REASON}}
    entry, _ = Deferral.objects.update_or_create(
        project=project, ord=values["ord"], pattern=pattern, defaults=values | fields
    )
    return entry


def some_runs(project: Project, *, n: int = 3, n_cases: int = 4) -> None:
    """Runs in which one case is skipped, and others in two places pass; the last unit test is gone in the newest."""
    for hour in range(n):
        cases = {"tests.api::put_off": "skip" if hour != 1 else "pass"}
        cases |= {f"tests.api::grid[{k}]": "skip" for k in range(2)}
        cases |= {f"tests.unit::unit{k}": "pass" for k in range(n_cases)}
        if hour == n - 1:
            cases.pop(f"tests.unit::unit{n_cases - 1}")
        a_run(project, cases, hour=24 * hour)


def a_backing(project: Project, *, named: list[str], state: str = "weakened", **fields: Any) -> Backing:
    """What is said to back entries, with the unit tests of `some_runs` pinned: the last one gone, the first flaky."""
    backing = Backing.objects.create(
        project=project, digest=repr((named, fields)).encode()[:32], named=named, state=state, changed_run=3, **fields
    )
    units = list(Case.objects.filter(project=project, name__startswith="unit").order_by("ord"))
    for k, case in enumerate(units):
        status = "absent" if k == len(units) - 1 else "flaky" if k == 0 else "passed"
        BackingCase.objects.create(project=project, backing=backing, ord=case.ord, part=0, status=status)
    BackingChange.objects.create(project=project, backing=backing, run=1, before="unproven", after="backed")
    BackingChange.objects.create(project=project, backing=backing, run=3, before="backed", after=state)
    return backing


def some_spans(project: Project, name: str = "put_off") -> None:
    """Put off in the first run and again in the third."""
    for first, ended in ((1, 2), (3, None)):
        DeferredSpan.objects.update_or_create(
            project=project,
            series=1,
            ord=find_ord(project, name),
            first_run=first,
            defaults={"outcome": codes.SKIP, "ended_run": ended},
        )


def a_change(entry: Deferral, *, days: int = 0, **fields: Any) -> DeferralChange:
    """One line of an entry's history."""
    at = FIRST_MOMENT + timedelta(days=days)
    return DeferralChange.objects.create(project_id=entry.project_id, deferral=entry, at=at, **fields)

"""Rules name the suites of cases: the same whether they were there before the cases or came later."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.models import Case, Project, RunSuite, Suite, SuiteDay
from health.rebuild import rebuild_if_due
from tests.builders import a_project, an_upload
from tests.scenes import at

pytestmark = pytest.mark.django_db

CASES = {
    "tests.unit.api::one": "pass",
    "tests.unit.api::two": "fail",
    "tests.contract.api::three": "skip",
    "src.other::four": "pass",
}
RULES = """
suites:
  - {path: tests/contract, suite: Contracts, level: contract}
  - {name: two, level: performance}
  - {path: tests, suite: Everything else}
"""


def count_suites(project: Project) -> dict[tuple[str, str], list[tuple[int, ...]]]:
    """Counts of each run's suites, by the suite's name and level."""
    names = {suite.number: (suite.name, suite.level) for suite in Suite.objects.filter(project=project)}
    found: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    for row in RunSuite.objects.filter(project=project).order_by("run", "series", "suite"):
        counts = (row.n_declared, row.n_passed, row.n_failed, row.n_skipped, row.duration)
        found.setdefault(names[row.suite], []).append(counts)
    return found


def count_days(project: Project) -> list[tuple[Any, ...]]:
    names = {suite.number: (suite.name, suite.level) for suite in Suite.objects.filter(project=project)}
    rows = SuiteDay.objects.filter(project=project)
    return sorted((row.day, names[row.suite], row.n_declared, row.n_passed, row.n_runs) for row in rows)


def suites_of(project: Project) -> dict[str, tuple[str, str]]:
    names = {suite.number: (suite.name, suite.level) for suite in Suite.objects.filter(project=project)}
    return {case.name: names[case.suite] for case in Case.objects.filter(project=project)}


def test_rules_name_suite_and_level_of_new_cases() -> None:
    project = a_project()
    an_upload(project, {"tests.a::zero": "pass"}, configuration=RULES)
    rebuild_if_due(project.pk)
    an_upload(project, CASES)
    assert suites_of(project) == {
        "zero": ("Everything else", ""),
        "one": ("Everything else", "unit"),
        "two": ("tests.unit", "performance"),
        "three": ("Contracts", "contract"),
        "four": ("src.other", ""),
    }


def test_a_new_rule_moves_what_was_there_and_taking_it_back_moves_it_back() -> None:
    early, late, never = a_project(), a_project(), a_project()
    for project in (early, late, never):
        configuration = RULES if project is early else None
        an_upload(project, CASES, ran_at=at(1), configuration=configuration)
        an_upload(project, CASES | {"tests.unit.api::two": "pass"}, ran_at=at(2))
    an_upload(late, {}, ran_at=at(3), configuration=RULES)
    an_upload(early, {}, ran_at=at(3))
    an_upload(never, {}, ran_at=at(3))
    for project in (early, late):
        rebuild_if_due(project.pk)
    assert suites_of(late) == suites_of(early)
    assert count_suites(late) == count_suites(early)
    assert count_days(late) == count_days(early)
    assert suites_of(never)["three"] == ("tests.contract", "contract")
    an_upload(late, {}, ran_at=at(4), configuration="")
    an_upload(never, {}, ran_at=at(4))
    rebuild_if_due(late.pk)
    assert suites_of(late) == suites_of(never)
    assert count_suites(late) == count_suites(never)
    assert count_days(late) == count_days(never)
    assert not Case.objects.filter(project=late, default_suite__isnull=False).exists()


def test_a_delivery_that_names_its_suite_wins_for_its_own_results() -> None:
    project = a_project()
    an_upload(project, CASES, configuration=RULES)
    rebuild_if_due(project.pk)
    an_upload(project, CASES, suite="By hand", level="e2e")
    assert count_suites(project)["By hand", "e2e"] == [(4, 2, 1, 1, 4000)]
    assert suites_of(project)["three"] == ("Contracts", "contract")


def test_workers_hear_of_new_rules_by_the_identity_epoch() -> None:
    project = a_project()
    an_upload(project, CASES)
    before = project.identity_epoch
    an_upload(project, CASES, configuration=RULES)
    rebuild_if_due(project.pk)
    project.refresh_from_db()
    assert project.identity_epoch == before + 1
    rebuild_if_due(project.pk)
    an_upload(project, CASES, configuration=RULES + "\nrun: {timeout_minutes: 5}")
    rebuild_if_due(project.pk)
    project.refresh_from_db()
    assert project.identity_epoch == before + 1


RULE = st.fixed_dictionaries(
    {"path": st.sampled_from(["tests", "tests/unit", "**/api", "src"])},
    optional={"name": st.sampled_from(["t*", "one"]), "level": st.sampled_from(["unit", "e2e"])},
)
CONFIGURATION = st.lists(st.tuples(RULE, st.sampled_from(["A", "B"])), max_size=3)


def write(rules: list[tuple[dict[str, str], str]]) -> str:
    lines = [str({**rule, "suite": suite}).replace("'", '"') for rule, suite in rules]
    return "suites:\n" + "".join(f"  - {line}\n" for line in lines)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.none() | CONFIGURATION, min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
    is_eager=st.booleans(),
)
def test_neither_the_order_of_uploads_nor_when_the_rebuild_comes_matters(
    texts: list[list[tuple[dict[str, str], str]] | None], order: Any, is_eager: bool
) -> None:
    uploads = [(hour, None if rules is None else write(rules)) for hour, rules in enumerate(texts)]
    straight, shuffled = a_project(), a_project()
    for hour, text in uploads:
        an_upload(straight, CASES, ran_at=at(hour), configuration=text)
    order.shuffle(uploads)
    for hour, text in uploads:
        an_upload(shuffled, CASES, ran_at=at(hour), configuration=text)
        if is_eager:
            rebuild_if_due(shuffled.pk)
    for project in (straight, shuffled):
        rebuild_if_due(project.pk)
    assert suites_of(shuffled) == suites_of(straight)
    assert {name: sorted(rows) for name, rows in count_suites(shuffled).items()} == {
        name: sorted(rows) for name, rows in count_suites(straight).items()
    }
    assert count_days(shuffled) == count_days(straight)

"""Cases that texts name, looked for once in each process: what is known is what looking through all would find."""

import pytest

from health import named_cases
from health.models import Project, Suite
from health.named_cases import fetch_standing_cases, find_named, forget_found
from health.rules.case_patterns import read_pattern
from health.sql import open_cursor
from health.standing import fetch_standing
from tests.builders import a_project, an_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

TEXTS = ["tests/unit/**", "test_1", "*", "unit tests in suite fields", "suite tests.unit", "tests/none"]


def find(project: Project, *texts: str) -> dict[str, list[int]]:
    cursor = open_cursor()
    cases = fetch_standing_cases(cursor, project.pk, standing=fetch_standing(cursor, project.pk))
    patterns = {text: pattern for text in texts or TEXTS if (pattern := read_pattern(text))}
    found = find_named(cursor, project.pk, patterns, cases=cases)
    return {text: ords.tolist() for text, ords in found.items()}


def deliver(project: Project, *names: str, **metadata: object) -> None:
    an_upload(project, dict.fromkeys(names, "pass"), **metadata)  # type: ignore[arg-type]


def test_new_cases_are_added_to_what_is_known() -> None:
    project = a_project()
    deliver(project, "tests.unit.x::test_1", "tests.api.x::test_2")
    assert find(project)["tests/unit/**"] == [0]
    deliver(project, "tests.unit.x::test_3", "other::test_1", suite="fields", level="unit")
    grown = find(project)
    assert grown == {
        "tests/unit/**": [0, 2],
        "test_1": [0, 3],
        "*": [0, 1, 2, 3],
        "unit tests in suite fields": [2, 3],
        "suite tests.unit": [0],
        "tests/none": [],
    }
    forget_found()
    assert find(project) == grown


@pytest.mark.parametrize("most", [0, 50])
def test_the_database_leaves_out_only_what_nothing_names(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(named_cases, "_MOST_LITERALS", most)
    monkeypatch.setattr(named_cases, "_BATCH", 2)
    project = a_project()
    deliver(project, *(f"tests.unit.x{number}::test_{number}" for number in range(7)))
    assert find(project, "tests/unit/x[", "tests/unit/x3.py", "test_5", "tests/unit") == {
        "tests/unit/x[": [],
        "tests/unit/x3.py": [3],
        "test_5": [5],
        "tests/unit": list(range(7)),
    }


def test_little_is_kept_of_projects_that_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named_cases, "_MOST_KEPT", 3)
    for _ in range(2):
        project = a_project()
        deliver(project, *(f"t.x::test_{number}" for number in range(5)))
        assert find(project, "*")["*"] == list(range(5))
        assert find(project, "*")["*"] == list(range(5))


def test_what_is_known_costs_no_look_at_cases() -> None:
    project = a_project()
    deliver(project, "t.x::a")
    find(project, "t/**")
    with counted_statements() as statements:
        find(project, "t/**")
    assert not [said for said in statements if "class_name" in said]


def test_a_suite_that_is_given_another_name_counts_from_then_on() -> None:
    project = a_project()
    deliver(project, "t.x::a")
    assert find(project, "suite cart")["suite cart"] == []
    Suite.objects.filter(project=project).update(name="cart")
    assert find(project, "suite cart")["suite cart"] == [0]

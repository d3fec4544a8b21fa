"""Rules about suites: the first that fits decides, and what it leaves open comes from the case's default."""

from typing import Any

import pytest

from health.rules.identity import STEP
from health.rules.selectors import CaseParts, SuiteName, compile_rules, take_parts

DEFAULT = SuiteName("tests.unit", "unit")


def a_case(class_name: str = "tests.unit.test_api", *, name: str = "test_x", suites: tuple[str, ...] = ()) -> CaseParts:
    return take_parts("", suite_path=STEP.join(suites), class_name=class_name, name=name)


def choose(case: CaseParts, *rules: dict[str, Any]) -> SuiteName:
    return compile_rules(rules).choose(case, default=DEFAULT)


def test_without_a_fitting_rule_a_case_keeps_its_default() -> None:
    assert choose(a_case()) == DEFAULT
    assert choose(a_case(), {"path": "src", "suite": "S"}) == DEFAULT


def test_the_first_fitting_rule_decides() -> None:
    rules = [{"path": "tests/unit", "suite": "first"}, {"path": "tests", "suite": "second", "level": "e2e"}]
    assert choose(a_case(), *rules).name == "first"
    assert choose(a_case("tests.other"), *rules) == SuiteName("second", "e2e")


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        ({"suite": "API", "level": "contract"}, SuiteName("API", "contract")),
        ({"suite": "API"}, SuiteName("API", "unit")),
        ({"suite": "contract tests"}, SuiteName("contract tests", "contract")),
        ({"level": "contract"}, SuiteName("tests.unit", "contract")),
    ],
)
def test_what_a_rule_does_not_say_is_taken_from_its_name_or_the_default(
    rule: dict[str, str], chosen: SuiteName
) -> None:
    assert choose(a_case(), {"path": "tests", **rule}) == chosen


def test_all_conditions_of_a_rule_have_to_hold() -> None:
    rule = {"path": "tests/**", "name": "*slow*", "level": "performance"}
    assert choose(a_case(name="test_slow"), rule).level == "performance"
    assert choose(a_case(name="test_quick"), rule) == DEFAULT


def test_a_rule_may_ask_for_class_and_enclosing_suites() -> None:
    assert choose(a_case("com.shop.CartIT"), {"classname": "*IT", "level": "integration"}).level == "integration"
    case = a_case("", suites=("All", "Contract API"))
    assert choose(case, {"reported_in": "Contract*", "level": "contract"}).level == "contract"
    assert choose(case, {"reported_in": "Contract", "level": "contract"}) == DEFAULT

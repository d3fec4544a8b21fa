"""Who owns a case: rules of `.suitewatch.yml` in their order, then CODEOWNERS, where the last line counts."""

from typing import Any

from health.rules.owners import compile_owners, find_owners
from health.rules.selectors import CaseParts, take_parts
from ingest.configuration import read_configuration


def a_case(class_name: str = "tests.unit.test_api", *, suite: str = "") -> CaseParts:
    return take_parts("", suite_path="", class_name=class_name, name="test_x", suite=suite)


def read(owners: str) -> dict[str, Any]:
    found = read_configuration("", owners)
    assert found.warnings == []
    return found.content


def test_nobody_owns_anything_without_rules() -> None:
    assert compile_owners({}).is_empty
    assert find_owners({}, a_case()) == ()


def test_the_first_rule_of_the_configuration_decides() -> None:
    content = {
        "owners": [{"path": "tests/unit", "owners": ["@unit"]}, {"path": "tests", "owners": ["@all", "a@b.example"]}]
    }
    assert find_owners(content, a_case()) == ("@unit",)
    assert find_owners(content, a_case("tests.e2e.test_x")) == ("@all", "a@b.example")


def test_a_rule_may_ask_for_the_suite_a_case_is_shown_under() -> None:
    content = {"owners": [{"suite": "contract*", "owners": ["@api"]}]}
    assert find_owners(content, a_case(suite="contract tests")) == ("@api",)
    assert find_owners(content, a_case(suite="unit")) == ()


def test_the_configuration_goes_before_code_owners() -> None:
    content = read("* @everybody") | {"owners": [{"path": "tests/unit", "owners": ["@unit"]}]}
    assert find_owners(content, a_case()) == ("@unit",)
    assert find_owners(content, a_case("src.other")) == ("@everybody",)


def test_the_last_line_of_code_owners_counts() -> None:
    content = read("* @everybody\n/tests/ @testers\n/tests/unit/ @unit @second\n")
    assert find_owners(content, a_case()) == ("@unit", "@second")
    assert find_owners(content, a_case("tests.e2e.test_x")) == ("@testers",)
    assert find_owners(content, a_case("src.x")) == ("@everybody",)


def test_a_line_without_owners_says_that_nobody_owns_it() -> None:
    assert find_owners(read("* @everybody\n/tests/\n"), a_case()) == ()


def test_a_slash_in_the_middle_ties_a_pattern_to_the_root_as_in_gitignore() -> None:
    assert find_owners(read("unit/ @a"), a_case()) == ("@a",)
    assert find_owners(read("tests/unit @a"), a_case()) == ("@a",)
    assert find_owners(read("unit/test_api.py @a"), a_case()) == ()


def test_each_section_has_a_say_and_its_own_default_owners() -> None:
    content = read("* @everybody\n[Tests] @testers\n/tests/\n/tests/e2e/ @e2e\n^[Docs][2] @docs\n/docs/\n")
    assert find_owners(content, a_case()) == ("@everybody", "@testers")
    assert find_owners(content, a_case("tests.e2e.x")) == ("@everybody", "@e2e")
    assert find_owners(content, a_case("docs.x")) == ("@everybody", "@docs")


def test_what_is_taken_out_of_a_section_stays_out() -> None:
    content = read("[Tests] @testers\n!/tests/unit/\n/tests/\n[All]\n* @all\n")
    assert find_owners(content, a_case()) == ("@all",)
    assert find_owners(content, a_case("tests.e2e.x")) == ("@testers", "@all")


def test_a_section_that_comes_again_goes_on() -> None:
    content = read("[Tests] @testers\n/tests/\n[Docs]\n/docs/ @docs\n[TESTS]\n/tests/e2e/ @e2e\n")
    assert find_owners(content, a_case("tests.e2e.x")) == ("@e2e",)

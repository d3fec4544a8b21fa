"""The grammar that names cases: what each form reads, which cases fit it, and that hostile patterns stay cheap."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rules.case_patterns import LONGEST, read_pattern
from health.rules.identity import STEP
from health.rules.selectors import CaseParts, take_parts


def a_case(
    class_name: str = "tests.unit.test_fields",
    *,
    name: str = "test_set",
    suites: tuple[str, ...] = (),
    suite: str = "",
    namespace: str = "",
) -> CaseParts:
    return take_parts(namespace, suite_path=STEP.join(suites), class_name=class_name, name=name, suite=suite)


@pytest.mark.parametrize(
    ("text", "count", "level", "suite"),
    [
        ("tests/unit/test_fields*", None, "", ""),
        ("11 unit tests in tests/unit/test_fields*", 11, "unit", ""),
        ("the 11 integration tests of tests/api", 11, "integration", ""),
        ("e2e cases in tests/shop/**", None, "e2e", ""),
        ("3 tests/a.py::test_a", 3, "", ""),
        ("11 unit tests (tests/unit/test_fields*)", 11, "unit", ""),
        ("Task #72: 11 unit tests in tests/unit", 11, "unit", ""),
        ("suite fields", None, "", "fields"),
        ("suite:fields of cart", None, "", "fields of cart"),
        ("11 unit tests in suite fields", 11, "unit", "fields"),
        ("suite 'unit tests'", None, "", "unit tests"),
        ("test_fields_*", None, "", ""),
        ("`tests/a.py::test_a`", None, "", ""),
    ],
)
def test_count_level_and_suite_stand_before_the_pattern(text: str, count: int | None, level: str, suite: str) -> None:
    pattern = read_pattern(text)
    assert pattern is not None
    assert (pattern.count, pattern.level, pattern.suite) == (count, level, suite)


@pytest.mark.parametrize(
    "text",
    ["", "  ", "11 unit tests", "Task #72", "Task #7: 11 tests", "tests", "11", "unit", "unit tests", "in", "#72"]
    + ["@anna", "the payments team", "and/or both", "::", "tests/a.py::", "::test_a", "a::b::", "/", "…", "("]
    + ["a" * 501, "*" * 21, "?" * 400, "tests/my folder/a.py", "test_\0", "test_\ud800"],
)  # fmt: skip
def test_what_names_nothing_is_none(text: str) -> None:
    assert read_pattern(text) is None


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("tests/unit/test_fields*", a_case()),
        ("tests/unit/test_fields*", a_case("tests.unit.test_fields_more.TestA")),
        ("tests/unit/**", a_case()),
        ("tests/unit", a_case()),
        ("tests/unit/test_fields.py", a_case()),
        ("test_fields.py", a_case()),
        ("tests/unit/test_fields.py::test_set", a_case()),
        ("tests/unit/test_fields.py::test_s*", a_case()),
        ("tests/unit/test_fields.py::test_set", a_case(name="test_set[1-/a::b c]")),
        ("tests/unit/test_fields.py::test_set[1]", a_case(name="test_set[1]")),
        ("test_set[1]", a_case(name="test_set[1]")),
        ("test_set[a b]", a_case(name="test_set[a b]")),
        ("test_set[a/b::c]", a_case(name="test_set[a/b::c]")),
        ("tests/unit/test_fields.py::TestSet::test_a", a_case("tests.unit.test_fields.TestSet", name="test_a")),
        ("tests/unit/test_fields.py::TestSet", a_case("tests.unit.test_fields.TestSet", name="test_a")),
        ("test_set", a_case()),
        ("test_*", a_case()),
        ("*", a_case()),
        ("src/test/java/**", a_case("com.shop.CartTest", suites=("src/test/java/com/shop/CartTest.java",))),
        ("src/test/java/com/shop/CartTest.java", a_case("com.shop.CartTest", name="adds")),
        ("CartTest", a_case("com.shop.CartTest", name="adds")),
        ("com.shop.CartTest", a_case("com.shop.CartTest", name="adds")),
        ("src/a.test.ts::adds a, then b", a_case("", suites=("src/a.test.ts",), name="adds a, then b")),
        ("app/[id]/page.test.ts::renders", a_case("app/[id]/page.test.ts", name="renders")),
        ("suite fields", a_case(suite="fields")),
        ("suite f*s", a_case(suite="fields")),
        ("suite fields", a_case(suites=("All", "fields"))),
        ("packages/api/tests/**", a_case("tests.test_a", namespace="packages/api")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_these_cases_are_named(text: str, case: CaseParts) -> None:
    pattern = read_pattern(text)
    assert pattern is not None
    assert pattern.fits(case)
    # Where the suite's name is not its own, it is found by these pieces of its names.
    names = " ".join([STEP.join(case.suites), case.class_name, case.name, *case.places.derived])
    assert all(piece in names for piece in pattern.literals) or pattern.fits_suite(case.suite)


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("tests/unit/test_fields", a_case("tests.unit.test_fields_more")),
        ("tests/unit/test_f", a_case()),
        ("tests/unit/test_fields.py::test_other", a_case()),
        ("tests/unit/test_fields.py::TestSet::test_set", a_case()),
        ("tests/unit/test_fields.py::test_set[2]", a_case(name="test_set[1]")),
        ("test_se", a_case()),
        ("test_fields*", a_case()),
        ("suite fields", a_case(suite="fields 2")),
        ("suite fields", a_case(name="fields")),
        ("test_set[0-9]", a_case(name="test_set5")),
    ],
)
def test_these_are_not(text: str, case: CaseParts) -> None:
    pattern = read_pattern(text)
    assert pattern is not None
    assert not pattern.fits(case)


@pytest.mark.parametrize(("level", "fits"), [("unit", True), ("", True), ("integration", False)])
def test_a_case_of_another_known_level_is_not_meant(level: str, *, fits: bool) -> None:
    pattern = read_pattern("11 unit tests in tests/unit")
    assert pattern is not None
    assert pattern.fits(a_case(), level=level) == fits


@pytest.mark.parametrize(
    "text", ["*a" * 20, "**/" * 10 + "x", "tests/" + "*a" * 15 + "::" + "*b" * 4, "suite " + "*a" * 20]
)
def test_a_hostile_pattern_is_matched_in_linear_time(text: str) -> None:
    pattern = read_pattern(text)
    assert pattern is not None
    case = a_case("a" * 20_000, name="ab" * 10_000, suites=("a/" * 60, "a" * 20_000))
    start = time.process_time()
    pattern.fits(case)
    assert time.process_time() - start < 1


@given(st.text(max_size=LONGEST + 10) | st.text(st.sampled_from("a1*?[]:/()\\ `suite"), max_size=60))
def test_any_text_is_read_or_left(text: str) -> None:
    pattern = read_pattern(text)
    if pattern is not None:
        pattern.fits(a_case())
        assert all(piece and piece in text for piece in pattern.literals)

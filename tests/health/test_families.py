"""Which names are one family: the dialects of runners, and what only looks like them."""

import pytest

from health.rules.families import Family, split_family

# From the reports in tests and samples: pytest, JUnit 4 and 5, TestNG, Go, GoogleTest, PHPUnit, unittest, .NET.
FAMILIES = {
    "test_price[1-2.5-2.5]": ("test_price", "[1-2.5-2.5]"),
    "test_slug[a::b[c]]": ("test_slug", "[a::b[c]]"),
    "test_slug[tab\there]": ("test_slug", "[tab\there]"),
    "test_slug[new\nline]": ("test_slug", "[new\nline]"),
    "test_slug[]": ("test_slug", "[]"),
    "test_pager[test0- cat ]": ("test_pager", "[test0- cat ]"),
    "positive[0: q=1 [one]]": ("positive", "[0: q=1 [one]]"),
    "again()[3]": ("again()", "[3]"),
    "rows(int, String)[1]": ("rows(int, String)", "[1]"),
    "rows{int, String}[1]": ("rows{int, String}", "[1]"),
    "rows[0](1, one)": ("rows", "[0](1, one)"),
    "rows(int, String) [1] 1, one": ("rows(int, String)", " [1] 1, one"),
    "adds up [2] 1, 2": ("adds up", " [2] 1, 2"),
    "rows(int) [2]": ("rows(int)", " [2]"),
    "TestTable/two_words": ("TestTable", "/two_words"),
    "TestTable/slash/inside": ("TestTable", "/slash/inside"),
    "TestTable/#00": ("TestTable", "/#00"),
    "Positive/0": ("Positive", "/0"),
    'testRows with data set "one"': ("testRows", ' with data set "one"'),
    'testRows with data set "bulk "200" & more"': ("testRows", ' with data set "bulk "200" & more"'),
    "testRows with data set #0": ("testRows", " with data set #0"),
    "test_sub (i=2)": ("test_sub", " (i=2)"),
    "test_sub [half] (i=2, j='x')": ("test_sub", " [half] (i=2, j='x')"),
    "Is_Even_Number(i: 3)": ("Is_Even_Number", "(i: 3)"),
    "Should be even number(i: 3)": ("Should be even number", "(i: 3)"),
    "Fixture.MethodWithParameters(9,11)": ("Fixture.MethodWithParameters", "(9,11)"),
    "Fixture.GenericMethod<Double>(9.2d,11.7d)": ("Fixture.GenericMethod<Double>", "(9.2d,11.7d)"),
    'Fixture.Says("a")': ("Fixture.Says", '("a")'),
    "Fixture.Is(true)": ("Fixture.Is", "(true)"),
}

STRANGERS = [
    "",
    "[]",
    "test_shop",
    "deep()",
    "ok(TestReporter)",
    "rows(int, String)",
    "test_parameterized_0_param1",  # could as well be test_http_404_not_found
    "test_http_404_not_found",
    "test_0001_adds two",
    "param 1",
    "shop > price > param 1",
    "equal numbers: [1, 1]",
    "'[1,2]' and '[1,2]'",
    "fails non-promise value [1]",
    "fails non-promise value [Function anonymous]",
    "parse \\def\\abc [#1]#2 {#2#1abc}",
    "[firefox] checkout › fixme",
    '{pass: false} expect({"a": [3, 4, 5], "b": "b"}).toMatchObject({"a": [3, 4]})',
    "expect(getObjectSubset([1, 2, 3])).toEqual([1, 2])",
    "Anything.toAsymmetricMatcher()",
    "prettier/pull/5590",
    "bazel/failing_absl_test",
    "price works/bulk <200>",
    "Scenario: bdd/Given: a cart/When: paying/Then: ok",
    "tests/CodeCoverage/PhpParser.parse.methods.phpt",
    "Renderer. | Tests/RendererTest.phpt [method=testRenderingIndividual]",
    "setUpClass (test_legacy.SetupFails)",
    "returns the result if failed (with `error`).",
    "number of lines: undefined (5 default)",
    "demo:unit+slow / skips",
    "NUnit.Tests.GenericFixture<Double>(11.5d).Test1",
    "templated - int",
    "Shop when vip price is ok",
]


@pytest.mark.parametrize(("name", "parts"), FAMILIES.items())
def test_parameters_are_told_from_the_name(name: str, parts: tuple[str, str]) -> None:
    assert split_family(name) == Family(*parts)


@pytest.mark.parametrize("name", STRANGERS)
def test_a_name_that_is_not_surely_parametrised_stands_alone(name: str) -> None:
    assert split_family(name) == Family(name, "")


@pytest.mark.parametrize("piece", ["a[", "[1] ", "x(", "] (a=", "T/", " [1", " with data set #0", "(a: "])
@pytest.mark.parametrize("n", [400, 50_000])  # measured: 1 ms; where a pattern backtracks, this does not end
def test_a_hostile_name_costs_no_time(piece: str, n: int) -> None:
    for name in (f"test [{piece * n}", f"test{piece * n}]"):
        assert "".join(split_family(name)) == name

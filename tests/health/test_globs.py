"""Globs over paths and texts: what fits, what a folder holds, and that no glob costs more than it should."""

import time

import pytest

from health.rules.globs import Places, compile_path, compile_text, list_places


def places(*, written: str = "", derived: str = "") -> Places:
    return Places((written,) if written else (), (derived,) if derived else ())


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("tests/unit/**", "tests/unit/api.test.ts", True),
        ("tests/unit/**", "tests/unit/deep/er/api.test.ts", True),
        ("tests/unit", "tests/unit/api.test.ts", True),
        ("tests/unit/", "tests/unit/api.test.ts", True),
        ("/tests/unit", "tests/unit/api.test.ts", True),
        ("./tests/unit", "tests/unit/api.test.ts", True),
        ("tests/unit", "tests/units/api.test.ts", False),
        ("tests/unit", "a/tests/unit/api.test.ts", False),
        ("**/tests/unit", "a/b/tests/unit/api.test.ts", True),
        ("**/tests/unit", "tests/unit/api.test.ts", True),
        ("tests/*/api.test.ts", "tests/unit/api.test.ts", True),
        ("tests/*/api.test.ts", "tests/unit/deep/api.test.ts", False),
        ("tests/**/api.test.ts", "tests/unit/deep/api.test.ts", True),
        ("tests/**/api.test.ts", "tests/api.test.ts", True),
        ("tests/**/unit/**/*.ts", "tests/a/unit/b/unit/c.ts", True),
        ("**/*.spec.ts", "app/cart.spec.ts", True),
        ("**/*.spec.ts", "app/cart.test.ts", False),
        ("tests/?nit", "tests/unit/a.py", True),
        ("tests/a*c*e.py", "tests/abcde.py", True),
        ("tests/a*c*e.py", "tests/abde.py", False),
        ("app/[id]/page.ts", "app/[id]/page.ts", True),
        ("app/[id]/page.ts", "app/i/page.ts", False),
        (r"docs/with\ blank", "docs/with blank/a.py", True),
        (r"a\*b", "a*b/c.py", True),
        (r"a\*b", "axb/c.py", False),
        ("**", "anything/at/all.py", True),
        ("/", "anything/at/all.py", True),
    ],
)
def test_a_glob_of_paths(glob: str, path: str, fits: bool) -> None:
    assert compile_path(glob).matches(places(written=path)) is fits


@pytest.mark.parametrize(
    ("glob", "derived", "fits"),
    [
        ("tests/unit/test_api.py", "tests/unit/test_api/TestCart", True),
        ("tests/unit/test_api.py", "tests/unit/test_api", True),
        ("tests/unit/test_api.py", "tests/unit/test_apis/TestCart", False),
        ("tests/unit/*.py", "tests/unit/test_api/TestCart", True),
        ("src/test/java/com/shop/**", "com/shop/CartTest", True),
        ("payments/src/it/kotlin/com/shop/*IT.kt", "com/shop/CartIT", True),
        ("payments/src/test/java/**", "com/shop/CartTest", False),  # which module it is in, a class does not tell
        ("*.py", "tests/unit/test_api", False),  # nor in which language it is written
    ],
)
def test_a_glob_of_paths_over_dotted_names(glob: str, derived: str, fits: bool) -> None:
    assert compile_path(glob, is_floating="/" not in glob).matches(places(derived=derived)) is fits


def test_a_floating_glob_fits_in_any_folder() -> None:
    assert compile_path("*.js", is_floating=True).matches(places(written="a/b/c.js"))
    assert compile_path("docs", is_floating=True).matches(places(written="a/docs/c.js"))
    assert not compile_path("docs", is_floating=True).matches(places(written="a/mydocs/c.js"))


@pytest.mark.parametrize(
    ("glob", "text", "fits"),
    [
        ("com.shop.*", "com.shop.cart.CartTest", True),
        ("com.shop.*", "com.shop", False),
        ("*IT", "com.shop.CartIT", True),
        ("test_pager[*]", "test_pager[less]", True),
        ("a?c", "abc", True),
        ("a*b*c", "a\nb\nc", True),
        ("abc", "ABC", False),
    ],
)
def test_a_glob_of_texts(glob: str, text: str, fits: bool) -> None:
    assert bool(compile_text(glob).fullmatch(text)) is fits


@pytest.mark.parametrize(
    ("class_name", "suites", "written", "derived"),
    [
        ("tests.unit.test_api.TestCart", (), (), ("tests/unit/test_api/TestCart",)),
        ("tests/api.spec.js", ("tests/api.spec.js",), ("tests/api.spec.js",) * 2, ()),
        ("auth.setup.ts", (), ("auth.setup.ts",), ("auth/setup/ts",)),
        ("github.com/org/shop/cart", (), ("github.com/org/shop/cart",), ()),
        ("crate::cart::tests", (), (), ("crate/cart/tests",)),
        (r"App\Tests\CartTest", (), (), ("App/Tests/CartTest",)),
        ("", ("packages/cart/cart.test.ts", "cart"), ("packages/cart/cart.test.ts",), ()),
        ("", (), (), ()),
    ],
)
def test_where_a_case_may_live(
    class_name: str, suites: tuple[str, ...], written: tuple[str, ...], derived: tuple[str, ...]
) -> None:
    assert list_places("", suites=suites, class_name=class_name) == Places(written, derived)


def test_a_path_deeper_than_any_repository_is_no_place() -> None:
    deep = list_places("", suites=("a/" * 500 + "b.py",), class_name=".".join("a" * 500))
    assert (deep.written, deep.derived) == ((), ())


def test_a_namespace_is_a_folder_that_may_be_named_or_not() -> None:
    found = list_places("backend", suites=(), class_name="tests.test_api")
    assert compile_path("backend/tests").matches(found)
    assert compile_path("tests").matches(found)


@pytest.mark.parametrize("glob", ["*a" * 60 + "b", "**/a/" * 50 + "b", "**/*a*a*a*/" * 20 + "b", "*" * 200 + "b"])
def test_no_glob_takes_longer_than_it_should(glob: str) -> None:
    path = "a/" * 500 + "a" * 1000
    begun = time.process_time()
    compile_path(glob).matches(places(written=path))
    compile_text(glob).fullmatch(path)
    assert time.process_time() - begun < 5

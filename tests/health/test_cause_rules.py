"""Categories: the first rule that fits decides, on messages that real runners and stacks write."""

from collections.abc import Sequence

import pytest

from health.rules.causes import (
    RULES,
    Category,
    CauseRule,
    choose_category,
    compile_causes,
    find_head,
    list_categories,
)
from health.rules.fingerprints import mask_message


def choose(kind: str, message: str, rules: Sequence[CauseRule] = ()) -> Category:
    return choose_category(kind, mask_message(message), rules)


# Kind, message, category: as pytest, JUnit, Jest, Go, .NET, Rust and their databases say it.
SAID = [
    ("", 'failed on setup with "sqlalchemy.exc.ProgrammingError: column tasks.branch_name does not exist"', "schema"),
    ("", 'psycopg.errors.UndefinedTable: relation "orders" does not exist', "schema"),
    ("", "sqlite3.OperationalError: no such table: auth_user", "schema"),
    ("org.springframework.jdbc.BadSqlGrammarException", "bad SQL grammar [select x]", "schema"),
    ("", "Error 1146: Table 'shop.orders' doesn't exist", "schema"),
    ("", "Microsoft.Data.SqlClient.SqlException : Invalid object name 'dbo.Orders'.", "schema"),
    ("", "RuntimeError: Task <Task pending> got Future <Future pending> attached to a different loop", "event loop"),
    ("", "RuntimeError: Event loop is closed", "event loop"),
    ("", "there is no reactor running, must be called from the context of a Tokio 1.x runtime", "event loop"),
    ("", "async def functions are not natively supported.", "event loop"),
    ("", 'asyncpg.UniqueViolationError: duplicate key value violates unique constraint "users_pkey"', "isolation"),
    ("org.springframework.dao.DuplicateKeyException", "could not insert", "isolation"),
    ("", "MongoServerError: E11000 duplicate key error collection: test.users", "isolation"),
    ("", "Error: listen EADDRINUSE: address already in use :::3000", "isolation"),
    ("", "sqlite3.IntegrityError: UNIQUE constraint failed: users.email", "isolation"),
    ("ValidationError", "1 validation error for SessionMetadata", "validation"),
    ("", "ValueError: YAML frontmatter must include schema_version", "validation"),
    ("jakarta.validation.ConstraintViolationException", "name: must not be blank", "validation"),
    ("", "jsonschema.exceptions.ValidationError: 'id' is a required property", "validation"),
    ("java.lang.IllegalArgumentException", "id to load is required for loading", "validation"),
    ("", "Timeout of 30ms exceeded. For async tests and hooks, ensure done() is called", "timeout"),
    ("", 'thrown: "Exceeded timeout of 5000 ms for a test.', "timeout"),
    ("testTimeoutFailure", "test timed out after 50ms", "timeout"),
    ("org.junit.runners.model.TestTimedOutException", "test timed out after 100 milliseconds", "timeout"),
    ("", "context deadline exceeded", "timeout"),
    ("", "panic: test timed out after 10m0s", "timeout"),
    ("AssertionError", "Test timeout 200 milliseconds exceeded.", "timeout"),
    ("", "dial tcp 127.0.0.1:5432: connect: connection refused", "network"),
    ("java.net.ConnectException", "Connection refused", "network"),
    ("", "Error: getaddrinfo ENOTFOUND api.example.org", "network"),
    ("", "No connection could be made because the target machine actively refused it.", "network"),
    ("", "requests.exceptions.ConnectionError: HTTPSConnectionPool: Max retries exceeded with url: /x", "network"),
    ("OSError", "db not reachable", "network"),
    ("", "ModuleNotFoundError: No module named 'shop.cart'", "import"),
    ("", "ImportError: cannot import name 'x' from 'y'", "import"),
    ("", "collection failure", "import"),
    ("java.lang.NoClassDefFoundError", "gda/device/detector/DAServer", "import"),
    ("Error", "Cannot find module './nope.mjs' imported from /srv/node/vitest/broken.test.mjs", "import"),
    ("", "System.IO.FileNotFoundException : Could not load file or assembly 'X'", "import"),
    ("", "PermissionError: [Errno 13] Permission denied: '/etc/x'", "permission"),
    ("", "Error: EACCES: permission denied, open '/root/x'", "permission"),
    ("System.UnauthorizedAccessException", "Access to the path is denied.", "permission"),
    ("java.lang.OutOfMemoryError", "Java heap space", "memory"),
    ("", "OSError: [Errno 28] No space left on device", "memory"),
    ("", "memory allocation of 8589934592 bytes failed", "memory"),
    ("", "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory", "memory"),
    ("", "assert 1 == 2", "assertion"),
    ("org.opentest4j.AssertionFailedError", "expected: <true> but was: <false>", "assertion"),
    ("", "expect(received).toEqual(expected) // deep equality", "assertion"),
    ("", "assertion `left == right` failed", "assertion"),
    ("", "Assert.Equal() Failure\r\nExpected: 3\r\nActual:   2", "assertion"),
    ("", "gt.cc:5\nExpected equality of these values:\n  1\n  2", "assertion"),
    ("RSpec::Expectations::ExpectationNotMetError", "expected: 2", "assertion"),
    ("PHPUnit\\Framework\\ExpectationFailedException", "ShopTest::fails", "assertion"),
    ("", "TicketRepositoryTests.swift:48: Expectation failed", "assertion"),
    ("", "ValueError: negative quantity", "other"),
    ("", "Failed", "other"),
    ("", "", "other"),
    ("java.lang.NullPointerException", "java.lang.NullPointerException", "other"),
    ("", "System.DivideByZeroException : Attempted to divide by zero.", "other"),
]


@pytest.mark.parametrize(("kind", "message", "category"), SAID)
def test_what_runners_say_gets_the_category_a_person_would_give(kind: str, message: str, category: str) -> None:
    found = choose(kind, message)
    assert found.name.startswith(category)
    assert (found.rule is None) == (category == "other")
    assert bool(found.matched) == (category != "other")


def test_every_rule_says_what_it_gives_and_what_it_asks() -> None:
    assert all(rule.kinds or rule.words for rule in RULES)
    assert not [word for rule in RULES for word in rule.words if word != word.lower()]
    assert len(list_categories()) == len(set(list_categories())) == 11


def test_rules_of_a_project_come_first_and_all_their_conditions_have_to_hold() -> None:
    rules = compile_causes(
        [
            {"category": "stock", "kind": "com.shop.*", "contains": "Stock * negative"},
            {"category": "our gateway", "contains": "http <n> from gateway"},
        ]
    )
    assert choose("com.shop.CartException", "the STOCK of a is negative", rules)[0] == "stock"
    assert choose("com.shop.CartException", "expected: 2", rules)[0] == "assertion"
    assert choose("other", "the stock of a is negative", rules)[0] == "other"
    found = choose("", "timed out: HTTP 503 from gateway", rules)
    assert (found.name, found.matched, found.rule) == ("our gateway", "http <n> from gateway", rules[1])
    assert list_categories(rules)[:2] == ["stock", "our gateway"]


@pytest.mark.parametrize("text", ["[a-z]+", "(x+)+$", "a.b", "\\d", "a|b", "^"])
def test_nothing_in_a_rule_is_a_regular_expression(text: str) -> None:
    rule = CauseRule("x", words=(text,))
    assert choose("", "aaa 1 xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx!", [rule]).rule is not rule
    if "\\" not in text:
        assert choose("", f"before {text} behind", [rule]).rule is rule


def test_no_rule_takes_for_ever() -> None:
    """With a pattern that goes back and forth this would not end."""
    rule = CauseRule("x", kinds=("*a" * 100 + "b",), words=("a*" * 120 + "b",))
    assert choose("a" * 255, "a" * 500, [rule]).name == "other"


def test_a_category_does_not_depend_on_which_failure_came_first() -> None:
    rules = [CauseRule("late", words=("12",))]
    assert choose("", "took 12 s", rules) == choose("", "took 13 s", rules)


def test_merges_are_followed_to_their_end() -> None:
    merged = {1: 2, 2: 3, 9: 8, 8: 9}
    assert [find_head(merged, one) for one in (1, 2, 3, 4)] == [3, 3, 3, 4]
    assert find_head(merged, 9) in (8, 9)

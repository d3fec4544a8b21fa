"""The small rules: outcome codes, lanes, suites, identity, fingerprints."""

import subprocess
import sys

import pytest

from health.rules import outcomes
from health.rules.fingerprints import mask_message, take_fingerprint
from health.rules.identity import Identity, digest_key, mask_volatile, split_key, steady_keys
from health.rules.lanes import CHANGES, choose_lane, guess_default_branch
from health.rules.suites import choose_suite, guess_level


def test_outcome_codes_are_stored_bytes_and_never_change() -> None:
    codes = (
        outcomes.ABSENT,
        outcomes.PASS,
        outcomes.FAIL,
        outcomes.ERROR,
        outcomes.SKIP,
        outcomes.XFAIL,
        outcomes.XPASS,
        outcomes.PASS_ON_RETRY,
    )
    assert codes == tuple(range(8))
    assert len(outcomes.WORDS) == len(outcomes.SEVERITY) == outcomes.N_OUTCOMES


def test_an_expected_failure_ran_and_is_no_pass() -> None:
    assert outcomes.XFAIL in outcomes.EXECUTED
    assert outcomes.XFAIL not in outcomes.PASSED
    assert outcomes.XFAIL in outcomes.AS_EXPECTED
    assert outcomes.SKIP not in outcomes.EXECUTED


def test_an_error_is_never_folded_into_a_failure() -> None:
    assert outcomes.SEVERITY[outcomes.ERROR] > outcomes.SEVERITY[outcomes.FAIL] > outcomes.SEVERITY[outcomes.PASS]


@pytest.mark.parametrize(
    ("branch", "pull_request", "lane"),
    [
        ("main", "", "main"),
        ("release/2.1", "", "release/2.1"),
        ("feature/x", "", CHANGES),
        ("main", "17", CHANGES),
        ("", "", "main"),
        ("", "17", CHANGES),
        ("develop", "", "develop"),
    ],
)
def test_long_lived_branches_have_lanes_of_their_own(branch: str, pull_request: str, lane: str) -> None:
    long_lived = ["main", "develop", "release/*"]
    assert choose_lane(branch, pull_request=pull_request, default_branch="main", long_lived=long_lived) == lane


def test_a_default_branch_with_an_odd_name_is_long_lived() -> None:
    assert choose_lane("blead", pull_request="", default_branch="blead", long_lived=[]) == "blead"


def test_a_branch_called_changes_does_not_mix_with_pull_requests() -> None:
    assert choose_lane("changes", pull_request="", default_branch="changes", long_lived=[]) != CHANGES


def test_the_default_branch_is_stated_or_customary_never_just_the_first() -> None:
    assert guess_default_branch("feature/x", stated="") == ""
    assert guess_default_branch("feature/x", stated="blead") == "blead"
    assert guess_default_branch("main", stated="") == "main"


@pytest.mark.parametrize(
    ("suite_path", "class_name", "suite"),
    [
        ("pytest", "tests.test_utils", "tests.test_utils"),
        ("pytest", "tests.unit.test_utils.TestEcho", "tests.unit"),
        ("com.example.FooTest\x1einner", "com.example.FooTest", "com.example.FooTest"),
        ("", "", "the-job"),
        ("", "src/parser/lexer.spec.ts", "src.parser"),
    ],
)
def test_a_case_is_shown_under_a_suite_that_says_something(suite_path: str, class_name: str, suite: str) -> None:
    assert choose_suite(suite_path, class_name, job="the-job") == suite


def test_a_suite_name_too_long_for_an_index_row_is_cut_and_stays_distinct() -> None:
    one, other = (choose_suite("\U0001f600" * 1024 + end, "", job="") for end in "ab")
    assert one != other
    assert max(len(name.encode()) for name in (one, other)) <= 600
    assert choose_suite("\U0001f600" * 150, "", job="") == "\U0001f600" * 150


@pytest.mark.parametrize(
    ("names", "level"),
    [
        (("tests.unit",), "unit"),
        (("tests.api", "integration tests"), "integration"),
        (("End-to-End",), "e2e"),
        (("community",), ""),
        ((), ""),
    ],
)
def test_a_level_is_read_from_whole_words(names: tuple[str, ...], level: str) -> None:
    assert guess_level(*names) == level


def test_identity_is_byte_for_byte() -> None:
    plain, blank = "pytest\x1fm\x1ftest[a]", "pytest\x1fm\x1ftest[a ]"
    composed, decomposed = "s\x1fm\x1fcaf\u00e9", "s\x1fm\x1fcafe\u0301"
    digests = {digest_key(key, namespace="") for key in (plain, blank, composed, decomposed)}
    assert len(digests) == 4
    assert digest_key(plain, namespace="") != digest_key(plain, namespace="other")


def test_a_key_is_taken_apart_as_it_was_put_together() -> None:
    assert split_key("a\x1eb\x1fc\x1fd", namespace="n") == Identity("n", "a\x1eb", "c", "d", 1)
    assert split_key("a\x1fc\x1fd\x1f3", namespace="") == Identity("", "a", "c", "d", 3)


def test_changing_parts_of_a_message_are_masked() -> None:
    one = "at 0x7f01ab, id 6f9619ff-8b86-d011-b42d-00cf4fc964ff: 12 != 13 in /srv/app/x.py"
    two = "at 0x7fffff, id 00000000-8b86-d011-b42d-00cf4fc964aa: 7 != 130 in /tmp/other/y.py"
    assert mask_message(one) == mask_message(two) == "at <address>, id <uuid>: <n> != <n> in <path>"
    assert take_fingerprint("E", one) == take_fingerprint("E", two)
    assert take_fingerprint("E", one) != take_fingerprint("F", one)


def test_a_fingerprint_is_the_same_in_another_process() -> None:
    code = "from health.rules.fingerprints import take_fingerprint as t; print(t('E', 'boom 12'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == take_fingerprint("E", "boom 99")


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        ("f[<a.B object at 0x7f01aabb>]", "f[<a.B object at <address>>]"),
        ("f[6f9619ff-8b86-d011-b42d-00cf4fc964ff]", "f[<uuid>]"),
        ("Suite-20260301120000", "Suite-<time>"),
        ("f[2026-03-01T12:00:00.5+00:00]", "f[<time>]"),
        ("f[0x7f01aabb]", None),
        ("f[2026-03-01]", None),
        ("f[20260301120000]", None),
        ("f[at 0xff]", None),
    ],
)
def test_only_what_changes_by_itself_is_masked(name: str, masked: str | None) -> None:
    assert mask_volatile(name) == (masked or name)


def test_volatile_names_are_numbered_in_the_order_of_the_report() -> None:
    keys = [f"s\x1fc\x1f[at 0x{n:08x}]" for n in (9, 5, 7)] + ["s\x1fc\x1fplain"]
    base = "s\x1fc\x1f[at <address>]"
    assert list(steady_keys(keys).values()) == [base, f"{base}\x1f2", f"{base}\x1f3"]

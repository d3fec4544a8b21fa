"""Which appeared cases are taken for vanished ones: real commits, made-up ones, and what must not be paired."""

import gzip
from functools import cache
from io import BytesIO
from pathlib import Path

import pytest

from health.rules import outcomes as codes
from health.rules.identity import STEP, Identity, split_key
from health.rules.renames import MOST_COMPARED, MOVED, RENAMED, REPARAMETRISED, THRESHOLD, Pair, Sighting, pair_renamed
from ingest.parsers import read_report
from ingest.parsers.types import Limits

DEMO = Path(__file__).parents[2] / "demo"


def sight(
    names: list[str], *, first: int, outcome: int = codes.PASS, units: int = 1_000, suite_path: str = ""
) -> list[Sighting]:
    """Cases by "class::name", numbered from `first`."""
    identities = [Identity("", suite_path, *name.rpartition("::")[::2], 1) for name in names]
    return [Sighting(first + at, identity, outcome, units) for at, identity in enumerate(identities)]


def pair(gone: list[str], new: list[str]) -> dict[str, tuple[str, float]]:
    """For each name that is taken for renamed the new one, with the score."""
    names = dict(enumerate(gone)) | dict(enumerate(new, 10_000))
    pairs = pair_renamed(sight(gone, first=0), sight(new, first=10_000))
    assert all(THRESHOLD <= found.score < 1 for found in pairs)
    return {names[found.old]: (names[found.new], found.score) for found in pairs}


# --- commits of click and more-itertools -----------------------------------------------------------------------


@cache
def read_run(project: str, run: str) -> dict[str, tuple[int, float]]:
    plain = gzip.decompress((DEMO / project / f"{run}.junit.xml.gz").read_bytes())
    report = read_report(lambda: BytesIO(plain), filename="junit.xml", limits=Limits())
    return dict(zip(report.keys, zip(report.outcomes, report.seconds, strict=True), strict=True))


def compare_runs(project: str, before: str, now: str) -> tuple[list[Pair], dict[int, str]]:
    then, here = read_run(project, before), read_run(project, now)
    numbers = {key: number for number, key in enumerate([*then, *(key for key in here if key not in then)])}

    def look(keys: list[str], run: dict[str, tuple[int, float]]) -> list[Sighting]:
        return [
            Sighting(numbers[key], split_key(key, namespace=""), run[key][0], int(run[key][1] * 1e5)) for key in keys
        ]

    gone, new = [key for key in then if key not in here], [key for key in here if key not in then]
    names = {number: "::".join(key.split("\x1f")[1:3]) for key, number in numbers.items()}
    return pair_renamed(look(gone, then), look(new, here)), names


def test_a_file_that_became_a_folder_is_followed() -> None:
    """click, July 2026: test_utils.py was split into test_utils/test_echo.py and others, 148 cases gone, 378 new."""
    pairs, names = compare_runs("click", "2026-06-23_679a7a0eccbd", "2026-07-15_b551fe85714c")
    found = {names[p.old]: names[p.new] for p in pairs}
    assert found["tests.test_utils::test_echo"] == "tests.test_utils.test_echo::test_echo"
    assert found["tests.test_utils::test_unset_sentinel"] == "tests.test_utils.test_sentinel::test_unset_sentinel"
    assert len(pairs) == 113
    assert {p.kind for p in pairs} == {MOVED}
    assert min(p.score for p in pairs) >= 0.8
    assert len({p.group for p in pairs}) == 13  # one for each new file
    # The others have new names as well: 35 that nobody could tell.
    assert all(old.partition("::")[2] == new.partition("::")[2] for old, new in found.items())


def test_a_renamed_family_is_one_group() -> None:
    """click, September 2025: two families have new names, and others got new parameters."""
    pairs, names = compare_runs("click", "2025-08-09_701b313160be", "2025-09-18_81a482fbfdd5")
    renamed = [p for p in pairs if p.kind == RENAMED]
    groups: dict[tuple[str, ...], list[Pair]] = {}
    for p in renamed:
        groups.setdefault(p.group, []).append(p)
    assert sorted((names[g[0].old].split("[")[0], names[g[0].new].split("[")[0], len(g)) for g in groups.values()) == [
        ("tests.test_options::test_boolean_envvar_normalization", "tests.test_options::test_boolean_flag_envvar", 29),
        ("tests.test_options::test_envvar_flag_value", "tests.test_options::test_envvar_string_flag_value", 9),
    ]
    assert all(names[p.old].partition("[")[2] == names[p.new].partition("[")[2] for p in renamed)
    for p in pairs:
        if p.kind == REPARAMETRISED:
            assert names[p.old].partition("[")[0] == names[p.new].partition("[")[0]


def test_one_test_that_became_many_is_nobody_s_rename() -> None:
    """click, April 2025: each of ten cases became six, one for each pager."""
    pairs, _ = compare_runs("click", "2025-04-12_f84395c517c3", "2025-04-24_b7c0ab471c33")
    assert pairs == []


def test_of_unrelated_changes_little_is_proposed() -> None:
    """more-itertools, April 2026: three gone and thirteen new; one of three that grew out of one is proposed."""
    pairs, names = compare_runs("more-itertools", "2026-03-23_00a00cb79c9f", "2026-04-07_1bf1273ad54d")
    assert [(names[p.old].partition("::")[2], names[p.new].partition("::")[2], p.score) for p in pairs] == [
        ("test_unhashable", "test_unhashable_sets", pytest.approx(0.69, abs=0.03))
    ]


# --- what speaks for a rename ----------------------------------------------------------------------------------


def test_the_same_class_with_a_similar_name() -> None:
    found = pair(["a.Api::test_reads_a_user"], ["a.Api::test_reads_one_user", "a.Api::test_deletes_order"])
    assert found == {"a.Api::test_reads_a_user": ("a.Api::test_reads_one_user", pytest.approx(0.7, abs=0.1))}


def test_the_same_name_in_a_renamed_class() -> None:
    found = pair(["t.Windowed::negative_size", "t.Windowed::basic"], ["t.Window::negative_size", "t.Window::basic"])
    assert {new for new, _ in found.values()} == {"t.Window::negative_size", "t.Window::basic"}


def test_a_moved_package_keeps_its_classes() -> None:
    gone = [f"com.acme.{name}::works" for name in ("CartTest", "UserTest", "OrderTest")]
    found = pair(gone, [name.replace("acme", "corp") for name in gone])
    assert {old: new for old, (new, _) in found.items()} == {name: name.replace("acme", "corp") for name in gone}


def test_the_same_suites_with_another_namespace() -> None:
    gone = [Sighting(0, Identity("api", "", "a.Cart", "adds things", 1), codes.PASS, 10)]
    new = [Sighting(1, Identity("backend", "", "a.Cart", "adds things", 1), codes.PASS, 10)]
    assert [(p.old, p.new) for p in pair_renamed(gone, new)] == [(0, 1)]


def test_a_suite_renamed_where_there_are_no_classes() -> None:
    old = sight(["::adds two things"], first=0, suite_path=f"shop{STEP}cart")
    new = sight(["::adds two things"], first=1, suite_path=f"shop{STEP}basket cart")
    assert [p.kind for p in pair_renamed(old, new)] == [MOVED]


def test_a_family_counts_for_each_of_its_cases() -> None:
    one = pair(["a::test_price[1]"], ["a::test_cost[1]"])
    many = pair([f"a::test_list_price[{n}]" for n in range(30)], [f"a::test_price[{n}]" for n in range(30)])
    assert one == {}
    assert len(many) == 30
    assert all(old.partition("[")[2] == new.partition("[")[2] for old, (new, _) in many.items())
    assert pair(["a::test_list_price[1]"], ["a::test_price[1]"])["a::test_list_price[1]"][1] < min(
        score for _, score in many.values()
    )


def test_outcome_and_time_are_a_little_evidence() -> None:
    old = sight(["a::reads one user by name"], first=0, units=300_000)
    alike = pair_renamed(old, sight(["a::reads a user by name"], first=1, units=310_000))[0]
    unlike = pair_renamed(old, sight(["a::reads a user by name"], first=1, units=30_000, outcome=codes.FAIL))[0]
    assert 0 < alike.score - unlike.score < 0.15


# --- what does not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "new"),
    [
        (["a.Api::test_reads_user"], ["b.Shop::test_sends_mail"]),
        (["a.Api::test_basic"], ["a.Shop::test_basic"]),  # everybody's name, in another class
        (["t.WindowedTests::test_negative"], ["t.ChunkedTests::test_negative"]),
        (["a::case 1"], ["a::case 2"]),
        (["a::test_x[0]"], ["a::test_x[1]"]),
        (["a::test_slug[red]"], ["a::test_slug[blue]"]),
        ([], ["a::b"]),
        (["a::b"], []),
    ],
)
def test_a_coincidence_is_left_out(gone: list[str], new: list[str]) -> None:
    assert pair(gone, new) == {}


def test_a_case_is_in_one_pair_at_most() -> None:
    gone = [f"a::test_reads_user_{word}" for word in ("fast", "slow", "well")]
    new = [f"a::test_reads_users_{word}" for word in ("fast", "slow")]
    found = pair(gone, new)
    assert {old: new for old, (new, _) in found.items()} == {
        "a::test_reads_user_fast": "a::test_reads_users_fast",
        "a::test_reads_user_slow": "a::test_reads_users_slow",
    }


def test_the_order_of_what_is_given_does_not_matter() -> None:
    gone = sight([f"a::test_user_{n}_x" for n in "abc"], first=0)
    new = sight([f"a::test_users_{n}_x" for n in "abc"], first=10)
    assert pair_renamed(gone, new) == pair_renamed(gone[::-1], new[::-1])


# --- bounds ----------------------------------------------------------------------------------------------------


def test_of_very_many_only_moved_classes_are_looked_for() -> None:
    n = MOST_COMPARED + 500
    gone = [f"com.acme.C{k // 10}Test::test_basic{k % 10}" for k in range(n)]
    found = pair(gone, [name.replace("acme", "corp") for name in gone])
    assert {old: new for old, (new, _) in found.items()} == {name: name.replace("acme", "corp") for name in gone}
    elsewhere = pair(gone, [name.replace("acme.C", "corp.Suite") for name in gone])
    assert len(elsewhere) < n  # everybody's names in classes called otherwise say little
    other_names = [f"com.acme.C{k // 10}Test::test_basis{k % 10}" for k in range(n)]
    assert pair(gone, other_names) == {}


def test_the_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def count(old: str, new: str) -> float:
        nonlocal compared
        compared += 1
        return 0.0

    monkeypatch.setattr("health.rules.renames._compare_words", count)
    gone = [f"a.C{k % 20}::test_{k}a" for k in range(MOST_COMPARED)]
    pair_renamed(sight(gone, first=0), sight([f"{name}_x{at}" for at, name in enumerate(gone)], first=50_000))
    assert 0 < compared <= 20_000

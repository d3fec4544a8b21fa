"""A merge is as if the case had always had one name, an undo as if there had been no merge; in any order of arrival."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.aliases import NO_ALIASES, fetch_aliases, fetch_known_aliases, make_aliases
from health.history import fetch_case_results
from health.models import Case, Failure, Project, RenameProposal, Run, Tile
from health.rebuild import rebuild_project
from health.renames import merge_cases, undo_merge
from health.rollups import fetch_cases
from health.rules import outcomes as codes
from health.rules.durations import encode_seconds
from health.sql import open_cursor
from health.tiles import StoredTile, fetch_results, merge_tiles
from tests.builders import FIRST_MOMENT, a_project, a_user, an_upload
from tests.health.test_rebuild import picture

pytestmark = pytest.mark.django_db

Deliveries = list[tuple[dict[str, str], dict[str, Any]]]


def number_of(project: Project, name: str) -> int:
    class_name, _, case = name.rpartition("::")
    return Case.objects.get(project=project, class_name=class_name, name=case).ord


def propose(project: Project, old: str, new: str) -> tuple[int, int]:
    """A proposal by hand, whatever these names look like."""
    pair = number_of(project, old), number_of(project, new)
    RenameProposal.objects.create(project=project, old=pair[0], new=pair[1], run=1, series=1, score=0.9)
    return pair


def merge(project: Project, old: str, new: str) -> tuple[int, int]:
    pair = propose(project, old, new)
    assert merge_cases(project.pk, pairs=[pair], user=a_user()) == 1
    rebuild_project(project.pk)
    return pair


def undo(project: Project, pair: tuple[int, int]) -> None:
    assert undo_merge(project.pk, pairs=[pair], user=a_user()) == 1
    rebuild_project(project.pk)


def store(project: Project, found: Deliveries) -> None:
    for cases, metadata in found:
        an_upload(project, cases, **{"job": "tests", **metadata})


# --- one case in arrays ----------------------------------------------------------------------------------------


def test_names_are_followed_to_the_newest() -> None:
    aliases = make_aliases({3: 5, 5: 9, 4: 9})
    assert [aliases.canonical(ord_) for ord_ in (3, 4, 5, 9, 2, 0)] == [9, 9, 9, 9, 2, 0]
    assert aliases.list_members(9) == (9, 5, 4, 3)
    assert aliases.list_members(2) == (2,)
    assert aliases.expand([(9, "x"), (1, "y")]) == [(9, 9, "x"), (5, 9, "x"), (4, 9, "x"), (3, 9, "x"), (1, 1, "y")]


def test_a_circle_does_not_hang() -> None:
    assert make_aliases({1: 2, 2: 1}).canonical(1) in {1, 2}


def test_without_renames_nothing_is_asked() -> None:
    project = a_project()
    assert fetch_known_aliases(open_cursor(), project.pk, epoch=0) is NO_ALIASES
    assert not NO_ALIASES


def test_two_names_in_one_tile_count_once_and_the_worst_stands() -> None:
    def a_tile(attempt: int, outcomes: dict[int, int]) -> StoredTile:
        ords = np.array(sorted(outcomes), np.int32)
        words = np.array([outcomes[ord_] for ord_ in sorted(outcomes)], np.uint8)
        return StoredTile(1, 1, attempt, attempt, None, ords, words, encode_seconds([0.01] * len(outcomes)))

    aliases = make_aliases({0: 2, 1: 2})
    both = [a_tile(1, {0: codes.FAIL, 1: codes.PASS, 2: codes.PASS, 3: codes.SKIP})]
    assert merge_tiles(both, n_cases=4, aliases=aliases).outcomes.tolist() == [0, 0, codes.FAIL, codes.SKIP]
    retried = [a_tile(1, {0: codes.FAIL}), a_tile(2, {2: codes.PASS})]
    assert merge_tiles(retried, n_cases=4, aliases=aliases).outcomes.tolist() == [0, 0, codes.PASS_ON_RETRY, 0]


@pytest.mark.parametrize("seed", [1, 2])
def test_slot_by_slot_is_what_merged_tiles_give(seed: int) -> None:
    dice = random.Random(seed)
    project = a_project()
    names = [f"a::case{k}" for k in range(600)]
    uploads = []
    for run in range(6):
        words = {name: dice.choice(["pass", "fail", "skip"]) for name in names if dice.random() < (0.03, 0.7)[run % 2]}
        words["a::case0"] = "pass"
        uploads.append(an_upload(project, words, run_id=str(run), provider="ci"))
    numbers = {case.name: case.ord for case in Case.objects.filter(project=project)}
    chain = {
        numbers["case0"]: numbers["case5"],
        numbers["case5"]: max(numbers.values()),
        numbers["case7"]: numbers["case9"],
    }
    aliases = make_aliases(chain)
    jobs = [(upload.run or 0, upload.series or 0) for upload in uploads]
    ords = [max(numbers.values()), numbers["case9"], numbers["case11"]]
    found = {
        (r.ord, r.run): (r.outcome, r.units)
        for r in fetch_case_results(open_cursor(), project.pk, ords=ords, jobs=jobs, aliases=aliases)
    }
    for run, series in jobs:
        results = fetch_results(
            open_cursor(), project.pk, run=run, series=series, n_cases=len(numbers), aliases=aliases
        )
        for ord_ in ords:
            assert found.get((ord_, run), (0, 0)) == (int(results.outcomes[ord_]), int(results.units[ord_]))


# --- the law ---------------------------------------------------------------------------------------------------

OTHERS = ["t.a::one", "t.a::two", "t.b::three"]
words = st.sampled_from(["pass", "pass", "fail", "error", "skip", "xfail"])
places = st.sampled_from(
    [
        {"branch": "main"},
        {"branch": "main", "variant": "py3.13"},
        {"branch": "release/1"},
        {"branch": "feature", "pull_request": "7"},
    ]
)


@st.composite
def renamed_histories(draw: st.DrawFn) -> list[tuple[dict[str, str], dict[str, Any], int]]:
    """Runs in which `$` is the case whose name changes; with each delivery which of its three names it has there."""
    found = []
    for run in range(draw(st.integers(1, 5))):
        place, hour = draw(places), 3 * run + draw(st.integers(0, 2))
        name = draw(st.integers(0, 2))
        for _ in range(draw(st.integers(1, 2))):
            cases = draw(st.dictionaries(st.sampled_from(OTHERS), words, max_size=3))
            if draw(st.booleans()):
                cases["$"] = draw(words)
            metadata = {
                **place,
                "run_id": str(run),
                "attempt": draw(st.integers(1, 2)),
                "ran_at": FIRST_MOMENT + timedelta(hours=hour),
                "state": draw(st.sampled_from(["stored", "stored", "partial"])),
            }
            found.append((cases, metadata, name))
    return found


NAMES = ["t.a::oldest", "t.c::old", "t.b::new"]  # of three classes: the newest name says the suite


def write(found: Sequence[tuple[dict[str, str], dict[str, Any], int]], *, names: Sequence[str]) -> Deliveries:
    return [
        ({names[name] if case == "$" else case: word for case, word in cases.items()}, metadata)
        for cases, metadata, name in found
    ]


def prepare(names: Sequence[str]) -> Project:
    """A project that knows these names, from a run of long ago on another branch."""
    project = a_project()
    an_upload(project, dict.fromkeys(names, "pass"), branch="long-ago", job="other", run_id="first")
    return project


many = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def look(project: Project) -> dict[str, Any]:
    """What is derived, without the run that only brought the names."""
    seen = picture(project)
    seen["runs"].pop("first")
    return {
        "runs": seen["runs"],
        **{
            part: {key: row for key, row in seen[part].items() if "other" not in str(key)}
            for part in seen
            if part != "runs"
        },
    }


@many
@given(renamed_histories(), st.integers(0, 12), st.randoms(use_true_random=False))
def test_a_merge_is_as_if_the_case_had_always_had_one_name(found, merged_after, dice) -> None:  # type: ignore[no-untyped-def]
    project, plain = prepare(NAMES), prepare(NAMES)
    dice.shuffle(found)
    deliveries = write(found, names=NAMES)
    store(project, deliveries[:merged_after])
    merge(project, NAMES[0], NAMES[1])
    merge(project, NAMES[1], NAMES[2])
    store(project, deliveries[merged_after:])  # what comes afterwards is read the same way
    store(plain, write(found, names=[NAMES[2]] * 3))
    assert look(project) == look(plain)
    before = picture(project)
    rebuild_project(project.pk)
    assert picture(project) == before


@many
@given(renamed_histories(), st.integers(0, 12), st.integers(0, 12))
def test_an_undo_is_as_if_it_had_never_been_merged(found, merged_after, undone_after) -> None:  # type: ignore[no-untyped-def]
    project, plain = prepare(NAMES), prepare(NAMES)
    deliveries = write(found, names=NAMES)
    first, last = sorted((merged_after, undone_after))
    store(project, deliveries[:first])
    pairs = [merge(project, NAMES[0], NAMES[1]), merge(project, NAMES[1], NAMES[2])]
    store(project, deliveries[first:last])
    for pair in pairs:  # in the order they were made: the chain may be parted anywhere
        undo(project, pair)
    store(project, deliveries[last:])
    store(plain, deliveries)
    assert look(project) == look(plain)
    assert not Case.objects.filter(project=project, merged_into__isnull=False).exists()


# --- what it does to a project ---------------------------------------------------------------------------------


def a_renamed_project() -> Project:
    project = a_project()
    an_upload(project, {"t.a::old": "fail", "t.a::stays": "pass"})
    an_upload(project, {"t.a::new": "fail", "t.a::stays": "pass"})
    return project


def test_a_merged_case_is_neither_gone_nor_new() -> None:
    project = a_renamed_project()
    pair = merge(project, "t.a::old", "t.a::new")
    run = Run.objects.get(project=project, number=2)
    assert (run.n_new, run.n_still, run.n_gone, run.n_declared) == (0, 1, 0, 2)
    undo(project, pair)
    run.refresh_from_db()
    assert (run.n_new, run.n_still, run.n_gone, run.n_declared) == (1, 0, 1, 2)


def test_results_stay_where_they_were_written() -> None:
    project = a_renamed_project()
    tiles, failures = list(Tile.objects.values_list()), list(Failure.objects.values_list())
    pair = merge(project, "t.a::old", "t.a::new")
    undo(project, pair)
    assert (list(Tile.objects.values_list()), list(Failure.objects.values_list())) == (tiles, failures)


def test_a_run_with_both_names_counts_the_case_once() -> None:
    project = a_renamed_project()
    merge(project, "t.a::old", "t.a::new")
    an_upload(project, {"t.a::old": "fail", "t.a::new": "pass", "t.a::stays": "pass"})
    run = Run.objects.get(project=project, number=3)
    assert (run.n_declared, run.n_failed, run.n_still) == (2, 1, 1)


def test_an_old_branch_goes_on_under_the_old_name() -> None:
    project = a_renamed_project()
    merge(project, "t.a::old", "t.a::new")
    an_upload(project, {"t.a::old": "pass", "t.a::stays": "pass"}, branch="feature", pull_request="7")
    run = Run.objects.get(project=project, number=3)
    assert (run.n_fixed, run.n_gone, run.n_new) == (1, 0, 0)


def test_a_merge_ends_what_workers_and_pages_know() -> None:
    project = a_renamed_project()
    epoch, revision = project.identity_epoch, Project.objects.get(pk=project.pk).revision
    pair = propose(project, "t.a::old", "t.a::new")
    merge_cases(project.pk, pairs=[pair], user=a_user())
    project.refresh_from_db()
    assert (project.identity_epoch, project.revision) == (epoch + 1, revision + 1)
    assert fetch_known_aliases(open_cursor(), project.pk, epoch=epoch + 1).canonical(pair[0]) == pair[1]
    assert fetch_cases(open_cursor(), project.pk).aliases.next_name == {pair[0]: pair[1]}
    undo_merge(project.pk, pairs=[pair], user=a_user())
    assert not fetch_aliases(open_cursor(), project.pk)
    assert not fetch_known_aliases(open_cursor(), project.pk, epoch=epoch + 2)

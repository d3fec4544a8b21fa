"""The newest jobs and what they say of cases: as the one place that merges tiles says, for some cases and for all."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.aliases import fetch_aliases, make_aliases
from health.models import Case, Job, Project, Suite
from health.rules import outcomes as codes
from health.rules.durations import decode_units
from health.sql import open_cursor
from health.tiles import NO_SUITE, fetch_results
from health.windows import fetch_grid, fetch_outcomes, list_window, open_window, walk_window
from tests.builders import a_project, an_upload
from tests.scenes import a_steady_project, green

pytestmark = pytest.mark.django_db


def compare(project: Project, *, n_cases: int, merged: dict[int, int] | None = None) -> np.ndarray:
    """What all three ways say, which must be the same."""
    jobs = list(Job.objects.filter(project=project).order_by("run", "series").values_list("run", "series"))
    aliases = make_aliases(merged or {})
    ords = np.arange(n_cases, dtype=np.int32)
    grid = fetch_grid(open_cursor(), project.pk, jobs=jobs, ords=ords, aliases=aliases)
    for job, row, words in zip(jobs, grid.outcomes, grid.words, strict=True):
        said = fetch_results(open_cursor(), project.pk, run=job[0], series=job[1], n_cases=n_cases, aliases=aliases)
        assert (row.tolist(), decode_units(words).tolist()) == (said.outcomes.tolist(), said.units.tolist())
    outcomes = fetch_outcomes(open_cursor(), project.pk, jobs=jobs, n_cases=n_cases, aliases=aliases).outcomes
    assert outcomes.tolist() == grid.outcomes.tolist()
    return outcomes


def test_whole_jobs_over_several_blocks() -> None:
    project = a_steady_project("click", n_runs=3, n_cases=1_100, n_variants=2)
    outcomes = compare(project, n_cases=1_100)
    assert outcomes.shape == (6, 1_100)
    assert outcomes.any()


def test_shards_stand_side_by_side() -> None:
    project = a_project("click")
    for shard in (1, 2):
        cases = {f"tests.a::case{k}": "fail" if k == 3 else "pass" for k in range(600) if k % 2 == shard - 1}
        an_upload(project, cases, run_id="1", shard=f"{shard}/2")
    assert compare(project, n_cases=600).all()


def test_deliveries_that_speak_of_the_same_case_are_merged() -> None:
    project = a_project("click")
    an_upload(project, green(4, case1="fail"), run_id="1")
    an_upload(project, green(4, case2="error"), run_id="1")
    an_upload(project, green(3, case0="fail"), run_id="1", attempt=2)
    compare(project, n_cases=4)


def test_former_names_are_read_under_the_newest() -> None:
    project = a_project("click")
    an_upload(project, {"a::old": "fail", "a::other": "pass"})
    an_upload(project, {"a::new": "pass", "a::other": "pass"})
    an_upload(project, {"a::new": "pass", "a::old": "fail"})  # both names in one job: then the tiles are merged
    outcomes = compare(project, n_cases=3, merged={0: 2})
    assert not outcomes[:, 0].any()
    assert outcomes[0, 2]


def test_other_cases_of_a_block_may_go_on_under_far_names() -> None:
    """A tile holds 512 cases: one that nobody asked for may have been renamed to the end of the project."""
    project = a_project("click")
    an_upload(project, green(600), run_id="1")
    jobs, aliases, ords = [(1, 1)], make_aliases({3: 590}), np.array([5], np.int32)
    grid = fetch_grid(open_cursor(), project.pk, jobs=jobs, ords=ords, aliases=aliases)
    assert grid.outcomes.tolist() == [[codes.PASS]]


def test_the_suite_the_newest_delivery_named_is_told() -> None:
    project = a_project("click")
    an_upload(project, green(3), suite="unit")
    an_upload(project, green(2), suite="e2e")
    an_upload(project, green(1))  # names none, and takes nothing back
    numbers = dict(Suite.objects.filter(project=project).values_list("name", "number"))
    jobs = [(run, 1) for run in (1, 2, 3)]
    found = fetch_outcomes(open_cursor(), project.pk, jobs=jobs, n_cases=4)
    assert found.suites.tolist() == [numbers["e2e"], numbers["e2e"], numbers["unit"], NO_SUITE]


def test_a_window_is_the_newest_jobs_oldest_first() -> None:
    project = a_steady_project("click", n_runs=4, n_cases=5)
    found = list_window(open_cursor(), project.pk, series=1, limit=3)
    assert [(job.run, job.series) for job in found] == [(2, 1), (3, 1), (4, 1)]
    assert [(job.n_executed, job.n_broken) for job in found] == [(4, 1), (4, 1), (3, 2)]


def test_a_page_of_cases_is_read_in_their_order() -> None:
    project = a_steady_project("click", n_runs=2, n_cases=600)
    grid = fetch_grid(open_cursor(), project.pk, jobs=[(2, 1), (1, 1)], ords=np.array([2, 3, 599], np.int32))
    assert grid.outcomes.tolist() == [[codes.FAIL, codes.ERROR, codes.ABSENT], [codes.PASS] * 3]


def test_nothing_is_asked_of_nothing() -> None:
    assert fetch_outcomes(open_cursor(), 1, jobs=[], n_cases=5).outcomes.shape == (0, 5)
    assert fetch_outcomes(open_cursor(), 1, jobs=[(1, 1)], n_cases=0).outcomes.shape == (1, 0)


# --- a series' window, all cases -------------------------------------------------------------------------------

NAMES = [f"t.x::{letter}" for letter in "abcdef"]
outcome_words = st.sampled_from(["pass", "fail", "skip", "retry", "error"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), outcome_words, min_size=1),
            st.integers(0, 3),
            st.integers(1, 2),
            st.sampled_from([0.01, 2.5, 70.0]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_a_window_s_row_is_what_merging_says(found: list[Any], is_merged: bool) -> None:
    project = a_project()
    an_upload(project, dict.fromkeys(NAMES, "pass"), run_id="first")
    for cases, run, attempt, seconds in found:
        an_upload(project, cases, run_id=str(run), attempt=attempt, seconds=seconds)
    if is_merged:
        Case.objects.filter(project=project, ord=0).update(merged_into=1)
        Case.objects.filter(project=project, ord=1).update(merged_into=4)
    cursor = open_cursor()
    aliases = fetch_aliases(cursor, project.pk)
    window = open_window(cursor, project.pk, series=1, aliases=aliases)
    [grid] = walk_window(cursor, window)
    assert grid.ords.tolist() == list(range(512))
    for place, job in enumerate(window.jobs):
        merged = fetch_results(cursor, project.pk, run=job.run, series=1, n_cases=512, aliases=aliases)
        assert (grid.outcomes[place] == merged.outcomes).all()
        is_there = merged.outcomes != 0
        assert (decode_units(grid.words[place])[is_there] == merged.units[is_there]).all()


def test_blocks_of_other_series_are_not_read() -> None:
    project = a_project()
    an_upload(project, {f"c{number}": "pass" for number in range(1200)}, variant="all")
    an_upload(project, {"c3": "pass", "c1100": "fail"}, variant="some")
    aliases = fetch_aliases(open_cursor(), project.pk)
    assert open_window(open_cursor(), project.pk, series=1, aliases=aliases).blocks == [0, 1, 2]
    window = open_window(open_cursor(), project.pk, series=2, aliases=aliases)
    assert window.blocks == [0, 2]
    [grid] = walk_window(open_cursor(), window)
    assert np.array_equal(grid.ords[[0, 511, 512]], [0, 511, 1024])

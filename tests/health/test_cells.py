"""Cells of a window: a job's row says what merging its tiles says, however it was delivered."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.aliases import fetch_aliases
from health.cells import list_ords, open_window, walk_cells
from health.models import Case, Project
from health.rules.durations import decode_units
from health.sql import open_cursor
from health.tiles import fetch_results
from tests.builders import a_project, an_upload

pytestmark = pytest.mark.django_db

NAMES = [f"t.x::{letter}" for letter in "abcdef"]
words = st.sampled_from(["pass", "fail", "skip", "retry", "error"])


def check(project: Project) -> None:
    cursor = open_cursor()
    aliases = fetch_aliases(cursor, project.pk)
    window = open_window(cursor, project.pk, series=1, aliases=aliases)
    [cells] = walk_cells(cursor, window)
    assert (cells.ords == list_ords(window.blocks)).all()
    for place, job in enumerate(window.jobs):
        merged = fetch_results(cursor, project.pk, run=job.run, series=1, n_cases=len(cells.ords), aliases=aliases)
        assert (cells.outcomes[place] == merged.outcomes).all()
        is_there = merged.outcomes != 0
        assert (decode_units(cells.words[place])[is_there] == merged.units[is_there]).all()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from(NAMES), words, min_size=1),
            st.integers(0, 3),
            st.integers(1, 2),
            st.sampled_from([0.01, 2.5, 70.0]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.booleans(),
)
def test_a_row_is_what_merging_says(found: list[Any], is_merged: bool) -> None:
    project = a_project()
    an_upload(project, dict.fromkeys(NAMES, "pass"), run_id="first")
    for cases, run, attempt, seconds in found:
        an_upload(project, cases, run_id=str(run), attempt=attempt, seconds=seconds)
    if is_merged:
        Case.objects.filter(project=project, ord=0).update(merged_into=1)
        Case.objects.filter(project=project, ord=1).update(merged_into=4)
    check(project)


def test_blocks_of_other_series_are_not_read() -> None:
    project = a_project()
    an_upload(project, {f"c{number}": "pass" for number in range(1200)}, variant="all")
    an_upload(project, {"c3": "pass", "c1100": "fail"}, variant="some")
    aliases = fetch_aliases(open_cursor(), project.pk)
    assert open_window(open_cursor(), project.pk, series=1, aliases=aliases).blocks == [0, 1, 2]
    assert open_window(open_cursor(), project.pk, series=2, aliases=aliases).blocks == [0, 2]
    assert np.array_equal(list_ords([0, 2])[[0, 511, 512]], [0, 511, 1024])

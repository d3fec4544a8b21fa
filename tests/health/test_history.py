"""One case over many jobs: what is read slot by slot is what merging whole tiles gives."""

import random

import pytest

from health.history import fetch_case_results
from health.sql import open_cursor
from health.tiles import fetch_results
from tests.builders import OUTCOMES, a_project, an_upload

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("seed", [1, 2])
def test_it_agrees_with_merged_tiles(seed: int) -> None:
    dice = random.Random(seed)
    project = a_project()
    everything = {f"a::case{k}": "pass" for k in range(600)}
    uploads = [an_upload(project, everything, run_id="0", provider="ci")]
    for run in range(1, 5):
        for attempt in (1, 2):
            # Few of many make a sparse tile, many make a dense one with holes.
            share = dice.choice([0.02, 0.6])
            words = {name: dice.choice(list(OUTCOMES)) for name in everything if dice.random() < share}
            uploads.append(an_upload(project, words, run_id=str(run), provider="ci", attempt=attempt, seconds=attempt))
    jobs = sorted({(upload.run or 0, upload.series or 0) for upload in uploads})
    ords = [0, 1, 37, 511, 512, 513, 599]
    found = {
        (r.ord, r.run): (r.outcome, r.units)
        for r in fetch_case_results(open_cursor(), project.pk, ords=ords, jobs=jobs)
    }
    for run, series in jobs:
        results = fetch_results(open_cursor(), project.pk, run=run, series=series, n_cases=600)
        for ord_ in ords:
            expected = (int(results.outcomes[ord_]), int(results.units[ord_]))
            assert found.get((ord_, run), (0, 0)) == expected


def test_nothing_asked_is_nothing_read() -> None:
    project = a_project()
    assert fetch_case_results(open_cursor(), project.pk, ords=[], jobs=[(1, 1)]) == []
    assert fetch_case_results(open_cursor(), project.pk, ords=[1], jobs=[]) == []
    assert fetch_case_results(open_cursor(), project.pk, ords=[2**31 - 1], jobs=[(1, 1)]) == []

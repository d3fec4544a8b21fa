"""Why a case may have vanished: the first suspicion that fits, in their order."""

import numpy as np

from health.models import VanishedCase
from health.rules.vanishing import (
    DESELECTED,
    FILE_GONE,
    RENAMED,
    SHARD_MISSING,
    SUITE_SILENT,
    SUSPICIONS,
    find_vanished,
    suspect,
)


def name(*, renamed: bool = False, silent: bool = False, part: bool = False, classless: bool = False) -> str:
    masks = [np.array([flag]) for flag in (renamed, silent, part, classless)]
    found = suspect(masks[0], is_suite_silent=masks[1], is_part_missing=masks[2], is_class_gone=masks[3])
    return SUSPICIONS[int(found[0])]


def test_the_first_suspicion_that_fits_is_named() -> None:
    assert name(renamed=True, silent=True, part=True, classless=True) == RENAMED
    assert name(silent=True, part=True, classless=True) == SUITE_SILENT
    assert name(part=True, classless=True) == SHARD_MISSING
    assert name(classless=True) == FILE_GONE
    assert name() == DESELECTED


def test_a_case_vanished_when_the_newest_complete_job_and_all_since_lack_it() -> None:
    last_seen = np.array([-1, 0, 2, 3, 4], np.int32)
    assert find_vanished(last_seen, 3).tolist() == [False, True, True, False, False]


def test_the_words_are_those_of_the_table() -> None:
    assert sorted(SUSPICIONS) == sorted(VanishedCase.Suspicion.values)

"""Tiles: what is packed comes back, and the merge believes the same delivery whatever the order of arrival."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from health.rules.durations import decode_units, encode_seconds
from health.rules.outcomes import ABSENT, ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP
from health.tiles import BLOCK_SIZE, DENSE, SPARSE, StoredTile, merge_tiles, pack_tiles, unpack_tile

packed_results = st.dictionaries(
    st.integers(0, 4 * BLOCK_SIZE),
    st.tuples(st.integers(1, 7), st.integers(0, 65535)),
    min_size=1,
    max_size=300,
)


@given(packed_results)
def test_what_is_packed_comes_back(results: dict[int, tuple[int, int]]) -> None:
    ords = np.array(list(results), np.int32)
    outcomes = np.array([outcome for outcome, _ in results.values()], np.uint8)
    durations = np.array([word for _, word in results.values()], np.uint16)
    found: dict[int, tuple[int, int]] = {}
    n = 0
    for tile in pack_tiles(ords, outcomes, durations):
        n += tile.n
        back = unpack_tile(tile.block, tile.encoding, tile.offsets, tile.outcomes, tile.durations)
        for ord_, outcome, word in zip(*(array.tolist() for array in back), strict=True):
            assert tile.block == ord_ // BLOCK_SIZE
            found[ord_] = (outcome, word)
    assert found == results
    assert n == len(results)


def test_few_cases_of_a_block_are_packed_sparsely() -> None:
    words = np.zeros(2, np.uint16)
    few = pack_tiles(np.array([3, 500], np.int32), np.array([1, 2], np.uint8), words)
    assert [tile.encoding for tile in few] == [SPARSE]
    neighbours = pack_tiles(np.array([0, 1], np.int32), np.array([1, 2], np.uint8), words)
    assert [(tile.encoding, len(tile.outcomes)) for tile in neighbours] == [(DENSE, 2)]


def test_nothing_packs_into_no_tile() -> None:
    nothing = np.zeros(0, np.int32)
    assert pack_tiles(nothing, nothing.astype(np.uint8), nothing.astype(np.uint16)) == []


def a_tile(attempt: int, outcomes: dict[int, int], *, upload: int = 1, suite: int | None = None) -> StoredTile:
    return StoredTile(
        series=1,
        run=1,
        upload=upload,
        attempt=attempt,
        suite=suite,
        ords=np.array(list(outcomes), np.int32),
        outcomes=np.array(list(outcomes.values()), np.uint8),
        durations=encode_seconds([upload * 0.001] * len(outcomes)),
    )


def test_within_an_attempt_the_worst_outcome_holds() -> None:
    tiles = [a_tile(1, {0: PASS, 1: FAIL}, upload=1), a_tile(1, {0: ERROR, 1: PASS, 2: SKIP}, upload=2)]
    assert merge_tiles(tiles, n_cases=4).outcomes.tolist() == [ERROR, FAIL, SKIP, ABSENT]


def test_a_later_attempt_that_passes_is_a_pass_on_retry() -> None:
    tiles = [a_tile(2, {0: PASS, 1: FAIL}), a_tile(1, {0: FAIL, 1: PASS, 2: PASS})]
    assert merge_tiles(tiles, n_cases=3).outcomes.tolist() == [PASS_ON_RETRY, FAIL, PASS]


def test_a_third_attempt_does_not_forget_the_first() -> None:
    tiles = [a_tile(1, {0: FAIL}), a_tile(2, {0: PASS}), a_tile(3, {0: PASS})]
    assert merge_tiles(tiles, n_cases=1).outcomes.tolist() == [PASS_ON_RETRY]


def test_a_skip_on_retry_replaces_nothing_that_ran() -> None:
    tiles = [a_tile(1, {0: FAIL, 1: SKIP}), a_tile(2, {0: SKIP, 1: SKIP, 2: SKIP})]
    assert merge_tiles(tiles, n_cases=3).outcomes.tolist() == [FAIL, SKIP, SKIP]


def test_one_sibling_that_runs_again_does_not_clear_what_another_broke() -> None:
    siblings = [a_tile(1, {0: FAIL, 1: PASS, 2: FAIL}, upload=1), a_tile(1, {0: PASS, 1: PASS}, upload=2)]
    again = a_tile(2, {0: PASS, 1: FAIL, 2: PASS}, upload=3)
    merged = merge_tiles([*siblings, again], n_cases=3)
    assert merged.outcomes.tolist() == [FAIL, FAIL, PASS_ON_RETRY]
    both = merge_tiles([*siblings, again, a_tile(2, {0: PASS}, upload=4)], n_cases=3)
    assert both.outcomes.tolist() == [PASS_ON_RETRY, FAIL, PASS_ON_RETRY]


def test_a_named_suite_belongs_to_the_delivery_that_is_believed() -> None:
    merged = merge_tiles([a_tile(1, {0: PASS}, suite=7), a_tile(2, {1: PASS})], n_cases=3)
    assert merged.suites.tolist() == [7, -1, -1]


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.dictionaries(st.integers(0, 5), st.integers(1, 6), min_size=1)),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_arrival_does_not_matter(deliveries: list[tuple[int, dict[int, int]]], random) -> None:  # type: ignore[no-untyped-def]
    tiles = [a_tile(attempt, outcomes, upload=n + 1) for n, (attempt, outcomes) in enumerate(deliveries)]
    merged = merge_tiles(tiles, n_cases=6)
    shuffled = tiles[:]
    random.shuffle(shuffled)
    again = merge_tiles(shuffled, n_cases=6)
    assert merged.outcomes.tolist() == again.outcomes.tolist()
    assert merged.units.tolist() == again.units.tolist()


def test_the_longest_time_of_equal_outcomes_is_kept() -> None:
    tiles = [a_tile(1, {0: PASS}, upload=3), a_tile(1, {0: PASS}, upload=9)]
    assert merge_tiles(tiles, n_cases=1).units.tolist() == decode_units(encode_seconds([0.009])).tolist()

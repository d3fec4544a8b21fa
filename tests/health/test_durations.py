"""Durations survive packing within 0.05 %, and SQL reads them alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.rules.durations import UNITS_PER_SECOND, decode_units, encode_seconds
from health.sql import open_cursor

LONGEST = 2047 * 2**31 / UNITS_PER_SECOND


def read_back(seconds: float) -> float:
    return int(decode_units(encode_seconds([seconds]))[0]) / UNITS_PER_SECOND


@given(st.integers(0, 2047))
def test_below_twenty_milliseconds_is_exact(units: int) -> None:
    assert int(decode_units(encode_seconds([units / UNITS_PER_SECOND]))[0]) == units


@given(st.floats(0, LONGEST))
def test_any_duration_comes_back_within_a_half_per_mille(seconds: float) -> None:
    assert read_back(seconds) == pytest.approx(seconds, rel=0.0005, abs=0.5 / UNITS_PER_SECOND)


@given(st.lists(st.floats(0, LONGEST), min_size=2, max_size=20))
def test_order_is_kept(seconds: list[float]) -> None:
    units = decode_units(encode_seconds(sorted(seconds)))
    assert (np.diff(units) >= 0).all()


def test_an_endless_duration_is_cut_not_wrapped() -> None:
    assert read_back(1e300) == pytest.approx(LONGEST)


@pytest.mark.django_db
def test_sql_decodes_what_python_encoded() -> None:
    words = encode_seconds([0, 0.00001, 0.0204, 0.5, 3.14159, 82086.0, 1e7])
    rows = open_cursor().execute(
        "SELECT (w & 2047)::bigint << (w >> 11) FROM unnest(%s::int[]) w", (words.astype(int).tolist(),)
    )
    assert [row[0] for row in rows] == decode_units(words).tolist()

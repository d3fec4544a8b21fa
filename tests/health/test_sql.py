"""Whole columns of numbers in one value each."""

import pytest

from health.sql import copy_numbers, open_cursor

pytestmark = pytest.mark.django_db


def test_rows_of_numbers_come_as_one_array() -> None:
    statement = "SELECT n, -n, n * 3000000000 FROM generate_series(1, %s) n ORDER BY n"
    rows = copy_numbers(open_cursor(), statement, (3,), small="i2", plain="i4", large="i8")
    assert rows["small"].tolist() == [1, 2, 3]
    assert rows["plain"].tolist() == [-1, -2, -3]
    assert rows["large"].tolist() == [3_000_000_000, 6_000_000_000, 9_000_000_000]
    assert [rows[name].dtype.str for name in rows.dtype.names] == ["<i2", "<i4", "<i8"]


def test_no_rows_are_an_empty_array() -> None:
    rows = copy_numbers(open_cursor(), "SELECT 1 WHERE %(no)s", {"no": False}, n="i4")
    assert len(rows) == 0

"""The raw psycopg cursor behind Django's connection, for binary COPY and set-based SQL.

Used by the store, the rollups and the tile reader; everything else uses the ORM.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection

Cursor = psycopg.Cursor[tuple[Any, ...]]

_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_PIECE: Final = 2**18
_ARRAY_HEAD: Final = 20  # dimensions, flags, type, length, lower bound: four bytes each


def fetch_together(cursor: Cursor, *questions: tuple[str, Any]) -> list[list[tuple[Any, ...]]]:
    """The rows of several statements, each with its values, in one round trip."""
    with cursor.connection.pipeline():
        asked = [psycopg.Cursor(cursor.connection).execute(statement, values) for statement, values in questions]
    return [answer.fetchall() for answer in asked]


class BinaryRow:
    """Rows of whole numbers as binary COPY wants them, column by column: many times faster than row by row."""

    def __init__(self, **columns: str) -> None:
        fields = [("n_columns", ">i2")]
        for name, kind in columns.items():
            fields += [(f"{name} length", ">i4"), (name, f">{kind}")]
        self._dtype = np.dtype(fields)
        self._columns = {name: int(kind[1:]) for name, kind in columns.items()}

    def fill(self, n: int, **values: npt.ArrayLike) -> bytes:
        """A whole COPY stream of `n` rows; a single value stands in each of them."""
        rows = np.empty(n, self._dtype)
        rows["n_columns"] = len(self._columns)
        for name, length in self._columns.items():
            rows[f"{name} length"] = length
            rows[name] = values[name]
        return _COPY_HEAD + rows.tobytes() + _COPY_END


def copy_numbers(cursor: Cursor, statement: str, values: Any, **columns: str) -> npt.NDArray[Any]:
    """The rows of a statement that gives whole numbers and nothing else, as one array: no object for each value.

    `columns` are names and types in the statement's order, as in `BinaryRow`; there is no null among them. The server
    sends each column as one value: a message for each row costs more than all else.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    arrays = ", ".join(f'array_agg("{name}"::int{kind[1:]})' for name, kind in columns.items())
    cursor.execute(f"SELECT {arrays} FROM ({statement}) AS numbers({names})", values, binary=True)  # noqa: S608
    result = cursor.pgresult
    assert result is not None
    found = [result.get_value(0, at) for at in range(len(columns))]
    n_rows = 0 if found[0] is None else int.from_bytes(found[0][12:16], "big")
    rows = np.empty(n_rows, list(columns.items()))
    for (name, kind), data in zip(columns.items(), found, strict=True):
        if data is not None:
            rows[name] = np.frombuffer(data, [("length", ">i4"), ("value", f">{kind}")], offset=_ARRAY_HEAD)["value"]
    return rows


def pack_large_row(*numbers: int, value: bytes) -> Iterator[bytes | memoryview]:
    """A COPY stream of one row, its 64-bit numbers and a large value behind them, in pieces.

    As a parameter of a statement the value stands in memory twice more: 25 MB of texts cost 40.
    """
    head = b"".join(struct.pack(">iq", 8, number) for number in numbers)
    yield _COPY_HEAD + struct.pack(">h", len(numbers) + 1) + head + struct.pack(">i", len(value))
    view = memoryview(value)
    for start in range(0, len(value), _PIECE):
        yield view[start : start + _PIECE]
    yield _COPY_END


def replace_rows(
    cursor: Cursor, table: str, project_id: int, *, series: int, columns: Mapping[str, str], values: Sequence[object]
) -> int:
    """Make these the only rows a series has in a table; returns how many that changed.

    `columns` are names and types, the first is the key; `values` are their arrays. Rows that stay as they are are not
    written: a series in which nothing happens costs no more than reading them.
    """
    names = ", ".join(columns)
    key = next(iter(columns))
    others = ", ".join(f"{name} = excluded.{name}" for name in columns if name != key)
    fresh = ", ".join(f"%s::{kind}[]" for kind in columns.values())
    row = cursor.execute(
        f"""
        WITH fresh AS MATERIALIZED (SELECT * FROM unnest({fresh}) AS fresh({names})),
        gone AS (
            DELETE FROM {table} WHERE project_id = %s AND series = %s AND {key} NOT IN (SELECT {key} FROM fresh)
            RETURNING 1),
        written AS (
            INSERT INTO {table} (project_id, series, {names})
            SELECT %s, %s, {names} FROM (
                SELECT {names} FROM fresh EXCEPT SELECT {names} FROM {table} WHERE project_id = %s AND series = %s) new
            ON CONFLICT (project_id, series, {key}) DO UPDATE SET {others} RETURNING 1)
        SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written)
        """,  # noqa: S608 - tables and columns are constants
        (*values, *[project_id, series] * 3),
    ).fetchone()
    return int(row[0]) if row else 0


def format_array(numbers: Iterable[int]) -> str:
    """Whole numbers as an array literal: psycopg's own way for lists costs several times as much."""
    return f"{{{','.join(map(str, numbers))}}}"


def open_cursor() -> Cursor:
    """A psycopg cursor on Django's connection: binary COPY, pipelines, prepared statements.

    It shares Django's transaction, so it belongs inside `transaction.atomic()`.
    """
    connection.ensure_connection()
    raw: psycopg.Connection[tuple[Any, ...]] = connection.connection
    raw.prepare_threshold = 2
    return psycopg.Cursor(raw)

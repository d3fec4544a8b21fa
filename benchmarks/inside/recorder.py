"""What a page asks the database: each statement with its values and how long its answer took, to be asked again.

Called by `benchmarks.inside.pages`. Everything goes through `psycopg.Cursor.execute`, Django's own cursor too.
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from django.conf import settings


class Statement(NamedTuple):
    """One question; `is_binary` as it was asked."""

    query: Any
    values: Any
    is_binary: bool | None


class Recorder:
    """Listens while a page is made."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self.statements: list[Statement] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Start anew, and note every statement until the block ends."""
        self.milliseconds, self.statements = [], []
        original = psycopg.Cursor.execute

        def execute(cursor: Any, query: Any, params: Any = None, **more: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(cursor, query, params, **more)
            finally:
                self.milliseconds.append((time.perf_counter() - began) * 1e3)
                self.statements.append(Statement(query, params, more.get("binary")))

        psycopg.Cursor.execute = execute  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            psycopg.Cursor.execute = original  # type: ignore[method-assign]


def replay_in_crowd(
    pages: Mapping[str, Sequence[Statement]], *, clients: int, seconds: float
) -> dict[str, list[float]]:
    """Ask what the pages asked, from so many clients at once; milliseconds of each statement, by page."""
    readings: dict[str, list[float]] = {name: [] for name in pages}
    threads = [
        threading.Thread(target=_replay, args=(pages, number, time.monotonic() + seconds, readings))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return readings


def _replay(
    pages: Mapping[str, Sequence[Statement]], offset: int, deadline: float, readings: dict[str, list[float]]
) -> None:
    names = sorted(pages)
    with psycopg.connect(str(settings.DATABASE_URL), autocommit=True) as own:
        own.prepare_threshold = 2
        while time.monotonic() < deadline:
            for name in names[offset:] + names[:offset]:
                asked = [statement for statement in pages[name] if _is_question(statement.query)]
                for statement in asked:
                    began = time.perf_counter()
                    own.execute(statement.query, statement.values, binary=bool(statement.is_binary))
                    readings[name].append((time.perf_counter() - began) * 1e3)


def _is_question(query: Any) -> bool:
    return str(query).lstrip().upper().startswith(("SELECT", "WITH", "("))

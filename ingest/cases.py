"""Names become numbers: each case's `ord`, looked up in a worker's cache first, in the table next, made if new.

Called by `ingest.store`. New numbers are given in a small committed transaction of their own under an advisory
lock, and the cache learns them only after that commit; it belongs to one identity epoch of the project, so that a
merge or an undo elsewhere can never write one case's history onto another.
Promise: two workers never give one name two numbers, numbers stay dense (`tests/ingest/test_cases.py`).
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import repeat
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from django.db import transaction

from health.rollups import Cases, fetch_cases
from health.rules.identity import Identity, digest_key, split_key, steady_keys
from health.rules.selectors import SuiteName, SuiteRules, take_parts
from health.rules.suites import choose_suite, guess_level
from health.sql import Cursor, open_cursor
from health.suites import fetch_rules, find_suite, lock_names

# Names a worker keeps over all projects; at about 250 bytes each this stays below 130 MB.
_MOST_CACHED_NAMES: Final = 400_000
_MOST_CACHED_PROJECTS: Final = 200
_BATCH: Final = 20_000


@dataclass(slots=True)
class NameCache:
    """What one worker knows of one project and namespace at one identity epoch."""

    epoch: int
    ords: dict[str, int] = field(default_factory=dict)


_caches: OrderedDict[tuple[int, str], NameCache] = OrderedDict()
_suites: dict[int, tuple[int, Cases]] = {}
_server_started: datetime | None = None


@dataclass(frozen=True, slots=True)
class Naming:
    """How new cases of a delivery are named and grouped."""

    project_id: int
    namespace: str
    job: str
    level: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The case number of each key of a report, and the identity epoch they are valid in."""

    ords: npt.NDArray[np.int32]
    epoch: int
    n_volatile: int  # keys that were known by a masked name


def resolve_ords(keys: list[str], *, naming: Naming) -> Resolved:
    """Look every key of a report up, giving unknown names new numbers."""
    cache = _open_cache(naming)
    # A loop that never leaves C.
    ords = np.fromiter(map(cache.ords.get, keys, repeat(-1)), np.int32, len(keys))
    unknown = np.flatnonzero(ords < 0).tolist()
    if not unknown:
        return Resolved(ords, cache.epoch, 0)
    missing = [keys[index] for index in unknown]
    steady = steady_keys(missing, report=keys)
    found = _resolve_missing([steady.get(key, key) for key in missing], naming)
    # Only names that can come again are worth remembering.
    cache.ords.update((key, found[key]) for key in missing if key not in steady)
    ords[unknown] = [found[steady.get(key, key)] for key in missing]
    _trim_caches()
    return Resolved(ords, cache.epoch, len(steady))


def forget_names() -> None:
    """Empty the cache: after a stale epoch, and between tests."""
    _caches.clear()
    _suites.clear()


def fetch_cached_cases(cursor: Cursor, *, project_id: int, epoch: int) -> Cases:
    """The suites of all cases of a project; only those numbered since the last call are read again."""
    known_epoch, known = _suites.get(project_id, (-1, None))
    cases = fetch_cases(cursor, project_id, known=known if known_epoch == epoch else None)
    if len(_suites) > _MOST_CACHED_PROJECTS:
        _suites.clear()
    _suites[project_id] = (epoch, cases)
    return cases


def resolve_suite(name: str, *, naming: Naming) -> int:
    """The number of the suite a delivery names, made if new, in a committed transaction of its own."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_names(cursor, naming.project_id)
        return find_suite(cursor, naming.project_id, name=name, level=naming.level or guess_level(name, naming.job))


def _open_cache(naming: Naming) -> NameCache:
    epoch = _read_epoch(naming.project_id)
    place = (naming.project_id, naming.namespace)
    cache = _caches.get(place)
    if cache is None or cache.epoch != epoch:
        cache = _caches[place] = NameCache(epoch)
    _caches.move_to_end(place)
    return cache


def _read_epoch(project_id: int) -> int:
    """The project's identity epoch; what was known before the server came back is forgotten on the way.

    A server that took over from another, or was set to commit lazily, may have lost names we were given.
    """
    global _server_started
    row = (
        open_cursor()
        .execute(
            "SELECT pg_postmaster_start_time(), (SELECT identity_epoch FROM health_project WHERE id = %s)",
            (project_id,),
        )
        .fetchone()
    )
    started, epoch = row or (None, None)
    if started != _server_started:
        forget_names()
        _server_started = started
    return epoch or 0


def _trim_caches() -> None:
    while _caches and sum(len(cache.ords) for cache in _caches.values()) > _MOST_CACHED_NAMES:
        _caches.popitem(last=False)


def _resolve_missing(keys: list[str], naming: Naming) -> dict[str, int]:
    """In batches: 200,000 new names at once were measured at 150 MB."""
    found: dict[str, int] = {}
    for start in range(0, len(keys), _BATCH):
        found |= _resolve_batch(keys[start : start + _BATCH], naming)
    return found


def _resolve_batch(keys: list[str], naming: Naming) -> dict[str, int]:
    digests = {key: digest_key(key, namespace=naming.namespace) for key in keys}
    known = _select_ords(open_cursor(), naming.project_id, list(digests.values()))
    new = [key for key, digest in digests.items() if digest not in known]
    if new:
        known |= _create_cases(new, digests, naming)
    return {key: known[digest] for key, digest in digests.items()}


def _select_ords(cursor: Cursor, project_id: int, digests: list[UUID]) -> dict[UUID, int]:
    rows = cursor.execute(
        "SELECT digest, ord FROM health_case WHERE project_id = %s AND digest = ANY(%s)",
        (project_id, digests),
        binary=True,
    ).fetchall()
    return dict(rows)


def _create_cases(keys: list[str], digests: dict[str, UUID], naming: Naming) -> dict[UUID, int]:
    """Number new cases in the order of the report, so that a suite's cases share tiles."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_names(cursor, naming.project_id)
        # Another worker may have been first while we waited for the lock.
        known = _select_ords(cursor, naming.project_id, [digests[key] for key in keys])
        row = cursor.execute(
            "SELECT coalesce(max(ord) + 1, 0) FROM health_case WHERE project_id = %s", (naming.project_id,)
        ).fetchone()
        first = row[0] if row else 0
        new = [key for key in keys if digests[key] not in known]
        identities = [split_key(key, namespace=naming.namespace) for key in new]
        suites = _number_suites(cursor, identities, naming)
        with cursor.copy(
            """
            COPY health_case (project_id, ord, digest, namespace, suite_path, class_name, name, occurrence, suite,
                              default_suite) FROM STDIN (FORMAT binary)
            """
        ) as copy:
            copy.set_types(["int8", "int4", "uuid", "text", "text", "text", "text", "int4", "int4", "int4"])
            for ord_, (key, identity, suite) in enumerate(zip(new, identities, suites, strict=True), first):
                copy.write_row((naming.project_id, ord_, digests[key], *identity, *suite))
                known[digests[key]] = ord_
    return known


def _number_suites(cursor: Cursor, identities: list[Identity], naming: Naming) -> list[tuple[int, int | None]]:
    """The suite of each identity by the rules in force, made if new; and its default where a rule says another."""
    rules = fetch_rules(cursor, naming.project_id)
    pairs = [_name_suite(identity, rules, naming) for identity in identities]
    numbers = {
        name: find_suite(cursor, naming.project_id, name=name.name, level=name.level)
        for name in dict.fromkeys(name for pair in pairs for name in pair)
    }
    return [(numbers[name], None if name == default else numbers[default]) for name, default in pairs]


def _name_suite(identity: Identity, rules: SuiteRules, naming: Naming) -> tuple[SuiteName, SuiteName]:
    """What a case's suite is called, and what it would be without rules."""
    name = choose_suite(identity.suite_path, identity.class_name, job=naming.job)
    default = SuiteName(name, naming.level or guess_level(name, naming.job))
    if not rules.rules:
        return default, default
    case = take_parts(
        identity.namespace, suite_path=identity.suite_path, class_name=identity.class_name, name=identity.name
    )
    return rules.choose(case, default=default), default

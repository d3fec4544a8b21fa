"""Claims that a commit fixed a case, or a cause: made and withdrawn by a person, placed among the runs, never guessed.

`claim_fix` and `withdraw_fix` are called by the pages, the others by `health.judging`.
A claim stands where the first run of its commit does; until one is known, what ran after the claim was made counts.
Promise: what ran before a claimed fix says nothing of the case any more, whenever the commit's run arrives
(`tests/health/test_fixes.py`).
"""

import re
from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from django.contrib.auth.models import User
from django.db import transaction

from health.aliases import Aliases, fetch_aliases
from health.audit import record
from health.causes import name_cause
from health.locks import lock_project
from health.models import FixClaim
from health.revisions import bump_revision
from health.rules.fingerprints import write_fingerprint
from health.sql import Cursor, open_cursor
from health.tiles import BLOCK_SIZE
from health.unjudged import doubt_series
from health.windows import WindowJob

LONGEST_COMMIT: Final = 200
LONGEST_NOTE: Final = 1_000
_LONGEST_NAME: Final = 200
# Of fewer digits too many commits begin alike.
_MIN_DIGITS: Final = 7
_HEX: Final = re.compile(rf"[0-9a-f]{{{_MIN_DIGITS},64}}")

Mask = npt.NDArray[np.bool_]


class UnknownCommitError(ValueError):
    """What was given for a commit is neither seven hexadecimal digits or more, nor the beginning of one that ran."""


def claim_fix(
    project_id: int,
    *,
    ord: int | None = None,  # noqa: A002 - what cases are numbered by everywhere
    fingerprint: int | None = None,
    commit: str,
    note: str = "",
    user: User,
) -> FixClaim:
    """Note that somebody says a commit fixed a case, or else a cause. Raises UnknownCommitError.

    The verdicts of the case are drawn anew by `health.judging`, which the caller may ask for at once.
    """
    commit = commit.strip()[:LONGEST_COMMIT]
    if _HEX.fullmatch(commit.lower()):
        commit = commit.lower()
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        if not commit or not (_HEX.fullmatch(commit) or _is_known(cursor, project_id, commit)):
            raise UnknownCommitError(commit)
        claim = FixClaim.objects.create(
            project_id=project_id,
            ord=ord,
            fingerprint=fingerprint,
            commit=commit,
            note=note.strip()[:LONGEST_NOTE],
            claimed_by=user.get_username(),
        )
        _note(cursor, claim, action="fix.claimed", user=user)
        doubted = settle_claims(cursor, project_id, claims=[claim.pk])
        doubted |= _find_series(cursor, project_id, [] if ord is None else [ord])
        doubt_series(cursor, project_id, series=doubted)
        bump_revision(cursor, project_id)
    claim.refresh_from_db()
    return claim


def withdraw_fix(project_id: int, *, claim_id: int, user: User) -> bool:
    """Take a claim back, as if it had never been made; False when it is not there, or withdrawn already."""
    with transaction.atomic():
        cursor = open_cursor()
        lock_project(cursor, project_id)
        claim = FixClaim.objects.filter(project_id=project_id, pk=claim_id, withdrawn_at=None).first()
        if claim is None:
            return False
        cursor.execute("UPDATE health_fixclaim SET withdrawn_at = clock_timestamp() WHERE id = %s", (claim_id,))
        _note(cursor, claim, action="fix.withdrawn", user=user)
        if claim.ord is not None:
            doubt_series(cursor, project_id, series=_find_series(cursor, project_id, [claim.ord]))
        bump_revision(cursor, project_id)
    return True


def settle_claims(
    cursor: Cursor, project_id: int, *, runs: Collection[int] = (), claims: Collection[int] = ()
) -> set[int]:
    """Place the claims where the first run of their commit is now; the series with verdicts that stood elsewhere.

    `runs` are those that may have got another place, `claims` new ones. The caller holds the project's lock.
    """
    rows = cursor.execute(_SETTLE_SQL, {"project": project_id, "runs": list(runs), "claims": list(claims)}).fetchall()
    return _find_series(cursor, project_id, [ord_ for (ord_,) in rows])


def fetch_epochs(cursor: Cursor, project_id: int, *, jobs: Sequence[WindowJob], aliases: Aliases) -> dict[int, Mask]:
    """For each case with a claimed fix, by its newest name: which of the jobs came after the last one."""
    rows = cursor.execute(_EPOCHS_SQL, (project_id,)).fetchall()
    epochs = {}
    for ord_, claimed_at, run, ordered_at, ran_at in rows:  # the last claim of a case comes last
        counts = [
            job.ran_at > claimed_at
            if run is None
            else (job.ordered_at, job.ran_at, job.run) >= (ordered_at, ran_at, run)
            for job in jobs
        ]
        epochs[aliases.canonical(ord_)] = np.array(counts, np.bool_)
    return epochs


def _find_series(cursor: Cursor, project_id: int, ords: Collection[int]) -> set[int]:
    """The series that hold results of cases like these, under any of their names."""
    if not ords:
        return set()
    aliases = fetch_aliases(cursor, project_id)
    names = [name for ord_ in ords for name in aliases.list_members(aliases.canonical(ord_))]
    rows = cursor.execute(
        """
        SELECT number FROM health_series s WHERE project_id = %s AND EXISTS (
            SELECT 1 FROM health_tile t
            WHERE t.project_id = s.project_id AND t.series = s.number AND t.block = ANY(%s))
        """,
        (project_id, sorted({name // BLOCK_SIZE for name in names})),
    ).fetchall()
    return {number for (number,) in rows}


def _is_known(cursor: Cursor, project_id: int, commit: str) -> bool:
    row = cursor.execute(
        "SELECT 1 FROM health_run WHERE project_id = %s AND starts_with(commit, %s) LIMIT 1", (project_id, commit)
    ).fetchone()
    return row is not None


def _note(cursor: Cursor, claim: FixClaim, *, action: str, user: User) -> None:
    """One row of the history, by the name of the case or of the cause."""
    detail: dict[str, Any] = {"commit": claim.commit, "note": claim.note}
    if claim.fingerprint is not None:
        subject = name_cause(cursor, claim.project_id, claim.fingerprint)
        detail["cause"] = write_fingerprint(claim.fingerprint)
    else:
        subject, detail["case"] = _name_case(cursor, claim), claim.ord
    record(claim.project_id, user=user, action=action, subject=subject, detail=detail)


def _name_case(cursor: Cursor, claim: FixClaim) -> str:
    statement = "SELECT name FROM health_case WHERE project_id = %s AND ord = %s"
    row = cursor.execute(statement, (claim.project_id, claim.ord)).fetchone()
    return str(row[0] if row else claim.ord)[:_LONGEST_NAME]


# CI may have sent a commit in short, and so may the person.
_IS_OF_CLAIM: Final = f"""
    r.commit <> '' AND (starts_with(lower(r.commit), lower(c.commit))
        OR (length(r.commit) >= {_MIN_DIGITS} AND starts_with(lower(c.commit), lower(r.commit))))
"""
# A run of coverage alone has no results, so none of them can stand before or after it. Claims that none of the runs
# concerns stay where they are: no index leads from a commit to its runs.
_SETTLE_SQL: Final = f"""
    WITH concerned AS MATERIALIZED (
        SELECT c.id, c.project_id, c.commit FROM health_fixclaim c
        WHERE c.project_id = %(project)s AND c.withdrawn_at IS NULL AND (
            c.id = ANY(%(claims)s) OR c.run = ANY(%(runs)s)
            OR (c.run IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM health_job j WHERE j.project_id = c.project_id AND j.run = c.run))
            OR EXISTS (
                SELECT 1 FROM health_run r
                WHERE r.project_id = c.project_id AND r.number = ANY(%(runs)s) AND {_IS_OF_CLAIM}))),
    found AS MATERIALIZED (
        SELECT c.id, (
            SELECT r.number FROM health_run r
            WHERE r.project_id = c.project_id AND {_IS_OF_CLAIM}
              AND EXISTS (SELECT 1 FROM health_job j WHERE j.project_id = r.project_id AND j.run = r.number)
            ORDER BY r.ordered_at, r.ran_at, r.number LIMIT 1) AS run
        FROM concerned c),
    moved AS (
        UPDATE health_fixclaim c SET run = found.run FROM found
        WHERE c.id = found.id AND c.run IS DISTINCT FROM found.run RETURNING c.id)
    SELECT DISTINCT c.ord FROM health_fixclaim c JOIN found USING (id)
    WHERE c.ord IS NOT NULL AND (c.id IN (SELECT id FROM moved) OR found.run = ANY(%(runs)s))
"""  # noqa: S608 - a constant
_EPOCHS_SQL: Final = """
    SELECT c.ord, c.claimed_at, r.number, r.ordered_at, r.ran_at FROM health_fixclaim c
    LEFT JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
    WHERE c.project_id = %s AND c.ord IS NOT NULL AND c.withdrawn_at IS NULL
    ORDER BY c.claimed_at, c.id
"""

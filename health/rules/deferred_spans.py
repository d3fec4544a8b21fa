"""Stretches of a history in which a case was put off wherever it was there: read from jobs in their order.

Used by `health.deferred_spans` for many cases at once; pure. What older jobs said comes in as rows, so that a long
history is read in pieces. Promise: it does not matter where it is cut (`tests/health/test_deferred_spans.py`).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from health.rules.outcomes import SKIP, XFAIL

# A row per span, in the order of its case's number and then of time: the columns of a table. NOBODY is no run.
ORD, FIRST, OUTCOME, ENDED = range(4)
N_COLUMNS: Final = 4
NOBODY: Final = -1
# A case that comes and goes says no more with its oldest spans than with these.
MOST_SPANS: Final = 20

Table = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Outcomes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

NO_SPANS: Final[Table] = np.zeros((0, N_COLUMNS), np.int64)


def extend_spans(before: Table, outcomes: Outcomes, *, ords: Numbers, runs: Numbers) -> Table:
    """The spans after these jobs too: `outcomes` are jobs (`runs`, oldest first) × cases (`ords`, ascending).

    `before` is what older jobs said: one that nobody ended yet goes on, or ends here.
    """
    is_open = before[:, ENDED] == NOBODY
    carried = before[is_open]
    places = np.minimum(np.searchsorted(ords, carried[:, ORD]), len(ords) - 1)
    is_here = ords[places] == carried[:, ORD]
    is_chosen = find_put_off(outcomes)
    is_chosen[places[is_here]] = True
    chosen = np.flatnonzero(is_chosen)
    if not len(chosen):
        return before
    carried, places = carried[is_here], np.searchsorted(chosen, places[is_here])
    held = np.ascontiguousarray(outcomes[:, chosen].T)
    fresh = _read_columns(held, carried, places, ords=ords[chosen], runs=runs)
    done = before[~is_open]
    elsewhere = before[is_open][~is_here]
    return sort_by_case(np.concatenate([done, elsewhere, fresh]))


def find_put_off(outcomes: Outcomes) -> Mask:
    """Which cases any of these jobs put off."""
    mask: Mask = ((outcomes == SKIP) | (outcomes == XFAIL)).any(axis=0)
    return mask


def _read_columns(
    held: Outcomes, carried: Table, places: npt.NDArray[np.intp], *, ords: Numbers, runs: Numbers
) -> Table:
    """The spans in a grid of cases × jobs, and what became of those that came in: of the cases at these places."""
    n_cases, n_jobs = held.shape
    is_off = (held == SKIP) | (held == XFAIL)
    # What the newest job that holds a case says, as a number that grows with time: twice its place, odd if put off.
    says = np.zeros((n_cases, n_jobs + 1), np.min_scalar_type(2 * n_jobs + 1))
    says[places, 0] = 1
    says[:, 1:] = (np.arange(2, 2 * n_jobs + 2, 2, dtype=says.dtype) + is_off) * (held != 0)
    np.maximum.accumulate(says, axis=1, out=says)
    was_off = (says[:, :-1] & 1).astype(np.bool_)
    end_cases, end_jobs = np.nonzero(was_off & (held != 0) & ~is_off)
    cases, jobs = np.nonzero(is_off & ~was_off)
    cases, jobs = np.concatenate([places, cases]), np.concatenate([np.full(len(places), -1), jobs])
    order = np.lexsort((jobs, cases))
    cases, jobs = cases[order], jobs[order]
    # Begins and ends of a case take turns: the next end is this one's.
    ends = np.searchsorted(end_cases * (n_jobs + 1) + end_jobs + 1, cases * (n_jobs + 1) + jobs + 1, side="right")
    is_ended = np.append(end_cases, -1)[ends] == cases
    end_jobs = np.append(end_jobs, n_jobs)[ends]
    newest = says[cases, np.where(is_ended, end_jobs, n_jobs)].astype(np.int32)
    last_jobs = newest // 2 - 1  # -1: none of these jobs
    table = np.column_stack(
        [ords[cases], runs[jobs], held[cases, last_jobs], np.append(runs, NOBODY)[end_jobs]]
    ).astype(np.int64)
    table[~is_ended, ENDED] = NOBODY
    return _keep_beginnings(table, carried, places, jobs=jobs, last_jobs=last_jobs)


def _keep_beginnings(
    table: Table,
    carried: Table,
    places: npt.NDArray[np.intp],
    *,
    jobs: npt.NDArray[np.intp],
    last_jobs: npt.NDArray[np.int32],
) -> Table:
    """With what older jobs said of the spans that came in."""
    came_in = np.flatnonzero(jobs < 0)
    by_place = carried[np.argsort(places, kind="stable")]
    table[came_in, FIRST] = by_place[:, FIRST]
    went_unseen = last_jobs[came_in] < 0
    table[came_in[went_unseen], OUTCOME] = by_place[went_unseen, OUTCOME]
    return table


def sort_by_case(table: Table) -> Table:
    """The same rows by their case; those of one case stay in their order."""
    return table[np.argsort(table[:, ORD], kind="stable")]


def keep_newest(table: Table) -> Table:
    """Without the oldest spans of cases that have more than are kept."""
    if len(table) <= MOST_SPANS:
        return table
    behind = np.searchsorted(table[:, ORD], table[:, ORD], side="right")
    return table[behind - np.arange(len(table)) <= MOST_SPANS]


def count_spans(table: Table, ords: Table) -> npt.NDArray[np.intp]:
    """How many spans each of these cases has."""
    column = table[:, ORD]
    return np.searchsorted(column, ords, side="right") - np.searchsorted(column, ords)


def list_keys(table: Table) -> Table:
    """A number for each span that names it: its case and its first run."""
    keys: Table = (table[:, ORD] << 32) | table[:, FIRST]
    return keys


def restore_spans(kept: Table, places: dict[int, int], *, until: int) -> Table:
    """What earlier conclusions say of jobs up to the place `until`, which nobody can read any more.

    `kept` may have been concluded of jobs that are gone or stand elsewhere now; `places` are those that are there.
    What does not fit is left out.
    """
    never = max(places.values(), default=0) + 1
    when = np.array([[places.get(run, never) for run in row] for row in kept[:, [FIRST, ENDED]].tolist()])
    when = when.reshape(-1, 2)
    order = np.lexsort((when[:, 0], kept[:, ORD]))
    order = order[when[order, 0] <= until]
    if not len(order):
        return NO_SPANS
    table, (first, ended) = kept[order], when[order].T
    is_open = (ended > until) | (ended <= first)
    table[is_open, ENDED] = NOBODY
    is_newest = np.append(table[1:, ORD] != table[:-1, ORD], True)
    is_over = ~is_open & (ended < np.append(first[1:], never))
    restored: Table = table[is_newest | is_over]
    return restored

"""What people do with entries of the register: correct, add, release and accept them.

Called by the page of an entry. A person's word stands in `Deferral.written` before the file's and before what was read
from CI; each act is one transaction that also says at once what follows from it for the entry and its backing.
Promise: who writes on an older version changes nothing and is told both (`Conflict`), and the same act sent twice is
done once (`tests/health/test_deferral_acts.py`). Every act is on record.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from health.aliases import fetch_aliases
from health.audit import record
from health.backings import check_backings, forget_gone
from health.in_force import fetch_deferral_items
from health.locks import lock_project
from health.models import BackingCase, Case, Deferral, DeferralChange
from health.register import apply_layers, settle_register
from health.revisions import bump_revision
from health.rules.backings import ABSENT
from health.sql import Cursor, open_cursor
from health.standing import fetch_standing

FIELDS: Final = (*("kind", "reason", "owner", "review", "issue", "precedent", "phase", "count", "backing", "code"),)
MOST_ALSO: Final = 2_000  # entries changed with one: somebody waits for it, and so do uploads
_LONGEST_SUBJECT: Final = 200
_FOR_RELEASE: Final = (Deferral.Kind.XFAIL, Deferral.Kind.QUARANTINE)

Values = dict[str, Any]  # by field; `backing` and `code` are lists, `count` a number or None, all else text
Changes = Mapping[str, Any]  # the same; None gives a field back to what CI or the file says


@dataclass(frozen=True, slots=True)
class Changed:
    """So many entries were changed; 0 where all was as it should be. `version` is the entry's own now."""

    n: int
    version: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing was changed: somebody did something else to the entry first. `current` is what holds now."""

    version: int
    current: Values
    mine: Changes
    by: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Added:
    """The entry; it was there before where `is_new` is false, and nothing was changed."""

    pk: int
    is_new: bool


class NamedInFileError(Exception):
    """A file in force names the same pattern, so that it is said there what holds; str() tells where."""


def change_entry(
    project_id: int, pk: int, *, version: int, changes: Changes, also: Collection[int] = (), user: User
) -> Changed | Conflict | None:
    """Write these fields, of others too where `also` names them; None when there is no such entry."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        entry = _find(project_id, pk)
        if entry is None or not may_change(entry):
            return None
        entries = [entry, *_list_others(entry, also)]
        changed = [one for one in entries if _write(one.written, changes) != one.written]
        if entry.version != version and entry in changed:
            return _tell_conflict(entry, changes)
        if not changed:
            return Changed(0, entry.version)
        before = {one.pk: read_values(one) for one in changed}
        for one in changed:
            one.written, one.version = _write(one.written, changes), one.version + 1
        Deferral.objects.bulk_update(changed, ["written", "version"], batch_size=500)
        _settle(cursor, project_id, [one.pk for one in changed], is_pattern=entry.ord is None)
        _keep_changes(project_id, before, fields=sorted(changes), user=user)
        detail: Values = {"fields": sorted(changes)}
        if len(changed) > 1:
            detail["entries"] = len(changed)
        _note(cursor, entry, action="deferral.changed", user=user, detail=detail)
    return Changed(len(changed), entry.version)


def add_entry(
    project_id: int, *, ord_: int | None = None, pattern: str = "", fields: Changes, user: User
) -> Added | None:
    """Put a case off, or all that a pattern names, because a person says so; None when there is no such case.

    An entry that was closed is opened again. One that is open already is left as it is. Raises NamedInFileError.
    """
    with transaction.atomic():
        cursor = _open_locked(project_id)
        if ord_ is not None:
            ord_ = fetch_aliases(cursor, project_id).canonical(ord_)
            if not Case.objects.filter(project_id=project_id, ord=ord_).exists():
                return None
        entry = _find_named(project_id, ord_=ord_, pattern=pattern)
        if entry is not None and entry.closed_at is None:
            return Added(entry.pk, is_new=False)
        if ord_ is None:
            _refuse_what_a_file_names(cursor, project_id, pattern)
        run = fetch_standing(cursor, project_id).run
        action = "opened" if entry is None else "reopened"
        if entry is None:
            entry = _make_entry(project_id, ord_=ord_, pattern=pattern, fields=fields)
        else:
            _reopen(entry, fields=fields)
        _settle(cursor, project_id, [entry.pk], is_pattern=entry.ord is None)
        _keep_act(entry, action=action, user=user, run=run)
        _note(cursor, entry, action="deferral.added", user=user)
    return Added(entry.pk, is_new=True)


def release_entry(project_id: int, pk: int, *, version: int, user: User) -> Changed | Conflict | None:
    """Close an entry: its tests count like all others from now on. None when it is not there, or not to be released.

    What a person put off may be released, and what was expected to fail and runs; CI closes the rest.
    """
    with transaction.atomic():
        cursor = _open_locked(project_id)
        entry = _find(project_id, pk)
        if entry is None:
            return None
        if entry.closed_at is not None:
            return Changed(0, entry.version)
        if entry.version != version:
            return _tell_conflict(entry, {})
        if not may_release(entry):
            return None
        run = fetch_standing(cursor, project_id).run
        is_pattern = entry.ord is None
        entry.ending = Deferral.Ending.UNNAMED if is_pattern else Deferral.Ending.RELEASED
        entry.closed_at, entry.closed_run, entry.version = timezone.now(), run, entry.version + 1
        if not is_pattern:  # if CI puts it off again, that is no quarantine
            entry.written.pop("kind", None)
        entry.save(update_fields=["ending", "closed_at", "closed_run", "version", "written"])
        if is_pattern:
            settle_register(cursor, project_id)  # its cases stand for themselves again
        _keep_act(entry, action="released", user=user, run=run)
        _note(cursor, entry, action="deferral.released", user=user)
    return Changed(1, entry.version)


def may_change(entry: Deferral) -> bool:
    """Whether it can be written here: what a file says of a pattern is changed in the file."""
    return entry.ord is not None or entry.origin != Deferral.Origin.FILE


def may_release(entry: Deferral) -> bool:
    """Whether it is a person's to close: not while CI puts the test off, the next upload would open it again."""
    if entry.ord is None:
        return entry.origin == Deferral.Origin.PERSON
    return not entry.is_put_off and (entry.origin == Deferral.Origin.PERSON or entry.kind in _FOR_RELEASE)


def accept_opening(project_id: int, pk: int, *, version: int, user: User) -> Changed | Conflict | None:
    """Say that it may be put off once more: nobody is asked for it again until the next time."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        entry = _find(project_id, pk)
        if entry is None or entry.closed_at is not None:
            return None
        if entry.n_accepted >= entry.n_openings:
            return Changed(0, entry.version)
        if entry.version != version:
            return _tell_conflict(entry, {})
        entry.n_accepted, entry.version = entry.n_openings, entry.version + 1
        entry.save(update_fields=["n_accepted", "version"])
        _keep_act(entry, action="accepted", user=user, run=entry.opened_run)
        _note(cursor, entry, action="deferral.accepted", user=user)
    return Changed(1, entry.version)


def accept_backing(project_id: int, pk: int, *, version: int, user: User) -> Changed | Conflict | None:
    """Do without the backing cases that are gone; for all entries that name the same backing."""
    with transaction.atomic():
        cursor = _open_locked(project_id)
        entry = _find(project_id, pk)
        if entry is None or entry.closed_at is not None or entry.backing_id is None:
            return None
        gone = BackingCase.objects.filter(project_id=project_id, backing_id=entry.backing_id, status=ABSENT)
        n = gone.count()
        if not n:
            return Changed(0, entry.version)
        if entry.version != version:
            return _tell_conflict(entry, {})
        forget_gone(cursor, project_id, entry.backing_id)
        _check(cursor, project_id, [entry.backing_id])
        entry.version += 1
        entry.save(update_fields=["version"])
        _keep_act(entry, action="accepted", user=user, fields=["backing"], after={"n": n})
        _note(cursor, entry, action="deferral.backing_accepted", user=user, detail={"cases": n})
    return Changed(1, entry.version)


def read_values(entry: Deferral) -> Values:
    """What holds of an entry now, field by field, as a person would write it."""
    return {
        "kind": entry.kind,
        "reason": entry.reason,
        "owner": entry.owner,
        "review": entry.review_on.isoformat() if entry.review_on else "",
        "issue": entry.issue,
        "precedent": entry.precedent,
        "phase": entry.phase,
        "count": entry.n_promised,
        "backing": list(entry.backing.named) if entry.backing else [],
        "code": list(entry.backing.code) if entry.backing else [],
    }


def _open_locked(project_id: int) -> Cursor:
    cursor = open_cursor()
    lock_project(cursor, project_id)
    return cursor


def _find(project_id: int, pk: int) -> Deferral | None:
    return Deferral.objects.filter(project_id=project_id, pk=pk).select_related("backing").first()


def _find_named(project_id: int, *, ord_: int | None, pattern: str) -> Deferral | None:
    entries = Deferral.objects.filter(project_id=project_id)
    if ord_ is not None:
        return entries.filter(ord=ord_).first()
    return entries.filter(ord=None, pattern=pattern, origin=Deferral.Origin.PERSON).first()


def _refuse_what_a_file_names(cursor: Cursor, project_id: int, pattern: str) -> None:
    for item in fetch_deferral_items(cursor, project_id):
        if item["cases"] == pattern:
            raise NamedInFileError(f"{item['file']} line {item['line']} names it already: change it there.")


def _list_others(entry: Deferral, also: Collection[int]) -> list[Deferral]:
    """The open ones of those that were named, in their order."""
    if not also:
        return []
    others = Deferral.objects.filter(project_id=entry.project_id, pk__in=also, closed_at=None, ord__isnull=False)
    return list(others.exclude(pk=entry.pk).select_related("backing").order_by("pk")[:MOST_ALSO])


def _write(written: Values, changes: Changes) -> Values:
    kept = {field: value for field, value in written.items() if field not in changes}
    return kept | {field: value for field, value in changes.items() if value is not None}


def _write_anew(fields: Changes) -> Values:
    """The kind is always said: CI does not know of it."""
    return _write({}, {**fields, "kind": fields.get("kind") or Deferral.Kind.QUARANTINE.value})


def _tell_conflict(entry: Deferral, mine: Changes) -> Conflict:
    last = DeferralChange.objects.filter(deferral=entry).exclude(actor="").order_by("-pk").first()
    by, at = (last.actor, last.at) if last else ("", None)
    return Conflict(entry.version, read_values(entry), mine, by, at)


def _make_entry(project_id: int, *, ord_: int | None, pattern: str, fields: Changes) -> Deferral:
    return Deferral.objects.create(
        project_id=project_id,
        origin=Deferral.Origin.PERSON,
        ord=ord_,
        pattern="" if ord_ is not None else pattern,
        written=_write_anew(fields),
        kind=_write_anew(fields)["kind"],
        opened_at=timezone.now(),
    )


def _reopen(entry: Deferral, *, fields: Changes) -> None:
    """A person puts it off again, so nobody else has to accept that."""
    entry.origin, entry.written = Deferral.Origin.PERSON, _write_anew(fields)
    entry.opened_at, entry.opened_run = timezone.now(), None
    entry.closed_at, entry.closed_run, entry.ending, entry.n_passes = None, None, "", 0
    if entry.ord is None:  # how often a case was put off is counted in its runs
        entry.n_openings += 1
    entry.n_accepted, entry.version = entry.n_openings, entry.version + 1
    entry.save()


def _settle(cursor: Cursor, project_id: int, entries: Sequence[int], *, is_pattern: bool = False) -> None:
    """What follows from what was written: what holds of the entries, and how their backing stands."""
    apply_layers(cursor, project_id, entries)
    if is_pattern:  # which cases it names, what that says of them, and how all backings stand
        settle_register(cursor, project_id)
        return
    backings = Deferral.objects.filter(pk__in=entries, backing__isnull=False).values_list("backing", flat=True)
    _check(cursor, project_id, sorted(set(backings)))


def _check(cursor: Cursor, project_id: int, backings: Sequence[int]) -> None:
    if backings:
        check_backings(cursor, project_id, standing=fetch_standing(cursor, project_id), backings=backings)


def _keep_changes(project_id: int, before: Mapping[int, Values], *, fields: Sequence[str], user: User) -> None:
    """A row for each entry: what held before and after, of the fields that were written."""
    rows = []
    for entry in Deferral.objects.filter(project_id=project_id, pk__in=before).select_related("backing"):
        was, now = before[entry.pk], read_values(entry)
        rows.append(
            DeferralChange(
                project_id=project_id,
                deferral=entry,
                actor=user.get_username(),
                action="edited",
                fields=list(fields),
                before={field: was[field] for field in fields},
                after={field: now[field] for field in fields},
            )
        )
    DeferralChange.objects.bulk_create(rows, batch_size=500)


def _keep_act(
    entry: Deferral,
    *,
    action: str,
    user: User,
    run: int | None = None,
    fields: Sequence[str] = (),
    after: Values | None = None,
) -> None:
    DeferralChange.objects.create(
        project_id=entry.project_id,
        deferral=entry,
        run=run,
        actor=user.get_username(),
        action=action,
        fields=list(fields),
        after=after or {},
    )


def _note(cursor: Cursor, entry: Deferral, *, action: str, user: User, detail: Values | None = None) -> None:
    """Put an act on record; what is shown of the project is stale after it."""
    bump_revision(cursor, entry.project_id)
    subject = entry.pattern or _name_case(entry)
    detail = {"entry": entry.pk, **(detail or {})}
    record(entry.project_id, user=user, action=action, subject=subject[:_LONGEST_SUBJECT], detail=detail)


def _name_case(entry: Deferral) -> str:
    cases = Case.objects.filter(project_id=entry.project_id, ord=entry.ord or 0)
    return str(cases.values_list("name", flat=True).first() or entry.ord)

"""A reason as its reader should see it: what was understood in it, and whose word each field of the entry is.

Used by the page of an entry. Promise: no statement; nothing is understood in what is masked
(`tests/dashboard/test_deferral_queries.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dashboard.queries.deferral_facts import KINDS
from dashboard.queries.deferral_form import SHAPES, plain_lines, write_value
from health.deferral_acts import read_values
from health.models import Deferral
from health.rules.reasons import Mark, read_reason
from health.rules.secrets import mask_reason

# A mark's field, as an entry calls it, and what is said of it.
_FIELDS: Final = {"until": "review"}
_WORDS: Final = {
    "backing": "covered by",
    "issue": "issue",
    "review": "until",
    "owner": "owner",
    "precedent": "precedent",
}
_TOLD: Final = ("kind", "owner", "review", "issue", "precedent", "phase", "count", "backing", "code")
_PERSON: Final = "written by a person"
_FILE: Final = "written in the file"
_CI: Final = "read from CI's reason"
_REPORTED: Final = "as CI reports it"  # the reason itself, and how a test is put off


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the reason; `word` says what was understood in it, empty for the rest."""

    text: str
    word: str = ""

    @property
    def shown(self) -> str:
        """The text with what cannot be seen as its code; its lines stay lines."""
        return plain_lines(self.text)


@dataclass(frozen=True, slots=True)
class Word:
    """One field of the entry: what holds and whose word that is; `instead_of` is what it replaces."""

    name: str
    values: tuple[str, ...]
    source: str
    instead_of: tuple[str, ...] = ()
    is_corrected: bool = False  # a person may take it back here

    @property
    def label(self) -> str:
        """What it is called."""
        return SHAPES[self.name].label


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason in full, masked; and what CI says where a person or a file says something else."""

    pieces: tuple[Piece, ...]
    words: tuple[Word, ...]
    source: str
    from_ci: str
    is_corrected: bool
    is_masked: bool

    @property
    def has_marks(self) -> bool:
        """Whether anything was understood in it."""
        return any(piece.word for piece in self.pieces)


def describe_reason(entry: Deferral) -> Reason:
    """The reason and the fields of an entry that came with `named_by` and `backing`."""
    shown = mask_reason(entry.reason)
    from_ci = mask_reason(str(entry.read.get("reason") or ""))
    said, source = _find_source(entry, "reason")
    return Reason(
        pieces=cut_pieces(shown, read_reason(shown).marks),
        words=_list_words(entry),
        source=source if said else "",
        from_ci=from_ci if from_ci != shown else "",
        is_corrected=_is_corrected(entry, "reason"),
        is_masked=shown != entry.reason,
    )


def cut_pieces(text: str, marks: Sequence[Mark]) -> tuple[Piece, ...]:
    """The text in pieces, those that were understood among them; of marks that overlap the first."""
    pieces, at = [], 0
    for mark in sorted(marks):
        if mark.start < at or mark.end <= mark.start:
            continue
        if mark.start > at:
            pieces.append(Piece(text[at : mark.start]))
        pieces.append(Piece(text[mark.start : mark.end], _WORDS.get(_FIELDS.get(mark.field, mark.field), mark.field)))
        at = mark.end
    return (*pieces, Piece(text[at:])) if text[at:] or not pieces else tuple(pieces)


def write_kind(kind: str) -> str:
    """A kind in words."""
    return KINDS.get(kind, ("", kind))[1]


def _list_words(entry: Deferral) -> tuple[Word, ...]:
    """The fields that anybody speaks of, those that were corrected to nothing among them."""
    holds = read_values(entry)
    words = []
    for name in _TOLD:
        said, source = _find_source(entry, name)
        if not said:
            continue
        below = None if not _is_corrected(entry, name) else _find_below(entry, name)
        values = _list_values(name, holds[name])
        before = _list_values(name, below)
        words.append(Word(name, values, source, before if before != values else (), _is_corrected(entry, name)))
    return tuple(words)


def _is_corrected(entry: Deferral, name: str) -> bool:
    """Whether a person's word stands before another one's; an entry that only a person knows has no other."""
    return name in entry.written and entry.origin == Deferral.Origin.CI


def _find_source(entry: Deferral, name: str) -> tuple[bool, str]:
    """Whether anybody speaks of a field, and who."""
    if name in entry.written:
        return True, _FILE if entry.origin == Deferral.Origin.FILE else _PERSON
    named_by = entry.named_by
    if named_by is not None and name in named_by.written:
        return True, _FILE if named_by.origin == Deferral.Origin.FILE else _PERSON
    return bool(entry.read.get(name)), _REPORTED if name in ("reason", "kind") else _CI


def _find_below(entry: Deferral, name: str) -> Any:
    """What would hold without the person's word."""
    named: Mapping[str, Any] = entry.named_by.written if entry.named_by else {}
    return named[name] if name in named else entry.read.get(name)


def _list_values(name: str, value: Any) -> tuple[str, ...]:
    text = write_value(name, value)
    if name == "kind":
        return (write_kind(text),) if text else ()
    return tuple(text.split("\n")) if text else ()

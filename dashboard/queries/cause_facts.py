"""What is known of causes: which fingerprints are one, what they say with its masked words, and their category.

Used by the queries of run, causes and cause. Promise: three statements for any number of fingerprints; only an owner of
the project is shown what looks like a secret (`tests/dashboard/test_cause_facts.py`).
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from django.urls import reverse

from dashboard.queries.sql import fetch_rows
from health.causes import fetch_splits, find_kept
from health.models import Project
from health.rules.causes import Category, CauseRule, choose_category, compile_causes
from health.rules.fingerprints import Splits, list_masks, mask_message, write_fingerprint
from health.rules.secrets import mask_kind, mask_said
from health.sql import open_cursor

_WORDS: Final = {"<uuid>": "UUID", "<address>": "address", "<time>": "time", "<path>": "path", "<n>": "number"}
_STAND_INS: Final = {word: stand_in for stand_in, word in _WORDS.items()}
_SHORT: Final = 200
_BLANKS: Final = re.compile(r"\s+")
_LINE_END: Final = " \u23ce "
# "AssertionError: " in front of what was said.
_KIND: Final = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Failure|Failed|Warning): +(?=\S)")
_LONGEST_QUOTE: Final = 80


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a message; `word` says what it is masked as, empty where it is not. `place` counts the masked ones."""

    text: str
    word: str = ""
    place: int = -1


@dataclass(frozen=True, slots=True)
class CauseFact:
    """One cause: what the first failure with its fingerprint said, and its category."""

    slug: str
    fingerprint: int
    kind: str
    message: str
    kept: tuple[int, ...]  # masked places by whose words it was told apart
    category: Category
    is_by_hand: bool
    raw_kind: str  # both with their secrets: for its fingerprint, never for a page
    raw_message: str

    @property
    def has_secrets(self) -> bool:
        """Whether something in its message was hidden that looks like a secret."""
        return self.message != self.raw_message

    @property
    def key(self) -> str:
        """The fingerprint as it stands in addresses."""
        return write_fingerprint(self.fingerprint)

    @property
    def url(self) -> str:
        """Its page."""
        return reverse("dashboard:cause", kwargs={"slug": self.slug, "fingerprint": self.fingerprint})

    @property
    def told_rule(self) -> str:
        """What gave it its category, in words."""
        rule = self.category.rule
        if self.is_by_hand:
            return "set by hand"
        if rule is None:
            return "no rule fits"
        where = "contains" if rule.words else "kind"
        return f"{where}: {self.category.matched}{' (.suitewatch.yml)' if rule.is_own else ''}"

    @property
    def masked(self) -> str:
        """What all its failures have in common; their kind where they said nothing."""
        return mask_message(self.message, kept=self._shown_kept) or self.kind

    @property
    def quote(self) -> str:
        """The beginning of what they have in common, for a sentence: the first line without its kind."""
        first = next((line for line in self.message.splitlines() if line.strip()), "")
        said = mask_message(first, kept=self._shown_kept) or self.kind
        said = said.removeprefix(f"{self.kind}: ") if self.kind else _KIND.sub("", said, count=1)
        if len(said) <= _LONGEST_QUOTE:
            return said
        short = said[:_LONGEST_QUOTE]
        return f"{short.rpartition(' ')[0] or short} …"

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """The whole sample, masked words apart."""
        return cut_message(self.message, kept=self._shown_kept) or (Piece(self.kind),)

    @property
    def line(self) -> str:
        """What they have in common on one line, with a sign where a line ended."""
        return "".join(_STAND_INS.get(piece.word, piece.text) for piece in self.pieces)

    @property
    def _shown_kept(self) -> tuple[int, ...]:
        """A hidden secret may have moved the places; then all words are shown as masked."""
        return () if self.has_secrets else self.kept

    @property
    def short_pieces(self) -> tuple[Piece, ...]:
        """Its beginning, for a table."""
        return _shorten(self.pieces)


@dataclass(frozen=True, slots=True)
class Known:
    """Causes by fingerprint: `heads` is the one that stands for each, after merges; `facts` are those of the heads."""

    heads: Mapping[int, int]
    facts: Mapping[int, CauseFact]

    def find(self, fingerprint: int) -> CauseFact | None:
        """The cause a fingerprint belongs to."""
        return self.facts.get(self.heads.get(fingerprint, fingerprint))


def read_causes(
    project: Project,
    *,
    fingerprints: Collection[int],
    rules: Iterable[CauseRule] | None = None,
    for_owner: bool = False,
) -> Known:
    """The causes these fingerprints belong to; `rules` where they were read before."""
    if not fingerprints:
        return Known({}, {})
    own = read_rules(project) if rules is None else tuple(rules)
    splits = fetch_splits(open_cursor(), project.pk)
    rows = fetch_rows(_HEADS_SQL, {"project": project.pk, "fingerprints": list(fingerprints)})
    heads, facts = {}, {}
    for fingerprint, head, kind, message, category in rows:
        heads[fingerprint] = head
        if head not in facts:
            facts[head] = make_fact(
                project, (head, kind, message, category), rules=own, splits=splits, for_owner=for_owner
            )
    return Known(heads, facts)


def make_fact(
    project: Project,
    row: tuple[int, str, str, str],
    *,
    rules: tuple[CauseRule, ...],
    splits: Splits,
    for_owner: bool,
) -> CauseFact:
    """A cause from `fingerprint, kind, message, category`. What people said comes before what the rules say."""
    fingerprint, kind, message, said = row
    kept = find_kept(fingerprint, kind, message, splits=splits)
    return CauseFact(
        slug=project.slug,
        fingerprint=fingerprint,
        kind=kind if for_owner else mask_kind(kind),
        message=message if for_owner else mask_said(message),
        kept=kept,
        category=Category(said) if said else choose_category(kind, mask_message(message, kept=kept), rules),
        is_by_hand=bool(said),
        raw_kind=kind,
        raw_message=message,
    )


def read_rules(project: Project) -> tuple[CauseRule, ...]:
    """The rules of the configuration in force; no statement where there is none."""
    if not project.configuration:
        return ()
    rows = fetch_rows(_RULES_SQL, {"project": project.pk, "number": project.configuration})
    return compile_causes(json.loads(rows[0][0])) if rows and rows[0][0] else ()


def cut_message(message: str, *, kept: Collection[int] = ()) -> tuple[Piece, ...]:
    """A message in pieces, masked words apart; runs of blanks are one, as they are for its fingerprint, and where a
    line ended there is a sign for it.
    """
    pieces, at = [], 0
    for place, mask in enumerate(list_masks(message)):
        pieces.append(Piece(_join_blanks(message[at : mask.start])))
        word = "" if place in kept else _WORDS[mask.stand_in]
        pieces.append(Piece(message[mask.start : mask.end], word, place))
        at = mask.end
    pieces.append(Piece(_join_blanks(message[at:]).removesuffix(_LINE_END)))
    pieces[0] = replace(pieces[0], text=pieces[0].text.removeprefix(_LINE_END))
    return tuple(piece for piece in pieces if piece.text)


def _join_blanks(text: str) -> str:
    return _BLANKS.sub(lambda blank: _LINE_END if "\n" in blank[0] else " ", text)


def _shorten(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    n_left = _SHORT
    for piece in pieces:
        if len(piece.text) > n_left:
            return (*found, Piece(f"{piece.text[:n_left]}…", piece.word, piece.place))
        found.append(piece)
        n_left -= len(piece.text)
    return tuple(found)


# A chain of merges has no circle; the depth is a net.
_HEADS_SQL: Final = """
WITH RECURSIVE chain(start, at) AS (
    SELECT f, f FROM unnest(%(fingerprints)s::bigint[]) AS f
    UNION
    SELECT c.start, p.merged_into FROM chain c
    JOIN health_fingerprint p ON p.project_id = %(project)s AND p.fingerprint = c.at
    WHERE p.merged_into IS NOT NULL
), head AS (
    SELECT c.start, c.at FROM chain c
    JOIN health_fingerprint p ON p.project_id = %(project)s AND p.fingerprint = c.at AND p.merged_into IS NULL)
SELECT head.start, p.fingerprint, p.kind, p.message, p.category FROM head
JOIN health_fingerprint p ON p.project_id = %(project)s AND p.fingerprint = head.at
"""

_RULES_SQL: Final = """
SELECT (content -> 'causes')::text FROM health_configuration WHERE project_id = %(project)s AND number = %(number)s
"""

"""The query string as a frozen value, and back: which part of a project a page shows.

Used by the views of trends, runs, coverage and uploads; pure.
Promise: any query string gives filters a query can take, and writing them back gives the same page
(`tests/dashboard/test_filters.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final
from urllib.parse import urlencode

_LONGEST: Final = 255
_LONGEST_PATH: Final = 1_024
_IS_NUMBER: Final = re.compile(r"[0-9]{1,9}")

# The first of each is what a page shows when the address says nothing.
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "by": ("all", "suite", "level", "variant", "job", "branch"),
    "measure": ("passed", "executed", "declared", "failed", "time"),
    "span": ("year", "quarter", "all"),
    "sort": ("uncovered", "share", "path"),
    "order": ("trouble", "change", "name"),
    "view": ("rows", "all"),
    "rows": ("200", "1000"),
    "rank": ("evidence", "rate"),
    "backing": ("", "backed", "weakened", "broken", "unproven", "none"),
    "kind": ("", "skip", "xfail", "quarantine", "planned"),
    "age": ("", "week", "month", "quarter", "half", "year", "older"),
    "missing": ("", "reason", "owner", "review", "issue", "backing"),
    "arrange": ("age", "name", "count", "debt"),
}
# Fields that no dataclass could have under the word that stands in the address.
_SPELLED: Final = {"start": "from", "end": "to"}


@dataclass(frozen=True, slots=True)
class Filters:
    """What an address may choose; empty means "whatever is usual". `before` is the last row of the page before."""

    branch: str = ""
    job: str = ""
    variant: str = ""
    suite: str = ""
    level: str = ""
    by: str = CHOICES["by"][0]
    measure: str = CHOICES["measure"][0]
    span: str = CHOICES["span"][0]
    state: str = ""
    reason: str = ""
    before: str = ""
    directory: str = ""
    sort: str = CHOICES["sort"][0]
    order: str = CHOICES["order"][0]
    view: str = CHOICES["view"][0]
    rows: str = CHOICES["rows"][0]
    rank: str = CHOICES["rank"][0]
    search: str = ""
    path: str = ""
    owner: str = ""
    category: str = ""
    backing: str = CHOICES["backing"][0]
    kind: str = CHOICES["kind"][0]
    age: str = CHOICES["age"][0]
    missing: str = CHOICES["missing"][0]
    phase: str = ""
    arrange: str = CHOICES["arrange"][0]
    run: str = ""  # a number
    start: str = ""  # what is compared, a run or a branch; `from` in the address
    end: str = ""  # `to` in the address
    cell: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Filters":
        """Take what is understood; an unknown word is no error, it chooses nothing."""
        values = {field.name: _clean(query.get(_SPELLED.get(field.name, field.name), "")) for field in fields(cls)}
        for name in ("directory", "path"):
            values[name] = _clean_path(query.get(name, ""))
        if not _IS_NUMBER.fullmatch(values["run"]):
            values["run"] = ""
        for name, words in CHOICES.items():
            if values[name] not in words:
                values[name] = words[0]
        return cls(**values)

    def write(self, **changes: str) -> str:
        """These filters, with changes, as a query string; "?" when nothing is chosen. Paging starts anew."""
        changes = {"before": "", **changes}
        values = {name: changes.get(name, getattr(self, name)) for name in _USUAL}
        return f"?{urlencode({_SPELLED.get(k, k): value for k, value in values.items() if value != _USUAL[k]})}"

    @property
    def n_before(self) -> int:
        """`before` where pages count: how many rows came before; 0 for a word that is no number."""
        return int(self.before) if _IS_NUMBER.fullmatch(self.before) else 0

    @property
    def kept(self) -> dict[str, str]:
        """What a form of the other fields sends along: the chosen words that differ from the usual."""
        return {name: getattr(self, name) for name in ("state", "run", *CHOICES) if getattr(self, name) != _USUAL[name]}


_USUAL: Final[dict[str, str]] = asdict(Filters())


def _clean(value: str) -> str:
    # PostgreSQL takes no NUL, and no name is longer than what an upload may send.
    return "" if "\x00" in value else value[:_LONGEST].strip()


def _clean_path(value: str) -> str:
    """Byte for byte: a directory may begin or end with a blank."""
    return "" if "\x00" in value else value[:_LONGEST_PATH]

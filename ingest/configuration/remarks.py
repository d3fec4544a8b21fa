"""Collects what a person should know about a file of the configuration: where, what, and what to do about it.

Used by every reader of `ingest.configuration`; pure. The codes and their hints stand with the others in
`ingest.errors`.
"""

from typing import Final

from ingest.errors import HINTS
from ingest.remarks import Remark

CONFIGURATION: Final = ".suitewatch.yml"
OWNERS: Final = "CODEOWNERS"
DEFERRALS: Final = ".suitewatch-deferrals.yml"
_MOST: Final = 100
_LONGEST_MESSAGE: Final = 500


class Remarks:
    """Collects the remarks about one file; of very many the first hundred are kept, and the rest is counted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._kept: list[Remark] = []
        self._n_more = 0
        self._about_all: list[Remark] = []

    @property
    def is_full(self) -> bool:
        """Whether the next one will only be counted, so that nobody needs to look for its words."""
        return len(self._kept) == _MOST

    def add(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        column: int | None = None,
        field: str = "",
        hint: str | None = None,
    ) -> None:
        """Note something; without a hint of its own it gets that of its code."""
        if self.is_full:
            self._n_more += 1
            return
        hint = HINTS[code] if hint is None else hint
        text = message[:_LONGEST_MESSAGE]
        self._kept.append(Remark(code, text, line, column, hint, file=self.file, field=field[:200]))

    def add_about_all(self, code: str, message: str) -> None:
        """Note something about the file as a whole, which is listed last and in any case."""
        self._about_all.append(Remark(code, message, hint=HINTS[code], file=self.file))

    def list_all(self) -> list[Remark]:
        """The remarks in the order of the file."""
        kept = sorted(self._kept, key=lambda remark: (remark.line or 0, remark.column or 0))
        if self._n_more:
            more = f"{self._n_more:,} more remarks are not listed."
            kept.append(Remark("configuration_invalid", more, file=self.file))
        return kept + self._about_all

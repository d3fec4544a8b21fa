"""What a person should know about `.suitewatch.yml` or CODEOWNERS: where, what, and what to do about it.

Used by every reader of `ingest.configuration`; pure. The codes and their hints stand with the others in
`ingest.errors`.
"""

from dataclasses import dataclass
from typing import Any, Final

from ingest.errors import HINTS

CONFIGURATION: Final = ".suitewatch.yml"
OWNERS: Final = "CODEOWNERS"
_MOST: Final = 100
_LONGEST_MESSAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that could not be used; lines and columns count from 1, `field` is a path such as `suites[2].level`."""

    file: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None
    field: str = ""
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The public form, as receipts and `check` show it."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "field": self.field,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
        }


class Remarks:
    """Collects the remarks about one file; of very many the first hundred are kept, and the rest is counted."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._kept: list[Remark] = []
        self._n_more = 0

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
        if len(self._kept) == _MOST:
            self._n_more += 1
            return
        text = message[:_LONGEST_MESSAGE]
        self._kept.append(
            Remark(self.file, code, text, line, column, field[:200], HINTS[code] if hint is None else hint)
        )

    def list_all(self) -> list[Remark]:
        """The remarks in the order of the file."""
        kept = sorted(self._kept, key=lambda remark: (remark.line or 0, remark.column or 0))
        if self._n_more:
            kept.append(Remark(self.file, "configuration_invalid", f"{self._n_more:,} more remarks are not listed."))
        return kept

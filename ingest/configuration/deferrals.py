"""What a file puts off: its entries in the form they are kept in, each with the file and the line it stands in.

Used by `ingest.configuration.reading`; pure. What an entry may hold stands in the schema.
Promise: a pattern is kept once, and what an entry does not say is not made up
(`tests/ingest/configuration/test_deferrals.py`).
"""

from collections.abc import Sequence
from typing import Any

from ingest.configuration.remarks import Remarks


def order_deferrals(entries: Sequence[dict[str, Any]], *, remarks: Remarks) -> list[dict[str, Any]]:
    """The entries of a list; of several with one pattern the first."""
    kept: dict[str, dict[str, Any]] = {}
    for entry in entries:
        pattern = str(entry["cases"]).strip()
        if pattern in kept:
            message = f"{pattern[:80]!r} stands in line {kept[pattern]['line']} already; the first entry counts."
            remarks.add("duplicate_key", message, line=entry["line"], field="deferrals")
        else:
            kept[pattern] = {**_strip(entry), "file": remarks.file}
    return list(kept.values())


def _strip(entry: dict[str, Any]) -> dict[str, Any]:
    return {name: value.strip() if isinstance(value, str) else value for name, value in entry.items()}

"""Who is believed about an entry of the register: a person or file before whoever names it, both before CI's reason.

Used by `health.register.columns`; pure. A layer is a dict as it is stored (`Deferral.read`, `Deferral.written`); a key
that is in it was said, even where what was said is nothing: an empty owner is "nobody", and hides the one below.
Promise: each field is taken as a whole from the strongest layer that has it (`tests/health/test_deferral_layers.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

SKIP: Final = "skip"
XFAIL: Final = "xfail"
QUARANTINE: Final = "quarantine"
PLANNED: Final = "planned"
KINDS: Final = (SKIP, XFAIL, QUARANTINE, PLANNED)
TEXTS: Final = ("reason", "owner", "issue", "precedent", "phase")

Layer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layers:
    """What holds of an entry after all that was said."""

    kind: str = SKIP
    reason: str = ""
    owner: str = ""
    review_on: date | None = None
    issue: str = ""
    precedent: str = ""
    phase: str = ""
    count: int | None = None
    backing: tuple[str, ...] = ()
    code: tuple[str, ...] = ()


def merge_layers(written: Layer, named_by_written: Layer, read: Layer) -> Layers:
    """Each field from the first of the three that has it."""
    layers = (written, named_by_written, read)
    texts = {field: _take_text(layers, field) for field in TEXTS}
    return Layers(
        kind=_choose_kind(written, named_by_written, read),
        review_on=_read_day(_take(layers, "review")),
        count=_read_count(_take(layers, "count")),
        backing=_read_list(_take(layers, "backing")),
        code=_read_list(_take(layers, "code")),
        **texts,
    )


def _choose_kind(written: Layer, named_by_written: Layer, read: Layer) -> str:
    """Whoever names a case by a pattern may quarantine it, and else says nothing of how CI puts it off."""
    if written.get("kind") in KINDS:
        return str(written["kind"])
    if named_by_written.get("kind") == QUARANTINE:
        return QUARANTINE
    return XFAIL if read.get("kind") == XFAIL else SKIP


def _take(layers: tuple[Layer, ...], field: str) -> Any:
    return next((layer[field] for layer in layers if field in layer), None)


def _take_text(layers: tuple[Layer, ...], field: str) -> str:
    found = _take(layers, field)
    return "" if found is None else str(found)


def _read_day(text: Any) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except (TypeError, ValueError):
        return None


def _read_count(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def _read_list(found: Any) -> tuple[str, ...]:
    return tuple(str(text) for text in found if text) if isinstance(found, list | tuple) else ()

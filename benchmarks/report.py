"""Sections as text for people and as JSON for machines, and the comparison with the committed baseline.

Called by `benchmarks.__main__`. The baseline holds ratios only: times of another machine say nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import RATIO, Figure, Section

BASELINE: Final = Path(__file__).with_name("baseline.json")
RESULTS: Final = Path(__file__).with_name("results")
# Medians of one quiet machine differ by less than this from run to run.
_TOLERANCE: Final = 0.15


def format_section(section: Section, *, baseline: Mapping[str, float]) -> str:
    """A table, then each figure beside its floor and the baseline, then notes."""
    lines = ["", section.title, "─" * len(section.title)]
    if section.rows:
        lines += _align([section.columns, *section.rows])
        lines.append("")
    lines += [_format_figure(figure, baseline.get(figure.name)) for figure in section.figures]
    lines += [f"  note: {note}" for note in section.notes]
    return "\n".join(lines)


def _align(rows: Iterable[Sequence[str]]) -> list[str]:
    table = [list(row) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  " + "   ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]


def _format_figure(figure: Figure, before: float | None) -> str:
    floor = figure.floor
    mark = " " if floor is None else "✓" if figure.holds else "✗"
    words = [f"{mark} {figure.name:<36} {_round(figure.value):>10} {figure.unit:<4}"]
    if floor is not None:
        sign, aim = ("≤", floor.limit / 2) if floor.is_ceiling else ("≥", floor.limit * 2)
        words.append(f"{sign} {_round(floor.limit)} (aim {_round(aim)})")
    if before is not None and figure.unit == RATIO:
        change = figure.value / before - 1
        words.append(f"baseline {_round(before)}{f', {change:+.0%}' if abs(change) > _TOLERANCE else ''}")
    return "  ".join(words)


def _round(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def read_baseline() -> dict[str, float]:
    """The ratios that were committed; none before the first time."""
    try:
        ratios: dict[str, float] = json.loads(BASELINE.read_text(encoding="utf-8"))["ratios"]
    except FileNotFoundError:
        return {}
    return ratios


def write_baseline(sections: Iterable[Section], *, machine: Mapping[str, object]) -> None:
    """Replace the ratios that were measured and keep the others."""
    measured = {
        figure.name: float(f"{figure.value:.3g}")
        for section in sections
        for figure in section.figures
        if figure.unit == RATIO
    }
    ratios = dict(sorted((read_baseline() | measured).items()))
    facts = {name: machine[name] for name in ("processor", "cores", "python")}
    content = {"measured": f"{datetime.now(UTC):%Y-%m-%d}", "machine": facts, "ratios": ratios}
    BASELINE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_results(sections: Iterable[Section], *, machine: Mapping[str, object], file: Path | None) -> Path:
    """Everything that was read, as JSON; the file it went to."""
    now = datetime.now(UTC)
    file = file or RESULTS / f"{now:%Y-%m-%dT%H%M%S}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": now.isoformat(timespec="seconds"),
        "machine": dict(machine),
        "sections": [_to_json(section) for section in sections],
    }
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return file


def _to_json(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "figures": {
            figure.name: {
                "value": figure.value,
                "unit": figure.unit,
                "floor": figure.floor and figure.floor.limit,
                "holds": figure.holds,
            }
            for figure in section.figures
        },
        "notes": section.notes,
        "table": [dict(zip(section.columns, row, strict=True)) for row in section.rows],
        "readings": section.readings,
    }

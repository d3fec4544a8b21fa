"""The matrix as rows of escaped text: the template engine would take twenty times as long; and as one drawing.

Called by `dashboard.views.matrix`; pure. Promise: whatever a report called a test stays text, each outcome has its
letter, and a page of 200 rows × 52 runs weighs under 100 kB packed (`tests/dashboard/test_matrix_charts.py`,
`tests/dashboard/test_matrix_weight.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from dashboard.charts.figure import Figure, escape_label, show_unseen
from health.rules import outcomes as codes

if TYPE_CHECKING:
    from dashboard.queries.matrix import Group, Row
    from dashboard.queries.matrix_rows import Rolled

_STEPS: Final = (0, 1, 25, 50, 70, 85, 100)  # from how many per cent each step of the heat begins
_GUTTER: Final = '<td class="gut"></td>'
# By outcome code: what stands for it in the drawing of all rows, in the tokens of the theme.
_COLOURS: Final = (
    *("var(--paper-2)", "var(--hair)", "var(--fail)", "var(--error)", "var(--ink-3)", "var(--ink-3)"),
    *("var(--flaky)", "var(--flaky)"),
)
MOST_DRAWN: Final = 2_000  # lines; a screen has no more
_LINE_HEIGHT: Final = 6  # in pixels, as long as that makes no more than _USUAL_HEIGHT; never less than one
_LEAST_HEIGHT: Final = 200
_USUAL_HEIGHT: Final = 900
_MOST_TICKS: Final = 6


_SEVERITY: Final = np.array(codes.SEVERITY, np.uint8)
_OF_SEVERITY: Final = np.argsort(_SEVERITY).astype(np.uint8)

Cells = npt.NDArray[np.uint8]


class Markup(str):
    """Text whose markup was written here; templates take it as it is."""

    __slots__ = ()

    def __html__(self) -> str:
        return self


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column: `label` in the narrow column, `day` and `title` in full."""

    label: str
    day: str
    title: str
    url: str
    is_complete: bool
    is_apart: bool  # a gutter before it


@dataclass(frozen=True, slots=True)
class Span:
    """What several columns have in common."""

    label: str
    title: str
    n: int
    is_apart: bool


def write_table(heads: "Sequence[Head]", spans: "Sequence[Span]", groups: "Iterable[Group]") -> Markup:
    """The whole table: heads, and a body a group."""
    gutters = [_GUTTER if head.is_apart else "" for head in heads]
    plain = [_write_cells(before, is_complete=head.is_complete) for before, head in zip(gutters, heads, strict=True)]
    bodies = (_write_group(group, plain, heads, gutters) for group in groups)
    return Markup(
        '<table class="grid matrix" role="grid" aria-label="Outcome of each test in each run">'
        f"{_write_columns(heads)}<thead>{_write_spans(spans)}{_write_heads(heads)}</thead>{''.join(bodies)}</table>"
    )


def find_step(part: int, whole: int) -> int:
    """The step of the heat, 1 to 7: the last one is all, and nothing less."""
    per_cent = part * 100 // whole if whole else 0
    return sum(per_cent >= least for least in _STEPS)


def _escape(text: str) -> str:
    """Text that brings its own markup is believed, as templates do."""
    return str(text.__html__()) if hasattr(text, "__html__") else escape(text)


def _write_cells(before: str, *, is_complete: bool) -> tuple[str, ...]:
    """One cell of a column for each outcome."""
    return tuple(
        f"{before}<td{_classify(code, is_complete)}>{letter}</td>" for code, letter in enumerate(codes.LETTERS)
    )


def _classify(code: int, is_complete: bool) -> str:
    """A passed cell of a whole run needs no class, and nearly all are that."""
    names = ["o-none"] if code == codes.ABSENT else ([] if code == codes.PASS else [f"o-{codes.LETTERS[code]}"])
    names += [] if is_complete else ["cut"]
    return f' class="{" ".join(names)}"' if names else ""


def _write_group(group: "Group", plain: Sequence[Sequence[str]], heads: Sequence[Head], gutters: Sequence[str]) -> str:
    title = f'<a href="{escape(group.url)}">{_escape(group.title)}</a>' if group.url else _escape(group.title)
    if group.rolled is None:
        n = 2 + len(gutters) + sum(map(bool, gutters))
        head = f'<th scope="rowgroup" colspan="{n}"><span class="pin">{title}</span></th>'
    else:
        cells = _write_row_cells(group.rolled, plain, heads, gutters)
        head = f'<th scope="rowgroup">{title}</th><td class="num">{_escape(group.note)}</td>{cells}'
    rows = "".join(_write_row(row, plain, heads, gutters) for row in group.rows)
    return f'<tbody><tr class="group">{head}</tr>{rows}</tbody>'


def _write_row(row: "Row", plain: Sequence[Sequence[str]], heads: Sequence[Head], gutters: Sequence[str]) -> str:
    name = "".join(f"<span>{_escape(piece)}</span>" for piece in row.pieces)
    title = f' title="{escape(show_unseen(row.full))}"' if row.is_cut else ""
    cells = _write_row_cells(row, plain, heads, gutters)
    return (
        f'<tr><th scope="row"{title}><a href="{escape(row.url)}">{name}</a></th>'
        f'<td class="num">{_escape(row.note)}</td>{cells}</tr>'
    )


def _write_row_cells(
    row: "Row | Rolled", plain: Sequence[Sequence[str]], heads: Sequence[Head], gutters: Sequence[str]
) -> str:
    if not row.shares:
        return "".join([cells[code] for cells, code in zip(plain, row.cells, strict=True)])
    return "".join(
        f"{gutters[at]}{_write_share(*row.shares[at], is_complete=heads[at].is_complete)}"
        if at in row.shares
        else plain[at][code]
        for at, code in enumerate(row.cells)
    )


def _write_share(part: int, whole: int, *, is_complete: bool) -> str:
    """A share with its step of the heat; rounded down, so that "99" is the most that something broken gets."""
    cut = "" if is_complete else ' class="cut"'
    return f'<td{cut} data-h="{find_step(part, whole)}" data-of="{part:,} of {whole:,}">{part * 100 // whole}</td>'


def _write_columns(heads: Sequence[Head]) -> str:
    columns = ('<col class="gut"><col>' if head.is_apart else "<col>" for head in heads)
    return f'<colgroup><col class="name"><col class="num">{"".join(columns)}</colgroup>'


def _write_spans(spans: Sequence[Span]) -> str:
    cells = (
        f'{_GUTTER if span.is_apart else ""}<th class="span" scope="colgroup" colspan="{span.n}"'
        f' title="{escape(show_unseen(span.title))}">{_escape(span.label)}</th>'
        for span in spans
    )
    return f"<tr><td></td><td></td>{''.join(cells)}</tr>"


def _write_heads(heads: Sequence[Head]) -> str:
    cells = (
        f'{_GUTTER if head.is_apart else ""}<th class="run" scope="col" title="{escape(show_unseen(head.title))}">'
        f'<a href="{escape(head.url)}"><span>{_escape(head.label)}</span></a></th>'
        for head in heads
    )
    told = "Of a test, runs; of a row of several, tests that broke at least once"
    return (
        f'<tr><th scope="col">Test</th><th scope="col" class="num" title="{told}">broken of seen</th>'
        f"{''.join(cells)}</tr>"
    )


def draw_all(cells: Cells, *, places: Sequence[str], heads: Sequence[Head]) -> Figure:
    """Every case as a line of coloured cells, in the order given; neighbours as one line where they are too many.

    `cells` are outcomes [cases, runs].
    """
    factor = -(-len(cells) // MOST_DRAWN) or 1
    starts = range(0, len(cells), factor)
    lines = cells if factor == 1 else _OF_SEVERITY[np.maximum.reduceat(_SEVERITY[cells], starts, axis=0)]
    told = "a line a test" if factor == 1 else f"a line is the worst of {factor} tests that stand together"
    labels = [f"{escape_label(places[at]) or 'no path'}, line {line:,}" for line, at in enumerate(starts, 1)]
    return Figure(
        id="all",
        title=f"{len(cells):,} tests in {len(heads)} runs",
        subtitle=f"by path, {told}; oldest run left",
        label=f"How {len(cells):,} tests ended in {len(heads)} runs: {told}. The table below counts them run by run.",
        plot=_lay_heat(lines, labels, heads),
        head=("Run", *codes.WORDS),
        rows=tuple((head.title, *_count_words(cells[:, at])) for at, head in enumerate(heads)),
    )


def _count_words(column: Cells) -> list[str]:
    """How many tests ended in each way in one run; nothing for none."""
    return [f"{n:,}" if n else "" for n in np.bincount(column, minlength=codes.N_OUTCOMES).tolist()]


def _lay_heat(lines: Cells, labels: Sequence[str], heads: Sequence[Head]) -> dict[str, Any]:
    """Flat bands of colour over names: what a cell says stands in its card."""
    bands = [[(code + end) / codes.N_OUTCOMES, colour] for code, colour in enumerate(_COLOURS) for end in (0, 1)]
    titles = [escape_label(head.title) for head in heads]
    step = max(-(-len(heads) // _MOST_TICKS), 1)
    shown = range(step // 2, len(heads), step)
    hidden = {"fixedrange": True, "showgrid": False, "zeroline": False}
    heat = {
        "type": "heatmap",
        "x": titles,
        "y": list(labels),
        "z": lines.tolist(),
        "text": np.array(codes.WORDS, object)[lines].tolist(),
        "zmin": -0.5,
        "zmax": codes.N_OUTCOMES - 0.5,
        "colorscale": bands,
        "showscale": False,
        "xgap": 1,
        "hovertemplate": "%{text}<br>%{x}<br>%{y}<extra></extra>",
    }
    x = {"type": "category", "tickvals": [titles[at] for at in shown], "ticktext": [heads[at].day for at in shown]}
    return {
        "data": [heat],
        "layout": {
            "height": max(min(len(lines) * _LINE_HEIGHT, _USUAL_HEIGHT), len(lines), _LEAST_HEIGHT),
            "margin": {"l": 0, "r": 0, "t": 0, "b": 32, "pad": 0},
            "xaxis": x | hidden | {"tickangle": 0, "tickfont": {"color": "var(--ink-2)"}},
            "yaxis": hidden | {"type": "category", "autorange": "reversed", "showticklabels": False},
        },
    }

"""The house style of a drawing: small multiples over one axis, one ink line each, labels at the end, no legend.

Used by the other modules of `dashboard.charts`; the only importer of Plotly. Colours are tokens of
`static/css/tokens.css`, which `static/js/figures.js` turns into the theme's.
Promise: text a report wrote is escaped, because Plotly reads markup in labels (`tests/dashboard/test_figure.py`).
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from html import escape
from math import floor, log10
from typing import Any, Final

import plotly.graph_objects as go

_TITLE_HEIGHT: Final = 28
_GAP: Final = 16
_AXIS_HEIGHT: Final = 40
_RIGHT: Final = 120
_LINE_HEIGHT: Final = 100
_BARS_HEIGHT: Final = 40
_LOW_HEIGHT: Final = 48
_EDGE: Final = 0.003  # room for half a stroke at either end, as a share of the axis
_DATE_FORMATS: Final = (
    {"dtickrange": [None, "M1"], "value": "%-d %b\n%Y"},
    {"dtickrange": ["M1", "M12"], "value": "%b\n%Y"},
    {"dtickrange": ["M12", None], "value": "%Y"},
)
_HOVER_FORMAT: Final = "%-d %b %Y"
_STEPS: Final = (1, 2, 2.5, 5, 10)
_MOST_TICKS: Final = 4
_TICK_SHARE: Final = 0.08  # how tall a run without failures stands in a pane of bars
_LEAST_SHARE: Final = 0.25  # and one with few of them, beside one with thousands
_LEAST_PLAIN_SHARE: Final = 0.12  # a bar of what is no trouble need only be seen

Value = float | int | None


@dataclass(frozen=True, slots=True)
class Pane:
    """One measure: `title` bold, `note` behind it. `shape` is line, step or bars.

    `end` stands at the right beside the last value; `hover` is a d3 format with its unit, "%{y:,} tests".
    """

    title: str
    note: str
    values: tuple[Value, ...]
    shape: str
    end: str
    hover: str
    floor: float | None = None
    ceiling: float | None = None
    tick_suffix: str = ""
    is_low: bool = False  # for many panes of one measure
    crosses: tuple[bool, ...] = ()  # where the line carries a failure's cross
    colour: str = "var(--fail)"  # of bars

    @property
    def height(self) -> int:
        """In pixels, without its title."""
        if self.shape == "bars":
            return _BARS_HEIGHT
        return _LOW_HEIGHT if self.is_low else _LINE_HEIGHT


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and the same numbers as a table; what `components/_figure.html` takes."""

    id: str
    title: str
    subtitle: str
    label: str
    plot: dict[str, Any]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = field(repr=False)

    @property
    def data_id(self) -> str:
        """The id of the JSON beside the canvas."""
        return f"{self.id}-data"


def stack_panes(
    panes: Sequence[Pane], *, x: Sequence[str], ticks: Sequence[tuple[int, str]] | None = None
) -> dict[str, Any]:
    """Panes under each other over one horizontal axis.

    Without `ticks`, `x` are days as ISO text on an axis of time. With them, `x` are names that stand side by side
    (each once), and `ticks` name some of them by their place.
    """
    height = _AXIS_HEIGHT + sum(pane.height + _TITLE_HEIGHT for pane in panes) + _GAP * max(len(panes) - 1, 0)
    layout: dict[str, Any] = {
        "height": height,
        "margin": {"l": 0, "r": _RIGHT, "t": 0, "b": _AXIS_HEIGHT, "pad": 0},
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "annotations": _write_ticks(ticks or ()),
    }
    traces: list[dict[str, Any]] = []
    top = drawable = height - _AXIS_HEIGHT
    for number, pane in enumerate(panes, 1):
        axis = "y" if number == 1 else f"y{number}"
        top -= _TITLE_HEIGHT
        domain = [max((top - pane.height) / drawable, 0), top / drawable]
        low, high = _find_range(pane)
        layout[axis.replace("y", "yaxis")] = _make_axis(pane, domain, low, high)
        layout["annotations"] += _label(pane, axis, domain, high)
        traces += _draw(pane, axis, x, high)
        top -= pane.height + _GAP
    layout["xaxis"] = _make_x_axis(x, ticks, f"y{len(panes)}" if len(panes) > 1 else "y")
    # Without Plotly's own template: the theme is ours, and it would weigh more than the figure.
    figure = go.Figure(data=traces, layout=layout)
    figure.layout.template = None
    return dict(figure.to_plotly_json())


def choose_ticks(days: Sequence[str]) -> tuple[tuple[int, str], ...]:
    """A few runs, evenly spread, named by their day; the year below it where it changes."""
    step = max(-(-len(days) // _MOST_TICKS), 1)
    ticks, year = [], ""
    for at in range(0, len(days), step):
        day, _, its_year = days[at].rpartition(" ")
        ticks.append((at, f"{day}\n{its_year}" if its_year != year else day))
        year = its_year
    return tuple(ticks)


def escape_label(text: str) -> str:
    """Text for a label: markup in it is shown, not obeyed, and nothing in it is unseen."""
    return escape(show_unseen(text), quote=False)


def show_unseen(text: str) -> str:
    """Text with controls and direction overrides named by their codes."""
    if text.isprintable():
        return text
    return "".join(
        f"[U+{ord(letter):04X}]" if unicodedata.category(letter) in {"Cc", "Cf"} else letter for letter in text
    )


def write_share(part: float, whole: float) -> str:
    """A share for a label, as tables write it: "99.9 %", rounded down; "none" of nothing."""
    if whole <= 0:
        return "none"
    if part >= whole:
        return "100 %"
    tenths = int(part * 1000 // whole)
    return f"{tenths / 10:.1f} %" if tenths or not part else "under 0.1 %"


def write_seconds(seconds: float) -> str:
    """A time for a label: "340 ms", "6.8 s", "4 min 31 s"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours:,} h {minutes_left} min" if hours else f"{minutes} min {rest} s"


def find_floor(values: Sequence[Value]) -> float:
    """Where an axis of shares begins: a round number below the lowest, so that small falls can be seen."""
    lowest = min((value for value in values if value is not None), default=0.0)
    for floor_at in (99.0, 98.0, 95.0, 90.0, 80.0, 50.0):
        if lowest >= floor_at:
            return floor_at
    return 0.0


def _find_range(pane: Pane) -> tuple[float, float]:
    known = [value for value in pane.values if value is not None]
    low = pane.floor if pane.floor is not None else min(known, default=0)
    high = pane.ceiling if pane.ceiling is not None else max(known, default=1)
    if high <= low:
        high = low + 1
    return float(low), float(high)


def _make_axis(pane: Pane, domain: list[float], low: float, high: float) -> dict[str, Any]:
    room = (high - low) * 0.06
    lines = choose_lines(
        low, high, suffix=pane.tick_suffix, most=1 if pane.is_low else 2, is_whole=pane.shape != "line"
    )
    axis: dict[str, Any] = {
        "domain": domain,
        "range": [low if pane.shape == "bars" else low - room, high + room],
        "fixedrange": True,
        "showgrid": pane.shape != "bars",
        "gridcolor": "var(--hair)",
        "zeroline": pane.shape == "bars",
        "zerolinecolor": "var(--ink-3)",
        "showticklabels": pane.shape != "bars",
        "tickvals": [at for at, _ in lines],
        "ticktext": [text for _, text in lines],
        "tickfont": {"color": "var(--ink-2)"},
        "ticklabelposition": "inside top",
        "automargin": False,
        "side": "left",
    }
    return axis


def choose_lines(
    low: float, high: float, *, suffix: str = "", most: int = 2, is_whole: bool = False
) -> list[tuple[float, str]]:
    """One or two round values between the ends, with their labels: enough to read a height by."""
    rough = max((high - low) / (most + 0.5), 1 if is_whole else 0)
    unit = 10 ** floor(log10(rough))
    step = next(unit * factor for factor in _STEPS if unit * factor >= rough)
    first = floor(low / step) + 1
    values = [step * (first + at) for at in range(most + 1) if step * (first + at) <= high]
    return [(value, f"{value:,.{_count_decimals(step)}f}{suffix}") for value in values]


def _count_decimals(step: float) -> int:
    return max(-floor(log10(step)), 0) + (1 if str(step).strip("0.").startswith("25") and step < 10 else 0)


def _make_x_axis(x: Sequence[str], ticks: Sequence[tuple[int, str]] | None, anchor: str) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "anchor": anchor,
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "showline": True,
        "linecolor": "var(--ink-3)",
        "tickcolor": "var(--ink-3)",
        "tickfont": {"color": "var(--ink-2)"},
        "ticks": "outside",
        "ticklen": 4,
        "showspikes": True,
        "spikemode": "across",
        "spikethickness": 1,
        "spikedash": "solid",
        "spikecolor": "var(--hair)",
        "automargin": False,
    }
    if ticks is not None:
        room = len(x) * _EDGE
        axis |= {"type": "category", "categoryorder": "array", "categoryarray": list(x)}
        axis |= {"tickvals": [x[at] for at, _ in ticks], "showticklabels": False}
        return axis | {"range": [-room, max(len(x) - 1, 1) + room]}
    axis |= {"type": "date", "tickformatstops": _DATE_FORMATS, "hoverformat": _HOVER_FORMAT}
    if len(x) == 1:  # one tick: an axis as short as that would name the day again and again
        return axis | {"tickvals": list(x), "tickformat": _DATE_FORMATS[0]["value"], "tickformatstops": []}
    return axis | {"range": _find_ends(x)}


def _find_ends(days: Sequence[str]) -> list[str]:
    """The first and the last day, with room for half a stroke."""
    first, last = (datetime.combine(date.fromisoformat(day), time()) for day in (days[0], days[-1]))
    room = (last - first) * _EDGE
    return [(first - room).isoformat(), (last + room).isoformat()]


def _write_ticks(ticks: Sequence[tuple[int, str]]) -> list[dict[str, Any]]:
    """Tick labels as notes: Plotly's own would be turned on a phone, and the first one cut."""
    shared = {"showarrow": False, "yref": "paper", "y": 0, "yanchor": "top", "yshift": -4, "align": "left"}
    shared |= {"borderpad": 0, "borderwidth": 0}
    return [
        shared
        | {
            "text": "<br>".join(escape_label(line) for line in text.split("\n")),
            "x": at,
            "xanchor": "left",  # all alike: a centred one would run into the first
        }
        for at, text in ticks
    ]


def _label(pane: Pane, axis: str, domain: list[float], high: float) -> list[dict[str, Any]]:
    """The title above the pane, and what stands at the end of the line."""
    note = f", {escape_label(pane.note)}" if pane.note else ""
    shared = {"showarrow": False, "xref": "paper", "align": "left", "xanchor": "left", "borderpad": 0, "borderwidth": 0}
    title = {
        "text": f'<span style="color:var(--ink)"><b>{escape_label(pane.title)}</b></span>{note}',
        "x": 0,
        "yref": "paper",
        "y": domain[1],
        "yanchor": "bottom",
        "yshift": 4,
    }
    last = next((value for value in reversed(pane.values) if value is not None), None)
    if last is None or not pane.end:
        return [shared | title]
    end = {
        "text": pane.end,
        "x": 1,
        "xshift": 8,
        "yref": axis,
        "y": 0 if pane.shape == "bars" else min(last, high),
        "yanchor": "bottom" if pane.shape == "bars" else "middle",
    }
    return [shared | title, shared | end]


def _draw(pane: Pane, axis: str, x: Sequence[str], high: float) -> list[dict[str, Any]]:
    hover: dict[str, Any] = {"hovertemplate": f"{pane.hover}<extra></extra>"}
    if pane.shape == "bars":
        return _draw_bars(pane, axis, x, high, hover)
    crossed = [(at, value) for at, value, is_crossed in zip(x, pane.values, pane.crosses) if is_crossed]  # noqa: B905
    crosses = {
        "type": "scatter",
        "mode": "markers",
        "x": [at for at, _ in crossed],
        "y": [value for _, value in crossed],
        "yaxis": axis,
        "marker": {"color": "var(--fail)", "symbol": "x", "size": 8},
        "cliponaxis": False,
        "hoverinfo": "skip",
    }
    return [
        {
            "type": "scatter",
            # A line of one point would be none.
            "mode": "lines" if sum(value is not None for value in pane.values) > 1 else "markers",
            "x": list(x),
            "y": list(pane.values),
            "yaxis": axis,
            "line": {"color": "var(--ink)", "width": 1.5, "shape": "hv" if pane.shape == "step" else "linear"},
            "marker": {"color": "var(--ink)", "size": 6},
            "connectgaps": True,
            "cliponaxis": False,
            **hover,
        },
        *([crosses] if crossed else []),
    ]


def _draw_bars(pane: Pane, axis: str, x: Sequence[str], high: float, hover: dict[str, Any]) -> list[dict[str, Any]]:
    """Strokes instead of bars: on a time axis a bar would be as thin as the two nearest runs are close."""
    ticks = _strokes([(at, high * _TICK_SHARE) for at, value in zip(x, pane.values, strict=True) if value == 0])
    least = high * (_LEAST_PLAIN_SHARE if pane.colour == "var(--ink)" else _LEAST_SHARE)
    bars = _strokes([(at, max(value, least)) for at, value in zip(x, pane.values, strict=True) if value])
    shared = {"type": "scatter", "mode": "lines", "yaxis": axis, "hoverinfo": "skip", "cliponaxis": False}
    return [
        shared | ticks | {"line": {"color": "var(--ink-3)", "width": 1}},
        shared | bars | {"line": {"color": pane.colour, "width": 3}},
        {
            "type": "scatter",
            "mode": "markers",
            "x": list(x),
            "y": list(pane.values),
            "yaxis": axis,
            "marker": {"opacity": 0, "color": pane.colour},
            **hover,
        },
    ]


def _strokes(points: Sequence[tuple[str, float]]) -> dict[str, Any]:
    xs: list[str | None] = []
    ys: list[float | None] = []
    for at, value in points:
        xs += [at, at, None]
        ys += [0, value, None]
    return {"x": xs, "y": ys}

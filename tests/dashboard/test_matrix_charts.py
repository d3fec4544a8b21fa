"""The table as text: names stay names, letters are right; and the drawing of all rows."""

from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts.matrix import MOST_DRAWN, Head, Span, draw_all, find_step, write_table
from dashboard.queries.matrix import Group, Row
from dashboard.queries.matrix_rows import Rolled
from health.rules import outcomes as codes


def a_head(run: int, *, is_complete: bool = True, is_apart: bool = False) -> Head:
    return Head(f"{run} Mar", f"{run} Mar 2026", f"run {run}, <b>", f"../runs/{run}/", is_complete, is_apart)


def a_row(
    name: str, cells: bytes, *, url: str = "../cases/1/", shares: dict[int, tuple[int, int]] | None = None
) -> Row:
    return Row((name,), True, name, "tests", 1, "0 of 1", url, cells, shares or {}, 1)


class Table(HTMLParser):
    """A table as a browser sees it: the text and the attributes of each cell, and every tag."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, dict[str, str | None]]]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append(("", dict(attrs)))

    def handle_data(self, data: str) -> None:
        text, attributes = self.rows[-1][-1]
        self.rows[-1][-1] = (text + data, attributes)


grids = st.integers(1, 8).flatmap(
    lambda n: st.tuples(
        st.lists(st.tuples(st.booleans(), st.booleans()), min_size=n, max_size=n),
        st.lists(
            st.tuples(st.text(max_size=40), st.lists(st.integers(0, 7), min_size=n, max_size=n)), min_size=1, max_size=8
        ),
    )
)


@given(grids, st.text(max_size=30))
def test_any_grid_shows_its_names_and_letters(
    grid: tuple[list[tuple[bool, bool]], list[tuple[str, list[int]]]], title: str
) -> None:
    runs, rows = grid
    heads = [a_head(k, is_complete=whole, is_apart=apart) for k, (whole, apart) in enumerate(runs, 1)]
    group = Group(title, title, "", "", None, tuple(a_row(name, bytes(cells)) for name, cells in rows))
    table = Table(write_table(heads, [Span("2026", "2026", len(heads), False)], [group]))
    assert table.tags == {"table", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "a", "span"}
    for (name, cells), shown in zip(rows, table.rows[3:], strict=True):
        expected = name.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "\ufffd")
        assert shown[0][0] in (name, expected)
        values = [cell for cell in shown[2:] if cell[1].get("class") != "gut"]
        assert [text for text, _ in values] == [codes.LETTERS[code] for code in cells]
        for code, (_, attributes), (whole, _) in zip(cells, values, runs, strict=True):
            classes = (attributes.get("class") or "").split()
            assert ("cut" in classes) is not whole
            assert ("o-none" in classes) is (code == codes.ABSENT)
            assert f"o-{codes.LETTERS[code]}" in classes or code in (codes.ABSENT, codes.PASS)


def test_a_row_of_several_shows_how_many_per_cent_held() -> None:
    rolled = Rolled(200, bytes([codes.FAIL, codes.PASS, codes.ERROR]), {0: (199, 200), 2: (0, 3)})
    table = Table(
        write_table([a_head(k) for k in (1, 2, 3)], [], [Group("tests", "", "?path=tests", "200", rolled, ())])
    )
    name, n, *cells = table.rows[2]
    assert (name[0], n[0]) == ("tests", "200")
    assert [text for text, _ in cells] == ["99", "·", "0"]  # rounded down: it is never all
    assert [attributes.get("data-h") for _, attributes in cells] == ["6", None, "1"]
    assert cells[0][1]["data-of"] == "199 of 200"


@pytest.mark.parametrize(
    ("part", "step"),
    [(0, 1), (1, 2), (24, 2), (25, 3), (49, 3), (50, 4), (69, 4), (70, 5), (84, 5), (85, 6), (99, 6), (100, 7)],
)
def test_seven_steps(part: int, step: int) -> None:
    assert find_step(part, 100) == step


def test_all_is_a_step_of_its_own() -> None:
    assert find_step(9_999, 10_000) == 6
    assert find_step(0, 0) == 1


def test_the_drawing_keeps_each_case_as_long_as_it_can() -> None:
    rows = [[codes.PASS, codes.FAIL]] * 3
    figure = draw_all(np.array(rows, np.uint8), places=["<b>a", "a", "b"], heads=[a_head(1), a_head(2)])
    heat = figure.plot["data"][0]
    assert heat["z"] == [[1, 2]] * 3
    assert heat["y"][0] == "&lt;b&gt;a, line 1"
    assert "a line a test" in figure.subtitle
    assert figure.rows[1] == ("run 2, <b>", "", "", "3", "", "", "", "", "")


def test_too_many_cases_are_drawn_together_and_it_says_so() -> None:
    rows = [[codes.PASS]] * MOST_DRAWN + [[codes.ERROR]]
    figure = draw_all(np.array(rows, np.uint8), places=["a"] * len(rows), heads=[a_head(1)])
    heat = figure.plot["data"][0]
    assert len(heat["z"]) == 1_001
    assert heat["z"][-1] == [codes.ERROR]
    assert "a line is the worst of 2 tests that stand together" in figure.subtitle
    assert figure.rows[0][2] == "2,000"

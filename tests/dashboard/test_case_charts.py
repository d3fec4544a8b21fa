"""How long a case took, drawn and as a table."""

from datetime import UTC, datetime, timedelta

from dashboard.charts.case import draw_timings
from dashboard.queries.case import Timing

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_line_in_milliseconds_with_a_cross_where_it_broke() -> None:
    timings = tuple(
        Timing(run, START + timedelta(days=run), seconds, is_broken)
        for run, seconds, is_broken in ((1, 0.004, False), (2, 0.1, True), (3, 0.003, False))
    )
    figure = draw_timings(timings, zone="UTC", series="tests", lane="main")
    line, crosses = figure.plot["data"]
    assert line["y"] == [4, 100, 3]
    assert (crosses["x"], crosses["y"], crosses["marker"]["symbol"]) == (["run 2, 4 Mar 2026"], [100], "x")
    assert figure.rows[1] == ("2", "4 Mar 2026", "100 ms", "yes")
    assert figure.label == "A line over 3 runs, between 3 ms and 100 ms; 3 ms in the newest."

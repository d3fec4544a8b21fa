"""A report in the making: files, totals, and what stands in for what is not listed."""

from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers.coverage.draft import Draft
from ingest.parsers.coverage.types import CoverageLimits, Figures, Source


def a_draft(**limits: Any) -> Draft:
    def refuse() -> Any:
        raise AssertionError("a draft opens nothing")

    return Draft(Source(refuse, "report", CoverageLimits(**limits)))


def test_lines_count_once_per_file_and_the_best_hit_wins() -> None:
    draft = a_draft()
    for path in ("a.py", "b.py", "./a.py"):
        file = draft.open_file(path)
        file.lines.add(1, is_covered=path != "a.py")
        file.branches.add((1, 0), is_taken=False)
    report = draft.finish()
    assert [file.path for file in report.files] == ["a.py", "b.py"]
    assert (report.lines_valid, report.lines_covered, report.branches_valid, report.branches_covered) == (2, 2, 2, 0)
    assert [warning.code for warning in report.warnings] == ["paths_merged"]


def test_declared_figures_stand_in_only_where_nothing_is_listed() -> None:
    draft = a_draft()
    draft.open_file("listed.py").lines.add(1, is_covered=True)
    draft.open_file("listed.py").declared = Figures(9, 9, 4, 3)
    draft.open_file("declared.py").declared = Figures(9, 8)
    draft.declared = Figures(90, 90, 90, 90)
    listed, declared = (report := draft.finish()).files
    assert (listed.lines_valid, listed.branches_valid, listed.branches_covered) == (1, 4, 3)
    assert (declared.lines_valid, declared.lines_covered, declared.branches_valid) == (9, 8, 0)
    assert (report.lines_valid, report.lines_covered, report.branches_valid, report.branches_covered) == (10, 9, 4, 3)
    assert [warning.code for warning in report.warnings] == ["no_line_detail", "declared_differs"]
    assert report.declared == Figures(90, 90, 90, 90)


def test_a_report_without_any_detail_keeps_its_totals() -> None:
    draft = a_draft()
    draft.open_file("a.py")
    draft.declared = Figures(90, 99, 7, 6)
    report = draft.finish()
    assert (report.lines_valid, report.lines_covered, report.branches_valid, report.branches_covered) == (90, 90, 7, 6)
    assert {warning.code for warning in report.warnings} == {"no_line_detail", "no_branch_detail"}


def test_binding_totals_stand_beside_the_lines() -> None:
    draft = a_draft()
    draft.is_declared_binding = True
    draft.open_file("a.py").lines.add(1, is_covered=True)
    draft.declared = Figures(5, 4, 3, 2)
    report = draft.finish()
    assert (report.lines_valid, report.lines_covered, report.branches_valid, report.branches_covered) == (5, 4, 3, 2)
    assert report.files[0].lines_valid == 1


def test_a_cut_report_counts_only_what_was_read() -> None:
    draft = a_draft()
    draft.is_declared_binding = True
    draft.open_file("a.py").lines.add(1, is_covered=True)
    draft.declared = Figures(50, 40, 30, 20)
    report = draft.finish(truncated=IngestError("report_truncated", "cut"))
    assert (report.lines_valid, report.branches_valid) == (1, 0)
    assert report.warnings == []


def test_no_files_is_said() -> None:
    assert [warning.code for warning in a_draft().finish().warnings] == ["no_files"]


def test_too_many_files_are_refused() -> None:
    draft = a_draft(max_files=2)
    for path in ("a", "b", "a"):
        draft.open_file(path)
    with pytest.raises(IngestError) as caught:
        draft.open_file("c")
    assert caught.value.to_json() | {"message": "", "hint": ""} == {
        "code": "coverage_too_large", "message": "", "hint": "", "field": "files", "limit": 2, "actual": 3,
    }  # fmt: skip


def test_too_many_lines_are_refused_before_they_unfold() -> None:
    draft = a_draft(max_line_sum=20_000)
    for path in ("a", "b", "c"):
        draft.open_file(path).lines.add_range(1, 9_000, is_covered=True)
    with pytest.raises(IngestError, match="more than 20,000 lines"):
        draft.finish()


@pytest.mark.parametrize(
    ("one", "other", "total", "larger"),
    [
        (Figures(), Figures(), Figures(), Figures()),
        (Figures(1, 1), Figures(), Figures(1, 1), Figures(1, 1)),
        (Figures(1, 1), Figures(2, 0, 5, 5), Figures(3, 1, 5, 5), Figures(2, 1, 5, 5)),
    ],
)
def test_figures_add_up(one: Figures, other: Figures, total: Figures, larger: Figures) -> None:
    assert one + other == other + one == total
    assert one.take_larger(other) == other.take_larger(one) == larger

"""Coverage of a branch, and of one file.

Called by `dashboard.api.operations` (`tests/dashboard/test_api_figures.py`).
"""

from datetime import date, datetime
from typing import Any

from django.http import Http404
from ninja import Router
from pydantic import Field

from dashboard.api.answers import CoverageChangeFacts, CoveredFacts, Facts, LevelFacts, frame, take
from dashboard.api.door import ApiRequest
from dashboard.queries.coverage import read_coverage
from dashboard.queries.coverage_file import read_file_page

router = Router(tags=["Coverage"])


class AtLevelFacts(Facts):
    """A file or directory at one level."""

    level: str = Field(description="The level's name; may be empty.")
    covered: CoveredFacts | None = Field(description="Its figures; null where the level has not measured it.")


class DirectoryFacts(Facts):
    """A directory, with all below it."""

    path: str = Field(description="Its path; empty for the files that lie directly here.")
    n_files: int = Field(description="Files in it.")
    covered: CoveredFacts = Field(description="Its figures.")
    change: CoverageChangeFacts | None = Field(description="Against a month before; null where there is nothing.")
    levels: tuple[AtLevelFacts, ...] = Field(description="Level by level.")


class SourceFileFacts(Facts):
    """A source file."""

    number: int = Field(description="Its number in the project.")
    path: str = Field(description="Its path in the repository.")
    run: int = Field(description="The run that measured it last.")
    covered: CoveredFacts = Field(description="Its figures.")
    levels: tuple[AtLevelFacts, ...] = Field(description="Level by level.")


class CoverageDayFacts(Facts):
    """What the last run of a day measured."""

    day: date = Field(description="The day.")
    run: int = Field(description="The run.")
    covered: CoveredFacts = Field(description="Its figures.")


class LevelTrendFacts(Facts):
    """A level over its days."""

    name: str = Field(description="The level's name, or that it has none.")
    points: tuple[CoverageDayFacts, ...] = Field(description="Its days, oldest first.")


class CoveragePage(Facts):
    """Coverage of a branch, or of a directory of it."""

    lane: str = Field(description="The branch.")
    lanes: tuple[str, ...] = Field(description="The branches that can be chosen.")
    levels: tuple[LevelFacts, ...] = Field(description="Its levels, each as its newest run measured it.")
    directory: str = Field(description="The directory the figures are of; empty for all.")
    main: LevelFacts | None = Field(description="The level that `covered` is of; null where it is of several.")
    covered: CoveredFacts = Field(description="The figures.")
    together: CoveredFacts | None = Field(description="Of several levels together; null where that cannot be said.")
    change: CoverageChangeFacts | None = Field(description="Against a month before.")
    n_files: int = Field(description="Files measured.")
    directories: tuple[DirectoryFacts, ...] = Field(description="The directories in it.")
    files: tuple[SourceFileFacts, ...] = Field(
        description="A part of the files, in the order asked for.", validation_alias="page"
    )
    left_out: tuple[SourceFileFacts, ...] = Field(description="Files that the newest runs no longer measured.")
    trends: tuple[LevelTrendFacts, ...] = Field(description="Level by level, by day.")


@router.get(
    **take("coverage", data=CoveragePage, takes=("branch", "level", "directory", "span", "sort", "before")),
    summary="Coverage",
)
def read(request: ApiRequest, slug: str) -> dict[str, Any]:
    """How much of a branch ran: level by level, over time, by directory and by file."""
    found = read_coverage(request.project, request.filters)
    newest = found.newest
    as_of = (newest.run, newest.ran_at) if newest else (None, None)
    return frame(request, found, as_of=as_of, next_before=found.next_before)


class FileLevelFacts(Facts):
    """A file at one level."""

    level: str = Field(description="The level's name; may be empty.")
    run: int = Field(description="The run that measured it last.")
    ran_at: datetime = Field(description="When that ran.")
    is_current: bool = Field(description="Whether that is the newest run of the level.")
    covered: CoveredFacts = Field(description="Its figures.")
    uncovered: tuple[tuple[int, int], ...] = Field(description="Lines that did not run, from and to.")
    ran: tuple[tuple[int, int], ...] = Field(description="Lines that ran, from and to.")


class FilePointFacts(Facts):
    """What one run measured of a file."""

    run: int = Field(description="The run.")
    ran_at: datetime = Field(description="When it ran.")
    covered: CoveredFacts = Field(description="Its figures.")


class SourceFilePage(Facts):
    """One source file; never its text."""

    number: int = Field(description="Its number in the project.")
    path: str = Field(description="Its path in the repository.")
    lane: str = Field(description="The branch.")
    levels: tuple[FileLevelFacts, ...] = Field(description="Level by level.")
    together: CoveredFacts | None = Field(description="Of several levels together; null where that cannot be said.")
    history: tuple[FilePointFacts, ...] = Field(description="Run by run, oldest first, at the first level.")


@router.get(**take("coverage-file", data=SourceFilePage, takes=("branch",)), summary="One source file")
def read_file(request: ApiRequest, slug: str, number: int) -> dict[str, Any]:
    """Which lines of one file ran, as the newest run of each level left it."""
    found = read_file_page(request.project, number=number, filters=request.filters)
    if found is None:
        raise Http404
    return frame(request, found, as_of=(found.first.run, found.first.ran_at) if found.first else None)

"""Cases by number: their names in parts, as every page shows them.

Used by the queries of overview, run and case. Promise: one query for any number of cases.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from django.urls import reverse

from health.aliases import Aliases, fetch_known_aliases
from health.models import Case, Project
from health.rules.families import split_family
from health.rules.identity import STEP
from health.sql import open_cursor


@dataclass(frozen=True, slots=True)
class CaseName:
    """Which test: its name, and where it lives. Parts are byte for byte what the report said."""

    ord: int
    name: str
    class_name: str
    suite_path: tuple[str, ...]
    namespace: str
    occurrence: int
    suite: int
    slug: str

    @property
    def url(self) -> str:
        """Its page."""
        return f"{_find_address(self.slug)}{self.ord}/"

    @property
    def family(self) -> str:
        """The name before its parameters: all of "test_pager[less]" and "test_pager[cat]" is "test_pager"."""
        return split_family(self.name).name

    @property
    def is_parametrised(self) -> bool:
        """Whether it is one of a family."""
        return bool(split_family(self.name).parameters)

    @property
    def place(self) -> str:
        """Where it lives: its class, else its innermost suite."""
        return self.class_name or (self.suite_path[-1] if self.suite_path else "")

    @property
    def is_repeat(self) -> bool:
        """Whether it is the second or later case of that name in its report."""
        return self.occurrence > 1


@lru_cache(maxsize=1_000)
def _find_address(slug: str) -> str:
    """The address of a project's cases without the number: pages name hundreds, and looking each up takes its time."""
    return reverse("dashboard:case", kwargs={"slug": slug, "number": 0}).removesuffix("0/")


_FIELDS = ("ord", "name", "class_name", "suite_path", "namespace", "occurrence", "suite")


def read_aliases(project: Project) -> Aliases:
    """Which cases are read under which names, after renames."""
    return fetch_known_aliases(open_cursor(), project.pk, epoch=project.identity_epoch)


# What `spread_names` returns, as rows: each result once for every name its case may have been written under.
WANTED: Final = (
    "unnest(%(names)s::int[], %(ords)s::int[], %(runs)s::int[], %(series)s::int[]) AS wanted(name, ord, run, series)"
)


def spread_names(project: Project, results: Iterable[tuple[int, int, int]]) -> dict[str, list[int]]:
    """The values of WANTED for these results: case, run and series of each."""
    rows = read_aliases(project).expand(results)
    return {column: [row[place] for row in rows] for place, column in enumerate(("names", "ords", "runs", "series"))}


def read_case_names(project_id: int, slug: str, *, ords: Sequence[int]) -> dict[int, CaseName]:
    """The names of these cases, by number."""
    rows = Case.objects.filter(project_id=project_id, ord__in=list(ords)).values_list(*_FIELDS)
    return {row[0]: make_name(row, slug) for row in rows}


def make_name(row: Sequence[object], slug: str) -> CaseName:
    """A name from the columns `ord, name, class_name, suite_path, namespace, occurrence, suite`."""
    ord_, name, class_name, suite_path, namespace, occurrence, suite = row
    return CaseName(
        ord=int(str(ord_)),
        name=str(name),
        class_name=str(class_name),
        suite_path=tuple(part for part in str(suite_path).split(STEP) if part),
        namespace=str(namespace),
        occurrence=int(str(occurrence)),
        suite=int(str(suite)),
        slug=slug,
    )

"""What the form for a new entry shows: the case it is of, where the address names one.

Called by `dashboard.views.deferral_add`. Promise: two statements (`tests/dashboard/test_deferral_add_views.py`).
"""

from dataclasses import dataclass
from typing import Final

from dashboard.queries.cases import CaseName, read_aliases, read_case_names
from dashboard.queries.deferral_form import OF_PATTERN, Field, make_fields
from health.models import Deferral, Project

_EMPTY: Final = {"kind": Deferral.Kind.QUARANTINE.value}


@dataclass(frozen=True, slots=True)
class AddPage:
    """The case, None for a pattern; its entry, if it has an open one; the empty form."""

    case: CaseName | None
    entry: int | None
    fields: tuple[Field, ...]


def read_add_page(project: Project, *, case: str) -> AddPage | None:
    """The form for the case of that number, by its newest name, or for a pattern without one; None for no such case."""
    fields = make_fields(_EMPTY, names=OF_PATTERN)
    if not case:
        return AddPage(None, None, fields)
    if not (case.isascii() and case.isdigit() and len(case) < 10):
        return None
    ord_ = read_aliases(project).canonical(int(case))
    name = read_case_names(project.pk, project.slug, ords=[ord_]).get(ord_)
    if name is None:
        return None
    entries = Deferral.objects.filter(project=project, ord=ord_, closed_at=None)
    shown = tuple(field for field in fields if field.name != "count")
    return AddPage(name, entries.values_list("pk", flat=True).first(), shown)

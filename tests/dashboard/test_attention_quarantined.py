"""What fails and is quarantined: the overview says so, and counts it as a failure all the same."""

import pytest

from dashboard.queries.overview import read_overview
from health.models import Project
from tests.builders import FIRST_MOMENT, a_project
from tests.deferral_scenes import an_entry
from tests.scenes import a_run, green

pytestmark = pytest.mark.django_db


def test_a_quarantined_failure_is_called_so() -> None:
    project = a_project()
    a_run(project, green(3), hour=0)
    a_run(project, green(3, case0="fail"), hour=1)
    an_entry(project, "case0", kind="quarantine", is_put_off=False)
    overview = read_overview(Project.objects.get(pk=project.pk), now=FIRST_MOMENT)
    assert overview.attention.rows[0].told == "It is quarantined."
    assert overview.sentence.endswith("1 of 3 executed tests fails, and did not before; it is quarantined.")

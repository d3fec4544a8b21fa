"""What a run was made of: which uploads, without reading their receipts as a whole."""

import pytest

from dashboard.queries import run_deliveries
from dashboard.queries.run import read_run_page
from dashboard.queries.run_deliveries import Deliveries
from health.models import Project, Upload
from tests.builders import a_project, an_upload
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db


def read(project: Project) -> Deliveries:
    page = read_run_page(project, number=1)
    assert page is not None
    return page.deliveries


def test_deliveries_side_by_side_are_told_by_their_receipts() -> None:
    project = a_project()
    first, second = (an_upload(project, {"a": "pass"}, run_id="1", job="test", branch="main") for _ in range(2))
    remarks = [{"code": "other"}, {"code": "sibling_deliveries", "count": 3, "upload": str(first.public_id)}]
    Upload.objects.filter(pk=first.pk).update(receipt=None)
    Upload.objects.filter(pk=second.pk).update(receipt={"files": [], "warnings": remarks})
    found = read(project)
    assert [delivery.siblings for delivery in found.listed] == [(), ((3, str(first.public_id)),)]
    assert (found.n, found.has_siblings, found.has_branch) == (2, True, True)


def test_of_many_deliveries_the_first_are_listed_and_all_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of shards with a megabyte of receipt each are a page all the same."""
    monkeypatch.setattr(run_deliveries, "_MOST_LISTED", 2)
    project = a_project()
    for n in range(1, 4):
        named = {"branch": "main"} if n == 3 else {}
        an_upload(project, {f"a{n}": "pass"}, run_id="1", job="test", shard=f"{n}/3", **named)
    page = read_run_page(project, number=1)
    assert page is not None
    assert [delivery.shard for delivery in page.deliveries.listed] == ["1/3", "2/3"]
    assert (page.deliveries.n, page.is_branch_assumed) == (3, False)
    with counted_statements() as sent:
        run_deliveries.read_deliveries(project, number=1, jobs=page.jobs, is_whole=True)
    assert len(sent) == 2


def test_a_run_whose_deliveries_are_gone_says_so() -> None:
    project = a_project()
    an_upload(project, {"a": "pass"}, run_id="1")
    Upload.objects.all().delete()
    found = read(project)
    assert (found.listed, found.n, found.has_siblings) == ((), 0, False)

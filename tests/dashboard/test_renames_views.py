"""Renames as a page: one click merges, one click undoes, for maintainers."""

import csv
import re
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client
from kombu.exceptions import OperationalError

from dashboard.queries.renames import list_proposals
from health.models import AuditEntry, Case, Membership, Project, RenameProposal, Run
from health.rebuild import rebuild_if_due, rebuild_project
from ingest import sweep
from tests.builders import a_project, a_user
from tests.dashboard.test_renames_queries import NEW, OLD
from tests.scenes import a_run

pytestmark = pytest.mark.django_db

PAGE = "/p/click/renames/"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


@pytest.fixture
def rebuilt(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    asked: list[int] = []
    monkeypatch.setattr("dashboard.tasks.rebuild.delay", asked.append)
    return asked


def a_click(*, role: str = "owner") -> Project:
    project = a_project("click")
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role=role)
    a_run(project, OLD, hour=0, seconds=1.2, commit="abc" * 13)
    a_run(project, NEW, hour=1, seconds=1.1, commit="def" * 13)
    return project


def send(client: Client, act: str, form: dict[str, object], capture: object) -> str:
    with capture(execute=True):  # type: ignore[operator]
        response = client.post(f"{PAGE}{act}/", form, follow=True)
    assert response.redirect_chain == [(PAGE, 302)]
    return response.text


def test_a_proposal_stands_with_its_evidence_and_two_buttons(ann: Client) -> None:
    a_click()
    page = ann.get(PAGE).text
    assert "<h1>One case looks renamed in run 2.</h1>" in page
    assert "same class, name 82 % alike, both passed, 1.20\u00a0s and 1.10\u00a0s" in page
    assert '<a href="/p/click/runs/2/">run 2</a>, <span class="id" title="' in page
    assert ">Merge</button>" in page
    assert ">Not a rename</button>" in page


def test_one_click_merges_and_one_click_undoes(
    ann: Client, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    project = a_click()
    (row,) = list_proposals(project)
    page = send(ann, "merge", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert "One case goes on under its new name." in page
    assert 'aria-label="Undo: reads one user by name">Undo</button>' in page
    assert Case.objects.get(project=project, ord=row.old).merged_into == row.new
    assert rebuilt == [project.pk]
    page = send(ann, "undo", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert "One case stands under both of its names again." in page
    assert Case.objects.get(project=project, ord=row.old).merged_into is None
    assert rebuilt == [project.pk, project.pk]
    actions = AuditEntry.objects.filter(project=project).order_by("id").values_list("action", "actor")
    assert list(actions) == [("rename.merged", "ann"), ("rename.undone", "ann")]


def test_what_is_no_rename_is_kept_apart(
    ann: Client, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    project = a_click()
    (row,) = list_proposals(project)
    page = send(ann, "dismiss", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert "One pair is not proposed again." in page
    assert "Not renames" in page
    assert rebuilt == []
    page = send(ann, "dismiss", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert "Nothing was changed: it was decided before, or is no longer proposed." in page


def test_many_proposals_are_a_dozen_and_the_rest_a_click_away(ann: Client, rebuilt: list[int]) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    names = [f"{word}{n}" for n in range(3) for word in ("reads", "writes", "counts", "opens", "closes")]
    a_run(project, {f"t{k}::test_{name}_one_user_by_name": "pass" for k, name in enumerate(names)}, hour=0)
    a_run(project, {f"t{k}::test_{name}_one_user_by_its_name": "pass" for k, name in enumerate(names)}, hour=1)
    page = ann.get(PAGE).text
    assert page.count(">Merge</button>") == len(names)
    assert "<summary>Three more</summary>" in page


def test_a_whole_family_is_merged_at_once(
    ann: Client, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {f"t::test_list_price[{n}]": "pass" for n in range(60)}, hour=0)
    a_run(project, {f"t::test_price[{n}]": "pass" for n in range(60)}, hour=1)
    page = ann.get(PAGE).text
    assert '<b>60 cases</b> of <span><bdi class="id">test_list_price</bdi></span>' in page
    assert "The first 40 of 60, one by one" in page
    assert 'aria-label="Merge: all 60 cases of test_list_price"' in page
    assert page.count('aria-label="Merge: test_list_price[0]"') == 1
    assert re.search(r"same class, name \d\d( to \d\d)? % alike", page)
    group = RenameProposal.objects.filter(project=project)[0].evidence["group"]
    page = send(ann, "merge", {"group": group}, django_capture_on_commit_callbacks)
    assert "60 cases go on under their new names." in page
    assert Case.objects.filter(project=project, merged_into__isnull=False).count() == 60
    assert AuditEntry.objects.get(project=project).detail["n"] == 60
    page = send(ann, "undo", {"group": group}, django_capture_on_commit_callbacks)
    assert "60 cases stand under both of their names again." in page


def test_a_group_is_decided_as_its_section_shows_it(
    ann: Client, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    """What was found to be no rename is not merged with the rest of its group, nor the rest with it."""
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {f"t::test_list_price[{n}]": "pass" for n in range(10)}, hour=0)
    a_run(project, {f"t::test_price[{n}]": "pass" for n in range(10)}, hour=1)
    first, second, *rest = list_proposals(project)
    for row in (first, second):
        send(ann, "dismiss", {"pair": row.key}, django_capture_on_commit_callbacks)
    page = ann.get(PAGE).text
    assert page.count('<input type="hidden" name="state" value="proposed">') == 1 + len(rest)
    assert page.count('<input type="hidden" name="state" value="dismissed">') == 1 + 2
    page = send(ann, "merge", {"pair": first.key, "state": "proposed"}, django_capture_on_commit_callbacks)
    assert "Nothing was changed" in page  # somebody dismissed it since this page was read
    send(ann, "merge", {"group": first.group, "state": "proposed"}, django_capture_on_commit_callbacks)
    merged = Case.objects.filter(project=project, merged_into__isnull=False).values_list("ord", flat=True)
    assert sorted(merged) == sorted(row.old for row in rest)
    send(ann, "undo", {"pair": rest[0].key}, django_capture_on_commit_callbacks)
    page = send(ann, "merge", {"group": first.group, "state": "dismissed"}, django_capture_on_commit_callbacks)
    assert "2 cases go on under their new names." in page
    assert [row.key for row in list_proposals(project, states=["proposed"])] == [rest[0].key]


def test_until_figures_are_counted_anew_the_pages_say_so(
    ann: Client, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: object
) -> None:
    """A broker that is away costs time, not truth: the sweeper sees to it."""
    monkeypatch.setattr("dashboard.tasks.rebuild.delay", fail_to_ring)
    project = a_click()
    said = "Renames were merged or undone just now."
    pages = (PAGE, "/p/click/runs/2/")
    assert not [page for page in pages if said in ann.get(page).text]
    (row,) = list_proposals(project)
    send(ann, "merge", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert [page for page in pages if said in ann.get(page).text] == [*pages]
    assert Run.objects.get(project=project, number=2).n_gone == 1
    monkeypatch.setattr(sweep, "ring_rebuild", lambda _project_id, **_kept: False)
    sweep.sweep()
    assert not [page for page in pages if said in ann.get(page).text]
    assert Run.objects.get(project=project, number=2).n_gone == 0
    assert not rebuild_if_due(project.pk)


def fail_to_ring(_project_id: int) -> None:
    raise OperationalError("the broker is away")


@pytest.mark.parametrize(
    "form",
    [{}, *({"pair": text} for text in ("", "1", "x-y", "99-98", f"{10**9}-1", "١-٢")), {"group": "x"}],
)
def test_a_form_that_names_nothing_changes_nothing(
    ann: Client, form: dict[str, object], django_capture_on_commit_callbacks: object
) -> None:
    a_click()
    page = send(ann, "merge", form, django_capture_on_commit_callbacks)
    assert "Nothing was changed" in page
    assert not Case.objects.filter(merged_into__isnull=False).exists()


def test_a_viewer_reads_and_has_no_buttons(ann: Client) -> None:
    project = a_click(role="viewer")
    (row,) = list_proposals(project)
    page = ann.get(PAGE).text
    assert "same class, name 82 % alike" in page
    assert "<button" not in page.partition("<main")[2].partition("</main>")[0]
    assert ann.post(f"{PAGE}merge/", {"pair": row.key}).status_code == 404


def test_another_project_s_pair_is_not_touched(ann: Client, django_capture_on_commit_callbacks: object) -> None:
    a_click()
    foreign = a_project("other")
    a_run(foreign, OLD, hour=0)
    a_run(foreign, OLD | {"x::y": "pass"}, hour=1)
    a_run(foreign, NEW | {"x::y": "pass"}, hour=2)
    (row,) = list_proposals(foreign)
    send(ann, "merge", {"pair": row.key}, django_capture_on_commit_callbacks)
    assert not Case.objects.filter(project=foreign, merged_into__isnull=False).exists()


def test_a_merged_case_leads_on_and_says_what_it_was_called(
    ann: Client, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    project = a_click()
    (row,) = list_proposals(project)
    send(ann, "merge", {"pair": row.key}, django_capture_on_commit_callbacks)
    rebuild_project(project.pk)
    answer = ann.get(f"/p/click/cases/{row.old}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/p/click/cases/{row.new}/")
    page = ann.get(f"/p/click/cases/{row.new}/").text
    assert '· formerly <bdi class="id">reads one user by name</bdi>' in page
    assert "Undo the merge" in page
    a_run(project, OLD | NEW, hour=2)
    page = ann.get(f"/p/click/cases/{row.new}/").text
    assert "two names that were merged into this case ran side by side" in page
    assert "Both names run in the newest job" in ann.get(PAGE).text
    Membership.objects.update(role="viewer")
    assert "Undo the merge" not in ann.get(f"/p/click/cases/{row.new}/").text


def test_every_pair_is_in_the_files(ann: Client) -> None:
    a_click()
    rows = list(csv.DictReader(StringIO(ann.get(f"{PAGE}?format=csv").text)))
    assert [(row["state"], row["old_name"], row["new_name"], row["run"]) for row in rows] == [
        ("proposed", "reads one user by name", "reads a user by name", "2")
    ]
    assert ann.get(f"{PAGE}?format=json").json()["rows"][0]["new_class"] == "t.a"


def test_without_renames_it_says_what_would_stand_here(ann: Client) -> None:
    a_project("click", owner=User.objects.get(username="ann"))
    page = ann.get(PAGE).text
    assert "<h1>No rename is waiting to be looked at.</h1>" in page
    assert "When tests vanish from a branch and similar ones appear in the same run" in page


@pytest.mark.parametrize("payload", ["<script>x</script>", '"><img src=x onerror=x>', "=cmd|' /C calc'!A0 and more"])
def test_hostile_names_are_text(
    ann: Client, payload: str, rebuilt: list[int], django_capture_on_commit_callbacks: object
) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_run(project, {f"{payload}::{payload} reads one user": "pass"}, hour=0)
    a_run(project, {f"{payload}::{payload} reads a user": "pass"}, hour=1)
    (row,) = list_proposals(project)
    for act in ("dismiss", "merge"):
        page = send(ann, act, {"pair": row.key}, django_capture_on_commit_callbacks)
        assert "<script>x" not in page
        assert "<img" not in page
    assert all(not line.startswith("=") for line in ann.get(f"{PAGE}?format=csv").text.split(","))
    page = ann.get(f"/p/click/cases/{row.new}/").text
    assert "<script>x" not in page


def test_an_unchanged_page_is_not_sent_again(ann: Client) -> None:
    project = a_click()
    tag = ann.get(PAGE).headers["ETag"]
    assert ann.get(PAGE, headers={"If-None-Match": tag}).status_code == 304
    (row,) = list_proposals(project)
    ann.post(f"{PAGE}dismiss/", {"pair": row.key})
    ann.get(PAGE)
    assert ann.get(PAGE, headers={"If-None-Match": tag}).status_code == 200

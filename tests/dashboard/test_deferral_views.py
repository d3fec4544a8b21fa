"""The page of an entry: its story for everybody, its forms for maintainers, both versions for the second writer."""

import csv
import re
from html import unescape
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client

from health.deferral_acts import change_entry
from health.models import Deferral, DeferralChange, DeferredCase, Membership, Project
from tests.builders import a_project, a_user
from tests.cause_scenes import open_page
from tests.dashboard.test_causes_views import write_plainly
from tests.deferral_scenes import REASON, a_backing, a_change, an_entry, find_ord, some_runs, some_spans

pytestmark = pytest.mark.django_db
HIDDEN = re.compile(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"')


@pytest.fixture
def project() -> Project:
    project = a_project("click", owner=a_user("ann"))
    Membership.objects.create(project=project, user=a_user("viv"), role="viewer")
    Membership.objects.create(project=project, user=a_user("max"), role="maintainer")
    some_runs(project)
    Deferral.objects.filter(project=project).delete()
    return project


@pytest.fixture
def ann(client: Client, project: Project) -> Client:
    client.force_login(User.objects.get(username="max"))
    return client


def address(entry: Deferral, act: str = "") -> str:
    return f"/p/click/deferred/{entry.pk}/{act}"


def read_hidden(page: str) -> dict[str, str]:
    """What the form to correct an entry sends along: its version, and what each field showed."""
    form = page.partition('class="form entry"')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in HIDDEN.findall(form) if name != "csrfmiddlewaretoken"}


def fill(page: str, **touched: str) -> dict[str, str]:
    """The form of a page as a browser sends it, with some fields written over."""
    hidden = read_hidden(page)
    shown = {name.removeprefix("was-"): value for name, value in hidden.items() if name.startswith("was-")}
    return hidden | shown | touched


def main_of(page: str) -> str:
    return page.partition("<main")[2].partition("</main>")[0]


def test_it_tells_the_whole_story(ann: Client, project: Project) -> None:
    some_spans(project)
    entry = an_entry(project, backing=a_backing(project, named=["unit*", "Task #72"]), n_openings=2, issue="#123")
    a_change(
        entry, days=4, actor="bob", action="edited", fields=["owner"], before={"owner": ""}, after={"owner": "bob"}
    )
    page = open_page(ann, address(entry))
    plain = write_plainly(page)
    assert "<h1>This test has been skipped since 2 Mar 2026:" in page
    assert "Put off for the second time: it ran in between, from run 2 until run 3." in plain
    assert "Nobody has accepted that yet." in plain
    assert "CI results since run 1 · one source: nobody else speaks of it" in plain
    assert "So since run 3" in plain
    assert "gone unit3" in plain
    assert "flaky unit0" in plain
    assert "names no tests that can be looked up" in plain
    assert "backed → weakened" in plain
    assert "Owner: nothing → bob" in plain
    assert "Accept as it is now" in page


def test_a_viewer_reads_it_and_has_no_forms(client: Client, project: Project) -> None:
    entry = an_entry(project, backing=a_backing(project, named=["unit*"]), n_openings=2, written={"owner": "x"})
    client.force_login(User.objects.get(username="viv"))
    page = main_of(open_page(client, address(entry)))
    assert "<form" not in page
    assert "#decide" not in page
    for act in ("edit", "reset", "release", "accept", "accept-gone"):
        assert (
            client.post(address(entry, f"{act}/"), {"version": 1, "owner": "viv", "was-owner": ""}).status_code == 404
        )
    assert client.get("/p/click/deferred/add/").status_code == 404
    assert Deferral.objects.get(pk=entry.pk).version == 1


def test_an_entry_is_corrected(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    form = fill(open_page(ann, address(entry)), owner="bob", review="2026-12-24", reason="")
    response = ann.post(address(entry, "edit/"), form, follow=True)
    assert response.redirect_chain == [(address(entry), 302)]
    assert "The entry was changed." in response.text
    entry.refresh_from_db()
    assert (entry.owner, str(entry.review_on), entry.reason) == ("bob", "2026-12-24", "")
    assert entry.written == {"owner": "bob", "review": "2026-12-24", "reason": ""}
    assert "No reason is given." in response.text
    assert "CI says:" in response.text
    again = ann.post(address(entry, "edit/"), form, follow=True)
    assert "Nothing was changed: it says so already." in again.text
    assert DeferralChange.objects.filter(deferral=entry, action="edited").count() == 1


def test_what_a_person_wrote_is_given_back(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    ann.post(address(entry, "edit/"), fill(open_page(ann, address(entry)), reason="slow"))
    page = ann.post(address(entry, "reset/"), {"version": 2, "field": "reason"}, follow=True).text
    assert "What CI and the file say holds again." in page
    entry.refresh_from_db()
    assert (entry.reason, entry.written) == (REASON, {})
    for field in ("nonsense", "", "reason"):
        page = ann.post(address(entry, "reset/"), {"version": 3, "field": field}, follow=True).text
        assert "Nothing was changed" in page


def test_the_second_writer_sees_both_versions_and_loses_nothing(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    alike = an_entry(project, "grid[0]")
    mine = fill(open_page(ann, address(entry)), owner="max", phase="Phase 2") | {"also": "reason"}
    bob = a_user("bob")
    change_entry(project.pk, entry.pk, version=1, changes={"owner": "bob", "issue": "#9"}, user=bob)
    response = ann.post(address(entry, "edit/"), mine)
    assert response.status_code == 409
    plain = write_plainly(response.text)
    assert "bob changed this entry after you opened it. Nothing of yours was written yet." in plain
    assert "Owner bob max" in plain
    assert "Phase nothing Phase 2" in plain
    assert "Issue #9 you did not change it" in plain
    entry.refresh_from_db()
    assert (entry.owner, entry.issue, entry.phase, entry.version) == ("bob", "#9", "", 2)
    page = response.text
    assert 'id="id_owner" value="max"' in page
    assert 'id="id_issue" value="#9"' in page
    assert 'value="reason" checked' in page
    assert Deferral.objects.get(pk=alike.pk).version == 1
    form = read_hidden(page)
    assert form["version"] == "2"
    shown = {name.removeprefix("was-"): value for name, value in form.items() if name.startswith("was-")}
    again = ann.post(address(entry, "edit/"), form | shown | {"owner": "max", "phase": "Phase 2"})
    assert again.status_code == 302
    entry.refresh_from_db()
    assert (entry.owner, entry.issue, entry.phase, entry.version) == ("max", "#9", "Phase 2", 3)


def test_what_ci_changed_meanwhile_is_not_taken_for_mine(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    form = fill(open_page(ann, address(entry)), owner="max")
    read = {"kind": "skip", "reason": "another"}
    Deferral.objects.filter(pk=entry.pk).update(reason="another", read=read)
    assert ann.post(address(entry, "edit/"), form).status_code == 302
    entry.refresh_from_db()
    assert (entry.written, entry.reason) == ({"owner": "max"}, "another")


@pytest.mark.parametrize("version", ["", "x", "-1", "9" * 30, "0", "7"])
def test_a_form_without_its_version_is_a_conflict(ann: Client, project: Project, version: str) -> None:
    entry = an_entry(project)
    form = fill(open_page(ann, address(entry)), owner="max", version=version)
    assert ann.post(address(entry, "edit/"), form).status_code == 409
    assert Deferral.objects.get(pk=entry.pk).written == {}


def test_a_refused_form_comes_back_as_it_was_sent(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    form = fill(open_page(ann, address(entry)), owner="<b>max</b>", review="soon")
    response = ann.post(address(entry, "edit/"), form)
    assert response.status_code == 422
    assert "That is no date. Write it as 2026-12-01." in response.text
    assert 'value="&lt;b&gt;max&lt;/b&gt;"' in response.text
    assert 'value="soon"' in response.text
    assert "<details open>" in response.text
    assert Deferral.objects.get(pk=entry.pk).written == {}


def test_a_change_for_all_of_a_family(ann: Client, project: Project) -> None:
    entry, relative = an_entry(project, "grid[0]"), an_entry(project, "grid[1]", reason="x", read={"reason": "x"})
    other = an_entry(project)
    page = open_page(ann, address(entry))
    assert "Also for the other 1 entry of" in page
    response = ann.post(address(entry, "edit/"), fill(page, owner="team") | {"also": ["family"]}, follow=True)
    assert "Two entries were changed." in response.text
    owners = {one.pk: one.owner for one in Deferral.objects.filter(project=project)}
    assert owners == {entry.pk: "team", relative.pk: "team", other.pk: ""}


def test_acts_on_an_older_version_show_it_as_it_is_now(ann: Client, project: Project) -> None:
    entry = an_entry(project, n_openings=2)
    change_entry(project.pk, entry.pk, version=1, changes={"owner": "bob"}, user=a_user("bob"))
    response = ann.post(address(entry, "accept/"), {"version": 1})
    assert response.status_code == 409
    assert "Nothing was changed: bob changed the entry on" in response.text
    assert Deferral.objects.get(pk=entry.pk).n_accepted == 1
    page = ann.post(address(entry, "accept/"), {"version": 2}, follow=True).text
    assert "Noted: it may be put off this time." in page
    assert "Nobody has accepted" not in page
    assert "Nothing was changed" in ann.post(address(entry, "accept/"), {"version": 2}, follow=True).text


def test_a_pattern_of_a_file_is_changed_in_the_file(ann: Client, project: Project) -> None:
    entry = an_entry(
        project, pattern="unit*", origin="file", written={"owner": "x", "file": ".suitewatch.yml", "line": 12}
    )
    DeferredCase.objects.create(project=project, deferral=entry, ord=find_ord(project, "unit1"))
    page = main_of(open_page(ann, address(entry)))
    assert '<span class="id">.suitewatch.yml</span> line 12' in page
    assert "<form" not in page
    response = ann.post(address(entry, "edit/"), {"version": 1, "owner": "max", "was-owner": "x"}, follow=True)
    assert "is changed in the file" in response.text
    assert Deferral.objects.get(pk=entry.pk).written["owner"] == "x"


def test_what_a_report_wrote_stays_text(ann: Client, project: Project) -> None:
    hostile = "<script>alert(1)</script>\u202e\"'&"
    entry = an_entry(
        project, reason=hostile, owner=hostile, issue=f"javascript:{hostile}", precedent=hostile, phase=hostile,
        read={"reason": f"other {hostile}", "owner": hostile}, written={"reason": hostile, "owner": hostile},
        backing=a_backing(project, named=[hostile], code=[hostile]),
    )  # fmt: skip
    a_change(entry, actor=hostile, action=hostile, fields=["owner"], before={"owner": hostile}, after={})
    page = open_page(ann, address(entry))
    assert "<script>alert" not in page
    assert 'href="javascript' not in page
    form = fill(page, phase="p")
    Deferral.objects.filter(pk=entry.pk).update(version=5, owner="o")
    conflict = ann.post(address(entry, "edit/"), form | {"owner": hostile + "x"})
    assert conflict.status_code == 409
    assert "<script>alert" not in conflict.text


def test_an_address_of_an_issue_is_a_link_that_tells_nothing(ann: Client, project: Project) -> None:
    page = open_page(ann, address(an_entry(project, issue="https://issues.example/1?a=b&c")))
    assert '<a href="https://issues.example/1?a=b&amp;c" rel="noopener noreferrer">' in page


def test_secrets_in_reasons_are_masked(ann: Client, project: Project) -> None:
    entry = an_entry(project, reason="password=hunter2hunter2 is wrong", written={"reason": "x"})
    a_change(entry, action="reason", fields=["reason"], before={"reason": "password=hunter2hunter2"}, after={})
    page = open_page(ann, address(entry))
    assert "hunter2" not in page
    assert "What looks like a secret is masked." in page
    for table in ("backing", "history"):
        assert "hunter2" not in ann.get(f"{address(entry)}?format=json&table={table}").text


def test_its_tables_are_files(ann: Client, project: Project) -> None:
    entry = an_entry(project, backing=a_backing(project, named=["unit*"]))
    a_change(entry, days=1, actor="ann", action="edited", fields=["owner", "phase"], after={"owner": "ann"})
    rows = list(csv.DictReader(StringIO(ann.get(f"{address(entry)}?format=csv&table=backing").text)))
    assert [(row["name"], row["state"], row["run"]) for row in rows][:2] == [
        ("unit3", "gone", ""),
        ("unit0", "flaky", "3"),
    ]
    rows = ann.get(f"{address(entry)}?format=json&table=history").json()["rows"]
    assert [(row["actor"], row["what"], row["field"], row["after"]) for row in rows] == [
        ("ann", "changed it", "Owner", "ann"),
        ("ann", "changed it", "Phase", "nothing"),
        ("", "put off", "", ""),
    ]
    told = ann.get(f"/api/v1/projects/click/deferred/{entry.pk}").json()["data"]
    assert (told["entry"]["kind"], told["backing"]["state"], told["branch"]) == ("skip", "weakened", "main")
    assert ann.get("/api/v1/projects/click/deferred/99999").status_code == 404


def test_an_unchanged_page_is_not_sent_again(ann: Client, project: Project) -> None:
    entry = an_entry(project)
    tag = ann.get(address(entry)).headers["ETag"]
    assert ann.get(address(entry), headers={"if-none-match": tag}).status_code == 304
    ann.post(address(entry, "edit/"), {"version": 1, "owner": "max", "was-owner": ""}, follow=True)
    assert ann.get(address(entry), headers={"if-none-match": tag}).status_code == 200


def test_an_entry_of_another_project_does_not_exist_here(ann: Client, project: Project) -> None:
    foreign = a_project("other")
    some_runs(foreign, n=1)
    Deferral.objects.filter(project=foreign).delete()
    entry = an_entry(foreign)
    assert ann.get(address(entry)).status_code == 404
    for act in ("edit", "reset", "release", "accept", "accept-gone"):
        assert ann.post(address(entry, f"{act}/"), {"version": 1, "owner": "x"}).status_code == 404

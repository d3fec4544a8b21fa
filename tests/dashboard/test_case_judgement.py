"""The verdict on a case's page: rate and evidence in each series, epochs, vanished, slower."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dashboard.queries.case import read_case_page
from dashboard.queries.case_judgement import Judgement
from health.fixes import claim_fix
from health.judging import judge_project
from health.models import AuditEntry, CaseSpeed, FixClaim, Membership, Project
from tests.builders import a_project, a_user
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

PAGE = "/p/click/cases/2/"


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_history(*words: str, role: str = "maintainer") -> Project:
    """The project `click` in which case 2 ended so, run by run, and is missing where the word is empty."""
    project = a_project("click")
    for user in User.objects.filter(username="ann"):
        Membership.objects.create(project=project, user=user, role=role)
    for hour, word in enumerate(words):
        cases = green(8, case2=word or "pass")
        if not word:
            del cases["tests.api::case2"]
        a_run(project, cases, hour=hour)
    judge_project(project.pk)
    return project


def read(project: Project, number: int = 2) -> Judgement:
    page = read_case_page(Project.objects.get(pk=project.pk), number=number)
    assert page is not None
    return page.judgement


def test_a_flaky_case_says_so_with_its_rate_and_its_evidence(ann: Client) -> None:
    project = a_history("pass", "fail", "pass", "fail", "pass", "pass")
    (verdict,) = read(project).verdicts
    assert (verdict.word, verdict.rate, verdict.series) == (
        "flaky",
        "2 of 6 runs, 33\u00a0%; 9 to 71\u00a0% with 95\u00a0% confidence",
        "tests",
    )
    assert [proof.told for proof in verdict.evidence.proofs] == ["broke, recovered and broke again once"]
    page = ann.get(PAGE).text
    assert "2 of 6 runs, 33\u00a0%; 9 to 71\u00a0% with 95\u00a0% confidence" in page
    assert "Say which commit fixed it" in page
    in_matrix = "/p/click/matrix/?branch=main&amp;search=case2&amp;path=tests.api"
    assert f'href="{in_matrix}"' in page
    assert 'href="../cases/2/"' in ann.get(in_matrix.replace("&amp;", "&")).text


def test_a_case_that_always_passed_has_a_rate_too() -> None:
    (verdict,) = read(a_history("pass", "pass", "pass"), number=1).verdicts
    assert (verdict.mark, verdict.word, verdict.rate) == (
        "pass",
        "never broke",
        "0 of 3 runs, 0\u00a0%; 0 to 57\u00a0% with 95\u00a0% confidence",
    )


def test_what_broke_and_was_not_judged_yet_is_not_said_to_be_sound() -> None:
    project = a_history("pass", "pass")
    a_run(project, green(8, case2="fail"), hour=5)
    assert read(project).verdicts == ()


def test_each_series_of_the_branch_has_its_own() -> None:
    project = a_project("click")
    for hour in range(6):
        a_run(project, green(case2="fail" if hour in (1, 3) else "pass"), hour=hour, variant="a", run_id=f"r{hour}")
        a_run(project, green(), hour=hour, variant="b", run_id=f"r{hour}")
    judge_project(project.pk)
    assert {verdict.series: verdict.word for verdict in read(project).verdicts} == {
        "tests, a": "flaky",
        "tests, b": "never broke",
    }


def test_a_vanished_case_says_since_when(ann: Client) -> None:
    project = a_history("pass", "pass", "")
    (lost,) = read(project).lost
    assert (lost.word, lost.last_run, lost.gone_run) == ("deselected or removed", 2, 3)
    page = ann.get(PAGE).text
    assert 'not in tests since <a href="/p/click/runs/3/#gone">run 3</a>' in page
    assert 'href="/p/click/vanished/"' in page


def test_a_slower_case_says_by_how_much(ann: Client) -> None:
    project = a_history("pass")
    CaseSpeed.objects.filter(project=project, ord=2).delete()
    CaseSpeed.objects.create(
        project=project, series=1, ord=2, n=9, median=90_000, n_before=20, median_before=20_000, is_slower=True
    )
    assert [slower.told for slower in read(project).slower] == [
        "It takes 900\u00a0ms, the median of its newest 9 results, after 200\u00a0ms in the 20 before."
    ]
    assert "All that became slower" in ann.get(PAGE).text


def test_a_fix_is_claimed_and_withdrawn_on_the_page(ann: Client) -> None:
    project = a_history("fail", "pass", "fail", "pass", "pass", "pass", "pass")
    form = {"commit": f"{5:040x}", "note": "closed the handle <b>"}
    page = ann.post(f"{PAGE}fixed/", form, follow=True).text
    assert "Noted. What runs from that commit on is counted by itself." in page
    claim = FixClaim.objects.get(project=project)
    assert (claim.ord, claim.run, claim.claimed_by) == (2, 5, "ann")
    assert not judge_project(project.pk)  # the page was not answered before that was done
    assert "Before the claim" in page
    assert "2 of 4 runs, 50\u00a0%; 15 to 85\u00a0% with 95\u00a0% confidence" in page
    assert "If nothing had changed, 3 silent runs would happen by luck in 12 of 100 cases." in page
    assert "closed the handle &lt;b&gt;" in page
    page = ann.post(f"{PAGE}fixed/withdraw/", {"claim": claim.pk}, follow=True).text
    assert "The claim is withdrawn. All runs count again." in page
    assert "Before the claim" not in page
    assert not judge_project(project.pk)
    assert "Nothing was changed" in ann.post(f"{PAGE}fixed/withdraw/", {"claim": claim.pk}, follow=True).text
    actions = AuditEntry.objects.filter(project=project).order_by("id").values_list("action", "actor")
    assert list(actions) == [("fix.claimed", "ann"), ("fix.withdrawn", "ann")]


@pytest.mark.parametrize("commit", ["", "no", "<script>", "\x00", "12345", "٣٣٣٣٣٣٣"])
def test_what_names_no_commit_is_refused_in_words(ann: Client, commit: str) -> None:
    a_history("fail", "pass")
    page = ann.post(f"{PAGE}fixed/", {"commit": commit}, follow=True).text
    assert "That names no commit" in page
    assert not FixClaim.objects.exists()


@pytest.mark.parametrize("claim", ["", "x", "-1", "٣", "9" * 30])
def test_a_claim_that_is_none_is_not_withdrawn(ann: Client, claim: str) -> None:
    a_history("fail", "pass")
    assert "Nothing was changed" in ann.post(f"{PAGE}fixed/withdraw/", {"claim": claim}, follow=True).text


def test_a_claim_about_another_case_or_project_is_left_alone(ann: Client) -> None:
    project, foreign = a_history("fail", "pass"), a_project("other")
    a_run(foreign, green(), hour=0)
    bob = a_user("bob")
    claims = [
        claim_fix(project.pk, ord=1, commit="abcdef1", user=bob),
        claim_fix(foreign.pk, ord=2, commit="abcdef1", user=bob),
    ]
    for claim in claims:
        ann.post(f"{PAGE}fixed/withdraw/", {"claim": claim.pk})
    assert FixClaim.objects.filter(withdrawn_at=None).count() == 2
    assert ann.post("/p/click/cases/99/fixed/", {"commit": "abcdef1"}).status_code == 404


def test_a_viewer_reads_and_claims_nothing(ann: Client) -> None:
    a_history("pass", "fail", "pass", "fail", "pass", "pass", role="viewer")
    page = ann.get(PAGE).text
    assert "flaky" in page
    assert "Say which commit fixed it" not in page
    assert ann.post(f"{PAGE}fixed/", {"commit": "abcdef1"}).status_code == 404


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n_runs in (6, 40):
        project = a_project()
        for hour in range(n_runs):
            a_run(project, green(case2="fail" if hour in (1, 3) else "pass"), hour=hour)
        claim_fix(project.pk, ord=2, commit=f"{3:040x}", user=a_user())
        judge_project(project.pk)
        with counted_statements() as sent:
            assert read(project).epochs
        costs.append(len(sent))
    assert costs[0] == costs[1]

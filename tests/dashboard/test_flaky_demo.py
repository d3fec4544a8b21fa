"""What the pages say of the recorded history of click: ten runs of one commit, and thirty others.

The recordings' own index lies beside the repository; where it is missing, what it says is still tested from a small
history that was made here.
"""

import json
from collections import Counter

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from dashboard.filters import Filters
from dashboard.queries.flaky import Family, read_flaky
from dashboard.queries.flaky_sentences import write_flaky
from health.judging import judge_project
from health.models import Membership, Project, Run
from tests.builders import a_project, a_user
from tests.recordings import DEMO, load_recordings
from tests.scenes import a_run, green

MANIFEST = DEMO.parent.parent / "shared" / "samples" / "MANIFEST.json"
COMMIT, FAMILY, PLACE = "d1a80aa9", "test_echo_via_pager", "tests.test_utils"

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def let_in(project: Project) -> None:
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role="viewer")


def count_failures_in_repeats(project: Project) -> Counter[str]:
    """How often each case broke in the runs that repeat one commit, by class and name."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT c.class_name || '::' || c.name, count(*) FROM health_result r
            JOIN health_run n ON n.project_id = r.project_id AND n.number = r.run
            JOIN health_case c ON c.project_id = r.project_id AND c.ord = r.ord
            WHERE r.project_id = %s AND starts_with(n.commit, %s) AND n.external_id LIKE '%%repeat%%'
              AND r.outcome IN (2, 3) GROUP BY 1
            """,
            (project.pk, COMMIT),
        )
        return Counter(dict(cursor.fetchall()))


def tell(family: Family) -> str:
    return " ".join(
        proof.told + "".join(link.text + link.told for link in proof.links) for proof in family.evidence.proofs
    )


def test_click_s_flaky_family_is_named_for_what_it_is(ann: Client) -> None:
    project = load_recordings("click")
    let_in(project)

    page = read_flaky(project, Filters(state="flaky"))
    (family,) = page.families
    assert (family.case.place, family.case.family, family.n_cases) == (PLACE, FAMILY, 11)
    assert write_flaky(page) == (
        f"No test that still runs is flaky on main; eleven were until run 37, all of them cases of {FAMILY}."
    )
    # The ten repeats, of which eight broke, and the run that they repeat.
    assert tell(family).startswith(f"passed and broke on one commit, {COMMIT}: 9 of its 11 runs broke")
    assert all(member.judged.n_disagreed == 1 and member.judged.verdict == "flaky" for member in family.members)

    shown = ann.get("/p/click/flaky/").text
    assert 'last ran in <a href="/p/click/runs/37/">run 37</a>, then vanished' in shown
    assert f'<bdi class="id">{FAMILY}</bdi><span class="id">[…]</span>' in shown
    assert f'class="id">{COMMIT}</a>: 9 of its 11 runs broke' in shown
    assert '<bdi class="id">test_echo_via_pager[test6-<span class="unseen">␣</span>cat' in shown
    assert "25 of 387 results, 6\u00a0%; 4 to 10\u00a0% with 95\u00a0% confidence" in shown

    check_the_single_failure_of_april(ann, project)

    counted = count_failures_in_repeats(project)
    assert set(counted) == {f"{PLACE}::{member.case.name}" for member in family.members}
    if not MANIFEST.exists():
        pytest.skip("compared with its own index only where the recordings lie beside the repository")
    recorded = json.loads(MANIFEST.read_text(encoding="utf-8"))["flaky_set"]
    assert counted == recorded["failures_per_test"]
    repeats = Run.objects.filter(project=project, external_id__contains="repeat")
    assert (repeats.count(), repeats.filter(n_failed__gt=0).count()) == (
        recorded["runs"],
        recorded["runs_with_failures"],
    )


def check_the_single_failure_of_april(ann: Client, project: Project) -> None:
    """The run of 12 April 2025 broke one test: new against the run before, with what it said."""
    run = Run.objects.get(project=project, ran_at__date="2025-04-12")
    assert (run.n_failed, run.n_errored, run.n_new, run.n_still) == (1, 0, 1, 0)
    shown = ann.get(f"/p/click/runs/{run.number}/").text
    assert f"<h1>One test broke that did not in run {run.number - 1}.</h1>" in shown
    failures = shown.partition('id="failures"')[2].partition("</section>")[0]
    assert f"{FAMILY}[test5]" in failures
    assert ">new failure</span>" in failures
    assert "AssertionError: Unexpected pager output in test case" in failures
    assert "assert &#x27;test&#x27; == None" in failures


def test_ten_runs_of_one_commit_are_evidence_enough(ann: Client) -> None:
    """The same from a history made here: eight of ten repeats break, each in other parameters of one function."""
    project = a_project("click")
    let_in(project)
    names = ["test6- cat ", "test6- less", "test5-cat", "test5-less"]
    broken = {1: [0, 1], 2: [0], 3: [1], 4: [2], 5: [0, 3], 6: [1], 8: [2], 9: [3]}
    for hour in range(11):
        words = {
            f"{PLACE}::{FAMILY}[{name}]": "fail" if place in broken.get(hour, ()) else "pass"
            for place, name in enumerate(names)
        }
        a_run(project, green(20) | words, hour=hour, commit=COMMIT * 5, run_id=f"r{hour}_repeat")
    judge_project(project.pk)
    (family,) = read_flaky(project, Filters()).families
    assert (family.word, family.n_cases, family.rate) == (
        "flaky",
        4,
        "10 of 44 results, 23\u00a0%; 12 to 37\u00a0% with 95\u00a0% confidence",
    )
    assert tell(family).startswith(f"passed and broke on one commit, {COMMIT}: 8 of its 11 runs broke")
    assert sum(count_failures_in_repeats(project).values()) == 10
    assert f"{FAMILY}</bdi>" in ann.get("/p/click/flaky/").text

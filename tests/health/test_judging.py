"""The law of conclusions: whatever came in whatever order, they are what judging everything anew gives."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health import deferred_spans, judging, vanishing, windows
from health.judging import find_unjudged_projects, judge_project
from health.models import (
    Case,
    CaseSpeed,
    CaseVerdict,
    CauseCount,
    DeferredSpan,
    Job,
    Project,
    Run,
    Series,
    SeriesWindow,
    Upload,
    VanishedCase,
)
from health.rebuild import delete_run, delete_upload, rebuild_project
from health.sql import open_cursor
from health.unjudged import forget_project
from tests.builders import FIRST_MOMENT, a_project, an_upload

pytestmark = pytest.mark.django_db

CONCLUSIONS = (SeriesWindow, CaseVerdict, VanishedCase, CaseSpeed, CauseCount, DeferredSpan)


def picture(project: Project) -> dict[str, Any]:
    """All conclusions, under names that do not depend on the order in which numbers were given."""
    runs: dict[int | None, str] = {run.number: run.external_id for run in Run.objects.filter(project=project)}
    series = {s.number: (s.job, s.variant, s.lane) for s in Series.objects.filter(project=project)}
    cases = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    found: dict[str, Any] = {}
    for model in CONCLUSIONS:
        for row in model.objects.filter(project=project):
            facts = {name: value for name, value in vars(row).items() if name not in ("_state", "project_id")}
            for name in ("run", "first_run", "last_run", "last_broken_run", "gone_run", "ended_run"):
                if name in facts:
                    facts[name] = runs.get(facts[name])
            for name in ("ord", "other"):
                if name in facts:
                    facts[name] = cases.get(facts[name])
            facts["series"] = series[facts["series"]]
            key = tuple(str(facts.get(name)) for name in ("series", "ord", "run", "fingerprint", "first_run"))
            found[f"{model.__name__} {key}"] = facts
    return found


def judge_anew(project: Project) -> dict[str, Any]:
    """What is concluded when nothing was before."""
    for model in CONCLUSIONS:
        model.objects.filter(project=project).delete()
    forget_project(open_cursor(), project.pk)
    judge_project(project.pk)
    return picture(project)


def verdict_of(project: Project, name: str = "a", *, lane: str = "main") -> str | None:
    case = Case.objects.get(project=project, name=name)
    series = Series.objects.get(project=project, lane=lane)
    row = CaseVerdict.objects.filter(project=project, series=series.number, ord=case.ord).first()
    return row.verdict if row else None


def store_line(project: Project, marks: str, **metadata: Any) -> None:
    """One run for each mark of the case `a`, beside a case that always passes."""
    words = {".": "pass", "F": "fail", "E": "error", "r": "retry", "s": "skip"}
    for mark in marks:
        cases = {"b": "pass"} if mark == " " else {"a": words[mark], "b": "pass"}
        an_upload(project, cases, **metadata)


# --- any history -----------------------------------------------------------------------------------------------

outcome_words = st.sampled_from(["pass", "pass", "pass", "fail", "error", "skip", "retry"])
places = st.sampled_from(
    [
        {"branch": "main"},
        {"branch": "main"},
        {"branch": "main", "variant": "py3.13"},
        {"branch": "feature", "pull_request": "7"},
        {"branch": "other"},
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Uploads of some runs: shards, attempts, cut files, commits that ran twice, a commit that is told late."""
    found = []
    for run in range(draw(st.integers(1, 9))):
        place, hour = draw(places), draw(st.integers(0, 200))
        committed = draw(st.sampled_from([None, None, 3, 30, 90]))
        for _ in range(draw(st.sampled_from([1, 1, 1, 2]))):
            cases = draw(st.dictionaries(st.sampled_from(["t.x::a", "t.x::b", "t.y::c", "t.z::d"]), outcome_words))
            metadata = {
                **place,
                "run_id": str(run),
                "commit": draw(st.sampled_from([f"{run // 2:08x}", ""])),
                "attempt": draw(st.sampled_from([1, 1, 2])),
                "ran_at": FIRST_MOMENT + timedelta(hours=hour, minutes=run),
                "committed_at": committed and FIRST_MOMENT + timedelta(hours=committed),
                "state": draw(st.sampled_from(["stored", "stored", "stored", "partial"])),
                "seconds": draw(st.sampled_from([0.01, 0.3])),
            }
            found.append((cases, metadata))
    return draw(st.permutations(found))


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of three runs, so that a few uploads outlive them; and so many of them that one look is not enough."""
    monkeypatch.setattr(windows.list_window, "__kwdefaults__", {"limit": 3})
    monkeypatch.setattr(vanishing, "N_JOBS", 3)
    monkeypatch.setattr(deferred_spans, "N_JOBS", 3)
    monkeypatch.setattr(judging, "_JOBS_AT_ONCE", 2)


many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(found=histories(), data=st.data())
def test_any_history_ends_in_what_judging_anew_gives(short_windows: None, found: Any, data: Any) -> None:
    project = a_project()
    for cases, metadata in found:
        an_upload(project, cases, **metadata)
        if data.draw(st.booleans()):
            judge_project(project.pk)
    if data.draw(st.booleans()):
        gone = data.draw(st.sampled_from(list(Upload.objects.filter(project=project).order_by("id"))))
        delete_upload(project.pk, gone.pk)
    judge_project(project.pk)
    arrived = picture(project)
    assert not Job.objects.filter(project=project, is_judged=False).exists()
    assert arrived == judge_anew(project)
    rebuild_project(project.pk)
    assert picture(project) == arrived


@settings(many, max_examples=25)
@given(found=histories(), random=st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(short_windows: None, found: Any, random: Any) -> None:
    # Who renamed what is a guess from what was there when it came, and is no conclusion.
    cases = [({name: word for name, word in said.items() if name == "t.x::a"}, metadata) for said, metadata in found]
    first, second = a_project(), a_project()
    shuffled = cases[:]
    random.shuffle(shuffled)
    for project, line in ((first, cases), (second, shuffled)):
        for said, metadata in line:
            an_upload(project, said, **metadata)
            judge_project(project.pk)
    commits = [(m["run_id"], m["commit"], m["committed_at"]) for _, m in cases]
    if len(set(commits)) == len({run for run, _, _ in commits}):  # else the first that came says it
        assert picture(first) == picture(second)


# --- the rules, from the upload --------------------------------------------------------------------------------


def test_a_case_that_breaks_again_and_again_is_flaky_and_one_that_stays_broken_is_broken() -> None:
    flaky, broken = a_project(), a_project()
    store_line(flaky, "..F..F.")
    store_line(broken, ".....FFFF")
    for project in (flaky, broken):
        assert judge_project(project.pk)
    assert verdict_of(flaky) == "flaky"
    assert verdict_of(broken) == "broken"
    row = CaseVerdict.objects.get(project=broken)
    assert (row.n_ran, row.n_broken, row.n_streak, row.last_run, row.last_broken_run) == (9, 4, 4, 9, 9)


def test_one_broken_branch_makes_no_case_flaky() -> None:
    project = a_project()
    store_line(project, "......")
    for mark in "F.F.F.F":
        store_line(project, mark, branch="bad")
        store_line(project, ".", branch="good")
    judge_project(project.pk)
    assert verdict_of(project) is None
    assert verdict_of(project, lane="changes") in ("sound", "unclear")


def test_a_mass_failure_leaves_verdicts_alone() -> None:
    project = a_project()
    many_cases = [f"c{number}" for number in range(10)]
    for broken in ([], [], many_cases[:5], [], [], many_cases[:5], []):
        an_upload(project, {name: "fail" if name in broken else "pass" for name in many_cases})
    judge_project(project.pk)
    assert not CaseVerdict.objects.filter(project=project).exists()
    window = SeriesWindow.objects.get(project=project)
    assert (window.n_runs, window.n_excluded, window.n_cases) == (7, 2, 10)


def test_a_case_became_slower() -> None:
    project = a_project()
    for seconds in [0.2] * 20 + [0.9] * 10:
        an_upload(project, {"a": "pass"}, seconds=seconds)
    judge_project(project.pk)
    row = CaseSpeed.objects.get(project=project)
    assert (row.n, row.n_before, row.is_slower) == (10, 20, True)
    assert (row.median, row.median_before) == (pytest.approx(90_000, rel=1e-3), pytest.approx(20_000, rel=1e-3))


def test_a_commit_that_becomes_known_late_counts_for_the_other_jobs_of_its_run() -> None:
    project = a_project()
    store_line(project, "...")
    an_upload(project, {"a": "fail"}, run_id="x", commit="c0ffee0")
    an_upload(project, {"a": "pass"}, run_id="y", commit="")
    judge_project(project.pk)
    assert verdict_of(project) == "sound"
    an_upload(project, {"z": "pass"}, run_id="y", commit="c0ffee0", job="other")
    judge_project(project.pk)
    row = CaseVerdict.objects.get(project=project)
    assert (row.verdict, row.n_disagreed) == ("flaky", 1)


def test_what_stopped_running_takes_no_time_any_more() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass"})
    an_upload(project, {"b": "pass"}, shard="1/2")  # the other part may have it
    judge_project(project.pk)
    assert set(CaseSpeed.objects.filter(project=project).values_list("ord", flat=True)) == {0, 1}
    an_upload(project, {"b": "pass"})
    judge_project(project.pk)
    assert list(CaseSpeed.objects.filter(project=project).values_list("ord", flat=True)) == [1]
    assert VanishedCase.objects.filter(project=project, ord=0).exists()


def test_a_case_of_other_branches_takes_its_time() -> None:
    project = a_project()
    an_upload(project, {"a": "pass", "b": "pass"}, branch="feature")
    an_upload(project, {"b": "pass"}, branch="other")
    judge_project(project.pk)
    assert CaseSpeed.objects.filter(project=project).count() == 2


# --- when and how much -----------------------------------------------------------------------------------------


def test_nothing_new_is_nothing_to_do() -> None:
    project = a_project()
    assert not judge_project(project.pk)
    store_line(project, "..")
    assert judge_project(project.pk)
    revision = Project.objects.get(pk=project.pk).revision
    assert not judge_project(project.pk)
    assert Project.objects.get(pk=project.pk).revision == revision


def test_unjudged_projects_are_found() -> None:
    project, other = a_project(), a_project()
    store_line(project, ".")
    store_line(other, ".")
    judge_project(other.pk)
    assert find_unjudged_projects(open_cursor()) == [project.pk]


def test_rows_that_stay_as_they_are_are_not_written() -> None:
    project = a_project()
    store_line(project, "." * 60)
    judge_project(project.pk)
    speeds = "SELECT xmin::text, ord FROM health_casespeed ORDER BY ord"
    with connection.cursor() as cursor:
        cursor.execute(speeds)
        before = cursor.fetchall()
        store_line(project, ".")
        judge_project(project.pk)
        cursor.execute(speeds)
        assert cursor.fetchall() == before


def test_others_may_have_the_project_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many jobs the newest are judged first; who takes the lock in between leaves the others to the next call."""
    project = a_project()
    store_line(project, "..F..F.")
    store_line(project, "..", branch="feature")
    monkeypatch.setattr(judging, "_JOBS_AT_ONCE", 3)
    try_lock, answers = judging.try_lock_project, [True, False, True, True, True, True]
    monkeypatch.setattr(judging, "try_lock_project", lambda *args: try_lock(*args) and answers.pop(0))
    assert judge_project(project.pk)
    left = Job.objects.filter(project=project, is_judged=False).order_by("run")
    assert list(left.values_list("run", flat=True)) == [1, 2, 3, 4, 8, 9]
    assert verdict_of(project) == "flaky"  # drawn from the whole window
    assert judge_project(project.pk)
    assert not left.exists()
    assert answers == []


def test_a_project_that_waits_for_its_rebuild_is_judged_by_it() -> None:
    project = a_project()
    store_line(project, "..F..F.")
    Project.objects.filter(pk=project.pk).update(identity_epoch=5)
    assert not judge_project(project.pk)
    rebuild_project(project.pk)
    assert verdict_of(project) == "flaky"


def test_a_run_that_is_deleted_takes_its_part_of_the_verdict_along() -> None:
    project = a_project()
    store_line(project, "..F..F.")
    judge_project(project.pk)
    delete_run(project.pk, 6)
    assert verdict_of(project) == "sound"
    for number in (1, 2, 3, 4, 5, 7):
        delete_run(project.pk, number)
    assert not any(model.objects.filter(project=project).exists() for model in CONCLUSIONS)


def test_cases_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, pieces = a_project(), a_project()
    for project in (whole, pieces):
        for number in range(3):
            words = {f"c{case}": "fail" if case % 700 == number else "pass" for case in range(1500)}
            an_upload(project, words, run_id=str(number))
    judge_project(whole.pk)
    monkeypatch.setattr(windows, "_BLOCKS_AT_ONCE", 1)
    judge_project(pieces.pk)
    assert picture(whole) == picture(pieces)
    assert CaseVerdict.objects.filter(project=whole).count() == 9


def test_the_number_of_statements_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = a_project(), a_project()
    store_line(small, ".F.F.F")
    for number in range(30):
        an_upload(large, {f"c{case}": "fail" if case % 30 == number % 7 else "pass" for case in range(200)})
    counts = []
    for project in (small, large):
        judge_project(project.pk)
        an_upload(project, {"a": "pass"})
        counts.append(_count_statements(monkeypatch, project))
    assert counts[1] <= counts[0] + 2  # that something vanished is looked into
    assert counts[1] < 40


def _count_statements(monkeypatch: pytest.MonkeyPatch, project: Project) -> int:
    """How many statements judging sends."""
    sent: list[object] = []
    execute = psycopg.Cursor.execute

    def count(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(query)
        return execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", count)
        judge_project(project.pk)
    return len(sent)

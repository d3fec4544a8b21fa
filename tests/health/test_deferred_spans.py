"""Since when cases are put off: each story from the upload, and the law that every way there ends in the same."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health import deferred_spans, judging, vanishing, windows
from health.aliases import fetch_aliases
from health.fsck import find_violations
from health.judging import judge_project
from health.models import Case, DeferredSpan, Job, Project, RenameProposal, Series, Tile
from health.rebuild import delete_run, delete_upload, rebuild_project
from health.renames import merge_cases, undo_merge
from health.rules import deferred_spans as rules
from health.rules import outcomes as codes
from health.rules.deferred_spans import NO_SPANS, NOBODY, extend_spans
from health.sql import open_cursor
from health.tiles import fetch_results
from tests.builders import FIRST_MOMENT, OUTCOMES, a_project, a_user, an_upload

pytestmark = pytest.mark.django_db

WORDS = {".": "pass", "F": "fail", "s": "skip", "x": "xfail", "X": "xpass", "r": "retry"}
Span = tuple[int, int, int | None]  # first, outcome, ended


def store(project: Project, marks: str, *, is_judged: bool = True, **metadata: Any) -> None:
    """One run for each mark of the case `a`, beside one that always passes; a blank is a run without it."""
    for mark in marks:
        cases = {"b": "pass"} if mark == " " else {"a": WORDS[mark], "b": "pass"}
        an_upload(project, cases, **metadata)
        if is_judged:
            judge_project(project.pk)


def look(project: Project, name: str = "a") -> list[Span]:
    """The spans of a case in the only series that has some, in the order in which they began."""
    found = DeferredSpan.objects.filter(project=project, ord=Case.objects.get(project=project, name=name).ord)
    order = list(Job.objects.filter(project=project).order_by("ordered_at", "ran_at", "run").values_list("run"))
    spans = found.values_list("first_run", "outcome", "ended_run")
    return sorted(spans, key=lambda span: order.index((span[0],)))


def count_anew(project: Project) -> set[tuple[int, int, int, int, int | None]]:
    """The spans as their words say, job by job and case by case, from what each job says of it."""
    cursor, found = open_cursor(), []
    aliases, n_cases = fetch_aliases(cursor, project.pk), Case.objects.filter(project=project).count()
    for series in Series.objects.filter(project=project).exclude(lane="changes"):
        jobs = Job.objects.filter(project=project, series=series.number).order_by("ordered_at", "ran_at", "run")
        said = {
            job.run: fetch_results(
                cursor, project.pk, run=job.run, series=series.number, n_cases=n_cases, aliases=aliases
            ).outcomes.tolist()
            for job in jobs
        }
        for ord_ in range(n_cases):
            spans: list[list[int | None]] = []
            for run, outcomes in said.items():
                if outcomes[ord_] in codes.DEFERRED:
                    if not spans or spans[-1][2] is not None:
                        spans.append([run, None, None])
                    spans[-1][1] = outcomes[ord_]
                elif outcomes[ord_] and spans and spans[-1][2] is None:
                    spans[-1][2] = run
            found += [(series.number, ord_, *span) for span in spans[-rules.MOST_SPANS :]]
    return set(found)  # type: ignore[arg-type]


def list_spans(project: Project) -> set[tuple[int, int, int, int, int | None]]:
    """All rows as they are kept."""
    names = ("series", "ord", "first_run", "outcome", "ended_run")
    return set(DeferredSpan.objects.filter(project=project).values_list(*names))


@pytest.fixture
def short_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of three runs, two of them judged at once, two spans of a case kept, a history read in small pieces."""
    monkeypatch.setattr(windows.list_window, "__kwdefaults__", {"limit": 3})
    monkeypatch.setattr(vanishing, "N_JOBS", 3)
    monkeypatch.setattr(deferred_spans, "N_JOBS", 3)
    monkeypatch.setattr(judging, "_JOBS_AT_ONCE", 2)
    monkeypatch.setattr(deferred_spans, "_JOBS_AT_ONCE", 2)
    monkeypatch.setattr(deferred_spans, "MOST_SPANS", 2)
    monkeypatch.setattr(rules, "MOST_SPANS", 2)


# --- the words -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("marks", "spans"),
    [
        ("...F", []),
        ("s", [(1, codes.SKIP, None)]),
        (".sxs", [(2, codes.SKIP, None)]),
        ("ssx", [(1, codes.XFAIL, None)]),
        ("ss.", [(1, codes.SKIP, 3)]),
        ("sF", [(1, codes.SKIP, 2)]),
        ("xX", [(1, codes.XFAIL, 2)]),
        ("sr", [(1, codes.SKIP, 2)]),
        ("s s", [(1, codes.SKIP, None)]),
        ("s  .", [(1, codes.SKIP, 4)]),
        (". s ", [(3, codes.SKIP, None)]),
        ("s..s .s", [(1, codes.SKIP, 2), (4, codes.SKIP, 6), (7, codes.SKIP, None)]),
    ],
)
def test_a_history_in_words(marks: str, spans: list[Span]) -> None:
    project = a_project()
    store(project, marks, is_judged=False)
    judge_project(project.pk)
    assert look(project) == spans


def test_nothing_is_put_off_in_pull_requests() -> None:
    project = a_project()
    store(project, "ss", branch="feature", pull_request="7")
    assert not DeferredSpan.objects.exists()


def test_an_incomplete_job_counts_for_what_it_holds() -> None:
    project = a_project()
    store(project, "s")
    store(project, ".", shard="1/2")
    assert look(project) == [(1, codes.SKIP, 2)]


def test_a_mass_failure_ends_a_span_like_any_other_run() -> None:
    project = a_project()
    cases = {f"c{number}": "pass" for number in range(10)}
    an_upload(project, cases | {"a": "skip"})
    an_upload(project, dict.fromkeys(cases, "fail") | {"a": "fail"})
    judge_project(project.pk)
    assert look(project) == [(1, codes.SKIP, 2)]


def test_a_second_attempt_that_runs_it_was_not_put_off() -> None:
    project = a_project()
    store(project, "s", run_id="1")
    assert look(project) == [(1, codes.SKIP, None)]
    store(project, ".", run_id="1", attempt=2)
    assert look(project) == []


def test_each_series_has_its_own() -> None:
    project = a_project()
    store(project, "s", variant="py3.13")
    store(project, ".")
    assert look(project) == [(1, codes.SKIP, None)]


# --- beyond the window -----------------------------------------------------------------------------------------


def test_a_span_outlives_the_window() -> None:
    project = a_project()
    store(project, "." + "s" * 54)
    assert look(project) == [(2, codes.SKIP, None)]
    store(project, " .")
    assert look(project) == [(2, codes.SKIP, 57)]
    assert list_spans(project) == count_anew(project)


def test_a_case_that_is_not_there_for_a_whole_window_is_still_put_off() -> None:
    project = a_project()
    store(project, "ss" + " " * 53)
    assert look(project) == [(1, codes.SKIP, None)]
    store(project, "s.")
    assert look(project) == [(1, codes.SKIP, 57)]


def test_what_ended_before_the_window_stays() -> None:
    project = a_project()
    store(project, "s" + "." * 54 + "x")
    assert look(project) == [(1, codes.SKIP, 2), (56, codes.XFAIL, None)]


def test_the_newest_twenty_are_kept() -> None:
    project = a_project()
    store(project, "s." * 45)
    assert look(project) == [(run, codes.SKIP, run + 1) for run in range(51, 91, 2)]
    rebuild_project(project.pk)
    assert list_spans(project) == count_anew(project)


def test_what_was_cut_off_is_looked_up_when_there_is_room_again(short_windows: None) -> None:
    project = a_project()
    store(project, "s.s.s.")
    store(project, "s", run_id="x")
    assert look(project) == [(5, codes.SKIP, 6), (7, codes.SKIP, None)]
    store(project, ".", run_id="x", attempt=2)
    assert look(project) == [(3, codes.SKIP, 4), (5, codes.SKIP, 6)]


def test_the_oldest_span_is_not_the_one_with_the_lowest_run(short_windows: None) -> None:
    project = a_project()
    for hour, mark in enumerate("s.", 20):
        store(project, mark, ran_at=FIRST_MOMENT + timedelta(hours=hour))
    for hour, mark in enumerate("s.", 1):
        store(project, mark, ran_at=FIRST_MOMENT + timedelta(hours=hour))
    for hour, mark in enumerate("...s", 30):
        store(project, mark, ran_at=FIRST_MOMENT + timedelta(hours=hour))
    assert look(project) == [(1, codes.SKIP, 2), (8, codes.SKIP, None)]


def test_a_late_run_in_the_window_may_end_a_span_that_went_on_in_it(short_windows: None) -> None:
    """How the last run before it put it off was not kept: it is looked up."""
    project = a_project()
    store(project, "sss" + "   " + "x")
    assert look(project) == [(1, codes.XFAIL, None)]
    store(project, ".", ran_at=FIRST_MOMENT + timedelta(hours=5, minutes=30))
    assert look(project) == [(1, codes.SKIP, 8), (7, codes.XFAIL, None)]


def test_an_old_run_that_comes_late_is_looked_at(short_windows: None) -> None:
    project = a_project()
    store(project, "ssssss")
    store(project, ".", ran_at=FIRST_MOMENT + timedelta(hours=2, minutes=30))
    assert look(project) == [(1, codes.SKIP, 7), (3, codes.SKIP, None)]
    delete_upload(project.pk, project.uploads.latest("id").pk)
    assert look(project) == [(1, codes.SKIP, None)]


def test_the_last_job_takes_its_spans_along() -> None:
    project = a_project()
    store(project, "s")
    delete_run(project.pk, 1)
    assert not DeferredSpan.objects.exists()


def test_a_merged_case_has_one_history_and_two_again(short_windows: None) -> None:
    project = a_project()
    for name in ("old", "old", "old", "old", "new", "new", "new", "new"):
        an_upload(project, {name: "skip", "b": "pass"})
        judge_project(project.pk)
    pair = merge(project, "old", "new")
    assert look(project, "new") == [(1, codes.SKIP, None)]
    assert look(project, "old") == []
    undo_merge(project.pk, pairs=[pair], user=a_user())
    rebuild_project(project.pk)
    assert look(project, "new") == [(5, codes.SKIP, None)]
    assert look(project, "old") == [(1, codes.SKIP, None)]


def merge(project: Project, old: str, new: str) -> tuple[int, int]:
    """A rename by hand."""
    ords = dict(Case.objects.filter(project=project).values_list("name", "ord"))
    pair = ords[old], ords[new]
    RenameProposal.objects.update_or_create(
        project=project, old=pair[0], new=pair[1], defaults={"run": 1, "series": 1, "score": 0.9}
    )
    merge_cases(project.pk, pairs=[pair], user=a_user())
    rebuild_project(project.pk)
    return pair


# --- tiles that are no longer kept -------------------------------------------------------------------------------


def forget_tiles(project: Project, *, until: int) -> None:
    Tile.objects.filter(project=project, run__lte=until).delete()
    rebuild_project(project.pk)


def test_what_nobody_can_look_up_any_more_stays_as_it_was_concluded(short_windows: None) -> None:
    project = a_project()
    store(project, "s.ssssss")
    before = look(project)
    assert before == [(1, codes.SKIP, 2), (3, codes.SKIP, None)]
    forget_tiles(project, until=4)
    assert look(project) == before
    store(project, "s.")
    assert look(project) == [(1, codes.SKIP, 2), (3, codes.SKIP, 10)]
    forget_tiles(project, until=10)
    assert look(project) == [(1, codes.SKIP, 2), (3, codes.SKIP, 10)]
    store(project, ".s")
    assert look(project) == [(3, codes.SKIP, 10), (12, codes.SKIP, None)]


def test_tiles_of_the_window_itself_may_be_gone() -> None:
    project = a_project()
    store(project, "s.ss.ss")
    before = look(project)
    forget_tiles(project, until=3)
    assert look(project) == before
    store(project, "s")
    assert look(project) == [*before[:-1], (6, codes.SKIP, None)]


def test_what_ended_in_a_run_that_is_taken_away_goes_on() -> None:
    project = a_project()
    store(project, "sss.s")
    forget_tiles(project, until=2)
    delete_run(project.pk, 4)
    assert look(project) == [(1, codes.SKIP, None)]


@pytest.mark.parametrize(
    ("run", "left"),
    [
        (1, [(3, codes.SKIP, 4)]),
        (2, [(3, codes.SKIP, 4)]),  # whether the first one ended, nobody knows any more
        (3, [(1, codes.SKIP, 2)]),
        (4, [(1, codes.SKIP, 2)]),
    ],
)
def test_a_run_without_tiles_may_be_taken_away_too(run: int, left: list[Span]) -> None:
    project = a_project()
    store(project, "s.s.s.s")
    forget_tiles(project, until=4)
    delete_run(project.pk, run)
    found = look(project)
    assert found[-1] == (7, codes.SKIP, None)
    assert found[:1] == left
    broken = {violation.law for violation in find_violations(open_cursor(), project_ids=[project.pk])}
    assert "spans_overlap" not in broken


def test_a_merge_keeps_what_its_names_were_known_for(short_windows: None) -> None:
    project = a_project()
    for name in ("old", "old", "old", "new", "new", "new"):
        an_upload(project, {name: "skip", "b": "pass"})
        judge_project(project.pk)
    Tile.objects.filter(project=project, run__lte=2).delete()
    merge(project, "old", "new")
    assert look(project, "new") == [(1, codes.SKIP, None)]


# --- the law ---------------------------------------------------------------------------------------------------

many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@many
@given(st.data())
def test_it_does_not_matter_where_a_history_is_cut(data: st.DataObject) -> None:
    n_jobs, n_cases = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 4))
    said = [data.draw(st.lists(st.integers(0, 7), min_size=n_cases, max_size=n_cases)) for _ in range(n_jobs)]
    outcomes, runs = np.array(said, np.uint8), np.arange(10, 10 + n_jobs, dtype=np.int32)
    ords = np.arange(n_cases, dtype=np.int32) * 3
    whole = extend_spans(NO_SPANS, outcomes, ords=ords, runs=runs)
    cuts = sorted({0, n_jobs, *data.draw(st.lists(st.integers(0, n_jobs)))})
    table = NO_SPANS
    for start, end in pairwise(cuts):
        table = extend_spans(table, outcomes[start:end], ords=ords, runs=runs[start:end])
    assert table.tolist() == whole.tolist()
    assert [row[0] for row in table.tolist()] == sorted(row[0] for row in table.tolist())
    assert (table[:, rules.ENDED] == NOBODY).sum() == sum(_is_put_off(column) for column in outcomes.T.tolist())


def test_a_long_history_read_at_once_says_what_it_says_in_pieces() -> None:
    outcomes = np.random.default_rng(7).choice([0, 1, 4, 4, 5, 2], (700, 6)).astype(np.uint8)
    ords, runs = np.arange(6, dtype=np.int32), np.arange(1, 701, dtype=np.int32)
    table = NO_SPANS
    for start in range(0, 700, 40):
        piece = slice(start, start + 40)
        table = extend_spans(table, outcomes[piece], ords=ords, runs=runs[piece])
    assert table.tolist() == extend_spans(NO_SPANS, outcomes, ords=ords, runs=runs).tolist()


def _is_put_off(outcomes: list[int]) -> bool:
    there = [outcome for outcome in outcomes if outcome]
    return bool(there) and there[-1] in codes.DEFERRED


@dataclass
class Story:
    """A project to which anything may happen, judged now and then."""

    project: Project
    chance: Random

    def act(self, number: int) -> None:
        """Something happens."""
        dice = self.chance.random()
        uploads = list(self.project.uploads.order_by("id"))
        if dice < 0.1 and uploads:
            delete_upload(self.project.pk, self.chance.choice(uploads).pk)
        elif dice < 0.13 and uploads:
            delete_run(self.project.pk, self.chance.choice(uploads).run or 0)
        elif dice < 0.2:
            self.rename()
        else:
            self.upload(number)
        if self.chance.random() < 0.5:
            judge_project(self.project.pk)

    def upload(self, number: int) -> None:
        """A run, or another part or attempt of an older one; mostly newer than the others."""
        words = self.chance.choices([*OUTCOMES, "skip", "skip", "skip", "xfail", "pass", None], k=4)
        names = ("t.x::a", "t.x::b", "t.y::c", "t.z::d")
        metadata: dict[str, Any] = {"run_id": str(number), "ran_at": FIRST_MOMENT + timedelta(hours=number)}
        if self.chance.random() < 0.3:
            metadata["ran_at"] = FIRST_MOMENT + timedelta(hours=self.chance.randrange(30), minutes=number)
        if self.chance.random() < 0.25:
            metadata |= {"run_id": str(self.chance.randrange(number + 1)), "attempt": self.chance.choice([1, 2])}
        if self.chance.random() < 0.1:
            metadata["committed_at"] = FIRST_MOMENT + timedelta(hours=self.chance.randrange(30))
        if self.chance.random() < 0.15:
            metadata |= self.chance.choice([{"shard": "1/2"}, {"variant": "py3.13"}, {"branch": "other"}])
        cases = {name: word for name, word in zip(names, words, strict=True) if word}
        an_upload(self.project, cases, **metadata)

    def rename(self) -> None:
        """Two cases become one, or two again."""
        merged = Case.objects.filter(project=self.project, merged_into__isnull=False).first()
        if merged:
            undo_merge(self.project.pk, pairs=[(merged.ord, merged.merged_into or 0)], user=a_user())
            rebuild_project(self.project.pk)
        elif Case.objects.filter(project=self.project).count() >= 2:
            names = list(Case.objects.filter(project=self.project).values_list("name", flat=True))
            if not RenameProposal.objects.filter(project=self.project).exists():
                merge(self.project, *self.chance.sample(names, 2))


@pytest.mark.parametrize("seed", range(40))
def test_any_history_ends_in_what_its_words_say(short_windows: None, seed: int) -> None:
    story = Story(a_project(), Random(seed))
    for number in range(22):
        story.act(number)
    judge_project(story.project.pk)
    arrived = list_spans(story.project)
    assert arrived == count_anew(story.project)
    rebuild_project(story.project.pk)
    assert list_spans(story.project) == arrived
    assert find_violations(open_cursor(), project_ids=[story.project.pk]) == []


def test_the_window_moves_over_more_than_fifty_runs() -> None:
    chance, project = Random(5), a_project()
    for number in range(70):
        cases = {name: chance.choice(["skip", "skip", "skip", "pass", "xfail"]) for name in "abc"}
        late = FIRST_MOMENT + timedelta(hours=chance.randrange(number + 1) if chance.random() < 0.1 else number)
        an_upload(project, cases, run_id=str(number), ran_at=late + timedelta(seconds=number))
        if chance.random() < 0.8:
            judge_project(project.pk)
    judge_project(project.pk)
    assert list_spans(project) == count_anew(project)


# --- how much --------------------------------------------------------------------------------------------------


def watch(monkeypatch: pytest.MonkeyPatch, project: Project) -> list[str]:
    """The statements of judging that read tiles or write spans."""
    sent: list[str] = []
    execute = psycopg.Cursor.execute

    def note(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(psycopg.Cursor, "execute", note)
        judge_project(project.pk)
    firsts = ("INSERT INTO health_deferredspan", "UPDATE health_deferredspan", "DELETE FROM health_deferredspan")
    return [query.strip() for query in sent if query.strip().startswith(firsts) or "health_tile" in query]


def test_nothing_is_written_where_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project()
    store(project, "s." + "." * 60)
    store(project, ".", is_judged=False)
    assert not [query for query in watch(monkeypatch, project) if "deferredspan" in query]
    store(project, "s", is_judged=False)
    assert [query.split()[0] for query in watch(monkeypatch, project) if "deferredspan" in query] == ["INSERT"]
    store(project, "s", is_judged=False)
    assert not [query for query in watch(monkeypatch, project) if "deferredspan" in query]
    store(project, "x", is_judged=False)
    assert [query.split()[0] for query in watch(monkeypatch, project) if "deferredspan" in query] == ["UPDATE"]


def test_a_new_run_reads_no_more_tiles_than_the_window_has(monkeypatch: pytest.MonkeyPatch) -> None:
    project, plain = a_project(), a_project()
    store(project, "s" * 60)
    store(plain, "." * 60)
    store(project, "s", is_judged=False)
    store(plain, ".", is_judged=False)
    for one in (project, plain):
        assert len([query for query in watch(monkeypatch, one) if "durations FROM health_tile\nWHERE" in query]) == 1


def test_of_many_new_jobs_only_the_last_look_reads_the_history(
    short_windows: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = a_project()
    store(project, "s" * 9, is_judged=False)
    looks: list[int] = []
    read = deferred_spans._read_history

    def note(*args: Any, **more: Any) -> Any:
        looks.append(1)
        return read(*args, **more)

    monkeypatch.setattr(deferred_spans, "_read_history", note)
    judge_project(project.pk)
    assert len(looks) == 1
    assert look(project) == [(1, codes.SKIP, None)]

"""The register as numbers: what is counted from them is what the entries say, and what a process keeps is bounded."""

import random
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from django.db.models import F

from dashboard.filters import Filters
from dashboard.queries import deferred_numbers
from dashboard.queries.deferral_facts import FIELD_WORDS, EntryFact, read_entries
from dashboard.queries.deferred_lines import make_choice
from dashboard.queries.deferred_numbers import Register, find_alike, read_register
from dashboard.queries.deferred_summary import AGES, Summary, read_summary
from health.judging import judge_project
from health.models import Backing, Case, Deferral, Project
from health.rules.backings import Finding
from health.rules.deferral_policy import FIELDS, DeferralPolicy
from health.rules.families import split_family
from health.sql import open_cursor
from health.standing import fetch_standing
from tests.builders import FIRST_MOMENT, a_project
from tests.deferral_scenes import an_entry
from tests.scenes import a_run
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

TODAY = FIRST_MOMENT.date() + timedelta(days=400)
STRICT = DeferralPolicy(required=FIELDS, review_after_days=200, passes_to_release=3)
LOOSE = DeferralPolicy(required=("owner",), review_after_days=None, passes_to_release=1)


def a_mixed_register(*, n: int = 120, slug: str = "") -> Project:
    """Entries of two suites that differ in all there is, and patterns beside them."""
    project = a_project(slug)
    cases = {f"tests.t{k // 40}::some{k // 8}[{k}]": "skip" for k in range(n)}
    a_run(project, cases | {f"tests.t{k}::fine": "pass" for k in range(5)}, hour=0)
    a_run(project, {f"tests.x::other{k}": "skip" for k in range(4)}, hour=0, suite="named", job="other")
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    backings = [
        Backing.objects.create(
            project=project, digest=state.encode(), named=[state], state=state, found=Finding(n_cases=2).to_json()
        )
        for state in Backing.State.values
    ]
    mix = random.Random(5)
    put_off = Case.objects.filter(project=project).exclude(name="fine").order_by("ord")
    Deferral.objects.bulk_create(_mix_entry(project, case, mix, backings) for case in put_off)
    quarantine = an_entry(project, pattern="tests/q*", origin="file", n_cases=5, owner="@ann")
    named = Deferral.objects.filter(project=project, pattern="", closed_at=None).order_by("ord")[0]
    Deferral.objects.filter(pk=named.pk).update(named_by=quarantine)
    an_entry(project, pattern="tests/later*", kind="planned", n_promised=7, n_cases=2, backing=backings[0])
    return project


def _mix_entry(project: Project, case: Case, mix: random.Random, backings: list[Backing]) -> Deferral:
    is_closed = mix.random() < 0.2
    return Deferral(
        project=project,
        origin="ci",
        ord=case.ord,
        kind=mix.choice(["skip", "xfail", "quarantine"]),
        reason=mix.choice(["", "because", "a: b", "see #3"]),
        owner=mix.choice(["", "@ann", "@bob"]),
        review_on=mix.choice([None, TODAY, TODAY - timedelta(days=1)]),
        issue=mix.choice(["", "#3"]),
        precedent=mix.choice(["", "#9"]),
        phase=mix.choice(["", "two"]),
        backing=mix.choice([None, *backings]),
        is_put_off=not is_closed,
        n_put_off=1,
        opened_run=2 if case.class_name == "tests.x" else 1,
        opened_at=FIRST_MOMENT + timedelta(days=mix.choice([0, 35, 36, 200, 320, 395, 400])),
        n_openings=mix.choice([1, 2]),
        n_passes=mix.randrange(4),
        closed_at=FIRST_MOMENT + timedelta(days=400) if is_closed else None,
        ending=mix.choice(["ran", "gone"]) if is_closed else "",
    )


def read(project: Project) -> Register:
    """Whoever writes an entry by hand has to count the revision up."""
    Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1)
    project.refresh_from_db()
    return read_register(project, standing=fetch_standing(open_cursor(), project.pk))


def count_plainly(entries: list[EntryFact], take: Callable[[EntryFact], object]) -> dict[object, int]:
    """One by one, as a reader of the list would."""
    counts: Counter[object] = Counter()
    for entry in entries:
        counts[take(entry)] += _count_tests(entry)
    return {word: n for word, n in counts.items() if n}


def _count_tests(entry: EntryFact) -> int:
    if entry.case is not None:
        return 1
    return entry.n_cases - 1 if entry.kind == "quarantine" else (entry.n_promised or 1) - entry.n_cases


def _find_age(entry: EntryFact) -> str:
    return next(word for word, _, first, last in AGES if entry.days >= first and (last is None or entry.days <= last))


@pytest.mark.parametrize("policy", [STRICT, LOOSE, DeferralPolicy()])
def test_the_summary_is_what_a_plain_count_over_the_entries_gives(policy: DeferralPolicy) -> None:
    project = a_mixed_register()
    found: Summary = read_summary(read(project), project=project, policy=policy, today=TODAY)
    rows = Deferral.objects.filter(project=project)
    every = DeferralPolicy(required=FIELDS, review_after_days=policy.review_after_days)
    entries = [entry for entry in read_entries(project, rows, policy=policy, today=TODAY) if entry.is_open]
    lacking = [entry for entry in read_entries(project, rows, policy=every, today=TODAY) if entry.is_open]
    n_tests = sum(map(_count_tests, entries))
    assert (found.n, found.n_entries, found.n_closed) == (n_tests, len(entries), len(rows) - len(entries))
    assert found.debt == sum(entry.days * _count_tests(entry) for entry in entries)
    assert max(group.oldest or 0 for group in found.open) == max(entry.days for entry in entries)
    assert found.by_kind == count_plainly(entries, lambda entry: entry.kind)
    assert +Counter(found.by_backing) == Counter(count_plainly(entries, lambda entry: entry.backing))
    assert {band.word: band.n for band in found.ages if band.n} == count_plainly(entries, _find_age)
    for field in ("owner", "phase", "suite"):
        sums = {owed.name: owed.n for owed in found.add_up(lambda group, field=field: getattr(group, field))}  # type: ignore[misc]
        assert sums == count_plainly(entries, lambda entry, field=field: getattr(entry, field)), field  # type: ignore[misc]
    for name in FIELD_WORDS:
        assert found.by_missing.get(name, 0) == sum(_count_tests(e) for e in lacking if name in e.missing), name
    is_tried = {entry.id for entry in entries if entry.kind in ("xfail", "quarantine")}
    states: dict[str, Callable[[EntryFact], bool]] = {
        "is_missing": lambda entry: bool(entry.missing),
        "is_overdue": lambda entry: entry.is_overdue,
        "is_back": lambda entry: entry.needs_person,
        "is_passing": lambda entry: entry.id in is_tried and entry.n_passes > 0,
        "is_releasable": lambda entry: entry.is_releasable,
    }
    for name, said in states.items():
        counted = found.count_tests(lambda group, name=name: getattr(group, name))  # type: ignore[misc]
        assert counted == sum(_count_tests(entry) for entry in entries if said(entry)), name
    assert found.endings == dict(Counter(row.ending for row in rows if row.ending).most_common())
    assert (found.n_stand_in, found.n_found) == (2 * len({e.backing_id for e in entries} - {None}), 0)


@pytest.mark.parametrize("order", ["count", "debt"])
def test_families_stand_together_the_largest_first(order: str) -> None:
    project = a_mixed_register()
    rows = list(Deferral.objects.filter(project=project, closed_at=None))
    facts = {entry.id: entry for entry in read_entries(project, rows, policy=LOOSE, today=TODAY)}
    choice = make_choice(project, read(project), Filters(arrange=order), policy=LOOSE, today=TODAY)
    assert sorted(choice.ids.tolist()) == sorted(facts)
    assert choice.n_tests == sum(map(_count_tests, facts.values()))
    families = {
        row.pk: (
            facts[row.pk].case and (facts[row.pk].case.place, split_family(facts[row.pk].name).name),  # type: ignore[union-attr]
            *(row.pattern, row.kind, row.reason, row.owner, row.issue, row.precedent, row.backing_id, row.opened_at),
        )
        for row in rows
    }
    weights: Counter[object] = Counter()
    for pk, entry in facts.items():
        weights[families[pk]] += _count_tests(entry) * (entry.days if order == "debt" else 1)
    shown = [families[pk] for pk in choice.ids.tolist()]
    assert [weights[family] for family in shown] == sorted((weights[family] for family in shown), reverse=True)
    runs = 1 + sum(before != after for before, after in pairwise(shown))
    assert runs == len(set(shown))


def test_an_unchanged_register_costs_nothing_and_any_size_costs_the_same() -> None:
    costs = []
    for n in (8, 200):
        project = a_mixed_register(n=n)
        standing = fetch_standing(open_cursor(), project.pk)
        for expected in (True, False):
            with counted_statements() as sent:
                found = read_register(project, standing=standing)
            assert bool(sent) is expected
            costs.append(len(sent))
        assert len(found) == n + 4 + 2
    assert costs[:2] == costs[2:]


def test_a_process_keeps_so_many_bytes_the_project_seen_last_for_sure(monkeypatch: pytest.MonkeyPatch) -> None:
    deferred_numbers._registers.clear()
    projects = [a_mixed_register(n=20) for _ in range(3)]
    sizes = [read(project).n_bytes for project in projects]
    assert list(deferred_numbers._registers) == [project.pk for project in projects]
    read(projects[0])  # a newer revision takes the place of the one before
    assert list(deferred_numbers._registers) == [project.pk for project in (*projects[1:], projects[0])]
    monkeypatch.setattr(deferred_numbers, "_MOST_BYTES", 2 * max(sizes))
    read(projects[0])
    assert len(deferred_numbers._registers) == 2
    monkeypatch.setattr(deferred_numbers, "_MOST_BYTES", 1)
    assert read(projects[1]).n_bytes == sizes[1]
    assert list(deferred_numbers._registers) == [projects[1].pk]


def test_a_project_without_entries_has_a_register() -> None:
    project = a_project()
    found = read(project)
    assert len(found) == 0
    assert read_summary(found, project=project, policy=LOOSE, today=date(2026, 1, 1)).groups == ()
    for order in ("age", "name", "count", "debt"):
        choice = make_choice(project, found, Filters(arrange=order, search="x"), policy=STRICT, today=TODAY)
        assert (len(choice.ids), choice.n_tests) == (0, 0)


def test_columns_of_many_values_do_not_run_into_each_other() -> None:
    mix = np.random.default_rng(3)
    columns = [mix.integers(0, 2**21, 500) for _ in range(6)]
    columns = [np.concatenate([column, column[:100]]) for column in columns]
    firsts, places = find_alike(columns)
    assert len(firsts) == len({*zip(*(column.tolist() for column in columns), strict=True)})
    for column in columns:
        assert (column[firsts[places]] == column).all()

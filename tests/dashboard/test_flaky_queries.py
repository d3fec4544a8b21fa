"""Flaky: families with rate and evidence, what was left out, and what it costs."""

import pytest

from dashboard.filters import Filters
from dashboard.queries import flaky, verdict_evidence
from dashboard.queries.flaky import Family, FlakyPage, read_flaky
from dashboard.queries.flaky_sentences import write_flaky, write_rule
from dashboard.queries.verdicts import write_interval, write_rate
from health.fixes import claim_fix
from health.judging import judge_project
from health.models import Case, CaseVerdict, DeferredCase, Project
from tests.builders import a_project, a_user
from tests.register_scenes import a_quarantine
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

Words = dict[str, list[str]]


def a_history(words: Words, *, slug: str = "", n_green: int = 6, **more: object) -> Project:
    """Runs an hour apart in which each named case ended so, beside some that always pass."""
    project = a_project(slug)
    n_runs = max(len(line) for line in words.values())
    for hour in range(n_runs):
        cases = green(n_green) | {name: line[hour] for name, line in words.items() if hour < len(line)}
        a_run(project, cases, hour=hour, **more)
    judge_project(project.pk)
    return project


def read(project: Project, **chosen: str) -> FlakyPage:
    return read_flaky(Project.objects.get(pk=project.pk), Filters(**chosen))


def only(project: Project, **chosen: str) -> Family:
    (family,) = read(project, **chosen).families
    return family


def told(family: Family) -> str:
    return "; ".join(
        f"{proof.told}{', '.join(f'{link.text}{link.told}' for link in proof.links)}"
        for proof in family.evidence.proofs
    )


def flipping(n: int, *bad: int) -> list[str]:
    return ["fail" if at in bad else "pass" for at in range(n)]


def test_a_quarantined_one_leads_to_the_register() -> None:
    project = a_history({"t::a": flipping(10, 2, 5), "t::b": flipping(10, 6, 7, 8, 9)})
    pattern = a_quarantine(project, "t/**", n_cases=1)
    DeferredCase.objects.create(project=project, deferral=pattern, ord=Case.objects.get(name="a").ord)
    quarantined = {family.name: [mark.url for mark in family.quarantines] for family in read(project).families}
    assert quarantined == {"a": [f"/p/{project.slug}/deferred/{pattern.pk}/"], "b": []}


def test_a_case_that_broke_recovered_and_broke_again_is_flaky() -> None:
    project = a_history({"tests.pager::less": flipping(10, 2, 5, 7)})
    family = only(project)
    assert (family.word, family.rate) == ("flaky", "3 of 10 runs, 30\u00a0%; 10 to 61\u00a0% with 95\u00a0% confidence")
    assert told(family) == "broke, recovered and broke again twice"
    assert family.evidence.strip == ("", "", "fail", "", "", "fail", "", "fail", "", "")
    assert family.evidence.strip_label == "broke in 3 of the 10 newest runs in which it ran"
    assert family.evidence.last_broken is not None
    assert family.evidence.last_broken.run == 8
    assert write_flaky(read(project)) == "One test is flaky on main: less."


def test_parameters_are_one_family_with_its_cases_in_it() -> None:
    project = a_history(
        {
            "tests.utils::test_pager[ cat ]": flipping(8, 1, 4),
            "tests.utils::test_pager[less]": flipping(8, 1, 5),
            "tests.utils::test_pager[more]": flipping(8),
            "tests.other::test_pager[less]": flipping(8, 3),
        }
    )
    page = read(project)
    first, other = page.families
    assert (first.case.place, first.case.family, first.n_cases) == ("tests.utils", "test_pager", 2)
    assert (first.rate, first.made_of) == ("4 of 16 results, 25\u00a0%; 10 to 50\u00a0% with 95\u00a0% confidence", "")
    assert (other.case.place, other.word, other.rate) == (
        "tests.other",
        "sound again",
        "1 of 8 runs, 13\u00a0%; 2 to 48\u00a0% with 95\u00a0% confidence",
    )
    assert page.counts == {"flaky": 2, "sound": 1}
    assert write_flaky(page) == "Two tests are flaky on main, both of them cases of test_pager."


def test_both_on_one_commit_names_the_commit_and_how_many_of_its_runs_broke() -> None:
    project = a_project()
    for hour, word in enumerate(("pass", "fail", "pass", "fail", "pass", "pass")):
        a_run(project, green(case2=word), hour=hour, commit="d1a80aa9" * 5 if hour < 4 else "")
    judge_project(project.pk)
    family = only(project)
    assert told(family) == (
        "passed and broke on one commit, d1a80aa9: 2 of its 4 runs broke; broke, recovered and broke again once"
    )
    assert [link.run for link in family.evidence.proofs[0].links] == [4]


def test_a_retry_is_evidence_with_the_run_it_was_seen_in() -> None:
    project = a_history({"t::a": ["pass", "retry", "pass", "pass", "retry", "pass"]})
    family = only(project)
    assert (family.word, told(family)) == ("flaky", "passed on a retry twice, last in run 5")
    assert family.evidence.strip == ("", "retry", "", "", "retry", "")


def test_broken_in_a_row_is_broken_and_says_how_long() -> None:
    family = only(a_history({"t::a": flipping(10, 6, 7, 8, 9)}))
    assert (family.word, family.mark, told(family)) == ("broken", "fail", "broke in the newest 4 runs in a row")


def test_few_results_are_not_enough_and_skips_are_none() -> None:
    family = only(a_history({"t::a": ["pass", "fail", "skip", "skip", "skip", "skip"]}))
    assert (family.word, family.rate) == (
        "not enough data",
        "1 of 2 runs, 50\u00a0%; 9 to 91\u00a0% with 95\u00a0% confidence",
    )
    assert family.evidence.strip == ("", "fail", "none", "none", "none", "none")


def test_a_verdict_can_be_chosen_and_the_counts_stay() -> None:
    project = a_history({"t::a": flipping(10, 2, 5), "t::b": flipping(10, 6, 7, 8, 9), "t::c": flipping(10, 1)})
    assert [family.word for family in read(project).families] == ["flaky", "broken", "sound again"]
    page = read(project, state="broken")
    assert [family.case.name for family in page.families] == ["b"]
    assert page.counts == {"flaky": 1, "broken": 1, "sound": 1}
    assert read(project, state="nonsense").families == ()
    assert write_flaky(page) == "One test is flaky on main; one is simply broken."


def test_by_rate_the_highest_comes_first() -> None:
    project = a_history({"t::a": flipping(10, 2, 5), "t::b": flipping(10, 5, 6, 7, 8, 9)})
    assert [family.case.name for family in read(project, rank="rate").families] == ["b", "a"]


def test_what_no_longer_runs_stands_behind_and_is_told_in_the_past() -> None:
    project = a_history(
        {
            "t::old[1]": flipping(10, 2, 5, 7),
            "t::old[2]": flipping(9, 2, 5),
            "t::new": flipping(12, 2),
            "t::old[3]": flipping(12),
        },
        n_green=20,
    )
    page = read(project)
    assert [(family.name, family.word, family.gone is None) for family in page.families] == [
        ("new", "sound again", True),
        ("old", "flaky", False),
    ]
    gone = page.families[1].gone
    assert gone is not None
    assert (gone.last_run, gone.gone_run, page.counts, page.counts_gone) == (
        *(10, 11, {"flaky": 2, "sound": 1}),
        {"flaky": 2},
    )
    assert write_flaky(page) == (
        "No test that still runs is flaky on main; two were, the last until run 10, both of them cases of old."
    )
    assert [family.name for family in read(project, rank="rate").families] == ["new", "old"]


def test_both_those_that_run_and_those_that_did_are_counted() -> None:
    page = read(a_history({"t::a": flipping(12, 2, 5), "t::b": flipping(10, 2, 5), "t::c": flipping(10, 8, 9)}))
    assert next(family.name for family in page.families) == "a"
    assert write_flaky(page) == "One test is flaky on main: a; one more was until run 10: b."


def test_mass_failures_are_left_out_and_listed() -> None:
    project = a_project()
    for hour in range(6):
        a_run(project, dict.fromkeys(green(12), "error" if hour == 3 else "pass"), hour=hour)
    judge_project(project.pk)
    page = read(project)
    assert (page.families, page.windows.n_excluded) == ((), 1)
    (left,) = page.left_out
    assert (left.job.run, left.job.n_broken, left.job.n_executed, left.series) == (4, 12, 12, "tests")


def test_one_broken_branch_makes_no_test_flaky() -> None:
    project = a_project()
    for hour in range(8):
        a_run(project, green(case2="fail" if hour % 2 else "pass"), hour=hour, branch="feature", commit="c" * 40)
    judge_project(project.pk)
    assert read(project, branch="changes").counts.get("flaky", 0) == 0


def test_what_a_scope_leaves_out_is_not_counted() -> None:
    project = a_project()
    for hour in range(6):
        words = green(case1="fail" if hour in (1, 3) else "pass")
        a_run(project, words, hour=hour, variant="3.11", run_id=f"r{hour}")
        a_run(project, green(), hour=hour, variant="3.12", run_id=f"r{hour}")
    judge_project(project.pk)
    assert only(project).first.series == "tests, 3.11"
    assert only(project, variant="3.11").word == "flaky"
    assert read(project, variant="3.12").families == ()
    assert read(project, suite="nowhere").counts == {}


def test_after_a_claimed_fix_only_what_came_since_counts() -> None:
    project = a_history({"t::a": flipping(12, 1, 3, 5, 10)})
    (judged,) = CaseVerdict.objects.filter(project=project)
    claim_fix(project.pk, ord=judged.ord, commit=f"{9:040x}", user=a_user("ann"))
    judge_project(project.pk)
    family = only(project)
    assert [(claim.commit, claim.claimed_by) for claim in family.claims] == [(f"{9:040x}", "ann")]
    assert (family.n_bad, family.n_ran) == (1, 4)


def test_pages_go_on_where_the_one_before_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flaky, "N_PAGE", 2)
    project = a_history({f"t::c{k}": flipping(6, 1, 3) for k in range(5)}, n_green=20)
    page, seen = read(project), []
    while True:
        seen += [family.case.name for family in page.families]
        if not page.next_before:
            break
        page = read(project, before=str(page.next_before))
    assert seen == [f"c{k}" for k in range(5)]
    assert read(project, before="x").n_before == read(project, before="-1").n_before == 0
    assert read(project, before="99").families == ()


def test_more_cases_than_are_read_are_said_to_be_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flaky, "MOST_READ", 3)
    page = read(a_history({f"t::c{k}": flipping(6, 1, 3) for k in range(5)}, n_green=20))
    assert (len(page.families), page.is_cut, page.counts) == (3, True, {"flaky": 5})


def test_without_a_run_there_is_a_sentence() -> None:
    page = read(a_project())
    assert (page.families, write_flaky(page)) == ((), "No run has been judged yet.")
    assert write_flaky(read(a_history({"t::a": flipping(6)}))) == "No test is flaky on main."


def test_a_rate_has_its_denominator_and_is_never_narrower_than_it_is() -> None:
    assert write_rate(0, 0, noun="run") == "no run yet"
    assert write_rate(1, 1_000, noun="run").startswith("1 of 1,000 runs, under 1\u00a0%; 0 to ")
    assert write_rate(999, 1_000, noun="run").startswith("999 of 1,000 runs, over 99\u00a0%; ")
    assert write_rate(1, 1, noun="run") == "1 of 1 run, 100\u00a0%; 20 to 100\u00a0% with 95\u00a0% confidence"
    assert write_interval(0, 40) == "0 to 9\u00a0%"
    assert write_interval(1_000, 1_000) == "99 to 100\u00a0%"


def test_the_rule_is_told_with_its_numbers() -> None:
    rule = " ".join(write_rule())
    # In the order in which the code decides: what has evidence against it is never sound.
    verdicts = ("Not enough data:", "Broken:", "Flaky:", "Sound again:")
    assert sorted(verdicts, key=rule.index) == list(verdicts)
    assert "recovered, and none of that was ever seen of it" in rule
    for words in (
        "newest 50 runs",
        "fewer than 5 of 100 cases",
        "fewer than 5 results",
        "30\u00a0%",
        "at least 10",
        "on 2",
    ):
        assert words in rule


def test_its_cost_does_not_grow() -> None:
    costs = []
    for n_runs, n_cases in ((6, 2), (30, 40)):
        words = {f"t{k % 7}::c{k}[{k}]": flipping(n_runs, 1, 3) for k in range(n_cases)}
        project = a_history(words, n_green=6 if n_cases == 2 else 200)
        with counted_statements() as sent:
            page = read_flaky(Project.objects.get(pk=project.pk), Filters())
        assert page.families
        costs.append(len(sent))
    assert costs[0] == costs[1] <= 11


def test_the_suite_of_a_run_is_looked_up_only_where_it_decides() -> None:
    project = a_history({f"t::c{k}": flipping(6, 1, 3) for k in range(3)}, n_green=20)
    looked_up = []
    for chosen in ({}, {"suite": "t"}):
        with counted_statements() as sent:
            assert read(project, **chosen).counts == {"flaky": 3}
        verdicts = [statement for statement in sent if "health_caseverdict" in statement]
        looked_up.append([("health_tile" in statement, "health_case c" in statement) for statement in verdicts])
    # The counts need no case at all, the list the names of what is listed.
    assert looked_up == [[(False, False)] * 2, [(True, True)] * 2]


def test_of_many_results_that_broke_only_some_are_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_history({f"t::c[{k}]": flipping(8, 1, 3, 5) for k in range(6)}, n_green=30)
    whole = only(project)
    monkeypatch.setattr(verdict_evidence, "_MOST_RESULTS", 7)
    family = only(project)
    assert (family.rate, told(family), family.n_cases) == (whole.rate, told(whole), 6)
    assert family.evidence.strip == whole.evidence.strip
    assert family.evidence.strip_label.endswith("in which it ran, by the two of its cases that broke most")

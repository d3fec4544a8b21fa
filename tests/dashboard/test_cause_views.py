"""The page of one cause: what it is, what it broke, and what maintainers may say of it."""

import csv
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from dashboard.filters import Filters
from dashboard.queries import cause, cause_facts, cause_window
from dashboard.queries.cause import CausePage, read_cause_page
from health.fixes import claim_fix
from health.models import CauseSplit, Fingerprint, FixClaim, Membership, Project
from health.rules.fingerprints import take_fingerprint, write_fingerprint
from tests.builders import a_project, a_user, an_upload
from tests.cause_scenes import a_said_run, count_all, fails, open_page
from tests.dashboard.test_causes_views import write_plainly
from tests.scenes import a_steady_project
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

HTTP = ("HTTP 503 after 12 s", "HTTP 404 after 7 s", "HTTP 503 after 9 s")
BASE = take_fingerprint("E", HTTP[0])
OTHER = take_fingerprint("E", "other")


@pytest.fixture
def ann(client: Client) -> Client:
    client.force_login(a_user("ann"))
    return client


def a_click(*, role: str = "owner") -> Project:
    project = a_project("click")
    Membership.objects.create(project=project, user=User.objects.get(username="ann"), role=role)
    a_said_run(project, fails(HTTP[0]), hour=0)
    a_said_run(project, fails(*HTTP, "other"), hour=1)
    return project


def address(fingerprint: int) -> str:
    return f"/p/click/causes/{write_fingerprint(fingerprint)}/"


def read(project: Project, fingerprint: int = BASE, **chosen: str) -> CausePage:
    return read_cause_page(project, fingerprint=fingerprint, filters=Filters.read(chosen))


def send(client: Client, act: str, form: dict[str, object], *, fingerprint: int = BASE) -> str:
    response = client.post(f"{address(fingerprint)}{act}/", form, follow=True)
    assert response.status_code == 200
    assert response.redirect_chain[0][1] == 302
    return response.text


def test_it_says_what_it_is_and_what_it_broke(ann: Client) -> None:
    project = a_click()
    page = open_page(ann, address(BASE))
    plain = write_plainly(page)
    assert "<h1>“HTTP &lt;n&gt; after &lt;n&gt; s” broke three cases in two of the newest two runs.</h1>" in page
    assert "ongoing : broke the newest run of its job, and one before it" in plain.replace("ongoing:", "ongoing :")
    assert "other , because no rule fits" in plain.replace("other,", "other ,")
    assert "number 503, number 12" in plain
    found = read(project)
    assert [(line.case.name, line.broke.broken, line.n_runs, line.last) for line in found.evidence.cases] == [
        ("broken0", 2, 2, 2),
        ("broken1", 1, 1, 2),
        ("broken2", 1, 1, 2),
    ]
    assert [(line.run.number, line.broke.broken, line.n_of) for line in found.evidence.runs] == [(2, 3, 4), (1, 1, 1)]
    assert [sample.said.message for sample in found.evidence.samples] == [HTTP[0], HTTP[0]]
    assert [sample.run.number for sample in found.evidence.samples] == [2, 1]
    rows = list(csv.DictReader(StringIO(ann.get(f"{address(BASE)}?format=csv").text)))
    assert [(row["name"], row["broken"]) for row in rows] == [("broken0", "2"), ("broken1", "1"), ("broken2", "1")]


@pytest.mark.parametrize(
    ("kind", "message", "subject"),
    [
        ("", "AssertionError: Unexpected pager output\nassert 'a' == ''\n  + a", "“Unexpected pager output”"),
        ("E", "E: boom", "“boom”"),
        ("E", "timed out", "“timed out”"),
        ("ValueError", "", "“ValueError”"),
        ("", "", "A failure without a message"),
        ("", f"{'word ' * 40}", f"“{'word ' * 15}word …”"),
        ("", "AssertionError: ", "“AssertionError:”"),
    ],
)
def test_the_headline_begins_with_the_words_of_the_cause(kind: str, message: str, subject: str) -> None:
    project = a_project()
    a_said_run(project, fails(message, kind=kind), hour=0)
    fact = Fingerprint.objects.get(project=project)
    sentence = read(project, fact.fingerprint).sentence
    assert sentence == f"{subject} broke one case in the newest run, for the first time."


def test_its_words_are_those_of_a_colleague(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    a_said_run(project, fails("AssertionError: Unexpected\nassert 'a' == ''\n\n  + a\n"), hour=0)
    fact = Fingerprint.objects.get(project=project)
    page = open_page(ann, address(fact.fingerprint))
    assert "AssertionError: Unexpected ⏎ assert &#x27;a&#x27; == &#x27;&#x27; ⏎ + a</bdi>" in page
    plain = write_plainly(page)
    assert "assertion, because a rule looks for “assertionerror” in the message; capitals do not count" in plain
    assert "Nothing was masked." in page
    a_said_run(project, fails("one", "two 2\nthree"), hour=1)
    assert ">two &lt;n&gt; ⏎ three</option>" in open_page(ann, address(take_fingerprint("E", "one")))
    assert "<h2>Merge and split</h2>" in page


def test_owners_of_its_cases_stand_beside_them(ann: Client) -> None:
    project = a_project("click", owner=User.objects.get(username="ann"))
    text = 'owners:\n  - classname: "t*"\n    owners: ["@shop/api"]\n'
    an_upload(project, {"t::a": "fail", "u::b": "fail"}, configuration=text)
    count_all(project)
    fingerprint = Fingerprint.objects.get(project=project, message="fail: t::a").fingerprint
    assert "@shop/api 1 of 1 case" in write_plainly(open_page(ann, address(fingerprint)))
    run = open_page(ann, "/p/click/runs/1/")
    assert '<td data-l="Owners">@shop/api</td>' in run
    assert run.count("@shop/api") == 1


def test_a_cause_is_split_by_a_word_and_made_one_again(ann: Client) -> None:
    project = a_click()
    page = send(ann, "split", {"place": "0"})
    assert "told apart by this word from now on: four stored failures of two deliveries read again." in page
    assert "It was told apart by its masked word number 1, into two:" in page
    parts = {take_fingerprint("E", message, (0,)) for message in HTTP}
    assert {part.fingerprint for part in read(project).split.parts} == parts  # type: ignore[union-attr]
    part = open_page(ann, address(take_fingerprint("E", HTTP[0], (0,))))
    assert "It was told apart from" in part
    assert "HTTP 503 after" in strip_tags(part)
    assert "number 503" not in write_plainly(part)
    page = send(ann, "join", {})
    assert "It is one cause again: four stored failures" in page
    assert not CauseSplit.objects.exists()


def test_causes_are_merged_and_split_off_again(ann: Client) -> None:
    project = a_click()
    page = send(ann, "merge", {"into": write_fingerprint(OTHER)})
    assert "From now on the two are one cause." in page
    assert "<h1>“other” broke four cases" in page
    answer = ann.get(address(BASE))
    assert (answer.status_code, answer.headers["Location"]) == (302, address(OTHER))
    assert [fact.fingerprint for fact in read(project, OTHER).merged] == [BASE]
    assert "Split off" in page
    send(ann, "unmerge", {})
    assert Fingerprint.objects.get(project=project, fingerprint=BASE).merged_into is None


def test_a_category_set_by_hand_wins_and_says_so(ann: Client) -> None:
    a_click()
    assert "It is of the category network" in send(ann, "category", {"category": "network"})
    assert "network, set by hand" in write_plainly(open_page(ann, address(BASE)))
    assert "network, set by hand" in write_plainly(open_page(ann, "/p/click/causes/"))
    assert "Nothing was changed" in send(ann, "category", {"category": "no such one"})
    assert "The rules decide again." in send(ann, "category", {"category": ""})


def test_a_fix_is_claimed_and_taken_back(ann: Client) -> None:
    project = a_click()
    page = send(ann, "claim", {"commit": "abcdef1234567", "note": "retries"})
    assert "Noted." in page
    assert "of which no run is known yet: retries" in write_plainly(page)
    assert read(project).state == "claimed fixed"
    claim = FixClaim.objects.get(project=project)
    assert claim.fingerprint == BASE
    assert "name the commit by seven or more" in send(ann, "claim", {"commit": "x"})
    assert "The claim was taken back." in send(ann, "withdraw", {"claim": str(claim.pk)})
    assert read(project).state == "ongoing"


def test_a_claim_about_something_else_is_not_taken_back_here(ann: Client) -> None:
    project, bob = a_click(), a_user("bob")
    claims = [
        claim_fix(project.pk, ord=1, commit="abcdef1", user=bob),
        claim_fix(project.pk, fingerprint=OTHER, commit="abcdef1", user=bob),
    ]
    for claim in claims:
        assert ann.post(f"{address(BASE)}withdraw/", {"claim": claim.pk}).status_code == 404
    assert FixClaim.objects.filter(withdrawn_at=None).count() == 2


def test_a_claim_of_a_merged_cause_is_taken_back_with_the_cause_it_went_into(ann: Client) -> None:
    project = a_click()
    claim = claim_fix(project.pk, fingerprint=BASE, commit="abcdef1", user=a_user("bob"))
    assert ann.post(f"{address(OTHER)}withdraw/", {"claim": claim.pk}).status_code == 404
    send(ann, "merge", {"into": write_fingerprint(OTHER)})
    assert "The claim was taken back." in send(ann, "withdraw", {"claim": claim.pk}, fingerprint=OTHER)


@pytest.mark.parametrize(
    ("act", "form"),
    [
        *(("split", {"place": place}) for place in ("", "x", "9", "-1", "99999", "٣")),
        *(("merge", {"into": into}) for into in ("", "zz", "0" * 16, write_fingerprint(BASE))),
        ("unmerge", {}),
        ("join", {}),
        *(("withdraw", {"claim": claim}) for claim in ("", "x", "9" * 18)),
    ],
)
def test_a_form_that_names_nothing_changes_nothing(ann: Client, act: str, form: dict[str, object]) -> None:
    project = a_click()
    before = list(Fingerprint.objects.filter(project=project).order_by("fingerprint").values())
    assert "Nothing was changed" in send(ann, act, form)
    assert list(Fingerprint.objects.filter(project=project).order_by("fingerprint").values()) == before


def test_a_viewer_reads_and_has_no_forms(ann: Client) -> None:
    a_click(role="viewer")
    page = open_page(ann, address(BASE))
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    assert ann.post(f"{address(BASE)}split/", {"place": "0"}).status_code == 404


def test_a_cause_of_another_project_does_not_exist_here(ann: Client) -> None:
    a_click()
    foreign = a_project("other")
    a_said_run(foreign, fails("theirs"), hour=0)
    theirs = take_fingerprint("E", "theirs")
    assert ann.get(address(theirs)).status_code == 404
    assert ann.post(f"{address(theirs)}category/", {"category": "network"}).status_code == 404
    assert ann.get("/p/click/causes/nonsense/").status_code == 404
    send(ann, "merge", {"into": write_fingerprint(theirs)})
    assert Fingerprint.objects.get(project=foreign).merged_into is None


def test_a_cause_of_a_pull_request_is_shown_where_it_was(ann: Client) -> None:
    project = a_click()
    a_said_run(project, fails("only there"), hour=2, branch="feature", pull_request="7")
    page = read(project, take_fingerprint("E", "only there"))
    assert (page.scope.lane, page.total.broken, page.state) == ("changes", 1, "new")
    assert read(project, take_fingerprint("E", "only there"), branch="main").total.broken == 0


@pytest.mark.parametrize(("n_runs", "n_cases"), [(3, 6), (40, 300)])
def test_the_number_of_statements_does_not_grow(n_runs: int, n_cases: int) -> None:
    project = a_steady_project("click", n_runs=n_runs, n_cases=n_cases, n_variants=2)
    count_all(project)
    fingerprint = Fingerprint.objects.filter(project=project, message__startswith="fail").first()
    assert fingerprint is not None
    with counted_statements() as sent:
        page = read(project, fingerprint.fingerprint)
    assert page.evidence.cases
    assert len(sent) <= 20


def test_one_of_very_many_causes_reads_its_own_and_the_largest_others(monkeypatch: pytest.MonkeyPatch) -> None:
    project = a_project("click")
    a_said_run(project, fails(*(f"cause {chr(97 + k)}" for k in range(9)), "x", "x", "x"), hour=0)
    project.refresh_from_db()
    whole = read(project, take_fingerprint("E", "x"))
    made, last = [], []
    make_fact, fetch = cause_facts.make_fact, cause_window.fetch_last_failures
    monkeypatch.setattr(cause_facts, "make_fact", lambda *row, **more: made.append(1) or make_fact(*row, **more))
    monkeypatch.setattr(cause_window, "fetch_last_failures", lambda *a, **b: last.extend(fetch(*a, **b)) or last)
    monkeypatch.setattr(cause_window, "MOST_READ", 2)
    monkeypatch.setattr(cause, "_MOST_OTHERS", 2)
    page = read(project, take_fingerprint("E", "x"))
    assert (len(made), len(page.others), len(last)) == (3, 2, 3)
    assert [(case.case.name, case.broke) for case in page.evidence.cases] == [
        (case.case.name, case.broke) for case in whole.evidence.cases
    ]
    assert (page.total, page.n_of, page.state) == (whole.total, whole.n_of, whole.state)

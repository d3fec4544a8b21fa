"""What a failure printed of passwords and tokens is for the project's owners alone (B60)."""

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from health.cause_acts import merge_causes, set_category
from health.deferral_acts import add_entry, change_entry
from health.judging import judge_project
from health.models import AuditEntry, Deferral, Failure, FailureText, Fingerprint, Membership, Project
from health.rules.cuts import LONGEST_REASON, LONGEST_SAMPLE
from health.rules.fingerprints import write_fingerprint
from tests.builders import a_project, a_token, a_user, an_upload
from tests.cause_scenes import a_said_run, count_all, upload_report

pytestmark = pytest.mark.django_db

SECRET = "hunter2-and-more"
PAGES = [
    "/",
    "/p/click/",
    "/p/click/causes/",
    "/p/click/runs/",
    "/p/click/runs/2/",
    "/p/click/cases/0/",
    "/p/click/cases/1/",
]


def sign_in(project: Project, role: str) -> Client:
    client = Client()
    user = User.objects.filter(username=f"a-{role}").first() or a_user(f"a-{role}")
    Membership.objects.get_or_create(project=project, user=user, role=role)
    client.force_login(user)
    return client


@pytest.fixture
def project() -> Project:
    """A run that passed, and one whose failure and skip print a password in their messages and texts."""
    project = a_project("click", owner=User.objects.create(username="first", password="!"))
    an_upload(project, {"tests::login": "pass", "tests::later": "pass"})
    said = f"E   ConnectionError: postgresql://sw:{SECRET}@db/x\nDB_PASSWORD={SECRET}"
    an_upload(project, {f"tests::password={SECRET}": "fail", "tests::login": "fail", "tests::later": "skip"}, text=said)
    return project


@pytest.mark.parametrize("role", ["viewer", "maintainer"])
@pytest.mark.parametrize("path", ["/", "/p/click/", "/p/click/runs/", "/p/click/runs/2/", "/p/click/cases/0/"])
def test_others_see_a_mask(project: Project, role: str, path: str) -> None:
    answer = sign_in(project, role).get(path)
    assert answer.status_code == 200
    # The name of a case is its identity, byte for byte; its own page and links name it.
    text = answer.text.replace(f"tests::password={SECRET}", "").replace(f"password={SECRET}</a>", "")
    assert f"sw:{SECRET}@" not in text
    assert f"DB_PASSWORD={SECRET}" not in text


@pytest.mark.parametrize("path", ["/p/click/runs/2/", "/p/click/cases/0/"])
def test_who_sees_a_mask_is_told_so(project: Project, path: str) -> None:
    text = sign_in(project, "viewer").get(path).text
    assert "sw:[masked password]@db" in text
    assert "What looks like a secret is masked. An owner of the project sees the whole text." in text


@pytest.mark.parametrize("path", ["/p/click/runs/2/", "/p/click/cases/0/"])
def test_an_owner_sees_the_whole_text(project: Project, path: str) -> None:
    text = sign_in(project, "owner").get(path).text
    assert f"sw:{SECRET}@db" in text
    assert "masked" not in text


def test_what_stands_in_for_a_text_that_is_gone_is_masked_too(project: Project) -> None:
    """The message its cause was first seen with is all that is known then."""
    FailureText.objects.filter(project=project).delete()
    Fingerprint.objects.filter(project=project).update(message=f"login failed: password={SECRET}")
    assert Failure.objects.filter(project=project).exists()
    client = sign_in(project, "viewer")
    for path in PAGES:
        text = client.get(path).text
        assert f"failed: password={SECRET}" not in text, path
    assert "failed: password=[masked password]" in client.get("/p/click/runs/2/").text


def test_a_skip_that_prints_a_secret_is_masked() -> None:
    project = a_project("click")
    an_upload(project, {"tests::later": "skip"}, text=f"needs PASSWORD={SECRET}")
    client = sign_in(project, "viewer")
    for path in ("/p/click/", "/p/click/runs/1/", "/p/click/cases/0/"):
        assert SECRET not in client.get(path).text, path


# --- what we shortened ourselves, and kinds --------------------------------------------------------------------

_URL = f"postgres://admin:{SECRET}"
_TOKEN = f"ghp_{'a1B2c3D4e5' * 3}f6G7h8"
_CUT = (
    f"{'x' * (LONGEST_SAMPLE - len(_URL) - 1)} {_URL}@db:5432/shop",
    f"{'x' * (LONGEST_SAMPLE - len(_TOKEN))} {_TOKEN} refused",
)
_KIND = f"Error: password={SECRET}"


def list_addresses(project: Project) -> list[str]:
    """Where something of a failure may be told: pages, their files, their panels."""
    keys = [write_fingerprint(one) for one in Fingerprint.objects.values_list("fingerprint", flat=True)]
    places = ["", "causes/", "runs/", "runs/1/", "runs/2/", "flaky/", "matrix/", "vanished/", "compare/?base=1&head=2"]
    places += [f"search/?search={word}" for word in ("broken", "hunter")] + ["cases/0/"]
    places += [f"causes/{key}/" for key in keys]
    pages = [f"/p/{project.slug}/{place}" for place in places]
    files = [f"{page}{'&' if '?' in page else '?'}format={form}" for page in pages for form in ("csv", "json")]
    return [*pages, *files]


def list_figures(project: Project) -> list[str]:
    """The same for programs."""
    keys = [write_fingerprint(one) for one in Fingerprint.objects.values_list("fingerprint", flat=True)]
    places = ["overview", "causes", "runs", "runs/1", "runs/2", "flaky", "vanished", "compare?base=1&head=2"]
    places += ["search?search=broken", "cases/0", *(f"causes/{key}" for key in keys)]
    return [f"/api/v1/projects/{project.slug}/{place}" for place in places]


def read_everything(project: Project, *, role: str = "viewer") -> dict[str, str]:
    """What a member is shown, and a token that may read."""
    client, headers = sign_in(project, role), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    found = {path: client.get(path, follow=True) for path in list_addresses(project)}
    found |= {path: Client().get(path, headers=headers) for path in list_figures(project)}
    assert {path: answer.status_code for path, answer in found.items() if answer.status_code != 200} == {}
    # Words that pages mark stand in elements of their own.
    return {path: f"{answer.text}\n{strip_tags(answer.text)}" for path, answer in found.items()}


@pytest.mark.parametrize("are_texts_gone", [False, True])
@pytest.mark.parametrize("message", _CUT)
def test_a_secret_at_the_cut_of_a_sample_is_masked_everywhere(message: str, are_texts_gone: bool) -> None:
    project = a_project("click")
    said = {"t::broken": ("fail", "E", message), "t::calm": ("pass", "", "")}
    for hour in (0, 1):
        a_said_run(project, said, hour=hour)
    sample = Fingerprint.objects.get(project=project).message
    assert len(sample) == LONGEST_SAMPLE
    assert SECRET in sample or _TOKEN[:39] in sample
    if are_texts_gone:
        FailureText.objects.filter(project=project).delete()
    for path, text in read_everything(project).items():
        assert SECRET not in text, path
        assert _TOKEN[:12] not in text, path
    key = write_fingerprint(Fingerprint.objects.get(project=project).fingerprint)
    assert "[masked " in sign_in(project, "maintainer").get(f"/p/click/causes/{key}/").text
    owner = strip_tags(sign_in(project, "owner").get(f"/p/click/causes/{key}/").text)
    assert SECRET in owner or _TOKEN[:39] in owner


@pytest.mark.parametrize("message", ["", "it broke"])
def test_a_secret_in_a_kind_is_masked_everywhere(message: str) -> None:
    project = a_project("click")
    said = {"t::broken": ("fail", _KIND, message), "t::calm": ("pass", "", "")}
    for hour in (0, 1):
        a_said_run(project, said, hour=hour)
    a_said_run(project, {"t::broken": ("fail", "E", "another"), "t::calm": ("pass", "", "")}, hour=2)
    fingerprints = dict(Fingerprint.objects.filter(project=project).values_list("kind", "fingerprint"))
    user = User.objects.create(username="ann", password="!")
    set_category(project.pk, fingerprint=fingerprints[_KIND], category="network", user=user)
    assert SECRET not in AuditEntry.objects.get(project=project).subject
    told = read_everything(project)
    for path, text in told.items():
        assert SECRET not in text, path
    assert "Error: password=[masked password]" in told["/p/click/causes/?format=csv"]
    key = write_fingerprint(fingerprints[_KIND])
    assert "Error: password=[masked password]" in told[f"/api/v1/projects/click/causes/{key}"]
    assert _KIND in sign_in(project, "owner").get(f"/p/click/causes/{key}/").text
    merge_causes(project.pk, fingerprints=[fingerprints["E"]], into=fingerprints[_KIND], user=user)
    assert not [entry for entry in AuditEntry.objects.filter(project=project) if SECRET in entry.subject]


def test_a_secret_at_the_cut_of_a_text_is_masked_everywhere() -> None:
    """The parser keeps the first and the last 32 KiB of a text."""
    project = a_project("click")
    size, line = 32 * 1024, "a line of a log\n"
    key = f"-----BEGIN RSA PRIVATE KEY-----\n{'MIIEsecret/' * 5}\nZebra==\n-----END RSA PRIVATE KEY-----\n"
    head = (line * size)[: size - len(_URL) - 1] + " " + _URL
    tail = key[40:] + (line * size)[: size - len(key) + 40]
    text = f"{head}@db {line * size}{key[:40]}{tail}"
    case = f'<testcase classname="t" name="broken"><failure type="E" message="it broke">{text}</failure></testcase>'
    for number in (1, 2):
        upload_report(project, f'<testsuite name="s">{case}</testsuite>'.encode(), run_id=str(number), provider="ci")
    count_all(project)
    whole = sign_in(project, "owner").get("/p/click/cases/0/").text
    assert f"{_URL}\n[… about" in whole
    assert "Zebra==" in whole
    told = read_everything(project)
    for path, shown in told.items():
        assert SECRET not in shown, path
        assert "Zebra==" not in shown, path
        assert "MIIEsecret" not in shown, path
    assert "postgres://admin:[masked password]\n[… about" in told["/p/click/cases/0/"]


def test_a_secret_at_the_cut_of_a_reason_is_masked() -> None:
    """Of the text of what was put off only the beginning is read."""
    project = a_project("click")
    text = f"{'x' * (399 - len(_URL))} {_URL}@db"
    report = f'<testsuite name="s"><testcase classname="t" name="a"><skipped>{text}</skipped></testcase></testsuite>'
    upload_report(project, report.encode())
    Failure.objects.filter(project=project).update(message_length=0)
    for path in ("/p/click/", "/p/click/runs/1/", "/p/click/cases/0/"):
        assert SECRET[:-1] not in sign_in(project, "viewer").get(path).text, path


# --- the register ----------------------------------------------------------------------------------------------------

_ISSUE = f"https://ann:{SECRET}@tracker.example/issues/7"
_REASONS = {
    "in words": f"needs PASSWORD={SECRET} and {_TOKEN}",
    "as what covers it": f"covered by tests/unit/{_TOKEN}.py::test_one, covered by 2 unit tests in {_TOKEN}",
    "as its issue": f"see {_ISSUE}",
    "as its owner": f"TODO({_TOKEN}): mend it",
    "as its precedent": f"as in tests/contract/{_TOKEN}.py::test_open, as in {_ISSUE}",
    "at its cut": f"{'x' * (LONGEST_REASON - len(_URL) - 1)} {_URL}@db:5432/shop",
}


def read_register(project: Project, role: str = "viewer") -> dict[str, str]:
    """All that tells of entries: pages, tables as files, lists, figures, and what CI is told."""
    client, headers = sign_in(project, role), {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
    entries = Deferral.objects.filter(project=project)
    places = ["deferred/", "deferred/?state=closed", "deferred/?search=x", *(f"deferred/{e.pk}/" for e in entries)]
    files = [f"deferred/?format={form}" for form in ("csv", "json", "deselect", "xfail")]
    files += [
        f"deferred/{e.pk}/?format={form}&table={table}"
        for e in entries
        for form in ("csv", "json")
        for table in ("backing", "history")
    ]
    found = {f"/p/{project.slug}/{place}": client.get(f"/p/{project.slug}/{place}") for place in [*places, *files]}
    lists = [f"deferred/export?format={form}" for form in ("deselect", "xfail", "json")]
    for place in ["deferred", *(f"deferred/{e.pk}" for e in entries), *lists]:
        url = f"/api/v1/projects/{project.slug}/{place}"
        found[url] = Client().get(url, headers=headers)
    sender = {"authorization": f"Bearer {a_token(project)}"}
    for run in ("1", "2"):
        found[f"gate {run}"] = Client().post("/api/v1/runs/gate", {"provider": "ci", "run_id": run}, headers=sender)
    assert {path: answer.status_code for path, answer in found.items() if answer.status_code != 200} == {}
    told = {path: f"{answer.text}\n{strip_tags(answer.text)}" for path, answer in found.items()}
    return told | read_everything(project, role=role)


def put_off(project: Project, reason: str) -> None:
    """Twice, with another reason in between, and with a case that reports as expected to fail."""
    for number, said in enumerate((f"{reason} ", reason), start=1):
        cases = {"tests::later": f"skip: {said}", "tests::known": f"xfail: {said}", "tests::calm": "pass"}
        an_upload(project, cases, provider="ci", run_id=str(number))
    judge_project(project.pk)


@pytest.mark.parametrize("reason", _REASONS.values(), ids=_REASONS)
def test_a_secret_in_a_reason_is_masked_wherever_the_register_tells_of_it(reason: str) -> None:
    project = a_project("click")
    put_off(project, reason)
    assert Deferral.objects.filter(project=project).count() == 2
    for role in ("viewer", "maintainer"):
        for path, text in read_register(project, role).items():
            assert SECRET not in text, path
            assert _TOKEN[:12] not in text, path
    entry = Deferral.objects.filter(project=project)[0]
    page = sign_in(project, "viewer").get(f"/p/click/deferred/{entry.pk}/").text
    assert "[masked " in page
    for column in (entry.owner, entry.issue, entry.precedent, str(entry.read | {"reason": ""})):
        assert SECRET not in column
        assert _TOKEN[:12] not in column


def test_a_secret_that_a_person_or_a_file_wrote_is_masked_too() -> None:
    project = a_project("click")
    put_off(project, "why")
    user = a_user("ann")
    Membership.objects.create(project=project, user=user, role="maintainer")
    entry = Deferral.objects.filter(project=project).earliest("pk")
    fields = dict.fromkeys(("reason", "issue", "precedent"), f"{_TOKEN} {_ISSUE}")  # others are names
    lists = {"backing": [f"tests/{_TOKEN}*", _ISSUE, "2 tests in calm"], "code": [f"src/{_TOKEN}.py"]}
    change_entry(project.pk, entry.pk, version=1, changes=fields | lists, user=user)
    change_entry(project.pk, entry.pk, version=2, changes={"reason": f"{_URL}@db"}, user=user)
    add_entry(project.pk, pattern="tests/other/**", fields=fields | lists, user=user)
    for role in ("viewer", "maintainer"):
        for path, text in read_register(project, role).items():
            assert SECRET not in text, path
            assert _TOKEN[:12] not in text, path
    for written in AuditEntry.objects.filter(project=project):
        assert SECRET not in f"{written.subject} {written.detail}"
        assert _TOKEN[:12] not in f"{written.subject} {written.detail}"


def test_a_masked_field_that_nobody_touched_stays_as_it_is() -> None:
    """Correcting the owner does not write the mask over the reason."""
    project = a_project("click")
    put_off(project, _REASONS["in words"])
    entry, client = Deferral.objects.filter(project=project).earliest("pk"), sign_in(project, "maintainer")
    sent = {"version": 1, "owner": "bob", "was-owner": ""}
    shown = client.get(f"/p/click/deferred/{entry.pk}/").text
    masked = strip_tags(shown.partition('name="reason"')[2].partition(">")[2].partition("</textarea>")[0])
    assert "[masked password]" in masked
    sent |= {"reason": masked, "was-reason": masked}
    assert client.post(f"/p/click/deferred/{entry.pk}/edit/", sent).status_code == 302
    entry.refresh_from_db()
    assert (entry.written, entry.reason) == ({"owner": "bob"}, _REASONS["in words"])

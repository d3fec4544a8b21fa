"""The demo arrives through the front door, once, and only in projects of its own."""

import json
import threading

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from health.models import AuditEntry, Membership, Project, UploadToken
from ingest.management.commands import load_demo
from ingest.management.commands.load_demo import DEMO
from ingest.uploader import REFUSED, SERVER_TROUBLE, UploadError

COUNTS = {"tests": 2, "passed": 1, "failed": 0, "errored": 0, "skipped": 1}
LINES = {"files": 1, "lines_valid": 3, "lines_covered": 2, "branches_valid": 0, "branches_covered": 0}
FILES = [{"kind": "results", **COUNTS}, {"kind": "coverage", **LINES}]


class FakeCourier:
    """Takes everything and has it read at once; `trouble` and `endings` say what goes wrong with which run."""

    trouble: dict[str, UploadError] = {}
    endings: dict[str, dict] = {}

    def __init__(self, url, *, token, note):
        self.url, self.token, self.sent = url, token, []
        self.lock = threading.Lock()
        couriers.append(self)

    def send(self, delivery):
        run_id = delivery.fields["run_id"]
        if run_id in self.trouble:
            raise self.trouble[run_id]
        with self.lock:
            self.sent.append(delivery)
        return {"upload": run_id, "status_url": f"/status/{run_id}"}

    def follow(self, status_url, *, seconds):
        run_id = status_url.rsplit("/", 1)[1]
        return self.endings.get(run_id) or {"state": "stored", "receipt": {"files": FILES}}


couriers: list[FakeCourier] = []


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """One demo project with three runs, and a courier that keeps what it was given."""
    folder = tmp_path / "demo" / "sample"
    folder.mkdir(parents=True)
    for name in ("a.xml.gz", "a.lcov.gz"):
        (folder / name).write_bytes(b"\x1f\x8b packed")
    run = {
        "files": ["a.xml.gz"], "commit": "c" * 40, "branch": "main", "committed_at": "2025-01-02T03:04:05+01:00",
        "ran_at": "2025-01-02T03:05:05+01:00", "job": "tests", "variant": "python 3.11", "expected": COUNTS,
        "coverage": "a.lcov.gz", "expected_coverage": LINES,
    }  # fmt: skip
    project = {"name": "org/sample", "slug": "sample", "default_branch": "main"}
    index = {"project": project, "runs": [{**run, "run_id": f"run-{number}"} for number in range(3)]}
    (folder / "runs.json").write_text(json.dumps(index), encoding="utf-8")
    monkeypatch.setattr(load_demo, "DEMO", tmp_path / "demo")
    monkeypatch.setattr(load_demo, "Courier", FakeCourier)
    monkeypatch.setattr(FakeCourier, "trouble", {})
    monkeypatch.setattr(FakeCourier, "endings", {})
    couriers.clear()
    return index


@pytest.mark.django_db
def test_each_run_is_sent_with_its_true_date(demo, capsys):
    call_command("load_demo", url="http://here")
    (courier,) = couriers
    assert courier.url == "http://here"
    assert sorted(delivery.fields["run_id"] for delivery in courier.sent) == ["run-0", "run-1", "run-2"]
    fields = dict(courier.sent[0].fields)
    del fields["run_id"]
    assert fields == {
        "commit": "c" * 40,
        "branch": "main",
        "committed_at": "2025-01-02T03:04:05+01:00",
        "ran_at": "2025-01-02T03:05:05+01:00",
        "job": "tests",
        "variant": "python 3.11",
        "provider": "demo",
        "default_branch": "main",
    }
    assert [report.name for report in courier.sent[0].reports] == ["a.xml.gz", "a.lcov.gz"]
    assert capsys.readouterr().out.startswith("org/sample: 3 of 3 runs stored in ")


@pytest.mark.django_db
def test_the_project_is_a_sample_of_the_first_user_and_the_token_ends_with_the_loading(demo):
    first, _second = (User.objects.create_user(name) for name in ("ada", "ben"))
    call_command("load_demo")
    project = Project.objects.get(slug="sample")
    assert (project.name, project.default_branch, project.is_sample) == ("org/sample", "main", True)
    membership = Membership.objects.get(project=project)
    assert (membership.user, membership.role) == (first, Membership.Role.OWNER)
    token = UploadToken.objects.get(project=project)
    assert token.revoked_at
    assert token.expires_at
    assert token.scopes == ["upload"]
    entries = AuditEntry.objects.filter(project=project).order_by("id")
    assert list(entries.values_list("actor", "action")) == [
        ("manage.py load_demo", "token.created"),
        ("manage.py load_demo", "token.revoked"),
    ]


@pytest.mark.django_db
def test_owners_can_be_named(demo):
    ben = [User.objects.create_user(name) for name in ("ada", "ben")][1]
    call_command("load_demo", owner=["ben"])
    assert [membership.user for membership in Membership.objects.all()] == [ben]
    with pytest.raises(CommandError, match="There is no user eve"):
        call_command("load_demo", owner=["eve"])


@pytest.mark.django_db
def test_a_project_that_is_no_sample_is_left_alone(demo, capsys):
    Project.objects.create(slug="sample", name="mine")
    call_command("load_demo")
    assert couriers == []
    assert not UploadToken.objects.exists()
    assert capsys.readouterr().out == "org/sample: left alone, the project sample is not a sample.\n"


@pytest.mark.django_db
def test_an_interrupted_loading_goes_on(demo):
    """Runs that are there already are sent again and recognised by the door."""
    FakeCourier.trouble = {"run-1": UploadError(SERVER_TROUBLE, "Out of order.", final=True)}
    with pytest.raises(CommandError, match=r"org/sample was not sent\. Out of order\."):
        call_command("load_demo")
    assert UploadToken.objects.get().revoked_at
    FakeCourier.trouble = {}
    call_command("load_demo")
    earlier, later = ({delivery.key for delivery in courier.sent} for courier in couriers)
    assert len(later) == 3
    assert earlier < later


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        ({"state": "failed", "error": {"message": "Not XML."}}, "ended as failed. Not XML."),
        ({"state": "dead", "error": None}, "ended as given up."),
        ({"state": "stored", "receipt": {"files": [{**FILES[0], "passed": 0}, FILES[1]]}}, "the receipt counts"),
        ({"state": "stored", "receipt": {"files": [FILES[0], {**FILES[1], "files": 2}]}}, "the receipt counts"),
        ({"state": "stored", "receipt": {"files": FILES[:1]}}, "the receipt counts"),
    ],
)
def test_a_run_that_did_not_arrive_whole_is_named(demo, capsys, ending, sentence):
    FakeCourier.endings = {"run-1": ending}
    with pytest.raises(CommandError) as error:
        call_command("load_demo")
    assert "1 of the runs did not arrive:\n  org/sample run-1: " + sentence in str(error.value)
    assert "2 of 3 runs stored" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_single_refused_run_does_not_hold_up_the_others(demo, capsys):
    FakeCourier.trouble = {"run-0": UploadError(REFUSED, "Too large.")}
    with pytest.raises(CommandError, match=r"org/sample run-0: Too large\."):
        call_command("load_demo")
    assert "2 of 3 runs stored" in capsys.readouterr().out


def coverage_of(stack):
    """What the demo's runs cover, as it is stored: files, lines and branches by project and run."""
    rows = stack.query("""
        SELECT p.slug, r.external_id, c.n_files, c.lines_valid, c.lines_covered, c.branches_valid, c.branches_covered
        FROM health_runcoverage c JOIN health_run r ON r.project_id = c.project_id AND r.number = c.run
        JOIN health_project p ON p.id = c.project_id WHERE p.slug IN ('click', 'more-itertools') AND c.level = ''
    """)
    return {tuple(row[:2]): tuple(row[2:]) for row in rows}


def test_the_real_demo_arrives_whole_and_once(live_stack):
    assert "40 of 40 runs stored" in live_stack.manage("load_demo", "--url", live_stack.url)
    facts = """
        SELECT p.slug, p.is_sample, count(*), count(*) FILTER (WHERE u.state = 'stored'), min(u.ran_at), max(u.ran_at)
        FROM health_project p JOIN health_upload u ON u.project_id = p.id
        WHERE p.slug IN ('click', 'more-itertools') GROUP BY 1, 2 ORDER BY 1
    """
    before = live_stack.query(facts)
    assert [row[:4] for row in before] == [("click", True, 40, 40), ("more-itertools", True, 30, 30)]
    assert [str(row[4].date()) for row in before] == ["2025-03-18", "2025-03-10"]
    assert coverage_of(live_stack) == {
        (slug, run["run_id"]): tuple(run["expected_coverage"].values())
        for slug in ("click", "more-itertools")
        for run in json.loads((DEMO / slug / "runs.json").read_text(encoding="utf-8"))["runs"]
        if "expected_coverage" in run
    }
    again = live_stack.manage("load_demo", "--url", live_stack.url)
    assert "pallets/click: all 40 runs are there already.\n" in again
    assert live_stack.query(facts) == before

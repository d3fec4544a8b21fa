"""Fill an instance with the demo projects, through its public upload endpoint, as any CI would.

Run by `manage.py up` once web and worker are there, or by hand; sends with `ingest.uploader`.
Promise: a second call changes nothing, and a project that is not our sample is left alone
(tests/ingest/test_load_demo.py).
"""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from health.audit import record
from health.models import Membership, Project, Upload, UploadToken
from ingest.uploader import Courier, Delivery, UploadError, pack

DEMO: Final = Path(__file__).resolve().parents[3] / "demo"
SENT_FIELDS: Final = ("commit", "branch", "committed_at", "ran_at", "run_id", "job", "variant")


@dataclass(frozen=True, slots=True)
class Demo:
    """One demo project as `demo/<slug>/runs.json` describes it."""

    folder: Path
    project: dict[str, Any]
    runs: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return str(self.project["name"])


class Command(BaseCommand):
    """`manage.py load_demo [--url ADDRESS] [--owner NAME …] [--wait SECONDS]`."""

    help = "Creates the sample projects and sends their recorded runs to the running server."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to send, for whom, and how long to wait for the worker."""
        parser.add_argument("--url", default=settings.BASE_URL, help="address of the running server")
        parser.add_argument("--owner", action="append", default=[], metavar="NAME", help="default: the first user")
        parser.add_argument("--wait", type=float, default=300.0, metavar="SECONDS")

    def handle(self, *_: Any, **options: Any) -> None:
        """One line per project; an error at the end when a run did not arrive."""
        owners = find_owners(options["owner"])
        problems: list[str] = []
        for demo in read_demos(DEMO):
            project = prepare_project(demo, owners=owners)
            if not project.is_sample:
                self.stdout.write(f"{demo.name}: left alone, the project {project.slug} is not a sample.")
            elif project.uploads.filter(state="stored").count() >= len(demo.runs):
                self.stdout.write(f"{demo.name}: all {len(demo.runs)} runs are there already.")
            else:
                problems += self.load(demo, project=project, url=options["url"], wait=options["wait"])
        if problems:
            raise CommandError("\n  ".join([f"{len(problems)} of the runs did not arrive:", *problems]))

    def load(self, demo: Demo, *, project: Project, url: str, wait: float) -> list[str]:
        """Send the project's runs, wait until they are read; returns what went wrong, run by run."""
        began = time.monotonic()
        in_an_hour = timezone.now() + timedelta(hours=1)
        token, text = UploadToken.issue(project, name="load_demo", scopes=["upload"], expires_at=in_an_hour)
        note_token(token, "token.created")
        try:
            problems = send_runs(demo, courier=Courier(url, token=text, note=self.stderr.write), wait=wait)
        except UploadError as error:
            raise CommandError(f"{demo.name} was not sent. {error}") from error
        finally:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
            note_token(token, "token.revoked")
        n_stored = len(demo.runs) - len(problems)
        seconds = time.monotonic() - began
        self.stdout.write(f"{demo.name}: {n_stored} of {len(demo.runs)} runs stored in {seconds:.1f} s.")
        return problems


def note_token(token: UploadToken, action: str) -> None:
    """The history of the project tells of every token, of this one too."""
    detail = {"last_four": token.last_four}
    record(token.project_id, actor="manage.py load_demo", action=action, subject=token.name, detail=detail)


def read_demos(folder: Path) -> list[Demo]:
    """The demo projects, by name; none where the package was installed without them."""
    demos = []
    for path in sorted(folder.glob("*/runs.json")):
        index = json.loads(path.read_text(encoding="utf-8"))
        demos.append(Demo(path.parent, index["project"], index["runs"]))
    return demos


def find_owners(names: Sequence[str]) -> list[User]:
    """The named users, else the first one; none before there is a user."""
    if not names:
        return list(User.objects.order_by("pk")[:1])
    owners = list(User.objects.filter(username__in=names))
    missing = sorted(set(names) - {owner.username for owner in owners})
    if missing:
        raise CommandError(f"There is no user {', '.join(missing)}.")
    return owners


@transaction.atomic
def prepare_project(demo: Demo, *, owners: Sequence[User]) -> Project:
    """The project with this slug; a new one is a sample and belongs to the owners."""
    new = {"name": demo.name, "default_branch": demo.project["default_branch"], "is_sample": True}
    project, is_new = Project.objects.get_or_create(slug=demo.project["slug"], defaults=new)
    if is_new:
        role = Membership.Role.OWNER
        Membership.objects.bulk_create(Membership(project=project, user=user, role=role) for user in owners)
    return project


def send_runs(demo: Demo, *, courier: Courier, wait: float) -> list[str]:
    """Send the oldest run first, each when the one before was read, so that runs are numbered in their order.

    Returns what went wrong, run by run. Raises UploadError as soon as one says that the next would fare no better.
    """
    until = time.monotonic() + wait
    problems = []
    with tempfile.TemporaryDirectory(prefix="suitewatch-") as folder:
        for run in demo.runs:
            try:
                answer = send_run(demo, run, courier=courier, folder=folder)
                left = max(0.0, until - time.monotonic())
                problem = find_problem(run, courier.follow(answer["status_url"], seconds=left))
            except UploadError as error:
                if error.final:
                    raise
                problem = str(error)
            if problem:
                problems.append(f"{demo.name} {run['run_id']}: {problem}")
    return problems


def send_run(demo: Demo, run: dict[str, Any], *, courier: Courier, folder: str) -> dict[str, Any]:
    fields = {field: run[field] for field in SENT_FIELDS}
    fields |= {"provider": "demo", "default_branch": demo.project["default_branch"]}
    names = [*run["files"], *([run["coverage"]] if "coverage" in run else [])]
    reports = [pack(str(demo.folder / name), folder=folder) for name in names]
    return courier.send(Delivery(fields, reports))


def find_problem(run: dict[str, Any], status: dict[str, Any]) -> str:
    """What is wrong with a finished upload: not stored, or stored with other counts than were recorded."""
    if status["state"] != "stored":
        error = status.get("error") or {}
        return f"ended as {Upload.State(status['state']).label}. {error.get('message', '')}".strip()
    files = status["receipt"]["files"]
    for kind, recorded in (("results", run["expected"]), ("coverage", run.get("expected_coverage", {}))):
        counts = {name: sum(file[name] for file in files if file["kind"] == kind) for name in recorded}
        if counts != recorded:
            return f"the receipt counts {counts}, recorded was {recorded}"
    return ""

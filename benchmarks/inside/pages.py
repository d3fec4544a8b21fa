"""Server time of every page of a project with a long history, through all middleware.

Called by `benchmarks.pieces.pages`. Pages are found in `dashboard.urls`, so a new one is measured without a word here.
"""

import re
import time
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import URLPattern, reverse

from benchmarks.inside.recorder import Recorder, Statement, replay_in_crowd
from benchmarks.inside.seeding import add_waiting_upload, claim_waiting, make_member, make_project
from benchmarks.inside.store import parse_file
from dashboard.urls import urlpatterns
from health.models import Failure, Project, Run, Upload
from health.rules.outcomes import FAIL
from ingest.store import Contents, store_contents

_BRANCHES: Final = ("main", "main", "main", "release/2", "main", "feature/colour")
_VARIANTS: Final = ("py3.11", "py3.13")
_QUERIES: Final = {"search": "?search=case_1"}  # a page that says nothing until it is asked
_CLIENTS: Final = 4
_CROWD_SECONDS: Final = 5.0
# Forms and their answers, not pages that show facts.
_LEFT_OUT: Final = re.compile(r"log(in|out)|project-create|settings|start")


def measure_pages(reports: list[str], runs: int, rounds: int, seconds_of_requests: float) -> dict[str, Any]:
    """Milliseconds of each page right after the project's facts changed, and when nothing did; by URL name."""
    began = time.monotonic()
    project = _fill_project([Path(report) for report in reports], runs)
    filled = time.monotonic() - began
    return request_pages(project, rounds, seconds_of_requests) | {"filled_seconds": filled}


def measure_stored(project: int, rounds: int, seconds_of_requests: float) -> dict[str, Any]:
    """The same for a project that is stored already, with what its pages asked the database."""
    return request_pages(Project.objects.get(pk=project), rounds, seconds_of_requests)


def request_pages(project: Project, rounds: int, seconds_of_requests: float) -> dict[str, Any]:
    """Every page in turns: milliseconds in all, and of that in the database; what each page asked last."""
    pages, skipped = _find_pages(project)
    client, recorder = _sign_in(project), Recorder()
    readings: dict[str, dict[str, Any]] = {
        name: {"changed": [], "same": [], "sql": [], "slowest": [], "each": [], "bytes": 0} for name in pages
    }
    first: dict[str, float] = {}
    statements: dict[str, list[Statement]] = {}
    deadline = time.monotonic() + seconds_of_requests
    for number in range(rounds + 1):
        for name, (address, is_panel) in pages.items():
            if number > 1 and time.monotonic() > deadline:
                break
            Project.objects.filter(pk=project.pk).update(revision=F("revision") + 1)
            with recorder.listening():
                changed, response = _request(client, address, is_panel=is_panel)
            same, _ = _request(client, address, is_panel=is_panel, etag=response.headers.get("ETag", ""))
            if number == 0:
                first[name] = changed
            else:
                readings[name]["changed"].append(changed)
                readings[name]["same"].append(same)
                readings[name]["sql"].append(sum(recorder.milliseconds))
                readings[name]["slowest"].append(max(recorder.milliseconds, default=0.0))
                readings[name]["each"] += recorder.milliseconds
                statements[name] = list(recorder.statements)
            readings[name]["bytes"] = len(response.content)
    crowd = replay_in_crowd(statements, clients=_CLIENTS, seconds=_CROWD_SECONDS)
    return {"pages": readings, "first": first, "skipped": skipped, "crowd": crowd}


def _fill_project(reports: list[Path], runs: int) -> Project:
    project, parsed = make_project("pages"), [parse_file(report) for report in reports]
    for number in range(runs):
        branch, variant = _BRANCHES[number % len(_BRANCHES)], _VARIANTS[number // len(_BRANCHES) % len(_VARIANTS)]
        add_waiting_upload(project, branch=branch, variant=variant)
        report = parsed[number * 7 % len(parsed)]
        receipt = {"files": [{"name": "junit.xml", "format": "junit", "tests": len(report.keys)}], "warnings": []}
        store_contents(claim_waiting(), Contents(report), state="stored", receipt=receipt)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return project


def _find_pages(project: Project) -> tuple[dict[str, tuple[str, bool]], dict[str, str]]:
    """Address of each page and whether it is a panel; and why the others were skipped."""
    pages: dict[str, tuple[str, bool]] = {}
    skipped: dict[str, str] = {}
    client = _sign_in(project)
    run, case, upload, cause = _choose_examples(project)
    for pattern in urlpatterns:
        name = pattern.name or ""
        if not isinstance(pattern, URLPattern) or _LEFT_OUT.match(name):
            continue
        wanted = pattern.pattern.converters
        values = {
            "slug": project.slug,
            "number": case if name.startswith("case") else run,
            "public_id": upload,
            "fingerprint": cause,
        }
        unknown = [word for word in wanted if word not in values]
        if unknown:
            skipped[name] = f"takes {', '.join(unknown)}, which this bench does not know"
            continue
        address = reverse(f"dashboard:{name}", kwargs={word: values[word] for word in wanted}) + _QUERIES.get(name, "")
        plain, panel = client.get(address), client.get(address, headers={"HX-Request": "true"})
        if plain.status_code == 200:
            pages[name] = (address, False)
        elif panel.status_code == 200 and panel.content:
            pages[name] = (address, True)
        else:
            skipped[name] = f"answers {plain.status_code}"
    return pages, skipped


def _choose_examples(project: Project) -> tuple[int, int, UUID, int]:
    """What may stand in an address: the newest run of main, the newest upload; of what failed last, case and cause."""
    run = Run.objects.filter(project=project, branch="main").latest("number")
    failures = Failure.objects.filter(project=project, outcome=FAIL)
    upload = Upload.objects.filter(project=project).latest("pk")
    failed = failures.order_by("-run", "ord")[0]
    return run.number, failed.ord, upload.public_id, failed.fingerprint


def _sign_in(project: Project) -> Client:
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(make_member(project))
    return client


def _request(client: Client, address: str, *, is_panel: bool, etag: str = "") -> tuple[float, Any]:
    """Milliseconds and the answer; with an ETag as a browser asks again."""
    headers = {"HX-Request": "true"} if is_panel else {}
    if etag:
        headers["If-None-Match"] = etag
    began = time.perf_counter()
    response = client.get(address, headers=headers)
    milliseconds = (time.perf_counter() - began) * 1e3
    if response.status_code not in (200, 304):
        raise LookupError(f"{address} answered {response.status_code}")
    return milliseconds, response

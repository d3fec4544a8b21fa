"""What the register says of the recorded history: every skipped and expected-to-fail test of it, as its reports say.

The reports are read again here, by a few lines that know nothing of ours. What the recordings' own index counts lies
beside the repository; where it is missing, the demo's totals stand for it.
"""

import gzip
import json
import xml.etree.ElementTree as ET
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest
from django.test import Client

from health.models import Case, Deferral, Membership, Project
from tests.builders import a_user
from tests.recordings import DEMO, load_recordings, read_index

MANIFEST = DEMO.parent.parent / "shared" / "samples" / "MANIFEST.json"
# What the manifest calls each project, and how many tests its newest run puts off.
PROJECTS = {"click": ("pallets/click", 25), "more-itertools": ("more-itertools/more-itertools", 0)}

pytestmark = pytest.mark.django_db

Name = tuple[str, str]  # class and name


@dataclass(frozen=True)
class Story:
    """How a test was put off: as what and why in the newest run that did, and since when without a break."""

    kind: str
    reason: str
    since: datetime
    is_open: bool


def read_stories(slug: str) -> dict[Name, Story]:
    """Straight from the reports, in the order of their commits. What is no longer reported is put off no longer."""
    stories: dict[Name, Story] = {}
    for run in sorted(read_index(slug)["runs"], key=lambda run: (read_moment(run), run["ran_at"])):
        cases = {name: (kind, reason) for name, kind, reason in read_cases(slug, run)}
        for name, (kind, reason) in cases.items():
            known = stories.get(name)
            if kind:
                since = known.since if known and known.is_open else datetime.fromisoformat(run["ran_at"])
                stories[name] = Story(kind, reason, since, is_open=True)
        for name in stories:
            if not cases.get(name, ("",))[0]:
                stories[name] = replace(stories[name], is_open=False)
    return stories


def read_moment(run: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(run["committed_at"])


def read_cases(slug: str, run: dict[str, Any]) -> list[tuple[Name, str, str]]:
    """Class and name of each test; of those that are put off as what and why, else nothing."""
    found = []
    for file in run["files"]:
        with gzip.open(DEMO / slug / file) as packed:
            for case in ET.parse(packed).getroot().iter("testcase"):
                skipped = case.find("skipped")
                kind = "" if skipped is None else "xfail" if skipped.get("type") == "pytest.xfail" else "skip"
                reason = "" if skipped is None else skipped.get("message", "")
                found.append(((case.get("classname", ""), case.get("name", "")), kind, reason))
    return found


def count_newest(slug: str) -> int:
    """How many tests the newest run puts off, as the recordings' index says."""
    if not MANIFEST.is_file():
        newest = max(read_index(slug)["runs"], key=lambda run: (read_moment(run), run["ran_at"]))
        return int(newest["expected"]["skipped"])
    history = json.loads(MANIFEST.read_text(encoding="utf-8"))["history"][PROJECTS[slug][0]]
    return int(max(history, key=lambda entry: datetime.fromisoformat(entry["committed_at"]))["junit"]["skipped"])


def list_entries(project: Project) -> dict[Name, Deferral]:
    names = {case.ord: (case.class_name, case.name) for case in Case.objects.filter(project=project)}
    return {names[entry.ord]: entry for entry in Deferral.objects.filter(project=project) if entry.ord is not None}


@pytest.mark.parametrize("slug", PROJECTS)
def test_each_put_off_test_stands_in_the_register_as_its_reports_say(slug: str) -> None:
    project, stories = load_recordings(slug), read_stories(slug)
    entries = list_entries(project)
    assert set(entries) == set(stories)
    for name, story in stories.items():
        entry = entries[name]
        told = (entry.kind, entry.reason, entry.opened_at, entry.closed_at is None)
        assert told == (story.kind, story.reason, story.since, story.is_open), name
        assert entry.is_put_off == story.is_open


@pytest.mark.parametrize("slug", PROJECTS)
def test_there_are_as_many_as_the_recordings_count(slug: str) -> None:
    project = load_recordings(slug)
    n = Deferral.objects.filter(project=project, closed_at=None).count()
    assert n == count_newest(slug) == PROJECTS[slug][1]


def test_the_page_lists_them_with_reason_and_age(client: Client) -> None:
    project, ann = load_recordings("click"), a_user("ann")
    Membership.objects.create(project=project, user=ann, role="viewer")
    client.force_login(ann)
    rows = client.get(f"/p/{project.slug}/deferred/?format=json").json()
    rows = rows["rows"] if isinstance(rows, dict) else rows
    stories = read_stories("click")
    assert len(rows) == len(stories) == 25
    told = {(row["class"], row["name"]): row for row in rows}
    for name, story in stories.items():
        assert told[name]["reason"] == story.reason, name
        assert datetime.fromisoformat(told[name]["opened_at"]) == story.since, name

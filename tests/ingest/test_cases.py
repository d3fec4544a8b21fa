"""Names become numbers: one number each, dense, whoever asks first; and never a number of an earlier epoch."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from django.db import connection

from config.processes import ROOT
from health.models import Case, Project, Upload
from health.rules import outcomes as codes
from health.sql import open_cursor
from ingest import cases, store
from ingest.cases import Naming, forget_names, resolve_ords, resolve_suite
from ingest.claims import claim_next
from ingest.store import Contents, StaleEpochError, store_contents
from tests.builders import a_key, a_project, a_received_upload, a_report, an_upload
from tests.servers import Servers

# A process of its own: each line it reads is a list of names, each line it writes their numbers and the epoch.
NUMBERER = """
import json, sys
import django
django.setup()
from ingest.cases import Naming, resolve_ords
naming = Naming(int(sys.argv[1]), "", "tests", "")
print("ready", flush=True)
for line in sys.stdin:
    resolved = resolve_ords(json.loads(line), naming=naming)
    print(json.dumps([resolved.ords.tolist(), resolved.epoch]), flush=True)
"""


@pytest.fixture(autouse=True)
def _fresh_names() -> Iterator[None]:
    forget_names()
    yield
    forget_names()


@pytest.fixture
def project() -> Project:
    return a_project()


def naming_of(project: Project, *, namespace: str = "", level: str = "") -> Naming:
    return Naming(project.pk, namespace, "tests", level)


def resolve(project: Project, *names: str, namespace: str = "") -> list[int]:
    keys = [a_key(name) for name in names]
    return resolve_ords(keys, naming=naming_of(project, namespace=namespace)).ords.tolist()  # type: ignore[no-any-return]


def end_epoch(address: str, project: Project, *names: str) -> None:
    """As a merge in another process: the numbers of two names are exchanged, and the epoch ends."""
    swap = "UPDATE health_case SET ord = %s WHERE project_id = %s AND name = %s"
    with psycopg.connect(address) as other:
        first, second = (
            other.execute(
                "SELECT ord FROM health_case WHERE project_id = %s AND name = %s", (project.pk, name)
            ).fetchone()[0]  # type: ignore[index]
            for name in names
        )
        other.execute(swap, (-1, project.pk, names[0]))
        other.execute(swap, (first, project.pk, names[1]))
        other.execute(swap, (second, project.pk, names[0]))
        other.execute("UPDATE health_project SET identity_epoch = identity_epoch + 1 WHERE id = %s", (project.pk,))


@pytest.fixture
def address(servers: Servers) -> str:
    """Of this process's own test database, for other processes."""
    parts = urlsplit(servers.database_url)
    return urlunsplit(parts._replace(path="/" + quote(str(connection.settings_dict["NAME"]))))


# --- In one process ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_numbers_are_dense_in_the_order_of_the_report_and_stay(project: Project) -> None:
    assert resolve(project, "c", "a", "b") == [0, 1, 2]
    assert resolve(project, "a", "d", "c") == [1, 3, 0]
    forget_names()
    assert resolve(project, "d", "c", "b", "a") == [3, 0, 2, 1]
    assert Case.objects.filter(project=project).count() == 4


@pytest.mark.django_db
def test_the_same_name_in_another_project_or_namespace_is_another_case(project: Project) -> None:
    assert resolve(project, "a", "b") == [0, 1]
    assert resolve(project, "b", namespace="windows") == [2]
    assert resolve(a_project(), "b") == [0]
    assert resolve(project, "b") == [1]


@pytest.mark.django_db
def test_names_are_told_apart_byte_by_byte(project: Project) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert resolve(project, composed, decomposed, f"{composed} ", composed.upper()) == [0, 1, 2, 3]


@pytest.mark.django_db
def test_a_suite_is_made_once_for_its_name_and_level(project: Project) -> None:
    first = resolve_suite("contract", naming=naming_of(project))
    assert resolve_suite("contract", naming=naming_of(project)) == first
    assert resolve_suite("contract", naming=naming_of(project, level="unit")) != first


@pytest.mark.django_db
def test_a_full_cache_forgets_whole_projects_and_stays_right(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "_MOST_CACHED_NAMES", 3)
    other = a_project()
    assert resolve(project, "a", "b") == [0, 1]
    assert resolve(other, "b", "a") == [0, 1]
    assert list(cases._caches) == [(other.pk, "")]
    assert resolve(project, "b", "c") == [1, 2]
    assert resolve(other, "a") == [1]


@pytest.mark.django_db
def test_a_server_that_started_anew_is_asked_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have taken over from one that had given us numbers it never heard of."""
    assert resolve(project, "a", "b") == [0, 1]
    Case.objects.filter(project=project, ord=1).delete()
    assert resolve(project, "b") == [1]
    monkeypatch.setattr(cases, "_server_started", None)
    assert resolve(project, "new", "b") == [1, 2]


# --- Between processes -------------------------------------------------------------------------------------------


class Numberer:
    """Another process that resolves names."""

    def __init__(self, project: Project, address: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": address,
            "SUITEWATCH_SECRET_KEY": "only-for-tests-" * 4,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", NUMBERER, str(project.pk)],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def ask(self, names: list[str]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([a_key(name) for name in names]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> tuple[list[int], int]:
        assert self._process.stdout is not None
        ords, epoch = json.loads(self._process.stdout.readline())
        return ords, epoch

    def close(self) -> None:
        self._process.communicate(timeout=20)


@contextmanager
def numberers(project: Project, address: str, *, n: int) -> Iterator[list[Numberer]]:
    started = [Numberer(project, address) for _ in range(n)]
    try:
        for numberer in started:
            numberer.wait_until_ready()
        yield started
    finally:
        for numberer in started:
            numberer.close()


@pytest.mark.django_db(transaction=True)
def test_two_processes_with_overlapping_new_names_agree_on_dense_numbers(project: Project, address: str) -> None:
    chance = random.Random(7)
    known: dict[str, int] = {}
    with numberers(project, address, n=2) as pair:
        for turn in range(15):
            new = [f"tests.m{turn}::test_{number}" for number in range(400)]
            asked = [chance.sample(new, 300) for _ in pair]
            for numberer, names in zip(pair, asked, strict=True):
                numberer.ask(names)
            for numberer, names in zip(pair, asked, strict=True):
                for name, ord_ in zip(names, numberer.hear()[0], strict=True):
                    assert known.setdefault(name, ord_) == ord_
    assert sorted(known.values()) == list(range(len(known)))
    stored = {f"{case.class_name}::{case.name}": case.ord for case in Case.objects.filter(project=project)}
    assert stored == known


@pytest.mark.django_db(transaction=True)
def test_a_process_that_knows_names_notices_that_an_epoch_ended(project: Project, address: str) -> None:
    with numberers(project, address, n=1) as (numberer,):
        numberer.ask(["a", "b", "c"])
        assert numberer.hear() == ([0, 1, 2], 0)
        end_epoch(address, project, "a", "b")
        numberer.ask(["a", "b", "c", "d"])
        assert numberer.hear() == ([1, 0, 2, 3], 1)


# --- An epoch that ends between numbering and storing ------------------------------------------------------------


def outcomes_by_name(project: Project, upload: Upload) -> dict[str, int]:
    names = dict(Case.objects.filter(project=project).values_list("ord", "name"))
    rows = open_cursor().execute(
        "SELECT ord, outcome FROM health_result WHERE project_id = %s AND upload = %s", (project.pk, upload.pk)
    )
    return {names[ord_]: outcome for ord_, outcome in rows.fetchall()}


def end_epochs_while_storing(
    monkeypatch: pytest.MonkeyPatch, address: str, project: Project, *, times: int
) -> list[int]:
    """Exchange a and b each time numbers were resolved, at most `times`; returns the epochs resolved in."""
    seen: list[int] = []

    def resolve_then_lose(keys: list[str], **options: Any) -> Any:
        resolved = resolve_ords(keys, **options)
        seen.append(resolved.epoch)
        if len(seen) <= times:
            end_epoch(address, project, "a", "b")
        return resolved

    monkeypatch.setattr(store, "resolve_ords", resolve_then_lose)
    return seen


@pytest.mark.django_db(transaction=True)
def test_an_epoch_that_ends_while_storing_is_noticed_and_the_numbers_are_resolved_again(
    project: Project, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_upload(project, {"a": "pass", "b": "pass", "c": "skip"})
    seen = end_epochs_while_storing(monkeypatch, address, project, times=2)
    upload = an_upload(project, {"a": "fail", "b": "pass", "c": "skip"})
    assert seen == [0, 1, 2]
    assert outcomes_by_name(project, upload) == {"a": codes.FAIL, "b": codes.PASS, "c": codes.SKIP}
    failed = open_cursor().execute(
        "SELECT ord FROM health_failure WHERE project_id = %s AND outcome = 2", (project.pk,)
    )
    assert failed.fetchall() == [(Case.objects.get(project=project, name="a").ord,)]


@pytest.mark.django_db(transaction=True)
def test_epochs_that_keep_ending_store_nothing_at_all(
    project: Project, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_upload(project, {"a": "pass", "b": "pass"})
    end_epochs_while_storing(monkeypatch, address, project, times=99)
    upload = a_received_upload(project, job="tests", branch="main")
    delivery = claim_next()
    assert delivery is not None
    with pytest.raises(StaleEpochError):
        store_contents(delivery, Contents(a_report({"a": "fail", "b": "pass"})), state="stored", receipt={"files": []})
    upload.refresh_from_db()
    assert (upload.state, outcomes_by_name(project, upload)) == ("processing", {})

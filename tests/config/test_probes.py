"""The probes tell the truth."""

import json
import time

import pytest
from django.db import OperationalError

from config import probes


@pytest.fixture(autouse=True)
def look_again():
    probes.forget_findings()
    yield
    probes.forget_findings()


def broken(*_, **__):
    raise OperationalError("connection refused")


def test_alive_needs_nothing(client, settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(probes, "_has_unapplied_migrations", broken)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_ready_with_everything_there(client, settings, servers):
    settings.REDIS_URL = servers.redis_url
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"state": "ready", "failing": [], "degraded": []})


@pytest.mark.django_db
def test_without_the_broker_it_is_ready_but_degraded(client, settings, tmp_path):
    settings.REDIS_URL = f"unix://{tmp_path}/nobody.sock"
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["degraded"]) == (200, ["broker"])


def test_without_the_database_it_is_not_ready(client, settings, monkeypatch):
    settings.REDIS_URL = ""
    monkeypatch.setattr(probes, "_has_unapplied_migrations", broken)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["failing"]) == (503, ["database"])


def test_with_a_migration_missing_it_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(probes, "_has_unapplied_migrations", lambda: True)
    assert client.get("/readyz").json()["failing"] == ["migrations"]


def test_with_a_full_disk_it_is_not_ready_and_says_so_before(client, monkeypatch):
    monkeypatch.setattr(probes, "_has_unapplied_migrations", lambda: False)
    monkeypatch.setattr(probes, "_free_room", lambda: (10, 0.001))
    assert client.get("/readyz").json()["failing"] == ["disk"]
    probes.forget_findings()
    monkeypatch.setattr(probes, "_free_room", lambda: (2**40, 0.04))
    assert "disk" in client.get("/readyz").json()["degraded"]


def test_many_who_ask_at_once_get_one_answer(client, monkeypatch):
    looks = []
    monkeypatch.setattr(probes, "_look", lambda: looks.append(1) or {"failing": [], "degraded": []})
    for _ in range(5):
        client.get("/readyz")
    assert len(looks) == 1
    later = time.monotonic() + probes.KEEP_SECONDS + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    client.get("/readyz")
    assert len(looks) == 2


def test_a_report_of_the_browser_is_logged(client, caplog):
    report = {"csp-report": {"blocked-uri": "https://evil.example", "document-uri": "/p/x"}}
    answer = client.post("/csp-report", json.dumps(report), content_type="application/csp-report")
    assert answer.status_code == 204
    assert "https://evil.example" in caplog.text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"csp-report": 1}', b"\xff", b"x" * 9000, b"[" * 8000])
def test_a_report_that_is_none_is_ignored(client, caplog, body):
    assert client.post("/csp-report", body, content_type="application/csp-report").status_code == 204
    assert caplog.text == ""


@pytest.mark.parametrize("length", ["x", "-1", ""])
def test_a_report_with_an_odd_length_is_ignored(client, length):
    kind = "application/csp-report"
    assert client.post("/csp-report", b"{}", content_type=kind, CONTENT_LENGTH=length).status_code == 204

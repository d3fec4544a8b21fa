"""The settings as they come out of an environment."""

import os
import runpy
from pathlib import Path

import pytest

from config.env import EnvError

SETTINGS = Path(__file__).resolve().parents[2] / "config" / "settings.py"


@pytest.fixture
def read_settings(monkeypatch, tmp_path):
    """Run the settings file in an environment that holds nothing of ours but what the test gives."""
    for name in list(os.environ):
        if name.startswith(("SUITEWATCH_", "DATABASE_URL", "REDIS_URL")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SUITEWATCH_STATE_DIR", str(tmp_path))

    def read(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))

    return read


def test_nothing_set_still_loads_without_a_database(read_settings):
    found = read_settings()
    assert found["DATABASES"]["default"]["ENGINE"] == "config.nodatabase"
    assert found["BASE_URL"] == "http://127.0.0.1:8000"
    assert found["DEBUG"] is False


@pytest.mark.parametrize("process", ["web", "worker", "beat"])
def test_a_database_without_a_secret_key_is_refused(read_settings, process):
    with pytest.raises(EnvError, match="SUITEWATCH_SECRET_KEY is missing"):
        read_settings(DATABASE_URL="postgresql://localhost/x", SUITEWATCH_PROCESS=process)


def test_a_command_may_start_without_a_key_because_up_makes_it(read_settings, tmp_path):
    assert read_settings(DATABASE_URL="postgresql://localhost/x")["SECRET_KEY"] == ""
    (tmp_path / "secret-key").write_text("made by up\n")
    assert read_settings(DATABASE_URL="postgresql://localhost/x")["SECRET_KEY"] == "made by up"


def test_a_short_secret_key_is_refused(read_settings):
    with pytest.raises(EnvError, match="allowed: 50 or more"):
        read_settings(SUITEWATCH_SECRET_KEY="short")


def test_plain_http_gets_plain_cookies(read_settings):
    found = read_settings(SUITEWATCH_URL="http://tests.lan:8000")
    assert found["SESSION_COOKIE_NAME"] == "sw_session"
    assert found["SESSION_COOKIE_SECURE"] is False
    assert found["SECURE_HSTS_SECONDS"] == 0
    assert found["SECURE_SSL_REDIRECT"] is False
    assert "tests.lan" in found["ALLOWED_HOSTS"]


def test_https_gets_host_cookies_and_hsts(read_settings):
    found = read_settings(SUITEWATCH_URL="https://tests.example/")
    assert found["SESSION_COOKIE_NAME"] == "__Host-sw_session"
    assert found["CSRF_COOKIE_NAME"] == "__Host-sw_csrf"
    assert found["SESSION_COOKIE_SECURE"] is found["CSRF_COOKIE_SECURE"] is True
    assert found["SECURE_HSTS_SECONDS"] == 31_536_000
    assert found["CSRF_TRUSTED_ORIGINS"] == ["https://tests.example"]


def test_http_is_redirected_only_when_the_proxy_may_say_what_it_was(read_settings):
    assert read_settings(SUITEWATCH_URL="https://tests.example")["SECURE_SSL_REDIRECT"] is False
    trusted = read_settings(SUITEWATCH_URL="https://tests.example", SUITEWATCH_TRUSTED_PROXY="yes")
    assert trusted["SECURE_SSL_REDIRECT"] is True
    assert trusted["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_a_unix_socket_of_redis_is_spelled_celerys_way(read_settings):
    found = read_settings(REDIS_URL="unix:///tmp/valkey.sock?db=0")
    assert found["CELERY_BROKER_URL"] == "redis+socket:///tmp/valkey.sock?db=0"


def test_only_the_web_process_publishes_in_a_hurry(read_settings):
    patient = read_settings()["CELERY_BROKER_TRANSPORT_OPTIONS"]
    hurried = read_settings(SUITEWATCH_PROCESS="web")["CELERY_BROKER_TRANSPORT_OPTIONS"]
    assert hurried["socket_timeout"] <= 0.5
    assert hurried["max_retries"] == 1
    assert patient["socket_timeout"] == 5
    assert "max_retries" not in patient


def test_limits_follow_the_environment(read_settings):
    found = read_settings(SUITEWATCH_UPLOAD_MAX_CASES="10", SUITEWATCH_SWEEP_SECONDS="3")
    assert found["UPLOAD_MAX_CASES"] == 10
    assert found["CELERY_BEAT_SCHEDULE"]["sweep-uploads"]["schedule"] == 3.0


EXPECTED_CSP = """default-src 'none'; script-src 'self';
  style-src-elem 'self' 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; style-src-attr 'unsafe-inline';
  img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self';
  base-uri 'none'; frame-ancestors 'none'; object-src 'none'; report-uri /csp-report"""


def directives(header: str) -> dict[str, set[str]]:
    parts = [part.split() for part in header.split(";")]
    return {words[0]: set(words[1:]) for words in parts}


@pytest.mark.parametrize("path", ["/healthz", "/no/such/page", "/api/v1/no-such"])
def test_each_answer_carries_the_content_security_policy(client, db, path):
    assert directives(client.get(path)["Content-Security-Policy"]) == directives(EXPECTED_CSP)


@pytest.mark.django_db
def test_a_page_is_compressed_for_those_who_can_read_that(client):
    assert client.get("/login/", headers={"Accept-Encoding": "gzip"})["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in client.get("/login/")


def test_each_answer_carries_the_other_security_headers(client):
    found = client.get("/healthz").headers
    assert found["X-Content-Type-Options"] == "nosniff"
    assert found["X-Frame-Options"] == "DENY"
    assert found["Referrer-Policy"] == "same-origin"
    assert found["Cross-Origin-Opener-Policy"] == "same-origin"

"""The system checks bite."""

import pyexpat

import pytest
from django.core import checks as django_checks
from django.core.management import call_command

from config import checks


def ids(found):
    return [message.id for message in found]


def test_the_tree_as_it_stands_has_no_issue(capsys):
    call_command("check", fail_level="WARNING")


def test_an_old_django_is_refused(monkeypatch):
    monkeypatch.setattr("django.VERSION", (5, 2, 18, "final", 0))
    assert ids(checks.check_django_version()) == ["config.E001"]


def test_debug_is_refused(settings):
    settings.DEBUG = True
    assert ids(checks.check_debug()) == ["config.E002"]


def test_a_missing_secret_key_is_refused(settings):
    assert checks.check_secret_key() == []
    settings.SECRET_KEY = ""
    assert ids(checks.check_secret_key()) == ["config.E004"]


@pytest.mark.django_db
def test_a_pool_that_postgresql_cannot_serve_is_refused(settings):
    assert checks.check_connection_budget(databases=["default"]) == []
    settings.WEB_PROCESSES = 50
    assert ids(checks.check_connection_budget(databases=["default"])) == ["config.E003"]


def test_the_budget_asks_no_database_unless_it_is_told_to():
    assert checks.check_connection_budget() == []


def test_https_without_a_trusted_proxy_is_worth_a_warning(settings):
    settings.OVER_HTTPS, settings.TRUSTED_PROXY = True, False
    assert ids(checks.check_proxy()) == ["config.W001"]
    settings.TRUSTED_PROXY = True
    assert checks.check_proxy() == []


def test_an_old_expat_is_worth_a_warning(monkeypatch):
    monkeypatch.setattr(pyexpat, "version_info", (2, 5, 0))
    assert ids(checks.check_expat()) == ["config.W002"]
    monkeypatch.setattr(pyexpat, "version_info", (2, 6, 0))
    assert checks.check_expat() == []


def test_a_deployment_over_https_has_no_issue(settings, monkeypatch):
    # The browser's fixture needs it, no deployment does.
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)
    settings.OVER_HTTPS = settings.TRUSTED_PROXY = True
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.SECURE_HSTS_SECONDS = 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True
    settings.ALLOWED_HOSTS = ["tests.example"]
    found = django_checks.run_checks(include_deployment_checks=True)
    assert [message for message in found if message.id != "config.W002"] == []

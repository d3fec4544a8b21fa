"""Registers the dashboard app with Django."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class DashboardConfig(AppConfig):
    """The pages; it owns no tables."""

    name = "dashboard"

    def ready(self) -> None:
        """Note when each session signed in: some actions ask for a fresh one (`dashboard.http`)."""
        user_logged_in.connect(_note_sign_in, dispatch_uid="dashboard.signed-in-at")


def _note_sign_in(*, request: Any, **_: Any) -> None:
    from dashboard.http import note_sign_in

    note_sign_in(request)

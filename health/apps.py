"""Registers the health app with Django."""

from django.apps import AppConfig


class HealthConfig(AppConfig):
    """All tables of Suitewatch live here, under one migration history."""

    name = "health"
    default_auto_field = "django.db.models.BigAutoField"

"""Registers the ingest app with Django."""

from django.apps import AppConfig


class IngestConfig(AppConfig):
    """Uploads come in here; the tables they fill belong to health."""

    name = "ingest"

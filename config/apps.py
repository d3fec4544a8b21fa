"""The app behind `manage.py up` and the system checks."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """Registers the system checks; has no models."""

    name = "config"

    def ready(self) -> None:
        """Importing the module registers its checks."""
        from config import checks  # noqa: F401

"""PostgreSQL's engine without a server: connecting fails with a sentence that helps.

Chosen by `config.database.missing_database_settings`, so that commands without a database
(`up`, `inspect`, `check`) work, and all others say what to do.
"""

from typing import Any, NoReturn

from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base

MESSAGE = "There is no database: run `make up`, or set DATABASE_URL."


class DatabaseWrapper(base.DatabaseWrapper):
    """Knows all of PostgreSQL's ways, and where to find none."""

    def get_connection_params(self) -> dict[str, Any]:
        """Nothing to connect to."""
        return {}

    def get_new_connection(self, conn_params: dict[str, Any]) -> NoReturn:  # noqa: ARG002
        """Say what is missing."""
        raise ImproperlyConfigured(MESSAGE)

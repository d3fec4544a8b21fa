"""How a log line looks: readable text, or one JSON object, both on standard error.

Called by `config.settings` and `config.gunicorn`. Pure.
Promise: a message is one line, whatever an upload's names contain (`tests/config/test_logs.py`).
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

# Set for the length of a request, so that each of its lines can be found.
request_id: ContextVar[str] = ContextVar("request_id", default="")

# Whoever reads the log could sign in by the one, and send by the other.
_SECRET = re.compile(r"(/login/link/)[^\s\"'?]+|(sw_up_)\w+")

# What every record carries; anything else was given by the caller as `extra`.
_PLAIN_FIELDS = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "request", "data"}


class TextFormatter(logging.Formatter):
    """`12:00:01 INFO health: words [request …]`: for people; control characters are escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and a traceback's lines after it."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        line = f"{at} {record.levelname} {record.name}: {record.getMessage()}"
        if request_id.get():
            line += f" [request {request_id.get()}]"
        line = _escape(hide_secrets(line))
        if record.exc_info:
            trace = "\n".join(_escape(part) for part in _trace(self, record.exc_info).splitlines())
            line = f"{line}\n{trace}"
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: for machines."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's words, its request, and whatever `extra` added."""
        entry: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": hide_secrets(record.getMessage()),
        }
        if request_id.get():
            entry["request_id"] = request_id.get()
        entry |= {name: value for name, value in vars(record).items() if name not in _PLAIN_FIELDS}
        if record.exc_info:
            entry["trace"] = _trace(self, record.exc_info)
        return json.dumps(entry, default=str, ensure_ascii=True)


def logging_settings(*, form: str, level: str) -> dict[str, Any]:
    """The `dictConfig` of every process, gunicorn and Celery included."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {"()": "config.logs.TextFormatter"},
            "json": {"()": "config.logs.JsonFormatter"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": form}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django's own handlers would print each line a second time.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            "gunicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
            "gunicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
            # A line for each tick and each task is noise: the pipeline says what it did.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "celery.worker.consumer": {"level": "WARNING"},
            "celery.apps.worker": {"level": "WARNING"},
            # One line for each reconnection attempt is noise: the first and last are enough.
            "psycopg.pool": {"level": "ERROR"},
        },
    }


def hide_secrets(text: str) -> str:
    """The text without one-time links and upload tokens."""
    return _SECRET.sub(lambda found: f"{found[1] or found[2]}…", text)


def _trace(formatter: logging.Formatter, info: Any) -> str:
    return hide_secrets(formatter.formatException(info))


def _escape(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)

"""The Celery app: worker and beat start from here, each app's `tasks` module is found by name.

Promise: a worker or beat without REDIS_URL refuses to start, in one sentence, and never waits on a broker
that exists only in its own memory (`tests/config/test_celery.py`).
"""

import logging.config
import os
import resource
import sys
import warnings
from typing import Any

from celery import Celery, signals

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Running as root is supported: no message can carry code, because only JSON is accepted.
warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
# The setting it asks for is set, to the value it warns about: the lease looks after a running upload.
warnings.filterwarnings("ignore", message=r"\s*In Celery 5.1 we introduced an optional breaking change")

app = Celery("suitewatch")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@signals.celeryd_init.connect
@signals.beat_init.connect
def refuse_without_broker(**_: Any) -> None:
    """Say what is missing before anything waits for messages that can never come."""
    from django.conf import settings

    if not settings.REDIS_URL:
        raise SystemExit("suitewatch: REDIS_URL is missing: run `make up`, or set it to redis://host:6379/0.")


@signals.setup_logging.connect
def use_our_logging(**_: Any) -> None:
    """Being connected keeps Celery from installing its own format."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@signals.worker_process_init.connect
def limit_memory(**_: Any) -> None:
    """In each child: a file that wants more gets a MemoryError and its receipt, not the whole machine."""
    from django.conf import settings

    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    wanted = settings.WORKER_MAX_MEMORY_MB * 2**20
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@signals.worker_ready.connect
def say_ready(**_: Any) -> None:
    """For the supervisor, whatever the level of logging is."""
    from config.processes import READY_LINE

    print(READY_LINE, file=sys.stderr, flush=True)

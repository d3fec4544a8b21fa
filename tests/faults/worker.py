"""The real Celery worker with traps laid: `celery --app tests.faults.worker worker`.

Points in the order an upload passes them: parsing (in the middle of its file), parsed, copied (everything is in the
transaction, nothing committed), committed (the task has not returned yet), judged (conclusions are in a transaction of
their own, nothing of them committed). Where a test asks for it, tasks have shorter time limits, soft and hard.
"""

import os
from typing import Any

from celery import signals

from config.celery import app
from tests.faults.traps import TrappedStream, spring_around
from tests.faults.worker_limits import LIMITS

__all__ = ["app"]


@signals.task_received.connect
def shorten_limits(request: Any, **_: Any) -> None:
    """A message carries the limits of whoever sent it, so those of this process are not asked."""
    if LIMITS in os.environ:
        soft, hard = map(float, os.environ[LIMITS].split())
        request.time_limits = (hard, soft)


@signals.worker_process_init.connect
def lay_traps(**_: Any) -> None:
    """In each child, before its first task."""
    from health import judging
    from ingest import pipeline, store

    read_report = pipeline.read_report

    def read_trapped(open_stream: Any, **options: Any) -> Any:
        return read_report(lambda: TrappedStream(open_stream()), **options)

    pipeline.read_report = read_trapped  # type: ignore[assignment]
    spring_around(pipeline, "store_contents", before="parsed", after="committed")
    spring_around(store, "bump_revision", after="copied")
    spring_around(judging, "count_causes", after="judged")

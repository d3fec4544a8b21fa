"""Ring for a worker: tell Celery that an upload waits, bounded in time, never needed for safety.

Called by `ingest.receive` after the commit and by the sweeper. The row is the job; a bell that fails to ring is made
good by the sweeper.
Promise: with Redis down or hung, a request pays for it at most once in 15 seconds (`tests/ingest/test_pipeline.py`).
"""

import logging
import time
from typing import Any, Final

from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

_SILENT_SECONDS: Final = 15.0
_silent_until = 0.0


def ring(upload_id: int, *, seconds: int | None = None) -> bool:
    """Publish the task for an upload; False when the broker cannot be reached, or was not a moment ago.

    A bell that will be rung again need not be heard after so many `seconds`: bells must not pile up.
    """
    from ingest.tasks import process_upload

    return _publish(process_upload, upload_id, seconds)


def ring_rebuild(project_id: int, *, seconds: int) -> bool:
    """Publish the task that lets a project's figures follow its rules; as for `ring`."""
    from ingest.tasks import follow_rules

    return _publish(follow_rules, project_id, seconds)


def _publish(task: Any, number: int, seconds: int | None) -> bool:
    global _silent_until
    if time.monotonic() < _silent_until:
        return False
    try:
        task.apply_async((number,), expires=seconds)
    except (OperationalError, OSError) as problem:
        _silent_until = time.monotonic() + _SILENT_SECONDS
        log.warning("the broker cannot be reached (%s): uploads wait for the sweeper", type(problem).__name__)
        return False
    return True

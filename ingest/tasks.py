"""Doors for Celery: an id comes in, one function is called.

Promise: arguments are plain numbers; unknown or finished ids do nothing (`tests/ingest/test_pipeline.py`).
"""

from celery import shared_task


@shared_task
def process_upload(upload_id: int) -> None:  # noqa: ARG001 - names what rang, for logs and for people
    """Work on one waiting upload: fairness between projects decides which, not the bell."""
    from ingest.pipeline import process_next

    process_next()


@shared_task
def follow_rules(project_id: int) -> None:
    """Give a project's cases and figures the suites its rules say, unless they follow them already."""
    from health.rebuild import rebuild_if_due

    rebuild_if_due(project_id)


@shared_task
def sweep_uploads() -> None:
    """Ring for what was left behind, and give up what crashed too often."""
    from ingest.sweep import sweep

    sweep()

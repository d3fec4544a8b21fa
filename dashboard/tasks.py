"""Doors for Celery: an id comes in, one function is called."""

from celery import shared_task


@shared_task
def rebuild(project_id: int) -> None:
    """Recompute a project after a setting changed what its words mean."""
    from health.rebuild import rebuild_project

    rebuild_project(project_id)

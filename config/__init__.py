"""The cellar: settings, processes and pipes.

The Celery app is exposed here so that each `shared_task` binds to it.
Nobody imports this package; it names the other apps in strings only.
"""

from config.celery import app as celery_app

__all__ = ["celery_app"]

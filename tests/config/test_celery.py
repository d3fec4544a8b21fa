"""The Celery app: what it refuses, what it routes, what it promises the web process."""

import os
import subprocess
import sys

import pytest
from celery import signals
from django.conf import settings as django_settings

from config.celery import app, limit_memory, refuse_without_broker


def test_a_worker_without_a_broker_refuses_to_start(settings):
    settings.REDIS_URL = ""
    with pytest.raises(SystemExit, match="REDIS_URL is missing"):
        refuse_without_broker()
    settings.REDIS_URL = "redis://localhost"
    refuse_without_broker()


def test_messages_are_json_and_nobody_keeps_results():
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_ignore_result is True
    assert app.conf.result_backend is None


def test_a_message_is_acknowledged_early_and_never_taken_in_advance():
    assert app.conf.task_acks_late is False
    assert app.conf.task_reject_on_worker_lost is False
    assert app.conf.worker_disable_prefetch is True


def test_each_entry_of_the_schedule_names_a_task_that_exists():
    app.loader.import_default_modules()
    named = {entry["task"] for entry in django_settings.CELERY_BEAT_SCHEDULE.values()}
    assert named <= set(app.tasks)


def test_each_route_leads_to_a_queue_that_the_worker_serves():
    from config.processes import WORKER

    served = set(WORKER[WORKER.index("--queues") + 1].split(","))
    assert {route["queue"] for route in django_settings.CELERY_TASK_ROUTES.values()} <= served
    assert set(django_settings.CELERY_TASK_QUEUES) == served


def test_a_child_has_a_limit_of_memory():
    code = (
        "import resource, django; django.setup(); from config.celery import limit_memory; limit_memory(); "
        "print(resource.getrlimit(resource.RLIMIT_DATA)[0])\n"
        "try: bytearray(2**30)\n"
        "except MemoryError: print('refused')"
    )
    given = os.environ | {"SUITEWATCH_WORKER_MAX_MEMORY_MB": "512"}
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == ([str(512 * 2**20), "refused"], "")


def test_each_child_is_limited_when_it_starts():
    assert limit_memory in [receiver() for _, receiver in signals.worker_process_init.receivers]

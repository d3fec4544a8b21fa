"""Deliveries from CI: the row is the job, the queue and the outbox; Redis only rings the bell.

Written by `ingest.receive` and `ingest.pipeline`, read by the uploads page.
Promise: a row and its payload are committed together, before CI is answered.
"""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from health.models.projects import Project

FINAL_STATES = frozenset({"stored", "partial", "failed", "dead", "cancelled"})


class Upload(models.Model):
    """One delivery: what arrived, where it stands, and the receipt of what became of it."""

    class State(models.TextChoices):
        """Each with the one word every page uses for it (docs/uploads.md)."""

        RECEIVED = "received", "waiting"
        PROCESSING = "processing", "being read"
        RETRY = "retry", "waiting to try again"
        STORED = "stored", "stored"
        PARTIAL = "partial", "partly stored"
        FAILED = "failed", "failed"
        DEAD = "dead", "given up"
        CANCELLED = "cancelled", "cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey(Project, models.CASCADE, related_name="uploads")
    token = models.ForeignKey("health.UploadToken", models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RECEIVED)
    idempotency_key = models.CharField(max_length=200)
    # Of the decoded request: metadata and files. Tells a repeat from another delivery under a used key.
    content_digest = models.BinaryField(max_length=32)
    # What CI said about itself, already cleaned; the field names of the upload API.
    metadata = models.JSONField(default=dict)
    received_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)
    n_bytes_wire = models.BigIntegerField(default=0)
    n_bytes_plain = models.BigIntegerField(default=0)

    attempts = models.SmallIntegerField(default=0)
    # Since it was sent, or somebody had it read again.
    n_waits = models.SmallIntegerField(db_default=0, help_text="how often it waited for a service")
    next_attempt_at = models.DateTimeField(db_default=Now())
    lease_epoch = models.IntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    worker = models.CharField(max_length=120, default="", blank=True)

    # The job it became part of: Run.number, Series.number, and which attempt of it. Set when stored.
    run = models.IntegerField(null=True)
    series = models.IntegerField(null=True)
    attempt = models.SmallIntegerField(default=1)
    ran_at = models.DateTimeField(null=True)
    n_suite_errors = models.IntegerField(default=0)
    configuration = models.IntegerField(null=True, help_text="Configuration.number of its .suitewatch.yml")
    code_owners = models.IntegerField(null=True, help_text="Configuration.number of its CODEOWNERS")
    deferrals_file = models.IntegerField(null=True, help_text="Configuration.number of its .suitewatch-deferrals.yml")
    progress = models.SmallIntegerField(null=True, help_text="per cent of its bytes read, while it is processed")
    receipt = models.JSONField(null=True)
    error = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "idempotency_key"], name="upload_delivered_once"),
            models.CheckConstraint(
                condition=Q(
                    state__in=[
                        "received",
                        "processing",
                        "retry",
                        "stored",
                        "partial",
                        "failed",
                        "dead",
                        "cancelled",
                    ]
                ),
                name="upload_state_known",
            ),
        ]
        indexes = [
            # The claim and the sweeper look only at what is not finished: two small partial indexes.
            models.Index(fields=["next_attempt_at"], name="upload_due", condition=Q(state__in=["received", "retry"])),
            # How many of a project wait, asked before each body is read.
            models.Index(fields=["project"], name="upload_waiting", condition=Q(state__in=["received", "retry"])),
            models.Index(fields=["lease_until"], name="upload_leased", condition=Q(state="processing")),
            models.Index(fields=["project", "-id"], name="upload_newest"),
            models.Index(fields=["project", "run"], name="upload_of_run"),
            # Those that name a run and are no part of it; asked whenever the run is summed up.
            models.Index(
                F("project"),
                KeyTextTransform("run_id", "metadata"),
                name="upload_names_run",
                condition=Q(state__in=["received", "retry", "processing", "failed", "dead"]),
            ),
        ]


class UploadFile(models.Model):
    """One file of an upload; its chunks, put together, are the file as `encoding` says."""

    class Role(models.TextChoices):
        REPORT = "report", "report"
        CONFIGURATION = "configuration", ".suitewatch.yml"
        OWNERS = "owners", "CODEOWNERS"
        DEFERRALS = "deferrals", ".suitewatch-deferrals.yml"

    class Encoding(models.TextChoices):
        GZIP = "gzip", "gzip"
        ZSTD = "zstd", "zstd"

    upload = models.ForeignKey(Upload, models.CASCADE, related_name="files")
    position = models.SmallIntegerField()
    name = models.CharField(max_length=255)
    role = models.CharField(max_length=13, choices=Role.choices, db_default=Role.REPORT)
    encoding = models.CharField(max_length=4, choices=Encoding.choices, db_default=Encoding.GZIP)
    n_bytes_wire = models.BigIntegerField()
    n_bytes_plain = models.BigIntegerField()
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["upload", "position"], name="upload_file_position_once")]


class PayloadChunk(models.Model):
    """256 KiB of a file, or its rest; a whole 25 MiB value was measured at 300 MB of memory per request."""

    pk = models.CompositePrimaryKey("file_id", "sequence")
    file = models.ForeignKey(UploadFile, models.CASCADE, related_name="chunks")
    sequence = models.SmallIntegerField()
    data = models.BinaryField()

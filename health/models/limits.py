"""What keeps one sender from taking everybody's share: token buckets, and what the door refused.

Written by `health.allowances` and `ingest.refusals`; kept in PostgreSQL, so that every process counts the same.
"""

from django.db import models
from django.db.models.functions import Now

from health.models.projects import Project, UploadToken


class Allowance(models.Model):
    """One token bucket, such as `upload:17` or `login:192.0.2.7`; `left` was true at `counted_at`."""

    key = models.TextField(primary_key=True)
    left = models.FloatField()
    counted_at = models.DateTimeField(db_default=Now())


class Refusal(models.Model):
    """A delivery that a known token sent and the door did not take: nothing of it was kept but this line."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="refusals")
    token = models.ForeignKey(UploadToken, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(db_default=Now())
    error = models.JSONField(help_text="as it was answered: code, message, hint …")
    n = models.IntegerField(default=1, help_text="how often in the same minute, with the same code")

    class Meta:
        indexes = [models.Index(fields=["project", "-at"], name="refusal_newest")]

"""Who changed what: one row for each act of a person or of the sweeper that facts alone do not show.

Written where the act is done, in its transaction; only ever added to. Shown on the settings page.
"""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from health.models.projects import Project


class AuditEntry(models.Model):
    """One act, such as `upload.retried`; `subject` names what it was done to, `detail` holds before and after."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="audit_entries")
    at = models.DateTimeField(db_default=Now())
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    actor = models.TextField(help_text="the name at the time: a user's, a token's, or the sweeper")
    action = models.TextField()
    subject = models.TextField()
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["project", "-id"], name="audit_newest")]

"""What `.suitewatch.yml` and CODEOWNERS said, commit by commit, and which of it is in force.

Written by `ingest.configuration`, read by rules and pages. `Upload.configuration` ties a delivery (and so its run and
commit) to the text that travelled with it; `Project.configuration` is the one whose rules name suites and levels.
"""

from django.db import models
from django.db.models.functions import Now

from health.models.projects import Project


class Configuration(models.Model):
    """One content of the two files; the same content again is the same row."""

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    number = models.IntegerField()
    digest = models.BinaryField(max_length=32, help_text="SHA-256 over both texts")
    text = models.TextField(help_text="of .suitewatch.yml, as sent")
    owners_text = models.TextField(help_text="of CODEOWNERS, as sent")
    content = models.JSONField(help_text="what was understood; defaults are left out")
    warnings = models.JSONField(help_text="what was not, each with line, field, code, message and hint")
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="configuration_once")]

"""What `.suitewatch.yml`, CODEOWNERS and `.suitewatch-deferrals.yml` said by commit, and what of it is in force.

Written by `ingest.configuration`, read by rules and pages. `configuration`, `code_owners` and `deferrals` of
an upload tie its delivery (and so its run and commit) to what travelled with it; those of the project are in force.
"""

from django.db import models
from django.db.models.functions import Now

from health.models.projects import Project


class Configuration(models.Model):
    """One content of one of the three files; the same content again is the same row."""

    class Role(models.TextChoices):
        CONFIGURATION = "configuration", ".suitewatch.yml"
        OWNERS = "owners", "CODEOWNERS"
        DEFERRALS = "deferrals", ".suitewatch-deferrals.yml"

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    number = models.IntegerField()
    digest = models.BinaryField(max_length=32, help_text="SHA-256 over the role and the bytes")
    role = models.CharField(max_length=13, choices=Role.choices)
    text = models.TextField(help_text="as sent")
    is_readable = models.BooleanField(help_text="whether anything could be understood; else it is never in force")
    content = models.JSONField(help_text="what was understood; defaults are left out")
    warnings = models.JSONField(help_text="what was not, each with line, field, code, message and hint")
    first_seen_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="configuration_once")]

"""Which lines of which files ran, by test level: what CI measured, and what stands on it.

Written set-based by `ingest.coverage` and `health.coverage`, read by the coverage pages.
Promise: `CoverageReport` is the fact; everything else here can be rebuilt from it (`tests/health/test_coverage.py`).
A level that nobody named is the empty text. All figures are counts of lines or branches, covered of valid.
"""

from django.db import models

from health.models.projects import Project


class SourceFile(models.Model):
    """A file's path as coverage reports name it, prefixes taken off; `number` is dense inside the project."""

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    number = models.IntegerField()
    path = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "path"], name="source_file_once")]


class CoverageReport(models.Model):
    """What one delivery measured at one level: totals as its tools count them, and each file's lines packed."""

    pk = models.CompositePrimaryKey("project_id", "upload", "level")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    upload = models.BigIntegerField()
    level = models.TextField()
    run = models.IntegerField()
    formats = models.TextField(help_text="of its files, joined by a comma and a blank")
    is_partial = models.BooleanField(help_text="a file of it broke off: what is missing says nothing")
    n_files = models.IntegerField()
    lines_valid = models.BigIntegerField()
    lines_covered = models.BigIntegerField()
    branches_valid = models.BigIntegerField()
    branches_covered = models.BigIntegerField()
    blob = models.BinaryField(help_text="health.rules.bitmaps")
    contexts = models.BinaryField(null=True, help_text="which named test ran which line, where the tool says so")

    class Meta:
        indexes = [models.Index(fields=["project", "run"], name="coverage_of_run")]


class RunCoverage(models.Model):
    """A run's coverage at one level, over all its deliveries: a line is covered if any of them ran it."""

    pk = models.CompositePrimaryKey("project_id", "run", "level")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    run = models.IntegerField()
    level = models.TextField()
    lane = models.TextField()
    branch = models.TextField()
    pull_request = models.TextField()
    ordered_at = models.DateTimeField()
    ran_at = models.DateTimeField()
    day = models.DateField(help_text="of ran_at, in the project's time zone")
    is_partial = models.BooleanField(help_text="of a report, or as long as the run is incomplete")
    n_files = models.IntegerField()
    lines_valid = models.BigIntegerField()
    lines_covered = models.BigIntegerField()
    branches_valid = models.BigIntegerField()
    branches_covered = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["project", "lane", "level", "-ordered_at", "-ran_at", "-run"], name="coverage_newest"),
            models.Index(fields=["project", "lane", "level", "day"], name="coverage_of_day"),
        ]


class FileCoverage(models.Model):
    """How a file stands on a long-lived branch: as the newest run that measured it at this level left it."""

    pk = models.CompositePrimaryKey("project_id", "lane", "level", "file")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    lane = models.TextField()
    level = models.TextField()
    file = models.IntegerField()
    run = models.IntegerField()
    lines_valid = models.IntegerField()
    lines_covered = models.IntegerField()
    branches_valid = models.IntegerField()
    branches_covered = models.IntegerField()
    valid = models.BinaryField(help_text="a bitmap of line numbers, health.rules.bitmaps")
    covered = models.BinaryField()


class DirectoryDay(models.Model):
    """A directory with all below it, at the end of a day on a long-lived branch; the root is the empty path."""

    pk = models.CompositePrimaryKey("project_id", "lane", "level", "day", "directory")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    lane = models.TextField()
    level = models.TextField()
    day = models.DateField()
    directory = models.TextField()
    run = models.IntegerField()
    n_files = models.IntegerField()
    lines_valid = models.BigIntegerField()
    lines_covered = models.BigIntegerField()
    branches_valid = models.BigIntegerField()
    branches_covered = models.BigIntegerField()

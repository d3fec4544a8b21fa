"""What `health.judging` concludes from results: verdicts, vanished cases, speeds, counts of causes; what people say.

Written by `health.judging` behind each upload, read by the pages' queries. Tables of conclusions are sparse: a case
nobody has to know of has no row. Promise: all but `FixClaim`, `CauseSplit` and what people set on `Fingerprint` can be
recomputed from tiles and failures (`tests/health/test_judging.py`).
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from health.models.projects import Project


class SeriesWindow(models.Model):
    """The newest runs of a series that its verdicts were drawn from: the denominators of what is said of its cases."""

    pk = models.CompositePrimaryKey("project_id", "series")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    first_run = models.IntegerField()
    last_run = models.IntegerField(help_text="the newest one, so what is said is true as of it")
    n_runs = models.IntegerField()
    n_excluded = models.IntegerField(help_text="of these, left out as mass failures")
    n_cases = models.IntegerField(help_text="how many cases ran in any of them")


class CaseVerdict(models.Model):
    """What a series' window says of a case that did not always plainly pass there; counts are of executed results."""

    class Verdict(models.TextChoices):
        FLAKY = "flaky", "flaky"
        BROKEN = "broken", "broken"
        UNCLEAR = "unclear", "not enough data"
        SOUND = "sound", "sound again"

    pk = models.CompositePrimaryKey("project_id", "series", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    ord = models.IntegerField()
    verdict = models.CharField(max_length=7, choices=Verdict.choices)
    n_ran = models.IntegerField(help_text="in runs that are no mass failure, since the last claimed fix")
    n_broken = models.IntegerField()
    n_retried = models.IntegerField(help_text="results that passed on a retry")
    n_disagreed = models.IntegerField(help_text="commits on which it both passed and broke")
    n_flips = models.IntegerField(help_text="changes from passed to broken, on a long-lived branch")
    n_streak = models.IntegerField(help_text="broken results in a row up to the newest")
    last_broken_run = models.IntegerField(null=True)
    last_run = models.IntegerField(help_text="the newest in which it ran")


class VanishedCase(models.Model):
    """A case of a long-lived branch that stopped running: the newest complete run of its series does not hold it."""

    class Suspicion(models.TextChoices):
        RENAMED = "renamed", "renamed"
        FILE_GONE = "file", "its whole class or file is gone"
        DESELECTED = "deselected", "deselected or removed"
        SUITE_SILENT = "suite", "its suite does not report any more"
        SHARD_MISSING = "shard", "a part of the run is missing"

    pk = models.CompositePrimaryKey("project_id", "series", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    ord = models.IntegerField()
    last_run = models.IntegerField(help_text="the newest that holds it")
    gone_run = models.IntegerField(help_text="the first one after that without it")
    suspicion = models.CharField(max_length=10, choices=Suspicion.choices)
    other = models.IntegerField(null=True, help_text="renamed: the case it may be now")


class CaseSpeed(models.Model):
    """How long a case takes: those that take longest in their series, and those that became slower. Units of 10 µs."""

    pk = models.CompositePrimaryKey("project_id", "series", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    ord = models.IntegerField()
    n = models.IntegerField(help_text="executed results the median is of: the newest ones")
    median = models.BigIntegerField()
    n_before = models.IntegerField(help_text="executed results before those; 0 when there are none")
    median_before = models.BigIntegerField()
    is_slower = models.BooleanField()


class CauseCount(models.Model):
    """How often a fingerprint broke a job's cases: merged results only, each case once."""

    pk = models.CompositePrimaryKey("project_id", "run", "series", "fingerprint")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    run = models.IntegerField()
    series = models.IntegerField()
    fingerprint = models.BigIntegerField()
    n_failed = models.IntegerField()
    n_errored = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["project", "fingerprint", "run"], name="cause_in_runs")]


class CauseSplit(models.Model):
    """A fingerprint whose failures are told apart by the words at some masked places, because a person said so."""

    pk = models.CompositePrimaryKey("project_id", "fingerprint")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    fingerprint = models.BigIntegerField()
    place = models.SmallIntegerField(help_text="which masked word is kept, 0 is the first")
    split_at = models.DateTimeField(db_default=Now())
    split_by = models.TextField(default="")


class FixClaim(models.Model):
    """Somebody says that a case, or a cause, is fixed by a commit; what ran since then is the evidence."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    ord = models.IntegerField(null=True, help_text="the case; or else the cause")
    fingerprint = models.BigIntegerField(null=True)
    commit = models.TextField()
    # Where that commit stands among the runs; null until a run of it is known, then what came after the claim counts.
    run = models.IntegerField(null=True)
    note = models.TextField(default="")
    claimed_at = models.DateTimeField(db_default=Now())
    claimed_by = models.TextField(default="")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ord__isnull=False, fingerprint__isnull=True)
                | Q(ord__isnull=True, fingerprint__isnull=False),
                name="fix_of_case_or_cause",
            )
        ]

"""Runs, series, cases and their packed results.

Written set-based by `ingest.store` and `health.rollups` (binary COPY, no ORM), read by the pages' queries.
Promise: every fact table's key leads with the project (fit for sharding), and everything but tiles, failures and
texts can be rebuilt from tiles (`tests/health/test_rebuild.py`). Tables written by the thousand carry no foreign key
in the database: its check per row was the dearest part of storing; `ingest.store` holds the project's row locked.
"""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from health.models.projects import Project


class Series(models.Model):
    """What may be compared over time: a job's name and variant on one lane (a long-lived branch, or `changes`)."""

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    number = models.IntegerField()
    job = models.TextField()
    variant = models.TextField()
    lane = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "job", "variant", "lane"], name="series_once")]


class Suite(models.Model):
    """The group pass rates are shown by, and its test level; an attribute of cases, never part of identity."""

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    number = models.IntegerField()
    name = models.TextField()
    level = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "name", "level"], name="suite_once")]


class Run(models.Model):
    """One CI execution on a commit; `number` counts from 1 in its project. Counts are sums over its jobs."""

    pk = models.CompositePrimaryKey("project_id", "number")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    number = models.IntegerField()
    provider = models.TextField()
    external_id = models.TextField()
    commit = models.TextField()
    branch = models.TextField()
    lane = models.TextField()
    pull_request = models.TextField()
    build_url = models.TextField()
    committed_at = models.DateTimeField(null=True)
    ran_at = models.DateTimeField()
    # What puts runs in order: the commit's time where known, else the run's (DESIGN, section 2, Time).
    ordered_at = models.DateTimeField()
    is_complete = models.BooleanField()
    # How it was closed before all of it had come: "" while it may still grow, else RunClosing.reason.
    closed = models.TextField(default="")
    n_jobs_expected = models.IntegerField(null=True)
    n_attempts = models.SmallIntegerField()
    n_declared = models.IntegerField()
    n_passed = models.IntegerField()
    n_failed = models.IntegerField()
    n_errored = models.IntegerField()
    n_skipped = models.IntegerField()
    n_xfailed = models.IntegerField()
    n_flaky = models.IntegerField()
    n_suite_errors = models.IntegerField()
    n_new = models.IntegerField()
    n_still = models.IntegerField()
    n_fixed = models.IntegerField()
    n_gone = models.IntegerField()
    duration = models.BigIntegerField(help_text="sum over cases, in units of 10 µs")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "provider", "external_id"], name="run_once")]
        indexes = [
            models.Index(fields=["project", "lane", "-ordered_at", "-number"], name="run_of_lane"),
            models.Index(fields=["project", "-ordered_at", "-number"], name="run_newest"),
            models.Index(fields=["project", "number"], name="run_waiting", condition=Q(is_complete=False, closed="")),
        ]


class RunClosing(models.Model):
    """A run said to be over: by CI (`finish`, what came is all) or by the clock (`timer`, the rest is missing).

    A fact, kept by the run's own name because CI may say so before its reports were read.
    """

    class Reason(models.TextChoices):
        FINISH = "finish", "finished"
        TIMER = "timer", "timed out"

    pk = models.CompositePrimaryKey("project_id", "provider", "external_id")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    provider = models.TextField()
    external_id = models.TextField()
    reason = models.CharField(max_length=6, choices=Reason.choices)
    closed_at = models.DateTimeField(db_default=Now())


class Job(models.Model):
    """One series' share of a run: all its shards and attempts, merged. `baseline_*` is what it is compared with."""

    pk = models.CompositePrimaryKey("project_id", "run", "series")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    run = models.IntegerField()
    series = models.IntegerField()
    branch = models.TextField()
    pull_request = models.TextField()
    ran_at = models.DateTimeField()
    ordered_at = models.DateTimeField()
    day = models.DateField(help_text="of ran_at, in the project's time zone")
    is_complete = models.BooleanField()
    n_attempts = models.SmallIntegerField()
    baseline_run = models.IntegerField(null=True)
    baseline_series = models.IntegerField(null=True)
    n_declared = models.IntegerField()
    n_passed = models.IntegerField()
    n_failed = models.IntegerField()
    n_errored = models.IntegerField()
    n_skipped = models.IntegerField()
    n_xfailed = models.IntegerField()
    n_flaky = models.IntegerField()
    n_suite_errors = models.IntegerField()
    n_new = models.IntegerField()
    n_still = models.IntegerField()
    n_fixed = models.IntegerField()
    n_gone = models.IntegerField()
    duration = models.BigIntegerField()
    # Whether `health.judging` has drawn its conclusions from what this row now says.
    is_judged = models.BooleanField(default=False, db_default=False)

    class Meta:
        indexes = [
            models.Index(fields=["project", "series", "branch", "ordered_at", "ran_at", "run"], name="job_in_order"),
            models.Index(fields=["project", "series", "ordered_at"], name="job_by_time"),
            models.Index(fields=["project", "series", "day"], name="job_of_day"),
            models.Index(fields=["project", "run"], name="job_waiting", condition=Q(is_complete=False)),
            models.Index(fields=["project", "series"], name="job_unjudged", condition=Q(is_judged=False)),
        ]


class Case(models.Model):
    """A test's identity, byte for byte; `ord` is dense inside the project and is the index into tiles."""

    pk = models.CompositePrimaryKey("project_id", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    ord = models.IntegerField()
    digest = models.UUIDField(help_text="128-bit BLAKE2 of the identity")
    namespace = models.TextField()
    suite_path = models.TextField(help_text="enclosing suite names, joined by U+001E")
    class_name = models.TextField()
    name = models.TextField()
    occurrence = models.IntegerField()
    suite = models.IntegerField()
    # The suite it goes back to when no rule names one; null where that is `suite`.
    default_suite = models.IntegerField(null=True)
    # After a rename: the `ord` of the name it goes on under. Results stay where they were written; readers put both
    # together (health.aliases), so that undoing a merge loses nothing.
    merged_into = models.IntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="case_once")]
        indexes = [
            models.Index(fields=["project", "merged_into"], name="case_merged", condition=Q(merged_into__isnull=False))
        ]


class RenameProposal(models.Model):
    """A case that vanished and one that appeared with one commit and look alike; a person decides."""

    class State(models.TextChoices):
        PROPOSED = "proposed", "proposed"
        MERGED = "merged", "merged"
        DISMISSED = "dismissed", "dismissed"

    pk = models.CompositePrimaryKey("project_id", "old", "new")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    old = models.IntegerField(help_text="Case.ord that vanished")
    new = models.IntegerField(help_text="Case.ord that appeared")
    run = models.IntegerField(help_text="where that was seen first")
    series = models.IntegerField()
    score = models.FloatField(help_text="0 to 1")
    evidence = models.JSONField(default=dict, help_text="what the score is made of")
    state = models.CharField(max_length=9, choices=State.choices, default=State.PROPOSED)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.TextField(default="")


class Tile(models.Model):
    """Up to 512 consecutive cases of one upload: one outcome byte and one 16-bit duration each.

    What it says of them is never updated; where it belongs may be: its `attempt` (health.attempts), its `series`
    (health.lanes).
    """

    pk = models.CompositePrimaryKey("project_id", "series", "block", "run", "upload")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    block = models.IntegerField()
    run = models.IntegerField()
    upload = models.BigIntegerField()
    attempt = models.SmallIntegerField()
    suite = models.IntegerField(null=True, help_text="set when the delivery named its suite; else the case's own")
    encoding = models.SmallIntegerField(choices=[(0, "dense"), (1, "sparse")])
    n = models.SmallIntegerField(help_text="how many cases it holds")
    offsets = models.BinaryField(null=True, help_text="sparse: uint16 little-endian, ascending")
    outcomes = models.BinaryField()
    durations = models.BinaryField(help_text="uint16 little-endian, health.rules.durations")


class Failure(models.Model):
    """One non-pass outcome with text; `text_*` point into the upload's inflated text blob."""

    pk = models.CompositePrimaryKey("project_id", "run", "series", "upload", "sequence")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    run = models.IntegerField()
    series = models.IntegerField()
    upload = models.BigIntegerField()
    sequence = models.IntegerField(help_text="in the order of the report, 0 first")
    ord = models.IntegerField()
    attempt = models.SmallIntegerField()
    outcome = models.SmallIntegerField()
    fingerprint = models.BigIntegerField()
    text_offset = models.BigIntegerField(help_text="in bytes; the message comes first, the text behind it")
    message_length = models.IntegerField()
    text_length = models.IntegerField()

    class Meta:
        indexes = [models.Index(fields=["project", "ord", "run"], name="failure_of_case")]


class Fingerprint(models.Model):
    """A message with its changing parts masked: what failures of one cause have in common."""

    pk = models.CompositePrimaryKey("project_id", "fingerprint")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    fingerprint = models.BigIntegerField()
    kind = models.TextField()
    message = models.TextField(help_text="as first seen, unmasked")
    # What people said of it: it is the same cause as another one; its category, where the rules are wrong.
    merged_into = models.BigIntegerField(null=True)
    category = models.TextField(default="", db_default="")

    class Meta:
        indexes = [
            models.Index(
                fields=["project", "merged_into"], name="fingerprint_merged", condition=Q(merged_into__isnull=False)
            )
        ]


class FailureText(models.Model):
    """All texts of one upload, one zlib stream."""

    pk = models.CompositePrimaryKey("project_id", "upload")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    upload = models.BigIntegerField()
    blob = models.BinaryField()


class RunSuite(models.Model):
    """The truth for counts: one suite's share of a job."""

    pk = models.CompositePrimaryKey("project_id", "run", "series", "suite")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    run = models.IntegerField()
    series = models.IntegerField()
    suite = models.IntegerField()
    n_declared = models.IntegerField()
    n_passed = models.IntegerField()
    n_failed = models.IntegerField()
    n_errored = models.IntegerField()
    n_skipped = models.IntegerField()
    n_xfailed = models.IntegerField()
    n_flaky = models.IntegerField()
    duration = models.BigIntegerField()


class SuiteDay(models.Model):
    """Suite × day, replaced from `RunSuite` for the days an upload touches, never incremented."""

    pk = models.CompositePrimaryKey("project_id", "series", "day", "suite")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    day = models.DateField()
    suite = models.IntegerField()
    n_runs = models.IntegerField()
    n_declared = models.BigIntegerField()
    n_passed = models.BigIntegerField()
    n_failed = models.BigIntegerField()
    n_errored = models.BigIntegerField()
    n_skipped = models.BigIntegerField()
    n_xfailed = models.BigIntegerField()
    n_flaky = models.BigIntegerField()
    duration = models.BigIntegerField()

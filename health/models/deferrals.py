"""The register of what was put off: its entries, what is said to back them, and what became of both.

`DeferredSpan` is concluded from tiles by `health.deferred_spans` and can be recomputed. The rest is a record: entries
open and close with what CI sends, files say and people do (`health.register`, `health.deferral_acts`), and each check
of a backing that ends otherwise than the one before leaves a row (`health.backings`).
Promise: a case has one entry, whoever speaks of it, and what a person wrote is changed by nobody else
(`tests/health/test_register.py`).
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from health.models.projects import Project


class DeferredSpan(models.Model):
    """A stretch of a series' history in which a case never ran but as expected to fail: of long-lived branches only."""

    pk = models.CompositePrimaryKey("project_id", "series", "ord", "first_run")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False, db_constraint=False)
    series = models.IntegerField()
    ord = models.IntegerField()
    first_run = models.IntegerField(help_text="the first one that put it off")
    outcome = models.SmallIntegerField(help_text="in the newest of its runs: skipped or expected failure")
    ended_run = models.IntegerField(null=True, help_text="the first one after it that executed it otherwise")


class Backing(models.Model):
    """What is said to cover the logic of put-off cases meanwhile; entries that say the same share it."""

    class State(models.TextChoices):
        BACKED = "backed", "backed"
        WEAKENED = "weakened", "weakened"
        BROKEN = "broken", "broken"
        UNPROVEN = "unproven", "never proven"

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    digest = models.BinaryField(max_length=32, help_text="SHA-256 over `named` and `code`")
    named = models.JSONField(help_text="list of texts as they were written: globs, suites, counts")
    code = models.JSONField(default=list, help_text="list of texts: paths, or paths with lines, it should execute")
    state = models.CharField(max_length=8, choices=State.choices, default=State.UNPROVEN)
    changed_run = models.IntegerField(null=True, help_text="the run that changed the state")
    changed_at = models.DateTimeField(db_default=Now())
    # What the newest check found: counts, and the first names of what is wrong (`health.rules.backings.Finding`).
    found = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "digest"], name="backing_once")]


class BackingCase(models.Model):
    """A case that a backing named when it was there: it is missed when it goes."""

    pk = models.CompositePrimaryKey("project_id", "backing_id", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    backing = models.ForeignKey(Backing, models.CASCADE, related_name="cases", db_index=False)
    ord = models.IntegerField()
    part = models.SmallIntegerField(help_text="which of the texts in `named` found it, 0 is the first")
    # As of the newest check: passed, failed, deferred, flaky, absent (`health.rules.backings`).
    status = models.CharField(max_length=8)


class BackingChange(models.Model):
    """A check of a backing that ended otherwise than the one before."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    backing = models.ForeignKey(Backing, models.CASCADE, related_name="changes")
    at = models.DateTimeField(db_default=Now())
    run = models.IntegerField(null=True, help_text="the newest one that was looked at")
    before = models.CharField(max_length=8)
    after = models.CharField(max_length=8)
    found = models.JSONField(default=dict, help_text="as Backing.found was then")


class Deferral(models.Model):
    """An entry of the register: one case that is put off, or what a file or person names by a pattern.

    `read` is what CI's reason says, `written` what a file or a person wrote; the columns behind them are what holds:
    a person's word before the file's, the file's before what was read. A case's entry that another one names takes
    from that what it does not say itself.
    """

    class Kind(models.TextChoices):
        SKIP = "skip", "skipped"
        XFAIL = "xfail", "expected to fail"
        QUARANTINE = "quarantine", "quarantined"
        PLANNED = "planned", "planned, not there"

    class Origin(models.TextChoices):
        CI = "ci", "CI results"
        FILE = "file", "the deferrals file"
        PERSON = "person", "a person"

    class Ending(models.TextChoices):
        RAN = "ran", "it runs again"
        GONE = "gone", "it stopped reporting"
        RELEASED = "released", "released"
        UNNAMED = "unnamed", "nobody names it any more"

    project = models.ForeignKey(Project, models.CASCADE, related_name="deferrals")
    origin = models.CharField(max_length=6, choices=Origin.choices, help_text="who spoke of it first")
    ord = models.IntegerField(null=True, help_text="Case.ord; null for a pattern")
    pattern = models.TextField(default="", help_text="a glob over paths and names; empty for a case")
    named_by = models.ForeignKey("self", models.SET_NULL, null=True, related_name="names")

    read = models.JSONField(default=dict)
    written = models.JSONField(default=dict)

    kind = models.CharField(max_length=10, choices=Kind.choices)
    reason = models.TextField(default="", help_text="in full, in the words of whoever gave it")
    owner = models.TextField(default="")
    review_on = models.DateField(null=True)
    issue = models.TextField(default="")
    precedent = models.TextField(default="")
    phase = models.TextField(default="")
    n_promised = models.IntegerField(null=True, help_text="planned: how many cases there should be")
    backing = models.ForeignKey(Backing, models.SET_NULL, null=True, related_name="deferrals")

    # What CI says of it on the branch that the register is of.
    is_put_off = models.BooleanField(default=False, help_text="the newest runs skip it or expect it to fail")
    n_put_off = models.SmallIntegerField(default=0, help_text="in how many jobs")
    n_running = models.SmallIntegerField(default=0, help_text="and in how many others it runs")
    n_cases = models.IntegerField(default=1, help_text="of a pattern: how many cases it names now")
    opened_run = models.IntegerField(null=True)
    opened_at = models.DateTimeField(help_text="when that run ran; else when it was written down")
    n_openings = models.SmallIntegerField(default=1, help_text="how often it was put off, with this time")
    n_accepted = models.SmallIntegerField(default=1, help_text="how many of these a person has accepted")
    n_passes = models.SmallIntegerField(default=0, help_text="distinct commits in a row, to the newest, it passed on")

    closed_at = models.DateTimeField(null=True)
    closed_run = models.IntegerField(null=True)
    ending = models.CharField(max_length=8, choices=Ending.choices, default="")
    # Grows with each act of a person: who writes on an older one is shown both.
    version = models.IntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "ord"], name="deferral_of_case", condition=Q(ord__isnull=False)),
            models.UniqueConstraint(
                fields=["project", "origin", "pattern"], name="deferral_of_pattern", condition=Q(ord__isnull=True)
            ),
            models.CheckConstraint(condition=Q(ord__isnull=False) ^ ~Q(pattern=""), name="deferral_case_or_pattern"),
        ]
        indexes = [
            models.Index(fields=["project", "opened_at", "id"], name="deferral_open", condition=Q(closed_at=None)),
            models.Index(fields=["backing"], name="deferral_of_backing", condition=Q(closed_at=None)),
        ]


class DeferredCase(models.Model):
    """A case that a pattern's entry names now."""

    pk = models.CompositePrimaryKey("project_id", "deferral_id", "ord")
    project = models.ForeignKey(Project, models.CASCADE, related_name="+", db_index=False)
    deferral = models.ForeignKey(Deferral, models.CASCADE, related_name="cases", db_index=False)
    ord = models.IntegerField()


class DeferralChange(models.Model):
    """What became of an entry after it was opened: by a run, a file or a person."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="+")
    deferral = models.ForeignKey(Deferral, models.CASCADE, related_name="changes")
    at = models.DateTimeField(db_default=Now())
    run = models.IntegerField(null=True)
    actor = models.TextField(default="", help_text="a person's name; empty for what CI or a file brought")
    action = models.TextField(help_text="reason, closed, reopened, edited, accepted, released, named, unnamed")
    fields = ArrayField(models.TextField(), default=list, help_text="of `edited` and `reason`: what changed")
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

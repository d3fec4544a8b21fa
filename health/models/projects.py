"""Projects, who may see them, and the tokens that CI sends and programs read with.

Used by every room. Promise: a token's text exists only in the answer that issued it; the table keeps an HMAC.
"""

import hashlib
import hmac
import secrets
import string
import zlib
from datetime import datetime
from typing import Final

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

TOKEN_PREFIX: Final = "sw_up_"  # noqa: S105 - what every token begins with
_ALPHABET: Final = string.ascii_letters + string.digits
_RANDOM_LENGTH: Final = 43


def _default_lanes() -> list[str]:
    return ["main", "master", "trunk", "develop", "release/*"]


def _upload_scope() -> list[str]:
    return ["upload"]


class Project(models.Model):
    """One watched repository. `revision` grows with every change of its facts and is every page's cache key."""

    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=120)
    time_zone = models.CharField(max_length=64, default="UTC")
    default_branch = models.CharField(max_length=255, default="", blank=True)
    long_lived_branches = ArrayField(models.CharField(max_length=255), default=_default_lanes)
    revision = models.BigIntegerField(default=0)
    # Bumped whenever a case's number changes its meaning; a worker's name cache is only good for one epoch.
    identity_epoch = models.IntegerField(default=0)
    # The identity epoch the figures were counted in: an earlier one while the rebuild after a merge is due.
    counted_epoch = models.IntegerField(default=0)
    # Configuration.number of the .suitewatch.yml in force: the newest of the default branch that could be read.
    configuration = models.IntegerField(null=True)
    # Configuration.number of the CODEOWNERS in force.
    code_owners = models.IntegerField(null=True)
    # Configuration.number of the .suitewatch-deferrals.yml in force.
    deferrals_file = models.IntegerField(null=True)
    # Configuration.number whose rules the cases and the figures follow: another one while a rebuild is due.
    rules_of = models.IntegerField(null=True)
    # A run that waits for shards or jobs is closed, as incomplete, when nothing came for so long.
    run_timeout_minutes = models.IntegerField(default=360)
    is_sample = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    memberships: "models.Manager[Membership]"

    @property
    def is_counted(self) -> bool:
        """Whether its figures know of the last merge or undo of a rename."""
        return self.counted_epoch == self.identity_epoch


class Membership(models.Model):
    """What a person may do in a project."""

    class Role(models.TextChoices):
        VIEWER = "viewer", "viewer"
        MAINTAINER = "maintainer", "maintainer"
        OWNER = "owner", "owner"

    project = models.ForeignKey(Project, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=Q(role__in=["viewer", "maintainer", "owner"]), name="membership_role_known"
            ),
        ]


class UploadToken(models.Model):
    """A secret: CI sends with it (scope `upload`), or a program reads with it (`read`). Shown once, kept as HMAC."""

    project = models.ForeignKey(Project, models.CASCADE, related_name="upload_tokens")
    name = models.CharField(max_length=80)
    digest = models.BinaryField(max_length=32, unique=True)
    last_four = models.CharField(max_length=4)
    scopes = ArrayField(models.CharField(max_length=16), default=_upload_scope)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    @classmethod
    def issue(
        cls,
        project: Project,
        *,
        name: str,
        created_by_id: int | None = None,
        scopes: list[str] | None = None,
        expires_at: datetime | None = None,
    ) -> tuple["UploadToken", str]:
        """Create a token and return its row with the plain text, which nothing keeps."""
        text = make_token_text()
        row = cls.objects.create(
            project=project,
            name=name,
            digest=digest_token(text),
            last_four=text[-4:],
            scopes=scopes or _upload_scope(),
            created_by_id=created_by_id,
            expires_at=expires_at,
        )
        return row, text


def make_token_text() -> str:
    """A new token: prefix, 43 random letters and digits, and a checksum that lets a typo fail without a query."""
    body = "".join(secrets.choice(_ALPHABET) for _ in range(_RANDOM_LENGTH))
    return f"{TOKEN_PREFIX}{body}_{_checksum(body)}"


def is_well_formed_token(text: str) -> bool:
    """Whether the text could be one of ours: prefix, length, alphabet and checksum."""
    if not text.startswith(TOKEN_PREFIX):
        return False
    body, _, checksum = text[len(TOKEN_PREFIX) :].partition("_")
    if len(body) != _RANDOM_LENGTH or not body.isascii() or not body.isalnum():
        return False
    return hmac.compare_digest(checksum.encode("utf-8", "replace"), _checksum(body).encode())


def digest_token(text: str) -> bytes:
    """What the table keeps of a token: HMAC-SHA-256 under the instance's secret key."""
    return _digest(text, settings.SECRET_KEY)


def list_digests(text: str) -> list[bytes]:
    """What the table may hold of a token: its digest under today's key, and under each earlier one still listed."""
    return [_digest(text, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _digest(text: str, secret: str) -> bytes:
    key = hashlib.sha256(b"suitewatch.upload-token:" + secret.encode()).digest()
    return hmac.digest(key, text.encode(), "sha256")


def _checksum(body: str) -> str:
    value = zlib.crc32(body.encode())
    letters = ""
    for _ in range(6):
        value, rest = divmod(value, len(_ALPHABET))
        letters += _ALPHABET[rest]
    return letters

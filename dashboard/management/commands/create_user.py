"""Create a user and print the link of the first sign-in.

Run by hand and by `manage.py up`. A password is optional: `manage.py changepassword NAME` sets one later.
"""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from dashboard.http import address_of
from dashboard.views.login import make_link_path
from health.audit import record
from health.models import Membership, Project


class Command(BaseCommand):
    """`manage.py create_user NAME [--email ADDRESS] [--owner [PROJECT …]] [--exist-ok]`."""

    help = "Creates a user who signs in by the printed one-time link."

    def add_arguments(self, parser: CommandParser) -> None:
        """A name, and what the user may own."""
        parser.add_argument("name")
        parser.add_argument("--email", default="")
        parser.add_argument(
            "--owner", nargs="*", metavar="PROJECT", help="make them an owner of these projects, or of all"
        )
        parser.add_argument("--exist-ok", action="store_true", help="keep an existing user")

    def handle(self, *_: Any, **options: Any) -> str:
        """Create everything or nothing."""
        with transaction.atomic():
            user = _get_or_create(options["name"], email=options["email"], exist_ok=options["exist_ok"])
            if options["owner"] is not None:
                _make_owner(user, slugs=options["owner"])
        return address_of(make_link_path(user))


def _get_or_create(name: str, *, email: str, exist_ok: bool) -> User:
    existing = User.objects.filter(username=name).first()
    if existing is not None:
        if not exist_ok:
            raise CommandError(f"There is already a user named {name}.")
        return existing
    user = User(username=name, email=email)
    user.set_unusable_password()
    try:
        user.full_clean(exclude=["password"])
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error
    user.save()
    return user


def _make_owner(user: User, *, slugs: list[str]) -> None:
    projects = Project.objects.filter(slug__in=slugs) if slugs else Project.objects.all()
    found = {project.slug: project for project in projects}
    missing = sorted(set(slugs) - set(found))
    if missing:
        raise CommandError(f"There is no project {', '.join(missing)}.")
    owner = Membership.Role.OWNER
    for project in found.values():
        before = Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
        if before == owner:
            continue
        Membership.objects.update_or_create(project=project, user=user, defaults={"role": owner})
        action = "member.changed" if before else "member.added"
        detail = {"before": before, "after": owner} if before else {"after": owner}
        record(project.pk, actor="manage.py create_user", action=action, subject=user.username, detail=detail)

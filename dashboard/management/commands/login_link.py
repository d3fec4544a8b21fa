"""Print a link that signs a user in once, within an hour.

Run by hand and by `manage.py up`; the link is checked by `dashboard.views.login`.
"""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.http import address_of
from dashboard.views.login import make_link_path


class Command(BaseCommand):
    """`manage.py login_link [USER]`."""

    help = "Prints a link that signs USER in once, within an hour."

    def add_arguments(self, parser: CommandParser) -> None:
        """One optional name."""
        parser.add_argument("user", nargs="?", help="user name; may be left out when there is only one user")

    def handle(self, *_: Any, **options: Any) -> str:
        """Find the user and make the link."""
        return address_of(make_link_path(_find_user(options["user"])))


def _find_user(name: str | None) -> User:
    users = User.objects.filter(is_active=True).order_by("pk")
    if name:
        users = users.filter(username=name)
    found = list(users[:2])
    if not found:
        if name:
            raise CommandError(f"There is no active user named {name}.")
        raise CommandError("There is no user yet: manage.py create_user NAME")
    if len(found) > 1:
        raise CommandError("There are several users; say which one: manage.py login_link NAME")
    return found[0]

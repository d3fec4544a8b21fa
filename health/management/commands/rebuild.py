"""`manage.py rebuild [PROJECT …]`: recompute everything derived from tiles."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from health.models import Project
from health.rebuild import rebuild_project


class Command(BaseCommand):
    """Counts, transitions and days of each job that still has its tiles; running it changes nothing that is right."""

    help = "Recompute counts, transitions and days from the stored tiles, for the named projects or for all."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the slugs of projects."""
        parser.add_argument("slugs", nargs="*", metavar="PROJECT", help="slug of a project; all when none is named")

    def handle(self, *_args: Any, slugs: list[str], **_options: Any) -> None:
        """Rebuild one project after the other, each in a transaction of its own."""
        projects = Project.objects.order_by("slug")
        if slugs:
            projects = projects.filter(slug__in=slugs)
            unknown = set(slugs) - set(projects.values_list("slug", flat=True))
            if unknown:
                raise CommandError(f"There is no project called {', '.join(sorted(unknown))}.")
        for project in projects:
            self.stdout.write(f"{project.slug}: {rebuild_project(project.pk)} jobs rebuilt")

"""`manage.py fsck [--project SLUG] [--deep] [--json]`: is everything as it has to be?"""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from health.fsck import Violation, find_drift, find_violations
from health.models import Project
from health.sql import open_cursor


class Command(BaseCommand):
    """Reads and changes nothing; exit status 1 when something is not as it has to be, each of it in words."""

    help = "Check that uploads, results, counts and names agree; exit status 1 when something does not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which project, how thoroughly, for whom."""
        parser.add_argument("--project", metavar="SLUG", help="only this project")
        parser.add_argument(
            "--deep", action="store_true", help="also compute everything derived anew and compare; nothing is kept"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *_args: Any, project: str | None, deep: bool, **options: Any) -> None:
        """Check, print, and end with status 1 when something was found."""
        slugs = _find_projects(project)
        found = _check(list(slugs), is_deep=deep)
        if options["json"]:
            listed = [{"project": _name(v, slugs), "law": v.law, "message": v.message} for v in found]
            self.stdout.write(json.dumps({"projects": len(slugs), "violations": listed}))
        else:
            for violation in found:
                self.stdout.write(f"{_name(violation, slugs) or 'no project'}: {violation.message} [{violation.law}]")
            checked = "1 project" if len(slugs) == 1 else f"{len(slugs)} projects"
            self.stdout.write(f"{checked} checked: {_sum_up(len(found))}.")
        if found:
            sys.exit(1)


def _find_projects(slug: str | None) -> dict[int, str]:
    projects = Project.objects.order_by("slug")
    if slug is not None:
        projects = projects.filter(slug=slug)
        if not projects:
            raise CommandError(f"There is no project called {slug}.")
    return dict(projects.values_list("pk", "slug"))


def _check(project_ids: list[int], *, is_deep: bool) -> list[Violation]:
    with transaction.atomic():
        cursor = open_cursor()
        if not connection.savepoint_ids:  # in a test's own transaction it would come too late
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        patience = 2 * settings.LEASE_SECONDS + settings.SWEEP_SECONDS
        found = find_violations(cursor, project_ids=project_ids, patience_seconds=patience)
    if is_deep:
        for project_id in project_ids:
            found += find_drift(project_id)
    return found


def _sum_up(n: int) -> str:
    if not n:
        return "everything is as it has to be"
    return "1 thing is not as it has to be" if n == 1 else f"{n} things are not as they have to be"


def _name(violation: Violation, slugs: dict[int, str]) -> str | None:
    return slugs.get(violation.project_id) if violation.project_id is not None else None

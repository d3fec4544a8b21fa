"""Run all of Suitewatch on this machine: `make up` ends here.

Parses flags and calls `config.launch`; needs no database to begin with.
"""

import sys
from typing import Any

from django.core.management import get_commands
from django.core.management.base import BaseCommand, CommandError, CommandParser

from config.launch import LaunchError, launch, read_plan


class Command(BaseCommand):
    """`manage.py up [--host ADDRESS] [--port NUMBER] [--demo | --no-demo]`."""

    help = "Runs web, worker and beat, with their own PostgreSQL and Valkey where no other are given."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Flags win over the environment."""
        parser.add_argument("--host", help="the address to listen on (SUITEWATCH_HOST, 127.0.0.1)")
        parser.add_argument("--port", type=int, help="the port to listen on (SUITEWATCH_PORT, 8000)")
        demo = parser.add_mutually_exclusive_group()
        demo.add_argument("--demo", action="store_true", default=None, help="load the demo (SUITEWATCH_DEMO)")
        demo.add_argument("--no-demo", action="store_false", dest="demo", help="do not load the demo")

    def handle(self, *_: Any, **options: Any) -> None:
        """Everything happens in `config.launch`."""
        try:
            plan = read_plan(host=options["host"], port=options["port"], demo=options["demo"])
            launch(plan, out=sys.stdout, commands=set(get_commands()))
        except LaunchError as error:
            raise CommandError(str(error)) from error

#!/usr/bin/env python
"""Run a management command with Suitewatch's settings."""

import os
import sys

from django.core.management import execute_from_command_line

from config.env import EnvError


def main() -> None:
    """Choose the settings; a wrong environment variable is one sentence, not a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except EnvError as error:
        sys.exit(f"suitewatch: {error}")


if __name__ == "__main__":
    main()

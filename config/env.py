"""Typed readers: the only module that reads the environment.

Called by `config.settings`, `config.gunicorn` and `config.launch`. Pure: no Django.
Promise: each name is recorded and documented (`tests/config/test_env.py`), and a wrong value fails
with its name, the value and what is allowed. A secret's value is never shown.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off")


class EnvError(ValueError):
    """An environment variable is missing or has a value we cannot use."""


class Environment:
    """Reads variables from a mapping and remembers the name of each one asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self.names: set[str] = set()
        self._defaults: dict[str, object] = {}

    def text(self, name: str, *, default: str = "", allowed: Sequence[str] = ()) -> str:
        """The value without surrounding blanks; unset and empty both mean the default."""
        value = self._value(name, default) or default
        if allowed and value not in allowed:
            raise EnvError(f"{name} is {value!r}; allowed: {', '.join(allowed)}.")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no, in the usual spellings; anything else is refused."""
        value = self._value(name, default).lower()
        if not value:
            return default
        if value not in YES + NO:
            raise EnvError(f"{name} is {value!r}; allowed: {', '.join(YES + NO)}.")
        return value in YES

    def number(self, name: str, *, default: int, least: int = 0, most: int = 2**40) -> int:
        """A whole number within its bounds; underscores may group the digits."""
        value = self._value(name, default)
        try:
            number = int(value) if value else default
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise EnvError(f"{name} is {value or default!r}; allowed: a whole number from {least} to {most}.")
        return number

    def items(self, name: str) -> list[str]:
        """A comma-separated list; blanks around items do not count."""
        return [item.strip() for item in self._value(name).split(",") if item.strip()]

    def path(self, name: str, *, default: Path) -> Path:
        """A path, made absolute; `~` is the home directory."""
        value = self._value(name)
        return Path(value).expanduser().absolute() if value else default

    def url(self, name: str, *, schemes: Sequence[str], default: str = "") -> str:
        """An address whose scheme is one of those allowed, without a slash at its end."""
        value = self._value(name) or default
        parts = _split(value)
        if value and (parts is None or parts.scheme not in schemes or not parts.netloc):
            raise EnvError(f"{name} is {value!r}; allowed: {' or '.join(f'{s}://…' for s in schemes)}.")
        return value.rstrip("/")

    def secret(self, name: str, *, schemes: Sequence[str] = (), least: int = 0) -> str:
        """A value never shown in messages; NAME_FILE names a file to read it from instead."""
        value = self._value(name)
        file_name = self._value(f"{name}_FILE")
        if value and file_name:
            raise EnvError(f"{name} and {name}_FILE are both set; allowed: one of them.")
        if file_name:
            value = _read_secret_file(f"{name}_FILE", file_name)
        if value and len(value) < least:
            raise EnvError(f"{name} has {len(value)} characters; allowed: {least} or more.")
        parts = _split(value)
        if value and schemes and (parts is None or parts.scheme not in schemes):
            raise EnvError(f"{name} does not start like an address; allowed: {', '.join(f'{s}://…' for s in schemes)}.")
        return value

    def copy(self) -> dict[str, str]:
        """Everything, for a child."""
        return dict(self._variables)

    def _value(self, name: str, default: object = None) -> str:
        self.names.add(name)
        # Read in two places, a variable must mean the same in both.
        known = self._defaults.setdefault(name, default)
        if known != default:
            raise AssertionError(f"{name} is read with two defaults: {known!r} and {default!r}.")
        return self._variables.get(name, "").strip()


def _split(value: str) -> SplitResult | None:
    try:
        return urlsplit(value)
    except ValueError:
        return None


def _read_secret_file(name: str, file_name: str) -> str:
    try:
        value = Path(file_name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EnvError(f"{name} is {file_name!r}, which cannot be read: {error}.") from error
    if not value:
        raise EnvError(f"{name} is {file_name!r}, which is empty.")
    return value


environment = Environment(os.environ)

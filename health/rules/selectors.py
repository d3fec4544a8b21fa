"""Which cases a rule of `.suitewatch.yml` speaks of, and which suite and level the rules give them.

Used by `health.suites` (suites and levels) and `health.rules.owners`; pure.
Promise: the first rule that fits decides, by the case's own names and nothing else, so that the order in which
cases and rules became known does not matter (`tests/health/test_selectors.py`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from health.rules.globs import PathGlob, Places, compile_path, compile_text, list_places
from health.rules.identity import STEP
from health.rules.suites import guess_level

_TEXTS = ("classname", "name", "reported_in", "suite")


class SuiteName(NamedTuple):
    """A suite as it is shown: its name and its test level."""

    name: str
    level: str


@dataclass(frozen=True, slots=True)
class CaseParts:
    """A case's names in the form that rules look at; `suite` is the one it is shown under, where that matters."""

    class_name: str
    name: str
    suites: tuple[str, ...]
    places: Places
    suite: str = ""


def take_parts(namespace: str, *, suite_path: str, class_name: str, name: str, suite: str = "") -> CaseParts:
    """The parts of a case from its identity; `suite_path` as stored, joined by STEP."""
    suites = tuple(part for part in suite_path.split(STEP) if part)
    return CaseParts(class_name, name, suites, list_places(namespace, suites=suites, class_name=class_name), suite)


@dataclass(frozen=True, slots=True)
class Selector:
    """The conditions of one rule; all of them have to hold."""

    path: PathGlob | None
    texts: tuple[tuple[str, re.Pattern[str]], ...]

    def fits(self, case: CaseParts) -> bool:
        """Whether the rule speaks of this case."""
        if self.path is not None and not self.path.matches(case.places):
            return False
        return all(any(map(pattern.fullmatch, _read(case, field))) for field, pattern in self.texts)


def _read(case: CaseParts, field: str) -> tuple[str, ...]:
    if field == "reported_in":
        return case.suites
    return ({"classname": case.class_name, "name": case.name, "suite": case.suite}[field],)


def compile_selector(rule: Mapping[str, Any], *, results: Sequence[str] = ()) -> Selector:
    """A rule's conditions; keys named in `results` are what the rule gives, not what it asks."""
    asked = {key: value for key, value in rule.items() if key not in results}
    path = compile_path(asked["path"]) if "path" in asked else None
    return Selector(path, tuple((key, compile_text(asked[key])) for key in _TEXTS if key in asked))


@dataclass(frozen=True, slots=True)
class SuiteRules:
    """The rules of a project in their order."""

    rules: tuple[tuple[Selector, str, str], ...] = ()

    def choose(self, case: CaseParts, *, default: SuiteName) -> SuiteName:
        """The suite of a case: what the first fitting rule says, else its default.

        A rule that names a suite and no level: the level is what the name says, else the default's.
        """
        for selector, name, level in self.rules:
            if selector.fits(case):
                return SuiteName(name or default.name, level or guess_level(name) or default.level)
        return default


def compile_rules(rules: Sequence[Mapping[str, Any]]) -> SuiteRules:
    """The `suites` of a configuration's content."""
    return SuiteRules(
        tuple(
            (compile_selector(rule, results=("suite", "level")), rule.get("suite", ""), rule.get("level", ""))
            for rule in rules
        )
    )

"""Who owns a case: the rules of `.suitewatch.yml` first, else CODEOWNERS.

Used by the case and run pages; pure. In `.suitewatch.yml` the first rule that fits decides, in CODEOWNERS the last one
of each section: each file keeps the order its readers are used to (`tests/health/test_owners.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from health.rules.globs import PathGlob, compile_path
from health.rules.selectors import CaseParts, Selector, compile_selector

Owned = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Owners:
    """All rules about owners of a configuration, ready to be asked."""

    rules: tuple[tuple[Selector, Owned], ...]
    sections: tuple[tuple[tuple[PathGlob, Owned | None], ...], ...]  # the last line first; None takes a path out

    def find(self, case: CaseParts) -> Owned:
        """Teams and people who own the case; empty when nobody was named."""
        for selector, owners in self.rules:
            if selector.fits(case):
                return owners
        found = [name for section in self.sections for name in _find_last(section, case)]
        return tuple(dict.fromkeys(found))

    @property
    def is_empty(self) -> bool:
        """Whether nobody owns anything."""
        return not self.rules and not self.sections


def compile_owners(content: Mapping[str, Any]) -> Owners:
    """The `owners` and `code_owners` of a configuration's content."""
    rules = tuple(
        (compile_selector(rule, results=("owners",)), tuple(rule["owners"])) for rule in content.get("owners", ())
    )
    return Owners(rules, tuple(map(_compile_section, content.get("code_owners", ()))))


def find_owners(content: Mapping[str, Any], case: CaseParts) -> Owned:
    """Who owns one case; for many, compile once."""
    return compile_owners(content).find(case)


def _compile_section(section: Mapping[str, Any]) -> tuple[tuple[PathGlob, Owned | None], ...]:
    defaults = [tuple(owners) for owners in section.get("defaults", ())]
    return tuple((_compile_line(line["pattern"]), _read_owned(line, defaults)) for line in reversed(section["rules"]))


def _read_owned(line: Mapping[str, Any], defaults: Sequence[Owned]) -> Owned | None:
    """Who owns what fits a line: those it names, else those of its heading; None takes it out of the section."""
    if line.get("excluded"):
        return None
    return defaults[line["default"]] if "default" in line else tuple(line["owners"])


def _compile_line(pattern: str) -> PathGlob:
    """As in .gitignore: a slash in front or in the middle ties a pattern to the root, else it fits in any folder."""
    return compile_path(pattern, is_floating="/" not in pattern.rstrip("/"))


def _find_last(section: Sequence[tuple[PathGlob, Owned | None]], case: CaseParts) -> Owned:
    # What is taken out of a section stays out, whatever stands behind it.
    if any(owners is None and glob.matches(case.places) for glob, owners in section):
        return ()
    return next((owners for glob, owners in section if owners is not None and glob.matches(case.places)), ())

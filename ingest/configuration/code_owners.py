"""CODEOWNERS as GitHub and GitLab read it: sections of lines, each a pattern and who owns what fits.

Used by `ingest.configuration.reading`; pure. Which line decides is said in `health.rules.owners`.
Promise: a line that is not understood is left out with a remark that names it, and nothing else is lost
(`tests/ingest/configuration/test_code_owners.py`).
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from ingest.configuration.remarks import Remarks

_SECTION = re.compile(r"\^?\[(?P<name>[^\]]+)\](?:\[\d+\])?(?:\s+(?P<owners>.*))?")
_OWNER = re.compile(r"@{1,2}[^\s@]\S*|[^\s@]+@[^\s@]+")
# A blank that is escaped belongs to the pattern.
_WORDS = re.compile(r"(?:\\.|[^\s\\])+|\\")
_LONGEST: Final = 500
_MOST_SECTIONS: Final = 500
_MOST_RULES: Final = 3_000


@dataclass(slots=True)
class _Section:
    """Lines under one name. `defaults` are the owners its headings named, each time it began, for lines without any."""

    name: str = ""
    defaults: list[list[str]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As it is kept; owners of a heading are written once, however many lines go by them."""
        named: dict[str, Any] = {"section": self.name} if self.name else {}
        if any("default" in rule for rule in self.rules):
            named["defaults"] = self.defaults
        return named | {"rules": self.rules}


def read_code_owners(text: str, *, remarks: Remarks) -> list[dict[str, Any]]:
    """The sections of the file that hold a rule; what stands before the first heading has no name."""
    section = _Section()
    sections: dict[str | None, _Section] = {None: section}
    n_rules = 0
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        heading = _SECTION.fullmatch(_cut_comment(stripped)) if stripped.startswith(("[", "^[")) else None
        if heading:
            section = _open_section(sections, heading["name"].strip(), number, remarks)
            if owners := _read_owners(_WORDS.findall(heading["owners"] or ""), number, remarks):
                section.defaults.append(owners)
        elif n_rules == _MOST_RULES:
            told = f"More than {_MOST_RULES:,} lines are too many; this one and those behind it are left out."
            remarks.add("owners_invalid", told, line=number, hint="Name folders instead of single files.")
            break
        else:
            n_rules += 1
            _read_line(_cut_comment(stripped), number, section, remarks)
    return [section.to_json() for section in sections.values() if section.rules]


def _open_section(sections: dict[str | None, _Section], name: str, number: int, remarks: Remarks) -> _Section:
    """The section of this name, which goes on where its heading comes again."""
    known = sections.get(name.lower())
    if known is not None:
        return known
    section = _Section(name)
    if len(sections) > _MOST_SECTIONS:
        told = f"More than {_MOST_SECTIONS} sections are too many; this one is left out."
        remarks.add("owners_invalid", told, line=number, hint="Join sections that have the same owners.")
    else:
        sections[name.lower()] = section
    return section


def _cut_comment(line: str) -> str:
    """The line without a comment at its end."""
    return re.sub(r"(?<=\s)#.*", "", line).strip()


def _read_line(line: str, number: int, section: _Section, remarks: Remarks) -> None:
    pattern, *words = _WORDS.findall(line) or [""]
    is_excluded = pattern.startswith("!")
    pattern = pattern.removeprefix("!")
    if not pattern.strip("/") and pattern != "/":
        remarks.add("owners_invalid", "The line has no pattern.", line=number)
    elif len(pattern) > _LONGEST:
        remarks.add("owners_invalid", f"The pattern is longer than {_LONGEST} characters.", line=number)
    elif is_excluded:
        section.rules.append({"pattern": pattern, "excluded": True})
    else:
        owners = _read_owners(words, number, remarks)
        if words and not owners:
            return  # taken as "nobody", the line would take files from their owners
        # Without owners of its own a line has those of its section; outside of one it says that nobody owns the file.
        is_default = not owners and section.defaults
        named: dict[str, Any] = {"default": len(section.defaults) - 1} if is_default else {"owners": owners}
        section.rules.append({"pattern": pattern, **named})


def _read_owners(words: list[str], number: int, remarks: Remarks) -> list[str]:
    owners = []
    for word in words:
        if _OWNER.fullmatch(word) and len(word) <= _LONGEST and word.isprintable():
            owners.append(word)
        else:
            remarks.add("owners_invalid", f"{word[:80]!r} is neither @team, @person nor a mail address.", line=number)
    return owners

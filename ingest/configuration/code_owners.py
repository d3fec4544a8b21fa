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


@dataclass(slots=True)
class _Section:
    name: str = ""
    owners: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)


def read_code_owners(text: str, *, remarks: Remarks) -> list[dict[str, Any]]:
    """The sections of the file that hold a rule; what stands before the first heading has no name."""
    sections = [_Section()]
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        heading = _SECTION.fullmatch(_cut_comment(stripped)) if stripped.startswith(("[", "^[")) else None
        if heading:
            name = heading["name"].strip()
            owners = _read_owners(_WORDS.findall(heading["owners"] or ""), number, remarks)
            # A heading that comes again goes on with its section.
            known = next((s for s in sections if s.name and s.name.lower() == name.lower()), None)
            if known:
                sections.remove(known)
            section = known or _Section(name)
            section.owners = owners or section.owners
            sections.append(section)
        else:
            _read_line(_cut_comment(stripped), number, sections[-1], remarks)
    return [
        {"rules": section.rules} | ({"section": section.name} if section.name else {})
        for section in sections
        if section.rules
    ]


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
        section.rules.append({"pattern": pattern, "owners": owners or section.owners})


def _read_owners(words: list[str], number: int, remarks: Remarks) -> list[str]:
    owners = []
    for word in words:
        if _OWNER.fullmatch(word) and len(word) <= _LONGEST and word.isprintable():
            owners.append(word)
        else:
            remarks.add("owners_invalid", f"{word[:80]!r} is neither @team, @person nor a mail address.", line=number)
    return owners

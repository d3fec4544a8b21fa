"""Paths of source files, as text: cleaned, made relative, never looked up; and the names of contexts.

Used by the `draft` and `coveragepy` beside it; pure: no disk is touched, whatever a report says its files are.
Promise: any text gives a path that a database and a page can hold, and the same one when it is given back
(`tests/ingest/parsers/coverage/test_paths.py`).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

UNNAMED: Final = "(unnamed)"

# What no path of a repository holds: control characters, lone surrogates, and those that turn the text's direction.
_ILLEGAL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufffe\uffff]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CHECKSUM_CHARS: Final = 12
# What an index of PostgreSQL takes, which keeps paths apart: a third of a page.
_MAX_BYTES: Final = 2_400
# A longer text is no path; it is cut before it is copied part by part.
_MAX_RAW_CHARS: Final = 2**16


@dataclass(frozen=True, slots=True)
class CleanPath:
    """A path as it is stored, and what had to be done for that."""

    text: str
    is_absolute: bool = False
    was_above_root: bool = False
    was_changed: bool = False


def clean_name(raw: str, *, max_chars: int) -> str:
    """A name that a database and a page can hold."""
    name = _ILLEGAL.sub("\ufffd", raw)
    return name if len(name) <= max_chars else _shorten(name, max_chars)


def clean_path(raw: str, *, prefixes: Iterable[str] = (), max_chars: int = 1_024) -> CleanPath:
    """Bring a path into one form: forward slashes, no `.`, no `..`, without the longest of `prefixes` it begins with.

    An absolute path that no prefix fits stays absolute (`/srv/app.py`, `C:/app.cs`).
    """
    text, n_illegal = _ILLEGAL.subn("\ufffd", raw)
    was_cut = len(text) > _MAX_RAW_CHARS
    if was_cut:
        text = _shorten(text, _MAX_RAW_CHARS)
    root, parts, was_above_root = _split(text)
    for prefix_root, prefix_parts, _ in sorted(map(_split, prefixes), key=lambda split: -len(split[1])):
        n_parts = len(prefix_parts)
        if prefix_root == root and prefix_parts == parts[:n_parts] and n_parts < len(parts):
            root, parts = "", parts[n_parts:]
            break
    path = root + "/".join(parts) if parts else UNNAMED
    is_long = was_cut or len(path) > max_chars or len(path.encode()) > _MAX_BYTES
    if is_long:
        path = _shorten(path, max_chars)
    return CleanPath(path, bool(root and parts), was_above_root, bool(n_illegal) or is_long)


def _split(text: str) -> tuple[str, list[str], bool]:
    """Root (nothing, `/` or `C:/`), parts, and whether the path led above its root."""
    text = text.replace("\\", "/")
    if text[:7].lower() == "file://":
        text = text[7:]
    if text.startswith(("//?/", "//./")):
        text = text[4:]
    root = "/" if text.startswith("/") else ""
    parts: list[str] = []
    was_above_root = False
    for part in text.split("/"):
        if part == "..":
            was_above_root |= not parts
            del parts[-1:]
        elif not parts and _DRIVE.fullmatch(part):
            root = part.upper() + "/"
        elif part.strip() and part != ".":
            parts.append(part)
    return root, parts, was_above_root


def _shorten(path: str, max_chars: int) -> str:
    """The path's beginning and a checksum that keeps it apart from others."""
    checksum = hashlib.sha256(path.encode()).hexdigest()[:_CHECKSUM_CHARS]
    beginning = path[: max_chars - _CHECKSUM_CHARS - 1].encode()[: _MAX_BYTES - _CHECKSUM_CHARS - 1]
    return f"{beginning.decode(errors='ignore')}~{checksum}"

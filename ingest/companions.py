"""What travels with reports and is none: the files of the configuration, told apart by the names of their form parts.

Called by `ingest.envelope`. Promise: whatever is wrong with one of them costs a warning, never the upload
(`tests/ingest/test_companions.py`).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from django.conf import settings

from ingest.configuration import CONFIGURATION, DEFERRALS, OWNERS
from ingest.errors import HINTS, IngestError
from ingest.forms import Part
from ingest.inflate import HEAD, find_encoding, read_pieces, unpack
from ingest.remarks import Remark

# The name of the form part is the role the file is kept under.
FILES: Final = {"configuration": CONFIGURATION, "owners": OWNERS, "deferrals": DEFERRALS}


class Companion(NamedTuple):
    """One of these files, small enough to be held."""

    role: str
    name: str
    data: bytes


def is_companion(part: Part) -> bool:
    """Whether a form part is one of them."""
    return part.field in FILES


def read_companions(parts: Iterable[Part]) -> tuple[list[Companion], list[Remark]]:
    """These files as far as they can be taken, and warnings about what was not."""
    taken: dict[str, Companion] = {}
    warnings: list[Remark] = []
    for part in parts:
        file = FILES[part.field]
        if part.field in taken:
            warnings.append(_warn("configuration_invalid", f"{file} came twice; the first one was read.", file))
            continue
        try:
            data = _read(part, file)
        except IngestError as problem:
            warnings.append(_warn(problem.code, f"{file} was not read: {problem.message}", file))
        else:
            taken[part.field] = Companion(part.field, part.name, data)
    return list(taken.values()), warnings


def _read(part: Part, file: str) -> bytes:
    part.stream.seek(0)
    encoding = find_encoding(part.stream.read(HEAD))
    most, data = settings.UPLOAD_MAX_CONFIGURATION_BYTES, b""
    for piece in unpack(read_pieces(part.stream), encoding=encoding, name=file):
        data += piece
        if len(data) > most:
            raise IngestError("configuration_too_large", f"it is larger than {most:,} bytes.", limit=most)
    return data


def _warn(code: str, message: str, file: str) -> Remark:
    return Remark(code, message, hint=HINTS[code], file=file)

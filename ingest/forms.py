"""A multipart body becomes fields and named parts, and nothing in it is left out unsaid.

Called by `ingest.envelope` and, for the small forms that speak of a run, by `ingest.views_runs`. Django's parser does
the reading; it skips what it cannot name, so parts are counted.
Promise: each part is a field or a file, or the whole form is refused; parts have no name on disk, so that a killed
process leaves none behind (`tests/ingest/test_forms.py`).
"""

import re
import tempfile
import unicodedata
from collections.abc import Mapping
from contextlib import ExitStack
from typing import IO, Any, Final, NamedTuple, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils import timezone
from django.utils.http import parse_header_parameters

from health.rules.gate import RULES
from ingest.body import spool_body
from ingest.errors import IngestError, make_storable
from ingest.metadata import Metadata, check_metadata

_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 64 * 1024
_LONGEST_NAME: Final = 255
_LONGEST_TAIL: Final = 64  # line breaks and blanks behind the closing boundary
_WITHOUT_NAME: Final = "report.xml"
_MOST_BYTES_OF_A_NAME: Final = 16_384
_MOST_NAMED: Final = 5


class Part(NamedTuple):
    """A file of a delivery: the form's name for it, its own name as text to show, and its bytes."""

    field: str
    name: str
    stream: IO[bytes]

    def close(self) -> None:
        """Called by Django when it gives a form up."""
        self.stream.close()


def read_form(request: HttpRequest, body: IO[bytes], opened: ExitStack) -> tuple[dict[str, str], list[Part]]:
    """The fields and files of a multipart body; the files live as long as `opened`. Raises IngestError."""
    content_type = request.META.get("CONTENT_TYPE", "")
    if not content_type.lower().startswith("multipart/form-data"):
        text = f"POST takes multipart/form-data, and this is {content_type[:80] or 'no type'!r}."
        raise IngestError("unsupported_type", text)
    try:
        post, files = _FormParser(request.META, cast("Any", body), [_Spooler(request, opened)], "utf-8").parse()
    except (TooManyFilesSent, TooManyFieldsSent) as problem:
        raise _too_many() from problem
    # LookupError: a name in a character set that nobody knows.
    except (MultiPartParserError, RequestDataTooBig, LookupError) as problem:
        raise IngestError("bad_multipart", f"The multipart body cannot be read: {problem}.") from problem
    parts = [part._replace(field=field) for field, listed in files.lists() for part in cast("list[Part]", listed)]
    _refuse_left_out(content_type, body, sum(len(values) for _, values in post.lists()) + len(parts))
    if "file" in post:
        hint = "With curl, mind the @ before the path: -F file=@report.xml."
        raise IngestError("bad_multipart", "The part `file` is a text and not a file.", hint, field="file")
    return choose_fields({name: [str(v) for v in values] for name, values in post.lists()}), parts


def read_query(request: HttpRequest) -> dict[str, str]:
    """The fields that stand in the address. Raises IngestError."""
    try:
        return choose_fields(dict(request.GET.lists()))
    except TooManyFieldsSent as problem:
        raise _too_many() from problem


def read_run_name(request: HttpRequest) -> Metadata:
    """Provider and run id out of a small form of either kind. Raises IngestError."""
    return _check_run_name(_spool_small_form(request))


def read_gate_question(request: HttpRequest) -> tuple[Metadata, tuple[str, ...] | None]:
    """The run, and which reasons fail it: None where the configuration decides. Raises IngestError."""
    fields = _spool_small_form(request)
    rules = tuple(word for word in (part.strip() for part in fields.get("fail_on", "").split(",")) if word)
    unknown = sorted(set(rules) - set(RULES))
    if unknown:
        names = ", ".join(repr(make_storable(word[:80])) for word in unknown[:_MOST_NAMED])
        hint = f"Give some of {', '.join(RULES)}, with commas between them."
        raise IngestError("invalid_field", f"Nothing fails a run under the name of {names}.", hint, field="fail_on")
    return _check_run_name(fields), rules or None


def _spool_small_form(request: HttpRequest) -> dict[str, str]:
    with spool_body(request, most=_MOST_BYTES_OF_A_NAME) as body:
        return _read_small_form(request, body)


def _check_run_name(fields: Mapping[str, str]) -> Metadata:
    known = {name: value for name, value in fields.items() if name in ("provider", "run_id")}
    metadata, _ = check_metadata(known, now=timezone.now())
    if not metadata.run_id:
        raise IngestError("invalid_field", "These fields cannot be used: run_id: is missing.", field="run_id")
    return metadata


def _read_small_form(request: HttpRequest, body: IO[bytes]) -> dict[str, str]:
    kind = request.META.get("CONTENT_TYPE", "").lower()
    if kind.startswith("multipart/form-data"):
        with ExitStack() as opened:
            return read_form(request, body, opened)[0]
    if not kind.startswith("application/x-www-form-urlencoded"):
        text = f"This takes a form, and got {kind[:80] or 'no type'!r}."
        raise IngestError("unsupported_type", text, "Send it with curl -d.")
    try:
        return choose_fields({name: list(map(str, values)) for name, values in QueryDict(body.read()).lists()})
    except TooManyFieldsSent as problem:
        raise IngestError("bad_multipart", f"The form cannot be read: {problem}.") from problem


def _too_many() -> IngestError:
    n_files, n_fields = settings.UPLOAD_MAX_FILES, settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
    text = f"One upload takes at most {n_files} files and {n_fields} fields."
    return IngestError("too_many_parts", text, limit=n_files)


def choose_fields(sent: Mapping[str, list[str]]) -> dict[str, str]:
    """One value for each field. Raises IngestError when a field came twice with two values."""
    twice = sorted(name[:80] for name, values in sent.items() if len(set(values)) > 1)
    if twice:
        raise IngestError("invalid_field", f"Sent more than once: {', '.join(twice)}.", field=", ".join(twice))
    return {name: values[-1] for name, values in sent.items() if values and name != "csrfmiddlewaretoken"}


def clean_name(name: str, *, keep_folders: bool = False) -> str:
    """A file's name as text to show: nothing invisible in it, and never used on disk."""
    if not keep_folders:
        name = re.split(r"[/\\]", name)[-1]
    visible = "".join(c if unicodedata.category(c)[0] != "C" else "\N{REPLACEMENT CHARACTER}" for c in name)
    visible = visible.strip()[:_LONGEST_NAME]
    return _WITHOUT_NAME if visible in ("", ".", "..") else visible


def _refuse_left_out(content_type: str, body: IO[bytes], n_read: int) -> None:
    """Refuse a form that is cut, or that has parts which Django's parser left out: those without a readable name."""
    mark = f"--{parse_header_parameters(content_type)[1].get('boundary', '')}".encode()
    size = body.seek(0, 2)
    body.seek(max(0, size - len(mark) - _LONGEST_TAIL))
    if mark + b"--" not in body.read():
        raise IngestError("bad_multipart", "The multipart body ends without its closing boundary.")
    n_left_out = _count(body, mark) - 1 - n_read
    if n_left_out > 0:
        text = f"{n_left_out} of the form's parts cannot be read."
        hint = 'Each part needs a line like `Content-Disposition: form-data; name="file"; filename="report.xml"`.'
        raise IngestError("bad_multipart", text, hint)


def _count(body: IO[bytes], mark: bytes) -> int:
    body.seek(0)
    n, rest = 0, b""
    while piece := body.read(_PIECE):
        window = rest + piece
        n += window.count(mark)
        # What may be the beginning of a mark is looked at again with the next piece; a whole one is not.
        rest = window[len(window) - len(mark) + 1 :] if len(mark) > 1 else b""
    return n


class _FormParser(MultiPartParser):
    """Django's parser, which would skip a file whose name is only dots and separators."""

    def sanitize_file_name(self, file_name: str) -> str:
        return clean_name(file_name)


class _Spooler(FileUploadHandler):
    """Keeps each file in memory while it is small, else in a file without a name."""

    def __init__(self, request: HttpRequest, opened: ExitStack) -> None:
        super().__init__(request)
        self._opened = opened

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Django says that a file begins."""
        super().new_file(*args, **kwargs)
        self.file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed with what `opened` holds
        self._opened.callback(self.file.close)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:  # noqa: ARG002 - Django's signature
        """Django gives a piece of it."""
        self.file.write(raw_data)

    def file_complete(self, file_size: int) -> Any:  # noqa: ARG002 - as above
        """Django says that it is whole."""
        return Part("", self.file_name or _WITHOUT_NAME, self.file)

"""What failures said: cut out of an upload's one compressed stream.

Used by the queries of run and case. Promise: never more than one piece of the stream in memory beside the texts asked
for, and never more than a set length inflated (`tests/dashboard/test_texts.py`). What looks like a secret is masked
unless the caller says that an owner looks (`tests/dashboard/test_masked_secrets.py`).
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from health.models import FailureText
from health.rules.fingerprints import mask_message
from health.rules.secrets import MASK, mask_kind, mask_said, mask_secrets
from health.texts import cut_texts

_Key = TypeVar("_Key", bound=Hashable)
# A text deeper in its stream than this is not fetched for a list; its case's page has more patience.
SHALLOW: Final = 16 * 2**20
# A line of a table is not worth more than this.
_NEAR: Final = 2**20
DEEP: Final = 512 * 2**20


class TextPlace(NamedTuple):
    """Where a failure's message and text lie in its upload's inflated stream: message first, in bytes.

    `is_cut` says that only the beginning of the text is wanted.
    """

    upload: int
    offset: int
    message_length: int
    text_length: int
    is_cut: bool = False

    @property
    def end(self) -> int:
        """The byte behind it."""
        return self.offset + self.message_length + self.text_length


class Failed(NamedTuple):
    """One failure: its kind, what the first one ever with its fingerprint said, and where its own words are."""

    kind: str
    first_message: str
    place: TextPlace


class Said(NamedTuple):
    """A failure's message, and the text behind it: usually a traceback."""

    message: str
    text: str

    @property
    def whole(self) -> str:
        """The message and the text; once where the text starts with the message, as most runners write it."""
        return self.text if self.message in self.text else f"{self.message}\n\n{self.text}".strip()

    @property
    def is_masked(self) -> bool:
        """Whether something in it was hidden that looks like a secret."""
        return MASK in self.message or MASK in self.text

    @property
    def n_lines(self) -> int:
        """How many lines that is."""
        return self.whole.rstrip().count("\n") + 1


def read_texts(
    project_id: int, *, places: Iterable[TextPlace], depth: int = SHALLOW, for_owner: bool = False
) -> dict[TextPlace, Said]:
    """The texts at these places; what lies deeper than `depth`, or is no longer kept, is left out.

    Only an owner of the project is shown what looks like a secret.
    """
    wanted: dict[int, list[TextPlace]] = defaultdict(list)
    for place in places:
        if place.end <= depth:
            wanted[place.upload].append(place)
    blobs = FailureText.objects.filter(project_id=project_id, upload__in=wanted).values_list("upload", "blob")
    found = {
        place: said for upload, blob in blobs.iterator() for place, said in _cut(bytes(blob), wanted[upload]).items()
    }
    return found if for_owner else {place: _mask(place, said) for place, said in found.items()}


def _mask(place: TextPlace, said: Said) -> Said:
    return Said(mask_said(said.message), mask_secrets(said.text, is_cut=place.is_cut))


def mask_cause(message: str) -> str:
    """What the first failure of a cause said, without its changing parts and without secrets."""
    return mask_message(mask_said(message))


def read_first_lines(project_id: int, *, failures: Mapping[_Key, Failed]) -> dict[_Key, str]:
    """The first line of each failure's own message, else its kind; masked where only its cause's is at hand."""
    places = {key: failed.place._replace(text_length=0) for key, failed in failures.items()}
    said = read_texts(project_id, places=set(places.values()), depth=_NEAR)
    lines = {}
    for key, failed in failures.items():
        own = said.get(places[key])
        message = own.message if own else mask_cause(failed.first_message)
        lines[key] = (message.strip() or mask_kind(failed.kind).strip()).partition("\n")[0]
    return lines


def _cut(blob: bytes, places: list[TextPlace]) -> dict[TextPlace, Said]:
    found = cut_texts(blob, spans=[(place.offset, place.end) for place in places])
    return {place: _split(place, found[place.offset, place.end]) for place in places}


def _split(place: TextPlace, data: bytes) -> Said:
    message, text = data[: place.message_length], data[place.message_length :]
    return Said(message.decode("utf-8", "replace"), text.decode("utf-8", "replace"))

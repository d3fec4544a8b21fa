"""What the children of a case say about it: outcomes, details, texts.

Used by `ingest.parsers.junit`; pure.
Promise: skipped outranks error outranks failure, retries become attempts, and every text is kept within its cap
(`tests/ingest/parsers/test_failures.py`).
"""

from collections.abc import Callable
from typing import Final
from xml.parsers.expat import XMLParserType

from health.rules.cuts import LONGEST_KIND
from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL
from ingest.parsers.notes import Notes
from ingest.parsers.texts import Capture, TextStore, clip_head
from ingest.parsers.types import Detail, Limits
from ingest.parsers.xml import Place

# What one case's children say, as bits.
_FAILED, _ERRORED, _SKIPPED, _XFAILED, _RETRIED, _RERUN = 1, 2, 4, 8, 16, 32
_BROKEN: Final = _FAILED | _ERRORED
RESULTS: Final[dict[str, tuple[int, int]]] = {
    "failure": (_FAILED, FAIL),
    "error": (_ERRORED, ERROR),
    "skipped": (_SKIPPED, SKIP),
    "flakyFailure": (_RETRIED, FAIL),
    "flakyError": (_RETRIED, ERROR),
    "rerunFailure": (_RERUN, FAIL),
    "rerunError": (_RERUN, ERROR),
}
SUITE_RESULTS: Final = frozenset({"failure", "error"})


class Failures:
    """The outcomes of a file's cases, and the details of those that did not plainly pass."""

    def __init__(self, *, limits: Limits, notes: Notes) -> None:
        # Cases are missing here as long as nothing speaks against their having passed.
        self.outcomes: dict[int, int] = {}
        self.details: list[Detail] = []
        self.texts = TextStore()
        self.n_flaky = 0
        # The depth of the element whose text is being read, and of one inside it that is left out; 0 for none.
        self.depth = 0
        self._muted_depth = 0
        chunks: list[str] = []
        self._take = chunks.append
        self._capture = Capture(chunks, limits)
        self._detail: Detail | None = None
        self._is_output = False
        self._most_bytes = limits.max_message_bytes
        # No text of so few characters is longer in UTF-8.
        self._safe_chars = limits.max_message_bytes // 4
        self._notes = notes
        # The case whose children were read last, and what they say.
        self._case = -1
        self._bits = 0
        self._n_retries = 0

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """Listen to a document."""
        self._parser = parser
        self._find_place = find_place

    def knows(self, case: int) -> bool:
        """Whether a case has said how it ended, other than by passing."""
        return case == self._case and bool(self._bits & (_BROKEN | _SKIPPED))

    def open_result(self, tag: str, attributes: list[str], *, case: int, depth: int) -> None:
        """A child of `case` begins that tells how it, or an attempt of it, ended."""
        message = kind = ""
        pairs = iter(attributes)
        for name, value in zip(pairs, pairs, strict=True):
            if name == "message":
                message = value
            elif name == "type":
                kind = value
        bit, outcome = RESULTS[tag]
        if kind == "pytest.xfail" and outcome == SKIP:
            bit, outcome = _SKIPPED | _XFAILED, XFAIL
        attempt = 1
        if case != self._case and bit < _RETRIED:
            self._case, self._bits, self._n_retries = case, bit, 0
            self.outcomes[case] = outcome
        else:
            attempt = self._add(bit, case)
        if len(message) > self._safe_chars:
            message = clip_head(message.encode(), size=self._most_bytes).decode()
        self._detail = Detail(case, attempt, outcome, kind[:LONGEST_KIND], message, 0, 0, 0)
        self._is_output = False
        self.depth = depth
        self._parser.CharacterDataHandler = self._take

    def open_output(self, *, case: int, depth: int) -> None:
        """What a failed case printed stands in for a failure without any words (CTest, libtest)."""
        last = self.details[-1] if self.details else None
        if last is None or last.case != case or last.outcome not in (FAIL, ERROR):
            return
        if not (last.message_length or last.text_length):
            self._detail = self.details.pop()
            self._is_output = True
            self.depth = depth
            self._parser.CharacterDataHandler = self._take

    def mute(self, *, depth: int) -> None:
        """Leave out the text of an element inside the one that is being read."""
        if not self._muted_depth:
            self._muted_depth = depth
            self._parser.CharacterDataHandler = None

    def close(self, *, depth: int) -> None:
        """An element ends while a text is being read."""
        if depth == self.depth:
            self._store()
        elif depth == self._muted_depth:
            self._muted_depth = 0
            self._parser.CharacterDataHandler = self._take

    def finish(self, *, n_cases: int) -> bytearray:
        """The outcomes of the first `n_cases` cases; the file has ended, perhaps inside a text."""
        if self._detail and self._detail.case < n_cases:
            self._store()
        self.details = [detail for detail in self.details if detail.case < n_cases]
        outcomes = bytearray((PASS,)) * n_cases
        for case, outcome in self.outcomes.items():
            if case < n_cases:
                outcomes[case] = outcome
        return outcomes

    def trim(self) -> None:
        """Called after each piece of the file, so that a long text does not fill the memory."""
        if self.depth:
            self._capture.trim()

    def _store(self) -> None:
        """Store a text with its message in front; where there is none, the text's first line serves."""
        # Taking the handler away first makes expat hand over the text it still holds.
        self._parser.CharacterDataHandler = None
        self.depth = self._muted_depth = 0
        text, is_clipped = self._capture.take()
        detail, self._detail = self._detail, None
        if detail is None:
            return
        if is_clipped:
            line, column = self._find_place()
            self._notes.add("text_truncated", "A failure's text was shortened.", line=line, column=column)
        if not (detail.message or self._is_output):
            first_line = text.lstrip()[:4096].partition(b"\n")[0].rstrip()
            detail.message = clip_head(first_line, size=self._most_bytes).decode("utf-8", "ignore")
        message = detail.message.encode()
        detail.text_offset, detail.message_length, detail.text_length = self.texts.size, len(message), len(text)
        self.texts.add(message + text)
        self.details.append(detail)

    def _add(self, bit: int, case: int) -> int:
        """Take one child among several into account. Returns which attempt it speaks of."""
        if case != self._case:
            self._case, self._bits, self._n_retries = case, 0, 0
        known = self._bits
        bits = self._bits = known | bit
        if bits & _SKIPPED and bits & _BROKEN and not (known & _SKIPPED and known & _BROKEN):
            self._notes.add("conflicting_outcome", "A case is skipped and failed at once.", case=case)
        # A runner may be told to fail a flaky test (nextest): it is flaky all the same.
        self.n_flaky += bool(bit & _RETRIED and not known & _RETRIED)
        self.outcomes[case] = _decide(bits)
        if bit < _RETRIED:
            return 1
        self._n_retries += 1
        # <flakyFailure> tells of runs before the one that passed, <rerunFailure> of runs after the first.
        return self._n_retries + (bit == _RERUN)


def _decide(bits: int) -> int:
    if bits & _SKIPPED:
        return XFAIL if bits & _XFAILED and not bits & _BROKEN else SKIP
    if bits & _BROKEN:
        return ERROR if bits & _ERRORED else FAIL
    return PASS_ON_RETRY

"""JUnit XML as columns: what each element means, in every dialect we know.

Driven by `ingest.parsers.xml`; its columns are completed by `ingest.parsers.assemble`. Pure.
Promise: the figures of the sample manifest, at a third or more of expat's bare speed
(`tests/ingest/parsers/test_samples.py`, `benchmarks/`).
"""

from collections.abc import Callable
from typing import Final
from xml.parsers.expat import XMLParserType

from health.rules.identity import PART
from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL
from ingest.errors import IngestError
from ingest.parsers.notes import Notes
from ingest.parsers.suites import SuiteStack
from ingest.parsers.texts import Capture, TextStore, clip_head
from ingest.parsers.times import TimeColumn
from ingest.parsers.types import Detail, Limits, SuiteError
from ingest.parsers.xml import Place

ROOTS: Final = frozenset({"testsuites", "testsuite"})

# What the children of one case say about it, as bits.
_FAILED, _ERRORED, _SKIPPED, _XFAILED, _RETRIED, _RERUN = 1, 2, 4, 8, 16, 32
_RESULTS: Final[dict[str, tuple[int, int]]] = {
    "failure": (_FAILED, FAIL),
    "error": (_ERRORED, ERROR),
    "skipped": (_SKIPPED, SKIP),
    "flakyFailure": (_RETRIED, FAIL),
    "flakyError": (_RETRIED, ERROR),
    "rerunFailure": (_RERUN, FAIL),
    "rerunError": (_RERUN, ERROR),
}
_OUTPUTS: Final = frozenset({"system-out", "system-err"})
_STATUS_SKIPPED: Final = frozenset(
    {"disabled", "notrun", "notrunnable", "suppressed", "skipped", "skip", "ignored", "pending", "todo", "untested"}
)
_STATUS_BROKEN: Final = frozenset({"fail", "failed", "failure", "error", "errored", "broken", "timeout"})
_UNUSED_LAYOUT: Final = [""]


class JunitHandler:
    """Listens to expat and fills columns, one entry per `<testcase>`; outcomes lag behind and are filled with PASS."""

    def __init__(self, *, limits: Limits, notes: Notes) -> None:
        self.limits = limits
        self.notes = notes
        self.keys: list[str] = []
        self.outcomes = bytearray()
        self.times = TimeColumn(notes)
        self.details: list[Detail] = []
        self.texts = TextStore()
        self.suites = SuiteStack(limits=limits, notes=notes)
        self.suite_errors: list[SuiteError] = []
        self.repetitions: dict[int, str] = {}
        self.n_flaky = 0
        self.has_report = False
        self.root: str | None = None
        self.root_attributes: dict[str, str] = {}
        self.root_place = (1, 1)
        self._time_texts: list[str] = []
        self._prefix = PART
        self._depth = 0
        # Where class name, name and time stand in the attributes, while cases look like the one before.
        self._layout = _UNUSED_LAYOUT
        self._class_at = self._name_at = self._time_at = 1
        # The case whose children are being read, when it has any that matter.
        self._case = -1
        self._bits = 0
        self._n_retries = 0
        self._capture: Capture | None = None
        self._capture_depth = 0
        self._muted_depth = 0
        self._detail: Detail | None = None
        self._is_output = False
        self._broken_status: dict[int, str] = {}
        self._openers: dict[str, Callable[[str, list[str], int], None]] = {
            "testsuites": self._open_root,
            "testsuite": self._open_suite,
            "property": self._open_property,
            **dict.fromkeys(_RESULTS, self._open_result),
            **dict.fromkeys(_OUTPUTS, self._open_output),
        }
        self._start, self._end, self.count_open_cases = self._make_handlers()

    @property
    def is_foreign(self) -> bool:
        """Whether the document is well-formed so far, and no JUnit report."""
        return self.root is not None and self.root not in ROOTS

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """Listen to a document."""
        self._parser = parser
        self._find_place = find_place
        self._depth = 0
        self.root = None
        self.suites.leave_all(n_cases=len(self.keys))
        self._prefix = PART
        parser.StartElementHandler = self._start_root
        parser.EndElementHandler = self._end
        parser.CommentHandler = self._read_comment

    def end_piece(self) -> None:
        """Check the limits and read the times of the piece."""
        self.times.take(self._time_texts)
        self._time_texts.clear()
        self._check_depth(self._depth + self.count_open_cases())
        if len(self.keys) > self.limits.max_cases:
            raise IngestError(
                "too_many_cases",
                f"The file lists more than {self.limits.max_cases:,} cases.",
                limit=self.limits.max_cases,
            )
        if self._capture:
            self._capture.trim()

    def finish(self) -> None:
        """Complete the columns; the last document has ended, perhaps too early."""
        if self._capture:
            self._close_capture(self._capture)
        self.end_piece()
        self.outcomes.extend(bytes((PASS,)) * (len(self.keys) - len(self.outcomes)))
        self.suites.leave_all(n_cases=len(self.keys))
        for case, status in self._broken_status.items():
            if self.outcomes[case] == PASS:
                message = f"A case with the status {status!r} has no <failure> or <error>: it counts as passed."
                self.notes.add("status_ignored", message, case=case)

    def drop_unfinished_cases(self) -> int:
        """Leave out the cases the file breaks off in, unless it has said how they ended. Returns how many."""
        n_open = self.count_open_cases()
        if not n_open or (self._case == len(self.keys) - 1 and self._bits & (_FAILED | _ERRORED | _SKIPPED)):
            return 0
        self.times.take(self._time_texts)
        self._time_texts.clear()
        n_left = len(self.keys) - n_open
        del self.keys[n_left:], self.times.seconds[n_left:], self.outcomes[n_left:]
        self.details = [detail for detail in self.details if detail.case < n_left]
        if self._detail and self._detail.case >= n_left:
            self._capture = self._detail = None
        return n_open

    def _make_handlers(
        self,
    ) -> tuple[Callable[[str, list[str]], None], Callable[[str], None], Callable[[], int]]:
        """The handlers expat calls for every element.

        They run hundreds of thousands of times a second: a plain case takes the first branch of both and nothing else.
        """
        keys, add_key, add_time = self.keys, self.keys.append, self._time_texts.append
        n_closed = 0

        def start(tag: str, attributes: list[str]) -> None:
            if tag == "testcase":
                if attributes[::2] == self._layout:
                    add_key(f"{self._prefix}{attributes[self._class_at]}\x1f{attributes[self._name_at]}")
                    add_time(attributes[self._time_at])
                else:
                    self._open_case(attributes)
            else:
                self._open_other(tag, attributes, len(keys) - n_closed)

        def end(tag: str) -> None:
            nonlocal n_closed
            if tag == "testcase":
                n_closed += 1
            else:
                self._close_other(tag)

        return start, end, lambda: len(keys) - n_closed

    def _start_root(self, tag: str, attributes: list[str]) -> None:
        self.root = tag
        self.root_place = self._find_place()
        self.root_attributes = dict(zip(attributes[:16:2], attributes[1:16:2], strict=True))
        if tag in ROOTS:
            self.has_report = True
            self._parser.StartElementHandler = self._start
            self._parser.CommentHandler = None
            self._start(tag, attributes)
        else:
            self._parser.StartElementHandler = self._start_foreign
            self._start_foreign(tag, attributes)

    def _start_foreign(self, _tag: str, _attributes: list[str]) -> None:
        self._depth += 1
        self._check_depth(self._depth)

    def _read_comment(self, text: str) -> None:
        if "org.testng." in text[:200]:
            self.suites.recognise_writer("testng")

    def _open_case(self, attributes: list[str]) -> None:
        """A case whose attributes differ from the one before, or say more than who it is and how long it took."""
        self._check_attributes(attributes)
        names = attributes[::2]
        given = dict(zip(names, attributes[1::2], strict=True))
        case = len(self.keys)
        self.keys.append(f"{self._prefix}{given.get('classname', '')}{PART}{given.get('name', '')}")
        self._time_texts.append(given.get("time") or "0")
        if not given.get("time"):
            self.notes.add("time_missing", "A case has no time.", case=case)
        statuses = [given[name] for name in ("status", "result") if name in given]
        for status in statuses:
            word = status.lower()
            if word in _STATUS_SKIPPED:
                self._set_outcome(case, SKIP)
            elif word in _STATUS_BROKEN:
                self._broken_status[case] = status
        if not statuses and "classname" in given and "name" in given and given.get("time"):
            self._layout = names
            self._class_at = 2 * names.index("classname") + 1
            self._name_at = 2 * names.index("name") + 1
            self._time_at = 2 * names.index("time") + 1

    def _open_other(self, tag: str, attributes: list[str], n_open: int) -> None:
        self._depth += 1
        self._check_depth(self._depth + n_open)
        self._check_attributes(attributes)
        opener = self._openers.get(tag)
        if self._capture:
            # Inside a failure only its own text and Surefire's <stackTrace> belong to it.
            if tag in _OUTPUTS and not self._muted_depth:
                self._muted_depth = self._depth
                self._parser.CharacterDataHandler = None
        elif opener:
            opener(tag, attributes, n_open)

    def _close_other(self, tag: str) -> None:
        if self._capture:
            if self._depth == self._capture_depth:
                self._close_capture(self._capture)
            elif self._depth == self._muted_depth:
                self._muted_depth = 0
                self._parser.CharacterDataHandler = self._capture.chunks.append
        elif tag == "testsuite" and self.root in ROOTS:
            self.suites.leave(n_cases=len(self.keys))
            self._prefix = self.suites.path + PART
        self._depth -= 1

    def _open_root(self, _tag: str, _attributes: list[str], _n_open: int) -> None:
        """A `<testsuites>`: its name is the runner's, not a suite's, and its totals repeat what the suites say."""

    def _open_suite(self, _tag: str, attributes: list[str], _n_open: int) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        self.suites.enter(given, n_cases=len(self.keys))
        self._prefix = self.suites.path + PART

    def _open_property(self, _tag: str, attributes: list[str], n_open: int) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        name = given.get("name")
        if name == "repetition" and n_open:
            self.repetitions[len(self.keys) - 1] = given.get("value", "")
        elif name == "go.version" and not n_open:
            self.suites.recognise_writer("go")

    def _open_result(self, tag: str, attributes: list[str], n_open: int) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        message, kind = given.get("message", ""), given.get("type", "")
        bit, outcome = _RESULTS[tag]
        if not n_open:
            if bit & (_FAILED | _ERRORED):
                self._note_suite_error(outcome, message)
            return
        case = len(self.keys) - 1
        if case != self._case:
            self._case, self._bits, self._n_retries = case, 0, 0
        if bit == _SKIPPED and kind == "pytest.xfail":
            bit, outcome = _SKIPPED | _XFAILED, XFAIL
        was_in_conflict = self._is_in_conflict()
        # A runner may be told to fail a flaky test (nextest): it is flaky all the same.
        self.n_flaky += bit == _RETRIED and not self._bits & _RETRIED
        self._bits |= bit
        if self._is_in_conflict() and not was_in_conflict:
            self.notes.add("conflicting_outcome", "A case is skipped and failed at once.", case=case)
        attempt = self._count_attempt(bit)
        self._set_outcome(case, self._decide())
        head = clip_head(message.encode(), self.limits.max_message_bytes)
        self._detail = Detail(case, attempt, outcome, kind[:255], head.decode(), 0, 0, 0)
        self._open_capture()

    def _open_output(self, _tag: str, _attributes: list[str], n_open: int) -> None:
        """What a failed case printed stands in for a failure without any words (CTest, libtest)."""
        last = self.details[-1] if self.details and n_open else None
        if last is None or last.case != len(self.keys) - 1 or last.outcome not in (FAIL, ERROR):
            return
        if not (last.message_length or last.text_length):
            self._detail = self.details.pop()
            self._open_capture(is_output=True)

    def _open_capture(self, *, is_output: bool = False) -> None:
        self._capture = Capture(self.limits)
        self._is_output = is_output
        self._capture_depth = self._depth
        self._parser.CharacterDataHandler = self._capture.chunks.append

    def _close_capture(self, capture: Capture) -> None:
        """Store the text of a failure with its message in front; without a message its first line serves."""
        # Taking the handler away first makes expat hand over the text it still holds.
        self._parser.CharacterDataHandler = None
        self._capture, self._muted_depth = None, 0
        text, is_clipped = capture.finish()
        detail = self._detail
        if detail is None:
            return
        if is_clipped:
            line, column = self._find_place()
            self.notes.add("text_truncated", "A failure's text was shortened.", line=line, column=column)
        if not (detail.message or self._is_output):
            first_line = text.lstrip()[:4096].partition(b"\n")[0].rstrip()
            detail.message = clip_head(first_line, self.limits.max_message_bytes).decode("utf-8", "ignore")
        message = detail.message.encode()
        detail.text_offset, detail.message_length, detail.text_length = self.texts.size, len(message), len(text)
        self.texts.add(message)
        self.texts.add(text)
        self.details.append(detail)
        self._detail = None

    def _note_suite_error(self, outcome: int, message: str) -> None:
        line, column = self._find_place()
        head = clip_head(message.encode(), self.limits.max_message_bytes).decode()
        self.suite_errors.append(SuiteError(self.suites.path, outcome, head, line))
        name = self.suites.path.rpartition("\x1e")[2]
        self.notes.add("suite_level_error", f"The suite {name[:80]!r} itself failed.", line=line, column=column)

    def _count_attempt(self, bit: int) -> int:
        if bit & (_RETRIED | _RERUN):
            self._n_retries += 1
            # <flakyFailure> tells of runs before the one that passed, <rerunFailure> of runs after the first.
            return self._n_retries + (bit == _RERUN)
        return 1

    def _is_in_conflict(self) -> bool:
        return bool(self._bits & _SKIPPED and self._bits & (_FAILED | _ERRORED))

    def _decide(self) -> int:
        bits = self._bits
        if bits & _SKIPPED:
            return XFAIL if bits & _XFAILED and not self._is_in_conflict() else SKIP
        if bits & (_ERRORED | _FAILED):
            return ERROR if bits & _ERRORED else FAIL
        return PASS_ON_RETRY

    def _set_outcome(self, case: int, outcome: int) -> None:
        self.outcomes.extend(bytes((PASS,)) * (case + 1 - len(self.outcomes)))
        self.outcomes[case] = outcome

    def _check_depth(self, depth: int) -> None:
        if depth > self.limits.max_depth:
            line, column = self._find_place()
            raise IngestError(
                "xml_too_deep",
                f"Elements are nested more than {self.limits.max_depth} deep at line {line}.",
                line=line,
                column=column,
                limit=self.limits.max_depth,
            )

    def _check_attributes(self, attributes: list[str]) -> None:
        if len(attributes) > 2 * self.limits.max_attributes:
            line, column = self._find_place()
            raise IngestError(
                "xml_too_many_attributes",
                f"An element has {len(attributes) // 2:,} attributes at line {line}.",
                line=line,
                column=column,
                limit=self.limits.max_attributes,
                actual=len(attributes) // 2,
            )

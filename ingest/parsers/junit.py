"""JUnit XML as columns: what each element means, in every dialect we know.

Driven by `ingest.parsers.xml`; its columns are completed by `ingest.parsers.assemble`. Pure.
Promise: the figures of the sample manifest (`tests/ingest/parsers/test_samples.py`), at a third of expat's bare speed.
"""

from collections.abc import Callable, Sized
from typing import Final, NamedTuple, NoReturn
from xml.parsers.expat import XMLParserType

from health.rules.identity import PART, STEP
from health.rules.outcomes import ERROR, FAIL, PASS, SKIP
from ingest.errors import IngestError
from ingest.parsers.failures import RESULTS, SUITE_RESULTS, Failures
from ingest.parsers.notes import Notes
from ingest.parsers.suites import SuiteStack
from ingest.parsers.texts import clip_head
from ingest.parsers.times import TimeColumn
from ingest.parsers.types import Limits, SuiteError
from ingest.parsers.xml import Place

ROOTS: Final = frozenset({"testsuites", "testsuite"})

_OUTPUTS: Final = frozenset({"system-out", "system-err"})
_STATUS_SKIPPED: Final = frozenset(
    {"disabled", "notrun", "notrunnable", "suppressed", "skipped", "skip", "ignored", "pending", "todo", "untested"}
)
_STATUS_PLAIN: Final = frozenset({"run", "completed", "passed"})
_STATUS_BROKEN: Final = frozenset({"fail", "failed", "failure", "error", "errored", "broken", "timeout"})

# Runners write a handful; a file made to do harm may not fill the memory with them.
_MOST_LAYOUTS: Final = 1_000

Start = Callable[[str, list[str]], None]
End = Callable[[str], None]


class _Layout(NamedTuple):
    """Where in its attributes a case says what; -1 for what it does not say."""

    class_at: int
    name_at: int
    time_at: int
    statuses_at: list[int]


class JunitHandler:
    """Listens to expat and fills columns, one entry per `<testcase>`."""

    def __init__(self, *, limits: Limits, notes: Notes) -> None:
        self.limits = limits
        self.notes = notes
        self.keys: list[str] = []
        self.outcomes = bytearray()
        self.times = TimeColumn(notes)
        self.failures = Failures(limits=limits, notes=notes)
        self.suites = SuiteStack(limits=limits, notes=notes)
        self.suite_errors: list[SuiteError] = []
        self.repetitions: dict[int, str] = {}
        self.has_report = False
        self.root: str | None = None
        self.root_place = (1, 1)
        self._time_texts: list[str] = []
        self._broken_status: dict[int, str] = {}
        self._prefix = PART
        # How many elements other than cases are open.
        self._depth = 0
        # The attributes of a plain case in the order this runner writes them, and where the three are.
        self._names = [""]
        self._first_name = self._second_name = self._third_name = ""
        self._class_at = self._name_at = self._time_at = 1
        self._layouts: dict[tuple[str, ...], _Layout] = {}
        self._openers: dict[str, Callable[[str, list[str], int], None]] = {
            "testsuite": self._open_suite,
            "property": self._open_property,
            **dict.fromkeys(RESULTS, self._open_result),
            **dict.fromkeys(_OUTPUTS, self._open_output),
        }
        self._start, self._end, self._count_open_cases = self._make_handlers()

    @property
    def is_foreign(self) -> bool:
        """Whether the document has a root, and that of no report."""
        return self.root is not None and self.root not in ROOTS

    @property
    def is_complete(self) -> bool:
        """Whether the document's root has ended."""
        return self.root is not None and not self._depth

    def attach(self, parser: XMLParserType, *, find_place: Callable[[], Place]) -> None:
        """Listen to a document."""
        self._parser = parser
        self._find_place = find_place
        self._depth = 0
        self._prefix = PART
        self.root = None
        self.suites.leave_all(n_cases=len(self.keys))
        self.failures.attach(parser, find_place=find_place)
        parser.StartElementHandler = self._start_root
        parser.EndElementHandler = self._end
        parser.CommentHandler = self._read_comment

    def end_piece(self) -> None:
        """Check the limits and read the times of the piece."""
        self.times.take(self._time_texts)
        self._time_texts.clear()
        self.failures.trim()
        if self._depth + self._count_open_cases() > self.limits.max_depth:
            self._refuse_depth()
        columns: tuple[Sized, ...] = (self.keys, self.failures.details, self.suites.suites, self.suite_errors)
        n_most = max(map(len, columns))
        if n_most > self.limits.max_cases:
            raise IngestError(
                "too_many_cases",
                f"The file lists more than {self.limits.max_cases:,} cases, failures or suites.",
                limit=self.limits.max_cases,
            )

    def finish(self, *, is_cut: bool) -> int:
        """Complete the columns at the end of the file. Returns how many cases it breaks off in, undecided."""
        n_open = self._count_open_cases() if is_cut else 0
        if self.failures.knows(len(self.keys) - 1):
            n_open = 0
        self.end_piece()
        n_cases = len(self.keys) - n_open
        del self.keys[n_cases:], self.times.seconds[n_cases:]
        self.outcomes = self.failures.finish(n_cases=n_cases)
        self.suites.leave_all(n_cases=n_cases)
        for case, status in self._broken_status.items():
            if case < n_cases and self.outcomes[case] == PASS:
                message = f"A case with the status {status!r} has no <failure> or <error>: it counts as passed."
                self.notes.add("status_ignored", message, case=case)
        return n_open

    def _make_handlers(self) -> tuple[Start, End, Callable[[], int]]:
        """The handlers of every element, and the number of cases that are open.

        They run a million times a second: a plain case takes the first branch of both and nothing else.
        """
        keys, add_key, add_time = self.keys, self.keys.append, self._time_texts.append
        n_closed = 0

        def start(tag: str, attributes: list[str]) -> None:
            if tag == "testcase":
                # Most runners write three attributes, and three comparisons cost less than one of slices.
                if (
                    len(attributes) == 6
                    and attributes[0] == self._first_name
                    and attributes[2] == self._second_name
                    and attributes[4] == self._third_name
                ) or attributes[::2] == self._names:
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
        if tag in ROOTS:
            self.has_report = True
            self._parser.StartElementHandler = self._start
            self._parser.CommentHandler = None
            self._start(tag, attributes)
        else:
            self._parser.StartElementHandler = self._start_foreign
            self._parser.EndElementHandler = self._end_foreign
            self._start_foreign(tag, attributes)

    def _start_foreign(self, _tag: str, _attributes: list[str]) -> None:
        self._depth += 1
        if self._depth > self.limits.max_depth:
            self._refuse_depth()

    def _end_foreign(self, _tag: str) -> None:
        self._depth -= 1

    def _read_comment(self, text: str) -> None:
        if "org.testng." in text[:200]:
            self.suites.recognise_writer("testng")

    def _open_case(self, attributes: list[str]) -> None:
        """A case whose attributes differ from those of the one before, or say more than a plain case's."""
        names = tuple(attributes[::2])
        layout = self._layouts.get(names) or self._learn_layout(names, attributes)
        # An attribute that is missing stands at the end, and is empty.
        attributes.append("")
        case = len(self.keys)
        self.keys.append(f"{self._prefix}{attributes[layout.class_at]}{PART}{attributes[layout.name_at]}")
        time = attributes[layout.time_at]
        self._time_texts.append(time or "0")
        if not time:
            self.notes.add("time_missing", "A case has no time.", case=case)
        for at in layout.statuses_at:
            if attributes[at] not in _STATUS_PLAIN:
                self._read_status(attributes[at], case)

    def _learn_layout(self, names: tuple[str, ...], attributes: list[str]) -> _Layout:
        if len(names) > self.limits.max_attributes:
            self._refuse_attributes(attributes)
        at = {name: 2 * number + 1 for number, name in enumerate(names)}
        statuses_at = [at[name] for name in ("status", "result") if name in at]
        layout = _Layout(at.get("classname", -1), at.get("name", -1), at.get("time", -1), statuses_at)
        if len(self._layouts) < _MOST_LAYOUTS:
            self._layouts[names] = layout
        if not statuses_at and -1 not in layout[:3]:
            self._class_at, self._name_at, self._time_at = layout[:3]
            self._first_name = self._second_name = self._third_name = ""
            if len(names) == 3:
                self._first_name, self._second_name, self._third_name = names
            self._names = list(names)
        return layout

    def _read_status(self, status: str, case: int) -> None:
        word = status.lower()
        if word in _STATUS_SKIPPED:
            self.failures.outcomes[case] = SKIP
        elif word in _STATUS_BROKEN:
            self._broken_status[case] = status

    def _open_other(self, tag: str, attributes: list[str], n_open: int) -> None:
        """Any element but a case begins; `n_open` says how many cases it is in."""
        self._depth += 1
        if self._depth + n_open > self.limits.max_depth:
            self._refuse_depth()
        if len(attributes) > 2 * self.limits.max_attributes:
            self._refuse_attributes(attributes)
        if self.failures.depth:
            # Inside a failure only its own text and Surefire's <stackTrace> belong to it.
            if tag in _OUTPUTS:
                self.failures.mute(depth=self._depth)
        elif opener := self._openers.get(tag):
            opener(tag, attributes, n_open)

    def _close_other(self, tag: str) -> None:
        if self.failures.depth:
            self.failures.close(depth=self._depth)
        elif tag == "testsuite":
            self.suites.leave(n_cases=len(self.keys))
            self._prefix = self.suites.path + PART
        self._depth -= 1

    def _open_suite(self, _tag: str, attributes: list[str], _n_open: int) -> None:
        """A `<testsuite>`. A `<testsuites>` has no opener: its name is the runner's, its totals repeat the suites'."""
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
        if n_open:
            self.failures.open_result(tag, attributes, case=len(self.keys) - 1, depth=self._depth)
        elif tag in SUITE_RESULTS:
            self._note_suite_error(ERROR if tag == "error" else FAIL, attributes)

    def _open_output(self, _tag: str, _attributes: list[str], n_open: int) -> None:
        if n_open:
            self.failures.open_output(case=len(self.keys) - 1, depth=self._depth)

    def _note_suite_error(self, outcome: int, attributes: list[str]) -> None:
        message = dict(zip(attributes[::2], attributes[1::2], strict=True)).get("message", "")
        head = clip_head(message.encode(), size=self.limits.max_message_bytes).decode()
        line, column = self._find_place()
        self.suite_errors.append(SuiteError(self.suites.path, outcome, head, line))
        name = self.suites.path.rpartition(STEP)[2]
        self.notes.add("suite_level_error", f"The suite {name[:80]!r} itself failed.", line=line, column=column)

    def _refuse_depth(self) -> NoReturn:
        line, column = self._find_place()
        raise IngestError(
            "xml_too_deep",
            f"Elements are nested more than {self.limits.max_depth} deep at line {line}.",
            line=line,
            column=column,
            limit=self.limits.max_depth,
        )

    def _refuse_attributes(self, attributes: list[str]) -> NoReturn:
        line, column = self._find_place()
        raise IngestError(
            "xml_too_many_attributes",
            f"An element has {len(attributes) // 2:,} attributes at line {line}.",
            line=line,
            column=column,
            limit=self.limits.max_attributes,
            actual=len(attributes) // 2,
        )

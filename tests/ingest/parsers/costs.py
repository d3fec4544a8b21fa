"""What reading a hostile file of 25 MiB costs: `python -m tests.ingest.parsers.costs` prints a line for each kind.

Each kind is read in a process of its own, so that its peak of memory is its own. No pytest here: run by `test_costs`.
"""

import io
import json
import os
import resource
import time
from collections.abc import Callable, Iterator
from typing import IO

from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.coverage import read_coverage
from ingest.parsers.coverage.types import CoverageLimits
from ingest.parsers.types import Limits

SIZE = 25 * 2**20
HEAD, TAIL = b'<testsuite name="s"><testcase classname="c" name="a" time="1"/>', b"</testsuite>"
INSIDE, OUT = b'<testsuite><testcase name="a" time="1"><failure>', b"</failure></testcase></testsuite>"
# Head, what is repeated until the file is full, tail.
KINDS: dict[str, tuple[bytes, bytes, bytes]] = {
    "control characters": (HEAD, b"\x01", TAIL),
    "control characters in a name": (b'<testsuite><testcase name="', b"\x01", b'"/></testsuite>'),
    "control characters between others": (HEAD, b"\x01a", TAIL),
    "nothing but NUL": (b"", b"\x00", b""),
    "illegal references": (HEAD, b"&#0;", TAIL),
    "legal references in a file to be repaired": (HEAD + b"\x01", b"&#65;", TAIL),
    "no characters": (HEAD, "\ufffe".encode(), TAIL),
    "characters of four bytes between control characters": (HEAD, "😀\x01".encode(), TAIL),
    "undecodable bytes": (HEAD, b"\xffa", TAIL),
    "blank lines": (b"", b"\n", HEAD + TAIL),
    "documents": (b"", b"<?xml version='1.0'?><testsuite/>", b""),
    "beginnings of documents": (HEAD + TAIL, b"<testsuite <", b""),
    "elements": (HEAD, b"<a/>", TAIL),
    "cases": (b"<testsuite>", b'<testcase name="a"/>', TAIL),
    "failures of one case": (b'<testsuite><testcase name="a">', b"<failure>a</failure>", b"</testcase></testsuite>"),
    "errors of a suite": (b"<testsuite>", b"<error/>", TAIL),
    "suites": (b"<testsuites>", b"<testsuite></testsuite>", b"</testsuites>"),
    "attributes": (b"<testsuite>", b"<testcase " + b" ".join(b'a%d=""' % n for n in range(64)) + b"/>", TAIL),
    "one attribute": (b'<testsuite><testcase name="', b"x", b'"/></testsuite>'),
    "one number": (b'<testsuite><testcase name="a" time="', b"1,", b'"/></testsuite>'),
    "one comment": (HEAD + b"<!--", b"x", b"-->" + TAIL),
    "one text": (INSIDE, b"x\n", OUT),
    "character data in pieces": (INSIDE, b"<![CDATA[\n]]>&amp;", OUT),
    "depth": (b"", b"<testsuite>", b""),
    "no XML": (b"", b"x", b""),
}


# One character of four bytes makes each character of a text in memory that wide.
JSON_SIZE = CoverageLimits().max_json_bytes
META = '{"meta":{"x":"😀","num_statements":1},"files":{"a.py":{"missing_lines":[],'.encode()
FILES = b'{"meta":{"num_statements":1},"files":{"a.py":{}'
# Of coverage: head, what is repeated (with a number in it where it says so), tail, size.
COVERAGE_KINDS: dict[str, tuple[bytes, bytes, bytes, int]] = {
    "words for lines": (META + b'"executed_lines":[', b'"ab",', b"1]}}}", JSON_SIZE),
    "lines": (META + b'"executed_lines":[', b"1,", b"1]}}}", JSON_SIZE),
    "fractions for lines": (META + b'"executed_lines":[', b"1.5,", b"1]}}}", JSON_SIZE),
    "lists": (META + b'"executed_lines":[', b"[],", b"1]}}}", JSON_SIZE),
    "objects": (META + b'"executed_lines":[', b"{},", b"1]}}}", JSON_SIZE),
    "what nobody wants": (META + b'"other":[', b'{"a":1},', b"1]}}}", JSON_SIZE),
    "a path": (META.partition(b"a.py")[0], "😀".encode(), b'":{}}}', JSON_SIZE),
    "contexts of one line": (META + b'"contexts":{"1":[', b'"%d",', b'""]}}}}', JSON_SIZE),
    "contexts of many lines": (META + b'"contexts":{"1":[]', b',"1":["%d"]', b"}}}}", JSON_SIZE),
    "contexts of many files": (FILES, b',"b%d":{"contexts":{"1":["a%d"]}}', b"}}", JSON_SIZE),
    "one context again and again": (META + b'"contexts":{"1":[]', b',"1":["a","a","a","a"]', b"}}}}", JSON_SIZE),
    "files in JSON": (FILES, b',"%d.py":{"executed_lines":[500]}', b"}}", 36 * 199_000),
    "files of Go": (b"mode: set\n", b"a/b%d.go:1.1,500.2 1 1\n", b"", 27 * 199_000),
    "files of LCOV": (b"", b"SF:a/b%d.c\nDA:500,1\nend_of_record\n", b"", 37 * 199_000),
}


class Repeated(io.RawIOBase):
    """A file that is never whole in memory."""

    def __init__(self, head: bytes, unit: bytes, tail: bytes, *, size: int = SIZE) -> None:
        self._rest, self._unit, self._tail = head, unit, tail
        self._left = (size - len(head) - len(tail)) // len(unit)

    def read(self, size: int = -1, /) -> bytes:
        """The next piece."""
        n = min(self._left, size // len(self._unit) + 1)
        self._left -= n
        self._rest += self._unit * n
        if not self._left:
            self._rest += self._tail
            self._tail = b""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class Numbered(Repeated):
    """As `Repeated`, and each repetition has a number of its own."""

    def __init__(self, head: bytes, unit: bytes, tail: bytes, *, size: int) -> None:
        super().__init__(head, unit, tail, size=size)
        self._pieces = self._write(unit, tail, size - len(head) - len(tail))

    def _write(self, unit: bytes, tail: bytes, left: int) -> Iterator[bytes]:
        n_numbers = unit.count(b"%d")
        number = 0
        while True:
            piece = b"".join(unit % ((n,) * n_numbers) for n in range(number, number + 10_000))
            if len(piece) > left:
                break
            left -= len(piece)
            number += 10_000
            yield piece
        yield tail

    def read(self, size: int = -1, /) -> bytes:
        """The next piece."""
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def read(kind: str) -> dict[str, object]:
    """Read a file of this kind: CPU seconds, megabytes more than before, and what became of it."""
    before, began = _peak_mb(), time.process_time()
    try:
        if kind in KINDS:
            found = f"{len(read_report(_open(kind), filename='r.xml', limits=Limits()).keys)} cases"
        else:
            found = f"{len(read_coverage(_open(kind), filename='r', limits=CoverageLimits()).files)} files"
    except IngestError as error:
        found = error.code
    seconds = time.process_time() - began
    return {"kind": kind, "seconds": round(seconds, 2), "more_mb": round(_peak_mb() - before), "found": found}


def _open(kind: str) -> Callable[[], IO[bytes]]:
    head, unit, tail, size = (*KINDS[kind], SIZE) if kind in KINDS else COVERAGE_KINDS[kind]
    stream = Numbered if b"%d" in unit else Repeated
    return lambda: stream(head, unit, tail, size=size)  # type: ignore[return-value]


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """A child for each kind."""
    for kind in (*KINDS, *COVERAGE_KINDS):
        child = os.fork()
        if not child:
            print(json.dumps(read(kind)), flush=True)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            print(json.dumps({"kind": kind, "status": status}), flush=True)


if __name__ == "__main__":
    main()

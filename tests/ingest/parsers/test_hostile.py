"""Files made to do harm: refused early, at little cost, and nothing is ever expanded or fetched."""

import io
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.types import Limits
from ingest.parsers.xml import PIECE_BYTES

SUITE = '<testsuite name="s"><testcase classname="c" name="a" time="1"/>{}</testsuite>'


def refuse(read: Any, data: str, **limits: int) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(data, **limits)
    return caught.value


BILLION_LAUGHS = (
    '<!DOCTYPE testsuites [\n <!ENTITY a0 "ha">\n'
    + "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">\n' for n in range(1, 10))
    + "]>\n"
    + SUITE.format('<testcase name="&a9;"/>')
)
QUADRATIC = f'<!DOCTYPE x [<!ENTITY a "{"a" * 40_000}">]>' + SUITE.format(f"<system-out>{'&a;' * 180}</system-out>")


@pytest.mark.parametrize(
    ("data", "line", "column"),
    [
        (BILLION_LAUGHS, 2, 2),
        (QUADRATIC, 1, 14),
        ('<!DOCTYPE x [\n  <!ENTITY % p SYSTEM "http://127.0.0.1/x">%p;]>' + SUITE, 2, 3),
        ("<!DOCTYPE x [<!ELEMENT x ANY>]>" + SUITE, 1, 13),
        ('<!DOCTYPE x [\n<!ATTLIST x a CDATA "1">]>' + SUITE, 2, None),
        ("<!DOCTYPE x [" + "<!-- no end -->" * 80_000, 1, 13),
    ],
)
def test_a_dtd_of_the_files_own_is_refused(read: Any, data: str, line: int, column: int | None) -> None:
    error = refuse(read, data)
    assert (error.code, error.line) == ("xml_entities_forbidden", line)
    assert column is None or error.column == column


def test_many_attribute_declarations_stop_at_the_first(read: Any) -> None:
    """Expat compares each with all before it: ten thousand times the time of one."""
    declarations = "".join(f'<!ATTLIST x a{number} CDATA "1">' for number in range(30_000))
    assert refuse(read, f"<!DOCTYPE x [{declarations}]>{SUITE}").code == "xml_entities_forbidden"


def test_nothing_is_fetched_or_opened(read: Any, tmp_path: Path) -> None:
    canary = tmp_path / "canary.txt"
    canary.write_text("never read this")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x.dtd"
        for target in (address, canary.as_uri()):
            for doctype in (
                f'<!DOCTYPE x [<!ENTITY e SYSTEM "{target}">]>',
                f'<!DOCTYPE x [<!ENTITY % e SYSTEM "{target}"> %e;]>',
            ):
                assert refuse(read, doctype + SUITE.format("&e;")).code == "xml_entities_forbidden"
            report = read(f'<!DOCTYPE testsuite SYSTEM "{target}">' + SUITE.format("<system-out>&e;</system-out>"))
            assert len(report.keys) == 1
            include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{target}"/>'
            assert len(read(SUITE.format(include)).keys) == 1
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("tag", ["a", "testsuite", "testcase", "failure", "system-out"])
def test_depth_is_bounded(read: Any, tag: str) -> None:
    error = refuse(read, f"<testsuite>{f'<{tag}>' * 100_000}")
    assert (error.code, error.limit, error.line) == ("xml_too_deep", 64, 1)


def test_depth_within_the_bound_is_read(read: Any) -> None:
    deep = 62
    data = '<testsuite name="s">' * deep + '<testcase name="a"/>' + "</testsuite>" * deep
    assert len(read(data).keys) == 1
    assert refuse(read, "<testsuite>" * 65 + "</testsuite>" * 65).code == "xml_too_deep"


@pytest.mark.parametrize("tag", ["testcase", "testsuite", "x"])
def test_attributes_are_bounded(read: Any, tag: str) -> None:
    attributes = "".join(f' a{number}=""' for number in range(200_000))
    error = refuse(read, SUITE.format(f"<{tag}{attributes}/>"))
    assert (error.code, error.limit, error.actual) == ("xml_too_many_attributes", 64, 200_000)


@pytest.mark.parametrize(
    ("filler", "most"),
    [
        ("<system-out><![CDATA[{}]]></system-out>", 8_000_000),
        ("<system-out>{}</system-out>", 8_000_000),
        # Expat keeps these whole until they end, in a buffer that doubles.
        ("<!--{}-->", 60_000_000),
        ("<?x {}?>", 60_000_000),
    ],
)
def test_one_long_token_is_read_and_forgotten(filler: str, most: int) -> None:
    data = SUITE.format(filler.format("x" * 20_000_000)).encode()
    tracemalloc.start()
    report = read_report(lambda: io.BytesIO(data), filename="r.xml", limits=Limits())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(report.keys) == 1
    assert peak < most


def test_a_token_without_end_is_refused() -> None:
    class Endless(io.RawIOBase):
        """A comment that never ends."""

        n_read = 0

        def read(self, size: int = -1, /) -> bytes:
            self.n_read += size
            return (b"<testsuite><!--" if self.n_read == size else b"") + b"x" * size

    stream = Endless()
    with pytest.raises(IngestError) as caught:
        read_report(lambda: stream, filename="r.xml", limits=Limits())  # type: ignore[arg-type,return-value]
    assert caught.value.code == "xml_token_too_long"
    assert (caught.value.line, caught.value.column) == (1, 12)
    assert stream.n_read < 40 * 2**20


def test_pieces_are_large_enough_for_an_old_expat() -> None:
    """With pieces of 16 KiB a comment of 20 MB takes seconds (CVE-2023-52425)."""

    class Stream(io.BytesIO):
        sizes: list[int | None] = []

        def read(self, size: int | None = -1, /) -> bytes:
            self.sizes.append(size)
            return super().read(size)

    read_report(lambda: Stream(SUITE.encode()), filename="r.xml", limits=Limits())
    assert set(Stream.sizes) == {PIECE_BYTES}
    assert PIECE_BYTES >= 2**20


def test_a_long_name_is_shortened_and_stays_different(read: Any, warning_of: Any) -> None:
    names = ["x" * 2_000_000 + end for end in ("a", "b")]
    cases = "".join(f'<testcase classname="{name}" name="{name}" time="1"/>' for name in names)
    report = read(f'<testsuite name="{names[0]}">{cases}</testsuite>')
    assert len(set(report.keys)) == 2
    assert max(map(len, report.keys)) < 3200
    warning = warning_of(report)["name_truncated"]
    assert (warning.count, warning.line, warning.column) == (5, 1, 1)
    assert read(f'<testsuite name="{names[0]}">{cases}</testsuite>').keys == report.keys


def test_a_file_over_a_limit_is_refused(read: Any) -> None:
    cases = '<testcase classname="c" name="n" time="1"/>' * 11
    error = refuse(read, f"<testsuite>{cases}</testsuite>", max_cases=10)
    assert (error.code, error.limit) == ("too_many_cases", 10)
    assert len(read(f"<testsuite>{cases}</testsuite>", max_cases=11).keys) == 11
    error = refuse(read, SUITE, max_plain_bytes=20)
    assert (error.code, error.limit) == ("too_large_uncompressed", 20)


def test_errors_of_suites_are_bounded_as_cases_are(read: Any) -> None:
    error = refuse(read, "<testsuite>" + "<error/>" * 11 + "</testsuite>", max_cases=10)
    assert (error.code, error.limit) == ("too_many_cases", 10)


def test_a_repaired_file_obeys_the_same_limits(read: Any) -> None:
    assert refuse(read, "\x01" + SUITE, max_plain_bytes=20).code == "too_large_uncompressed"
    assert refuse(read, "\n" + BILLION_LAUGHS.replace("<!DOC", "\x01<!DOC")).code == "xml_entities_forbidden"
    assert refuse(read, "<testsuite>\x01" + "<a>" * 100).code == "xml_too_deep"


@pytest.mark.parametrize(
    "text",
    ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{7*7}}", "=cmd|' /C calc'!A0", "\u202egnp.exe"],
)
def test_names_and_messages_stay_what_they_are(read: Any, text: str) -> None:
    from xml.sax.saxutils import quoteattr

    quoted = quoteattr(text)
    case = f"<testcase classname={quoted} name={quoted} time='1'><failure message={quoted} type={quoted}/></testcase>"
    report = read(f"<testsuite name={quoted}>{case}</testsuite>")
    assert report.keys == [f"{text}\x1f{text}\x1f{text}"]
    assert (report.details[0].message, report.details[0].kind) == (text, text)

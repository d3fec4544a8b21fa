"""The second look: encodings and characters XML cannot hold, each with its line and column."""

import codecs
from typing import Any

import pytest

from ingest.errors import IngestError
from ingest.parsers.notes import Notes
from ingest.parsers.repairs import Repairer

CASE = '<testsuite name="s"><testcase classname="c" name="{}" time="1"/></testsuite>'


def name_of(report: Any) -> str:
    return str(report.keys[0].split("\x1f")[2])


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a\x1bb", "ab"),
        ("a\x00b", "ab"),
        ("a&#27;b", "ab"),
        ("a&#x1B;b", "ab"),
        ("a&#0;b", "ab"),
        ("a&#xD800;b", "ab"),
        ("a&#xFFFF;b", "ab"),
        ("a&#99999999999999999999;b", "ab"),
        ("a\ufffeb", "ab"),
        ("\x01&#10;é&#x1F600;", "\né😀"),
    ],
)
def test_what_xml_cannot_hold_is_removed(read: Any, warning_of: Any, written: str, kept: str) -> None:
    report = read("\n" + CASE.format(written))
    assert name_of(report) == kept
    warning = warning_of(report)["control_characters_removed"]
    assert (warning.line, warning.count) == (2, 1)


def test_line_and_column_are_those_of_the_first_in_the_file(read: Any, warning_of: Any) -> None:
    text = CASE.format("é\x02\x03").replace("<testcase", "\n<testcase")
    warning = warning_of(read(text))["control_characters_removed"]
    assert (warning.line, warning.column, warning.count) == (2, 32, 2)
    assert "U+0002" in warning.message


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "iso-8859-1", "windows-1252", "us-ascii", "gbk", "euc-kr"])
def test_an_encoding_is_read(read: Any, encoding: str) -> None:
    name = {"us-ascii": "a", "gbk": "价格", "euc-kr": "가격"}.get(encoding, "é")
    declared = encoding.removesuffix("-sig")
    data = f'<?xml version="1.0" encoding="{declared}"?>{CASE.format(name)}'.encode(encoding)
    report = read(data)
    assert name_of(report) == name
    assert not report.warnings


@pytest.mark.parametrize(
    ("mark", "encoding"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"), (b"", "utf-16-le")]
)
def test_the_bytes_win_over_the_declaration(read: Any, warning_of: Any, mark: bytes, encoding: str) -> None:
    data = mark + f'<?xml version="1.0" encoding="UTF-8"?>{CASE.format("é")}'.encode(encoding)
    report = read(data)
    assert name_of(report) == "é"
    assert warning_of(report)["encoding_repaired"].line == 1


@pytest.mark.parametrize("encoding", ["UTF-7", "x-nope", "rot13", "idna", "unicode_escape", "punycode", "hex"])
def test_what_is_no_character_set_is_refused(read: Any, encoding: str) -> None:
    with pytest.raises(IngestError) as caught:
        read(f'<?xml version="1.0" encoding="{encoding}"?>{CASE.format("a")}')
    assert caught.value.code == "unsupported_encoding"
    assert (caught.value.line, caught.value.column) == (1, 31)


def test_a_declared_encoding_that_is_broken_makes_the_report_partial(read: Any) -> None:
    data = b'<?xml version="1.0" encoding="UTF-8"?>\n' + CASE.format("caf\xe9").encode("latin-1")
    report = read(data)
    assert name_of(report) == "caf\ufffd"
    assert report.truncated.code == "undecodable_text"
    assert (report.truncated.line, report.truncated.column) == (2, 54)


def test_without_a_declaration_it_is_only_a_warning(read: Any, warning_of: Any) -> None:
    report = read(CASE.format("caf\xe9").encode("latin-1"))
    assert report.truncated is None
    assert warning_of(report)["encoding_repaired"].column == 54


def test_a_good_file_is_read_once(read: Any) -> None:
    import io

    from ingest.parsers import read_report
    from ingest.parsers.types import Limits

    opened = []

    def open_stream() -> io.BytesIO:
        opened.append(1)
        return io.BytesIO(CASE.format("a").encode())

    read_report(open_stream, filename="r.xml", limits=Limits())
    assert len(opened) == 1


def test_a_reference_cut_by_the_end_of_a_piece_is_still_removed(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsers.xml.PIECE_BYTES", 3)
    report = read(CASE.format("a&#x1B;b&amp;&#233;c\x1bd"))
    assert name_of(report) == "ab&écd"


def is_legal(code: int) -> bool:
    """What XML 1.0 calls a Char."""
    return code in (9, 10, 13) or 0x20 <= code < 0xD800 or 0xE000 <= code < 0xFFFE or 0x10000 <= code < 0x110000


def test_references_are_removed_exactly_where_xml_cannot_hold_them() -> None:
    """Each code point up to a little over the last, near every border and far beyond, in five spellings."""
    far = [0x110000 + step for step in range(0, 0x1000000, 9973)] + [10**7, 10**8, 10**20, 16**6, 16**7, 16**9]
    codes = [*range(0x300), *range(0xD700, 0xE100), *range(0xFF00, 0x10100), *range(0x10FF00, 0x110100), *far]
    for code in codes:
        for spelling in (f"&#{code};", f"&#x{code:x};", f"&#x{code:X};", f"&#00{code};", f"&#x00{code:x};"):
            kept = b"".join(Repairer(Notes()).repair([f"<a>{spelling}".encode()]))
            assert kept == (f"<a>{spelling}".encode() if is_legal(code) else b"<a>"), spelling

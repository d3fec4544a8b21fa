"""Files made to do harm, and damaged ones: refused or mended as JUnit XML is, at little cost."""

import tracemalloc
from typing import Any

import pytest

from ingest.errors import IngestError

ONE_CLASS = (
    '<packages><package><class filename="a.py"><lines><line number="1" hits="1"/></lines></class></package></packages>'
)
BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE coverage [\n<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">\n]>\n'
    f'<coverage line-rate="1">&b;{ONE_CLASS}</coverage>'
)


def refuse(read: Any, data: bytes | str, **limits: Any) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(data, **limits)
    return caught.value


def test_entities_are_refused_with_their_place(read: Any) -> None:
    error = refuse(read, BOMB)
    assert (error.code, error.line, error.column) == ("xml_entities_forbidden", 3, 1)


def test_an_external_dtd_that_is_only_named_is_ignored(read: Any) -> None:
    report = read(f'<!DOCTYPE coverage SYSTEM "http://127.0.0.1:1/coverage.dtd"><coverage>{ONE_CLASS}</coverage>')
    assert report.lines_covered == 1


@pytest.mark.parametrize("tag", ["line", "x", "class", "package"])
def test_deep_nesting_is_refused(read: Any, tag: str) -> None:
    opening = "<coverage><packages>" + f'<{tag} number="1" hits="1" name="a">' * 200_000
    assert refuse(read, opening).code == "xml_too_deep"


def test_elements_in_a_row_are_not_deep(read: Any, cobertura: Any) -> None:
    assert read(cobertura('<line number="1" hits="1"/>' * 1_000)).lines_valid == 1


@pytest.mark.parametrize("head", ["", '<coverage line-rate="1"><packages><package><class filename="a">'])
def test_very_many_attributes_are_refused(read: Any, head: str) -> None:
    tag = "line" if head else "coverage"
    attributes = " ".join(f'a{n}="1"' for n in range(1_000))
    error = refuse(read, f'{head}<{tag} number="1" hits="1" {attributes}/>')
    assert (error.code, error.limit, error.actual) == ("xml_too_many_attributes", 64, 1_002)


def test_a_file_over_the_limit_is_refused(read: Any, cobertura: Any) -> None:
    lines = '<line number="1" hits="1"/>' * 100
    assert refuse(read, cobertura(lines), max_plain_bytes=500).code == "too_large_uncompressed"
    assert refuse(read, "SF:a\n" + "DA:1,1\n" * 100, max_plain_bytes=500).code == "too_large_uncompressed"


def test_many_files_of_many_lines_are_refused_before_they_take_memory(read: Any) -> None:
    blocks = "".join(f"f{n}.go:1.1,9999999.1 1 1\n" for n in range(3_000))
    tracemalloc.start()
    error = refuse(read, f"mode: set\n{blocks}")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (error.code, error.field) == ("coverage_too_large", "lines")
    assert peak < 20_000_000


def test_ranges_that_overlap_cost_their_number_only(read: Any) -> None:
    # Line by line these are twenty thousand million lines.
    blocks = "".join(f"a.go:{n}.1,{1_000_000 + n}.1 1 1\n" for n in range(1, 20_001))
    assert read(f"mode: set\n{blocks}").lines_covered == 1_020_000


def test_memory_stays_flat_over_many_lines(read: Any, cobertura: Any) -> None:
    data = cobertura("".join(f'<line number="{n % 9_000 + 1}" hits="{n % 3}"/>\n' for n in range(200_000))).encode()
    tracemalloc.start()
    report = read(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (report.lines_valid, report.lines_covered) == (9_000, 6_000)
    assert peak < 12_000_000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (f"<coverage>{ONE_CLASS}\x1b</coverage>", "control_characters_removed"),
        (f"\n<?xml version='1.0'?><coverage>{ONE_CLASS}</coverage>", "leading_space_removed"),
        (f"<coverage>{ONE_CLASS}<!-- caf\xe9 --></coverage>".encode("latin-1"), "encoding_repaired"),
        (f"<coverage>{ONE_CLASS}</coverage>\nbuild finished", "trailing_content"),
    ],
)
def test_a_damaged_file_is_mended_with_a_warning(read: Any, warning_of: Any, data: Any, code: str) -> None:
    report = read(data)
    assert report.lines_covered == 1
    assert report.truncated is None
    assert code in warning_of(report)


def test_documents_in_a_row_are_all_read(read: Any, warning_of: Any) -> None:
    first = f'<?xml version="1.0"?><coverage lines-valid="1" lines-covered="1">{ONE_CLASS}</coverage>\n'
    report = read(first + first.replace('"a.py"', '"b.py"') + "<?xml version='1.0'?><strange/>")
    assert [file.path for file in report.files] == ["a.py", "b.py"]
    assert (report.lines_valid, report.declared.lines) == (2, (2, 2))
    assert "several_documents" in warning_of(report)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1"])
def test_encodings_are_read(read: Any, encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding[:6]}"?><coverage>{ONE_CLASS.replace("a.py", "é.py")}</coverage>'
    if encoding == "latin-1":
        data = data.replace("latin-", "iso-8859-1")
    assert [file.path for file in read(data.encode(encoding)).files] == ["é.py"]


def test_a_file_that_breaks_its_declared_encoding_is_not_whole(read: Any) -> None:
    data = f'<?xml version="1.0" encoding="utf-8"?><coverage>{ONE_CLASS}<!-- \xe9 --></coverage>'.encode("latin-1")
    report = read(data)
    assert report.lines_covered == 1
    assert report.truncated is not None
    assert report.truncated.code == "undecodable_text"


@pytest.mark.parametrize("data", ["<<<<", "<coverage", "<?xml version='1.0'?>", "<coverage>&nope;</coverage>"])
def test_broken_xml_has_a_place(read: Any, data: str) -> None:
    error = refuse(read, data)
    assert error.line
    assert error.column


@pytest.mark.parametrize("encoding", ["utf-7", "x-nope"])
def test_an_encoding_nobody_reads_is_refused(read: Any, encoding: str) -> None:
    data = f'<?xml version="1.0" encoding="{encoding}"?><coverage>{ONE_CLASS}</coverage>'
    assert refuse(read, data).code == "unsupported_encoding"

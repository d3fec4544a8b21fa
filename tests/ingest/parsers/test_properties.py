"""What holds for any file: nothing gets lost, and nothing but an IngestError comes out beside a report."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.rules.outcomes import ERROR, FAIL, PASS, PASS_ON_RETRY, SKIP, XFAIL
from ingest.errors import IngestError
from ingest.parsers import join_reports, read_report
from ingest.parsers.types import Limits, ParsedReport

OWN = Path(__file__).parents[2] / "samples/junit"
SAMPLES = sorted(path for path in OWN.iterdir() if path.name != "MANIFEST.json")
steady = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

legal = st.characters(
    exclude_categories=["Cs"], exclude_characters=[*map(chr, {*range(32)} - {9, 10, 13}), "\ufffe", "\uffff"]
)
names = st.text(legal, max_size=12)
results = st.sampled_from(["", "failure", "error", "skipped", "xfail", "flakyFailure"])
OUTCOMES = {
    "": PASS,
    "failure": FAIL,
    "error": ERROR,
    "skipped": SKIP,
    "xfail": XFAIL,
    "flakyFailure": PASS_ON_RETRY,
}
cases = st.tuples(st.just("case"), names, names, st.floats(0, 1e6), results, names)
suites = st.recursive(
    st.tuples(st.just("suite"), names, st.lists(cases, max_size=4)),
    lambda inner: st.tuples(st.just("suite"), names, st.lists(st.one_of(cases, inner), max_size=4)),
    max_leaves=8,
)


def read_bytes(data: bytes) -> ParsedReport:
    return read_report(lambda: io.BytesIO(data), filename="r.xml", limits=Limits(max_plain_bytes=2**22))


def build(node: tuple[Any, ...], path: str, wanted: list[tuple[str, str, str, int, str]]) -> ET.Element:
    """The node as an element; its cases are appended to `wanted` in the order of the file."""
    if node[0] == "suite":
        element = ET.Element("testsuite", {"name": node[1]})
        path = f"{path}\x1e{node[1]}" if path is not None else node[1]
        element.extend(build(child, path, wanted) for child in node[2])
        return element
    _, class_name, name, seconds, result, text = node
    element = ET.Element("testcase", {"name": name, "classname": class_name, "time": f"{seconds:.3f}"})
    if result:
        tag, kind = ("skipped", "pytest.xfail") if result == "xfail" else (result, "E")
        ET.SubElement(element, tag, {"message": text, "type": kind}).text = text
    wanted.append((path, class_name, name, OUTCOMES[result], text if result else ""))
    return element


@steady
@given(st.lists(suites, max_size=4), st.sampled_from(["utf-8", "utf-16", "us-ascii"]))
def test_every_case_that_goes_in_comes_out(trees: list[Any], encoding: str) -> None:
    wanted: list[tuple[str, str, str, int, str]] = []
    root = ET.Element("testsuites")
    for tree in trees:
        root.append(build(tree, None, wanted))  # type: ignore[arg-type]
    report = read_bytes(ET.tostring(root, encoding))
    assert report.truncated is None
    assert report.elements.tests == len(wanted) == len(report.keys) + report.merged
    assert report.elements.distinct == len({item[:3] for item in wanted})
    if not report.merged:
        assert [tuple(key.split("\x1f")[:3]) for key in report.keys] == [item[:3] for item in wanted]
        assert list(report.outcomes) == [item[3] for item in wanted]
        texts = [item[4] for item in wanted if item[3] != PASS]
        assert [detail.message.strip() for detail in report.details] == [text.strip() for text in texts]
    assert len(set(report.keys)) == len(report.keys)


def check_anything(data: bytes) -> None:
    try:
        report = read_bytes(data)
    except IngestError as error:
        error.to_json()
        return
    assert len(report.keys) == len(report.outcomes) == len(report.seconds) == len(set(report.keys))
    assert len(report.keys) + report.merged == report.elements.tests
    assert all(0 <= seconds <= 1e7 for seconds in report.seconds)
    json.dumps([warning.to_json() for warning in report.warnings])
    join_reports([report, report])


@steady
@given(st.binary(max_size=200))
def test_any_bytes_give_a_report_or_an_error(data: bytes) -> None:
    check_anything(data)


tokens = st.sampled_from(
    [
        *(b"<testsuites>", b"</testsuites>", b'<testsuite name="s" tests="2">', b"</testsuite>", b"<testsuite/>"),
        *(b'<testcase classname="c" name="a" time="1"/>', b'<testcase name="a" time="x">', b"</testcase>"),
        *(b'<failure message="m" type="t">', b"</failure>", b"<skipped/>", b"<error/>", b"<flakyFailure>text"),
        *(
            b"</flakyFailure>",
            b"<system-out>",
            b"</system-out>",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"<?pi ",
            b"?>",
        ),
        *(b'<?xml version="1.0"?>', b'<?xml version="1.0" encoding="utf-16"?>', b'<?xml encoding="x"?>', b"\xff\xfe"),
        *(b"\xef\xbb\xbf", b"\x00", b"\x1b", b"&#0;", b"&#27;", b"&amp;", b"&x;", b"&", b"<", b">", b"\n", b" ", b"\r"),
        *(b"<!DOCTYPE x>", b"<!DOCTYPE x [", b"]>", b'<!ENTITY a "b">', b"\xe9", b"\xc3\xa9", b"text", b"<html>"),
        *(b'<property name="repetition" value="1"/>', b'<property name="go.version" value="1"/>', b"<properties>"),
    ]
)


@settings(steady, max_examples=300)
@given(st.lists(tokens, max_size=25))
def test_any_heap_of_tokens_gives_a_report_or_an_error(heap: list[bytes]) -> None:
    check_anything(b"".join(heap))


@settings(steady, max_examples=300)
@given(
    st.sampled_from(SAMPLES), st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=3), st.integers(0, 5)), max_size=4)
)
def test_a_damaged_sample_gives_a_report_or_an_error(path: Path, damages: list[tuple[float, bytes, int]]) -> None:
    data = path.read_bytes()
    for share, inserted, n_removed in damages:
        at = int(share * len(data))
        data = data[:at] + inserted + data[at + n_removed :]
    check_anything(data)


@settings(steady, max_examples=100)
@given(st.sampled_from(SAMPLES), st.floats(0, 1))
def test_a_file_cut_anywhere_is_never_taken_for_whole(path: Path, share: float) -> None:
    data = path.read_bytes()
    try:
        whole = read_bytes(data)
    except IngestError:
        return
    if whole.truncated or any(warning.code == "several_documents" for warning in whole.warnings):
        return
    cut = data[: int(share * len(data.rstrip().removesuffix(b"\n\x00")) * 0.98)]
    try:
        report = read_bytes(cut)
    except IngestError:
        return
    assert report.truncated is not None
    assert report.elements.tests <= whole.elements.tests


insertions = st.lists(st.tuples(st.floats(0, 0.999), tokens), max_size=3)


def insert_behind_tags(data: bytes, inserted: list[tuple[float, bytes]]) -> bytes:
    """The data with tokens put behind some of its tags."""
    for share, token in inserted:
        ends = [number for number, byte in enumerate(data) if byte == ord(">")] or [-1]
        at = ends[int(share * len(ends))] + 1
        data = data[:at] + token + data[at:]
    return data


def list_identities(element: ET.Element, path: tuple[str, ...] = ()) -> list[tuple[object, ...]]:
    """Suite path, class name and name of every case, as another XML reader sees them."""
    found: list[tuple[object, ...]] = []
    if element.tag == "testsuite":
        path = (*path, element.get("name", ""))
    elif element.tag == "testcase":
        found.append((path, element.get("classname", ""), element.get("name", "")))
    for child in element:
        found += list_identities(child, path)
    return found


@settings(steady, max_examples=300)
@given(st.sampled_from(SAMPLES), insertions)
def test_we_see_the_cases_another_reader_sees(path: Path, inserted: list[tuple[float, bytes]]) -> None:
    data = insert_behind_tags(path.read_bytes(), inserted)
    try:
        root = ET.fromstring(data)
    except (ET.ParseError, LookupError, ValueError):
        return
    if root.tag not in ("testsuite", "testsuites") or b"<!DOCTYPE" in data:
        return
    report = read_bytes(data)
    identities = list_identities(root)
    assert report.truncated is None
    assert report.elements.tests == len(identities)
    # A suite inside a failure's text is a suite to nobody but that other reader.
    if not any(suite is not None for suite in root.iterfind(".//testcase//testsuite")):
        assert report.elements.distinct == len(set(identities))


def describe(path: Path) -> Any:
    """All that reading a sample gives."""
    try:
        report = read_bytes(path.read_bytes())
    except IngestError as error:
        return error.code
    columns = (report.keys, report.outcomes, report.seconds, report.details, report.texts, report.elements)
    return *columns, report.warnings, report.truncated and report.truncated.to_json()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
@pytest.mark.parametrize("size", [1, 3, 50])
def test_where_pieces_end_changes_nothing(path: Path, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_small_pieces(stream: IO[bytes], *, max_bytes: int) -> Iterator[bytes]:
        # The declaration stands in the first piece, as it does in pieces of a megabyte.
        yield stream.read(100)
        while piece := stream.read(size):
            yield piece

    whole = describe(path)
    monkeypatch.setattr("ingest.parsers.passes.read_pieces", read_small_pieces)
    assert describe(path) == whole

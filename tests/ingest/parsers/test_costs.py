"""A file made to do harm costs little time and memory, whatever it is full of (S7).

Bounds are several times what is measured: a kind that costs a call for each character, or a look back at all before it,
is far beyond them.
"""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.errors import IngestError
from ingest.parsers import read_report
from ingest.parsers.types import Limits
from tests.ingest.parsers.costs import COVERAGE_KINDS, KINDS, Repeated

ROOT = Path(__file__).resolve().parents[3]
MOST_SECONDS = 6
# Of two hundred thousand files, or as many contexts as there can be.
MOST_COVERAGE_SECONDS = 20
MOST_MB = 180


@pytest.fixture(scope="module")
def readings() -> dict[str, dict[str, float]]:
    command = [sys.executable, "-m", "tests.ingest.parsers.costs"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {reading["kind"]: reading for reading in map(json.loads, done.stdout.splitlines())}


def test_large_files_of_anything_cost_seconds_and_little_memory(readings: dict[str, dict[str, float]]) -> None:
    assert sorted(readings) == sorted({**KINDS, **COVERAGE_KINDS})
    most_seconds = dict.fromkeys(KINDS, MOST_SECONDS) | dict.fromkeys(COVERAGE_KINDS, MOST_COVERAGE_SECONDS)
    dear = {kind: r for kind, r in readings.items() if r["seconds"] > most_seconds[kind] or r["more_mb"] > MOST_MB}
    assert dear == {}


TOKENS = """
<testsuite>|</testsuite>|<testcase name="a" time="1">|</testcase>|<failure>|</failure>|<error/>|<skipped/>|<!--|-->
<![CDATA[|]]>|<?xml version="1.0"?>|<?a |?>|<!DOCTYPE a |[|]>|&amp;|&#0;|&#x1F600;|&|;|<|>|"|'|=| name="
 time="1,234.5"|<property |/>|x
"""
BYTES = [bytes([number]) for number in b"\0\x1b\xff\xc3\r\n "]
pieces = st.sampled_from(
    [token for line in TOKENS.encode().split(b"\n") for token in line.split(b"|") if token] + BYTES
)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(st.lists(pieces, max_size=4), st.lists(pieces, min_size=1, max_size=5), st.lists(pieces, max_size=4))
def test_whatever_is_repeated_costs_little(head: list[bytes], unit: list[bytes], tail: list[bytes]) -> None:
    began = time.process_time()
    file = b"".join(head), b"".join(unit), b"".join(tail)
    with suppress(IngestError):
        read_report(lambda: Repeated(*file, size=2**20), filename="r.xml", limits=Limits())  # type: ignore[arg-type,return-value]
    assert time.process_time() - began < 2

"""What holds for any delivery: nothing is lost, nothing counts twice, the order of shards is nobody's business.

Through the real endpoint and the real pipeline. The parsers' own properties are in `tests/ingest/parsers`, those of
derived counts in `tests/health/test_rebuild.py`.
"""

import gzip
import io
import random
import zipfile
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest
import zstandard
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from health.fsck import find_drift, find_violations
from health.models import Job, Project, Run, Upload
from health.rules import outcomes as codes
from health.sql import open_cursor
from ingest.cases import forget_names
from ingest.pipeline import process_next
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

# Each example sends real uploads; the database is rolled back with the test.
some = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
legal = st.characters(
    exclude_categories=["Cs"], exclude_characters=[*map(chr, {*range(32)} - {9, 10, 13}), "\ufffe", "\uffff"]
)
names = st.text(legal, min_size=1, max_size=8)
results = st.sampled_from(["", "failure", "error", "skipped"])
OUTCOMES = {"": codes.PASS, "failure": codes.FAIL, "error": codes.ERROR, "skipped": codes.SKIP}
Cases = dict[tuple[str, str], str]
cases = st.dictionaries(st.tuples(names, names), results, min_size=1, max_size=12)


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


def write(found: Cases) -> bytes:
    """A report of these cases, each said once."""
    lines = ["<testsuite>"]
    for (class_name, name), result in found.items():
        inside = f"<{result} message={quoteattr(name)}>{'text'}</{result}>" if result else ""
        attributes = f"classname={_quote(class_name)} name={_quote(name)}"
        lines.append(f'<testcase {attributes} time="0.5">{inside}</testcase>')
    return "".join([*lines, "</testsuite>"]).encode()


def _quote(text: str) -> str:
    """As an attribute that comes back byte for byte."""
    return quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def send(project: Project, token: str, *files: tuple[str, bytes], **fields: str) -> HttpResponse:
    parts = [SimpleUploadedFile(name, data, "application/octet-stream") for name, data in files]
    return Client().post("/api/v1/uploads", {"file": parts, **fields}, headers={"Authorization": f"Bearer {token}"})


def work() -> None:
    while process_next():
        pass


def read_results(project: Project) -> list[tuple[str, str, int]]:
    """Class, name and outcome of every result, as the view of all tiles has them."""
    cursor = open_cursor().execute(
        """
        SELECT c.class_name, c.name, r.outcome FROM health_result r
        JOIN health_case c ON c.project_id = r.project_id AND c.ord = r.ord WHERE r.project_id = %s
        """,
        (project.pk,),
    )
    return sorted(cursor.fetchall())


def expect(found: Cases) -> list[tuple[str, str, int]]:
    return sorted((class_name, name, OUTCOMES[result]) for (class_name, name), result in found.items())


def assert_whole(project: Project) -> None:
    assert find_violations(open_cursor(), project_ids=[project.pk], patience_seconds=60) == []
    assert find_drift(project.pk) == []


@some
@given(cases)
def test_n_cases_in_are_n_cases_out(found: Cases) -> None:
    project = a_project()
    assert send(project, a_token(project), ("r.xml", write(found))).status_code == 202
    work()
    assert read_results(project) == expect(found)
    run = Run.objects.get(project=project)
    words = list(found.values())
    assert (run.n_declared, run.n_failed, run.n_errored, run.n_skipped) == (
        len(found),
        *(words.count(word) for word in ("failure", "error", "skipped")),
    )
    (file,) = Upload.objects.get(project=project).receipt["files"]
    assert (file["accepted"], file["merged"], file["rejected"]) == (len(found), 0, 0)
    assert_whole(project)


@some
@given(cases, cases)
def test_several_files_bring_the_sum_of_their_cases(first: Cases, second: Cases) -> None:
    project = a_project()
    send(project, a_token(project), ("a.xml", write(first)), ("b.xml", write(second)))
    work()
    assert read_results(project) == sorted(expect(first) + expect(second))
    assert_whole(project)


@some
@given(cases, st.integers(2, 4))
def test_sent_many_times_is_there_once(found: Cases, n: int) -> None:
    project = a_project()
    token = a_token(project)
    answers = [send(project, token, ("r.xml", write(found)), run_id="1") for _ in range(n)]
    work()
    answers.append(send(project, token, ("r.xml", write(found)), run_id="1"))
    work()
    assert [answer.status_code for answer in answers] == [202] + [200] * n
    assert len({answer.json()["upload"] for answer in answers}) == 1
    assert read_results(project) == expect(found)
    assert_whole(project)


@some
@given(cases, st.integers(1, 4), st.integers(0, 1000))
def test_the_order_of_shards_is_nobodys_business(found: Cases, n_shards: int, seed: int) -> None:
    dice, pictures = random.Random(seed), []
    shards: list[Cases] = [{} for _ in range(n_shards)]
    for key, result in found.items():
        dice.choice(shards)[key] = result
    for _ in range(2):
        project = a_project()
        token = a_token(project)
        order = dice.sample(range(n_shards), n_shards)
        for at, number in enumerate(order):
            send(
                project, token, ("r.xml", write(shards[number])), run_id="1", job="t", shard=f"{number + 1}/{n_shards}"
            )
            work()
            assert Job.objects.get(project=project).is_complete == (at == n_shards - 1)
        assert read_results(project) == expect(found)
        assert_whole(project)
        counts = "n_declared", "n_passed", "n_failed", "n_errored", "n_skipped", "duration", "is_complete"
        pictures.append(Run.objects.filter(project=project).values(*counts).get())
    assert pictures[0] == pictures[1]


# --- Any bytes ----------------------------------------------------------------------------------------------------


def pack_zip(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/junit.xml", data)
        archive.writestr("b.xml", data[: len(data) // 2])
    return packed.getvalue()


REPORT = write({("c", f"n{number}"): "failure" if number % 3 else "" for number in range(30)})
LCOV = b"TN:\nSF:a.py\nDA:1,1\nDA:2,0\nend_of_record\n"
SEEDS = [REPORT, LCOV, gzip.compress(REPORT), zstandard.compress(REPORT), pack_zip(REPORT), b'{"a": [1, 2]}', b""]
damages = st.lists(st.tuples(st.floats(0, 0.999), st.binary(max_size=4), st.integers(0, 6)), max_size=5)


@settings(some, max_examples=120)
@given(st.sampled_from(SEEDS), damages, st.sampled_from(["r.xml", "r.zip", "r.xml.gz", "r.zst", ".coverage"]))
def test_any_bytes_get_an_answer_and_an_end(seed: bytes, damage: list[tuple[float, bytes, int]], name: str) -> None:
    data = seed
    for share, inserted, n_removed in damage:
        at = int(share * len(data))
        data = data[:at] + inserted + data[at + n_removed :]
    check_any(data, name)


@settings(some, max_examples=60)
@given(
    st.sampled_from([b"", b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08", b"<testsuite>", b"TN:\nSF:", b"{"]),
    st.binary(max_size=200),
)
def test_any_beginning_gets_an_answer_and_an_end(head: bytes, tail: bytes) -> None:
    check_any(head + tail, "r.xml")


def check_any(data: bytes, name: str) -> None:
    project = a_project()
    answer = send(project, a_token(project), (name, data))
    assert answer.status_code in (202, 400, 413, 415), answer.content
    if answer.status_code != 202:
        error: dict[str, Any] = answer.json()["error"]
        assert error["code"]
        assert error["message"]
        assert error["hint"]
        return
    work()
    upload = Upload.objects.get(project=project)
    assert upload.state in ("stored", "partial", "failed"), upload.error
    assert upload.state != "failed" or upload.error["code"] != "internal"
    assert find_violations(open_cursor(), project_ids=[project.pk]) == []

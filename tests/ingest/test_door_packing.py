"""Packed deliveries from the door to the worker, and disks without room on the way."""

import errno
import gzip
import io
import json
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import zstandard
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client

from health.models import PayloadChunk, Refusal, Upload, UploadFile
from ingest.pipeline import process_next
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

REPORT = b'<testsuite name="s"><testcase classname="c" name="%s" time="0.1"/></testsuite>'


@pytest.fixture
def token() -> str:
    return a_token(a_project("packed"))


def put(token: str, body: bytes, **headers: str) -> HttpResponse:
    sent = {"authorization": f"Bearer {token}", **headers}
    return Client().put("/api/v1/uploads?filename=all.zip", body, "application/octet-stream", headers=sent)  # type: ignore[return-value]


def post(token: str, *files: tuple[str, bytes]) -> HttpResponse:
    parts = [SimpleUploadedFile(name, content) for name, content in files]
    return Client().post("/api/v1/uploads", {"file": parts}, headers={"authorization": f"Bearer {token}"})  # type: ignore[return-value]


def make_zip(*entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return body.getvalue()


def accepted() -> dict[str, int]:
    """What the worker read of the only upload, file by file."""
    assert process_next()
    upload = Upload.objects.get()
    assert (upload.state, upload.error) == ("stored", None)
    return {file["name"]: file["accepted"] for file in upload.receipt["files"]}


@pytest.mark.parametrize("headers", [{}, {"content-encoding": "zstd"}])
def test_zstd_is_kept_as_it_came_and_read(token: str, headers: dict[str, str]) -> None:
    body = zstandard.compress(REPORT % b"one")
    assert put(token, body, **headers).status_code == 202
    file = UploadFile.objects.get()
    assert (file.encoding, file.n_bytes_wire, file.n_bytes_plain) == ("zstd", len(body), len(REPORT % b"one"))
    assert b"".join(bytes(chunk.data) for chunk in PayloadChunk.objects.all()) == body
    assert accepted() == {"all.zip": 1}


def test_one_report_packed_in_three_ways_is_one_delivery(token: str) -> None:
    plain = REPORT % b"one"
    statuses = [put(token, body).status_code for body in (plain, gzip.compress(plain), zstandard.compress(plain))]
    assert statuses == [202, 200, 200]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_each_file_of_an_archive_is_read(token: str, method: int) -> None:
    entries = [(f"{name}/junit.xml", REPORT % name.encode()) for name in ("a", "b")]
    entries.append(("packed.xml.gz", gzip.compress(REPORT % b"c")))
    body = make_zip(*entries[:2], *(entries[2:] if method == zipfile.ZIP_STORED else []), method=method)
    assert put(token, body).status_code == 202
    assert {file.encoding for file in UploadFile.objects.all()} == {"gzip"}
    found = accepted()
    assert found["all.zip/a/junit.xml"] == found["all.zip/b/junit.xml"] == 1
    assert len(found) == (3 if method == zipfile.ZIP_STORED else 2)


def test_archives_and_files_stand_beside_each_other(token: str) -> None:
    one, two = make_zip(("j.xml", REPORT % b"one")), make_zip(("j.xml", REPORT % b"two"))
    assert post(token, ("1.zip", one), ("x.xml", REPORT % b"x"), ("2.zip", two)).status_code == 202
    assert list(accepted()) == ["1.zip/j.xml", "x.xml", "2.zip/j.xml"]


def test_all_archives_of_an_upload_share_one_limit(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_ARCHIVE_FILES = 3
    two = make_zip(("a.xml", REPORT), ("b.xml", REPORT))
    assert post(token, ("1.zip", two)).status_code == 202
    response = post(token, ("1.zip", two), ("2.zip", two))
    found = json.loads(response.content)["error"]
    assert (response.status_code, found["code"], found["limit"]) == (400, "too_many_parts", 3)


def test_all_entries_together_may_unpack_to_the_limit_of_one_upload(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_PLAIN_BYTES = 1000
    assert put(token, make_zip(("a.xml", b" " * 600))).status_code == 202
    response = put(token, make_zip(("a.xml", b" " * 600), ("b.xml", b" " * 600)))
    assert (response.status_code, json.loads(response.content)["error"]["code"]) == (413, "too_large_uncompressed")


def test_a_thousand_entries_cost_two_statements(token: str, django_assert_max_num_queries: Any) -> None:
    body = make_zip(*[(f"{n}.xml", REPORT % b"%d" % n) for n in range(1000)])
    with django_assert_max_num_queries(10):
        assert put(token, body).status_code == 202
    assert UploadFile.objects.count() == 1000


# --- Disks without room --------------------------------------------------------------------------------------------


@contextmanager
def no_files_larger_than(size: int) -> Iterator[None]:
    """The kernel refuses to let a file grow: to the program that is a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def noise(size: int) -> bytes:
    return b"<testsuite>" + b"".join(b"%d" % (n * n) for n in range(size // 7))


def assert_full(response: HttpResponse) -> None:
    assert response.status_code == 507, response.content
    assert json.loads(response.content)["error"]["code"] == "storage_full"
    assert response["Retry-After"] == "60"
    assert not Upload.objects.exists()


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_a_disk_that_fills_while_a_body_comes_is_no_fault_of_the_sender(token: str, size: int) -> None:
    with no_files_larger_than(100_000):
        assert_full(put(token, noise(size)))
    assert Refusal.objects.get().error["code"] == "storage_full"
    assert put(token, noise(size)).status_code == 202


def test_a_disk_that_fills_while_a_form_is_taken_apart(token: str) -> None:
    # The body stays in memory, the part does not.
    with no_files_larger_than(50_000):
        assert_full(post(token, ("a.xml", noise(150_000))))


def test_a_disk_that_fills_at_the_worker_puts_the_upload_back(token: str) -> None:
    assert put(token, noise(300_000)).status_code == 202
    with no_files_larger_than(100_000):
        assert process_next()
    upload = Upload.objects.get()
    assert (upload.state, upload.attempts, upload.error["code"]) == ("retry", 0, "storage_full")


def test_another_trouble_with_a_file_is_not_called_a_full_disk(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr("ingest.body.tempfile.SpooledTemporaryFile", fail)
    client = Client(raise_request_exception=False)
    response = client.put("/api/v1/uploads", b"<a/>", headers={"authorization": f"Bearer {token}"})
    assert response.status_code == 500


def test_nothing_is_left_in_the_temporary_folder(token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names: set[str] = set()
    import tempfile

    original = tempfile.TemporaryFile

    def watch(*args: Any, **kwargs: Any) -> Any:
        made = original(*args, **kwargs)
        names.update(path.name for path in tmp_path.iterdir())
        return made

    monkeypatch.setattr("tempfile.TemporaryFile", watch)
    post(token, ("a.xml", noise(400_000)), ("b.xml", noise(500_000)))
    assert names == set()

"""The upload endpoint: what it takes, what it refuses, and in which words."""

import gzip
import io
import json
import sqlite3
import zlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from health.models import PayloadChunk, Project, Upload, UploadFile, UploadToken
from ingest import views
from ingest.errors import HINTS
from ingest.forms import clean_name
from tests.builders import a_project, a_token

pytestmark = pytest.mark.django_db

REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'
URL = "/api/v1/uploads"


@pytest.fixture
def project() -> Project:
    return a_project("door")


@pytest.fixture
def token(project: Project) -> str:
    return a_token(project)


def post(token: str, *files: tuple[str, bytes], headers: dict[str, str] | None = None, **fields: str) -> HttpResponse:
    parts = [SimpleUploadedFile(name, content) for name, content in files or [("junit.xml", REPORT)]]
    sent = {"authorization": f"Bearer {token}", **(headers or {})}
    return Client().post(URL, {**fields, "file": parts}, headers=sent)  # type: ignore[return-value]


def put(token: str, body: bytes, *, query: str = "", headers: dict[str, str] | None = None) -> HttpResponse:
    sent = {"authorization": f"Bearer {token}", **(headers or {})}
    return Client().put(URL + query, body, content_type="application/xml", headers=sent)  # type: ignore[return-value]


def error(response: HttpResponse, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    found: dict[str, Any] = json.loads(response.content)["error"]
    assert found["hint"]
    assert found["docs"].endswith(f"#{found['code']}")
    assert found["code"] in HINTS
    return found


def payload(upload: Upload, position: int = 0) -> bytes:
    chunks = PayloadChunk.objects.filter(file=UploadFile.objects.get(upload=upload, position=position))
    return gzip.decompress(b"".join(bytes(chunk.data) for chunk in chunks.order_by("sequence")))


def test_a_delivery_is_kept_and_answered_with_where_to_look(token: str, project: Project) -> None:
    response = post(token, ("a.xml", REPORT), ("b.xml", REPORT + b" "), commit="abc1234", branch="main", attempt="2")
    body = json.loads(response.content)
    assert response.status_code == 202
    upload = Upload.objects.get()
    assert body["upload"] == str(upload.public_id)
    assert body["url"].endswith(f"/p/door/uploads/{upload.public_id}/")
    assert body["status_url"].endswith(f"{URL}/{upload.public_id}")
    assert body["duplicate_of"] is None
    assert upload.metadata == {"commit": "abc1234", "branch": "main", "attempt": 2}
    assert (upload.state, upload.project) == ("received", project)
    assert [payload(upload, n) for n in (0, 1)] == [REPORT, REPORT + b" "]


def test_put_takes_a_raw_body_with_its_fields_in_the_address(token: str) -> None:
    response = put(
        token,
        gzip.compress(REPORT),
        query="?filename=junit.xml&commit=abc1234&branch=main",
        headers={"content-encoding": "gzip"},
    )
    assert response.status_code == 202
    upload = Upload.objects.get()
    assert upload.metadata["commit"] == "abc1234"
    assert UploadFile.objects.get().name == "junit.xml"
    assert payload(upload) == REPORT


def test_the_same_delivery_again_is_the_same_upload(token: str) -> None:
    first = post(token, ("a.xml", REPORT), run_id="7")
    again = post(token, ("a.xml", gzip.compress(REPORT, mtime=5)), run_id="7")
    assert (first.status_code, again.status_code) == (202, 200)
    one, two = json.loads(first.content), json.loads(again.content)
    assert one["upload"] == two["upload"] == two["duplicate_of"]
    assert UploadFile.objects.count() == 1


@pytest.mark.parametrize("other", [{"run_id": "8"}, {"run_id": "7", "attempt": "2"}, {"run_id": "7", "job": "x"}])
def test_another_run_attempt_or_job_is_another_upload(token: str, other: dict[str, str]) -> None:
    post(token, run_id="7")
    assert post(token, **other).status_code == 202
    assert Upload.objects.count() == 2


def test_two_projects_may_send_the_same(token: str) -> None:
    assert post(token).status_code == 202
    assert post(a_token(a_project())).status_code == 202


def test_a_key_stands_for_one_content(token: str) -> None:
    key = {"idempotency-key": "run-77-tests"}
    first = post(token, headers=key)
    assert post(token, headers=key).status_code == 200
    found = error(post(token, ("a.xml", REPORT + b" "), headers=key), 422)
    assert found["code"] == "idempotency_key_reused"
    assert json.loads(first.content)["upload"] in found["message"]


@pytest.mark.parametrize("key", ["abc", "x" * 201, "has blank inside", "caf\xe9-caf\xe9"])
def test_a_bad_key_is_refused(token: str, key: str) -> None:
    assert error(post(token, headers={"idempotency-key": key}), 400)["code"] == "bad_idempotency_key"


def test_no_token() -> None:
    response = Client().post(URL)
    assert error(response, 401)["code"] == "token_missing"
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_token_with_a_typing_error_costs_no_query(token: str, django_assert_num_queries: Any) -> None:
    for text in (
        token[:-1] + ("a" if token[-1] != "a" else "b"),
        "hello",
        token + "x",
        "sw_up_",
        token.swapcase(),
    ):
        with django_assert_num_queries(0):
            assert error(post(text), 401)["code"] == "token_malformed"


def test_unknown_revoked_and_expired_are_told_alike(token: str, project: Project) -> None:
    unknown = a_token(a_project())
    UploadToken.objects.exclude(project=project).delete()
    expired = a_token(project, expires_at=timezone.now())
    UploadToken.objects.filter(last_four=token[-4:]).update(revoked_at=timezone.now())
    answers = {json.loads(post(text).content)["error"]["message"] for text in (unknown, expired, token)}
    assert len(answers) == 1
    assert error(post(token), 401)["code"] == "token_invalid"


def test_a_token_in_the_address_is_refused(token: str) -> None:
    for query in (f"token={token}", f"{token}=1", f"t={token}&t=a", f"t=%73w_up_{token[6:]}"):
        response = Client().post(f"{URL}?{query}")
        assert error(response, 400)["code"] == "token_in_url"  # type: ignore[arg-type]
        assert token not in response.content.decode()


def test_a_token_without_the_scope(project: Project) -> None:
    assert error(post(a_token(project, scopes=["read"])), 403)["code"] == "scope_missing"


def test_only_an_hmac_of_the_token_is_kept(token: str) -> None:
    row = UploadToken.objects.get()
    assert token.encode() not in bytes(row.digest)
    assert row.last_four == token[-4:]
    post(token)
    row.refresh_from_db()
    assert row.last_used_at is not None


def test_a_token_outlives_a_change_of_the_key_while_the_earlier_one_is_listed(token: str, settings: Any) -> None:
    settings.SECRET_KEY, earlier = "another-key-" * 5, settings.SECRET_KEY
    assert error(post(token), 401)["code"] == "token_invalid"
    settings.SECRET_KEY_FALLBACKS = ["a-still-earlier-key-" * 3, earlier]
    assert post(token).status_code == 202


def test_wrong_method_names_the_right_ones(token: str) -> None:
    response = Client().get(URL)
    assert error(response, 405)["code"] == "method_not_allowed"  # type: ignore[arg-type]
    assert response["Allow"] == "POST, PUT"


def test_a_body_without_length_is_refused(token: str) -> None:
    response = Client().generic(
        "PUT", URL, REPORT, headers={"authorization": f"Bearer {token}", "transfer-encoding": "chunked"}
    )
    assert error(response, 411)["code"] == "length_required"  # type: ignore[arg-type]


def test_a_body_over_the_limit_is_refused_before_it_is_read(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_WIRE_BYTES = 10
    found = error(put(token, REPORT), 413)
    assert (found["code"], found["limit"], found["actual"]) == ("too_large", 10, len(REPORT))


def test_a_body_shorter_than_its_length_is_refused(token: str) -> None:
    short: Any = {"wsgi.input": io.BytesIO(REPORT), "CONTENT_LENGTH": str(len(REPORT) + 95)}
    response = Client().generic("PUT", URL, REPORT, headers={"authorization": f"Bearer {token}"}, **short)
    found = error(response, 400)  # type: ignore[arg-type]
    assert found["code"] == "body_truncated"
    assert f"{len(REPORT)} of {len(REPORT) + 95}" in found["message"]


def test_an_empty_body(token: str) -> None:
    response = Client().generic("PUT", URL, headers={"authorization": f"Bearer {token}"}, CONTENT_LENGTH="0")
    assert error(response, 400)["code"] == "empty_body"  # type: ignore[arg-type]


def test_a_form_without_a_file(token: str) -> None:
    response = Client().post(URL, {"commit": "abc1234"}, headers={"authorization": f"Bearer {token}"})
    assert error(response, 400)["code"] == "empty_body"  # type: ignore[arg-type]


def test_a_post_that_is_no_form(token: str) -> None:
    response = Client().post(URL, REPORT, content_type="text/html", headers={"authorization": f"Bearer {token}"})
    assert error(response, 415)["code"] == "unsupported_type"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=x"),
        ("multipart/form-data; boundary=" + "b" * 300, b"x"),
    ],
)
def test_a_broken_form_is_refused(token: str, content_type: str, body: bytes) -> None:
    response = Client().generic("POST", URL, body, content_type, headers={"authorization": f"Bearer {token}"})
    assert error(response, 400)["code"] in ("bad_multipart", "empty_body")  # type: ignore[arg-type]


def test_too_many_files(token: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_NUMBER_FILES = 3
    assert error(post(token, *[(f"{n}.xml", REPORT) for n in range(4)]), 400)["code"] == "too_many_parts"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"no gzip at all", "not gzip"),
        (gzip.compress(REPORT * 50, mtime=0)[:-30], "ends early"),
        (gzip.compress(REPORT, mtime=0)[:-8] + bytes(8), "damaged"),
        (gzip.compress(REPORT, mtime=0) + b"garbage", "damaged"),
    ],
    ids=["not gzip", "cut", "wrong checksum", "garbage behind"],
)
def test_broken_gzip_is_refused(token: str, body: bytes, words: str) -> None:
    found = error(put(token, body, headers={"content-encoding": "gzip"}), 400)
    assert found["code"] == "bad_encoding"
    assert words in found["message"]


def test_a_gzip_file_of_two_members_is_read_whole(token: str) -> None:
    half = len(REPORT) // 2
    body = gzip.compress(REPORT[:half]) + gzip.compress(REPORT[half:])
    assert post(token, ("a.xml.gz", body)).status_code == 202
    assert UploadFile.objects.get().n_bytes_plain == len(REPORT)
    assert payload(Upload.objects.get()) == REPORT


def test_a_gzip_bomb_is_stopped_at_the_limit(token: str, settings: Any) -> None:
    settings.UPLOAD_MAX_PLAIN_BYTES = 2**20
    bomb = zlib.compressobj(9, wbits=31)
    body = b"".join([*(bomb.compress(bytes(2**20)) for _ in range(64)), bomb.flush()])
    found = error(post(token, ("a.xml.gz", body)), 413)
    assert (found["code"], found["limit"]) == ("too_large_uncompressed", 2**20)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "deflate"])
def test_an_unknown_encoding_is_refused(token: str, encoding: str) -> None:
    response = put(token, REPORT, headers={"content-encoding": encoding})
    assert error(response, 415)["code"] == "unsupported_encoding"
    assert response["Accept-Encoding"] == "gzip, zstd"


def test_what_can_never_be_a_report_is_told_at_the_door(token: str, tmp_path: Any) -> None:
    path = tmp_path / ".coverage"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE file (id)")
    found = error(post(token, (".coverage", path.read_bytes())), 415)
    assert "SQLite" in found["message"]


def test_all_wrong_fields_are_named_at_once(token: str) -> None:
    found = error(
        post(token, commit="zzz", pull_request="-1", shard="3/2", build_url="javascript:alert(1)", branch="x" * 300),
        400,
    )
    assert found["code"] == "invalid_field"
    assert found["field"] == "branch, build_url, commit, pull_request, shard"


@pytest.mark.parametrize(
    "moment",
    [
        "1970-01-01T00:00:00Z",
        "2100-01-01T00:00:00Z",
        "300000-01-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-03-01T10:00:00",
    ],
)
def test_an_impossible_time_is_replaced_with_a_warning(token: str, moment: str) -> None:
    response = post(token, ran_at=moment)
    assert response.status_code == 202
    assert [w["code"] for w in json.loads(response.content)["warnings"]] == ["timestamp_out_of_range"]
    assert post(token, ran_at=moment).status_code == 200


def test_a_time_keeps_its_moment(token: str) -> None:
    post(token, ran_at="2026-03-01T10:00:00-07:00")
    assert Upload.objects.get().metadata["ran_at"] == "2026-03-01T17:00:00+00:00"


def test_an_unknown_field_is_said_not_swallowed(token: str) -> None:
    response = post(token, flavour="mint")
    assert response.status_code == 202
    assert "flavour" in json.loads(response.content)["warnings"][0]["message"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\u202egnp.xml", "a\ufffdgnp.xml"),
        ("C:\\x\\j.xml", "j.xml"),
        ("n" * 4000, "n" * 255),
    ],
)
def test_a_file_name_is_only_text(token: str, name: str, kept: str) -> None:
    assert clean_name(name) == kept


def test_names_of_files_survive_the_form(token: str) -> None:
    post(token, ("bericht-\u00e4.xml", REPORT))
    assert UploadFile.objects.get().name == "bericht-\u00e4.xml"


def test_a_large_payload_is_cut_into_chunks(token: str) -> None:
    import random

    noise = random.Random(1).randbytes(3 * 2**20)
    post(token, ("a.xml", noise))
    sizes = [len(bytes(chunk.data)) for chunk in PayloadChunk.objects.order_by("sequence")]
    assert sizes[:-1] == [2**18] * (len(sizes) - 1)
    assert payload(Upload.objects.get()) == noise


def test_status_tells_state_and_receipt_to_the_same_project_only(token: str) -> None:
    body = json.loads(post(token).content)
    address = f"{URL}/{body['upload']}"
    answer = json.loads(Client().get(address, headers={"authorization": f"Bearer {token}"}).content)
    assert (answer["state"], answer["project"], answer["run"]) == ("received", "door", None)
    foreign = a_token(a_project())
    response = Client().get(address, headers={"authorization": f"Bearer {foreign}"})
    assert error(response, 404)["code"] == "upload_not_found"  # type: ignore[arg-type]


def test_the_uploader_is_served_with_its_sum() -> None:
    source = Client().get("/suitewatch.py")
    listed = Client().get("/suitewatch.py.sha256").content.decode()
    assert listed.split() == [source["X-Content-SHA256"], "suitewatch.py"]
    import hashlib

    assert hashlib.sha256(source.content).hexdigest() == source["X-Content-SHA256"]


def test_status_asked_over_plain_http_is_refused_as_an_upload_is(token: str, settings: Any) -> None:
    address = post(token).json()["status_url"]  # type: ignore[attr-defined]
    settings.SECURE_SSL_REDIRECT = True
    response = Client().get(address, headers={"authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "https_required")


def test_the_list_of_errors_is_public_and_each_status_belongs_to_a_code() -> None:
    listed = json.loads(Client().get("/api/v1/errors").content)["errors"]
    assert {entry["code"] for entry in listed} == set(HINTS)
    assert set(views._STATUS) <= set(HINTS)


def test_a_request_that_is_cut_off_while_reading(token: str) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise ConnectionResetError("gone")

    response = Client().generic(
        "PUT", URL, REPORT, headers={"authorization": f"Bearer {token}"}, **{"wsgi.input": Broken()}
    )
    assert error(response, 400)["code"] == "body_truncated"  # type: ignore[arg-type]


def test_a_form_that_is_cut_is_refused_whole(token: str) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%s.xml"\r\n\r\n' + REPORT + b"\r\n"
    body = head % b"one" + head % b"two"
    for end, status in ((b"", 400), (b"--b--\r\n", 202)):
        sent = {"authorization": f"Bearer {token}"}
        response = Client().generic("POST", URL, body + end, "multipart/form-data; boundary=b", headers=sent)
        assert response.status_code == status, response.content
    assert UploadFile.objects.count() == 2

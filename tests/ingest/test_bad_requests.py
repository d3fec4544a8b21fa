"""The bad-input list, B1 to B35, through a real web server: status, code and words of each; and nothing else happens.

`docs/bad-input.md` says which entries we judge otherwise than the list, and why. Every request here asks for HTML and
gets JSON (B35).
"""

import base64
import gzip
import http.client
import io
import socket
import sqlite3
import struct
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from config import processes
from tests.faults.wire import Answer, read_answer
from tests.stack import LiveStack, free_port, wait_for

MIB = 2**20
REPORT = b'<testsuite name="s"><testcase classname="c" name="n" time="0.1"/></testsuite>'
# What a web process may hold more than before, whatever is sent.
FLAT_MB = 20
QUOTA = 10**9
MAKE_SENDERS = """
from django.utils import timezone
from tests.builders import a_project, a_token, a_user
from health.models import UploadToken
owner = a_user("bad")
for number in range(110):
    project = a_project(f"bad-{number}", owner=owner)
    revoked = a_token(project)
    UploadToken.objects.filter(last_four=revoked[-4:]).update(revoked_at=timezone.now())
    print("sender", project.pk, a_token(project), revoked, a_token(project, expires_at=timezone.now()),
          a_token(project, scopes=["read"]))
"""


@dataclass(frozen=True)
class Sender:
    """A project of its own for each case, with a good token and three that are not."""

    project: int
    token: str
    revoked: str
    expired: str
    reader: str


class Door:
    """A web server behind a proxy that speaks https, with short deadlines and a quota."""

    def __init__(self, stack: LiveStack, folder: Path) -> None:
        self.stack, self.port = stack, free_port()
        environment = {
            **stack.environment,
            "SUITEWATCH_URL": f"https://127.0.0.1:{self.port}",
            "SUITEWATCH_TRUSTED_PROXY": "yes",
            "SUITEWATCH_WEB_PROCESSES": "1",
            "SUITEWATCH_UPLOAD_TIMEOUT_SECONDS": "3",
            "SUITEWATCH_UPLOAD_READ_TIMEOUT_SECONDS": "1",
            "SUITEWATCH_UPLOAD_MAX_BYTES_PER_DAY": str(QUOTA),
            "TMPDIR": str(folder),
        }
        self.folder = folder
        service = processes.web_service(environment, host="127.0.0.1", port=self.port)
        stack.services["door"] = replace(service, name="door")
        stack.start("door")
        told = stack.manage("shell", "--command", MAKE_SENDERS)
        rows = [line.split()[1:] for line in told.splitlines() if line.startswith("sender ")]
        self.senders = [Sender(int(row[0]), *row[1:]) for row in rows]
        self.sender = self.senders[0]

    def ask(
        self, method: str, path: str, body: Any = b"", *, token: str | None = None, over: str = "https", **headers: str
    ) -> Answer:
        """One request; `token` "" sends none."""
        text = self.sender.token if token is None else token
        sent = {"Accept": "text/html", "X-Forwarded-Proto": over}
        sent |= {"Authorization": f"Bearer {text}"} if text else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body=body, headers=sent)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def put(self, body: bytes, query: str = "", **headers: Any) -> Answer:
        """A raw body."""
        return self.ask("PUT", f"/api/v1/uploads{query}", body, **headers)

    def post(self, *parts: tuple[str, bytes], end: bytes = b"--b--\r\n", **headers: Any) -> Answer:
        """A form of parts: what stands behind `form-data; ` in the head, and the content."""
        lines = [b"--b\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" for head, _ in parts]
        body = b"".join(line + content + b"\r\n" for line, (_, content) in zip(lines, parts, strict=True))
        content_type = headers.pop("Content_Type", "multipart/form-data; boundary=b")
        return self.ask("POST", "/api/v1/uploads", body + end, Content_Type=content_type, **headers)

    def raw(self, *lines: str, body: bytes = b"", then: Callable[[socket.socket], None] | None = None) -> Answer:
        """A request of these header lines, which http.client would not send."""
        head = [
            "PUT /api/v1/uploads HTTP/1.1",
            "X-Forwarded-Proto: https",
            f"Authorization: Bearer {self.sender.token}",
        ]
        if not any(line.startswith("Host:") for line in lines):
            head.append("Host: 127.0.0.1")
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall("\r\n".join([*head, *lines, "", ""]).encode() + body)
                if then is not None:
                    then(connection)
            return read_answer(connection)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows straight from the database."""
        return self.stack.query(statement, *values)

    def names(self) -> list[str]:
        """The files that were kept."""
        rows = self.query(
            """SELECT f.name FROM health_uploadfile f JOIN health_upload u ON u.id = f.upload_id
            WHERE u.project_id = %s ORDER BY f.id""",
            self.sender.project,
        )
        return [row[0] for row in rows]

    def wait_for_error(self, answer: Answer) -> str:
        """How the worker ended the upload of this answer: its error's code."""
        path = f"/api/v1/uploads/{answer.json['upload']}"
        final = wait_for(
            lambda: (found := self.ask("GET", path).json)["state"] in ("failed", "stored", "partial") and found,
            what="the end of an upload",
        )
        return str((final["error"] or {}).get("code", final["state"]))

    def pids(self) -> list[int]:
        """The processes that serve."""
        parent = self.stack.pid("door")
        return [int(text) for text in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


class Peak:
    """The most memory that the web processes held since it was made, in MB more than then."""

    def __init__(self, door: Door) -> None:
        self._pids = door.pids()
        for pid in self._pids:
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def growth(self) -> float:
        """Now."""
        return self._read("VmHWM") - self._before

    def _read(self, name: str) -> float:
        found = 0.0
        for pid in self._pids:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            found += sum(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024
        return found


@pytest.fixture(scope="module")
def door_of_module(live_stack_of_session: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    live_stack_of_session.ensure_running()
    door = Door(live_stack_of_session, tmp_path_factory.mktemp("door"))
    yield door
    live_stack_of_session.stop("door")
    del live_stack_of_session.services["door"]


@pytest.fixture
def door(door_of_module: Door, live_stack: LiveStack) -> Door:
    door_of_module.sender = door_of_module.senders.pop()
    return door_of_module


# --- Bodies ------------------------------------------------------------------------------------------------------


def make_bomb(packer: Any) -> bytes:
    """One gigabyte of zeros."""
    zeros = bytes(16 * MIB)
    return b"".join([*(packer.compress(zeros) for _ in range(64)), packer.flush()])


def make_zip(*entries: tuple[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return body.getvalue()


def make_zip_bomb() -> bytes:
    """A quarter of a gigabyte in two entries, each within the limit."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(2):
            archive.writestr(f"{number}.xml", bytes(128 * MIB))
    return body.getvalue()


def make_locked_zip() -> bytes:
    body = bytearray(make_zip(("junit.xml", REPORT)))
    struct.pack_into("<H", body, body.index(b"PK\x01\x02") + 8, 1)
    return bytes(body)


def make_database() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE file (id)")
        return database.serialize()


def white_base64(size: int) -> str:
    """The rest of a part's head, and a body that is mostly blanks."""
    return "Content-Transfer-Encoding: base64\r\n\r\n" + " " * size + base64.b64encode(REPORT).decode()


def unknown_token(door: Door) -> str:
    """Well formed, and nobody's: that of a project which is deleted now."""
    gone = door.senders.pop()
    door.query("DELETE FROM health_uploadtoken WHERE project_id = %s RETURNING id", gone.project)
    return gone.token


def drip(connection: socket.socket) -> None:
    for _ in range(60):
        connection.sendall(b"<")
        time.sleep(0.1)


def send_twice(door: Door) -> Answer:
    key = {"Idempotency_Key": uuid.uuid4().hex}
    first = door.put(REPORT, **key)
    answer = door.put(REPORT + b" ", **key)
    assert first.json["upload"] in answer.json["error"]["message"]
    return answer


def empty_bucket(door: Door, name: str, *, left_out: int = 0) -> Answer:
    door.query(
        "INSERT INTO health_allowance VALUES (%s, %s, clock_timestamp()) RETURNING key",
        f"{name}:{door.sender.project}",
        -left_out,
    )
    return door.put(REPORT)


def fill_queue(door: Door) -> Answer:
    door.query(
        """
        INSERT INTO health_upload (public_id, project_id, state, idempotency_key, content_digest, metadata,
            n_bytes_wire, n_bytes_plain, attempts, lease_epoch, worker, attempt, n_suite_errors, next_attempt_at)
        SELECT gen_random_uuid(), %s, 'received', 'waits ' || n, '', '{}', 0, 0, 0, 0, '', 1, 0,
            now() + interval '1 hour' FROM generate_series(1, 1000) n RETURNING id
        """,
        door.sender.project,
    )
    answer = door.put(REPORT)
    door.query("DELETE FROM health_upload WHERE project_id = %s RETURNING id", door.sender.project)
    return answer


def ask_for_a_foreign_upload(door: Door) -> Answer:
    mine = door.put(REPORT).json["upload"]
    other = door.senders.pop()
    answer = door.ask("GET", f"/api/v1/uploads/{mine}", token=other.token)
    assert (
        door.ask("GET", f"/api/v1/uploads/{uuid.uuid4()}", token=other.token).json["error"]["message"]
        == (answer.json["error"]["message"])
    )
    return answer


# --- The list ----------------------------------------------------------------------------------------------------

FILE = 'name="file"; filename="junit.xml"'
TIME = "?ran_at={}"


@dataclass(frozen=True)
class Case:
    """One entry of the list: what is sent, and what must come of it."""

    number: str
    what: str
    send: Callable[[Door], Answer]
    status: int
    code: str = ""
    words: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    n_kept: int | None = None  # None: one when it was taken, else none
    is_heavy: bool = False  # memory has to stay flat


def field(text: str) -> Callable[[Door], Answer]:
    return lambda door: door.put(REPORT, text)


CASES = [
    Case("B1", "no token", lambda d: d.put(REPORT, token=""), 401, "token_missing", "SUITEWATCH_TOKEN",
         (("www-authenticate", "Bearer"),)),
    Case("B2", "another kind of token", lambda d: d.put(REPORT, token="ghp_abc"), 401, "token_malformed", "sw_up_"),
    Case("B2", "a typing error", lambda d: d.put(REPORT, token=d.sender.token[:-1] + "_"), 401, "token_malformed"),
    Case("B3", "unknown", lambda d: d.put(REPORT, token=unknown_token(d)), 401, "token_invalid", "unknown, revoked"),
    Case("B3", "revoked", lambda d: d.put(REPORT, token=d.sender.revoked), 401, "token_invalid", "unknown, revoked"),
    Case("B3", "expired", lambda d: d.put(REPORT, token=d.sender.expired), 401, "token_invalid", "unknown, revoked"),
    Case("B4", "another project's upload", ask_for_a_foreign_upload, 404, "upload_not_found", n_kept=1),
    Case("B5", "a token that may only read", lambda d: d.put(REPORT, token=d.sender.reader), 403, "scope_missing",
         "upload"),
    Case("B6", "token in the address", lambda d: d.put(REPORT, f"?token={d.sender.token}"), 400, "token_in_url",
         "revoke"),
    Case("B7", "plain http", lambda d: d.put(REPORT, over="http"), 403, "https_required", "https://"),
    Case("B8", "GET", lambda d: d.ask("GET", "/api/v1/uploads"), 405, "method_not_allowed",
         headers=(("allow", "POST, PUT"),)),
    Case("B9", "a report that says it is a picture", lambda d: d.put(REPORT, Content_Type="image/png"), 202),
    Case("B9", "a report without a type", lambda d: d.put(REPORT), 202),
    Case("B9", "a picture", lambda d: d.put(b"\x89PNG\r\n\x1a\n" + bytes(99)), 415, "unsupported_type", "PNG image"),
    Case("B9", "a packed database", lambda d: d.put(gzip.compress(make_database())), 415, "unsupported_type", "SQLite"),
    Case("B9", "a page as a form", lambda d: d.post((FILE, REPORT), Content_Type="text/html"), 415, "unsupported_type",
         "multipart/form-data"),
    Case("B10", "chunked", lambda d: d.raw("Transfer-Encoding: chunked", body=b"1\r\n<\r\n0\r\n\r\n"), 411,
         "length_required", "--data-binary"),
    Case("B11", "too long, and never sent", lambda d: d.raw(f"Content-Length: {25 * MIB + 1}"), 413, "too_large",
         "26,214,401"),
    Case("B12", "shorter than promised", lambda d: d.raw("Content-Length: 100", body=b"<test", then=end_sending), 400,
         "body_truncated", "5 of 100"),
    Case("B13", "silence", lambda d: d.raw("Content-Length: 100", body=b"<test"), 408, "upload_timeout"),
    Case("B13", "a drip", lambda d: d.raw("Content-Length: 100", then=drip), 408, "upload_timeout"),
    Case("B14", "nothing", lambda d: d.put(b""), 400, "empty_body"),
    Case("B14", "a form without a file", lambda d: d.post(('name="branch"', b"main")), 400, "empty_body", "`file`"),
    Case("B15", "a negative length", lambda d: d.raw("Content-Length: -1"), 400),
    Case("B15", "a length in words", lambda d: d.raw("Content-Length: ten"), 400),
    Case("B15", "two lengths", lambda d: d.raw("Content-Length: 5", "Content-Length: 6"), 400),
    Case("B15", "length and chunks", lambda d: d.raw("Content-Length: 5", "Transfer-Encoding: chunked"), 400),
    Case("B16", "20 kB of header", lambda d: d.raw(f"X-Long: {'x' * 20_000}"), 431),
    Case("B17", "1,001 fields", lambda d: d.post((FILE, REPORT), *[(f'name="f{n}"', b"") for n in range(1001)]), 400,
         "too_many_parts", "200 fields"),
    Case("B17", "101 files", lambda d: d.post(*[(FILE, REPORT)] * 101), 400, "too_many_parts", "100 files"),
    Case("B18", "no boundary", lambda d: d.post((FILE, REPORT), Content_Type="multipart/form-data"), 400,
         "bad_multipart"),
    Case("B18", "cut", lambda d: d.post((FILE, REPORT), end=b""), 400, "bad_multipart", "closing boundary"),
    Case("B18", "nested", lambda d: d.post((FILE, REPORT), ('name="x"\r\nContent-Type: multipart/mixed; boundary=c',
         b"--c\r\n\r\n" + REPORT + b"\r\n--c--")), 202, words="unknown_field"),
    Case("B18", "a part without a name", lambda d: d.post((FILE, REPORT), ("x=y", REPORT)), 400, "bad_multipart",
         "1 of the form's parts"),
    Case("B19", "24 MiB of white space in base64", lambda d: d.post((FILE + "\r\n" + white_base64(24 * MIB), b"")), 202,
         is_heavy=True),
    Case("B19", "30 MB of it", lambda d: d.raw("Content-Length: 30000000"), 413, "too_large"),
    Case("B20", "a name that climbs", lambda d: d.put(REPORT, "?filename=../../etc/passwd"), 202, words="passwd"),
    Case("B20", "NUL in a name", lambda d: d.put(REPORT, "?filename=a%00b.xml"), 202, words="a\ufffdb.xml"),
    Case("B20", "a device", lambda d: d.put(REPORT, "?filename=CON"), 202, words="CON"),
    Case("B20", "4 kB of name", lambda d: d.put(REPORT, f"?filename={'n' * 4000}"), 202, words="n" * 255),
    Case("B20", "right to left", lambda d: d.put(REPORT, "?filename=a%E2%80%AEgnp.xml"), 202, words="a\ufffdgnp.xml"),
    Case("B20", "only dots", lambda d: d.post(('name="file"; filename=".."', REPORT)), 202, words="report.xml"),
    Case("B21", "no gzip", lambda d: d.put(REPORT, Content_Encoding="gzip"), 400, "bad_encoding", "not gzip"),
    Case("B21", "no zstd", lambda d: d.put(gzip.compress(REPORT), Content_Encoding="zstd"), 400, "bad_encoding",
         "not zstd"),
    Case("B22", "gzip cut", lambda d: d.put(gzip.compress(REPORT * 9)[:-9]), 400, "bad_encoding", "ends early"),
    Case("B22", "gzip with a wrong sum", lambda d: d.put(gzip.compress(REPORT, mtime=0)[:-8] + bytes(8)), 400,
         "bad_encoding", "damaged"),
    Case("B22", "zstd cut", lambda d: d.put(zstandard.compress(REPORT * 9)[:-3]), 400, "bad_encoding", "ends early"),
    Case("B23", "gzip and garbage", lambda d: d.put(gzip.compress(REPORT) + b"garbage"), 400, "bad_encoding"),
    Case("B23", "zstd and garbage", lambda d: d.put(zstandard.compress(REPORT) + b"garbage"), 400, "bad_encoding"),
    Case("B23", "two members", lambda d: d.put(gzip.compress(REPORT[:9]) + gzip.compress(REPORT[9:])), 202),
    Case("B24", "gzip bomb", lambda d: d.put(make_bomb(zlib.compressobj(1, wbits=31)), Content_Encoding="gzip"), 413,
         "too_large_uncompressed", "209,715,200", is_heavy=True),
    Case("B24", "zstd bomb", lambda d: d.put(make_bomb(zstandard.ZstdCompressor(level=9).compressobj())), 413,
         "too_large_uncompressed", "209,715,200", is_heavy=True),
    Case("B24", "a million empty members", lambda d: d.put(gzip.compress(b"", mtime=0) * 1_000_000), 400,
         "bad_encoding", "10,000", is_heavy=True),
    *(Case("B25", said, lambda d, said=said: d.put(REPORT, Content_Encoding=said), 415, "unsupported_encoding",
           "zstd", (("accept-encoding", "gzip, zstd"),)) for said in ("br", "gzip, gzip", "deflate", "x")),
    Case("B25", "gzip in gzip", lambda d: d.put(gzip.compress(gzip.compress(REPORT))), 415, "unsupported_encoding",
         "twice"),
    Case("B26", "an archive", lambda d: d.put(make_zip(("a/j.xml", REPORT), ("b/j.xml", REPORT)), "?filename=all.zip"),
         202, words="all.zip/a/j.xml all.zip/b/j.xml"),
    Case("B26", "1,001 entries", lambda d: d.put(make_zip(*[(f"{n}.xml", b"") for n in range(1001)])), 400,
         "too_many_parts", "1,000"),
    Case("B27", "zip bomb", lambda d: d.put(make_zip_bomb()), 413, "too_large_uncompressed", is_heavy=True),
    Case("B27", "zip slip", lambda d: d.put(make_zip(("../../../tmp/x", REPORT)), "?filename=a.zip"), 202,
         words="a.zip/../../../tmp/x"),
    Case("B27", "a locked archive", lambda d: d.put(make_locked_zip()), 415, "unsupported_type", "encrypted"),
    Case("B27", "zip in zip", lambda d: d.put(make_zip(("in.zip", make_zip(("j.xml", REPORT))))), 415,
         "unsupported_encoding", "in.zip is a zip archive that was packed once more"),
    Case("B27", "a damaged archive", lambda d: d.put(make_zip(("j.xml", REPORT))[:-9]), 400, "bad_encoding", "damaged"),
    *(Case("B28", what, lambda d, key=key: d.put(REPORT, Idempotency_Key=key), 400, "bad_idempotency_key")
      for what, key in (("three characters", "abc"), ("5 kB", "k" * 5000), ("a tabulator", "has\ttab inside"))),
    Case("B29", "a key with other content", send_twice, 422, "idempotency_key_reused", n_kept=1),
    Case("B30", "too fast", lambda d: empty_bucket(d, "upload"), 429, "rate_limited", headers=(("retry-after", "1"),)),
    Case("B30", "too many waiting", fill_queue, 429, "queue_full", "1,000", (("retry-after", "30"),)),
    Case("B30", "too much today", lambda d: empty_bucket(d, "bytes", left_out=10**9), 429, "quota_exceeded", "a day"),
    Case("B31", "a foreign host", lambda d: d.raw("Host: evil.example", "Content-Length: 0"), 400, "bad_request"),
    Case("B32", "all fields wrong",
         field(f"?commit=zzz&branch={'b' * 6000}&pull_request=-1&build_url=javascript:alert(1)&attempt=0001000000000"),
         400, "invalid_field", "attempt, branch, build_url, commit, pull_request"),
    Case("B32", "100 tags", field("?" + "&".join(f"tag{n}=x" for n in range(100))), 202, words="unknown_field"),
    Case("B32", "500 tags", field("?" + "&".join(f"tag{n}=x" for n in range(500))), 400, "too_many_parts", "200 field"),
    Case("B32", "a field twice", field("?branch=a&branch=b"), 400, "invalid_field", "branch"),
    *(Case("B33", moment, field(TIME.format(moment)), 202, words="timestamp_out_of_range")
      for moment in ("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", "300000-01-01T00:00:00Z", "2026-03-01T10:00:00")),
    Case("B34", "100,000 brackets", lambda d: d.put(b"[" * 100_000), 202, words="bad_json not_a_report"),
    Case("B34", "a number of 5,000 digits", lambda d: d.put(b'{"meta": ' + b"9" * 5000 + b"}"), 202,
         words="bad_json not_a_report"),
    Case("B34", "NaN, a BOM and a key twice", lambda d: d.put(b'\xef\xbb\xbf{"meta": NaN, "meta": 1}'), 202,
         words="bad_json not_a_report"),
]  # fmt: skip


# Not a speed: work without a bound would not end at all.
PATIENCE_SECONDS = 60


def end_sending(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.number} {case.what}"[:60] for case in CASES])
def test_the_list(door: Door, case: Case) -> None:
    peak = Peak(door)
    began = time.monotonic()
    answer = case.send(door)
    took = time.monotonic() - began
    assert (answer.status, answer.code if case.code else case.code) == (case.status, case.code), answer
    for name, value in case.headers:
        assert answer.headers[name] == value
    if case.is_heavy:
        assert peak.growth() < FLAT_MB
        assert took < PATIENCE_SECONDS
    if case.status == 202:
        told = told_of(door, case, answer)
        assert any(word in told for word in case.words.split()) if case.number == "B34" else case.words in told
    elif case.code:
        assert_one_shape(door, answer, case)
    kept = door.query("SELECT count(*) FROM health_upload WHERE project_id = %s", door.sender.project)[0][0]
    assert kept == (case.status == 202 if case.n_kept is None else case.n_kept)
    assert list(door.folder.iterdir()) == []


def told_of(door: Door, case: Case, answer: Answer) -> str:
    if case.number == "B34":
        return door.wait_for_error(answer)
    if case.number in ("B20", "B26", "B27"):
        return " ".join(door.names())
    return " ".join(warning["code"] for warning in answer.json["warnings"])


def assert_one_shape(door: Door, answer: Answer, case: Case) -> None:
    assert answer.headers["content-type"] == "application/json"
    error = answer.json["error"]
    assert (
        {"code", "message", "hint", "docs", "request_id"}
        <= error.keys()
        <= {*("code", "message", "hint", "docs", "request_id", "field", "limit", "actual")}
    )
    assert error["request_id"] == answer.headers["x-request-id"]
    assert case.words in f"{error['message']} {error['hint']} {error.get('field', '')}"
    text = answer.body.decode()
    assert door.sender.token not in text
    assert "evil" not in text
    if case.status == 413:
        assert error["limit"] > 0


def test_revoked_expired_and_unknown_take_the_same_time_and_words(door: Door) -> None:
    tokens = {"revoked": door.sender.revoked, "expired": door.sender.expired}
    answers = {name: door.put(REPORT, token=token) for name, token in tokens.items()}
    answers["unknown"] = door.put(REPORT, token=unknown_token(door))
    bodies = []
    for answer in answers.values():
        error = answer.json["error"]
        del error["request_id"]
        bodies.append(error)
    assert bodies[0] == bodies[1] == bodies[2]


def test_every_number_of_the_list_is_here() -> None:
    assert {case.number for case in CASES} | {"B35"} == {f"B{n}" for n in range(1, 36)}


def test_after_all_that_a_good_upload_is_stored(door: Door) -> None:
    assert door.wait_for_error(door.put(REPORT)) == "stored"

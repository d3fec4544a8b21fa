#!/usr/bin/env python3
# /// script
# requires-python = ">=3.8"
# ///
"""Send test reports from CI to Suitewatch: one file, standard library only, Python 3.8 or newer.

Called as `suitewatch upload FILES…` or `python suitewatch.py upload FILES…`; `load_demo` uses the pieces.
Promise: the exit code tells your mistake from the server's trouble, and a delivery sent twice is stored once
(tests/ingest/test_uploader.py).
"""

from __future__ import annotations

import argparse
import email.message
import email.utils
import fnmatch
import glob
import gzip
import hashlib
import http.client
import ipaddress
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

__version__ = "0.1.0"

SENT, WRONG_USE, NO_FILE, REFUSED, NOT_UNDERSTOOD, SERVER_TROUBLE = 0, 2, 3, 4, 5, 6

EXIT_CODES = """\
exit codes:
  0  sent; or the server had trouble, which is said but does not break your build
  2  wrong use: an option, the address or the token is missing or wrong
  3  no file matched (--allow-empty makes it 0)
  4  refused: token, address, size or a field; trying again would not help
  5  a file was not understood (known only with --wait)
  6  the server had trouble and --fail-on-error was given
"""

# (field of the upload API, flag, help); the variable is SUITEWATCH_ + the flag in capitals.
OPTIONS = (
    ("commit", "commit", "commit the tests ran on (else: git's HEAD)"),
    ("branch", "branch", "its branch (else: the one git has checked out)"),
    ("pull_request", "pr", "number of the pull or merge request"),
    ("committed_at", "committed-at", "when it was committed, ISO 8601 with zone (else: git)"),
    ("ran_at", "ran-at", "when the tests ran, for old reports (else: the time of arrival)"),
    ("provider", "provider", "name of the CI system"),
    ("run_id", "run-id", "number of the CI run; deliveries of one run carry the same"),
    ("attempt", "attempt", "1 for the first try of that run, 2 for its first re-run"),
    ("job", "job", "name of the job"),
    ("variant", "variant", "what sets equal jobs apart: system, version, matrix"),
    ("shard", "shard", "which part of a divided job, for example 2/5"),
    ("build_url", "build-url", "link back to the job"),
    ("suite", "suite", "name of the suite, when the reports do not say it well"),
    ("level", "level", "unit, contract, integration, e2e, performance or your own word"),
    ("namespace", "namespace", "put before the names of all tests, for several packages in one project"),
    ("default_branch", "default-branch", "name of the default branch (else: git's origin/HEAD)"),
)

PAUSES = (1, 2, 4, 8, 16)
LONGEST_PAUSE = 60.0
PATIENCE = 120.0
FINAL_STATES = ("stored", "partial", "failed", "dead", "cancelled")
# A delivery stays below the server's usual limits: 100 files, 25 MiB on the wire, 200 MiB unpacked.
MOST_FILES, MOST_PACKED, MOST_PLAIN = 100, 24 << 20, 192 << 20
CHUNK = 1 << 20
ANSWER_LIMIT = 4 << 20
MOST_REMARKS, MOST_IGNORED = 5, 10


class UploadError(Exception):
    """Why something did not get through: a sentence, and the exit code that says whose trouble it is."""

    def __init__(self, exit_code: int, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.final = final  # the next delivery would meet the same


# ---- files -------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    paths: list[str]
    ignored: list[tuple[str, str]]
    unmatched: list[str]


def find_files(patterns: Iterable[str], *, exclude: Sequence[str] = ()) -> Found:
    """Expand the globs ourselves, since not every shell does; each file once, in the order of its name."""
    left_out = {os.path.realpath(path) for pattern in exclude for path in expand(pattern)}
    found: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unmatched = []
    for pattern in patterns:
        matches = expand(pattern)
        if not matches:
            unmatched.append(pattern)
        for path in matches:
            excluded = os.path.realpath(path) in left_out or matches_name(path, exclude)
            reason = "excluded" if excluded else why_not(path)
            if os.path.isdir(path) and path != pattern:
                continue  # a folder met by ** is the way to its files, nothing to speak of
            if reason:
                ignored[path] = reason
            else:
                found.setdefault(os.path.realpath(path), path)
    return Found(sorted(found.values(), key=display_name), sorted(ignored.items()), unmatched)


def expand(pattern: str) -> list[str]:
    # A file whose name holds glob characters, such as report[1].xml, is itself.
    return [pattern] if os.path.lexists(pattern) else glob.glob(pattern, recursive=True)


def matches_name(path: str, exclude: Iterable[str]) -> bool:
    """An --exclude without a folder speaks of the file's name, wherever it lies."""
    return any(fnmatch.fnmatch(os.path.basename(path), name) for name in exclude if not os.path.dirname(name))


def why_not(path: str) -> str:
    if os.path.isdir(path):
        return f"a folder; name the files in it, for example '{path.rstrip(os.sep)}/**/*.xml'"
    if not os.path.isfile(path):
        return "not a regular file"
    # An empty file is sent: that a runner wrote nothing belongs on the dashboard.
    return "" if os.access(path, os.R_OK) else "not readable"


def display_name(path: str) -> str:
    """The path below the working folder; of a file elsewhere only the name, so that no folders leak."""
    relative = os.path.normpath(path)
    if os.path.isabs(relative):
        relative = os.path.relpath(os.path.realpath(relative), os.path.realpath(os.curdir))
    if relative.split(os.sep)[0] == os.pardir:
        relative = os.path.basename(path)
    return readable(relative.replace(os.sep, "/"))


def readable(text: str) -> str:
    """Undo what a C locale does to arguments and file names; bytes that are no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# ---- metadata ----------------------------------------------------------------------------------------------


def gather_metadata(
    given: Mapping[str, str | None],
    *,
    environ: Mapping[str, str],
    git: Callable[[str | None], Mapping[str, str]],
) -> dict[str, str]:
    """Each field from its flag, else its SUITEWATCH_* variable, else git; empty and "false" mean unset."""
    fields = {}
    for field, flag, _help in OPTIONS:
        variable = "SUITEWATCH_" + flag.upper().replace("-", "_")
        value = tidy(given.get(field)) or tidy(environ.get(variable))
        if value:
            fields[field] = value
    for field, value in git(fields.get("commit")).items():
        fields.setdefault(field, value)
    if "build_url" in fields:
        fields["build_url"] = without_credentials(fields["build_url"])
    return fields


def tidy(value: str | None) -> str:
    """One line of visible characters: a matrix printed as JSON, for one, comes with line breaks."""
    line = "".join(mark for mark in " ".join(readable(value or "").split()) if mark.isprintable())
    return "" if line.lower() == "false" else line


def without_credentials(url: str) -> str:
    return re.sub("(?<=//)[^/?#]*@", "", url)


def read_git(commit: str | None) -> dict[str, str]:
    """What the checkout here knows of this commit, or of HEAD. Nothing without git; never fetches."""
    head = ask_git("rev-parse", "--verify", "--quiet", "HEAD")
    if not head or (commit and not re.fullmatch("[0-9a-fA-F]{7,64}", commit)):
        return {}
    committed_at = ask_git("log", "-1", "--no-show-signature", "--format=%cI", commit or head, "--")
    if not committed_at:
        return {}  # another repository's commit: this checkout has nothing to say about it
    default = ask_git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    facts = {
        "commit": head,
        "committed_at": committed_at,
        "default_branch": default[len("refs/remotes/origin/") :],
    }
    if not commit or head.startswith(commit.lower()):
        facts["branch"] = ask_git("symbolic-ref", "--quiet", "--short", "HEAD")
    return {field: value for field, value in facts.items() if value}


def ask_git(*arguments: str) -> str:
    # No protocol is allowed: in a partial clone git would else fetch what it misses.
    environment = dict(os.environ, GIT_ALLOW_PROTOCOL="none", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
    try:
        answer = subprocess.run(
            ("git", *arguments),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


# ---- deliveries --------------------------------------------------------------------------------------------


class Report(NamedTuple):
    """One file, packed in a temporary folder; the digest is that of the bytes we were given."""

    name: str
    packed: str
    packed_bytes: int
    plain_bytes: int
    sha256: str


def pack(path: str, *, folder: str) -> Report:
    """Gzip into `folder`, the same bytes each time; what is gzip already goes as it is. Memory stays flat."""
    digest = hashlib.sha256()
    size, tail = 0, b""
    handle, packed = tempfile.mkstemp(dir=folder)
    with open(path, "rb") as source, os.fdopen(handle, "wb") as target:
        is_gzip = source.read(2) == b"\x1f\x8b"
        source.seek(0)
        sink: IO[bytes] | gzip.GzipFile = target if is_gzip else gzip.GzipFile("", "wb", 6, target, mtime=0)
        with sink:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                digest.update(chunk)
                sink.write(chunk)
                size, tail = size + len(chunk), (tail + chunk)[-4:]
    if is_gzip:
        size = int.from_bytes(tail, "little")  # the last four bytes of a gzip file are its unpacked size
    return Report(display_name(path), packed, os.path.getsize(packed), size, digest.hexdigest())


class Delivery(NamedTuple):
    """What goes out in one POST: the fields, and up to 100 reports."""

    fields: Mapping[str, str]
    reports: Sequence[Report]

    @property
    def key(self) -> str:
        """Equal for equal deliveries: every field, every name, every byte counts; the token does not."""
        contents = [dict(self.fields), [(report.name, report.sha256) for report in self.reports]]
        return "sw1-" + hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()

    @property
    def boundary(self) -> str:
        # Made from the key, so that a second try is the same to the byte; no report can hold its own digest.
        return "suitewatch-" + self.key[-40:]

    def segments(self) -> Iterator[bytes | Report]:
        """The multipart body in order: bytes to send, and reports whose packed file is to be sent."""
        opening = b"--%s\r\nContent-Disposition: form-data; " % self.boundary.encode()
        for field in sorted(self.fields):
            yield opening + b'name="%s"\r\n\r\n%s\r\n' % (field.encode(), self.fields[field].encode())
        for report in self.reports:
            yield opening + b'name="file"; filename="%s"\r\n' % quote_name(report.name)
            yield b"Content-Type: application/gzip\r\n\r\n"
            yield report
            yield b"\r\n"
        yield b"--%s--\r\n" % self.boundary.encode()

    @property
    def size(self) -> int:
        return sum(s.packed_bytes if isinstance(s, Report) else len(s) for s in self.segments())

    def stream(self) -> Iterator[bytes]:
        for segment in self.segments():
            if isinstance(segment, Report):
                with open(segment.packed, "rb") as packed:
                    yield from iter(lambda: packed.read(CHUNK), b"")
            else:
                yield segment


def quote_name(name: str) -> bytes:
    """A file name in a quoted header value, as browsers write it."""
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in quoted).encode()


def split_up(fields: Mapping[str, str], *, reports: Sequence[Report]) -> list[Delivery]:
    """As few deliveries as the limits allow; several are held together by one run id."""
    groups: list[list[Report]] = [[]]
    packed = plain = 0
    for report in reports:
        packed, plain = packed + report.packed_bytes, plain + report.plain_bytes
        if groups[-1] and (len(groups[-1]) == MOST_FILES or packed > MOST_PACKED or plain > MOST_PLAIN):
            groups.append([])
            packed, plain = report.packed_bytes, report.plain_bytes
        groups[-1].append(report)
    if len(groups) > 1 and "run_id" not in fields:
        fields = dict(fields, run_id="delivery-" + Delivery(fields, reports).key[-16:])
    return [Delivery(fields, group) for group in groups]


# ---- the way to the server ---------------------------------------------------------------------------------


class _HearsRefusals(http.client.HTTPConnection):
    """Reads the answer of a server that refused and hung up before the whole body was sent."""

    def request(self, *arguments: Any, **named: Any) -> None:
        try:
            super().request(*arguments, **named)
        except ConnectionError:
            if self.sock is None:
                raise


class _HearsRefusalsSecurely(_HearsRefusals, http.client.HTTPSConnection):
    pass


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HearsRefusals, request)


class _Secure(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HearsRefusalsSecurely, request, context=ssl.create_default_context())


class _StaysHere(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or carry the token elsewhere."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


class Reply(NamedTuple):
    """What came back; status 0 when nothing did, with the reason in `body`."""

    status: int
    headers: email.message.Message
    body: bytes

    @property
    def passes(self) -> bool:
        """Is it trouble that time may mend?"""
        return self.status in (0, 408, 429) or self.status >= 500

    @property
    def retry_after(self) -> float:
        """Seconds the server asks for, given as a number or a date; 0 when it does not ask."""
        asked = self.headers.get("Retry-After") or ""
        if asked.strip().isdigit():
            return min(float(asked), LONGEST_PAUSE)
        moment = email.utils.parsedate_tz(asked)
        return min(max(0.0, email.utils.mktime_tz(moment) - time.time()), LONGEST_PAUSE) if moment else 0.0

    def json(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class Courier:
    """Carries deliveries to one server and brings back the receipts, by the environment's proxies."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        timeout: float = 60.0,
        note: Callable[[str], None] = lambda _line: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = without_credentials(url).rstrip("/")
        self.endpoint = self.url + "/api/v1/uploads"
        self.timeout = timeout
        self._token = token
        self._note, self._sleep, self._clock = note, sleep, clock
        # No proxy reaches this very machine, although few environments say so in no_proxy.
        direct = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
        self._opener = urllib.request.build_opener(_Plain(), _Secure(), _StaysHere(), *direct)

    def headers(self, delivery: Delivery, *, token: str) -> dict[str, str]:
        return {
            "Authorization": "Bearer " + token,
            "Idempotency-Key": delivery.key,
            "Content-Type": "multipart/form-data; boundary=" + delivery.boundary,
            "Content-Length": str(delivery.size),
        }

    def send(self, delivery: Delivery) -> dict[str, Any]:
        """The door's answer, tried for two minutes at most; else UploadError, with the reason."""
        give_up_at = self._clock() + PATIENCE
        headers = self.headers(delivery, token=self._token)
        pauses = iter(PAUSES)
        while True:
            timeout = min(self.timeout, max(1.0, give_up_at - self._clock()))
            reply = self._ask(self.endpoint, headers, body=delivery.stream(), timeout=timeout)
            if reply.status in (200, 202) and reply.json().get("upload"):
                return reply.json()
            if not reply.passes:
                final = reply.status not in (400, 413, 415, 422)
                raise UploadError(REFUSED, self.explain(reply), final=final)
            pause = next(pauses, None)
            spread = random.uniform(0.7, 1.3)  # noqa: S311 - keeps many jobs from knocking at once
            wait = max((pause or 0) * spread, reply.retry_after)
            if pause is None or self._clock() + wait >= give_up_at:
                raise UploadError(SERVER_TROUBLE, self.explain(reply), final=True)
            self._note(f"{self.explain(reply)} Trying again in {wait:.0f} s.")
            self._sleep(wait)

    def follow(self, status_url: str, *, seconds: float) -> dict[str, Any]:
        """Ask until the upload is read to its end: the status with the receipt, else UploadError."""
        # Our host is kept: the server may know itself under another name, and the token goes along.
        asked, ours = urllib.parse.urlsplit(status_url), urllib.parse.urlsplit(self.url)
        address = urllib.parse.urlunsplit(asked._replace(scheme=ours.scheme, netloc=ours.netloc))
        until, pause = self._clock() + seconds, 0.5
        while True:
            reply = self._ask(address, {"Authorization": "Bearer " + self._token}, timeout=self.timeout)
            state = reply.json().get("state") if reply.status == 200 else None
            if state in FINAL_STATES:
                return reply.json()
            if not state and not reply.passes:
                raise UploadError(REFUSED, self.explain(reply))
            wait = max(pause, reply.retry_after)
            if self._clock() + wait > until:
                why = f"It is still {printable(state)}." if state else self.explain(reply)
                raise UploadError(SERVER_TROUBLE, f"No receipt after {seconds:.0f} s. {why}")
            self._sleep(wait)
            pause = min(pause * 1.5, 3.0)

    def _ask(self, url: str, headers: dict[str, str], *, timeout: float, body: Iterable[bytes] | None = None) -> Reply:
        """One try. Whatever answers is a Reply; silence is one of status 0."""
        agent = {"User-Agent": "suitewatch/" + __version__}
        request = urllib.request.Request(url, data=body, headers=dict(headers, **agent))
        try:
            try:
                with self._opener.open(request, timeout=timeout) as answer:
                    return Reply(answer.getcode(), answer.headers, answer.read(ANSWER_LIMIT))
            except urllib.error.HTTPError as error:
                with error:
                    return Reply(error.code, error.headers, error.read(ANSWER_LIMIT))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                why = f"The certificate of {self.url} is not trusted ({reason.verify_message})."
                hint = "SSL_CERT_FILE can name your own authority."
                raise UploadError(SERVER_TROUBLE, f"{why} {hint}", final=True) from None
            why = str(reason) or type(reason).__name__
            return Reply(0, email.message.Message(), why.encode("utf-8", "replace"))

    def explain(self, reply: Reply) -> str:
        """One or two sentences: Suitewatch's own words where it is Suitewatch that answered."""
        if reply.status == 0:
            return f"{self.url} could not be reached ({printable(reply.body.decode())})."
        error = reply.json().get("error")
        if isinstance(error, dict) and error.get("message"):
            mark = f"({reply.status} {error.get('code')})"
            words = [error["message"], error.get("hint"), mark, "" if reply.passes else error.get("docs")]
            return " ".join(printable(word) for word in words if word)
        answer = f"{reply.status} {http.client.responses.get(reply.status, '')}".strip()
        if 300 <= reply.status < 400:
            place = printable(reply.headers.get("Location") or "another place")
            return f"{self.url} points to {place} ({answer}). Give the real address: nothing is sent on."
        if reply.status >= 500:
            return f"{self.url} has trouble ({answer})."
        return f"{self.url} answered {answer}, but not as Suitewatch does. Is the address right?"


# ---- words -------------------------------------------------------------------------------------------------


def printable(text: object, *, limit: int = 500) -> str:
    """Foreign text on one line, without the control characters that would repaint a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in str(text))[:limit]


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_in_words(number: int) -> str:
    if number < 1000:
        return count(number, "byte")
    return f"{number / 1e3:.1f} kB" if number < 1e6 else f"{number / 1e6:.1f} MB"


def describe_file(file: Mapping[str, Any]) -> list[str]:
    """A file of the receipt in words: what became of it, its figures, its first warnings."""
    name = printable(file.get("name"))
    if file.get("state") == "failed":
        return [f"{name}: not understood. {describe_error(file.get('error'))}"]
    kinds = ("passed", "failed", "errored", "skipped", "flaky")
    figures = ", ".join(f"{file[kind]:,} {kind}" for kind in kinds if file.get(kind))
    lines = [f"{name}: {count(file['tests'], 'test')}: {figures}" if file.get("tests") else f"{name}: no tests"]
    if file.get("state") == "partial":
        lines.append(f"  kept in part. {describe_error(file.get('error'))}")
    if file.get("rejected"):
        lines.append(f"  {count(file['rejected'], 'test')} left out")
    warnings = file.get("warnings") or []
    lines += [f"  {describe_error(warning)}" for warning in warnings[:MOST_REMARKS]]
    if len(warnings) > MOST_REMARKS:
        lines.append(f"  and {count(len(warnings) - MOST_REMARKS, 'remark')} more")
    return lines


def describe_error(error: Mapping[str, Any] | None) -> str:
    error = error or {}
    message = error.get("message") or "No reason given."
    place = ", ".join(f"{part} {error[part]}" for part in ("line", "column") if error.get(part))
    words = [f"{place}:" if place and place not in message else "", message, error.get("hint")]
    return " ".join(printable(word) for word in words if word)


class Voice:
    """Results on standard output, warnings on standard error; -q leaves the warnings, -v adds details."""

    def __init__(self, loudness: int) -> None:
        self.loudness = loudness

    def detail(self, line: str) -> None:
        self._write(line, sys.stdout, 1)

    def tell(self, line: str) -> None:
        self._write(line, sys.stdout, 0)

    def warn(self, line: str) -> None:
        self._write("suitewatch: " + line, sys.stderr, -9)

    def _write(self, line: str, stream: IO[str], level: int) -> None:
        if self.loudness >= level:
            print(line, file=stream, flush=True)


# ---- the command -------------------------------------------------------------------------------------------


class Errand:
    """One call of the command: finds, packs, sends, waits; `summary` keeps what happened."""

    def __init__(
        self,
        options: argparse.Namespace,
        *,
        environ: Mapping[str, str],
        voice: Voice,
        **timing: Callable[..., Any],
    ) -> None:
        self.options, self.environ, self.voice = options, environ, voice
        self.summary: dict[str, Any] = {"version": __version__, "files": [], "ignored": [], "deliveries": []}
        url, token = self.read_address()
        self.courier = Courier(url, token=token, timeout=options.timeout, note=voice.warn, **timing)

    def read_address(self) -> tuple[str, str]:
        url = tidy(self.options.url) or tidy(self.environ.get("SUITEWATCH_URL"))
        token = (self.options.token or self.environ.get("SUITEWATCH_TOKEN") or "").strip()
        if not url and not self.options.dry_run:
            raise UploadError(WRONG_USE, "Where to? Set SUITEWATCH_URL or give --url.")
        if not token and not self.options.dry_run:
            raise UploadError(WRONG_USE, "No token. Set SUITEWATCH_TOKEN or give --token.")
        if re.search(r"[^\x21-\x7e]", token):
            raise UploadError(WRONG_USE, "The token holds a space, a line break or another mark no token has.")
        if url and not is_address(url):
            raise UploadError(WRONG_USE, f"{without_credentials(url)} is no address like https://suitewatch.example.")
        host = urllib.parse.urlsplit(url).hostname or ""
        if url.startswith("http://") and not is_near(host):
            self.voice.warn(f"The token travels unencrypted to {host}; https:// would hide it.")
        return url, token

    def run(self) -> int:
        paths = self.find()
        if not paths:
            if self.options.allow_empty:
                return SENT
            self.voice.warn(f"Nothing to send. Looked from {os.getcwd()}.")
            return NO_FILE
        given = {field: getattr(self.options, field) for field, _flag, _help in OPTIONS}
        fields = gather_metadata(given, environ=self.environ, git=read_git)
        if "commit" not in fields:
            self.voice.warn("The commit is unknown: git says nothing here, and --commit is not given.")
        with tempfile.TemporaryDirectory(prefix="suitewatch-") as folder:
            try:
                reports = [pack(path, folder=folder) for path in paths]
            except OSError as error:
                raise UploadError(WRONG_USE, f"The files could not be read and packed: {error}.") from error
            deliveries = split_up(fields, reports=reports)
            self.summary["fields"] = dict(deliveries[0].fields)
            self.summary["files"] = [
                {"name": report.name, "bytes": report.plain_bytes, "sha256": report.sha256} for report in reports
            ]
            if self.options.dry_run:
                for delivery in deliveries:
                    self.show(delivery)
                return SENT
            return self.deliver(deliveries)

    def find(self) -> list[str]:
        found = find_files(self.options.files, exclude=self.options.exclude)
        for pattern in found.unmatched:
            self.voice.warn(f"No file matches {printable(readable(pattern))}.")
        ignored = f", {len(found.ignored)} ignored:" if found.ignored else "."
        self.voice.tell(f"Found {count(len(found.paths), 'file')}{ignored}")
        for path, reason in found.ignored[:MOST_IGNORED]:
            self.voice.tell(f"  {printable(readable(path))}: {reason}")
        if len(found.ignored) > MOST_IGNORED:
            self.voice.tell(f"  and {len(found.ignored) - MOST_IGNORED:,} more")
        self.summary["ignored"] = [{"name": display_name(path), "reason": reason} for path, reason in found.ignored]
        return found.paths

    def show(self, delivery: Delivery) -> None:
        self.voice.tell(f"Would send: POST {self.courier.endpoint if self.courier.url else '(no address given)'}")
        for name, value in self.courier.headers(delivery, token="***").items():  # noqa: S106 - a mask
            self.voice.tell(f"  {name}: {value}")
        for field, value in sorted(delivery.fields.items()):
            self.voice.tell(f"  {field} = {value}")
        for report in delivery.reports:
            sizes = f"{size_in_words(report.plain_bytes)}, {size_in_words(report.packed_bytes)} packed"
            self.voice.tell(f"  file {printable(report.name)} ({sizes}, sha256 {report.sha256})")

    def deliver(self, deliveries: Sequence[Delivery]) -> int:
        """Send all, then wait for the receipts when asked to; the exit code of the first trouble, else 0."""
        exit_codes = []
        for number, delivery in enumerate(deliveries):
            entry: dict[str, Any] = {
                "files": [report.name for report in delivery.reports],
                "bytes": delivery.size,
            }
            self.summary["deliveries"].append(entry)
            try:
                self.send(delivery, entry)
            except UploadError as trouble:
                entry["error"] = str(trouble)
                exit_codes.append(trouble.exit_code)
                self.voice.warn(f"Not sent: {count(len(delivery.reports), 'file')}. {trouble}")
                if trouble.final:
                    if deliveries[number + 1 :]:
                        self.voice.warn(f"{number} of {len(deliveries)} deliveries were tried before.")
                    break
        if self.options.wait:
            sent = [entry for entry in self.summary["deliveries"] if entry.get("status_url")]
            exit_codes += [self.wait_for_receipt(entry) for entry in sent]
        return next((code for code in exit_codes if code), SENT)

    def send(self, delivery: Delivery, entry: dict[str, Any]) -> None:
        for field, value in sorted(delivery.fields.items()):
            self.voice.detail(f"  {field} = {value}")
        entry.update(self.courier.send(delivery))
        for warning in entry.get("warnings") or []:
            self.voice.warn(describe_error(warning))
        known = " It was there already: nothing is stored twice." if entry.get("duplicate_of") else ""
        what = f"{count(len(delivery.reports), 'file')}, {size_in_words(delivery.size)} packed"
        self.voice.tell(f"Sent {what}.{known}")
        self.voice.tell(printable(entry.get("url") or self.courier.url))

    def wait_for_receipt(self, entry: dict[str, Any]) -> int:
        try:
            status = self.courier.follow(entry["status_url"], seconds=self.options.wait)
        except UploadError as trouble:
            self.voice.warn(str(trouble))
            return trouble.exit_code
        state, error = status["state"], status.get("error")
        entry.update(state=state, receipt=status.get("receipt"), error=error)
        for file in (status.get("receipt") or {}).get("files") or []:
            speak = self.voice.tell if file.get("state") == "stored" else self.voice.warn
            for line in describe_file(file):
                speak(line)
        if state == "stored":
            return SENT
        self.voice.warn(f"The upload ended as {state}. {describe_error(error) if error else ''}".strip())
        return NOT_UNDERSTOOD if state in ("partial", "failed") else SERVER_TROUBLE


def is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return is_whole and url.isascii() and not parts.query and not parts.fragment


def is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_near(host: str) -> bool:
    """This machine or this network: where plain http is a choice, not a slip."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="suitewatch",
        description="Send test reports to Suitewatch. Run it after the tests, also when they failed.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    seconds: dict[str, Any] = {"type": read_seconds, "metavar": "SECONDS"}
    add("command", choices=["upload"], help="what to do")
    add("files", nargs="+", metavar="FILES", help="reports, or globs in quotes: 'build/**/TEST-*.xml'")
    add("--exclude", action="append", default=[], metavar="GLOB", help="leave these out (repeatable)")
    add("--url", help="address of your Suitewatch (SUITEWATCH_URL)")
    add("--token", help="upload token of the project (SUITEWATCH_TOKEN hides it from other users)")
    group = parser.add_argument_group("what the reports belong to (each also as SUITEWATCH_<NAME>)")
    for field, flag, words in OPTIONS:
        group.add_argument(f"--{flag}", dest=field, metavar="TEXT", help=words)
    add("--wait", help="wait for the receipt and print it (--wait alone: 120 s)", **seconds)
    add("--timeout", default=60.0, help="silence after which a try counts as failed (60)", **seconds)
    add("--summary", metavar="FILE", help="write what happened as JSON")
    add("--dry-run", action="store_true", help="show what would be sent, send nothing")
    add("--allow-empty", action="store_true", help="no matching file is no mistake")
    add("--fail-on-error", action="store_true", help="exit code 6 when the server has trouble")
    add("-v", "--verbose", action="count", default=0, help="say more")
    add("-q", "--quiet", action="count", default=0, help="only warnings")
    add("--version", action="version", version=f"suitewatch {__version__}")
    # A bare --wait must not swallow the file behind it, as an optional value of argparse would.
    return parser.parse_intermixed_args(["--wait=120" if word == "--wait" else word for word in argv])


def read_seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 86400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400")
    return number


def write_summary(path: str, summary: Mapping[str, Any], *, voice: Voice) -> int:
    try:
        with open(path, "w", encoding="utf-8") as target:
            json.dump(summary, target, indent=2)
            target.write("\n")
    except OSError as error:
        voice.warn(f"The summary could not be written: {error}.")
        return WRONG_USE
    return SENT


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    **timing: Callable[..., Any],
) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name must not break a build whose locale is C
    options = parse_arguments(sys.argv[1:] if argv is None else argv)
    voice = Voice(options.verbose - 2 * options.quiet)
    summary: dict[str, Any] = {}
    try:
        errand = Errand(options, environ=environ, voice=voice, **timing)
        summary = errand.summary
        exit_code = errand.run()
    except UploadError as trouble:
        voice.warn(str(trouble))
        exit_code = trouble.exit_code
    except KeyboardInterrupt:
        exit_code = 130
    if exit_code == SERVER_TROUBLE and not options.fail_on_error:
        voice.warn("The trouble is the server's, not your build's: exit code 0 (--fail-on-error makes it 6).")
        exit_code = SENT
    if options.summary:
        exit_code = write_summary(options.summary, dict(summary, exit_code=exit_code), voice=voice) or exit_code
    return exit_code


if __name__ == "__main__":
    sys.exit(main())

"""gunicorn's threaded worker, made so that no client can hold what other clients need.

Named in `config.gunicorn`. What is scarce is not a thread but the right to work: SUITEWATCH_WEB_THREADS requests are
worked on at once, and whoever waits for a client (for a body, for an answer to be taken), or for a turn at what few may
do at once, lets others work meanwhile.
Heads are read in the main loop, which never waits for one client: a request without its whole head has no thread.
Threads that wait are many and cheap, and each wait has an end, which comes at once when threads run short.
Promise: forty stalled clients of any kind, and hundreds with half a head or body, leave others their answers
(`tests/journeys/test_stalled_sockets.py`).
"""

import errno
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager, suppress
from functools import partial
from operator import itemgetter
from typing import Any, Final

from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

HEAD_SECONDS: Final = 10.0
# Of a form. The door allows itself more, and then has limits of its own.
BODY_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
# How long a client may still read its answer, and send what we no longer want, after we are done.
LINGER_SECONDS: Final = 2.0
_LOOK_SECONDS: Final = 0.25
_HEAD_END: Final = b"\r\n\r\n"
# gunicorn refuses a head that is longer, and needs no more than this to see it.
_LONGEST_HEAD: Final = 128 * 1024
# A thread that waits was measured at some 40 kB.
_WAITING_PER_WORKING: Final = 8
# Of these, so many may wait for a turn of ours: nobody can end such a wait, as those for a client.
_ASIDE_PER_WORKING: Final = 2
_PIECE: Final = 64 * 1024
_NOTHING_TO_ACCEPT: Final = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)
_NO_MORE_FILES: Final = (errno.EMFILE, errno.ENFILE)

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class PatientConnection(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection that knows when its present wait has to end."""

    def __init__(self, worker: "PatientWorker", *args: Any) -> None:
        super().__init__(worker.cfg, *args)
        self._worker = worker
        self.head = bytearray()
        self.waits_since: float | None = None
        self._deadline: float | None = None
        self._direction = socket.SHUT_RDWR

    def wait_until(self, deadline: float, *, reading_only: bool = False) -> None:
        """Begin a wait for the client. One that only reads leaves the way for an answer open."""
        self._direction = socket.SHUT_RD if reading_only else socket.SHUT_RDWR
        self._deadline = deadline
        self.waits_since = time.monotonic()

    def end_wait(self) -> None:
        """The client came; what follows is our own work."""
        self._deadline = self.waits_since = None

    def give_up_if_late(self, now: float) -> None:
        """Wake the thread that has waited long enough: to it, the client has gone."""
        if self._deadline is not None and now > self._deadline:
            self.give_up()

    def give_up(self) -> None:
        """Wake the thread."""
        self.end_wait()
        with suppress(OSError):  # it really went
            self.sock.shutdown(self._direction)

    def close(self, graceful: bool = False) -> None:
        """gunicorn's graceful close would listen for up to two seconds, in the main loop."""
        if graceful:
            self._worker.linger(self)
        else:
            super().close()


class PatientWorker(ThreadWorker):  # type: ignore[misc] # as above
    """Many threads that may wait, few that may work."""

    wsgi: Application

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._gate = threading.BoundedSemaphore(self.cfg.threads)
        self._aside = threading.BoundedSemaphore(self.cfg.threads * _ASIDE_PER_WORKING)
        self._in_threads: set[PatientConnection] = set()
        self._lingering: dict[PatientConnection, float] = {}
        self._next_look = 0.0
        self._of_thread = threading.local()

    def get_thread_pool(self) -> futures.ThreadPoolExecutor:
        """Threads to wait in: several for each that may work."""
        return futures.ThreadPoolExecutor(max_workers=self.cfg.threads * _WAITING_PER_WORKING)

    def load_wsgi(self) -> None:
        """Put the gate in front of the application."""
        super().load_wsgi()
        self.wsgi = self._admit(self.wsgi)

    # --- In the main loop --------------------------------------------------------------------------------------

    def accept(self, listener: socket.socket) -> None:
        """Take a connection, and no thread for it until it says something."""
        try:
            client, address = listener.accept()
        except OSError as problem:
            if problem.errno in _NO_MORE_FILES:
                time.sleep(_LOOK_SECONDS)  # others have to end first
            elif problem.errno not in _NOTHING_TO_ACCEPT:
                raise
            return
        self.nr_conns += 1
        self._await_head(PatientConnection(self, client, address, listener.getsockname()))

    def on_client_socket_readable(self, conn: PatientConnection, client: socket.socket) -> None:
        """The next request on a connection that was kept begins."""
        self.poller.unregister(client)
        self.keepalived_conns.remove(conn)
        self._await_head(conn)

    def _await_head(self, conn: PatientConnection) -> None:
        # A process that stops takes no new clients: whoever it still waits for keeps its successor from starting.
        conn.timeout = time.monotonic() + (HEAD_SECONDS if self.alive else STOP_KEEPALIVE_LINGER)
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def on_pending_socket_readable(self, conn: PatientConnection, client: socket.socket) -> None:
        """A part of a head came. All of it, or what can never be one, is for a thread."""
        try:
            piece = client.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        # The end may lie across two pieces.
        looked_at = max(len(conn.head) - len(_HEAD_END), 0)
        conn.head += piece
        if piece and conn.head.find(_HEAD_END, looked_at) < 0 and len(conn.head) <= _LONGEST_HEAD:
            return
        self.poller.unregister(client)
        self.pending_conns.remove(conn)
        conn.data_ready = True
        self._give_to_thread(conn)

    def enqueue_req(self, conn: PatientConnection) -> None:
        """Called by gunicorn where a client sent more than one request: the next one may not be all there."""
        conn.head += conn.parser.unreader.take_buffered()
        if _HEAD_END in conn.head:
            self._give_to_thread(conn)
        else:
            conn.sock.setblocking(False)
            self._await_head(conn)

    def _give_to_thread(self, conn: PatientConnection) -> None:
        conn.sock.setblocking(True)
        conn.init()
        conn.parser.unreader.unread(bytes(conn.head))
        conn.head.clear()
        self._in_threads.add(conn)
        super().enqueue_req(conn)

    def finish_request(self, conn: PatientConnection, fs: "futures.Future[Any]") -> None:
        """Take it back."""
        self._in_threads.discard(conn)
        super().finish_request(conn, fs)

    def murder_pending(self) -> None:
        """Called by gunicorn each time round its loop: end what has waited for too long."""
        super().murder_pending()
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _LOOK_SECONDS
        for connection in self._in_threads:
            connection.give_up_if_late(now)
        self._make_room(now)
        for connection in [connection for connection, until in self._lingering.items() if now > until]:
            self._end_linger(connection)

    def _make_room(self, now: float) -> None:
        """Where fewer threads are free than may work, the connections that waited longest for their clients end."""
        n_too_many = len(self._in_threads) - self.cfg.threads * (_WAITING_PER_WORKING - 1)
        if n_too_many > 0:
            waiting = [(conn.waits_since or now, conn) for conn in self._in_threads]
            stalled = sorted((pair for pair in waiting if now - pair[0] > _LOOK_SECONDS), key=itemgetter(0))
            for _, connection in stalled[:n_too_many]:
                connection.give_up()

    def _cap_keepalive(self, deadline: float) -> None:
        """Called by gunicorn when it stops: whoever has sent no head is waited for as shortly as a kept connection."""
        super()._cap_keepalive(deadline)
        for connection in self.pending_conns:
            connection.timeout = min(connection.timeout, deadline)

    def linger(self, connection: PatientConnection) -> None:
        """Say goodbye, and let the client read its answer: closing with unread bytes would take it away."""
        try:
            connection.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client was faster
            connection.close()
            return
        connection.sock.setblocking(False)
        self.nr_conns += 1
        self._lingering[connection] = time.monotonic() + LINGER_SECONDS
        self.poller.register(connection.sock, selectors.EVENT_READ, partial(self._drain, connection))

    def _drain(self, connection: PatientConnection, client: socket.socket) -> None:
        try:
            gone = not client.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            gone = True
        if gone:
            self._end_linger(connection)

    def _end_linger(self, connection: PatientConnection) -> None:
        del self._lingering[connection]
        self.nr_conns -= 1
        self.poller.unregister(connection.sock)
        connection.close()

    # --- In a thread -------------------------------------------------------------------------------------------

    def handle(self, conn: PatientConnection) -> Any:
        """Wait for a request's head, then answer it."""
        conn.wait_until(time.monotonic() + HEAD_SECONDS)
        try:
            return super().handle(conn)
        finally:
            conn.end_wait()

    def handle_request(self, req: Any, conn: PatientConnection) -> Any:
        """Answer a request: gunicorn calls the application and sends what it gives."""
        self._of_thread.connection = conn
        return super().handle_request(req, conn)

    def _admit(self, application: Application) -> Application:
        def admitted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            connection: PatientConnection = self._of_thread.connection
            connection.end_wait()
            with self._gate:
                body = PatientBody(environ["wsgi.input"], connection, self._gate)
                environ |= {
                    "wsgi.input": body,
                    "suitewatch.allow_body_seconds": body.allow_seconds,
                    "suitewatch.step_aside": self._step_aside,
                }
                answer = _finish(application(environ, start_response))
            connection.wait_until(time.monotonic() + ANSWER_SECONDS)
            return answer

        return admitted

    @contextmanager
    def _step_aside(self) -> Iterator[bool]:
        """Let others work while a request waits for its turn at something; False where too many do so already."""
        if not self._aside.acquire(blocking=False):
            yield False
            return
        self._gate.release()
        try:
            yield True
        finally:
            self._aside.release()
            self._gate.acquire()


class PatientBody:
    """A request's body; whoever waits for it lets others work."""

    def __init__(self, body: Any, connection: PatientConnection, gate: threading.BoundedSemaphore) -> None:
        self._body, self._connection, self._gate = body, connection, gate
        self.allow_seconds(BODY_SECONDS)

    def allow_seconds(self, seconds: float) -> None:
        """All of it has to come within so many seconds from now."""
        self._deadline = time.monotonic() + seconds

    def read(self, *args: Any) -> bytes:
        """As gunicorn's own."""
        with self._waiting():
            return self._body.read(*args)  # type: ignore[no-any-return]

    def readline(self, *args: Any) -> bytes:
        """As gunicorn's own."""
        with self._waiting():
            return self._body.readline(*args)  # type: ignore[no-any-return]

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        self._connection.wait_until(self._deadline, reading_only=True)
        self._gate.release()
        try:
            yield
        finally:
            # What follows is our own queue; counted as the client's delay it would cut off the prompt.
            self._connection.end_wait()
            self._gate.acquire()


def _finish(answer: Any) -> Any:
    """An answer that is all there, finished before it is sent: a slow reader would keep its database connection."""
    if getattr(answer, "streaming", True):
        return answer
    pieces = list(answer)
    answer.close()
    return pieces

"""A wire that can be cut: a TCP proxy in front of a server of the tests.

It passes bytes on until it is told to swallow them: then it takes what comes and answers nothing, as a network that
drops packets. Its own kernel acknowledges what it swallows, so the client's never gives up: after `reset_after` seconds
the wire ends a connection that hangs, in place of the client's TCP_USER_TIMEOUT.
"""

import asyncio
import threading
import time
from contextlib import suppress
from typing import Self


class Wire:
    """Listens on a free port of 127.0.0.1; `path` is the unix socket of the server behind it."""

    def __init__(self, path: str, *, reset_after: float) -> None:
        self.port = 0
        self.is_dead = False
        self._path = path
        self._reset_after = reset_after
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def die(self) -> None:
        """From now on nothing comes through, on old connections as on new ones."""
        self.is_dead = True

    def revive(self) -> None:
        """New connections are served again; those that hang are ended."""
        self.is_dead = False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        while others := [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends or it hung for too long."""
        writers = [writer]
        try:
            back, forth = await asyncio.open_unix_connection(self._path)
            writers.append(forth)
            pumps = [asyncio.create_task(self._pump(*ends)) for ends in ((reader, forth), (back, writer))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, asyncio.CancelledError):
            pass  # PostgreSQL is away, or the wire is being taken down
        finally:
            for end in writers:
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        swallowed_at = 0.0
        while True:
            with suppress(TimeoutError):
                piece = await asyncio.wait_for(source.read(65536), 0.1)
                if not piece:
                    break
                if self.is_dead:
                    swallowed_at = swallowed_at or time.monotonic()
                elif not swallowed_at:
                    target.write(piece)
                    await target.drain()
            if swallowed_at and (not self.is_dead or time.monotonic() - swallowed_at > self._reset_after):
                break
        target.close()

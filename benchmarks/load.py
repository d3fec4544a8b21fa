"""Clients that upload as fast as they are answered, in a process of their own.

Called by `benchmarks.pieces.accept` through `benchmarks.fresh`.
"""

import http.client
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.client import Door, name_run


def run_clients(port: int, token: str, report: str, clients: int, seconds: float, label: str) -> dict[str, Any]:
    """What `clients` keep-alive connections saw: milliseconds of each accepted upload, statuses, broken connections."""
    body = Path(report).read_bytes()
    milliseconds: list[float] = []
    statuses: Counter[str] = Counter()
    until = time.monotonic() + seconds

    def upload(client: int) -> None:
        door, number = Door(port=port, token=token), 0
        while time.monotonic() < until:
            number += 1
            # Each run has its own name: the same delivery again would be a repeat, which is less work.
            fields = name_run(number, run_id=f"{label}-{client}-{number}")
            began = time.perf_counter()
            try:
                status, _ = door.post(body, fields)
            except (OSError, http.client.HTTPException):  # gunicorn replaces a process now and then
                statuses["reconnected"] += 1
                door.reconnect()
                continue
            statuses[str(status)] += 1
            if status == 202:
                milliseconds.append((time.perf_counter() - began) * 1e3)

    threads = [threading.Thread(target=upload, args=(client,)) for client in range(clients)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"milliseconds": milliseconds, "statuses": dict(statuses), "seconds": time.monotonic() - began}

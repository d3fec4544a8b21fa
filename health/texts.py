"""Pieces of an upload's texts: cut out of its one compressed stream without inflating it as a whole.

Used by `dashboard.queries.texts` for pages and by `health.causes` where failures are told apart by their words.
Promise: never more than one piece of the stream in memory beside what is asked for (`tests/dashboard/test_texts.py`).
"""

import zlib
from collections.abc import Iterable
from typing import Final

_PIECE: Final = 2**18

Span = tuple[int, int]  # from where to where in the inflated stream, in bytes


def cut_texts(blob: bytes, *, spans: Iterable[Span]) -> dict[Span, bytes]:
    """Inflate piece by piece, keep only what lies inside a span, stop behind the last one."""
    waiting = sorted(set(spans))
    last = max((end for _, end in waiting), default=0)
    parts: dict[Span, list[bytes]] = {span: [] for span in waiting}
    inflater, pending, at = zlib.decompressobj(), blob, 0
    while at < last and not inflater.eof:
        piece = inflater.decompress(pending, _PIECE)
        pending = inflater.unconsumed_tail
        if not piece and not pending:
            break
        for start, end in waiting:
            if start >= at + len(piece):
                break
            if end > at:
                parts[start, end].append(piece[max(start - at, 0) : end - at])
        at += len(piece)
        waiting = [span for span in waiting if span[1] > at]
    return {span: b"".join(pieces) for span, pieces in parts.items()}

"""The uploader's fixtures: a door, a clock, and the command (`tests/ingest/wire.py`)."""

from tests.ingest.wire import clock, door, run

__all__ = ["clock", "door", "run"]

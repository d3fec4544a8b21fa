"""Token buckets in PostgreSQL: how much of something a sender may still do, the same for every process.

Called by `ingest.quotas` (uploads, and what is not kept of them), `health.tokens` (wrong tokens) and
`dashboard.views.login` (wrong passwords).
A bucket holds `burst` and gains `rate` a second; a missing row is a full bucket. Time is the database's.
Promise: however many processes take at once, no more is given than the bucket held and gained
(`tests/health/test_allowances.py`).
"""

from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final

from health.sql import open_cursor

# Two processes may take in another order than they read the clock, so time never goes back.
_GAINED: Final = """
    least(%(burst)s, kept."left" + %(rate)s * greatest(0, extract(epoch FROM {now} - kept.counted_at)))
"""
_NOW: Final = "coalesce(%(now)s, clock_timestamp())"
_LOOK: Final = f"SELECT {_GAINED.format(now=_NOW)}::float8 FROM health_allowance kept WHERE key = %(key)s"  # noqa: S608
_TAKE: Final = f"""
    INSERT INTO health_allowance AS kept (key, "left", counted_at)
    VALUES (%(key)s, %(burst)s::float8 - %(cost)s::float8, {_NOW})
    ON CONFLICT (key) DO UPDATE SET "left" = {_GAINED.format(now="excluded.counted_at")} - %(cost)s,
        counted_at = greatest(kept.counted_at, excluded.counted_at)
    WHERE {_GAINED.format(now="excluded.counted_at")} >= %(cost)s
    RETURNING true
"""  # noqa: S608 - the parts are constants
_CHARGE: Final = f"""
    INSERT INTO health_allowance AS kept (key, "left", counted_at)
    VALUES (%(key)s, %(burst)s::float8 - %(cost)s::float8, {_NOW})
    ON CONFLICT (key) DO UPDATE SET "left" = {_GAINED.format(now="excluded.counted_at")} - %(cost)s,
        counted_at = greatest(kept.counted_at, excluded.counted_at)
"""  # noqa: S608 - the parts are constants
_GIVE_BACK: Final = """
    UPDATE health_allowance SET "left" = least(%(burst)s, "left" + %(cost)s) WHERE key = %(key)s
"""


def take(key: str, *, rate: float, burst: float, cost: float = 1.0, now: datetime | None = None) -> float:
    """Take `cost` out of a bucket. Returns 0.0 when it was there, else in how many seconds it will be.

    More than fits into the bucket costs all of it. Inside a transaction the row stays locked until its end: be last.
    """
    cost = min(cost, burst)
    values = {"key": key, "rate": rate, "burst": burst, "cost": cost, "now": now}
    if open_cursor().execute(_TAKE, values).fetchone():
        return 0.0
    return max(wait_for(peek(key, rate=rate, burst=burst, now=now), rate=rate, cost=cost), 0.001)


def peek(key: str, *, rate: float, burst: float, now: datetime | None = None) -> float:
    """How much a bucket holds."""
    statement, values = ask(key, rate=rate, burst=burst, now=now)
    row = open_cursor().execute(statement, values).fetchone()
    return float(row[0]) if row else burst


def ask(key: str, *, rate: float, burst: float, now: datetime | None = None) -> tuple[str, dict[str, Any]]:
    """The statement behind `peek` with its values, to be sent together with others; no row means a full bucket."""
    return _LOOK, {"key": key, "rate": rate, "burst": burst, "now": now}


def wait_for(left: float, *, rate: float, cost: float = 1.0) -> float:
    """In how many seconds a bucket that holds `left` will hold `cost`."""
    return max(0.0, (cost - left) / rate)


def charge(key: str, *, rate: float, burst: float, cost: float, now: datetime | None = None) -> None:
    """Take what was used already, although the bucket may owe it then: the next to ask waits longer."""
    open_cursor().execute(_CHARGE, {"key": key, "rate": rate, "burst": burst, "cost": cost, "now": now})


def give_back(key: str, *, burst: float, cost: float = 1.0) -> None:
    """Put back what was taken for something that then did not happen."""
    open_cursor().execute(_GIVE_BACK, {"key": key, "burst": burst, "cost": cost})


def name_address(address: str) -> str:
    """A sender's address as part of a key: whoever has one IPv6 address has all 2**64 of its network."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    mapped = parsed.ipv4_mapped if parsed.version == 6 else None
    if mapped or parsed.version == 4:
        return str(mapped or parsed)
    return str(ip_network((parsed, 64), strict=False))


def forget_old() -> None:
    """Drop what nobody took from for a day: by then each bucket we use is full again."""
    open_cursor().execute("DELETE FROM health_allowance WHERE counted_at < clock_timestamp() - interval '1 day'")

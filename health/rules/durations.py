"""Durations as 16-bit floats: what a tile keeps of how long a case took.

Eleven bits of mantissa, five of exponent, unit 10 µs: exact below 20.47 ms, within 0.05 % above, up to a year.
Used by the store and by readers of tiles; pure. Promise: `decode(encode(x))` is within 0.05 % of x, and SQL
decodes alike as `(w & 2047)::bigint << (w >> 11)` (`tests/health/test_durations.py`).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

UNITS_PER_SECOND: Final = 100_000
_MANTISSA_BITS: Final = 11
_LARGEST_MANTISSA: Final = (1 << _MANTISSA_BITS) - 1
_LARGEST_SECONDS: Final = float(_LARGEST_MANTISSA << 31) / UNITS_PER_SECOND

Words = npt.NDArray[np.uint16]
Units = npt.NDArray[np.int64]


def encode_seconds(seconds: npt.ArrayLike) -> Words:
    """Pack seconds (finite, not negative) into 16-bit words; more than a year is cut to about 500 days."""
    units = np.rint(np.clip(np.asarray(seconds, np.float64), 0, _LARGEST_SECONDS) * UNITS_PER_SECOND)
    _, bits = np.frexp(units)
    exponent = np.maximum(bits.astype(np.int64) - _MANTISSA_BITS, 0)
    mantissa = np.rint(np.ldexp(units, -exponent)).astype(np.int64)
    # Rounding 2047.6 up gives 2048, one bit too many: it is 1024 of the next exponent.
    carried = mantissa > _LARGEST_MANTISSA
    mantissa = np.where(carried, mantissa >> 1, mantissa)
    exponent = exponent + carried
    return (mantissa | (exponent << _MANTISSA_BITS)).astype(np.uint16)


def decode_units(words: Words) -> Units:
    """Unpack 16-bit words into whole units of 10 µs."""
    wide = words.astype(np.int64)
    return (wide & _LARGEST_MANTISSA) << (wide >> _MANTISSA_BITS)

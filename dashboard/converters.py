"""What stands in addresses beside words and numbers; imported by both lists of addresses for its effect.

Promise: what is written here is read here (`tests/dashboard/test_cause_views.py`).
"""

from django.urls import register_converter

from health.rules.fingerprints import read_fingerprint, write_fingerprint


class FingerprintConverter:
    """A cause in an address: a signed 64-bit number as sixteen hexadecimal digits."""

    regex = "[0-9a-f]{16}"

    def to_python(self, value: str) -> int:
        """The number; Django takes ValueError as "no such address"."""
        fingerprint = read_fingerprint(value)
        if fingerprint is None:
            raise ValueError(value)
        return fingerprint

    def to_url(self, value: int) -> str:
        """Its digits."""
        return write_fingerprint(value)


register_converter(FingerprintConverter, "fingerprint")

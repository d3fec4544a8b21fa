"""JUnit reports whose figures are known, of any size."""

import gzip
from dataclasses import dataclass


@dataclass(frozen=True)
class Report:
    """A file with `n` cases, of which `failed` fail."""

    n: int
    failed: int
    body: bytes

    @property
    def packed(self) -> bytes:
        """As the uploader sends it."""
        return gzip.compress(self.body, 1, mtime=0)


def make_report(n: int, *, fail_every: int = 100, first: int = 0) -> Report:
    """Cases named by number from `first`, a thousand to a class; each hundredth fails with a message and a text."""
    lines = ["<testsuite name='s'>"]
    failed = 0
    for number in range(first, first + n):
        head = f"<testcase classname='tests.module_{number // 1000}' name='test_{number}' time='0.012'"
        if number % fail_every:
            lines.append(f"{head}/>")
        else:
            failed += 1
            lines.append(f"{head}><failure message='case {number} broke'>at line {number}</failure></testcase>")
    lines.append("</testsuite>")
    return Report(n, failed, "\n".join(lines).encode())

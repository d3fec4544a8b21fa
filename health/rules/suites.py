"""Which suite a case is shown under when nobody said, and which test level a suite's name suggests.

Used by `ingest.store` for new cases; pure. Promise: the same identity always gives the same suite.
"""

import re
from hashlib import blake2b
from typing import Final

# What runners write when they have no name of their own to give; such a name groups everything into one heap.
_PLACEHOLDERS: Final = frozenset(
    {
        "",
        "pytest",
        "pytest tests",
        "nosetests",
        "jest tests",
        "mocha tests",
        "root suite",
        "testsuite",
        "tests",
        "suite",
    }
)
_LEVEL_WORDS: Final[dict[str, str]] = {
    "unit": "unit",
    "units": "unit",
    "contract": "contract",
    "contracts": "contract",
    "integration": "integration",
    "functional": "integration",
    "e2e": "e2e",
    "endtoend": "e2e",
    "acceptance": "e2e",
    "journeys": "e2e",
    "performance": "performance",
    "perf": "performance",
    "load": "performance",
    "benchmark": "performance",
}
_WORD = re.compile(r"[a-z0-9]+")
SUITE_DEPTH: Final = 2
_MOST_BYTES: Final = 600


def choose_suite(suite_path: str, class_name: str, *, job: str) -> str:
    """The suite of a case: the outermost suite that has a name of its own, else its package, else the job.

    `suite_path` holds the enclosing suite names joined by U+001E.
    """
    outermost = suite_path.partition("\x1e")[0]
    if outermost.strip().lower() not in _PLACEHOLDERS:
        return shorten_name(outermost)
    parts = re.split(r"[./:\\]+", class_name.strip("./:\\"), maxsplit=SUITE_DEPTH)
    package = ".".join(parts[:SUITE_DEPTH])
    return shorten_name(package or job or "tests")


def shorten_name(name: str) -> str:
    """A name that fits an index row; a longer one is cut and told apart by its digest."""
    packed = name.encode("utf-8", "surrogatepass")
    if len(packed) <= _MOST_BYTES:
        return name
    digest = blake2b(packed, digest_size=4).hexdigest()
    return f"{packed[: _MOST_BYTES - len(digest) - 4].decode(errors='ignore')}… {digest}"


def guess_level(*names: str) -> str:
    """The test level the first telling word of the names stands for; empty when none does."""
    for name in names:
        for word in _WORD.findall(name.lower().replace("end-to-end", "endtoend").replace("end_to_end", "endtoend")):
            if word in _LEVEL_WORDS:
                return _LEVEL_WORDS[word]
    return ""

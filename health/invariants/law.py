"""The form of a law: its name, its words, and the SQL that finds where it is broken.

Used by the other modules here. Each statement gets the ids of projects, and returns a project with the values that
the words name.
"""

from typing import Final, NamedTuple


class Invariant(NamedTuple):
    """One law: its name, what is wrong where it is broken, and the statement that finds those places."""

    name: str
    words: str
    statement: str


# The states in which an upload's contents are facts, and those in which nothing is tried any more.
KEPT: Final = "('stored', 'partial')"
FINAL: Final = "('stored', 'partial', 'failed', 'dead', 'cancelled')"

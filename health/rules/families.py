"""The family of a case: its name without parameters, in the dialects test runners write.

Used by the pages of case and run, by what needs attention and by `health.rules.renames`; pure. A dialect is only
followed where its form cannot be anything else: a name that is split wrongly would put strangers into one family.
Promise: the table of examples in `tests/health/test_families.py`.
"""

import re
from typing import Final, NamedTuple


class Family(NamedTuple):
    """A name in two parts; without `parameters` the case is nobody's relative."""

    name: str
    parameters: str


_LONGEST: Final = 2_000  # beyond, looking for parameters could take longer than they are worth

# What a function is called, in any language, with the types some runners put behind it: `rows(int, String)`.
_CALLED: Final = r"[^\s\[\](){}]+(?:\([^()]*\)|\{[^{}]*\})?"

# Each with the sign that must stand in the name: most names hold none of them.
_DIALECTS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    # pytest `test_x[1-2]`, JUnit 4 `add[0: 1+1]`, JUnit 5 `rows(int, String)[1]`
    ("[", re.compile(rf"({_CALLED})(\[.*\])", re.DOTALL)),
    # TestNG through Gradle `rows[0](1, one)`
    ("](", re.compile(rf"({_CALLED})(\[\d+\]\(.*\))", re.DOTALL)),
    # JUnit 5 with display names `rows(int, String) [1] one, 1`; a plain sentence needs something behind its number
    (" [", re.compile(r"(\S[^\[\]]*?)( \[\d+\] .+|(?<=\)) \[\d+\])", re.DOTALL)),
    # Go `TestTable/two_words`
    ("/", re.compile(r"((?:Test|Fuzz|Benchmark|Example)[^\s/]*)(/.+)", re.DOTALL)),
    # GoogleTest `Positive/0`
    ("/", re.compile(r"([A-Za-z_]\w*)(/\d+)")),
    # PHPUnit `testRows with data set "one"`, `testRows with data set #0 (1, 2)`
    (" with data set ", re.compile(r"(\w+)( with data set (?:#\d+|\").*)", re.DOTALL)),
    # unittest `test_sub (i=2)`, `test_sub [message] (i=2)`
    ("=", re.compile(r"(test\w*)( (?:\[.*\] )?\([A-Za-z_]\w*=.*\))", re.DOTALL)),
    # xUnit.net `Is_Even(i: 2)`
    (": ", re.compile(r"([^(){}\[\]]*[^\s(){}\[\]])(\([A-Za-z_]\w*: .*\))", re.DOTALL)),
    # NUnit `Fixture.Method(9,11)`: values, where Java writes types
    ("(", re.compile(r"(?i:([\w.<>`,+]+)(\((?=-?\d|\"|'|(?:true|false|null)[,)]).*\)))", re.DOTALL)),
)


def split_family(name: str) -> Family:
    """The name's family and its parameters as they are written, brackets and all; most names have none."""
    if len(name) > _LONGEST:
        return Family(name, "")
    for sign, pattern in _DIALECTS:
        if sign in name and (found := pattern.fullmatch(name)):
            return Family(found[1], found[2])
    return Family(name, "")

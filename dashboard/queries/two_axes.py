"""How a share is said together with what was put off: executed of declared, and backed of deferred, in one line.

Used wherever a suite, run, branch or project stands with its share. An expected failure ran, and is put off all the
same: it is counted as executed once, and the line says that some of the deferred did run. `backed` is how many of the
deferred results have a backing that holds; None where nobody knows, as of an older run. Pure.
Promise: nothing is called 100 % while something is put off that nothing backs (`tests/dashboard/test_two_axes.py`).
"""

from dashboard.queries.facts import Counts


def tell_axes(counts: Counts, *, backed: int | None) -> str:
    """The line: "12 of 14 executed (86 %), 2 deferred, 2 backed"; of nothing declared it is empty."""
    if not counts.declared:
        return ""
    share = ""
    if counts.executed < counts.declared or is_backed(counts, backed=backed):
        share = f" ({_write_percent(counts.executed, counts.declared)})"
    executed = f"{counts.executed:,}" if counts.executed else "none"
    said = [f"{executed} of {counts.declared:,} executed{share}"]
    if counts.deferred:
        said.append(f"{counts.deferred:,} deferred{_tell_ran(counts)}{tell_backed(counts, backed=backed)}")
    return ", ".join(said)


def tell_backed(counts: Counts, *, backed: int | None) -> str:
    """What follows a number of deferred tests: ", 2 backed", ", none backed"; empty where nobody knows."""
    if not counts.deferred or backed is None:
        return ""
    return f", {f'{backed:,}' if backed else 'none'} backed"


def tell_put_off(counts: Counts, *, backed: int | None, noun: str = "") -> str:
    """The same as a clause: "25 are put off, none of them backed", with a `noun` "25 tests are put off, …"."""
    n = counts.deferred
    if not n:
        return ""
    subject = f"{n:,} {noun}{'' if n == 1 else 's'}" if noun else f"{n:,}"
    said = f"{subject} {'is' if n == 1 else 'are'} put off"
    if backed is None:
        return said
    if n == 1:
        return f"{said} and {'backed' if backed else 'not backed'}"
    if backed == n:
        return f"{said}, {'both' if n == 2 else 'all of them'} backed"
    return f"{said}, {f'{backed:,}' if backed else 'none'} of them backed"


def is_backed(counts: Counts, *, backed: int | None) -> bool:
    """Whether nothing is put off, or all of it is known to be backed: only then a share may be called whole."""
    return not counts.deferred or backed == counts.deferred


def _tell_ran(counts: Counts) -> str:
    if not counts.xfailed:
        return ""
    return " (which ran)" if counts.xfailed == counts.deferred else f" ({counts.xfailed:,} of them ran)"


def _write_percent(part: int, whole: int) -> str:
    """To the nearest whole per cent, but never up to all of it: 99.6 is 99. Nor down to nothing."""
    if part == whole:
        return "100 %"
    if part * 100 < whole:
        return "under 1 %" if part else "0 %"
    return f"{min((part * 200 + whole) // (whole * 2), 99)} %"

"""JUnit reports as pytest writes them, of any size; the same number gives the same bytes everywhere.

Used by every piece. About 2 % of the cases fail with a traceback and 3 % are skipped. Variants of one size
share their names, their skips and half of their failures: the other half comes and goes, so that there are flips.
"""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final
from xml.sax.saxutils import escape, quoteattr


def _list_words(text: str) -> list[str]:
    return text.split()


_AREAS: Final = _list_words(
    """accounts api audit auth backup billing cache catalog charts cli config export feeds files forms gateway graph
    hooks imports index jobs labels ledger mail media metrics notes orders pages payments plans queue rates reports
    search sessions storage sync tokens users"""
)
_ACTIONS: Final = _list_words(
    "accepts builds closes counts drops finds keeps merges moves opens reads refuses sends writes"
)
_THINGS: Final = _list_words(
    """account address amount archive badge batch branch bundle channel column cursor digest draft event field filter
    folder header image invoice key label letter limit line member message name offer owner page part path plan price
    profile record region result role rule scope share step stream table tag team token total unit value window zone"""
)
_AREA_SIZE: Final = 250
_CLASS_SIZE: Final = 10
_SKIPPED, _ALWAYS_FAILS, _SOMETIMES_FAILS = 0.03, 0.04, 0.06
_FRAMES: Final = 8


@dataclass(frozen=True, slots=True)
class GeneratedCase:
    """One case of a generated report; `outcome` is pass, fail or skip."""

    class_name: str
    name: str
    seconds: float
    outcome: str
    message: str = ""
    text: str = ""


def generate_cases(n: int, *, variant: int = 0) -> Iterator[GeneratedCase]:
    """The cases of one report."""
    stable, drawn = Random(f"names {n}"), Random(f"results {n} {variant}")
    for number in range(n):
        area = _AREAS[number // _AREA_SIZE % len(_AREAS)]
        module = _THINGS[number // (_CLASS_SIZE * 5) % len(_THINGS)]
        group = f"Test{stable.choice(_ACTIONS).title()}{number // _CLASS_SIZE:x}"
        name = f"test_{stable.choice(_ACTIONS)}_{stable.choice(_THINGS)}_{number}"
        if stable.random() < 0.3:
            name += f"[{stable.choice(_THINGS)}-{stable.choice(_THINGS)}]"
        fate, seconds = stable.random(), stable.lognormvariate(-4.5, 1.3) * drawn.uniform(0.85, 1.2)
        class_name = f"tests.{area}.test_{module}.{group}"
        if fate < _SKIPPED:
            reason = f"needs {stable.choice(_AREAS)} >= {stable.randrange(9)}.0"
            text = f"tests/{area}/test_{module}.py:{number}: {reason}"
            yield GeneratedCase(class_name, name, 0.0, "skip", reason, text)
        elif fate < _ALWAYS_FAILS or (fate < _SOMETIMES_FAILS and drawn.random() < 0.5):
            message, text = _describe_failure(drawn, area, module)
            yield GeneratedCase(class_name, name, seconds, "fail", message, text)
        else:
            yield GeneratedCase(class_name, name, seconds, "pass")


def _describe_failure(drawn: Random, area: str, module: str) -> tuple[str, str]:
    left, right, address = drawn.randrange(1000), drawn.randrange(1000), f"0x7f{drawn.getrandbits(40):010x}"
    lines = [f"self = <{area}.{module.title()} object at {address}>", ""]
    for _ in range(_FRAMES):
        action, thing = drawn.choice(_ACTIONS), drawn.choice(_THINGS)
        lines.append(f"src/{area}/{thing}.py:{drawn.randrange(900)}: in {action}_{thing}")
        lines.append(f"    return self.{thing}.{action}({drawn.randrange(99)})")
    lines.append(f"E       AssertionError: assert {left} == {right}")
    lines.append(f"tests/{area}/test_{module}.py:{right}: AssertionError")
    message = f"AssertionError: assert {left} == {right}\n +  where {left} = count(<{module} at {address}>)"
    return message, "\n".join(lines)


def write_report(path: Path, n: int, *, variant: int = 0) -> None:
    """Write one report; its suite declares what it lists."""
    cases = list(generate_cases(n, variant=variant))
    outcomes = [case.outcome for case in cases]
    counts = f'errors="0" failures="{outcomes.count("fail")}" skipped="{outcomes.count("skip")}" tests="{n}"'
    seconds = f"{sum(case.seconds for case in cases):.3f}"
    head = (
        '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">'
        f'<testsuite name="pytest" {counts} time="{seconds}" timestamp="2026-03-02T09:00:00.000000+00:00" hostname="x">'
    )
    with path.open("w", encoding="utf-8") as file:
        file.write(head)
        file.writelines(map(_format_case, cases))
        file.write("</testsuite></testsuites>\n")


def write_long_texts(path: Path, n: int, *, n_bytes: int, share: int = 10) -> None:
    """A report of about `n_bytes`: every case of a `share` fails, with a text as long as that takes."""
    drawn = Random(f"texts {n}")
    # About 90 bytes for a case beside its text.
    length = (n_bytes - 90 * n) // (n // share)
    with path.open("w", encoding="utf-8") as file:
        file.write(f'<?xml version="1.0" encoding="utf-8"?><testsuite name="pytest" tests="{n}">')
        for number in range(n):
            case = GeneratedCase(f"tests.area_{number // 100}.Group", f"test_case_{number}", 0.01, "pass")
            if number % share == 0:
                case = replace(case, outcome="fail", message=f"assert {number} == 0", text=_write_log(drawn, length))
            file.write(_format_case(case))
        file.write("</testsuite>\n")


def _write_log(drawn: Random, length: int) -> str:
    """What a service wrote while a test waited for it: much the same lines, with times and numbers."""
    line, size = "", 0
    lines: list[str] = []
    while size < length:
        if len(lines) % 20 == 0:
            words = [drawn.choice(group) for group in (_AREAS, _THINGS, _ACTIONS, _THINGS)]
            line = "INFO {}.{}: {} the {}".format(*words)
        lines.append(f"2026-03-02T09:00:{drawn.randrange(60):02} {line} number {len(lines)}")
        size += len(lines[-1]) + 1
    return "\n".join(lines)[:length]


def _format_case(case: GeneratedCase) -> str:
    start = f'<testcase classname="{case.class_name}" name="{case.name}" time="{case.seconds:.3f}"'
    if case.outcome == "pass":
        return f"{start} />"
    message = quoteattr(case.message, {"\n": "&#10;"})
    if case.outcome == "fail":
        return f"{start}><failure message={message}>{escape(case.text)}</failure></testcase>"
    return f'{start}><skipped type="pytest.skip" message={message}>{escape(case.text)}</skipped></testcase>'


class Shelf:
    """Generated files in a folder, each made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def plain(self, n: int, *, variant: int = 0) -> Path:
        """A report of `n` cases."""
        path = self._folder / f"{n}-{variant}.xml"
        if not path.exists():
            write_report(path, n, variant=variant)
        return path

    def packed(self, n: int, *, variant: int = 0) -> Path:
        """The same report, gzipped as the uploader does it."""
        path = self._folder / f"{n}-{variant}.xml.gz"
        if not path.exists():
            path.write_bytes(gzip.compress(self.plain(n, variant=variant).read_bytes(), 6, mtime=0))
        return path

"""The register as lists that pytest takes: what to deselect, and what is expected to fail.

Called by `dashboard.queries.deferred_named`; pure. `deselect` holds what is skipped or quarantined and is meant for
`pytest @FILE` (pytest 8.2 and newer); `xfail` holds what is expected to fail or quarantined, for who goes on running
it. Promise: a line is one node id and never another option, whatever a report calls its tests, and pytest leaves out
exactly those; what cannot be written so is counted at the head (`tests/dashboard/test_deferred_export.py`).
"""

import json
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

# Which kinds are in which list. What is quarantined is in both: one may leave it out, or run it and expect nothing.
KINDS_OF: Final[dict[str, tuple[str, ...]]] = {
    "deselect": ("skip", "quarantine"),
    "xfail": ("xfail", "quarantine"),
    "json": ("skip", "xfail", "quarantine"),
}
FORMATS: Final = tuple(KINDS_OF)
CONTENT_TYPES: Final = dict.fromkeys(FORMATS, "text/plain; charset=utf-8") | {"json": "application/json"}

_IS_PATH: Final = re.compile(r"[/\\]|\.py\Z")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_LONGEST_REASON: Final = 500
_MEANT: Final = {
    "deselect": "Skipped or quarantined. For `pytest @FILE`, with pytest 8.2 or newer.",
    "xfail": "Expected to fail or quarantined: node id, tab, reason. Run them and expect nothing of them.",
}


@dataclass(frozen=True, slots=True)
class PutOffName:
    """A case that is put off, by the names its report gave it."""

    namespace: str
    suite_path: tuple[str, ...]
    class_name: str
    name: str
    kind: str
    reason: str
    owner: str = ""
    review: str = ""
    issue: str = ""


class OtherName(NamedTuple):
    """A case that is not put off, beside those that are."""

    namespace: str
    class_name: str
    name: str


def write_export(
    form: str, cases: Iterable[PutOffName], *, others: Iterable[OtherName] = (), project: str, run: int | None
) -> str:
    """The list of that form; `run` is the newest run of the branch that the register is of.

    `others` matter to `deselect` alone: pytest deselects all that begins like a line, so a test whose name another
    one continues is left out of the list.
    """
    named = [(write_node_id(case), case) for case in cases if case.kind in KINDS_OF[form]]
    nodes = {node: case for node, case in sorted(named, key=_by_node) if node}
    blurred = _find_blurred(nodes, others) if form == "deselect" else frozenset()
    listed = {node: case for node, case in nodes.items() if node not in blurred}
    n_unnamed = sum(not node for node, _ in named)
    if form == "json":
        return _write_json(listed, project=project, run=run, n_left_out=n_unnamed)
    head = _write_head(form, len(listed), project=project, run=run, n_unnamed=n_unnamed, n_blurred=len(blurred))
    lines = [*head, *(_write_line(form, node, case) for node, case in listed.items())]
    return "".join(f"{line}\n" for line in lines)


def _find_blurred(nodes: Mapping[str, PutOffName], others: Iterable[OtherName]) -> frozenset[str]:
    """Those that the node id of a test which is not put off begins with. Sorted, what continues a text follows it."""
    rest = (write_node_id(PutOffName(o.namespace, (), o.class_name, o.name, "", "")) for o in others)
    beside = sorted(node for node in rest if node and node not in nodes)
    places = ((node, bisect_left(beside, node)) for node in nodes)
    return frozenset(node for node, at in places if at < len(beside) and beside[at].startswith(node))


def write_node_id(case: PutOffName) -> str:
    """How pytest calls this case; "" where that cannot be said or could not be written as one line.

    JUnit has `tests.test_a.TestB` for the class TestB in tests/test_a.py: from the first part on that begins with a
    capital letter they are classes. A class name that is a path is kept.
    """
    if not case.class_name or not case.name:
        return ""
    parts = [case.class_name] if _IS_PATH.search(case.class_name) else case.class_name.split(".")
    if not all(parts):
        return ""
    path, classes = _split_classes(parts)
    if not path:
        return ""
    folder = case.namespace.strip("/")
    node = "::".join((f"{folder}/{path}" if folder else path, *classes, case.name))
    return "" if _CONTROLS.search(node) or node[0] in "-#@" else node


def _split_classes(parts: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The file and the classes in it."""
    if len(parts) == 1 and _IS_PATH.search(parts[0]):
        path, *classes = parts[0].replace("\\", "/").removeprefix("./").split("::")
        return path, classes
    at = next((at for at, part in enumerate(parts) if part[0].isupper()), len(parts))
    return (f"{'/'.join(parts[:at])}.py" if at else "", parts[at:])


def _by_node(named: tuple[str, PutOffName]) -> str:
    return named[0]


def _write_head(form: str, n: int, *, project: str, run: int | None, n_unnamed: int, n_blurred: int) -> list[str]:
    """What the list is. Files of arguments know no comments: there it stands in options that fit no test."""
    as_of = f"as of run {run}" if run is not None else "before the first run"
    told = [f"{project}, {as_of}: {n:,} {'test' if n == 1 else 'tests'}. {_MEANT[form]}"]
    if n_unnamed:
        told.append(f"Left out, because pytest has no plain name for them: {n_unnamed:,}.")
    if n_blurred:
        told.append(f"Left out, because names of tests that are not put off begin like theirs: {n_blurred:,}.")
    return [f"{'--deselect=' if form == 'deselect' else ''}# {line}" for line in told]


def _write_line(form: str, node: str, case: PutOffName) -> str:
    if form == "deselect":
        return f"--deselect={node}"
    return f"{node}\t{clean_text(case.reason)[:_LONGEST_REASON]}".rstrip()


def clean_text(text: str) -> str:
    """A text on one line: what would break it, or turn it around, becomes a blank."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _write_json(listed: dict[str, PutOffName], *, project: str, run: int | None, n_left_out: int) -> str:
    tests: list[dict[str, Any]] = [
        {
            "id": node,
            "kind": case.kind,
            "reason": case.reason,
            "owner": case.owner,
            "review": case.review or None,
            "issue": case.issue,
        }
        for node, case in listed.items()
    ]
    return json.dumps({"project": project, "run": run, "tests": tests, "left_out": n_left_out}, ensure_ascii=True)

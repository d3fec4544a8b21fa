"""Which fault tests a run includes: the smoke part, or with `--faults=all` each of them; what is left out is said.

A fault test carries the marker `fault`; those of the smoke part carry `fault_smoke` as well. Whoever names tests with
`-k`, `-m` or `file::test` gets exactly those. `make faults` runs all; `make test` and CI run the smoke part.
"""

import re
from typing import Any

import pytest

_LEFT_OUT = pytest.StashKey[list[str]]()
_MARKS = {"fault", "fault_smoke"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--faults=all` or `--faults=smoke`."""
    text = "which of the tests that kill, freeze and cut off real processes run (smoke)"
    parser.addoption("--faults", choices=("smoke", "all"), default="smoke", help=text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the fault tests that are not asked for."""
    config.stash.setdefault(_LEFT_OUT, [])
    are_named = config.option.markexpr or config.option.keyword or any("::" in word for word in config.args)
    if config.option.faults == "all" or are_named:
        return
    left_out = [item for item in items if {mark.name for mark in item.iter_markers()} & _MARKS == {"fault"}]
    if left_out:
        config.stash[_LEFT_OUT] += [item.name for item in left_out]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells the first process, which collects nothing itself."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["faults_left_out"] = session.config.stash.get(_LEFT_OUT, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Each worker left out the same ones."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("faults_left_out", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what did not run, and how it does."""
    left_out = config.stash.get(_LEFT_OUT, [])
    if left_out:
        numbers = ", ".join(sorted({name[5:8].upper() for name in left_out if re.match(r"test_f\d\d_", name)}))
        terminalreporter.section("fault tests that were left out")
        terminalreporter.line(f"{len(left_out)} tests of {numbers} take minutes; `make faults` runs them.")

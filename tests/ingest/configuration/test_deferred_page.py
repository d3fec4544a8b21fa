"""What docs/deferred.md shows works as it says: its YAML, its patterns, its reasons, its piece of pytest."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from health.rules.case_patterns import read_pattern
from health.rules.gate import RULES
from health.rules.reasons import read_reason
from health.rules.selectors import take_parts
from ingest.configuration import CONFIGURATION, DEFERRALS, read_file

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "deferred.md").read_text(encoding="utf-8")
FIELDS = {"review day": "until"}


def list_blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def list_rows(title: str, n_cells: int) -> list[list[str]]:
    """The rows of a section's tables that have so many cells."""
    section = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]
    return [row for row in rows if len(row) == n_cells]


@pytest.mark.parametrize("text", list_blocks("yaml"))
def test_each_file_on_the_page_is_good(text: str) -> None:
    found = read_file(text, file=CONFIGURATION)
    assert (found.warnings, bool(found.content)) == ([], True)
    if "deferrals" in found.content:
        assert read_file(text, file=DEFERRALS).warnings == []


def test_the_files_on_the_page_were_found() -> None:
    contents = [set(read_file(text, file=CONFIGURATION).content) for text in list_blocks("yaml")]
    assert contents == [{"deferrals"}, {"deferral_policy"}, {"gate"}]


@pytest.mark.parametrize(("text", "_names", "example"), list_rows("Backing", 3))
def test_each_pattern_names_its_example(text: str, _names: str, example: str) -> None:
    pattern = read_pattern(text.strip("`"))
    suite, _, case = example.strip("`").rpartition(" › ")
    class_name, _, name = case.partition("::")
    assert pattern is not None
    assert pattern.fits(take_parts("", suite_path="", class_name=class_name, name=name, suite=suite), level="unit")
    other = take_parts("", suite_path="", class_name="docs.build", name="links", suite="docs")
    assert not pattern.fits(other, level="unit")
    assert (pattern.count == 11) == ("11" in text)


def test_what_cannot_be_looked_up_cannot() -> None:
    texts = re.findall(r"^\* `(.+)`$", PAGE.split("## Backing\n")[1].split("\n## ")[0], re.MULTILINE)
    assert len(texts) == 3
    assert [read_pattern(text) for text in texts] == [None] * 3
    assert len(list_rows("Backing", 3)) == 9


@pytest.mark.parametrize(("text", "field"), list_rows("What is read in a reason", 2))
def test_each_reason_is_read_as_it_says(text: str, field: str) -> None:
    said = text.strip("`")
    found = read_reason(f"The session is shared, {said}")
    value = getattr(found, FIELDS.get(field, field))
    assert str(value[0] if isinstance(value, tuple) else value) in said
    assert value


def test_the_gate_s_reasons_are_those_there_are() -> None:
    assert len(list_rows("What is read in a reason", 2)) == 5
    assert [row[0].strip("`") for row in list_rows("The gate", 2)] == list(RULES)


def test_the_piece_of_pytest_expects_what_is_listed_and_nothing_else(tmp_path: Path) -> None:
    (conftest,) = list_blocks("python")
    (tmp_path / "conftest.py").write_text(conftest, encoding="utf-8")
    (tmp_path / "xfail.txt").write_text(
        "# shop\ntest_a.py::test_one[a b]\tlater, \u00fc\ntest_a.py::test_two\n", encoding="utf-8"
    )
    (tmp_path / "test_a.py").write_text(
        "import pytest\n@pytest.mark.parametrize('x', ['a b'])\ndef test_one(x): assert 0\n"
        "def test_two(): pass\ndef test_three(): pass\n",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "pytest", "-q", "-rxX", "-p", "no:cacheprovider", "--rootdir", "."]
    environ = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONUTF8": "1"}
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )
    assert "1 passed, 1 xfailed, 1 xpassed" in done.stdout, done.stdout + done.stderr
    assert "later, \u00fc" in done.stdout


@pytest.mark.parametrize("name", re.findall(r"\]\(([a-z-]+\.md)(?:#[a-z-]+)?\)", PAGE))
def test_what_it_links_to_is_there(name: str) -> None:
    assert (DOCS / name).is_file()

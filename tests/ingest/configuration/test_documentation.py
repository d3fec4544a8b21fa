"""What docs/configuration-file.md shows works as it says."""

import re
from pathlib import Path

import pytest

from health.rules.globs import compile_path, list_places
from ingest.configuration import read_configuration
from ingest.configuration.shapes import load_schema

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "configuration-file.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| `([^`]+)` \| (`[^|]+`) \|$", PAGE.split("### Where a test lives")[1].split("## Owners")[0], re.MULTILINE
)


def test_the_example_is_good_and_shows_every_key() -> None:
    example = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
    read = read_configuration(example)
    assert read.warnings == []
    assert set(read.content) == set(load_schema()["properties"])
    assert [rule.get("level") for rule in read.content["suites"]] == ["contract", "integration", "performance"]


def test_all_keys_are_listed_with_their_limits() -> None:
    table = PAGE.split("## All keys")[1]
    schema = load_schema()["properties"]
    wanted = {}
    for name, part in schema.items():
        inner = part.get("properties")
        wanted |= {f"{name}.{key}": value for key, value in inner.items()} if inner else {name: part}
    listed = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", table, re.MULTILINE))
    assert set(listed) == set(wanted)
    for name, part in wanted.items():
        assert str(part.get("maxItems", part.get("maximum"))) in listed[name], name


@pytest.mark.parametrize(("says", "globs"), ROWS)
def test_the_table_of_paths_is_true(says: str, globs: str) -> None:
    places = list_places("", suites=(), class_name=says)
    for glob in re.findall("`([^`]+)`", globs):
        assert compile_path(glob).matches(places), glob


def test_the_table_of_paths_was_found() -> None:
    assert len(ROWS) == 6

"""Vendored files are what VERSIONS.txt says, and Plotly's two halves have one version."""

import hashlib
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs_version

VENDOR = Path(__file__).parent.parent / "static" / "vendor"
LINES = [
    tuple(field.strip() for field in line.split("|"))
    for line in (VENDOR / "VERSIONS.txt").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("file", "package", "version", "licence", "digest"), LINES)
def test_a_vendored_file_is_what_was_written_down(
    file: str, package: str, version: str, licence: str, digest: str
) -> None:
    content = (VENDOR / file).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    assert version in file
    assert package
    assert licence in {"0BSD", "MIT"}


def test_every_vendored_script_is_written_down() -> None:
    assert {path.name for path in VENDOR.glob("*.js")} == {line[0] for line in LINES}


def test_the_browser_draws_with_the_version_the_server_builds_for() -> None:
    versions = {package: version for _, package, version, _, _ in LINES}
    assert versions["plotly.js-cartesian-dist-min"] == get_plotlyjs_version()


def test_the_base_page_names_the_vendored_files() -> None:
    base = (VENDOR.parent.parent / "templates" / "base.html").read_text()
    assert all(f"vendor/{line[0]}" in base for line in LINES)

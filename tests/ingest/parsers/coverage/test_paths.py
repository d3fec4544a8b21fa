"""Paths are text: brought into one form, never looked up."""

import builtins
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsers.coverage.paths import UNNAMED, clean_name, clean_path


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("src/a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/../lib/./a.py", "lib/a.py"),
        ("app\\inject.ts", "app/inject.ts"),
        ("C:\\build\\a.cs", "C:/build/a.cs"),
        ("c:/build/../a.cs", "C:/a.cs"),
        ("\\\\?\\C:\\a.cs", "C:/a.cs"),
        ("\\\\server\\share\\a.cs", "/server/share/a.cs"),
        ("file:///srv/a.js", "/srv/a.js"),
        ("file:///C:/a.js", "C:/a.js"),
        ("/srv/a.py", "/srv/a.py"),
        ("../../etc/passwd", "etc/passwd"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("a/../../b.py", "b.py"),
        ("example.org/shop/till.go", "example.org/shop/till.go"),
        ("a\x00b\u202ec.py", "a\ufffdb\ufffdc.py"),
        ("", UNNAMED),
        ("/", UNNAMED),
        ("a/..", UNNAMED),
        (" / ", UNNAMED),
    ],
)
def test_a_path_is_brought_into_one_form(raw: str, text: str) -> None:
    assert clean_path(raw).text == text


def test_what_was_done_to_a_path_is_said() -> None:
    assert clean_path("../a").was_above_root
    assert clean_path("C:/../a").was_above_root
    assert not clean_path("b/../a").was_above_root
    assert clean_path("/a").is_absolute
    assert clean_path("C:/a").is_absolute
    assert not clean_path("a").is_absolute
    assert clean_path("a\n").was_changed
    assert not clean_path("\ufffd").was_changed


@pytest.mark.parametrize(
    ("raw", "prefixes", "text"),
    [
        ("/srv/app/src/a.py", ["/srv/app"], "src/a.py"),
        ("/srv/app/src/a.py", ["/srv/app/", "/srv", "/srv/app/src"], "a.py"),
        ("/srv/application/a.py", ["/srv/app"], "/srv/application/a.py"),
        ("C:\\build\\src\\a.cs", ["c:/build"], "src/a.cs"),
        ("packages/shop/a.js", ["packages"], "shop/a.js"),
        ("packages/shop/a.js", ["/packages"], "packages/shop/a.js"),
        ("/srv/app", ["/srv/app"], "/srv/app"),
        ("a.py", [""], "a.py"),
        ("/a.py", ["/"], "a.py"),
    ],
)
def test_the_longest_prefix_is_taken_off(raw: str, prefixes: list[str], text: str) -> None:
    assert clean_path(raw, prefixes=prefixes).text == text


def test_long_paths_stay_apart() -> None:
    one, other = clean_path("a" * 5_000 + "b", max_chars=100), clean_path("a" * 5_000 + "c", max_chars=100)
    assert one.text != other.text
    assert len(one.text) == len(other.text) == 100
    assert one.was_changed


PIECES = st.sampled_from(
    ["a", "..", ".", "/", "\\", "C:", "c:", "?", "file:", "//", "\x00", "\ud800", " ", "\u202e", "é", "~", "\n", "x.py"]
)


@given(st.lists(PIECES).map("".join) | st.text())
def test_any_text_gives_a_path_that_can_be_stored_and_stays_as_it_is(raw: str) -> None:
    path = clean_path(raw, max_chars=30).text
    assert path.encode()
    assert "\x00" not in path
    assert ".." not in path.split("/")
    assert 0 < len(path) <= 30
    assert clean_path(path, max_chars=30).text == path


@given(st.text())
def test_any_name_can_be_stored(raw: str) -> None:
    name = clean_name(raw, max_chars=30)
    assert "\x00" not in name
    assert len(name.encode()) <= 120
    assert clean_name(name, max_chars=30) == name


def test_no_path_of_a_report_is_looked_up(read: Any, cobertura: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the disk was touched")

    for name in ("stat", "lstat", "readlink", "open", "listdir", "scandir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr(builtins, "open", refuse)
    report = read(cobertura('<line number="1" hits="1"/>', path="../../../../etc/passwd"))
    monkeypatch.undo()
    assert [file.path for file in report.files] == ["etc/passwd"]
    assert [warning.code for warning in report.warnings] == ["path_above_root"]


def test_a_path_is_short_in_bytes_too() -> None:
    path = clean_path("\u6f22" * 1_000)
    assert path.was_changed
    assert len(path.text.encode()) <= 2_400
    assert clean_path(path.text).text == path.text

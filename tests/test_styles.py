"""Colours, fonts and type sizes are tokens: only tokens.css has literal ones."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parent.parent / "static" / "css"
OTHERS = sorted(path for path in CSS.rglob("*.css") if path.name != "tokens.css")

LITERALS = {
    "colour": re.compile(r"oklch\(|oklab\(|rgba?\(|hsla?\(|light-dark\(|#[0-9a-f]{3,8}\b(?=[^{]*;)", re.IGNORECASE),
    "font": re.compile(
        r"font(-family)?\s*:(?!\s*(var\(|inherit))[^;]*(serif|sans|mono|system-ui|[\"'])", re.IGNORECASE
    ),
    "type size": re.compile(r"font(-size)?\s*:\s*[^;]*?\d(\.\d+)?(px|rem|pt)\b"),
    "address": re.compile(r"url\("),
}
PLANTED = {
    "colour": ".a { color: #ff0000; }",
    "font": ".a { font-family: Arial, sans-serif; }",
    "type size": ".a { font: 400 12px var(--sans); }",
    "address": '.a { background: url("x.png"); }',
}


def find_literals(text: str) -> list[str]:
    """What a style sheet writes out instead of naming a token."""
    plain = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return [name for name, pattern in LITERALS.items() if pattern.search(plain)]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(CSS)))
def test_only_tokens_has_literals(path: Path) -> None:
    assert find_literals(path.read_text()) == []


@pytest.mark.parametrize("name", LITERALS)
def test_each_rule_bites(name: str) -> None:
    assert name in find_literals(PLANTED[name])


def test_every_token_used_is_defined() -> None:
    tokens = set(re.findall(r"(--[\w-]+)\s*:", (CSS / "tokens.css").read_text()))
    for path in OTHERS:
        text = path.read_text()
        local = set(re.findall(r"(--[\w-]+)\s*:", text))
        assert set(re.findall(r"var\((--[\w-]+)", text)) <= tokens | local, path.name

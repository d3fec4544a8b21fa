"""What no template may contain, because the CSP would stop it or an uploaded name could use it.

Each rule has a planted violation, so that none can fall asleep.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
CODE = sorted(path for app in ("config", "dashboard", "health", "ingest") for path in (ROOT / app).rglob("*.py"))

RULES = {
    "inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "inline style element": re.compile(r"<style", re.IGNORECASE),
    "style attribute": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "event handler": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "hx-on": re.compile(r"hx-on", re.IGNORECASE),
    "script value": re.compile(r"[\"'{,\s](js|javascript):", re.IGNORECASE),
    "trigger filter": re.compile(r"hx-trigger[^=]*=\s*[\"'][^\"']*\["),
    "unescaped": re.compile(r"\|\s*safe\b|autoescape\s+off|\bsafeseq\b"),
    "remote address": re.compile(r"(src|href|action|hx-[a-z]+)\s*=\s*[\"'](https?:)?//", re.IGNORECASE),
    "comment over several lines": re.compile(r"\{#(?:(?!#\})[^\n])*$", re.MULTILINE),
}
PLANTED = {
    "inline script": "<script>let a = 1</script>",
    "inline style element": "<style>p { color: red }</style>",
    "style attribute": '<p style="color: red">',
    "event handler": '<img src="/x" onerror="alert(1)">',
    "hx-on": '<div hx-on:click="go()">',
    "script value": "<div hx-vals='js:{a: 1}'>",
    "trigger filter": '<div hx-trigger="click[ctrlKey]">',
    "unescaped": "{{ name|safe }}",
    "remote address": '<script src="//cdn.example/htmx.js"></script>',
    "comment over several lines": "{# this is\nshown #}",
}


def find_violations(text: str) -> list[str]:
    """The names of the rules a template breaks."""
    return [name for name, pattern in RULES.items() if pattern.search(text)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_template_holds_nothing_the_csp_would_stop(path: Path) -> None:
    assert find_violations(path.read_text()) == []


@pytest.mark.parametrize("name", RULES)
def test_each_rule_bites(name: str) -> None:
    assert name in find_violations(PLANTED[name])


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_marks_text_as_safe(path: Path) -> None:
    assert not re.search(r"\bmark_safe\b|\bSafeString\(", path.read_text())


def test_templates_were_found() -> None:
    assert len(TEMPLATES) > 10
    assert len(CODE) > 20

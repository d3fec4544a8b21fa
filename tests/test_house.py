"""The guards of the house: who may import whom, names, docstrings, lengths, migrations, tasks.

Each guard is a function that returns what it found, and has a twin in which a planted violation must be found: a guard
that has fallen asleep fails here.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command

from config.celery import app

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "dashboard", "health", "ingest")
LONGEST_MODULE = 400
# One file by its nature: CI downloads it alone.
LONG_BY_NATURE = {"ingest/uploader.py"}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "core", "base", "misc"}
# Django looks a database backend up under this name.
NAMED_BY_OTHERS = {"config/nodatabase/base.py"}


def modules(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


# --- docstrings -----------------------------------------------------------------------------------------------

PATH_IN_TEXT = re.compile(
    r"`((?:tests|docs|config|health|ingest|dashboard|static|templates|demo|benchmarks)/[\w./-]+)`"
)


def find_bad_docstrings(root: Path) -> list[str]:
    found = []
    for path in modules(root):
        source = path.read_text()
        name = str(path.relative_to(root))
        doc = ast.get_docstring(ast.parse(source)) or ""
        if not source.strip() and path.name == "__init__.py":
            continue
        if not doc.split("\n\n")[0].strip().endswith((".", "?", ":")):
            found.append(f"{name}: no docstring that opens with a sentence")
        found += [
            f"{name}: names {p}, which is not there" for p in PATH_IN_TEXT.findall(source) if not (root / p).exists()
        ]
    return found


def test_each_module_says_what_lives_in_it() -> None:
    assert find_bad_docstrings(ROOT) == []


def test_a_missing_docstring_and_a_dead_path_are_found(tmp_path: Path) -> None:
    (tmp_path / "health").mkdir()
    (tmp_path / "health" / "bare.py").write_text("x = 1\n")
    (tmp_path / "health" / "dead.py").write_text('"""Holds (`tests/health/test_gone.py`)."""\n')
    assert len(find_bad_docstrings(tmp_path)) == 2


# --- names and lengths -----------------------------------------------------------------------------------------------


def find_bad_names(root: Path) -> list[str]:
    found = []
    for path in modules(root):
        name = str(path.relative_to(root))
        if path.stem in FORBIDDEN_NAMES and name not in NAMED_BY_OTHERS:
            found.append(f"{name}: says nothing about what lives in it")
        for node in ast.walk(ast.parse(path.read_text())):
            is_named = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            if is_named and node.name.lower().startswith("test"):  # type: ignore[attr-defined]
                found.append(f"{name}: pytest would collect {node.name}")
        if path.stem.startswith("test"):
            found.append(f"{name}: pytest would collect it")
    return found


def find_long_modules(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}: {n} lines"
        for path in modules(root)
        if (n := len(path.read_text().splitlines())) > LONGEST_MODULE
        and str(path.relative_to(root)) not in LONG_BY_NATURE
    ]


def test_names_say_what_they_hold_and_pytest_collects_none() -> None:
    assert find_bad_names(ROOT) == []


def test_no_module_has_grown_too_long() -> None:
    assert find_long_modules(ROOT) == []


def test_bad_names_and_lengths_are_found(tmp_path: Path) -> None:
    (tmp_path / "ingest").mkdir()
    (tmp_path / "ingest" / "utils.py").write_text("class TestRun: ...\n" + "\n" * LONGEST_MODULE)
    assert len(find_bad_names(tmp_path)) == 2
    assert len(find_long_modules(tmp_path)) == 1


# --- who imports whom ------------------------------------------------------------------------------------------------


def check_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_the_import_contracts_hold() -> None:
    result = check_imports(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("health/tiles.py", "import ingest.store"),
        ("ingest/store.py", "import dashboard.http"),
        ("config/settings.py", "import health.models"),
        ("ingest/parsers/junit.py", "import django.db"),
        ("health/rules/outcomes.py", "import django"),
        ("ingest/uploader.py", "import ingest.errors"),
        ("ingest/errors.py", "import ingest.store"),
        ("dashboard/views/projects.py", "import dashboard.views.settings"),
    ],
)
def test_a_planted_import_is_caught(tmp_path: Path, path: str, line: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / path).open("a") as module:
        module.write(f"\n{line}\n")
    result = check_imports(tmp_path)
    assert result.returncode != 0, result.stdout
    assert "BROKEN" in result.stdout


def test_a_module_without_a_place_is_caught(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "ingest" / "stray.py").write_text('"""Belongs nowhere."""\n')
    assert check_imports(tmp_path).returncode != 0


# --- tables, tasks, pages --------------------------------------------------------------------------------------------


def test_only_health_has_tables() -> None:
    owners = {model._meta.app_label for model in apps.get_models()}
    assert owners & set(PACKAGES) == {"health"}


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_schedule_names_tasks_that_exist_and_tasks_take_plain_values() -> None:
    app.loader.import_default_modules()
    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks, entry
    ours = {name: task for name, task in app.tasks.items() if name.startswith(PACKAGES)}
    assert ours
    for name, task in ours.items():
        annotations = {key: value for key, value in task.run.__annotations__.items() if key != "return"}
        assert set(annotations.values()) <= {int, str}, name


def test_each_page_is_found_under_its_one_word() -> None:
    for view in sorted((ROOT / "dashboard" / "views").glob("*.py")):
        word = view.stem
        if word in ("__init__", "login"):
            continue
        assert (ROOT / "dashboard" / "queries" / f"{word}.py").exists(), f"{word}: no queries"
        assert list((ROOT / "templates" / "dashboard").glob(f"{word}*.html")), f"{word}: no template"
        assert list((ROOT / "tests" / "dashboard").glob(f"test_{word}*.py")), f"{word}: no tests"
    for chart in (ROOT / "dashboard" / "charts").glob("*.py"):
        if chart.stem not in ("__init__", "figure"):
            assert (ROOT / "dashboard" / "views" / f"{chart.stem}.py").exists(), f"{chart.stem}: a chart without a page"

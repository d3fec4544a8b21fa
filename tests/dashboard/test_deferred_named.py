"""Exports of a register: what real pytest leaves out with them is exactly what its own report said is put off."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from dashboard.queries.deferred_named import export_deferred
from health.judging import judge_project
from health.models import Case, Deferral, DeferredCase, Project
from ingest.pipeline import process_next
from tests.builders import FIRST_MOMENT, a_project, a_token
from tests.deferral_scenes import an_entry
from tests.scenes import a_run, green
from tests.statements import counted_statements

pytestmark = pytest.mark.django_db

SUITE = """
import pytest

@pytest.mark.parametrize("word", ["a", "b c", "x/y", "d::e", "é", "[z]", "--co", "#1", "t\\tab"])
def test_grid(word):
    if word in {waiting}:
        pytest.skip("covered elsewhere")

def test_save(): {skip}
def test_save_all(): pass
def test_alone(): {skip}
def test_expected(): pytest.xfail("known")

class TestShop:
    def test_pays(self): {skip}
    def test_opens(self): pass

    class TestInner:
        def test_deep(self): {skip}
"""
OPTIONS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:django", "-p", "no:xdist", "-o", "addopts=")


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *OPTIONS, "--rootdir=.", *arguments, "tests"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def collect(folder: Path, *arguments: str) -> set[str]:
    out = run_pytest(folder, "--collect-only", *arguments)
    assert out.returncode in (0, 5), out.stdout + out.stderr
    return {line for line in out.stdout.splitlines() if "::" in line}


def write_suite(folder: Path) -> None:
    for path in ("tests/unit/test_a.py", "tests/test_b.py"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        waiting = '("a", "x/y", "d::e", "é", "[z]", "--co", "#1", "t\\tab")'
        (folder / path).write_text(SUITE.replace("{waiting}", waiting).replace("{skip}", 'pytest.skip("waits")'))
    for package in ("tests", "tests/unit"):
        (folder / package / "__init__.py").touch()


def deliver(project: Project, report: bytes) -> None:
    headers = {"authorization": f"Bearer {a_token(project)}"}
    answer = Client().put(
        "/api/v1/uploads?branch=main&commit=aaaaaaa", report, content_type="application/xml", headers=headers
    )
    assert answer.status_code == 202, answer.text
    while process_next():
        pass
    judge_project(project.pk)


def test_pytest_leaves_out_exactly_what_its_report_skipped(tmp_path: Path) -> None:
    write_suite(tmp_path)
    every = collect(tmp_path)
    run_pytest(tmp_path, "--junitxml=junit.xml")
    project = a_project("click")
    deliver(project, (tmp_path / "junit.xml").read_bytes())
    for case in Case.objects.filter(project=project):
        kind = "xfail" if case.name == "test_expected" else "skip"
        if case.name not in ("test_grid[b c]", "test_save_all", "test_opens"):
            put_off(project, case, kind)
    (tmp_path / "deselect.txt").write_text(export_deferred(project, "deselect"), encoding="utf-8")
    left = collect(tmp_path, "@deselect.txt")
    # Pytest would take `test_save_all` too where told to leave out `test_save`.
    stays = ("test_grid[b c]", "::test_save", "test_save_all", "test_opens", "test_expected")
    assert left == {node for node in every if node.endswith(stays)}
    xfail = export_deferred(project, "xfail").splitlines()
    assert {line.partition("\t")[0] for line in xfail[1:]} == {node for node in every if "test_expected" in node}


def put_off(project: Project, case: Case, kind: str) -> None:
    Deferral.objects.update_or_create(
        project=project,
        ord=case.ord,
        defaults={"origin": "ci", "kind": kind, "opened_at": FIRST_MOMENT, "is_put_off": True, "closed_at": None},
    )


def test_what_a_pattern_names_is_listed_as_the_pattern_says_unless_it_has_its_own_entry() -> None:
    project = a_project("click")
    a_run(project, green(4, case0="skip"), hour=0)
    judge_project(project.pk)
    Deferral.objects.filter(project=project).delete()
    an_entry(project, "case0", kind="xfail", reason="own")
    quarantine = an_entry(project, pattern="tests/api*", reason="shaky")
    planned = an_entry(project, pattern="tests/later*", kind="planned")
    closed = an_entry(project, pattern="tests/old*", closed_at=FIRST_MOMENT, ending="unnamed")
    for entry, ords in ((quarantine, (0, 1)), (planned, (2,)), (closed, (3,))):
        DeferredCase.objects.bulk_create(DeferredCase(project=project, deferral=entry, ord=ord_) for ord_ in ords)
    assert export_deferred(project, "deselect").splitlines()[1:] == ["--deselect=tests/api.py::case1"]
    assert export_deferred(project, "xfail").splitlines()[1:] == [
        "tests/api.py::case0\town",
        "tests/api.py::case1\tshaky",
    ]


def test_a_test_that_stopped_running_blurs_no_name() -> None:
    project = a_project("click")
    a_run(project, {"tests.api::save": "skip", "tests.api::save_all": "pass", "tests.api::other": "pass"}, hour=0)
    a_run(project, {"tests.api::save": "skip", "tests.api::other": "pass"}, hour=1)
    judge_project(project.pk)
    an_entry(project, "save")
    assert "--deselect=tests/api.py::save" in export_deferred(project, "deselect").splitlines()


def test_secrets_are_masked_and_the_statements_few() -> None:
    project = a_project("click")
    a_run(project, green(4, case0="xfail"), hour=0)
    judge_project(project.pk)
    secret = "ghp_" + "a1B2" * 9
    an_entry(project, "case0", kind="xfail", reason=f"token {secret}")
    with counted_statements() as sent:
        listed = export_deferred(project, "xfail")
    assert secret not in listed
    assert "token" in listed
    assert len(sent) <= 4


@pytest.mark.parametrize("form", ["deselect", "xfail", "json"])
def test_a_program_reads_the_lists_with_its_token(form: str) -> None:
    project = a_project("click")
    a_run(project, green(4, case0="skip"), hour=0)
    judge_project(project.pk)
    an_entry(project, "case0", reason="why")
    url, headers = (
        "/api/v1/projects/click/deferred/export",
        {"authorization": f"Bearer {a_token(project, scopes=['read'])}"},
    )
    answer = Client().get(f"{url}?format={form}", headers=headers)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/json" if form == "json" else "text/plain")
    assert ("tests/api.py::case0" in answer.text) == (form != "xfail")
    again = Client().get(f"{url}?format={form}", headers=headers | {"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
    assert Client().get(f"{url}?format=toml", headers=headers).status_code == 404
    assert Client().get(url).status_code == 401

"""Coverage from bytes to rows: samples with their manifest's figures, receipts, levels, mixed and hostile uploads."""

import builtins
import json
import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client

from health.coverage import fetch_contexts, fetch_paths, fetch_run_files
from health.models import CoverageReport, DirectoryDay, FileCoverage, Job, Project, Run, RunCoverage, SourceFile, Upload
from health.sql import open_cursor
from ingest import pipeline
from ingest.cases import forget_names
from ingest.coverage import CoverageRules, choose_level, list_context_levels
from ingest.metadata import Metadata
from ingest.pipeline import process_next
from tests.builders import a_project, a_token
from tests.ingest.parsers.coverage.test_samples import list_own, list_shared
from tests.ingest.test_door import REPORT, URL, post

pytestmark = pytest.mark.django_db

FIGURES = ("lines_valid", "lines_covered", "branches_valid", "branches_covered")
KEYS = {"name", "format", "state", "kind", "files", *FIGURES, "level", "error", "warnings"}
LCOV = b"SF:src/a.py\nDA:1,1\nDA:2,0\nend_of_record\n"
CUT_LCOV = b"SF:src/a.py\nDA:1,1\n"
JACOCO = (
    b'<report name="r"><package name="p"><sourcefile name="A.java"><line nr="3" mi="0" ci="2" mb="1" cb="1"/>'
    b'<counter type="LINE" missed="0" covered="1"/></sourcefile></package>'
    b'<counter type="LINE" missed="0" covered="1"/><counter type="BRANCH" missed="1" covered="1"/></report>'
)


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    forget_names()


@pytest.fixture
def project() -> Project:
    return a_project("covered")


def send(project: Project, *files: tuple[str, bytes], **fields: str) -> Upload:
    response = post(a_token(project), *files, **fields)
    assert response.status_code == 202, response.content
    assert process_next()
    return Upload.objects.latest("id")


def list_samples() -> list[Any]:
    """Each sample but the history's, which the demo's test reads."""
    found = [*list_own(), *list_shared()]
    return [param for param in found if "history" not in str(param.values[1].get("kind", ""))]


def is_whole(entry: dict[str, Any]) -> bool:
    return not entry.get("ingest", "accept").startswith("reject")


# --- samples ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "entry"), list_samples())
def test_inspect_prints_the_figures_of_the_manifest(folder: Path, entry: dict[str, Any], capsys: Any) -> None:
    try:
        call_command("inspect", "--json", str(folder / entry["path"]))
    except SystemExit:
        assert not is_whole(entry)
    finding = json.loads(capsys.readouterr().out)
    if is_whole(entry):
        expected = {name: entry["expected"][name] for name in ("format", *FIGURES, "files")}
        assert {name: finding[name] for name in expected} == expected
        assert (finding["kind"], finding["state"], finding["error"]) == ("coverage", "stored", None)
    else:
        assert finding["error"]["line"]
        assert finding["error"]["column"]


@pytest.mark.parametrize(("folder", "entry"), list_samples())
def test_a_sample_is_stored_with_the_figures_of_its_manifest(
    project: Project, folder: Path, entry: dict[str, Any]
) -> None:
    upload = send(project, ("report", (folder / entry["path"]).read_bytes()))
    if not is_whole(entry):
        assert upload.state in ("partial", "failed")
        (error,) = [file["error"] for file in upload.receipt["files"]]
        assert error["line"]
        assert error["column"]
        return
    (file,) = upload.receipt["files"]
    assert file.keys() >= KEYS
    (row,) = RunCoverage.objects.filter(project=project, level="")
    expected = {name: entry["expected"][name] for name in FIGURES}
    assert {name: file[name] for name in FIGURES} == expected
    assert {name: getattr(row, name) for name in FIGURES} == expected
    assert (file["files"], row.n_files) == (entry["expected"]["files"],) * 2
    assert CoverageReport.objects.get(project=project, level="").formats == entry["expected"]["format"]
    assert (upload.state, file["kind"], file["format"]) == ("stored", "coverage", entry["expected"]["format"])


# --- content decides -------------------------------------------------------------------------------------------


def test_content_decides_and_not_the_name(project: Project) -> None:
    upload = send(project, ("coverage.xml", REPORT), ("notes.txt", JACOCO), ("junit.xml", LCOV))
    assert [(file["kind"], file["format"]) for file in upload.receipt["files"]] == [
        ("results", "junit"),
        ("coverage", "jacoco"),
        ("coverage", "lcov"),
    ]
    assert upload.state == "stored"
    assert Run.objects.get(project=project).n_declared == 1
    row = RunCoverage.objects.get(project=project)
    assert (row.n_files, row.lines_covered, row.lines_valid, row.branches_covered, row.branches_valid) == (
        2,
        2,
        3,
        1,
        2,
    )
    assert CoverageReport.objects.get(project=project).formats == "jacoco, lcov"


def test_coverage_alone_makes_a_run_without_a_job(project: Project) -> None:
    upload = send(project, ("lcov.info", LCOV), run_id="7", provider="github", branch="main")
    assert (upload.state, upload.run, upload.series) == ("stored", 1, None)
    assert not Job.objects.filter(project=project).exists()
    send(project, ("junit.xml", REPORT), run_id="7", provider="github", branch="main")
    run = Run.objects.get(project=project)
    assert (run.n_declared, RunCoverage.objects.get(project=project).run) == (1, run.number)


def test_the_same_file_twice_in_an_upload_counts_once(project: Project) -> None:
    send(project, ("a.info", LCOV), ("b.info", LCOV.replace(b"DA:2,0", b"DA:2,3")))
    row = RunCoverage.objects.get(project=project)
    assert (row.n_files, row.lines_covered, row.lines_valid) == (1, 2, 2)


# --- bad files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "code", "kind"),
    [
        (b"<coverage><packages><package", "report_truncated", "coverage"),
        (b'{"files": {"a.py": {"executed_lines": [1, "num_statements"', "report_truncated", "coverage"),
        (b"<CoverageSession/>", "not_a_report", None),
        (b"<html><body>502</body></html>", "not_a_report", None),
        (b"<testsuite><testcase", "report_truncated", "results"),
    ],
)
def test_a_bad_file_takes_no_good_one_down(project: Project, bad: bytes, code: str, kind: str | None) -> None:
    upload = send(project, ("good.info", LCOV), ("junit.xml", REPORT), ("bad", bad))
    assert upload.state == "partial"
    *good, failed = upload.receipt["files"]
    assert [file["state"] for file in good] == ["stored", "stored"]
    assert (failed["state"], failed["kind"], failed["error"]["code"]) == ("failed", kind, code)
    assert failed["error"]["line"]
    assert failed["error"]["column"]
    assert Run.objects.get(project=project).n_declared == 1
    row = CoverageReport.objects.get(project=project)
    assert (row.lines_covered, row.lines_valid, row.is_partial) == (1, 2, kind != "results")


def test_coverage_that_breaks_off_leaves_the_job_whole(project: Project) -> None:
    """What is missing is coverage: every test result is there."""
    upload = send(project, ("junit.xml", REPORT), ("lcov.info", CUT_LCOV))
    assert (upload.state, [file["state"] for file in upload.receipt["files"]]) == ("partial", ["stored", "partial"])
    assert Job.objects.get(project=project).is_complete
    assert Run.objects.get(project=project).is_complete
    assert RunCoverage.objects.get(project=project).is_partial


def test_results_that_break_off_leave_the_report_whole_and_the_run_incomplete(project: Project) -> None:
    send(project, ("junit.xml", REPORT[: REPORT.index(b"</testsuite>")]), ("lcov.info", LCOV))
    assert not Job.objects.get(project=project).is_complete
    assert not CoverageReport.objects.get(project=project).is_partial
    assert RunCoverage.objects.get(project=project).is_partial


@pytest.mark.parametrize("stranger", [b"", b"<html>", b"no report"])
def test_a_file_that_may_have_been_coverage_leaves_none_beside_it_whole(project: Project, stranger: bytes) -> None:
    both = LCOV + LCOV.replace(b"a.py", b"b.py")
    send(project, ("unit.info", both), branch="main")
    upload = send(project, ("unit.info", LCOV), ("b.info", stranger), branch="main")
    assert (upload.state, upload.receipt["files"][1]["kind"]) == ("partial", None)
    assert CoverageReport.objects.get(project=project, upload=upload.pk).is_partial
    assert FileCoverage.objects.filter(project=project).count() == 2


def test_what_is_missing_at_one_level_says_nothing_about_another(project: Project) -> None:
    send(project, ("unit.info", LCOV), ("integration.info", LCOV), ("e2e.info", CUT_LCOV))
    partial = {row.level: row.is_partial for row in RunCoverage.objects.filter(project=project)}
    assert partial == {"unit": False, "integration": False, "e2e": True}


# --- levels ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "metadata", "level", "source"),
    [
        ("unit.xml", {"level": "smoke", "job": "e2e"}, "smoke", "delivery"),
        ("unit.xml", {"job": "e2e"}, "unit", "file"),
        ("lcov-api.info", {"job": "e2e"}, "contract", "rule"),
        ("coverage.xml", {"job": "integration tests"}, "integration", "job"),
        ("coverage.xml", {"suite": "acceptance"}, "e2e", "suite"),
        ("coverage.xml", {"job": "tests"}, "", ""),
    ],
)
def test_a_level_is_said_or_ruled_or_suggested(name: str, metadata: dict[str, str], level: str, source: str) -> None:
    rules = CoverageRules(levels=(("*-api.*", "contract"), ("*-api.info", "late")))
    assert choose_level(name, metadata=Metadata(**metadata), rules=rules) == (level, source)


def test_rules_of_the_configuration_hold_for_what_travels_with_it_and_after_it(project: Project) -> None:
    text = b"coverage:\n  prefixes: [/ci/build]\n  levels:\n    - {file: 'api*', level: contract}\n"
    coverage = LCOV.replace(b"src/a.py", b"/ci/build/src/a.py")
    configured = {"branch": "main", "default_branch": "main"}
    form = {
        **configured,
        "run_id": "1",
        "file": SimpleUploadedFile("api.info", coverage),
        "configuration": SimpleUploadedFile(".suitewatch.yml", text),
    }
    response = Client().post(URL, form, headers={"authorization": f"Bearer {a_token(project)}"})
    assert response.status_code == 202
    assert process_next()
    send(project, ("api.info", coverage + b"\n"), run_id="2", **configured)
    assert set(RunCoverage.objects.filter(project=project).values_list("run", "level")) == {
        (1, "contract"),
        (2, "contract"),
    }
    assert [file.path for file in SourceFile.objects.filter(project=project)] == ["src/a.py"]
    # What travels with a file that cannot be read, or with CODEOWNERS alone, is read by the one in force.
    for run, part in (
        ("3", {"configuration": SimpleUploadedFile(".suitewatch.yml", b"coverage: [")}),
        ("4", {"owners": SimpleUploadedFile("CODEOWNERS", b"* @a")}),
    ):
        changed = {**form, "run_id": run, "file": SimpleUploadedFile("api.info", coverage + b"\n" * int(run))}
        del changed["configuration"]
        Client().post(URL, changed | part, headers={"authorization": f"Bearer {a_token(project)}"})
        assert process_next()
    assert RunCoverage.objects.filter(project=project, level="contract").count() == 4
    assert [file.path for file in SourceFile.objects.filter(project=project)] == ["src/a.py"]


# --- contexts --------------------------------------------------------------------------------------------------


def coveragepy(contexts: dict[str, list[str]]) -> bytes:
    """One file of five lines, of which the first is run by its import alone."""
    file = {
        "executed_lines": [1, 2, 3, 4],
        "missing_lines": [5],
        "summary": {"num_statements": 5, "covered_lines": 4},
        "contexts": {"1": [""], **contexts},
    }
    return json.dumps({"meta": {"version": "7"}, "files": {"src/a.py": file}}).encode()


CONTEXTS = {
    "2": ["tests/unit/test_a.py::test_one|run", "tests/integration/test_b.py::test_two|run"],
    "3": ["tests/unit/test_a.py::test_one|run"],
    "4": ["tests/test_load_of_files.py::test_three|run", "tests/test_other.py::test_unit|run"],
}


def test_contexts_tell_levels_apart_beside_the_whole_report(project: Project) -> None:
    upload = send(project, ("coverage.json", coveragepy(CONTEXTS)))
    (file,) = upload.receipt["files"]
    assert (file["level"], file["context_levels"]) == ("", ["integration", "performance", "unit"])
    rows = {row.level: (row.lines_covered, row.lines_valid) for row in RunCoverage.objects.filter(project=project)}
    assert rows == {"": (4, 5), "unit": (2, 5), "integration": (1, 5), "performance": (1, 5)}
    found = fetch_contexts(open_cursor(), project.pk, run=1)
    assert found is not None
    (number,) = SourceFile.objects.filter(project=project).values_list("number", flat=True)
    assert found.find_names(file=number) == CONTEXTS_BY_LINE


CONTEXTS_BY_LINE = {int(line): names for line, names in CONTEXTS.items()}


def test_contexts_are_not_split_where_the_level_is_known(project: Project) -> None:
    upload = send(project, ("coverage.json", coveragepy(CONTEXTS)), level="unit")
    assert upload.receipt["files"][0]["context_levels"] == []
    assert [(row.level, row.lines_covered) for row in RunCoverage.objects.filter(project=project)] == [("unit", 4)]
    assert fetch_contexts(open_cursor(), project.pk, run=1) is not None


def test_the_level_of_a_context_is_that_of_the_place_of_its_test() -> None:
    assert list_context_levels(
        [
            "tests/unit/test_a.py::TestA::test_load|run",
            "tests.integration.test_b.test_unit",
            "tests/test_a.py::test_unit|setup",
            "e2e",
            "contract|tests.test_a.test_b",
            "tests.test_a.test_load",
        ]
    ) == ["unit", "integration", "", "e2e", "contract", ""]


# --- hostile input ---------------------------------------------------------------------------------------------


def test_no_path_in_a_report_is_ever_looked_up(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ["/etc/passwd", "../../../etc/shadow", "C:\\\\Windows\\\\win.ini", "~/.ssh/id_rsa", "file:///etc/hosts"]
    report = "".join(f"SF:{path}\nDA:1,1\nend_of_record\n" for path in paths).encode()
    upload = post(a_token(project), ("lcov.info", report))
    assert upload.status_code == 202
    touched: list[str] = []

    def watch(module: Any, name: str) -> None:
        original = getattr(module, name)

        def watched(path: Any, *arguments: Any, **options: Any) -> Any:
            touched.append(os.fspath(path) if isinstance(path, str | bytes | os.PathLike) else "")
            return original(path, *arguments, **options)

        monkeypatch.setattr(module, name, watched)

    for module, name in ((builtins, "open"), (os, "open"), (os, "stat"), (os, "lstat"), (os, "listdir")):
        watch(module, name)
    assert process_next()
    monkeypatch.undo()
    names = ("passwd", "shadow", "win.ini", "id_rsa", "hosts")
    assert not [path for path in touched if any(name in str(path) for name in names)]
    stored = sorted(SourceFile.objects.filter(project=project).values_list("path", flat=True))
    assert stored == ["/etc/hosts", "/etc/passwd", "C:/Windows/win.ini", "etc/shadow", "~/.ssh/id_rsa"]


def test_the_longest_names_and_figures_can_be_stored(project: Project) -> None:
    """An index of PostgreSQL takes no more than 2,704 bytes of a value, and a figure no more than 32 bits."""
    wide = "".join(chr(0x20000 + 7 * number) for number in range(3_000))
    figures = "LF:2147483648\nLH:9999999999999\nBRF:2147483647\nBRH:5\nend_of_record\n"
    report = f"SF:d/{wide}/a.c\nDA:1,1\nend_of_record\nSF:{wide[:1000]}/b.c\n{figures}".encode()
    branch, level = wide[:150], wide[300:450]
    Project.objects.filter(pk=project.pk).update(default_branch=branch)
    assert send(project, ("lcov.info", report), branch=branch, level=level).state == "stored"
    assert FileCoverage.objects.filter(project=project, lane=branch, level=level).count() == 2
    assert set(DirectoryDay.objects.filter(project=project).values_list("directory", "n_files")) == {("", 2), ("d", 1)}


@pytest.mark.parametrize(
    ("setting", "limit", "field"), [("UPLOAD_MAX_SOURCE_FILES", 3, "files"), ("UPLOAD_MAX_SOURCE_LINES", 25, "lines")]
)
def test_limits_hold_over_all_coverage_of_an_upload(
    project: Project, settings: Any, setting: str, limit: int, field: str
) -> None:
    setattr(settings, setting, limit)
    files = [
        (f"{name}.info", b"".join(b"SF:%s%d.c\nDA:9,1\nend_of_record\n" % (name.encode(), n) for n in range(2)))
        for name in "abc"
    ]
    upload = send(project, *files)
    assert [file["state"] for file in upload.receipt["files"]] == ["stored", "failed", "failed"]
    error = upload.receipt["files"][1]["error"]
    assert (upload.state, error["code"], error["field"]) == ("partial", "coverage_too_large", field)
    # What the setting says, and not what the first file left of it.
    assert limit == error["limit"] < error["actual"]
    assert f"more than {limit} {field}" in error["message"]
    assert RunCoverage.objects.get(project=project).is_partial


def test_json_has_a_limit_of_its_own(project: Project, settings: Any) -> None:
    settings.UPLOAD_MAX_JSON_BYTES = 100
    upload = send(project, ("coverage.json", coveragepy(CONTEXTS)))
    assert (upload.state, upload.error["code"]) == ("failed", "too_large_uncompressed")


def test_a_worker_that_lost_its_lease_stores_no_coverage(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    original = pipeline.read_coverage

    def lose(*args: Any, **kwargs: Any) -> Any:
        Upload.objects.update(lease_epoch=99)
        return original(*args, **kwargs)

    monkeypatch.setattr(pipeline, "read_coverage", lose)
    send(project, ("lcov.info", LCOV))
    assert not CoverageReport.objects.exists()
    assert not SourceFile.objects.exists()


def test_many_files_are_numbered_once(project: Project) -> None:
    report = b"".join(b"SF:src/%d.c\nDA:1,1\nend_of_record\n" % number for number in range(300))
    send(project, ("a.info", report), branch="main", default_branch="main")
    send(project, ("b.info", report + b"SF:new.c\nDA:1,0\nend_of_record\n"), branch="main")
    numbers = sorted(SourceFile.objects.filter(project=project).values_list("number", flat=True))
    assert numbers == list(range(1, 302))
    files = fetch_run_files(open_cursor(), project.pk, run=2)
    assert fetch_paths(open_cursor(), project.pk, [files[-1].file]) == {301: "new.c"}
    assert FileCoverage.objects.filter(project=project).count() == 301

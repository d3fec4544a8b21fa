"""What the uploader finds, knows and packs; the wire is in test_uploader_wire.py."""

import ast
import gzip
import hashlib
import io
import itertools
import os
import re
import shutil
import subprocess
import sys
import tomllib
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import zstandard

from ingest import archives, uploader
from ingest.inflate import find_encoding
from ingest.uploader import Delivery, Report, find_files, gather_metadata, pack, read_git, split_up

ROOT = Path(__file__).resolve().parents[2]
SOURCE = (ROOT / "ingest" / "uploader.py").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty working folder, with none of the CI's own variables."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for name in list(os.environ):
        if name.startswith(("SUITEWATCH_", "GIT_")):
            monkeypatch.delenv(name)
    return work


def a_file(path, content=b"<testsuite/>"):
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    return str(place)


def names(found):
    return [uploader.display_name(path) for path in found.paths]


# --- one file, Python 3.8, standard library -------------------------------------------------------


def annotations_of(tree):
    for node in ast.walk(tree):
        for field in ("annotation", "returns"):
            if getattr(node, field, None) is not None:
                yield from ast.walk(getattr(node, field))


def find_newer_constructs(source):
    """What Python 3.8 would choke on although its grammar allows it; annotations are never evaluated."""
    tree = ast.parse(source, feature_version=(3, 8))
    unevaluated = set(annotations_of(tree))
    newer = {"removeprefix", "removesuffix", "is_relative_to", "randbytes", "pairwise", "batched", "UTC"}
    generics = {"list", "dict", "tuple", "set", "type", "Callable", "Iterable", "Iterator", "Mapping"}
    for node in ast.walk(tree):
        match node:
            case _ if node in unevaluated:
                continue
            case ast.BinOp(op=ast.BitOr()):
                yield node.lineno
            case ast.Subscript(value=ast.Name(id=name)) if name in generics:
                yield node.lineno
            case ast.Attribute(attr=name) if name in newer:
                yield node.lineno


def test_the_file_runs_on_python_3_8():
    assert list(find_newer_constructs(SOURCE)) == []
    assert "from __future__ import annotations" in SOURCE


@pytest.mark.parametrize("line", ["x = int | None", "x = list[int]", "x = 'ab'.removeprefix('a')", "x = {} | {}"])
def test_the_check_for_python_3_8_bites(line):
    assert list(find_newer_constructs(line)) != []


def test_a_match_statement_would_not_pass():
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1:\n        pass\n", feature_version=(3, 8))


def test_it_imports_the_standard_library_only():
    imported = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) == set()


def test_the_version_is_the_package_s():
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert uploader.__version__ == package["version"]


def test_the_file_alone_is_the_command(tmp_path):
    alone = shutil.copy(ROOT / "ingest" / "uploader.py", tmp_path / "suitewatch.py")
    answer = subprocess.run(
        [sys.executable, "-I", alone, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert answer.stdout == f"suitewatch {uploader.__version__}\n"


# --- files ----------------------------------------------------------------------------------------


def test_globs_are_expanded_here_recursively_and_sorted():
    for path in ("b/x/TEST-b.xml", "a.xml", "b/TEST-a.xml", "b/notes.txt"):
        a_file(path)
    assert names(find_files(["b/**/*.xml", "*.xml"])) == ["a.xml", "b/TEST-a.xml", "b/x/TEST-b.xml"]


def test_a_file_named_twice_is_sent_once():
    a_file("a.xml")
    os.symlink("a.xml", "link.xml")
    assert names(find_files(["a.xml", "./a.xml", "*.xml"])) == ["a.xml"]


def test_a_name_with_glob_characters_is_itself():
    a_file("report[1].xml")
    a_file("report1.xml")
    assert names(find_files(["report[1].xml"])) == ["report[1].xml"]


def test_what_is_left_out_is_said_with_its_reason():
    a_file("good.xml")
    a_file("old.xml")
    os.mkdir("reports")
    os.symlink("nowhere.xml", "broken.xml")
    found = find_files(["*.xml", "reports", "gone-*.xml"], exclude=["old*"])
    assert names(found) == ["good.xml"]
    assert dict(found.ignored) == {
        "broken.xml": "not a regular file",
        "old.xml": "excluded",
        "reports": "a folder; name the files in it, for example 'reports/**/*.xml'",
    }
    assert found.unmatched == ["gone-*.xml"]


def test_an_empty_file_is_sent_for_the_receipt_to_say_so(tmp_path):
    path = a_file("empty.xml", b"")
    assert find_files(["*.xml"]).paths == [path]
    assert gzip.decompress(Path(pack(path, folder=str(tmp_path)).packed).read_bytes()) == b""


def test_exclude_speaks_of_paths_or_of_names_anywhere():
    for path in ("a/x.xml", "a/y.xml", "b/x.xml", "b/c/y.xml"):
        a_file(path)
    assert names(find_files(["**/*.xml"], exclude=["b/**"])) == ["a/x.xml", "a/y.xml"]
    assert names(find_files(["**/*.xml"], exclude=["y.xml"])) == ["a/x.xml", "b/x.xml"]


def test_folders_met_by_a_glob_are_not_worth_a_word():
    a_file("reports/a.xml")
    assert find_files(["**"]).ignored == []


def test_no_folder_outside_the_working_one_leaks(tmp_path, folder):
    outside = a_file(tmp_path / "secret-project" / "junit.xml")
    inside = a_file(folder / "deep" / "junit.xml")
    assert uploader.display_name(outside) == "junit.xml"
    assert uploader.display_name("../secret-project/junit.xml") == "junit.xml"
    assert uploader.display_name(inside) == "deep/junit.xml"


# --- metadata -------------------------------------------------------------------------------------


def no_git(_commit):
    return {}


def test_a_flag_wins_over_the_variable_and_the_variable_over_git():
    fields = gather_metadata(
        {"commit": "flag", "branch": None},
        environ={"SUITEWATCH_COMMIT": "variable", "SUITEWATCH_BRANCH": "variable", "SUITEWATCH_PR": "7"},
        git=lambda _commit: {"commit": "git", "branch": "git", "default_branch": "main"},
    )
    assert fields == {"commit": "flag", "branch": "variable", "pull_request": "7", "default_branch": "main"}


@pytest.mark.parametrize("unset", ["", "  ", "false", "False"])
def test_empty_and_false_mean_unset(unset):
    fields = gather_metadata({"pull_request": unset}, environ={"SUITEWATCH_JOB": unset}, git=no_git)
    assert fields == {}


def test_each_field_of_the_api_has_a_flag_and_a_variable():
    flags = {field: flag for field, flag, _help in uploader.OPTIONS}
    environ = {f"SUITEWATCH_{flag.upper().replace('-', '_')}": flag for flag in flags.values()}
    fields = gather_metadata({}, environ=environ, git=no_git)
    assert fields == flags
    assert set(fields) == {
        *(
            "commit",
            "branch",
            "pull_request",
            "committed_at",
            "ran_at",
            "provider",
            "run_id",
            "attempt",
            "job",
        ),
        *("variant", "shard", "build_url", "suite", "level", "namespace", "default_branch"),
        *("job_id", "expected_jobs"),
    }


def test_line_breaks_and_control_characters_become_one_visible_line():
    given = {"variant": "linux,\n  python\r\n 3.12", "branch": "main\x1b[31m\x00\u202e"}
    fields = gather_metadata(given, environ={}, git=no_git)
    assert fields == {"variant": "linux, python 3.12", "branch": "main[31m"}


def test_credentials_leave_the_build_url():
    given = {"build_url": "https://user:secret@ci.example/job/7?x=a@b"}
    fields = gather_metadata(given, environ={}, git=no_git)
    assert fields == {"build_url": "https://ci.example/job/7?x=a@b"}


# --- git ------------------------------------------------------------------------------------------


@pytest.fixture
def repository(folder, tmp_path, monkeypatch):
    """A clone of a repository with two commits, on branch feature/x; its origin's default branch is trunk."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_AUTHOR_DATE", "2025-03-18T10:59:12-07:00")
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2025-03-18T10:59:12-07:00")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "a@example.invalid")
    origin = tmp_path / "origin"
    git("init", "--quiet", "--initial-branch=trunk", str(origin))
    for subject in ("one", "two"):
        git("-C", str(origin), "commit", "--quiet", "--allow-empty", "-m", subject)
    git("clone", "--quiet", origin.as_uri(), ".")
    git("switch", "--quiet", "-c", "feature/x")
    return folder


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout.strip()


def test_git_tells_commit_date_branch_and_default_branch(repository):
    assert read_git(None) == {
        "commit": git("rev-parse", "HEAD"),
        "committed_at": "2025-03-18T10:59:12-07:00",
        "branch": "feature/x",
        "default_branch": "trunk",
    }


def test_a_detached_head_has_no_branch(repository):
    git("checkout", "--quiet", "--detach")
    assert "branch" not in read_git(None)


def test_a_commit_given_by_hand_gets_its_own_date_and_no_foreign_branch(repository):
    earlier = git("rev-parse", "HEAD~1")
    assert read_git(earlier).keys() == {"commit", "committed_at", "default_branch"}
    assert gather_metadata({"commit": earlier}, environ={}, git=read_git)["commit"] == earlier
    assert read_git(git("rev-parse", "HEAD")[:9])["branch"] == "feature/x"


@pytest.mark.parametrize("commit", ["0" * 40, "not-a-hash", "--output=x", "HEAD"])
def test_a_commit_this_checkout_does_not_hold_gets_nothing_from_it(repository, commit):
    assert read_git(commit) == {}
    assert not (repository / "x").exists()


def test_a_shallow_clone_is_enough(repository, tmp_path, monkeypatch):
    shallow = tmp_path / "shallow"
    git("clone", "--quiet", "--depth=1", (tmp_path / "origin").as_uri(), str(shallow))
    monkeypatch.chdir(shallow)
    facts = read_git(None)
    assert facts["branch"] == facts["default_branch"] == "trunk"
    assert facts["committed_at"] == "2025-03-18T10:59:12-07:00"
    assert (shallow / ".git" / "shallow").exists()


def test_a_partial_clone_is_never_completed_from_the_network(repository):
    """Asked for an object it misses, git itself would call the remote here; we do not let it."""
    for setting in (
        "core.repositoryFormatVersion=1",
        "extensions.partialClone=origin",
        "remote.origin.promisor=true",
        "protocol.ext.allow=always",
        "remote.origin.url=ext::touch fetched",
    ):
        git("config", *setting.split("=", 1))
    assert read_git("1" * 40) == {}
    assert not (repository / "fetched").exists()
    subprocess.run(["git", "log", "-1", "1" * 40, "--"], capture_output=True, check=False)
    assert (repository / "fetched").exists(), "the planted remote does not bite"


def test_a_folder_without_git_is_fine():
    assert read_git(None) == {}


def test_a_machine_without_git_is_fine(repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository))
    assert read_git(None) == {}


# --- packing and deliveries -----------------------------------------------------------------------


def a_report(name="junit.xml", *, sha256="0" * 64, packed_bytes=10, plain_bytes=100):
    return Report(name, "", packed_bytes, plain_bytes, sha256)


def test_packing_is_deterministic_and_faithful(tmp_path, monkeypatch):
    moments = itertools.count(1_700_000_000, 60)
    monkeypatch.setattr(gzip.time, "time", lambda: next(moments))
    content = b"<testsuite>" + b"x" * 5000 + b"</testsuite>"
    a_file("a.xml", content)
    first, second = (pack("a.xml", folder=str(tmp_path)) for _ in range(2))
    assert Path(first.packed).read_bytes() == Path(second.packed).read_bytes()
    assert gzip.decompress(Path(first.packed).read_bytes()) == content
    assert (first.sha256, first.plain_bytes) == (hashlib.sha256(content).hexdigest(), len(content))


def test_what_is_gzip_already_goes_as_it_is(tmp_path):
    packed = gzip.compress(b"y" * 5000)
    a_file("a.xml.gz", packed)
    report = pack("a.xml.gz", folder=str(tmp_path))
    assert Path(report.packed).read_bytes() == packed
    assert report.plain_bytes == 5000


def an_archive(*entries, method=zipfile.ZIP_DEFLATED):
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return body.getvalue()


SKIPPABLE = b"\x53\x2a\x4d\x18" + bytes(4)


@pytest.mark.parametrize(
    ("content", "packing", "plain_bytes"),
    [
        (an_archive(("a.xml", b"z" * 5000), ("b/c.xml", b"y" * 50)), "application/zip", 5050),
        (an_archive(), "application/zip", 22),
        (b"PK\x03\x04 and nothing that an archive has", "application/zip", 36),
        (zstandard.compress(b"z" * 5000), "application/zstd", None),
        (SKIPPABLE + zstandard.compress(b"z" * 5000), "application/zstd", None),
        (gzip.compress(b"z" * 5000), "application/gzip", 5000),
    ],
    ids=["zip", "empty zip", "damaged zip", "zstd", "pzstd", "gzip"],
)
def test_what_is_packed_goes_as_it_is_under_its_own_type(tmp_path, content, packing, plain_bytes):
    report = pack(a_file("report.bin", content), folder=str(tmp_path))
    assert Path(report.packed).read_bytes() == content
    assert (report.packing, report.plain_bytes) == (packing, plain_bytes or len(content))
    assert f"Content-Type: {packing}\r\n\r\n".encode() in Delivery({}, [report]).segments()


@pytest.mark.parametrize("rest", [b"K\x03\x04", b"K\x05\x06", b"\x8b\x08\x00", b"\xb5\x2f\xfd", b"\x2a\x4d\x18"])
def test_the_server_takes_for_packed_what_we_do(rest):
    for first in range(256):
        head = bytes([first]) + rest
        is_packed = find_encoding(head) != "identity" or head in archives.STARTS
        assert bool(uploader.find_packing(head)) == is_packed


def test_the_key_tells_deliveries_apart_and_nothing_else():
    delivery = Delivery({"run_id": "1", "job": "unit"}, [a_report()])
    packed_elsewhere = a_report()._replace(packed="elsewhere", packed_bytes=11)
    same = Delivery({"job": "unit", "run_id": "1"}, [packed_elsewhere])
    assert delivery.key == same.key
    assert re.fullmatch(r"[\x21-\x7e]{8,200}", delivery.key)
    others = [
        Delivery({"run_id": "2", "job": "unit"}, [a_report()]),
        Delivery({"run_id": "1", "job": "e2e"}, [a_report()]),
        Delivery({"run_id": "1", "job": "unit", "attempt": "2"}, [a_report()]),
        Delivery({"run_id": "1", "job": "unit", "shard": "2/5"}, [a_report()]),
        Delivery({"run_id": "1", "job": "unit", "variant": "py3.12"}, [a_report()]),
        Delivery({"run_id": "1", "job": "unit"}, [a_report("other.xml")]),
        Delivery({"run_id": "1", "job": "unit"}, [a_report(sha256="1" * 64)]),
        Delivery({"run_id": "1", "job": "unit"}, [a_report(), a_report("b.xml")]),
    ]
    assert len({delivery.key, *(other.key for other in others)}) == len(others) + 1


def test_few_files_are_one_delivery_as_they_were_given():
    reports = [a_report()] * 100
    assert split_up({"job": "unit"}, reports=reports) == [Delivery({"job": "unit"}, reports)]


@pytest.mark.parametrize(
    ("reports", "sizes"),
    [
        ([a_report(str(number)) for number in range(205)], [100, 100, 5]),
        ([a_report(str(number), packed_bytes=10 << 20) for number in range(5)], [2, 2, 1]),
        ([a_report(str(number), plain_bytes=80 << 20) for number in range(5)], [2, 2, 1]),
        ([a_report("a", packed_bytes=90 << 20), a_report("b")], [1, 1]),
    ],
)
def test_many_or_heavy_files_are_several_deliveries_of_one_run(reports, sizes):
    deliveries = split_up({}, reports=reports)
    assert [len(delivery.reports) for delivery in deliveries] == sizes
    assert [report for delivery in deliveries for report in delivery.reports] == reports
    assert len({delivery.key for delivery in deliveries}) == len(deliveries)
    assert len({delivery.fields["run_id"] for delivery in deliveries}) == 1
    assert deliveries == split_up({}, reports=reports)
    assert {delivery.fields["run_id"] for delivery in split_up({"run_id": "7"}, reports=reports)} == {"7"}


def test_no_name_can_forge_a_header():
    quoted = uploader.quote_name('a"; name="commit"\r\nX-Evil: 1\r\n\r\n\x00.xml')
    assert not set(quoted) & set(b'\r\n"\0')
    assert uploader.quote_name("größe-测试.xml") == "größe-测试.xml".encode()


def test_a_c_locale_changes_no_name():
    """There Python hands us arguments and file names byte by byte, as lone surrogates."""
    assert uploader.tidy("gr\udcc3\udcb6\udcc3\udc9fe") == "größe"
    assert uploader.display_name("gr\udcc3\udcb6\udcc3\udc9fe.xml") == "größe.xml"
    assert uploader.display_name("caf\udce9.xml") == "caf\N{REPLACEMENT CHARACTER}.xml"


def test_memory_stays_flat_for_a_large_file(tmp_path):
    with open("large.xml", "wb") as large:
        large.writelines(os.urandom(1 << 19) + bytes(1 << 19) for _ in range(48))
    tracemalloc.start()
    try:
        delivery = Delivery({}, [pack("large.xml", folder=str(tmp_path))])
        sent = sum(len(chunk) for chunk in delivery.stream())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent == delivery.size > 24 << 20
    assert peak < 6 << 20

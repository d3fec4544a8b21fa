"""Reports as CI keeps them – plain, gzip, zstd, a zip archive – go out in one upload and all of them arrive."""

import gzip
import io
import subprocess
import sys
import zipfile
from pathlib import Path

import zstandard

from config.processes import ROOT
from tests.stack import LiveStack

MAKE_PROJECT = """
from tests.builders import a_project, a_token
print("token", a_token(a_project("packed-reports")))
"""
LINES = "\n".join(f"DA:{line},{int(line <= 15)}" for line in range(1, 23))
COVERAGE = f"SF:src/shop.py\n{LINES}\nend_of_record\n"


def a_report(name: str) -> bytes:
    return f'<testsuite name="{name}"><testcase classname="{name}" name="works" time="0.1"/></testsuite>'.encode()


def an_archive(**files: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"inner/{name}.xml", content)
    return body.getvalue()


def test_whatever_a_report_is_packed_with_it_arrives_beside_the_others(live_stack: LiveStack, tmp_path: Path) -> None:
    told = live_stack.manage("shell", "--command", MAKE_PROJECT)
    token = next(line for line in told.splitlines() if line.startswith("token ")).split()[1]
    files = {
        "a.xml": a_report("plain"),
        "b.xml.gz": gzip.compress(a_report("gzipped")),
        "c.xml.zst": zstandard.compress(a_report("zstandard")),
        "d.zip": an_archive(one=a_report("first"), two=a_report("second")),
        "e.info": COVERAGE.encode(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)

    command = [sys.executable, str(ROOT / "ingest" / "uploader.py"), "upload", *files, "--wait", "--commit", "c" * 40]
    environ = {"SUITEWATCH_URL": live_stack.url, "SUITEWATCH_TOKEN": token, "PATH": live_stack.environment["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    one = "1 test: 1 passed"
    assert [line for line in done.stdout.splitlines() if ": " in line and "http" not in line] == [
        f"a.xml: {one}",
        f"b.xml.gz: {one}",
        f"c.xml.zst: {one}",
        f"d.zip/inner/one.xml: {one}",
        f"d.zip/inner/two.xml: {one}",
        "e.info: LCOV, 15 of 22 lines (68.1 %), no level",
        "In all 5 tests: 5 passed",
    ]
    assert "Run 1 is complete.\n" in done.stdout
    assert "Sent 5 files, " in done.stdout

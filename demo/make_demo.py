"""Make the demo projects from recorded runs: `python demo/make_demo.py ../shared/samples/history`.

Reads a folder per project and run with `junit.xml.gz`, `coverage.lcov.gz` and `meta.json`; writes into
`demo/` a folder per project: the reports, and `runs.json` that says what they belong to, for `load_demo`.
Promise: names, outcomes, durations, hits and failure messages are the recorded ones, no source line of
another project remains, and the same input gives the same bytes (tests/ingest/test_demo_data.py).
"""

import argparse
import gzip
import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

DEMO = Path(__file__).parent
LOCATION = re.compile(r"\S+:\d+: \w[\w.]*")
KEPT_COVERAGE = ("SF:", "DA:", "LF:", "LH:", "BRF:", "BRH:", "end_of_record")
COVERAGE_TOTALS = {"LF": "lines_valid", "LH": "lines_covered", "BRF": "branches_valid", "BRH": "branches_covered"}
OUTCOMES = (("skipped", "skipped"), ("error", "errored"), ("failure", "failed"))  # the first that is there


@dataclass(frozen=True)
class Recording:
    """One recorded run. `repeat` is 0, or 1, 2 … for the runs that repeated the same commit."""

    folder: Path
    meta: dict[str, Any]
    repeat: int

    @property
    def committed_at(self) -> datetime:
        return datetime.fromisoformat(self.meta["committed_at"])

    @property
    def ran_at(self) -> datetime:
        """The runs were made long after the commits; repeats follow each other by a minute."""
        return self.committed_at + timedelta(minutes=self.repeat)

    @property
    def stem(self) -> str:
        stem = f"{self.committed_at:%Y-%m-%d}_{self.meta['commit'][:12]}"
        return f"{stem}_repeat-{self.repeat:02}" if self.repeat else stem


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("history", type=Path, help="folder of the recorded runs")
    history = parser.parse_args().history
    for source in sorted(path for path in history.iterdir() if path.is_dir()):
        n_runs, n_bytes = write_project(find_recordings(source), target=DEMO / source.name)
        print(f"demo/{source.name}: {n_runs} runs, {n_bytes:,} bytes")


def find_recordings(source: Path) -> list[Recording]:
    """All runs of one project, the oldest commit first, repeats behind the run they repeat."""
    recordings = []
    for path in source.glob("**/meta.json"):
        meta = json.loads(path.read_text(encoding="utf-8"))
        repeat = meta["run"] if path.parent.name.startswith("run-") else 0
        recordings.append(Recording(path.parent, meta, repeat))
    return sorted(recordings, key=lambda recording: (recording.committed_at, recording.repeat))


def write_project(recordings: list[Recording], *, target: Path) -> tuple[int, int]:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    runs = [write_run(recording, target=target) for recording in recordings]
    meta = recordings[0].meta
    project = {
        "name": meta["repo"],
        "slug": target.name,
        "repository": meta["repo_url"],
        "licence": meta["licence"],
        "default_branch": meta["branch"],
        "origin": f"made by running `{meta['command']}` in {meta['repo']} at each of these commits",
    }
    index = json.dumps({"project": project, "runs": runs}, indent=1, ensure_ascii=False)
    (target / "runs.json").write_text(index + "\n", encoding="utf-8")
    return len(runs), sum(path.stat().st_size for path in target.iterdir())


def write_run(recording: Recording, *, target: Path) -> dict[str, Any]:
    """Write the reports of one run and return its line of the index."""
    meta = recording.meta
    document = ET.fromstring(gzip.decompress((recording.folder / "junit.xml.gz").read_bytes()))
    cut(document, root=f"/srv/{target.name}/")
    junit = f"{recording.stem}.junit.xml.gz"
    pack(ET.tostring(document, encoding="utf-8", xml_declaration=True), target / junit)
    run = {
        "files": [junit],
        "commit": meta["commit"],
        "branch": meta["branch"],
        "committed_at": recording.committed_at.isoformat(),
        "ran_at": recording.ran_at.isoformat(),
        "run_id": recording.stem,
        "job": "tests",
        "variant": "python " + ".".join(meta["python"].split(".")[:2]),
        "expected": count_outcomes(document),
    }
    if not recording.repeat:  # the repeats ran the same lines
        run["coverage"] = f"{recording.stem}.lcov.gz"
        hits = keep_hits(recording.folder / "coverage.lcov.gz")
        pack(hits, target / run["coverage"])
        run["expected_coverage"] = add_up_coverage(hits)
    return run


def cut(document: ET.Element, *, root: str) -> None:
    """Drop what was printed, and of each traceback all but the place and the type it ended with."""
    for case in document.iter("testcase"):
        for child in list(case):
            if child.tag in ("system-out", "system-err"):
                case.remove(child)
            elif child.tag in ("failure", "error"):
                places = [line for line in (child.text or "").splitlines() if LOCATION.fullmatch(line)]
                child.text = places[-1].replace(root, "") if places else None
            elif child.text:
                child.text = child.text.replace(root, "")


def count_outcomes(document: ET.Element) -> dict[str, int]:
    counts = Counter(passed=0, failed=0, errored=0, skipped=0)
    for case in document.iter("testcase"):
        tags = {child.tag for child in case}
        outcome = next((word for tag, word in OUTCOMES if tag in tags), "passed")
        counts[outcome] += 1
    return {"tests": counts.total(), **counts}


def add_up_coverage(hits: bytes) -> dict[str, int]:
    """The sums of what the records say of themselves; each file has one record."""
    totals = {"files": 0, **dict.fromkeys(COVERAGE_TOTALS.values(), 0)}
    for line in hits.decode().splitlines():
        name, _, value = line.partition(":")
        totals["files"] += name == "SF"
        if name in COVERAGE_TOTALS:
            totals[COVERAGE_TOTALS[name]] += int(value)
    return totals


def keep_hits(path: Path) -> bytes:
    """Which lines ran how often, and how many branches; their names and functions stay behind, they name code."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(KEPT_COVERAGE)).encode()


def pack(content: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    main()

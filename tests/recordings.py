"""The demo's recorded runs, sent through the front door and read as a worker would, without a server.

Used by tests of what the pages say of the demo.
"""

import json
from pathlib import Path
from typing import Any

from django.test import Client

from health.judging import judge_project
from health.models import Project
from ingest.pipeline import process_next
from tests.builders import a_project, a_token

DEMO = Path(__file__).resolve().parents[1] / "demo"
_FIELDS = ("commit", "branch", "committed_at", "ran_at", "run_id", "job", "variant")


def read_index(slug: str) -> dict[str, Any]:
    """What `demo/<slug>/runs.json` says."""
    return dict(json.loads((DEMO / slug / "runs.json").read_text(encoding="utf-8")))


def load_recordings(slug: str, *, with_coverage: bool = False, **fields: Any) -> Project:
    """The demo project with all its runs, oldest first, and its conclusions drawn once all are there."""
    index = read_index(slug)
    project = a_project(slug, default_branch=index["project"]["default_branch"], **fields)
    authorization = {"HTTP_AUTHORIZATION": f"Bearer {a_token(project)}"}
    client = Client()
    for run in index["runs"]:
        names = [*run["files"], *([run["coverage"]] if with_coverage and "coverage" in run else [])]
        files = [(DEMO / slug / name).open("rb") for name in names]
        form = {field: run[field] for field in _FIELDS} | {"provider": "demo", "file": files}
        answer = client.post("/api/v1/uploads", form, **authorization)  # type: ignore[arg-type]
        assert answer.status_code == 202, answer.text
        for file in files:
            file.close()
    while process_next():
        pass
    judge_project(project.pk)
    project.refresh_from_db()
    return project

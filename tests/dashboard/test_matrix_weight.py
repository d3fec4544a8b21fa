"""What the matrix weighs on its way: the page of 200 × 52, and all a first visit fetches."""

import gzip
import re
import zlib
from pathlib import Path

import pytest
from django.test import Client

from health.models import Project
from tests.builders import a_project, a_user
from tests.scenes import a_run

pytestmark = pytest.mark.django_db

STATIC = Path(__file__).parents[2] / "static"
MOST_OF_PAGE = 100_000
MOST_OF_VISIT = 600_000


def a_wide_project() -> Project:
    """52 runs in which 260 cases with long names end in every way; no two rows are alike."""
    project = a_project("click", owner=a_user("ann"))
    words = ("pass", "fail", "error", "skip", "retry", "xfail", "xpass")
    for run in range(52):
        cases = {}
        for k in range(260):
            # Checksums stand for chance: it packs badly, and is the same each time.
            code = zlib.crc32(f"{run} {k}".encode()) % 20
            name = f"tests.integration.service{k % 23}::test_a_name_of_some_length_{zlib.crc32(str(k).encode()):x}[{k}]"
            cases[name] = words[code] if code < len(words) else "pass"
        a_run(project, cases, hour=24 * run)
    return project


def weigh(data: bytes) -> int:
    return len(gzip.compress(data, 6))


def test_a_page_and_a_first_visit_are_light(client: Client) -> None:
    a_wide_project()
    client.force_login(Project.objects.get().memberships.get().user)
    page = client.get("/p/click/matrix/").content
    assert page.count(b'<th scope="row"') == 200
    assert page.count(b'class="run"') == 52
    assert weigh(page) < MOST_OF_PAGE
    linked = re.findall(rb'(?:href|src)="/static/([^"]+)"', page)
    assert {b"css/pages/matrix.css", b"js/grid.js"} <= set(linked)
    # The drawing library is named for pages that draw, and fetched by them alone.
    assert b'data-plotly="' in page
    visit = weigh(page) + sum(weigh((STATIC / name.decode()).read_bytes()) for name in linked)
    assert visit < MOST_OF_VISIT

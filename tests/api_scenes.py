"""A project with something on every page, and whoever reads it: a program with a token, a person in a browser.

Used by the tests of the read API.
"""

import re
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from dashboard.api.addresses import ADDRESSES
from health.judging import judge_project
from health.models import Deferral, Fingerprint, Project, SourceFile, Upload
from tests.builders import a_project, a_token, a_user
from tests.coverage_scenes import lines, measured
from tests.scenes import a_run, green


def a_full_project(slug: str = "full", *, n_runs: int = 8, n_cases: int = 8, n_variants: int = 1) -> Project:
    """Broken, flaky, vanished, renamed, slow and put off cases, coverage, causes."""
    project = a_project(slug, owner=a_user(f"{slug}-owner"))
    for run in range(n_runs):
        cases = green(n_cases, case0="skip", case1="xfail", case2="fail" if run > 4 else "pass")
        cases["tests.api::case3"] = "retry" if run in (2, 4) else "pass"
        if run == n_runs - 1:
            cases["tests.api::case4"] = "error"
            cases.pop(f"tests.api::case{n_cases - 1}")
            cases.pop("tests.api::case5")
            cases["tests.api::case5b"] = "pass"
        for variant in range(n_variants):
            a_run(project, cases, hour=24 * run, variant=f"v{variant}", run_id=str(run), seconds=0.01 * (run + 1))
    for hour in (1, 25):
        measured(project, {"src/a.py": lines(10, 4 + hour // 24), "src/b/c.py": lines(5, 5)}, hour=hour, level="unit")
    judge_project(project.pk)
    project.refresh_from_db()
    return project


class Reader:
    """A program with a token, and its owner's browser beside it."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.client = Client()
        self.headers = {"authorization": f"Bearer {a_token(project, scopes=['read'])}"}
        self.browser = Client()
        if owner := User.objects.filter(memberships__project=project).first():
            self.browser.force_login(owner)

    def get(self, path: str) -> Any:
        response = self.client.get(f"/api/v1/projects/{self.project.slug}/{path}", headers=self.headers)
        assert response.status_code == 200, response.text
        return response.json()

    def show(self, path: str) -> str:
        """The words of a page."""
        response = self.browser.get(f"/p/{self.project.slug}/{path}")
        assert response.status_code == 200
        return make_plain(strip_tags(response.text.partition("<main")[2]))


def make_plain(text: str) -> str:
    """Any blanks as one."""
    return re.sub(r"\s+", " ", text)


def place_of(project: Project, name: str) -> str:
    """The address of that name below the project's, with something at it."""
    run = Upload.objects.filter(project=project).order_by("-run").values_list("run", flat=True)[0]
    number = {
        "run": Upload.objects.filter(project=project, series__isnull=False).order_by("-pk")[2].run or run,
        "case": 2,
        "coverage-file": SourceFile.objects.filter(project=project)
        .order_by("number")
        .values_list("number", flat=True)[0],
    }
    causes = Fingerprint.objects.filter(project=project).values_list("fingerprint", flat=True)
    known = {
        "<int:number>": str(number.get(name, run)),
        "<uuid:public_id>": str(Upload.objects.filter(project=project).values_list("public_id", flat=True)[0]),
        "<int:pk>": str(Deferral.objects.filter(project=project).earliest("pk").pk),
        "<fingerprint:fingerprint>": f"{causes[0] & (2**64 - 1):016x}",
    }
    address = ADDRESSES[name]
    for converter, value in known.items():
        address = address.replace(converter, value)
    return f"{address}?search=case" if name == "search" else address

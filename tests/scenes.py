"""Projects as they happen: a matrix, two workflows, a pull request beside main, runs out of order; small and large.

Used by the tests of the pages, so that each page is read in each of them.
"""

from datetime import datetime, timedelta

from health.models import Project, Upload
from tests.builders import FIRST_MOMENT, a_project, an_upload

Cases = dict[str, str]


def green(n: int = 6, **changed: str) -> Cases:
    """Cases `tests.api::case0` …, all passing but for the changed ones: `case3="fail"`."""
    cases = {f"tests.api::case{k}": "pass" for k in range(n)}
    return cases | {f"tests.api::{name}": word for name, word in changed.items()}


def at(hour: float) -> datetime:
    """So many hours after the first moment."""
    return FIRST_MOMENT + timedelta(hours=hour)


def a_run(
    project: Project, cases: Cases | None, *, hour: float, job: str = "tests", variant: str = "", **more: object
) -> Upload:
    """One delivery of one job; equal `run_id`s make one run."""
    values: dict[str, object] = {
        "ran_at": at(hour),
        "committed_at": at(hour),
        "provider": "ci",
        "run_id": f"{job}{hour:g}",
    }
    return an_upload(project, cases, job=job, variant=variant, **(values | more))  # type: ignore[arg-type]


def a_steady_project(slug: str, *, n_runs: int, n_cases: int, n_variants: int = 1) -> Project:
    """Runs with one failure that lasts, one that is new in the newest run, and one case gone there."""
    project = a_project(slug)
    for run in range(n_runs):
        is_last = run == n_runs - 1
        cases = green(n_cases, case0="skip", case1="xfail", case2="fail" if run else "pass")
        if is_last:
            cases["tests.api::case3"] = "error"
            cases.pop(f"tests.api::case{n_cases - 1}")
        for variant in range(n_variants):
            a_run(project, cases, hour=24 * run, variant=f"v{variant}", run_id=str(run))
    return project


def a_matrix(slug: str = "matrix") -> Project:
    """One workflow on two variants; the second one breaks in the second run."""
    project = a_project(slug)
    for hour in (0, 1):
        a_run(project, green(), hour=hour, variant="3.11", run_id=str(hour))
        a_run(project, green(case2="fail" if hour else "pass"), hour=hour, variant="3.12", run_id=str(hour))
    return project


def two_workflows(slug: str = "workflows") -> Project:
    """Tests fail first; the docs workflow runs after them on the same branch, and is green."""
    project = a_project(slug)
    for hour in (0, 2):
        a_run(project, green(case2="fail" if hour else "pass"), hour=hour, job="tests")
        a_run(project, {"docs::links": "pass", "docs::spelling": "pass"}, hour=hour + 1, job="docs")
    return project


def a_pull_request_beside_main(slug: str = "pull") -> Project:
    """main is green; a pull request from it breaks a case, and runs last."""
    project = a_project(slug)
    a_run(project, green(), hour=0)
    a_run(project, green(), hour=1)
    a_run(project, green(case4="fail"), hour=2, branch="feature", pull_request="7")
    return project


def out_of_order(slug: str = "order") -> Project:
    """Three runs, sent newest first: green, red in the middle, green."""
    project = a_project(slug)
    for hour, word in ((2, "pass"), (0, "pass"), (1, "fail")):
        a_run(project, green(case2=word), hour=hour)
    return project

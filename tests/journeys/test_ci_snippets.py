"""Each documented step as a CI runs it: its shell lines out of the page, through the real server, to the database."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from dashboard.queries.snippets import write_snippets
from tests.ci_environments import (
    APPVEYOR,
    AZURE,
    BITBUCKET,
    BUILDKITE,
    CIRCLECI,
    DRONE,
    GITHUB,
    GITLAB,
    HEAD,
    JENKINS,
    MERGE,
    SEMAPHORE,
    TEAMCITY,
    TRAVIS,
    WOODPECKER,
)
from tests.stack import LiveStack, free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
ACTION = yaml.safe_load((ROOT / "integrations" / "github" / "action.yml").read_text(encoding="utf-8"))
REPORT = """<testsuites><testsuite name="unit">
<testcase classname="tests.shop" name="one"/>
<testcase classname="tests.shop" name="two"><failure message="1 != 2">assert 1 == 2</failure></testcase>
</testsuite></testsuites>"""
COVERAGE = """<coverage><packages><package name="shop"><classes><class name="a" filename="shop/a.py"><lines>
<line number="1" hits="1"/><line number="2" hits="1"/><line number="3" hits="0"/>
</lines></class></classes></package></packages></coverage>"""
MAKE_PROJECT = """
from tests.builders import a_project, a_token
project = a_project("{slug}")
print("project", project.pk, a_token(project))
"""


class Script(NamedTuple):
    """What a CI would run: shell, and the variables the step itself sets."""

    shell: str
    variables: dict[str, str]


class Project(NamedTuple):
    """Where the reports of one test go."""

    pk: int
    token: str


@pytest.fixture
def project(live_stack: LiveStack, request: pytest.FixtureRequest) -> Project:
    """A project of this test's own."""
    slug = "ci-" + re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-40:]
    told = live_stack.manage("shell", "--command", MAKE_PROJECT.format(slug=slug))
    _, key, token = next(line for line in told.splitlines() if line.startswith("project ")).split()
    return Project(int(key), token)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A checkout after red tests: one report, no git."""
    work = tmp_path / "workspace"
    (work / "reports" / "deep").mkdir(parents=True)
    (work / "reports" / "deep" / "unit.xml").write_text(REPORT, encoding="utf-8")
    (work / "junit.xml").write_text(REPORT, encoding="utf-8")
    event = {"pull_request": {"number": 7, "head": {"sha": HEAD}}}
    (work / "event.json").write_text(json.dumps(event), encoding="utf-8")
    return work


# --- out of the page --------------------------------------------------------------------------------------------


def find_blocks(heading: str) -> list[str]:
    """The code blocks of a section, in order."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"```\w+\n(.*?)```", section, re.DOTALL)


def read_step(heading: str) -> Script:
    """The shell part of a section's first block, and what the step sets for it."""
    block = find_blocks(heading)[0]
    if heading == "Jenkins":
        return Script(block.split("'''")[1], {})
    if heading in ("Buildkite", "TeamCity", "Anything else, with curl"):
        return Script(block, {})
    step = yaml.safe_load(block)
    step = step[0] if isinstance(step, list) else step
    for key in ("run", "unit", "step", "epilogue", "always"):  # wrapped once or twice
        step = step[key] if isinstance(step.get(key), dict) else step
    for key in ("run", "command", "bash", "after_script", "after-script", "commands", "on_finish"):
        if key in step:
            lines = step[key]
            break
    lines = [line["sh"] if isinstance(line, dict) else line for line in ([lines] if isinstance(lines, str) else lines)]
    variables = next((step[key] for key in ("env", "environment", "variables") if key in step), {})
    return Script("\n".join(lines), {name: value for name, value in variables.items() if isinstance(value, str)})


def fill_in(text: str, *, address: str, token: str, matrix: str = "null") -> str:
    """What the CI puts in place of its expressions; none may be left."""
    text = text.replace("https://suitewatch.example", address)
    for expression, value in {
        "${{ secrets.SUITEWATCH_TOKEN }}": token,
        "$(SUITEWATCH_TOKEN)": token,
        "${{ toJSON(matrix) }}": matrix,
    }.items():
        text = text.replace(expression, value)
    assert "${{" not in text
    return text


def run_script(script: Script, environ: dict[str, str], *, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script in a shell that stops at the first failure, with nothing of this process's environment."""
    known = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "HOME": str(folder),
        "RUNNER_TEMP": str(folder.parent),
        "LC_ALL": "C.UTF-8",
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script.shell],
        env={**known, **environ, **script.variables},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# --- in the database --------------------------------------------------------------------------------------------


def read_run(stack: LiveStack, project: Project) -> dict[str, Any]:
    """The project's one run and its one job, once they are stored."""
    waiting = "SELECT count(*) FROM health_upload WHERE project_id = %s AND state IN ('stored', 'partial', 'failed')"
    wait_for(lambda: stack.query(waiting, project.pk)[0][0], seconds=30, what="the upload at its end")
    rows = stack.query(
        """
        SELECT run.provider, run.external_id, run.commit, run.branch, run.pull_request, run.build_url, run.n_declared,
               run.n_failed, series.job, series.variant, upload.attempt, upload.metadata ->> 'shard', upload.state
        FROM health_upload upload
        JOIN health_run run ON run.project_id = upload.project_id AND run.number = upload.run
        JOIN health_series series ON series.project_id = upload.project_id AND series.number = upload.series
        WHERE upload.project_id = %s
        """,
        project.pk,
    )
    names = (
        *("provider", "run_id", "commit", "branch", "pull_request", "build_url", "n_declared", "n_failed"),
        *("job", "variant", "attempt", "shard", "state"),
    )
    assert len(rows) == 1
    return dict(zip(names, rows[0], strict=True))


# --- each section -----------------------------------------------------------------------------------------------

MATRIX, MATRIX_IN_WORDS = '{\n "py": "3.12",\n "os": "linux"\n}', "os=linux, py=3.12"
PULL = {"branch": "feature/tools", "pull_request": "7", "commit": HEAD}
SECTIONS: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "GitHub Actions": (
        {
            **GITHUB,
            "GITHUB_SHA": MERGE,
            "GITHUB_REF": "refs/pull/7/merge",
            "GITHUB_HEAD_REF": "feature/tools",
            "GITHUB_EVENT_PATH": "event.json",
        },
        {**PULL, "provider": "github", "run_id": "9001", "job": "CI/unit", "variant": MATRIX_IN_WORDS, "attempt": 2},
    ),
    "GitLab CI": (
        {
            **GITLAB,
            "CI_JOB_NAME": "unit 2/5",
            "CI_NODE_INDEX": "2",
            "CI_NODE_TOTAL": "5",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/tools",
        },
        {**PULL, "provider": "gitlab", "run_id": "71", "job": "unit", "shard": "2/5"},
    ),
    "Jenkins": (
        {
            **JENKINS,
            "JOB_NAME": "shop/PR-7",
            "BRANCH_NAME": "PR-7",
            "CHANGE_ID": "7",
            "CHANGE_BRANCH": "feature/tools",
            "STAGE_NAME": "Declarative: Post Actions",
        },
        {**PULL, "provider": "jenkins", "run_id": "jenkins-shop-main-12", "job": "shop"},
    ),
    "Buildkite": (
        {**BUILDKITE, "BUILDKITE_BRANCH": "feature/tools", "BUILDKITE_PULL_REQUEST": "7", "BUILDKITE_RETRY_COUNT": "1"},
        {**PULL, "provider": "buildkite", "run_id": "0190-f00d", "job": "unit", "attempt": 2, "shard": "2/5"},
    ),
    "CircleCI": (
        {**CIRCLECI, "CIRCLE_BRANCH": "feature/tools", "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pull/7"},
        {**PULL, "provider": "circleci", "run_id": "5b6c", "job": "unit", "shard": "2/3"},
    ),
    "Azure Pipelines": (
        {
            **AZURE,
            "BUILD_SOURCEVERSION": MERGE,
            "BUILD_SOURCEBRANCH": "refs/pull/7/merge",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD,
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature/tools",
            "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "7",
        },
        {**PULL, "provider": "azure", "run_id": "311", "job": "unit"},
    ),
    "Bitbucket Pipelines": (
        {**BITBUCKET, "BITBUCKET_BRANCH": "feature/tools", "BITBUCKET_PR_ID": "7"},
        {**PULL, "provider": "bitbucket", "run_id": "aa-01", "job": "unit"},
    ),
    "Travis CI": (
        {
            **TRAVIS,
            "TRAVIS_COMMIT": MERGE,
            "TRAVIS_PULL_REQUEST": "7",
            "TRAVIS_PULL_REQUEST_BRANCH": "feature/tools",
            "TRAVIS_PULL_REQUEST_SHA": HEAD,
        },
        {**PULL, "provider": "travis", "run_id": "501", "job": "unit"},
    ),
    "Drone": (
        {**DRONE, "DRONE_PULL_REQUEST": "7", "DRONE_SOURCE_BRANCH": "feature/tools", "DRONE_STEP_NAME": "suitewatch"},
        {**PULL, "provider": "drone", "run_id": "33", "job": "unit"},
    ),
    "Woodpecker": (
        {**WOODPECKER, "CI_COMMIT_PULL_REQUEST": "7", "CI_COMMIT_SOURCE_BRANCH": "feature/tools"},
        {**PULL, "provider": "woodpecker", "run_id": "6", "job": "unit"},
    ),
    "TeamCity": (
        {**TEAMCITY, "TEAMCITY_PULLREQUEST_NUMBER": "7"},
        {**PULL, "provider": "teamcity", "run_id": "Shop/Unit/44", "job": "Shop/Unit"},
    ),
    "AppVeyor": (
        {
            **APPVEYOR,
            "APPVEYOR_PULL_REQUEST_NUMBER": "7",
            "APPVEYOR_PULL_REQUEST_HEAD_COMMIT": HEAD,
            "APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH": "feature/tools",
        },
        {**PULL, "provider": "appveyor", "run_id": "164", "job": "Environment: PYTHON=3.12"},
    ),
    "Semaphore": (
        {**SEMAPHORE, "SEMAPHORE_GIT_PR_NUMBER": "7", "SEMAPHORE_GIT_PR_BRANCH": "feature/tools"},
        {**PULL, "provider": "semaphore", "run_id": "fa-1", "job": "unit"},
    ),
    "Gitea and Forgejo Actions": (
        {**GITHUB, "FORGEJO_ACTIONS": "true"},
        {"provider": "forgejo", "run_id": "9001", "branch": "feature/tools", "pull_request": "", "commit": HEAD},
    ),
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_documented_step_files_a_red_run_where_it_belongs(
    live_stack: LiveStack, project: Project, workspace: Path, heading: str
) -> None:
    environ, expected = SECTIONS[heading]
    script = read_step(heading)
    given = {"address": live_stack.url, "token": project.token, "matrix": MATRIX}
    script = Script(
        fill_in(script.shell, **given), {name: fill_in(value, **given) for name, value in script.variables.items()}
    )
    done = run_script(script, {"SUITEWATCH_TOKEN": project.token, **environ}, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.token not in done.stdout + done.stderr
    found = read_run(live_stack, project)
    assert {name: found[name] for name in expected} == expected
    assert (found["state"], found["n_declared"], found["n_failed"]) == ("stored", 2, 1)


def test_each_section_with_a_step_is_run() -> None:
    headings = set(re.findall(r"^## (.+)$", PAGE, re.MULTILINE))
    assert headings == {*SECTIONS, "Coverage", "Anything else, with curl", "The last job", "The gate", "What is read"}


ALSO_AFTER_FAILURES = {
    "GitHub Actions": "if: ${{ !cancelled() }}",
    "GitLab CI": "after_script:",
    "Jenkins": "post {\n  always {",
    "CircleCI": "when: always",
    "Azure Pipelines": "condition: succeededOrFailed()",
    "Bitbucket Pipelines": "after-script:",
    "Travis CI": "after_script:",
    "Drone": "status: [success, failure]",
    "Woodpecker": "status: [success, failure]",
    "AppVeyor": "on_finish:",
    "Semaphore": "epilogue:\n  always:",
    "Gitea and Forgejo Actions": "if: ${{ !cancelled() }}",
}


@pytest.mark.parametrize("heading", SECTIONS)
def test_a_documented_step_says_how_red_runs_arrive(heading: str) -> None:
    if heading in ("Buildkite", "TeamCity"):
        section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
        assert "pre-exit" in section or "Even if some of the previous steps failed" in section
    else:
        assert ALSO_AFTER_FAILURES[heading] in find_blocks(heading)[0]


def test_coverage_goes_along_in_the_documented_step(live_stack: LiveStack, project: Project, workspace: Path) -> None:
    step = yaml.safe_load(find_blocks("Coverage")[0])[1]
    given = {"address": live_stack.url, "token": project.token}
    variables = {name: fill_in(value, **given) for name, value in step["env"].items()}
    (workspace / "reports" / "coverage.xml").write_text(COVERAGE, encoding="utf-8")
    done = run_script(Script(step["run"].rstrip() + " --wait", variables), GITHUB, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\ncoverage.xml: Cobertura, 2 of 3 lines (66.6 %), level unit\n" in done.stdout
    assert "\nunit.xml: 2 tests: 1 passed, 1 failed\n" in done.stdout
    asked = "SELECT level, lines_covered, lines_valid FROM health_runcoverage WHERE project_id = %s"
    assert live_stack.query(asked, project.pk) == [("unit", 2, 3)]


def test_curl_does_it_anywhere(live_stack: LiveStack, project: Project, workspace: Path) -> None:
    script = read_step("Anything else, with curl")
    script = Script(fill_in(script.shell, address=live_stack.url, token=""), {})
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.invalid"]
    subprocess.run([*git, "init", "--quiet"], cwd=workspace, check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "one"], cwd=workspace, check=True)
    (workspace / "reports" / "unit.xml").write_text(REPORT, encoding="utf-8")
    environ = {"SUITEWATCH_TOKEN": project.token, "BUILD_NUMBER": "4711", "BRANCH": "@/etc/passwd"}
    done = run_script(script, environ, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_run(live_stack, project)
    assert (found["provider"], found["run_id"], found["branch"]) == ("my-ci", "4711", "@/etc/passwd")
    assert re.fullmatch("[0-9a-f]{40}", found["commit"])


def test_an_outage_of_suitewatch_fails_no_step(workspace: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    for heading in ("GitHub Actions", "Jenkins", "Buildkite", "CircleCI", "Azure Pipelines", "Drone", "TeamCity"):
        script = read_step(heading)
        given = {"address": nobody, "token": "sw_up_x"}
        script = Script(
            fill_in(script.shell, **given), {name: fill_in(value, **given) for name, value in script.variables.items()}
        )
        assert run_script(script, {"SUITEWATCH_TOKEN": "sw_up_x"}, folder=workspace).returncode == 0, heading


# --- the last job -----------------------------------------------------------------------------------------------

LAST_JOBS = {"github": GITHUB, "gitlab": GITLAB, "buildkite": BUILDKITE}


def read_last_job(at: int, heading: str = "The last job") -> Script:
    """The shell part of one of the blocks, and what it sets; each has to run after red jobs too."""
    block = find_blocks(heading)[at]
    assert re.search(r"always|!cancelled\(\)|continue_on_failure: true", block)
    job = yaml.safe_load(block)
    job = job[1] if isinstance(job, list) else next(iter(job.values()))
    step = job["steps"][0] if "steps" in job else job
    lines = step.get("run") or step.get("command") or "\n".join(step["script"])
    return Script(lines, step.get("env") or step.get("variables") or {})


@pytest.mark.parametrize("system", LAST_JOBS)
def test_the_documented_last_job_makes_the_run_whole(
    live_stack: LiveStack, project: Project, workspace: Path, system: str
) -> None:
    environ = {
        **LAST_JOBS[system],
        "SUITEWATCH_TOKEN": project.token,
        "SUITEWATCH_URL": live_stack.url,
        "SUITEWATCH_EXPECTED_JOBS": "3",
    }
    upload = Script("curl -fsSO $SUITEWATCH_URL/suitewatch.py && python3 suitewatch.py upload --wait junit.xml", {})
    sent = run_script(upload, environ, folder=workspace)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert "Run 1 is incomplete: it waits for" in sent.stdout
    asked = "SELECT is_complete, closed, n_failed FROM health_run WHERE project_id = %s"
    assert live_stack.query(asked, project.pk) == [(False, "", 1)]
    script = read_last_job(list(LAST_JOBS).index(system))
    given = {"address": live_stack.url, "token": project.token}
    script = Script(
        fill_in(script.shell, **given),
        {name: fill_in(str(value), **given) for name, value in script.variables.items()},
    )
    done = run_script(script, environ, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Run 1 is complete." in done.stdout
    assert live_stack.query(asked, project.pk) == [(True, "finish", 1)]


@pytest.mark.parametrize("system", ["github", "gitlab"])
def test_the_documented_gate_says_what_broke(
    live_stack: LiveStack, project: Project, workspace: Path, system: str
) -> None:
    environ = {
        **LAST_JOBS[system],
        "SUITEWATCH_TOKEN": project.token,
        "SUITEWATCH_URL": live_stack.url,
    }
    upload = Script("curl -fsSO $SUITEWATCH_URL/suitewatch.py && python3 suitewatch.py upload junit.xml", {})
    assert run_script(upload, environ, folder=workspace).returncode == 0
    script = read_last_job(["github", "gitlab"].index(system), "The gate")
    given = {"address": live_stack.url, "token": project.token}
    script = Script(
        fill_in(script.shell, **given),
        {name: fill_in(str(value), **given) for name, value in script.variables.items()},
    )
    done = run_script(script, environ, folder=workspace)
    assert done.returncode == 7, done.stdout + done.stderr
    assert "Run 1 does not pass." in done.stderr
    assert "tests.shop::two" in done.stdout


# --- the steps the onboarding page shows ------------------------------------------------------------------------

SHOWN = {
    "github": "GitHub Actions",
    "gitlab": "GitLab CI",
    "jenkins": "Jenkins",
    "buildkite": "Buildkite",
    "circleci": "CircleCI",
}


@pytest.mark.parametrize("name", SHOWN)
def test_a_shown_step_files_a_run_as_the_documented_one(
    live_stack: LiveStack, project: Project, workspace: Path, name: str
) -> None:
    (snippet,) = [each for each in write_snippets(address=live_stack.url, token=project.token) if each.name == name]
    shell, variables = snippet.text, {}
    if name == "jenkins":
        shell = snippet.text.split("'''")[1]
    elif name != "buildkite":
        step = yaml.safe_load(snippet.text)
        step = step[0] if isinstance(step, list) else step
        step = step["run"] if isinstance(step.get("run"), dict) else step
        lines = step.get("run") or step.get("command") or step["after_script"]
        shell = lines if isinstance(lines, str) else "\n".join(lines)
        variables = next(step[key] for key in ("env", "environment", "variables") if key in step)
    given = {"address": live_stack.url, "token": project.token}
    script = Script(shell, {key: fill_in(value, **given) for key, value in variables.items()})
    environ, expected = SECTIONS[SHOWN[name]]
    done = run_script(script, {"SUITEWATCH_TOKEN": project.token, **environ}, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    found = read_run(live_stack, project)
    assert (found["provider"], found["run_id"], found["pull_request"]) == (name, expected["run_id"], "7")


# --- the action -------------------------------------------------------------------------------------------------


def make_action(*, fork: str = "", **inputs: str) -> Script:
    """The action's script with its inputs, as GitHub evaluates them."""
    (step,) = ACTION["runs"]["steps"]
    values = {name.replace("-", "_"): str(value.get("default", "")) for name, value in ACTION["inputs"].items()}
    assert set(inputs) <= set(values)
    values.update({"variant": "null", **inputs})
    variables = {}
    for name, expression in step["env"].items():
        word = re.fullmatch(r"\$\{\{ (.+) \}\}", expression)
        assert word
        known = {"job.check_run_id": "555", "github.event.pull_request.head.repo.fork": fork}
        variables[name] = (
            known[word[1]] if word[1] in known else values[word[1].removeprefix("inputs.").replace("-", "_")]
        )
    assert "${{" not in step["run"]
    return Script(step["run"], variables)


def test_the_action_sends_waits_and_writes_the_job_s_page(
    live_stack: LiveStack, project: Project, workspace: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.md"
    environ = {
        **GITHUB,
        "GITHUB_SHA": MERGE,
        "GITHUB_HEAD_REF": "feature/tools",
        "GITHUB_EVENT_PATH": "event.json",
        "GITHUB_STEP_SUMMARY": str(page),
    }
    stated = live_stack.request("GET", "/suitewatch.py.sha256")[2].split()[0].decode()
    script = make_action(
        url=live_stack.url + "/",
        token=project.token,
        files="reports/**/*.xml\n  *.xml\n",
        variant='{"os": "linux"}',
        wait="60",
        sha256=stated,
    )
    done = run_script(script, environ, folder=workspace)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unit.xml: 2 tests: 1 passed, 1 failed\n" in done.stdout, done.stdout
    found = read_run(live_stack, project)
    expected = {**PULL, "provider": "github", "variant": "os=linux", "attempt": 2}
    assert {name: found[name] for name in expected} == expected
    assert found["build_url"] == "https://github.com/acme/shop/actions/runs/9001/job/555"
    text = page.read_text(encoding="utf-8")
    assert "| **all 2** | 4 | 2 | 2 | 0 | 0 | 0 |" in text
    assert f"]({live_stack.url}/p/" in text


def test_the_action_runs_no_uploader_but_the_one_that_was_read(
    live_stack: LiveStack, project: Project, workspace: Path
) -> None:
    script = make_action(url=live_stack.url, token=project.token, files="junit.xml", sha256="0" * 64)
    done = run_script(script, GITHUB, folder=workspace)
    assert done.returncode == 4
    assert f"and not {'0' * 64}. Nothing is sent." in done.stdout
    assert live_stack.query("SELECT count(*) FROM health_upload WHERE project_id = %s", project.pk) == [(0,)]


def test_the_action_lets_forks_and_outages_pass(workspace: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    fork = run_script(make_action(url=nobody, token="", files="junit.xml", fork="true"), GITHUB, folder=workspace)
    assert (fork.returncode, "::notice title=Suitewatch::A fork has no token" in fork.stdout) == (0, True)
    away = run_script(make_action(url=nobody, token="sw_up_x", files="junit.xml"), GITHUB, folder=workspace)
    assert (away.returncode, "cannot be fetched, so the reports are not sent." in away.stdout) == (0, True)
    strict = make_action(url=nobody, token="sw_up_x", files="junit.xml", fail_on_error="true")
    assert run_script(strict, GITHUB, folder=workspace).returncode == 6


def test_the_documented_action_has_these_inputs() -> None:
    step = yaml.safe_load(find_blocks("GitHub Actions")[1])[0]
    assert set(step["with"]) <= set(ACTION["inputs"])
    assert {name for name, value in ACTION["inputs"].items() if value.get("required")} <= set(step["with"])
    assert step["if"] == "${{ !cancelled() }}"

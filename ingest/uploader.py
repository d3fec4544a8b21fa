#!/usr/bin/env python3
# /// script
# requires-python = ">=3.8"
# ///
"""Send test reports from CI to Suitewatch: one file, standard library only, Python 3.8 or newer.

Called as `suitewatch upload FILES…` or `python suitewatch.py upload FILES…`; `load_demo` uses the pieces.
`import` sends old reports with the dates they tell; `finish` says that a run's reports were all sent; `gate` asks
whether the run may pass; `deferred` fetches the register of put-off tests; `check` looks at `.suitewatch.yml` before it
is pushed.
Promise: the exit code tells your mistake from the server's trouble, a delivery sent twice is stored once, and
what a CI system says is read by one table (`CI_SYSTEMS`), each row and trap of it a test
(tests/ingest/test_uploader_ci.py).
"""

from __future__ import annotations

import argparse
import contextlib
import email.message
import email.utils
import fnmatch
import functools
import glob
import gzip
import hashlib
import http.client
import importlib
import ipaddress
import json
import os
import random
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import IO, Any, NamedTuple, NoReturn

__version__ = "0.1.0"

PROBLEMS = 1
SENT, WRONG_USE, NO_FILE, REFUSED, NOT_UNDERSTOOD, SERVER_TROUBLE, HELD = 0, 2, 3, 4, 5, 6, 7

EXIT_CODES = """\
exit codes:
  0  sent; gate: the run passes; or the server had trouble, which is said but does not break your build
  1  check: something in the file cannot be used
  2  wrong use: an option, the address or the token is missing or wrong
  3  no file matched (--allow-empty makes it 0)
  4  refused: token, address, size, a field or the day's quota; trying again at once would not help
  5  a file failed; finish: the run is incomplete, or nothing of it could be read (known only with --wait);
     gate: nobody can tell, since the run is incomplete, brought no results, or is not known
  6  the server had trouble and --fail-on-error was given; check and deferred: the server had trouble
  7  gate: the run does not pass, and why is said
"""

# (field of the upload API, flag, help); the variable is SUITEWATCH_ + the flag in capitals.
OPTIONS = (
    ("commit", "commit", "commit the tests ran on (else: what CI says, else git's HEAD)"),
    ("branch", "branch", "its branch (else: what CI says, else the one git has checked out)"),
    ("pull_request", "pr", "number of the pull or merge request"),
    ("committed_at", "committed-at", "when it was committed, ISO 8601 with zone (else: git)"),
    ("ran_at", "ran-at", "when the tests ran, for old reports (else: the time of arrival)"),
    ("provider", "provider", "name of the CI system"),
    ("run_id", "run-id", "number of the CI run; deliveries of one run carry the same"),
    ("attempt", "attempt", "1 for the first try of that run, 2 for its first re-run"),
    ("job", "job", "name of the job"),
    ("variant", "variant", "what sets equal jobs apart: words, or GitHub's toJSON(matrix)"),
    ("job_id", "job-id", "CI's id of this execution of the job, where it does not count attempts itself"),
    ("shard", "shard", "which part of a divided job, for example 2/5"),
    ("expected_jobs", "expected-jobs", "how many jobs of this run send reports; it is incomplete until they have"),
    ("build_url", "build-url", "link back to the job"),
    ("suite", "suite", "name of the suite, when the reports do not say it well"),
    ("level", "level", "unit, contract, integration, e2e, performance or your own word"),
    ("namespace", "namespace", "put before the names of all tests, for several packages in one project"),
    ("default_branch", "default-branch", "name of the default branch (else: what CI says, else git's origin/HEAD)"),
)

# What the CI systems call our fields. Of several variables the first that is set wins; a pattern needs all its parts.
# Four names are the table's own: `known_by` tells the system; `push_branch` is the branch unless there is a pull
# request, since it would name the target then; `attempt0` and `shard0` count from 0. `job_id` is told only where a
# retried job gets a new one in the same run, and no number of the attempt.
GITHUB = {
    "known_by": "GITHUB_ACTIONS",
    "commit": "GITHUB_SHA",
    "branch": "GITHUB_HEAD_REF",
    "push_branch": "GITHUB_REF",
    "run_id": "GITHUB_RUN_ID",
    "attempt": "GITHUB_RUN_ATTEMPT",
    "job": "{GITHUB_WORKFLOW}/{GITHUB_JOB} GITHUB_JOB",
    "build_url": "{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/job/{JOB_CHECK_RUN_ID}"
    " {GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}/attempts/{GITHUB_RUN_ATTEMPT}"
    " {GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
}
# Those that also set the variables of another one stand before it.
CI_SYSTEMS = {
    "forgejo": dict(
        GITHUB,
        known_by="FORGEJO_ACTIONS",
        build_url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_NUMBER}",
    ),
    "gitea": dict(
        GITHUB,
        known_by="GITEA_ACTIONS",
        build_url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_NUMBER}",
    ),
    "woodpecker": {
        "known_by": "CI=woodpecker",
        "commit": "CI_COMMIT_SHA",
        "branch": "CI_COMMIT_SOURCE_BRANCH",
        "push_branch": "CI_COMMIT_BRANCH CI_COMMIT_TAG",
        "pull_request": "CI_COMMIT_PULL_REQUEST",
        "default_branch": "CI_REPO_DEFAULT_BRANCH",
        "run_id": "CI_PIPELINE_NUMBER CI_BUILD_NUMBER",
        "job": "{CI_WORKFLOW_NAME}/{CI_STEP_NAME} CI_STEP_NAME CI_WORKFLOW_NAME",
        "build_url": "CI_STEP_URL CI_PIPELINE_URL CI_PIPELINE_LINK CI_BUILD_LINK",
    },
    "bitbucket": {
        "known_by": "BITBUCKET_BUILD_NUMBER",
        "commit": "BITBUCKET_COMMIT",
        "branch": "BITBUCKET_BRANCH BITBUCKET_TAG",
        "pull_request": "BITBUCKET_PR_ID",
        "run_id": "BITBUCKET_PIPELINE_UUID BITBUCKET_BUILD_NUMBER",
        "attempt": "BITBUCKET_STEP_RUN_NUMBER",
        "shard0": "{BITBUCKET_PARALLEL_STEP}/{BITBUCKET_PARALLEL_STEP_COUNT}",
        "build_url": "https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/pipelines/results/{BITBUCKET_BUILD_NUMBER}"
        "/steps/{BITBUCKET_STEP_UUID}"
        " https://bitbucket.org/{BITBUCKET_REPO_FULL_NAME}/pipelines/results/{BITBUCKET_BUILD_NUMBER}",
    },
    "github": GITHUB,
    "gitlab": {
        "known_by": "GITLAB_CI",
        "commit": "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA CI_COMMIT_SHA",
        "branch": "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME CI_COMMIT_REF_NAME",
        "pull_request": "CI_MERGE_REQUEST_IID",
        "default_branch": "CI_DEFAULT_BRANCH",
        "run_id": "CI_PIPELINE_ID",
        "job": "CI_JOB_NAME",
        "job_id": "CI_JOB_ID",
        "build_url": "CI_JOB_URL CI_PIPELINE_URL",
    },
    "circleci": {
        "known_by": "CIRCLECI",
        "commit": "CIRCLE_SHA1",
        "branch": "CIRCLE_BRANCH CIRCLE_TAG",
        "pull_request": "CIRCLE_PR_NUMBER CIRCLE_PULL_REQUEST",
        "run_id": "CIRCLE_WORKFLOW_ID",
        "shard0": "{CIRCLE_NODE_INDEX}/{CIRCLE_NODE_TOTAL}",
        "job": "CIRCLE_JOB",
        "build_url": "CIRCLE_BUILD_URL",
    },
    "buildkite": {
        "known_by": "BUILDKITE",
        "commit": "BUILDKITE_COMMIT_RESOLVED BUILDKITE_COMMIT",
        "branch": "BUILDKITE_BRANCH",
        "pull_request": "BUILDKITE_PULL_REQUEST",
        "default_branch": "BUILDKITE_PIPELINE_DEFAULT_BRANCH",
        "run_id": "BUILDKITE_BUILD_ID BUILDKITE_BUILD_NUMBER",
        "attempt0": "BUILDKITE_RETRY_COUNT",
        "shard0": "{BUILDKITE_PARALLEL_JOB}/{BUILDKITE_PARALLEL_JOB_COUNT}",
        # The key is stable; a label may hold the number of the parallel job.
        "job": "BUILDKITE_STEP_KEY BUILDKITE_LABEL",
        "build_url": "{BUILDKITE_BUILD_URL}#{BUILDKITE_JOB_ID} BUILDKITE_BUILD_URL",
    },
    "azure": {
        "known_by": "TF_BUILD",
        "commit": "SYSTEM_PULLREQUEST_SOURCECOMMITID BUILD_SOURCEVERSION",
        "branch": "SYSTEM_PULLREQUEST_SOURCEBRANCH",
        "push_branch": "BUILD_SOURCEBRANCH",  # BUILD_SOURCEBRANCHNAME is the last part of feature/tools only
        "pull_request": "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER SYSTEM_PULLREQUEST_PULLREQUESTID",
        "run_id": "BUILD_BUILDID",  # BUILD_BUILDNUMBER is a name for people
        "attempt": "SYSTEM_JOBATTEMPT",
        "shard": "{SYSTEM_JOBPOSITIONINPHASE}/{SYSTEM_TOTALJOBSINPHASE}",
        "job": "SYSTEM_JOBDISPLAYNAME",
        "build_url": "{SYSTEM_TEAMFOUNDATIONCOLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}"
        "&view=logs&j={SYSTEM_JOBID}",
    },
    "travis": {
        "known_by": "TRAVIS",
        "commit": "TRAVIS_PULL_REQUEST_SHA TRAVIS_COMMIT",
        "branch": "TRAVIS_PULL_REQUEST_BRANCH",
        "push_branch": "TRAVIS_BRANCH",
        "pull_request": "TRAVIS_PULL_REQUEST",
        "run_id": "TRAVIS_BUILD_ID",
        "job": "TRAVIS_JOB_NAME",
        "build_url": "TRAVIS_JOB_WEB_URL TRAVIS_BUILD_WEB_URL",
    },
    "drone": {
        "known_by": "DRONE",
        "commit": "DRONE_COMMIT_SHA",
        "branch": "DRONE_SOURCE_BRANCH",
        "push_branch": "DRONE_BRANCH DRONE_TAG",
        "pull_request": "DRONE_PULL_REQUEST",
        "default_branch": "DRONE_REPO_BRANCH",
        "run_id": "DRONE_BUILD_NUMBER",
        "job": "{DRONE_STAGE_NAME}/{DRONE_STEP_NAME} DRONE_STEP_NAME DRONE_STAGE_NAME",
        "build_url": "DRONE_BUILD_LINK",
    },
    "teamcity": {
        "known_by": "TEAMCITY_VERSION",
        "commit": "BUILD_VCS_NUMBER",
        "branch": "TEAMCITY_BUILD_BRANCH BRANCH_NAME",
        "pull_request": "TEAMCITY_PULLREQUEST_NUMBER",
        # Each configuration counts its builds for itself.
        "run_id": "{TEAMCITY_PROJECT_NAME}/{TEAMCITY_BUILDCONF_NAME}/{BUILD_NUMBER} BUILD_NUMBER",
        "job": "{TEAMCITY_PROJECT_NAME}/{TEAMCITY_BUILDCONF_NAME} TEAMCITY_BUILDCONF_NAME",
        "build_url": "BUILD_URL",
    },
    "appveyor": {
        "known_by": "APPVEYOR",
        "commit": "APPVEYOR_PULL_REQUEST_HEAD_COMMIT APPVEYOR_REPO_COMMIT",
        "branch": "APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH",
        "push_branch": "APPVEYOR_REPO_BRANCH",
        "pull_request": "APPVEYOR_PULL_REQUEST_NUMBER",
        "run_id": "APPVEYOR_BUILD_ID",
        "job": "APPVEYOR_JOB_NAME",
        "build_url": "{APPVEYOR_URL}/project/{APPVEYOR_REPO_NAME}/builds/{APPVEYOR_BUILD_ID}/job/{APPVEYOR_JOB_ID}",
    },
    "semaphore": {
        "known_by": "SEMAPHORE",
        "commit": "SEMAPHORE_GIT_SHA",
        "branch": "SEMAPHORE_GIT_PR_BRANCH SEMAPHORE_GIT_WORKING_BRANCH",
        "push_branch": "SEMAPHORE_GIT_BRANCH",
        "pull_request": "SEMAPHORE_GIT_PR_NUMBER",
        "run_id": "SEMAPHORE_PIPELINE_ID",
        "job": "SEMAPHORE_JOB_NAME",
        "build_url": "{SEMAPHORE_ORGANIZATION_URL}/projects/{SEMAPHORE_PROJECT_ID}/jobs/{SEMAPHORE_JOB_ID}",
    },
    # Both variables: BUILD_ID alone is Google Cloud Build's as well, and an agent may be told its JENKINS_URL.
    "jenkins": {
        "known_by": "{JENKINS_URL}{BUILD_ID}",
        "commit": "ghprbActualCommit gitlabMergeRequestLastCommit GIT_COMMIT",
        "branch": "CHANGE_BRANCH ghprbSourceBranch gitlabSourceBranch",
        "push_branch": "BRANCH_NAME GIT_BRANCH",
        "pull_request": "CHANGE_ID ghprbPullId gitlabMergeRequestIid",
        "run_id": "BUILD_TAG {JOB_NAME}-{BUILD_NUMBER}",
        "job": "JOB_NAME",
        "build_url": "BUILD_URL",
    },
}
# What is left open is read from names that several systems share.
GENERIC = {
    "commit": "CI_COMMIT_ID",
    "branch": "CI_BRANCH",
    "pull_request": "CI_PULL_REQUEST",
    "run_id": "CI_BUILD_NUMBER",
    "build_url": "CI_JOB_URL CI_BUILD_URL",
}
# What the server would refuse is not worth a broken build when nobody but a machine said it.
USABLE = {
    "commit": "[0-9a-fA-F]{7,64}",
    "pull_request": "[0-9]{1,12}",
    "attempt": "[1-9][0-9]{0,2}",
    "committed_at": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*",
    "build_url": r"https?://[^\s/]\S{0,1980}",
}
LONGEST_FIELD = 255
EVENT_LIMIT = 8 << 20

PAUSES = (1, 2, 4, 8, 16)
LONGEST_PAUSE = 60.0
LONGEST_WAIT = 366 * 86400.0  # that a server may ask for; nobody waits so long, but the moment is named
PATIENCE = 120.0
FINAL_STATES = ("stored", "partial", "failed", "dead", "cancelled")
# The states as the pages call them.
WAITS = {"received": "waiting", "processing": "being read", "retry": "waiting to try again"}
ENDS = {"partial": "is partly stored", "failed": "failed", "dead": "was given up", "cancelled": "was cancelled"}
# A delivery stays below the server's usual limits: 100 files, 25 MiB on the wire, 200 MiB unpacked.
MOST_FILES, MOST_PACKED, MOST_PLAIN = 100, 24 << 20, 192 << 20
CHUNK = 1 << 20
ANSWER_LIMIT = 4 << 20
# The largest file of the configuration that servers read, unless they are told otherwise.
MOST_CONFIGURATION = 64 << 10
# What a receipt counts of tests, and the words for it.
KINDS = {
    "passed": "passed",
    "failed": "failed",
    "errored": "errored",
    "skipped": "skipped",
    "xfailed": "expected to fail",
    "flaky": "flaky",
}
FORMATS = {
    "clover": "Clover",
    "cobertura": "Cobertura",
    "coverage.py-json": "coverage.py JSON",
    "gcovr-json": "gcovr JSON",
    "gcovr-json-summary": "gcovr JSON summary",
    "go-coverprofile": "Go coverprofile",
    "istanbul-json": "Istanbul JSON",
    "istanbul-json-summary": "Istanbul JSON summary",
    "jacoco": "JaCoCo",
    "junit": "JUnit",
    "lcov": "LCOV",
    "llvm-cov-export": "llvm-cov JSON",
    "simplecov-resultset": "SimpleCov",
    "sonarqube-generic": "SonarQube generic",
}
MOST_REMARKS, MOST_IGNORED, MOST_ROWS = 5, 10, 50
# What `deferred` may bring: a register of 50,000 entries as JSON stays below.
MOST_EXPORT = 256 << 20
EXPORTS = ("deselect", "xfail", "json")
# Where the gate's answer has its reasons, and what is said before each.
REASONS_OF_GATE = {"reasons": "", "warnings": "Not failing this run: ", "tolerated": "Tolerated: "}


class UploadError(Exception):
    """Why something did not get through: a sentence, and the exit code that says whose trouble it is."""

    def __init__(self, exit_code: int, message: str, *, final: bool = False, code: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code  # the server's word for it
        self.final = final  # the next delivery would meet the same


# ---- files -------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    paths: list[str]
    ignored: list[tuple[str, str]]
    unmatched: list[str]


def find_files(patterns: Iterable[str], *, exclude: Sequence[str] = ()) -> Found:
    """Expand the globs ourselves, since not every shell does; each file once, in the order of its name."""
    left_out = {os.path.realpath(path) for pattern in exclude for path in expand(pattern)}
    found: dict[str, str] = {}
    ignored: dict[str, str] = {}
    unmatched = []
    for pattern in patterns:
        matches = expand(pattern)
        if not matches:
            unmatched.append(pattern)
        for path in matches:
            excluded = os.path.realpath(path) in left_out or matches_name(path, exclude)
            reason = "excluded" if excluded else why_not(path)
            if os.path.isdir(path) and path != pattern:
                continue  # a folder met by ** is the way to its files, nothing to speak of
            if reason:
                ignored[path] = reason
            else:
                found.setdefault(os.path.realpath(path), path)
    return Found(sorted(found.values(), key=display_name), sorted(ignored.items()), unmatched)


def expand(pattern: str) -> list[str]:
    # A file whose name holds glob characters, such as report[1].xml, is itself.
    return [pattern] if os.path.lexists(pattern) else glob.glob(pattern, recursive=True)


def matches_name(path: str, exclude: Iterable[str]) -> bool:
    """An --exclude without a folder speaks of the file's name, wherever it lies."""
    return any(fnmatch.fnmatch(os.path.basename(path), name) for name in exclude if not os.path.dirname(name))


def why_not(path: str) -> str:
    if os.path.isdir(path):
        return f"a folder; name the files in it, for example '{path.rstrip(os.sep)}/**/*.xml'"
    if not os.path.isfile(path):
        return "not a regular file"
    # An empty file is sent: that a runner wrote nothing belongs on the dashboard.
    return "" if os.access(path, os.R_OK) else "not readable"


def display_name(path: str) -> str:
    """The path below the working folder; of a file elsewhere only the name, so that no folders leak."""
    relative = os.path.normpath(path)
    if os.path.isabs(relative):
        relative = os.path.relpath(os.path.realpath(relative), os.path.realpath(os.curdir))
    if relative.split(os.sep)[0] == os.pardir:
        relative = os.path.basename(path)
    return readable(relative.replace(os.sep, "/"))


def readable(text: str) -> str:
    """Undo what a C locale does to arguments and file names; bytes that are no UTF-8 become U+FFFD."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


# ---- metadata ----------------------------------------------------------------------------------------------


def gather_metadata(
    given: Mapping[str, str | None],
    *,
    environ: Mapping[str, str],
    git: Callable[[str | None], Mapping[str, str]],
) -> dict[str, str]:
    """Each field from its flag, else its SUITEWATCH_* variable, else CI, else git; empty and "false" mean unset."""
    stated = read_stated(given, environ=environ)
    said = read_ci(environ, stated=stated)
    if stated.get("commit", said.get("commit")) != said.get("commit"):
        said.pop("committed_at", None)  # it is the other commit's
    fields = dict(said, **stated)
    for field, value in git(fields.get("commit")).items():
        fields.setdefault(field, value)
    if "build_url" in fields:
        fields["build_url"] = without_credentials(fields["build_url"])
    return fields


def read_stated(given: Mapping[str, str | None], *, environ: Mapping[str, str]) -> dict[str, str]:
    """What the user said, by flag or by variable."""
    stated = {}
    for field, flag, _help in OPTIONS:
        variable = "SUITEWATCH_" + flag.upper().replace("-", "_")
        stated[field] = tidy(given.get(field)) or tidy(environ.get(variable))
    stated["variant"] = flatten_matrix(stated["variant"])
    return {field: value for field, value in stated.items() if value}


def flatten_matrix(variant: str) -> str:
    """GitHub's toJSON(matrix) as "os=linux, python=3.12"; it says null where there is no matrix."""
    try:
        matrix = {} if variant == "null" else json.loads(variant)
    except (ValueError, RecursionError):
        return variant
    if not isinstance(matrix, dict):
        return variant
    words = [(key, value if isinstance(value, str) else json.dumps(value)) for key, value in sorted(matrix.items())]
    return fit(tidy(", ".join(f"{key}={value}" for key, value in words)))


def fit(text: str) -> str:
    """What is too long for a field, cut so that different texts stay different."""
    if len(text) <= LONGEST_FIELD:
        return text
    return text[: LONGEST_FIELD - 17] + "…" + hashlib.sha256(text.encode()).hexdigest()[:16]


def tidy(value: str | None) -> str:
    """One line of visible characters: a matrix printed as JSON, for one, comes with line breaks."""
    line = "".join(mark for mark in " ".join(readable(value or "").split()) if mark.isprintable())
    return "" if line.lower() == "false" else line


def without_credentials(url: str) -> str:
    return re.sub("(?<=//)[^/?#]*@", "", url)


def read_git(commit: str | None) -> dict[str, str]:
    """What the checkout here knows of this commit, or of HEAD. Nothing without git; never fetches."""
    head = ask_git("rev-parse", "--verify", "--quiet", "HEAD")
    if not head or (commit and not re.fullmatch("[0-9a-fA-F]{7,64}", commit)):
        return {}
    committed_at = ask_git("log", "-1", "--no-show-signature", "--format=%cI", commit or head, "--")
    if not committed_at:
        return {}  # another repository's commit: this checkout has nothing to say about it
    default = ask_git("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    facts = {
        "commit": head,
        "committed_at": committed_at,
        "default_branch": default[len("refs/remotes/origin/") :],
    }
    if not commit or head.startswith(commit.lower()):
        facts["branch"] = ask_git("symbolic-ref", "--quiet", "--short", "HEAD")
    return {field: value for field, value in facts.items() if value}


def ask_git(*arguments: str) -> str:
    # No protocol is allowed: in a partial clone git would else fetch what it misses.
    environment = dict(os.environ, GIT_ALLOW_PROTOCOL="none", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
    try:
        answer = subprocess.run(
            ("git", *arguments),
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


# ---- what CI says ------------------------------------------------------------------------------------------


def read_ci(environ: Mapping[str, str], *, stated: Mapping[str, str]) -> dict[str, str]:
    """What the CI system says about this job; nothing where there is none."""
    system = recognize_ci(environ)
    said = {field: pick(environ, words) for field, words in CI_SYSTEMS.get(system, {}).items()}
    for trap in TRAPS.get(system, ()):
        trap(said, environ, stated)
    if not said.get("branch") and not said.get("pull_request"):
        said["branch"] = said.get("push_branch", "")
    shared = {field: pick(environ, words) for field, words in GENERIC.items()}
    usable = dict(keep_usable(shared), **keep_usable(said))
    if system or usable:
        usable["provider"] = system or pick(environ, "CI_NAME") or "ci"
    return usable


def recognize_ci(environ: Mapping[str, str]) -> str:
    """The name of the system in whose table to look; empty when none is recognised."""
    for system, words in CI_SYSTEMS.items():
        mark, _, value = words["known_by"].partition("=")
        found = pick(environ, mark)
        if found and value in ("", found):
            return system
    return ""


def pick(environ: Mapping[str, str], words: str) -> str:
    """The first of the variables that is set; of a pattern like {A}/{B} all parts have to be."""
    for word in words.split():
        names = re.findall(r"{(\w+)}", word)
        values = {name: tidy(environ.get(name)) for name in names or [word]}
        if all(values.values()):
            return word.format_map(values) if names else values[word]
    return ""


def keep_usable(said: Mapping[str, str]) -> dict[str, str]:
    """The fields of the upload API, in the form the server takes; what has no such form is left out."""
    fields = {field: fit(said[field]) for field, _flag, _help in OPTIONS if said.get(field)}
    fields["branch"] = shorten_ref(fields.get("branch", ""))
    number = re.search("([0-9]{1,12})/?$", fields.get("pull_request", ""))  # some give its address
    fields["pull_request"] = number.group(1) if number else ""
    if said.get("attempt0", "").isdigit():
        fields["attempt"] = str(int(said["attempt0"]) + 1)
    fields["shard"] = read_shard(said.get("shard", ""), first=1) or read_shard(said.get("shard0", ""), first=0)
    fields["build_url"] = urllib.parse.quote(said.get("build_url", ""), safe="%/:?#[]@!$&'()*+,;=~")
    return {
        field: value
        for field, value in fields.items()
        if value and re.fullmatch(USABLE.get(field, ".*"), value, re.DOTALL)
    }


def shorten_ref(name: str) -> str:
    """refs/heads/main is main, refs/tags/v1 is v1; refs/pull/7/merge is no branch, and neither is HEAD."""
    name = re.sub("^refs/(heads|tags)/", "", name)
    return "" if name.startswith("refs/") or name in ("HEAD", "detached") else name


def read_shard(text: str, *, first: int) -> str:
    """A part as 2/5, counted from 1; a job in one part is not divided."""
    match = re.fullmatch("([0-9]{1,4})/([0-9]{1,4})", text)
    if not match:
        return ""
    part, total = int(match.group(1)) + 1 - first, int(match.group(2))
    return f"{part}/{total}" if 1 <= part <= total and total > 1 else ""


# One function for each trap: it changes what the table found.


def read_event_file(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """On a pull request GITHUB_SHA is a merge nobody wrote; the head of the change stands in the event file."""
    event = load_event(environ.get("GITHUB_EVENT_PATH") or "")
    said["commit"] = dig(event, "pull_request", "head", "sha") or said["commit"]
    said["pull_request"] = dig(event, "pull_request", "number")
    said["default_branch"] = dig(event, "repository", "default_branch")
    if dig(event, "head_commit", "id") == said["commit"]:
        said["committed_at"] = dig(event, "head_commit", "timestamp")


def load_event(path: str) -> Any:
    """The event file's content; nothing when it is missing, broken or far larger than events are."""
    try:
        with open(path, "rb") as source:
            text = source.read(EVENT_LIMIT + 1)
        return json.loads(text) if len(text) <= EVENT_LIMIT else None
    except (OSError, ValueError, RecursionError):
        return None


def dig(document: Any, *names: str) -> str:
    for name in names:
        document = document.get(name) if isinstance(document, dict) else None
    return tidy(str(document)) if isinstance(document, (str, int)) else ""


def read_github_ref(said: dict[str, str], _environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """The number of a pull request also stands in refs/pull/7/merge, and in the name of a merge queue's branch."""
    ref = said["push_branch"]
    queued = re.match("refs/heads/gh-readonly-queue/.+/pr-([0-9]+)-", ref)
    asked = re.match("refs/pull/([0-9]+)/", ref)
    if queued:
        said.update(branch=ref, pull_request=queued.group(1))
    elif asked and not said["pull_request"]:
        said["pull_request"] = asked.group(1)


def read_gitlab_job(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """`parallel: 5` names its jobs "unit 2/5", a matrix "unit: [linux, 3.12]": both number them, the first divides."""
    job, part = said["job"], pick(environ, "{CI_NODE_INDEX}/{CI_NODE_TOTAL}")
    legs = re.fullmatch(r"(.+): \[(.+)\]", job)
    if part and job.endswith(" " + part):
        said.update(job=job[: -len(part) - 1], shard=part)
    elif part and legs:
        said.update(job=legs.group(1), variant=legs.group(2))


def forget_gitlab_id(said: dict[str, str], _environ: Mapping[str, str], stated: Mapping[str, str]) -> None:
    """Several jobs that are given one name by hand are no attempts of each other, though each has its own id."""
    if stated.get("job", said["job"]) != said["job"]:
        said["job_id"] = ""


def read_gitlab_time(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """Small images have no git to ask; but in a merged-result pipeline the time is that of the merge."""
    if said["commit"] == pick(environ, "CI_COMMIT_SHA"):
        said["committed_at"] = pick(environ, "CI_COMMIT_TIMESTAMP")


def name_jenkins_job(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """A multibranch job ends in its branch: without that, all branches are one job. Stages are jobs of their own."""
    job, branch = said["job"], pick(environ, "BRANCH_NAME")
    for ending in (branch, urllib.parse.quote(branch, safe="")):
        if branch and job.endswith("/" + ending):
            job = job[: -len(ending) - 1]
            break
    stage = pick(environ, "STAGE_NAME")
    # The pipeline's own `post` block runs in a stage called "Declarative: Post Actions".
    said["job"] = job + "/" + stage if job and stage and not stage.startswith("Declarative: ") else job


def read_jenkins_branch(said: dict[str, str], _environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """A pull request's branch is called PR-12 here, and git's own name has the remote in front."""
    branch = re.sub("^(refs/remotes/)?origin/", "", said["push_branch"])
    change = re.fullmatch("(?:PR|MR)-([0-9]+)(?:-head|-merge)?", branch)
    said["push_branch"] = "" if change else branch
    if change and not said["pull_request"]:
        said["pull_request"] = change.group(1)


def tell_azure_matrix(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """The legs of a matrix are numbered like the parts of a divided job, but are whole; parts are named with theirs."""
    position = pick(environ, "SYSTEM_JOBPOSITIONINPHASE")
    if pick(environ, "SYSTEM_PARALLELEXECUTIONTYPE").lower() != "multimachine":
        said["shard"] = ""
    elif said["shard"] and said["job"].endswith(" " + position):
        said["job"] = said["job"][: -len(position) - 1]


def clean_bitbucket(said: dict[str, str], _environ: Mapping[str, str], stated: Mapping[str, str]) -> None:
    """Ids come in braces, commits sometimes cut to 12 characters."""
    said["run_id"] = said["run_id"].strip("{}")
    if len(said["commit"]) == 12:
        said["commit"] = ""
    # Steps side by side are parts of one job only as long as nobody gives this one a name of its own.
    if "job" in stated:
        said["shard0"] = ""


def count_restart(said: dict[str, str], environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """A restarted build gets a new number and names its parent; so does a promoted one, which repeats nothing."""
    parent = pick(environ, "DRONE_BUILD_PARENT CI_PIPELINE_PARENT CI_BUILD_PARENT")
    event = pick(environ, "DRONE_BUILD_EVENT CI_PIPELINE_EVENT CI_BUILD_EVENT")
    if parent.strip("0") and event not in ("promote", "rollback", "deployment"):
        said["attempt"] = "2"


def forget_default_word(said: dict[str, str], _environ: Mapping[str, str], _stated: Mapping[str, str]) -> None:
    """TeamCity calls the default branch <default>; its real name is not told."""
    if said["branch"] == "<default>":
        said["branch"] = ""


TRAPS = {
    "forgejo": (read_event_file, read_github_ref),
    "gitea": (read_event_file, read_github_ref),
    "woodpecker": (count_restart,),
    "bitbucket": (clean_bitbucket,),
    "github": (read_event_file, read_github_ref),
    "gitlab": (read_gitlab_job, read_gitlab_time, forget_gitlab_id),
    "azure": (tell_azure_matrix,),
    "drone": (count_restart,),
    "teamcity": (forget_default_word,),
    "jenkins": (name_jenkins_job, read_jenkins_branch),
}


# ---- configuration -----------------------------------------------------------------------------------------

CONFIGURATION_PLACES = (".suitewatch.yml", ".suitewatch.yaml")
OWNERS_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
DEFERRALS_PLACES = (".suitewatch-deferrals.yml", ".suitewatch-deferrals.yaml")
# Where the files are that travel with reports, by the name of their form part.
COMPANIONS = {"configuration": CONFIGURATION_PLACES, "owners": OWNERS_PLACES, "deferrals": DEFERRALS_PLACES}


def find_root() -> str:
    """The repository's folder: the nearest one upwards with a .git in it, else with our file; else where we are."""
    folders = [os.getcwd()]
    while os.path.dirname(folders[-1]) != folders[-1]:
        folders.append(os.path.dirname(folders[-1]))
    for marks in ((".git",), CONFIGURATION_PLACES + DEFERRALS_PLACES):
        for folder in folders:
            if any(os.path.exists(os.path.join(folder, mark)) for mark in marks):
                return folder
    return folders[0]


def find_configuration(given: str | None = None) -> dict[str, str]:
    """The files that travel with reports, by the name of their form part; a given one stands for ours."""
    root = find_root()
    found = {}
    for part, places in COMPANIONS.items():
        paths = [os.path.join(root, *place.split("/")) for place in places]
        path = next((path for path in paths if os.path.isfile(path)), "")
        if path:
            found[part] = os.path.relpath(path)
    if given:
        found["configuration"] = given
    return found


def find_local_reader() -> Any:
    """The server's own reader, where this file is part of the installed package; downloaded alone it has none.

    Not an import statement: this file has to run alone.
    """
    if __name__ != "ingest.uploader":
        return None
    try:
        return importlib.import_module("ingest.configuration")
    except ImportError:
        return None


def name_companion(path: str) -> str:
    """The name a server knows a file by: what is neither CODEOWNERS nor deferrals is a configuration."""
    name = os.path.basename(path)
    if name.upper() == "CODEOWNERS":
        return "CODEOWNERS"
    return DEFERRALS_PLACES[0] if name.lower() in DEFERRALS_PLACES else CONFIGURATION_PLACES[0]


def check_locally(reader: Any, data: bytes, *, file: str) -> dict[str, Any]:
    """What the server would answer, found here."""
    text, remarks = reader.decode_text(data, file=file)
    read = reader.read_file(text, file=file)
    warnings = [remark.to_json() for remark in [*remarks, *read.warnings]]
    return {"ok": not warnings, "warnings": warnings, "content": read.content}


def describe_remark(remark: Mapping[str, Any], *, path: str = "") -> str:
    """`file:line: field: message`, and what to do."""
    place = ":".join(str(part) for part in (path or remark.get("file"), remark.get("line")) if part)
    words = [remark.get("message"), remark.get("hint")]
    said = " ".join(printable(word) for word in words if word)
    return ": ".join(printable(part) for part in (place, remark.get("field")) if part) + ": " + said


# ---- deliveries --------------------------------------------------------------------------------------------


GZIP, ZSTD, ZIP = "application/gzip", "application/zstd", "application/zip"
# By the first bytes of a file; zstd may begin with a frame to be skipped. The server unpacks all three, but only once.
PACKINGS = (
    (rb"\x1f\x8b", GZIP),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", ZSTD),
    (rb"PK\x03\x04|PK\x05\x06", ZIP),
)


class Report(NamedTuple):
    """One file, packed in a temporary folder; the digest is that of the bytes we were given."""

    name: str
    packed: str
    packed_bytes: int
    plain_bytes: int
    sha256: str
    packing: str = GZIP


def find_packing(head: bytes) -> str:
    """What a file is packed with already; nothing when it is plain."""
    return next((packing for start, packing in PACKINGS if re.match(start, head)), "")


def measure_archive(path: str) -> int:
    """What the directory of a zip archive says of its files' sizes; 0 when it cannot be read, which the server says."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return 0


def pack(path: str, *, folder: str) -> Report:
    """Gzip into `folder`, the same bytes each time; what is packed already goes as it is. Memory stays flat."""
    digest = hashlib.sha256()
    size, tail = 0, b""
    handle, packed = tempfile.mkstemp(dir=folder)
    with open(path, "rb") as source, os.fdopen(handle, "wb") as target:
        packing = find_packing(source.read(4))
        source.seek(0)
        sink: IO[bytes] | gzip.GzipFile = target if packing else gzip.GzipFile("", "wb", 6, target, mtime=0)
        with sink:
            for chunk in iter(lambda: source.read(CHUNK), b""):
                digest.update(chunk)
                sink.write(chunk)
                size, tail = size + len(chunk), (tail + chunk)[-4:]
    if packing == GZIP:
        size = int.from_bytes(tail, "little")  # the last four bytes of a gzip file are its unpacked size
    elif packing == ZIP:
        size = max(size, measure_archive(packed))
    # Of zstd, which the standard library cannot read, the size is what lies there.
    return Report(display_name(path), packed, os.path.getsize(packed), size, digest.hexdigest(), packing or GZIP)


class Delivery(NamedTuple):
    """What goes out in one POST: the fields, up to 100 reports, and what travels with them."""

    fields: Mapping[str, str]
    reports: Sequence[Report]
    companions: Sequence[tuple[str, Report]] = ()  # the configuration's files, by the name of their form part

    @property
    def key(self) -> str:
        """Equal for equal deliveries: every field, every name, every byte counts; the token does not.

        Nor does the configuration: the same results sent with another one are still the same results.
        """
        contents = [dict(self.fields), [(report.name, report.sha256) for report in self.reports]]
        return "sw1-" + hashlib.sha256(json.dumps(contents, sort_keys=True).encode()).hexdigest()

    @property
    def boundary(self) -> str:
        # Made from the key, so that a second try is the same to the byte; no report can hold its own digest.
        return "suitewatch-" + self.key[-40:]

    def segments(self) -> Iterator[bytes | Report]:
        """The multipart body in order: bytes to send, and reports whose packed file is to be sent."""
        opening = b"--%s\r\nContent-Disposition: form-data; " % self.boundary.encode()
        for field in sorted(self.fields):
            yield opening + b'name="%s"\r\n\r\n%s\r\n' % (field.encode(), self.fields[field].encode())
        for part, report in [*(("file", report) for report in self.reports), *self.companions]:
            yield opening + b'name="%s"; filename="%s"\r\n' % (part.encode(), quote_name(report.name))
            yield b"Content-Type: %s\r\n\r\n" % report.packing.encode()
            yield report
            yield b"\r\n"
        yield b"--%s--\r\n" % self.boundary.encode()

    @property
    def size(self) -> int:
        return sum(s.packed_bytes if isinstance(s, Report) else len(s) for s in self.segments())

    def stream(self) -> Iterator[bytes]:
        for segment in self.segments():
            if isinstance(segment, Report):
                with open(segment.packed, "rb") as packed:
                    yield from iter(lambda: packed.read(CHUNK), b"")
            else:
                yield segment


def quote_name(name: str) -> bytes:
    """A file name in a quoted header value, as browsers write it."""
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in quoted).encode()


def split_up(
    fields: Mapping[str, str], *, reports: Sequence[Report], companions: Sequence[tuple[str, Report]] = ()
) -> list[Delivery]:
    """As few deliveries as the limits allow; several are held together by one run id. Companions go with each."""
    most = MOST_FILES - len(companions)
    groups: list[list[Report]] = [[]]
    packed = plain = 0
    for report in reports:
        packed, plain = packed + report.packed_bytes, plain + report.plain_bytes
        if groups[-1] and (len(groups[-1]) == most or packed > MOST_PACKED or plain > MOST_PLAIN):
            groups.append([])
            packed, plain = report.packed_bytes, report.plain_bytes
        groups[-1].append(report)
    if len(groups) > 1 and "run_id" not in fields:
        fields = dict(fields, run_id="delivery-" + Delivery(fields, reports).key[-16:])
    return [Delivery(fields, group, companions) for group in groups]


# ---- old reports -------------------------------------------------------------------------------------------


class Parcel(NamedTuple):
    """Files that belong to one run, and what is said of it; `heading` names it among others."""

    paths: Sequence[str]
    fields: Mapping[str, str]
    heading: str = ""


def find_old_files(arguments: Iterable[str], *, exclude: Sequence[str]) -> Found:
    """As `find_files`, but a folder stands for all reports below it."""
    patterns = [os.path.join(glob.escape(path), "**", "*.xml*") if os.path.isdir(path) else path for path in arguments]
    return find_files(patterns, exclude=exclude)


def group_runs(paths: Iterable[str], *, folders: Iterable[str], each: str) -> dict[str, list[str]]:
    """Which files were one run, by the name of what holds them: a sub-folder, the folder itself, or each file."""
    runs: dict[str, list[str]] = {}
    for path in paths:
        folder = next((folder for folder in folders if path.startswith(os.path.join(folder, ""))), "")
        inside = os.path.relpath(path, folder or os.curdir).split(os.sep)
        name = path
        if folder and each == "folder":
            name = folder
        elif folder and each == "subfolder" and len(inside) > 1:
            name = os.path.join(folder, inside[0])
        runs.setdefault(name, []).append(path)
    return runs


def plan_import(
    paths: Iterable[str], *, folders: Sequence[str], each: str, ran_at_from: str, stated: Mapping[str, str]
) -> tuple[list[Parcel], list[str]]:
    """The old runs in the order they ran, and the names of those whose date is only that of a file.

    Neither CI nor git is asked: what they know is about today.
    """
    parcels, undated = [], []
    for name, members in group_runs(paths, folders=folders, each=each).items():
        told = [read_timestamp(path) for path in members] if ran_at_from == "attribute" else []
        ran_at = min((moment for moment in told if moment), default=None)
        if not ran_at and (ran_at_from == "mtime" or "ran_at" not in stated):
            written = min(os.path.getmtime(path) for path in members)
            ran_at = datetime.fromtimestamp(int(written), timezone.utc)
            if ran_at_from == "attribute":
                undated.append(name)
        fields = {"provider": "import", **stated}
        if ran_at:
            fields["ran_at"] = ran_at.isoformat()
        parcels.append(Parcel(members, fields, heading=f"{fields['ran_at']}  {display_name(name)}"))
    return sorted(parcels, key=lambda parcel: parse_moment(parcel.fields["ran_at"]) or LONG_AGO), undated


def name_old_run(reports: Iterable[Report]) -> str:
    """The same for the same contents, wherever they lie: imported twice, an old run is still one."""
    return "import-" + hashlib.sha256(" ".join(sorted(report.sha256 for report in reports)).encode()).hexdigest()[:16]


def read_timestamp(path: str) -> datetime | None:
    """When the first suite that says so began; looked for in the first MiB, None where there is nothing."""
    from xml.parsers import expat  # some small builds of Python lack it, and only this needs it

    found: list[datetime] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        moment = parse_moment(attributes.get("timestamp", ""))
        if moment and name.rpartition(":")[2] in ("testsuite", "testsuites"):
            found.append(moment)

    def refuse(*_arguments: Any) -> None:
        raise ValueError("entities can grow without end")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EntityDeclHandler = start, refuse
    try:
        with open(path, "rb") as plain:
            is_gzip = find_packing(plain.read(4)) == GZIP
        with gzip.open(path) if is_gzip else open(path, "rb") as source:
            for _ in range(16):
                chunk = source.read(CHUNK // 16)
                parser.Parse(chunk, not chunk)
                if found or not chunk:
                    break
    except (OSError, EOFError, ValueError, zlib.error, expat.ExpatError):
        pass  # the server says what is wrong with the file; here it only has no date
    return found[0] if found else None


LONG_AGO = datetime(1990, 1, 1, tzinfo=timezone.utc)


def parse_moment(text: str) -> datetime | None:
    """A date and time as reports write them; without a zone it is this machine's (TZ). None when it cannot be."""
    match = re.match(r"\s*(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,]\d+)?\s*(Z|[+-]\d\d:?\d\d)?\s*$", text)
    if not match:
        return None
    day, hour, zone = match.groups()
    try:
        if zone:
            moment = datetime.strptime(day + hour + zone.replace("Z", "+0000"), "%Y-%m-%d%H:%M:%S%z")
        else:
            moment = datetime.strptime(day + hour, "%Y-%m-%d%H:%M:%S").astimezone()
    except (ValueError, OverflowError, OSError):
        return None
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    return moment if LONG_AGO <= moment <= tomorrow else None


# ---- the way to the server ---------------------------------------------------------------------------------


class _HearsRefusals(http.client.HTTPConnection):
    """Reads the answer of a server that refused and hung up before the whole body was sent."""

    def request(self, *arguments: Any, **named: Any) -> None:
        try:
            super().request(*arguments, **named)
        except ConnectionError:
            if self.sock is None:
                raise


class _HearsRefusalsSecurely(_HearsRefusals, http.client.HTTPSConnection):
    pass


class _Plain(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HearsRefusals, request)


class _Secure(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_HearsRefusalsSecurely, request, context=ssl.create_default_context())


class _StaysHere(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the POST into a GET, or carry the token elsewhere."""

    def redirect_request(self, *_arguments: Any, **_named: Any) -> None:
        return None


class Reply(NamedTuple):
    """What came back; status 0 when nothing did, with the reason in `body`."""

    status: int
    headers: email.message.Message
    body: bytes

    @property
    def passes(self) -> bool:
        """Is it trouble that time may mend?"""
        return self.status in (0, 408, 429) or self.status >= 500

    @property
    def retry_after(self) -> float:
        """Seconds the server asks for, given as a number or a date; 0 when it does not ask."""
        asked = self.headers.get("Retry-After") or ""
        if asked.strip().isdecimal():
            return min(float(asked), LONGEST_WAIT)
        try:
            moment = email.utils.parsedate_tz(asked)
            return min(max(0.0, email.utils.mktime_tz(moment) - time.time()), LONGEST_WAIT) if moment else 0.0
        except (ValueError, OverflowError):  # a day that no calendar has
            return 0.0

    @property
    def code(self) -> str:
        """The server's word for what is wrong."""
        error = self.json().get("error")
        return str(error.get("code")) if isinstance(error, dict) else ""

    def json(self) -> dict[str, Any]:
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


def is_whole_export(reply: Reply, form: str) -> bool:
    """Is it the register, and not the page of whatever stands between? A file without a single entry is one, too."""
    kind = (reply.headers.get("Content-Type") or "").partition(";")[0].strip()
    is_ours = kind == ("application/json" if form == "json" else "text/plain")
    is_packed = reply.headers.get("Content-Encoding") is not None  # nobody asked for that
    return reply.status == 200 and is_ours and not is_packed and len(reply.body) < MOST_EXPORT


def is_verdict(answer: Mapping[str, Any]) -> bool:
    """Is it the answer about a run, in its form? What else knows the word "waiting" is no reason for a traceback."""
    told = [answer.get(key) for key in REASONS_OF_GATE]
    reasons = [reason for found in told if is_list(found) for reason in found or []]
    return (
        isinstance(answer.get("waiting"), int)
        and all(isinstance(answer.get(key) or {}, dict) for key in ("run", "uploads"))
        and all(map(is_list, told))
        and all(isinstance(reason.get("n") or 0, int) and is_list(reason.get("listed")) for reason in reasons)
    )


def is_list(found: Any) -> bool:
    """Is it a list of objects, or nothing?"""
    return found is None or (isinstance(found, list) and all(isinstance(one, dict) for one in found))


class Courier:
    """Carries deliveries to one server and brings back the receipts, by the environment's proxies."""

    def __init__(
        self,
        url: str,
        *,
        token: str,
        timeout: float = 60.0,
        note: Callable[[str], None] = lambda _line: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = without_credentials(url).rstrip("/")
        self.endpoint = self.url + "/api/v1/uploads"
        self.finish_endpoint = self.url + "/api/v1/runs/finish"
        self.gate_endpoint = self.url + "/api/v1/runs/gate"
        self.timeout = timeout
        self._token = token
        self._note, self._sleep, self._clock = note, sleep, clock
        # No proxy reaches this very machine, although few environments say so in no_proxy.
        direct = [urllib.request.ProxyHandler({})] if is_loopback(url) else []
        self._opener = urllib.request.build_opener(_Plain(), _Secure(), _StaysHere(), *direct)

    def headers(self, delivery: Delivery, *, token: str) -> dict[str, str]:
        return {
            "Authorization": "Bearer " + token,
            "Idempotency-Key": delivery.key,
            "Content-Type": "multipart/form-data; boundary=" + delivery.boundary,
            "Content-Length": str(delivery.size),
        }

    def send(self, delivery: Delivery) -> dict[str, Any]:
        """The door's answer to a delivery."""
        headers = self.headers(delivery, token=self._token)
        return self._insist(self.endpoint, headers, body=delivery.stream, key="upload")

    def finish(self, name: Mapping[str, str], *, seconds: float) -> dict[str, Any]:
        """Say that the run of this name is over, again and again until all of it is read or the time is up."""
        return self._ask_until_read(self.finish_endpoint, name, seconds=seconds)

    def judge(self, question: Mapping[str, str], *, seconds: float) -> dict[str, Any]:
        """Ask whether a run may pass, until all of it is read and compared or the time is up."""
        return self._ask_until_read(self.gate_endpoint, question, seconds=seconds)

    def _ask_until_read(self, endpoint: str, fields: Mapping[str, str], *, seconds: float) -> dict[str, Any]:
        form = urllib.parse.urlencode(fields).encode()
        headers = {
            "Authorization": "Bearer " + self._token,
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": str(len(form)),
        }
        until, pause = self._clock() + seconds, 0.5
        while True:
            answer = self._insist(endpoint, headers, body=lambda: [form], key="waiting", is_ours=is_verdict)
            if not answer["waiting"] or self._clock() + pause > until:
                return answer
            self._sleep(pause)
            pause = min(pause * 1.5, 5.0)

    def fetch_deferred(self, project: str, form: str) -> bytes:
        """The register of a project as a file of this form, all of it."""
        address = f"{self.url}/api/v1/projects/{urllib.parse.quote(project, safe='')}/deferred/export?format={form}"
        headers = {"Authorization": "Bearer " + self._token}

        def is_good(reply: Reply) -> bool:
            return is_whole_export(reply, form)

        return self._persist(address, headers, is_good=is_good, most=MOST_EXPORT).body

    def check(self, data: bytes, *, file: str) -> dict[str, Any]:
        """What the server would understand of a configuration file; it keeps nothing of it."""
        headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(data))}
        return self._insist(f"{self.url}/api/v1/check?filename={file}", headers, body=lambda: [data], key="ok")

    def _insist(
        self,
        url: str,
        headers: dict[str, str],
        *,
        body: Callable[[], Iterable[bytes]],
        key: str,
        is_ours: Callable[[Mapping[str, Any]], bool] = lambda _answer: True,
    ) -> dict[str, Any]:
        """The answer that holds `key`, tried for two minutes at most; else UploadError, with the reason."""

        def is_good(reply: Reply) -> bool:
            answer = reply.json()
            return reply.status in (200, 202) and answer.get(key) is not None and is_ours(answer)

        return self._persist(url, headers, body=body, is_good=is_good).json()

    def _persist(
        self,
        url: str,
        headers: dict[str, str],
        *,
        is_good: Callable[[Reply], bool],
        body: Callable[[], Iterable[bytes] | None] = lambda: None,
        most: int = ANSWER_LIMIT,
    ) -> Reply:
        """The first good reply of two minutes at most; else UploadError, with the reason."""
        give_up_at = self._clock() + PATIENCE
        pauses = iter(PAUSES)
        while True:
            timeout = min(self.timeout, max(1.0, give_up_at - self._clock()))
            reply = self._ask(url, headers, body=body(), timeout=timeout, most=most)
            if is_good(reply):
                return reply
            if not reply.passes:
                final = reply.status not in (400, 413, 415, 422)
                raise UploadError(REFUSED, self.explain(reply), final=final, code=reply.code)
            pause = next(pauses, None)
            spread = random.uniform(0.7, 1.3)  # noqa: S311 - keeps many jobs from knocking at once
            wait = max((pause or 0) * spread, reply.retry_after)
            if pause is None or self._clock() + wait >= give_up_at:
                raise self._give_up(reply, left=give_up_at - self._clock())
            self._note(f"{self.explain(reply)} Trying again in {wait:.0f} s.")
            self._sleep(wait)

    def _give_up(self, reply: Reply, *, left: float) -> UploadError:
        """What time has not mended, and when it may. A quota is no outage: a green build would hide what is lost."""
        words = self.explain(reply)
        if reply.retry_after >= left:
            moment = time.gmtime(time.time() + reply.retry_after + 60)  # in whole minutes, never too early
            words += time.strftime(" Another try makes sense from %Y-%m-%d %H:%M UTC on.", moment)
        exit_code = REFUSED if reply.code == "quota_exceeded" else SERVER_TROUBLE
        return UploadError(exit_code, words, final=True, code=reply.code)

    def follow(self, status_url: str, *, seconds: float) -> dict[str, Any]:
        """Ask until the upload is read to its end: the status with the receipt, else UploadError."""
        # Our host is kept: the server may know itself under another name, and the token goes along.
        asked, ours = urllib.parse.urlsplit(status_url), urllib.parse.urlsplit(self.url)
        address = urllib.parse.urlunsplit(asked._replace(scheme=ours.scheme, netloc=ours.netloc))
        until, pause = self._clock() + seconds, 0.1
        while True:
            reply = self._ask(address, {"Authorization": "Bearer " + self._token}, timeout=self.timeout)
            state = reply.json().get("state") if reply.status == 200 else None
            if state in FINAL_STATES:
                return reply.json()
            if not state and not reply.passes:
                raise UploadError(REFUSED, self.explain(reply))
            wait = max(pause, min(reply.retry_after, LONGEST_PAUSE))
            if self._clock() + wait > until:
                why = f"It is still {WAITS.get(state, printable(state))}." if state else self.explain(reply)
                raise UploadError(SERVER_TROUBLE, f"No receipt after {seconds:.0f} s. {why}")
            self._sleep(wait)
            pause = min(pause * 1.5, 3.0)

    def _ask(
        self,
        url: str,
        headers: dict[str, str],
        *,
        timeout: float,
        body: Iterable[bytes] | None = None,
        most: int = ANSWER_LIMIT,
    ) -> Reply:
        """One try. Whatever answers is a Reply; silence, or an answer that breaks off, is one of status 0."""
        agent = {"User-Agent": "suitewatch/" + __version__}
        request = urllib.request.Request(url, data=body, headers=dict(headers, **agent))
        try:
            try:
                with self._opener.open(request, timeout=timeout) as answer:
                    reply = Reply(answer.getcode(), answer.headers, answer.read(most))
                length = reply.headers.get("Content-Length") or ""
                is_whole = not length.isdecimal() or len(reply.body) >= min(most, int(length))
                return reply if is_whole else Reply(0, email.message.Message(), b"the answer broke off")
            except urllib.error.HTTPError as error:
                with error:
                    return Reply(error.code, error.headers, error.read(ANSWER_LIMIT))
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, ssl.SSLCertVerificationError):
                why = f"The certificate of {self.url} is not trusted ({reason.verify_message})."
                hint = "SSL_CERT_FILE can name your own authority."
                raise UploadError(SERVER_TROUBLE, f"{why} {hint}", final=True) from None
            why = str(reason) or type(reason).__name__
            return Reply(0, email.message.Message(), why.encode("utf-8", "replace"))

    def explain(self, reply: Reply) -> str:
        """One or two sentences: Suitewatch's own words where it is Suitewatch that answered."""
        if reply.status == 0:
            return f"{self.url} could not be reached ({printable(reply.body.decode())})."
        error = reply.json().get("error")
        if isinstance(error, dict) and error.get("message"):
            mark = f"({reply.status} {error.get('code')})"
            words = [error["message"], error.get("hint"), mark, "" if reply.passes else error.get("docs")]
            return " ".join(printable(word) for word in words if word)
        answer = f"{reply.status} {http.client.responses.get(reply.status, '')}".strip()
        if 300 <= reply.status < 400:
            place = printable(reply.headers.get("Location") or "another place")
            return f"{self.url} points to {place} ({answer}). Give the real address: nothing is sent on."
        if reply.status >= 500:
            return f"{self.url} has trouble ({answer})."
        return f"{self.url} answered {answer}, but not as Suitewatch does. Is the address right?"


# ---- words -------------------------------------------------------------------------------------------------


def printable(text: object, *, limit: int = 500) -> str:
    """Foreign text on one line, without the control characters that would repaint a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in str(text))[:limit]


def join_names(names: Sequence[str]) -> str:
    """Names in a sentence: a, b and c."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def size_in_words(number: int) -> str:
    if number < 1000:
        return count(number, "byte")
    return f"{number / 1e3:.1f} kB" if number < 1e6 else f"{number / 1e6:.1f} MB"


def describe_file(file: Mapping[str, Any]) -> list[str]:
    """A file of the receipt in words: what became of it, its figures, its first warnings."""
    name = printable(file.get("name"))
    if file.get("state") == "failed":
        return [f"{name}: failed. {describe_error(file.get('error'))}"]
    lines = [f"{name}: {describe_figures(file)}"]
    if file.get("state") == "partial":
        lines.append(f"  partly stored. {describe_error(file.get('error'))}")
    if file.get("rejected"):
        lines.append(f"  {count(file['rejected'], 'test')} left out")
    warnings = file.get("warnings") or []
    lines += [f"  {describe_error(warning)}" for warning in warnings[:MOST_REMARKS]]
    if len(warnings) > MOST_REMARKS:
        lines.append(f"  and {count(len(warnings) - MOST_REMARKS, 'remark')} more")
    return lines


def describe_error(error: Mapping[str, Any] | None) -> str:
    error = error or {}
    message = error.get("message") or "No reason given."
    # What kind of file it is cannot be wrong at one place in it.
    parts = () if error.get("code") == "not_a_report" else ("line", "column")
    place = ", ".join(f"{part} {error[part]}" for part in parts if error.get(part))
    words = [f"{place}:" if place and place not in message else "", message, error.get("hint")]
    return " ".join(printable(word) for word in words if word)


def describe_run(run: Mapping[str, Any]) -> str:
    """Whether a run is whole, and else what it lacks; never more than the server says."""
    if run.get("is_complete"):
        return f"Run {run.get('number')} is complete."
    return f"Run {run.get('number')} is incomplete: {printable(run.get('told') or 'what is missing is unknown')}."


def describe_name(name: Mapping[str, str]) -> str:
    """A run by the name CI has for it."""
    return f"run {name['run_id']}" + (f" of {name['provider']}" if "provider" in name else "")


def describe_failed(uploads: Mapping[str, int]) -> str:
    """A run that is none, since all that was sent of it came to nothing."""
    said = ", ".join(f"{count(n, 'upload')} ended as {printable(state)}" for state, n in sorted(uploads.items()))
    return f"Nothing of the run could be read{': ' if said else ''}{said}."


def describe_gate(answer: Mapping[str, Any]) -> list[str]:
    """A verdict in lines: what fails the run and what does not, each with its first tests and where they are."""
    lines = []
    for key, heading in REASONS_OF_GATE.items():
        for reason in answer.get(key) or []:
            lines += [printable(heading + str(reason.get("told"))), *list_tests(reason)]
    return lines


def list_tests(reason: Mapping[str, Any]) -> list[str]:
    """The tests a reason names, one a line."""
    listed = reason.get("listed") or []
    lines = []
    for test in listed:
        note = f" ({printable(test['note'])})" if test.get("note") else ""
        address = f"  {printable(test['url'])}" if test.get("url") else ""
        lines.append(f"  {printable(test.get('name'))}{note}{address}")
    rest = (reason.get("n") or 0) - len(listed)
    return [*lines, f"  and {rest:,} more"] if listed and rest > 0 else lines


def describe_figures(file: Mapping[str, Any]) -> str:
    if file.get("kind") == "coverage":
        return describe_coverage(file)
    figures = count_results(file)
    words = ", ".join(f"{figures[kind]:,} {word}" for kind, word in KINDS.items() if figures[kind])
    return f"{count(figures['tests'], 'test')}: {words}" if figures["tests"] else "no tests"


def describe_coverage(file: Mapping[str, Any]) -> str:
    """`Cobertura, 15 of 22 lines (68.1 %), level unit`."""
    form = FORMATS.get(str(file.get("format")), file.get("format") or "coverage")
    level = f"level {file['level']}" if file.get("level") else "no level"
    return printable(f"{form}, {describe_lines(file)}, {level}")


def describe_lines(file: Mapping[str, Any]) -> str:
    """Covered of all, and the share cut as the pages cut it: what is not all is never 100 %."""
    covered, lines = file.get("lines_covered") or 0, file.get("lines_valid") or 0
    if not lines:
        return "no lines"
    tenths = covered * 1000 // lines
    share = "100" if covered == lines else f"{tenths // 10}.{tenths % 10}" if tenths or not covered else "under 0.1"
    return f"{covered:,} of {count(lines, 'line')} ({share} %)"


def count_results(file: Mapping[str, Any]) -> dict[str, int]:
    """The test results of a file. In reports, what failed as expected is written as skipped; here it is one of them."""
    figures = {kind: file.get(kind) or 0 for kind in ("tests", *KINDS)}
    figures["skipped"] -= figures["xfailed"]
    return figures


def add_up(files: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """All results together, as a file would say them."""
    known = [file for file in files if file.get("tests")]
    return {kind: sum(file.get(kind) or 0 for file in known) for kind in ("tests", *KINDS)}


class Voice:
    """Results on standard output, warnings on standard error; -q leaves the warnings, -v adds details.

    Knows the log it is read in: GitHub shows our warnings beside the change, GitLab folds what we say.
    """

    def __init__(self, loudness: int, *, ci: str = "") -> None:
        self.loudness, self.ci = loudness, ci

    def detail(self, line: str) -> None:
        self._write(defuse(line), sys.stdout, 1)

    def tell(self, line: str) -> None:
        self._write(defuse(line), sys.stdout, 0)

    def warn(self, line: str) -> None:
        if self.ci in ("github", "gitea", "forgejo"):
            text = line.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            self._write("::warning title=Suitewatch::" + text, sys.stderr, -9)
        else:
            self._write("suitewatch: " + defuse(line), sys.stderr, -9)

    @contextlib.contextmanager
    def fold(self) -> Iterator[None]:
        """A section of GitLab's log that opens and closes with a click."""
        folds = self.ci == "gitlab" and self.loudness >= 0
        mark = "\033[0Ksection_%s:%d:suitewatch_" + str(os.getpid()) + "\r\033[0K%s"
        if folds:
            self._write(mark % ("start", time.time(), "Suitewatch"), sys.stdout, 0)
        try:
            yield
        finally:
            if folds:
                self._write(mark % ("end", time.time(), ""), sys.stdout, 0)

    def _write(self, line: str, stream: IO[str], level: int) -> None:
        if self.loudness >= level:
            print(line, file=stream, flush=True)


def defuse(line: str) -> str:
    """No file name becomes a command of the log it is printed in: ::x::, ##[x], ##vso[x], ##teamcity[x]."""
    line = re.sub(r"##(?=\w*\[)", "# #", line)
    return "(" + line.strip() + ")" if line.lstrip().startswith("::") else line


# ---- the summary of a job on GitHub ------------------------------------------------------------------------


def describe_as_markdown(summary: Mapping[str, Any]) -> str:
    """What happened as a short page: how it ended, a table of the reports, the way to them."""
    lines = ["### Suitewatch", ""]
    files: list[Mapping[str, Any]] = []
    for delivery in summary["deliveries"]:
        what = count(len(delivery["files"]), "file")
        if delivery.get("error"):
            lines += [f"**Not sent:** {what}. {escape_markdown(delivery['error'])}", ""]
        files += (delivery.get("receipt") or {}).get("files") or []
    if not summary["deliveries"] and "waiting" not in summary:
        lines += ["Nothing was sent.", ""]
    lines += draw_gate(summary.get("gate") or {})
    lines += draw_tables(files)
    for run in list_runs(summary):
        lines += [escape_markdown(describe_run(run)), ""]
    for delivery in summary["deliveries"]:
        target = as_target((delivery.get("run") or {}).get("url") or delivery.get("url"))
        if target:
            lines += [f"[{count(len(delivery['files']), 'file')} in Suitewatch]({target})", ""]
    return "\n".join(lines) + "\n"


def draw_gate(answer: Mapping[str, Any]) -> list[str]:
    """The verdict on a run, and a list for each reason."""
    if not answer:
        return []
    lines = [f"**{escape_markdown(answer.get('told'))}**", ""]
    for key, heading in REASONS_OF_GATE.items():
        for reason in answer.get(key) or []:
            lines += [escape_markdown(heading + str(reason.get("told"))), ""]
            tests = [draw_test(test) for test in reason.get("listed") or []]
            lines += [*tests, ""] if tests else []
    target = as_target((answer.get("run") or {}).get("url"))
    return [*lines, f"[The run in Suitewatch]({target})", ""] if target else lines


def draw_test(test: Mapping[str, Any]) -> str:
    name, target = escape_markdown(test.get("name")), as_target(test.get("url"))
    note = f" ({escape_markdown(test['note'])})" if test.get("note") else ""
    return f"- [{name}]({target}){note}" if target else f"- {name}{note}"


def as_target(address: object) -> str:
    """An address as the target of a link in Markdown; empty when it is none."""
    if not re.match("https?://", str(address or "")):
        return ""
    return urllib.parse.quote(str(address), safe="%/:?#@!$&'*+,;=~")


def list_runs(summary: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The runs the server spoke of, each as it was told last."""
    told = [*(delivery.get("run") for delivery in summary["deliveries"]), summary.get("run")]
    return list({run["number"]: run for run in told if run and "is_complete" in run}.values())


def draw_tables(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Test results and coverage, a row for each report; what failed comes first."""
    broken = [file for file in files if file.get("state") == "failed"]
    covered = [file for file in files if file.get("kind") == "coverage" and file not in broken]
    results = [file for file in files if file not in broken and file not in covered]
    heads = ["tests", *KINDS.values()]
    rows = [[f"**failed:** {escape_markdown(file.get('name'))}", *("" for _ in heads)] for file in broken]
    rows += [
        [escape_markdown(file.get("name")), *draw_counts(file)]
        for file in sorted(results, key=lambda file: not file.get("failed"))
    ]
    if len(results) > 1:
        rows.insert(0, [f"**all {len(results)}**", *draw_counts(add_up(results))])
    lines = [
        [
            escape_markdown(file.get("name")),
            escape_markdown(FORMATS.get(str(file.get("format")), file.get("format"))),
            escape_markdown(describe_lines(file)),
            escape_markdown(file.get("level") or ""),
        ]
        for file in covered
    ]
    return draw_table(["report", *heads], rows) + draw_table(["coverage", "format", "lines", "level"], lines)


def draw_counts(file: Mapping[str, Any]) -> list[str]:
    return [f"{number:,}" for number in count_results(file).values()]


def draw_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table in Markdown, as far as it is worth reading; nothing for no rows."""
    if not rows:
        return []
    rest = [f"and {len(rows) - MOST_ROWS:,} more", ""] if len(rows) > MOST_ROWS else []
    table = [heads, ["---", *("---:" for _ in heads[1:])], *rows[:MOST_ROWS]]
    return ["| " + " | ".join(row) + " |" for row in table] + [""] + rest


def escape_markdown(text: object) -> str:
    """Foreign text as text: whatever could mean something to Markdown or HTML becomes a character reference."""
    return "".join(mark if mark.isalnum() or mark in " ,./" else f"&#{ord(mark)};" for mark in printable(text))


def write_job_summary(path: str, summary: Mapping[str, Any], *, voice: Voice) -> None:
    try:
        with open(path, "a", encoding="utf-8") as target:
            target.write(describe_as_markdown(summary))
    except OSError as error:
        voice.warn(f"The summary of the job could not be written: {error}.")


# ---- the command -------------------------------------------------------------------------------------------


class Errand:
    """One call of the command: finds, packs, sends, waits; `summary` keeps what happened."""

    def __init__(
        self,
        options: argparse.Namespace,
        *,
        environ: Mapping[str, str],
        voice: Voice,
        **timing: Callable[..., Any],
    ) -> None:
        self.options, self.environ, self.voice = options, environ, voice
        self.summary: dict[str, Any] = {"version": __version__, "files": [], "ignored": [], "deliveries": []}
        url, token = self.read_address()
        self.courier = Courier(url, token=token, timeout=options.timeout, note=voice.warn, **timing)

    def read_address(self) -> tuple[str, str]:
        url = tidy(self.options.url) or tidy(self.environ.get("SUITEWATCH_URL"))
        token = (self.options.token or self.environ.get("SUITEWATCH_TOKEN") or "").strip()
        if not url and not self.options.dry_run:
            raise UploadError(WRONG_USE, "Where to? Set SUITEWATCH_URL or give --url.")
        if not token and not self.options.dry_run:
            raise UploadError(WRONG_USE, "No token. Set SUITEWATCH_TOKEN or give --token.")
        if re.search(r"[^\x21-\x7e]", token):
            raise UploadError(WRONG_USE, "The token holds a space, a line break or another mark no token has.")
        if url and not is_address(url):
            raise UploadError(WRONG_USE, f"{without_credentials(url)} is no address like https://suitewatch.example.")
        host = urllib.parse.urlsplit(url).hostname or ""
        if url.startswith("http://") and not is_near(host):
            self.voice.warn(f"The token travels unencrypted to {host}; https:// would hide it.")
        return url, token

    def run(self) -> int:
        doing = {"finish": self.finish, "gate": self.gate}
        return doing.get(self.options.command, self.send_files)()

    def finish(self) -> int:
        """Say that the reports of this run were all sent."""
        name = self.name_run()
        if self.options.dry_run:
            return self.show_form(self.courier.finish_endpoint, name)
        try:
            answer = self.courier.finish(name, seconds=self.options.wait or 0)
        except UploadError as trouble:
            if self.options.allow_empty and trouble.code == "run_not_found":
                self.voice.tell(f"Nothing came of {describe_name(name)}, so there is nothing to finish.")
                return SENT
            raise
        self.summary.update(fields=name, run=answer.get("run"), waiting=answer["waiting"])
        return self.tell_finished(answer)

    def name_run(self) -> dict[str, str]:
        """The run that all of this is about, as its uploads named it."""
        fields = gather_metadata(vars(self.options), environ=self.environ, git=lambda _commit: {})
        name = {field: value for field, value in fields.items() if field in ("provider", "run_id")}
        if "run_id" not in name:
            raise UploadError(WRONG_USE, "Which run? Nothing here says it, and --run-id is not given.")
        return name

    def show_form(self, endpoint: str, fields: Mapping[str, str]) -> int:
        self.voice.tell(f"Would send: POST {endpoint}")
        for field, value in sorted(fields.items()):
            self.voice.tell(f"  {field} = {value}")
        return SENT

    def gate(self) -> int:
        """Ask whether this run may pass, once the server has read and compared what was sent of it."""
        name = self.name_run()
        question = dict(name, fail_on=self.options.fail_on) if self.options.fail_on else name
        if self.options.dry_run:
            return self.show_form(self.courier.gate_endpoint, question)
        seconds = self.options.wait or PATIENCE
        try:
            answer = self.courier.judge(question, seconds=seconds)
        except UploadError as trouble:
            if trouble.code != "run_not_found":
                raise
            if self.options.allow_empty:
                self.voice.tell(f"Nothing came of {describe_name(name)}, so there is nothing to judge.")
                return SENT
            raise UploadError(NOT_UNDERSTOOD, str(trouble), code=trouble.code) from None
        self.summary.update(fields=question, run=answer.get("run"), waiting=answer["waiting"], gate=answer)
        return self.tell_verdict(answer, seconds=seconds)

    def tell_verdict(self, answer: Mapping[str, Any], *, seconds: float) -> int:
        verdict, run = answer.get("verdict"), answer.get("run") or {}
        speak = self.voice.tell if verdict == "pass" else self.voice.warn
        late = f" That took longer than {seconds:.0f} s." if answer["waiting"] else ""
        speak(printable(answer.get("told")) + late)
        for line in describe_gate(answer):
            self.voice.tell(line)
        if run.get("url"):
            self.voice.tell(printable(run["url"]))
        if answer["waiting"]:
            return SERVER_TROUBLE
        return {"pass": SENT, "fail": HELD}.get(str(verdict), NOT_UNDERSTOOD)

    def tell_finished(self, answer: Mapping[str, Any]) -> int:
        run, n_unread = answer.get("run") or {}, answer["waiting"]
        unread = f"{count(n_unread, 'upload')} of it still to be read."
        if not n_unread and not run:
            self.voice.warn(describe_failed(answer.get("uploads") or {}))
        elif not n_unread:
            self.voice.tell(describe_run(run))
        elif self.options.wait:
            self.voice.warn(f"The run is finished, with {unread} That took longer than {self.options.wait:.0f} s.")
        else:
            self.voice.tell(f"The run is finished, with {unread}")
        if run.get("url"):
            self.voice.tell(printable(run["url"]))
        if not self.options.wait or run.get("is_complete"):
            return SENT
        return SERVER_TROUBLE if n_unread else NOT_UNDERSTOOD

    def send_files(self) -> int:
        is_import = self.options.command == "import"
        paths = self.find(find_old_files if is_import else find_files)
        if not paths:
            if self.options.allow_empty:
                return SENT
            self.voice.warn(f"Nothing to send. Looked from {os.getcwd()}.")
            return NO_FILE
        try:
            exit_codes = []
            for parcel in self.plan_import(paths) if is_import else [self.plan_upload(paths)]:
                codes, goes_on = self.hand_over(parcel)
                exit_codes += codes
                if not goes_on:
                    break
        except OSError as error:
            raise UploadError(WRONG_USE, f"The files could not be read and packed: {error}.") from error
        if self.options.wait:
            exit_codes += self.wait_for_receipts()
        return next((code for code in exit_codes if code), SENT)

    def find(self, find: Callable[..., Found]) -> list[str]:
        found = find(self.options.files, exclude=self.options.exclude)
        for pattern in found.unmatched:
            self.voice.warn(f"No file matches {printable(readable(pattern))}.")
        ignored = f", {len(found.ignored)} ignored:" if found.ignored else "."
        self.voice.tell(f"Found {count(len(found.paths), 'file')}{ignored}")
        for path, reason in found.ignored[:MOST_IGNORED]:
            self.voice.tell(f"  {printable(readable(path))}: {reason}")
        if len(found.ignored) > MOST_IGNORED:
            self.voice.tell(f"  and {len(found.ignored) - MOST_IGNORED:,} more")
        self.summary["ignored"] = [{"name": display_name(path), "reason": reason} for path, reason in found.ignored]
        return found.paths

    def plan_upload(self, paths: Sequence[str]) -> Parcel:
        fields = gather_metadata(vars(self.options), environ=self.environ, git=read_git)
        if "commit" not in fields:
            self.voice.warn("The commit is unknown: neither CI nor git says it here, and --commit is not given.")
        return Parcel(paths, fields)

    def plan_import(self, paths: Sequence[str]) -> list[Parcel]:
        stated = read_stated(vars(self.options), environ=self.environ)
        stated.pop("run_id", None)
        parcels, undated = plan_import(
            paths,
            folders=[path for path in self.options.files if os.path.isdir(path)],
            each=self.options.run_per,
            ran_at_from=self.options.ran_at_from,
            stated=stated,
        )
        if undated:
            names = ", ".join(display_name(name) for name in undated[:MOST_REMARKS])
            rest = f" and {len(undated) - MOST_REMARKS:,} more" if len(undated) > MOST_REMARKS else ""
            self.voice.warn(f"No report says when it ran, so the time of its file is taken: {printable(names)}{rest}.")
        return parcels

    def hand_over(self, parcel: Parcel) -> tuple[list[int], bool]:
        """Pack and send one run's files: the exit codes of what went wrong, and whether to go on with the next run."""
        with tempfile.TemporaryDirectory(prefix="suitewatch-") as folder:
            reports = [pack(path, folder=folder) for path in parcel.paths]
            fields = dict(parcel.fields)
            if parcel.heading:
                fields["run_id"] = name_old_run(reports)
                self.voice.tell(printable(parcel.heading))
            deliveries = split_up(fields, reports=reports, companions=self.pack_companions(folder))
            self.summary.setdefault("fields", dict(deliveries[0].fields))
            self.summary["files"] += [
                {"name": report.name, "bytes": report.plain_bytes, "sha256": report.sha256} for report in reports
            ]
            if not self.options.dry_run:
                return self.deliver(deliveries)
            for delivery in deliveries:
                self.show(delivery)
            return [], True

    def pack_companions(self, folder: str) -> list[tuple[str, Report]]:
        """What travels with the reports. Old ones bring none: what is here today is not of their commits."""
        options = self.options
        if options.no_config or (options.command == "import" and not options.config):
            return []
        packed = []
        for part, path in find_configuration(options.config).items():
            try:
                report = pack(path, folder=folder)
            except OSError as error:
                if path == options.config:
                    raise UploadError(WRONG_USE, f"--config cannot be read: {error}.") from error
                self.voice.warn(f"{printable(display_name(path))} is not sent: {error}.")
                continue
            if report.plain_bytes > MOST_CONFIGURATION:
                size = size_in_words(report.plain_bytes)
                self.voice.warn(f"{printable(report.name)} has {size}: a server reads it only when it allows so much.")
            packed.append((part, report))
        if packed and "configuration" not in self.summary:
            self.summary["configuration"] = [
                {"part": part, "name": report.name, "bytes": report.plain_bytes, "sha256": report.sha256}
                for part, report in packed
            ]
            self.voice.tell(f"With {printable(join_names([report.name for _, report in packed]))}.")
        return packed

    def show(self, delivery: Delivery) -> None:
        self.voice.tell(f"Would send: POST {self.courier.endpoint if self.courier.url else '(no address given)'}")
        for name, value in self.courier.headers(delivery, token="***").items():  # noqa: S106 - a mask
            self.voice.tell(f"  {name}: {value}")
        for field, value in sorted(delivery.fields.items()):
            self.voice.tell(f"  {field} = {value}")
        for report in delivery.reports:
            sizes = f"{size_in_words(report.plain_bytes)}, {size_in_words(report.packed_bytes)} packed"
            self.voice.tell(f"  file {printable(report.name)} ({sizes}, sha256 {report.sha256})")
        for part, report in delivery.companions:
            self.voice.tell(f"  {part} {printable(report.name)} ({size_in_words(report.plain_bytes)})")

    def deliver(self, deliveries: Sequence[Delivery]) -> tuple[list[int], bool]:
        """Send one after another, until there is trouble that the next one would meet as well."""
        exit_codes = []
        for number, delivery in enumerate(deliveries):
            entry: dict[str, Any] = {
                "files": [report.name for report in delivery.reports],
                "bytes": delivery.size,
                "run_id": delivery.fields.get("run_id"),
            }
            self.summary["deliveries"].append(entry)
            try:
                self.send(delivery, entry)
            except UploadError as trouble:
                entry["error"] = str(trouble)
                exit_codes.append(trouble.exit_code)
                self.voice.warn(f"Not sent: {count(len(delivery.reports), 'file')}. {trouble}")
                if trouble.final:
                    if deliveries[number + 1 :]:
                        self.voice.warn(f"{number} of {len(deliveries)} deliveries were tried before.")
                    return exit_codes, False
        return exit_codes, True

    def send(self, delivery: Delivery, entry: dict[str, Any]) -> None:
        for field, value in sorted(delivery.fields.items()):
            self.voice.detail(f"  {field} = {value}")
        entry.update(self.courier.send(delivery))
        for warning in entry.get("warnings") or []:
            self.voice.warn(describe_error(warning))
        known = " It was there already: nothing is stored twice." if entry.get("duplicate_of") else ""
        what = f"{count(len(delivery.reports), 'file')}, {size_in_words(delivery.size)} packed"
        self.voice.tell(f"Sent {what}.{known}")
        self.voice.tell(printable(entry.get("url") or self.courier.url))

    def wait_for_receipts(self) -> list[int]:
        """Follow what was sent to its end and say what came of it: the exit codes of what went wrong."""
        sent = [entry for entry in self.summary["deliveries"] if entry.get("status_url")]
        exit_codes = [self.wait_for_receipt(entry) for entry in sent]
        files = [file for entry in sent for file in (entry.get("receipt") or {}).get("files") or []]
        results = [file for file in files if file.get("kind") != "coverage" and file.get("state") != "failed"]
        if len(results) > 1:
            self.voice.tell(f"In all {describe_figures(add_up(results))}")
        for url, run in sorted({str(run["url"]): run for run in known_runs(sent)}.items())[:MOST_ROWS]:
            if "is_complete" in run:
                self.voice.tell(describe_run(run))
            self.voice.tell(printable(url))
        return [code for code in exit_codes if code]

    def wait_for_receipt(self, entry: dict[str, Any]) -> int:
        try:
            status = self.courier.follow(entry["status_url"], seconds=self.options.wait)
        except UploadError as trouble:
            self.voice.warn(str(trouble))
            return trouble.exit_code
        state, error = status["state"], status.get("error")
        entry.update(state=state, receipt=status.get("receipt"), error=error, run=status.get("run"))
        files = (status.get("receipt") or {}).get("files") or []
        for file in files:
            speak = self.voice.tell if file.get("state") == "stored" else self.voice.warn
            for line in describe_file(file):
                speak(line)
        for warning in (status.get("receipt") or {}).get("warnings") or []:
            if warning not in (entry.get("warnings") or []):  # those the door said already
                self.voice.warn(describe_error(warning))
        for remark in ((status.get("receipt") or {}).get("configuration") or {}).get("warnings") or []:
            self.voice.warn(describe_remark(remark))
        if state == "stored":
            return SENT
        why = describe_error(error) if error and error not in [file.get("error") for file in files] else ""
        self.voice.warn(f"The upload {ENDS.get(state, 'ended as ' + printable(state))}. {why}".strip())
        return NOT_UNDERSTOOD if state in ("partial", "failed") else SERVER_TROUBLE


def run_deferred(
    options: argparse.Namespace, *, environ: Mapping[str, str], voice: Voice, **timing: Callable[..., Any]
) -> int:
    """Fetch the register of put-off tests; the file is there whole or as it was before."""
    project = tidy(options.project) or tidy(environ.get("SUITEWATCH_PROJECT"))
    if not project:
        raise UploadError(WRONG_USE, "Of which project? Set SUITEWATCH_PROJECT or give --project, as in its address.")
    errand = Errand(options, environ=environ, voice=voice, **timing)
    if options.dry_run:
        voice.tell(
            f"Would fetch the register of {printable(project)} from {errand.courier.url or '(no address given)'}"
        )
        return SENT
    try:
        content = errand.courier.fetch_deferred(project, options.format)
    except UploadError as trouble:
        if trouble.code != "scope_missing":
            raise
        words = "This token may only upload. Make one that may read on the project's settings page"
        raise UploadError(REFUSED, f"{words}, and set SUITEWATCH_TOKEN to it for this step.") from None
    if options.output:
        write_whole(options.output, content)
        voice.tell(f"Wrote {printable(readable(options.output))}, {size_in_words(len(content))}.")
    else:
        write_out(content)
    return SENT


def write_out(content: bytes) -> None:
    """To standard output as it is: a name that a console's encoding lacks still has to be that test's name."""
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content.decode("utf-8", "replace"))
    sys.stdout.flush()


def write_whole(path: str, content: bytes) -> None:
    """Write a file in one go: whoever reads it meanwhile, or after a crash, finds the old one or the new one."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    try:
        if os.path.exists(path) and not os.path.isfile(path):  # /dev/stdout, a pipe: nothing to be put in its place
            with open(path, "wb") as target:
                target.write(content)
            return
        handle, draft = tempfile.mkstemp(dir=folder, prefix=".suitewatch-")
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(content)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(draft, 0o666 & ~mask)  # a draft is the writer's own alone, as the file is not to be
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(draft)
            raise
    except OSError as error:
        raise UploadError(WRONG_USE, f"The file could not be written: {error}.") from error


def run_check(
    options: argparse.Namespace, *, environ: Mapping[str, str], voice: Voice, **timing: Callable[..., Any]
) -> int:
    """Look at configuration files as an upload would be read: here if the reader is here, else at the server."""
    paths = options.files or list(find_configuration(options.config).values())
    if not paths:
        names = f"{CONFIGURATION_PLACES[0]}, CODEOWNERS or {DEFERRALS_PLACES[0]}"
        voice.warn(f"No {names} here. Looked in {printable(find_root())}.")
        return NO_FILE
    reader, courier = find_local_reader(), None
    if reader is None:
        url = tidy(options.url) or tidy(environ.get("SUITEWATCH_URL"))
        if not is_address(url):
            raise UploadError(WRONG_USE, "Who checks? Set SUITEWATCH_URL or give --url, or install the package.")
        courier = Courier(url, token="", timeout=options.timeout, note=voice.warn, **timing)
    answers = []
    for path in paths:
        try:
            with open(path, "rb") as source:
                data = source.read(ANSWER_LIMIT)
        except OSError as error:
            raise UploadError(WRONG_USE, f"The file could not be read: {error}.") from error
        look = courier.check if courier else functools.partial(check_locally, reader)
        answers.append(dict(look(data, file=name_companion(path)), file=readable(path)))
    if options.json:
        print(json.dumps({"files": answers}, indent=2))
    else:
        tell_answers(answers, voice=voice)
    return SENT if all(answer["ok"] for answer in answers) else PROBLEMS


def tell_answers(answers: Iterable[Mapping[str, Any]], *, voice: Voice) -> None:
    for answer in answers:
        path = answer["file"]
        for remark in answer["warnings"]:
            voice.tell(describe_remark(remark, path=path))
        if answer["ok"]:
            understood = ", ".join(sorted(name.replace("_", " ") for name in answer.get("content") or {}))
            voice.tell(printable(f"{path}: nothing to mend. It speaks of {understood or 'nothing'}."))


def known_runs(entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The runs that deliveries became part of, as far as they are known."""
    for entry in entries:
        run = entry.get("run") or {}
        if run.get("url"):
            yield run


def is_address(url: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
    return is_whole and url.isascii() and not parts.query and not parts.fragment


def is_loopback(url: str) -> bool:
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_near(host: str) -> bool:
    """This machine or this network: where plain http is a choice, not a slip."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line: the whole usage would hide it."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_USE, f"suitewatch: {printable(message)}. `suitewatch --help` lists the options.\n")


def parse_arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="suitewatch",
        description="Send test reports to Suitewatch. Run it after the tests, also when they failed.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    seconds: dict[str, Any] = {"type": read_seconds, "metavar": "SECONDS"}
    add(
        "command",
        choices=["upload", "import", "finish", "gate", "deferred", "check"],
        help="upload what just ran, import what ran long ago, say that all reports of a run were sent (finish), ask "
        "whether the run may pass (gate), fetch the register of put-off tests (deferred), or check .suitewatch.yml "
        "before it is pushed",
    )
    add(
        "files",
        nargs="*",
        metavar="FILES",
        help="reports, or globs in quotes: 'build/**/TEST-*.xml'; import: folders too; "
        "check: the files to look at, else the repository's",
    )
    add("--exclude", action="append", default=[], metavar="GLOB", help="leave these out (repeatable)")
    add("--url", help="address of your Suitewatch (SUITEWATCH_URL)")
    add("--token", help="upload token of the project (SUITEWATCH_TOKEN hides it from other users)")
    group = parser.add_argument_group("what the reports belong to (each also as SUITEWATCH_<NAME>)")
    for field, flag, words in OPTIONS:
        group.add_argument(f"--{flag}", dest=field, metavar="TEXT", help=words)
    group = parser.add_argument_group("what travels with them")
    group.add_argument("--config", metavar="FILE", help="instead of the repository's .suitewatch.yml")
    group.add_argument(
        "--no-config",
        action="store_true",
        help="send neither .suitewatch.yml nor CODEOWNERS nor .suitewatch-deferrals.yml",
    )
    group = parser.add_argument_group("check only")
    group.add_argument("--json", action="store_true", help="print what was found as JSON")
    group = parser.add_argument_group("gate only")
    group.add_argument(
        "--fail-on",
        metavar="REASONS",
        help="what fails the run, with commas: new-failures, unbacked-deferrals, overdue-reviews, shrinking-suites "
        "(else: what .suitewatch.yml says, else new-failures)",
    )
    group = parser.add_argument_group("deferred only")
    group.add_argument("--format", choices=EXPORTS, default="json", help="what the register is written as (json)")
    group.add_argument("--output", metavar="FILE", help="where to (else: standard output)")
    group.add_argument("--project", metavar="NAME", help="the project, as in its address (SUITEWATCH_PROJECT)")
    group = parser.add_argument_group("import only")
    group.add_argument(
        "--run-per",
        choices=["subfolder", "folder", "file"],
        default="subfolder",
        help="what was one run: each sub-folder of a folder and each file in it (subfolder), the folder, or each file",
    )
    group.add_argument(
        "--ran-at-from",
        choices=["attribute", "mtime"],
        default="attribute",
        help="when it ran: the report's timestamp, else --ran-at, else the time of the file; or that at once",
    )
    add("--wait", help="wait for the receipt and print it (--wait alone, and gate: 120 s)", **seconds)
    add("--timeout", default=60.0, help="silence after which a try counts as failed (60)", **seconds)
    add("--summary", metavar="FILE", help="write what happened as JSON")
    add("--dry-run", action="store_true", help="show what would be sent, send nothing")
    add("--allow-empty", action="store_true", help="no matching file is no mistake")
    add("--fail-on-error", action="store_true", help="exit code 6 when the server has trouble")
    add("-v", "--verbose", action="count", default=0, help="say more")
    add("-q", "--quiet", action="count", default=0, help="only warnings")
    add("--version", action="version", version=f"suitewatch {__version__}")
    # A bare --wait must not swallow the file behind it, as an optional value of argparse would.
    options = parser.parse_intermixed_args(["--wait=120" if word == "--wait" else word for word in argv])
    if not options.files and options.command in ("upload", "import"):
        parser.error("the following arguments are required: FILES")
    if options.files and options.command in ("finish", "gate"):
        parser.error(f"{options.command} takes no FILES: what is to be read has to be uploaded before")
    if options.files and options.command == "deferred":
        parser.error("deferred takes no FILES: --output says where to write")
    return options


def read_seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < 86400:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 86400")
    return number


def write_summary(path: str, summary: Mapping[str, Any], *, voice: Voice) -> int:
    try:
        with open(path, "w", encoding="utf-8") as target:
            json.dump(summary, target, indent=2)
            target.write("\n")
    except OSError as error:
        voice.warn(f"The summary could not be written: {error}.")
        return WRONG_USE
    return SENT


def main(
    argv: Sequence[str] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    **timing: Callable[..., Any],
) -> int:
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name must not break a build whose locale is C
    options = parse_arguments(sys.argv[1:] if argv is None else argv)
    voice = Voice(options.verbose - 2 * options.quiet, ci=recognize_ci(environ))
    summary: dict[str, Any] = {}
    try:
        if options.command == "check":
            return run_check(options, environ=environ, voice=voice, **timing)
        if options.command == "deferred":
            return run_deferred(options, environ=environ, voice=voice, **timing)
        with voice.fold():
            errand = Errand(options, environ=environ, voice=voice, **timing)
            summary = errand.summary
            exit_code = errand.run()
    except UploadError as trouble:
        voice.warn(str(trouble))
        exit_code = trouble.exit_code
    except KeyboardInterrupt:
        exit_code = 130
    if options.command in ("check", "deferred"):
        return exit_code  # what could not be looked at is not good, and a list that did not come is none
    if exit_code == SERVER_TROUBLE and not options.fail_on_error:
        voice.warn("The trouble is the server's, not your build's: exit code 0 (--fail-on-error makes it 6).")
        exit_code = SENT
    page = environ.get("GITHUB_STEP_SUMMARY")
    if page and summary and not options.dry_run:
        write_job_summary(page, summary, voice=voice)
    if options.summary:
        exit_code = write_summary(options.summary, dict(summary, exit_code=exit_code), voice=voice) or exit_code
    return exit_code


if __name__ == "__main__":
    sys.exit(main())

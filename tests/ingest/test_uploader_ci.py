"""What the uploader reads from each CI system: environment in, metadata out; each row and each trap of the table."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest import uploader
from ingest.metadata import check_metadata
from ingest.uploader import CI_SYSTEMS, GENERIC, gather_metadata, recognize_ci
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
    SHARED_NAMES,
    TEAMCITY,
    TRAVIS,
    WOODPECKER,
)

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def no_git(_commit):
    return {}


def read(environ, **given):
    return gather_metadata(given, environ=environ, git=no_git)


@pytest.fixture
def event(tmp_path):
    """Write GitHub's event file; its path."""

    def write(content):
        path = tmp_path / "event.json"
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return str(path)

    return write


# --- each row ---------------------------------------------------------------------------------------------------

ROWS = {
    "github": (
        GITHUB,
        {
            "commit": HEAD,
            "branch": "feature/tools",
            "run_id": "9001",
            "attempt": "2",
            "job": "CI/unit",
            "build_url": "https://github.com/acme/shop/actions/runs/9001/attempts/2",
        },
    ),
    "gitea": (
        {**GITHUB, "GITEA_ACTIONS": "true", "GITHUB_SERVER_URL": "https://git.example"},
        {
            "commit": HEAD,
            "branch": "feature/tools",
            "run_id": "9001",
            "attempt": "2",
            "job": "CI/unit",
            "build_url": "https://git.example/acme/shop/actions/runs/17",
        },
    ),
    "forgejo": (
        {**GITHUB, "GITEA_ACTIONS": "true", "FORGEJO_ACTIONS": "true", "GITHUB_SERVER_URL": "https://codeberg.example"},
        {
            "commit": HEAD,
            "branch": "feature/tools",
            "run_id": "9001",
            "attempt": "2",
            "job": "CI/unit",
            "build_url": "https://codeberg.example/acme/shop/actions/runs/17",
        },
    ),
    "gitlab": (
        GITLAB,
        {
            "commit": HEAD,
            "branch": "main",
            "default_branch": "main",
            "committed_at": "2026-03-01T12:00:00+01:00",
            "run_id": "71",
            "job": "unit",
            "job_id": "991",
            "build_url": "https://gitlab.example/acme/shop/-/jobs/991",
        },
    ),
    "jenkins": (
        JENKINS,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "jenkins-shop-main-12",
            "job": "shop",
            "build_url": "https://jenkins.example/job/shop/job/main/12/",
        },
    ),
    "circleci": (
        CIRCLECI,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "5b6c",
            "job": "unit",
            "shard": "2/3",
            "build_url": "https://circleci.com/gh/acme/shop/40",
        },
    ),
    "buildkite": (
        BUILDKITE,
        {
            "commit": HEAD,
            "branch": "main",
            "default_branch": "main",
            "run_id": "0190-f00d",
            "attempt": "1",
            "job": "unit",
            "shard": "2/5",
            "build_url": "https://buildkite.com/acme/shop/builds/77#0190-beef",
        },
    ),
    "azure": (
        AZURE,
        {
            "commit": HEAD,
            "branch": "feature/tools",
            "run_id": "311",
            "attempt": "1",
            "job": "unit",
            "build_url": "https://dev.azure.com/acme/Web%20Shop/_build/results?buildId=311&view=logs&j=12f1",
        },
    ),
    "bitbucket": (
        BITBUCKET,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "aa-01",
            "attempt": "1",
            "build_url": "https://bitbucket.org/acme/shop/pipelines/results/8/steps/%7Bbb-02%7D",
        },
    ),
    "travis": (
        TRAVIS,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "501",
            "job": "unit",
            "build_url": "https://travis.example/jobs/502",
        },
    ),
    "drone": (
        DRONE,
        {
            "commit": HEAD,
            "branch": "main",
            "default_branch": "main",
            "run_id": "33",
            "job": "default/unit",
            "build_url": "https://drone.example/acme/shop/33",
        },
    ),
    "woodpecker": (
        WOODPECKER,
        {
            "commit": HEAD,
            "branch": "main",
            "default_branch": "main",
            "run_id": "6",
            "job": "check/unit",
            "build_url": "https://ci.example/repos/1/pipeline/6/3",
        },
    ),
    "teamcity": (
        TEAMCITY,
        {
            "commit": HEAD,
            "branch": "feature/tools",
            "run_id": "Shop/Unit/44",
            "job": "Shop/Unit",
            "build_url": "https://teamcity.example/build/1234",
        },
    ),
    "appveyor": (
        APPVEYOR,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "164",
            "job": "Environment: PYTHON=3.12",
            "build_url": "https://ci.appveyor.com/project/acme/shop/builds/164/job/v8x",
        },
    ),
    "semaphore": (
        SEMAPHORE,
        {
            "commit": HEAD,
            "branch": "main",
            "run_id": "fa-1",
            "job": "unit",
            "build_url": "https://acme.semaphoreci.com/projects/fa-3/jobs/fa-2",
        },
    ),
    "codeship": (
        SHARED_NAMES,
        {
            "commit": HEAD,
            "branch": "main",
            "pull_request": "7",
            "run_id": "21",
            "build_url": "https://ci.example/builds/21",
        },
    ),
}


@pytest.mark.parametrize("system", ROWS)
def test_what_a_system_says_becomes_our_fields(system):
    environ, fields = ROWS[system]
    assert read(environ) == {"provider": system, **fields}


@pytest.mark.parametrize("system", ROWS)
def test_the_server_takes_what_was_read(system):
    metadata, warnings = check_metadata(read(ROWS[system][0]), now=NOW)
    assert (metadata.provider, warnings) == (system, [])


def test_each_system_of_the_table_has_its_row():
    assert set(CI_SYSTEMS) | {"codeship"} == set(ROWS)


def test_each_system_is_documented():
    page = (Path(__file__).resolve().parents[2] / "docs" / "ci.md").read_text(encoding="utf-8")
    rows = page.split("## What is read")[1]
    for system, row in CI_SYSTEMS.items():
        assert f"`{system}`" in rows
        assert set(uploader.re.findall(r"[A-Z_]{2,}", row["known_by"])) <= set(uploader.re.findall(r"[A-Z_]{2,}", rows))
    assert all(name in rows for words in GENERIC.values() for name in words.split())


def test_without_any_ci_nothing_is_said():
    assert read({}) == {}
    assert read({"CI": "true", "PATH": "/bin"}) == {}


# --- traps ------------------------------------------------------------------------------------------------------

PULL = {"GITHUB_REF": "refs/pull/7/merge", "GITHUB_HEAD_REF": "feature/tools", "GITHUB_SHA": MERGE}
TRAPS = {
    "github: the number also stands in the reference": (
        {**GITHUB, **PULL},
        {"commit": MERGE, "branch": "feature/tools", "pull_request": "7"},
    ),
    "github: a merge queue's branch names its pull request": (
        {**GITHUB, "GITHUB_REF": f"refs/heads/gh-readonly-queue/release/2.x/pr-7-{MERGE}"},
        {"branch": f"gh-readonly-queue/release/2.x/pr-7-{MERGE}", "pull_request": "7"},
    ),
    "github: a tag is no push to the default branch": ({**GITHUB, "GITHUB_REF": "refs/tags/v1.0"}, {"branch": "v1.0"}),
    "github: the job's own page where its number is given": (
        {**GITHUB, "JOB_CHECK_RUN_ID": "555"},
        {"build_url": "https://github.com/acme/shop/actions/runs/9001/job/555"},
    ),
    "github: old servers count no attempts": (
        {**GITHUB, "GITHUB_RUN_ATTEMPT": ""},
        {"attempt": None, "build_url": "https://github.com/acme/shop/actions/runs/9001"},
    ),
    "gitlab: the internal number, the head and the name of the change": (
        {
            **GITLAB,
            "CI_COMMIT_SHA": MERGE,
            "CI_COMMIT_REF_NAME": "refs/merge-requests/7/merge",
            "CI_MERGE_REQUEST_ID": "88001",
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/tools",
            "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD,
        },
        {"commit": HEAD, "branch": "feature/tools", "pull_request": "7", "committed_at": None},
    ),
    "gitlab: outside merged-result pipelines the head is the commit": (
        {**GITLAB, "CI_MERGE_REQUEST_IID": "7", "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": ""},
        {"commit": HEAD, "pull_request": "7"},
    ),
    "gitlab: parts of a divided job are one job": (
        {**GITLAB, "CI_JOB_NAME": "unit 2/5", "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5"},
        {"job": "unit", "shard": "2/5", "variant": None},
    ),
    "gitlab: legs of a matrix are variants, although they are numbered": (
        {**GITLAB, "CI_JOB_NAME": "unit: [linux, 3.12]", "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5"},
        {"job": "unit", "variant": "linux, 3.12", "shard": None},
    ),
    "gitlab: a retried part keeps its part and gets a new id": (
        {**GITLAB, "CI_JOB_NAME": "unit 2/5", "CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "5", "CI_JOB_ID": "1002"},
        {"job": "unit", "shard": "2/5", "job_id": "1002", "attempt": None},
    ),
    "gitlab: a job somebody calls 1/2 is a job": ({**GITLAB, "CI_JOB_NAME": "unit 1/2"}, {"job": "unit 1/2"}),
    "gitlab: without a job's address the pipeline's": (
        {**GITLAB, "CI_JOB_URL": ""},
        {"build_url": "https://gitlab.example/acme/shop/-/pipelines/71"},
    ),
    "jenkins: a multibranch pull request": (
        {
            **JENKINS,
            "BRANCH_NAME": "PR-7",
            "GIT_BRANCH": "PR-7",
            "CHANGE_ID": "7",
            "CHANGE_BRANCH": "feature/tools",
            "JOB_NAME": "acme/shop/PR-7",
        },
        {"branch": "feature/tools", "pull_request": "7", "job": "acme/shop"},
    ),
    "jenkins: PR-12 is no branch, even where nothing else is said": (
        {**JENKINS, "BRANCH_NAME": "PR-12-head", "JOB_NAME": "shop/PR-12-head"},
        {"branch": None, "pull_request": "12", "job": "shop"},
    ),
    "jenkins: branches of one job are one job": (
        {**JENKINS, "BRANCH_NAME": "feature/tools", "JOB_NAME": "acme/shop/feature%2Ftools"},
        {"branch": "feature/tools", "job": "acme/shop"},
    ),
    "jenkins: git's branch has the remote in front": (
        {**JENKINS, "BRANCH_NAME": "", "GIT_BRANCH": "origin/feature/tools", "JOB_NAME": "nightly"},
        {"branch": "feature/tools", "job": "nightly"},
    ),
    "jenkins: some pipelines know no commit, git is asked": ({**JENKINS, "GIT_COMMIT": ""}, {"commit": None}),
    "jenkins: the pull request builder": (
        {
            **JENKINS,
            "GIT_COMMIT": MERGE,
            "ghprbActualCommit": HEAD,
            "ghprbSourceBranch": "feature/tools",
            "ghprbPullId": "7",
        },
        {"commit": HEAD, "branch": "feature/tools", "pull_request": "7"},
    ),
    "jenkins: a merge request of GitLab": (
        {**JENKINS, "gitlabMergeRequestIid": "7", "gitlabSourceBranch": "feature/tools"},
        {"branch": "feature/tools", "pull_request": "7"},
    ),
    "jenkins: stages side by side are jobs of their own": ({**JENKINS, "STAGE_NAME": "unit"}, {"job": "shop/unit"}),
    "jenkins: the end of the pipeline is no stage": (
        {**JENKINS, "STAGE_NAME": "Declarative: Post Actions"},
        {"job": "shop"},
    ),
    "circleci: the number is the last part of an address": (
        {**CIRCLECI, "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pull/7"},
        {"pull_request": "7"},
    ),
    "circleci: forks have the number itself": (
        {**CIRCLECI, "CIRCLE_PR_NUMBER": "8", "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pull/7"},
        {"pull_request": "8"},
    ),
    "circleci: one node is no division": (
        {**CIRCLECI, "CIRCLE_NODE_INDEX": "0", "CIRCLE_NODE_TOTAL": "1"},
        {"shard": None},
    ),
    "circleci: a tag": ({**CIRCLECI, "CIRCLE_BRANCH": "", "CIRCLE_TAG": "v1.0"}, {"branch": "v1.0"}),
    "buildkite: retries are counted from 0": ({**BUILDKITE, "BUILDKITE_RETRY_COUNT": "2"}, {"attempt": "3"}),
    "buildkite: HEAD is no commit": ({**BUILDKITE, "BUILDKITE_COMMIT": "HEAD"}, {"commit": None}),
    "buildkite: what HEAD was": (
        {**BUILDKITE, "BUILDKITE_COMMIT": "HEAD", "BUILDKITE_COMMIT_RESOLVED": HEAD},
        {"commit": HEAD},
    ),
    "buildkite: false is no pull request, 7 is one": (
        {**BUILDKITE, "BUILDKITE_PULL_REQUEST": "7"},
        {"pull_request": "7"},
    ),
    "buildkite: a step without a key has its label": (
        {**BUILDKITE, "BUILDKITE_STEP_KEY": "", "BUILDKITE_LABEL": "unit"},
        {"job": "unit"},
    ),
    "azure: a pull request's source": (
        {
            **AZURE,
            "BUILD_SOURCEVERSION": MERGE,
            "BUILD_SOURCEBRANCH": "refs/pull/7/merge",
            "SYSTEM_PULLREQUEST_SOURCECOMMITID": HEAD,
            "SYSTEM_PULLREQUEST_SOURCEBRANCH": "refs/heads/feature/tools",
            "SYSTEM_PULLREQUEST_PULLREQUESTID": "60123",
            "SYSTEM_PULLREQUEST_PULLREQUESTNUMBER": "7",
        },
        {"commit": HEAD, "branch": "feature/tools", "pull_request": "7"},
    ),
    "azure: its own repositories have ids only": (
        {**AZURE, "SYSTEM_PULLREQUEST_PULLREQUESTID": "60123", "BUILD_SOURCEBRANCH": "refs/pull/60123/merge"},
        {"pull_request": "60123", "branch": None},
    ),
    "azure: slices are parts": (
        {
            **AZURE,
            "SYSTEM_PARALLELEXECUTIONTYPE": "MultiMachine",
            "SYSTEM_JOBPOSITIONINPHASE": "2",
            "SYSTEM_TOTALJOBSINPHASE": "5",
            "SYSTEM_JOBDISPLAYNAME": "unit 2",
        },
        {"job": "unit", "shard": "2/5"},
    ),
    "azure: legs of a matrix are whole": (
        {
            **AZURE,
            "SYSTEM_PARALLELEXECUTIONTYPE": "MultiConfiguration",
            "SYSTEM_JOBPOSITIONINPHASE": "2",
            "SYSTEM_TOTALJOBSINPHASE": "5",
            "SYSTEM_JOBDISPLAYNAME": "unit py312",
        },
        {"job": "unit py312", "shard": None},
    ),
    "bitbucket: a commit of 12 characters is not one": ({**BITBUCKET, "BITBUCKET_COMMIT": HEAD[:12]}, {"commit": None}),
    "bitbucket: tags have no branch": (
        {**BITBUCKET, "BITBUCKET_BRANCH": "", "BITBUCKET_TAG": "v1.0"},
        {"branch": "v1.0"},
    ),
    "bitbucket: a re-run of failed steps keeps the build": (
        {**BITBUCKET, "BITBUCKET_STEP_RUN_NUMBER": "2"},
        {"run_id": "aa-01", "attempt": "2"},
    ),
    "bitbucket: steps side by side are counted from 0": (
        {**BITBUCKET, "BITBUCKET_PARALLEL_STEP": "0", "BITBUCKET_PARALLEL_STEP_COUNT": "3"},
        {"shard": "1/3"},
    ),
    "bitbucket: but not where they are jobs of their own": (
        {
            **BITBUCKET,
            "BITBUCKET_PARALLEL_STEP": "0",
            "BITBUCKET_PARALLEL_STEP_COUNT": "3",
            "SUITEWATCH_JOB": "unit",
        },
        {"job": "unit", "shard": None},
    ),
    "bitbucket: a pull request": ({**BITBUCKET, "BITBUCKET_PR_ID": "7"}, {"pull_request": "7", "branch": "main"}),
    "travis: on a pull request the branch would be the target": (
        {
            **TRAVIS,
            "TRAVIS_COMMIT": MERGE,
            "TRAVIS_PULL_REQUEST": "7",
            "TRAVIS_PULL_REQUEST_BRANCH": "feature/tools",
            "TRAVIS_PULL_REQUEST_SHA": HEAD,
        },
        {"commit": HEAD, "branch": "feature/tools", "pull_request": "7"},
    ),
    "travis: no branch is better than the wrong one": (
        {**TRAVIS, "TRAVIS_PULL_REQUEST": "7"},
        {"branch": None, "pull_request": "7"},
    ),
    "travis: a tag": ({**TRAVIS, "TRAVIS_BRANCH": "v1.0", "TRAVIS_TAG": "v1.0"}, {"branch": "v1.0"}),
    "drone: on a pull request the branch is the target": (
        {**DRONE, "DRONE_PULL_REQUEST": "7", "DRONE_SOURCE_BRANCH": "feature/tools"},
        {"branch": "feature/tools", "pull_request": "7"},
    ),
    "drone: a restart has a parent": ({**DRONE, "DRONE_BUILD_PARENT": "30"}, {"run_id": "33", "attempt": "2"}),
    "drone: a promotion has one as well": (
        {**DRONE, "DRONE_BUILD_PARENT": "30", "DRONE_BUILD_EVENT": "promote"},
        {"attempt": None},
    ),
    "woodpecker: on a pull request the branch is the target": (
        {**WOODPECKER, "CI_COMMIT_PULL_REQUEST": "7", "CI_COMMIT_SOURCE_BRANCH": "feature/tools"},
        {"branch": "feature/tools", "pull_request": "7"},
    ),
    "woodpecker: a restart has a parent": ({**WOODPECKER, "CI_PIPELINE_PARENT": "5"}, {"attempt": "2"}),
    "woodpecker: before version 1 it was a build": (
        {
            "CI": "woodpecker",
            "CI_COMMIT_SHA": HEAD,
            "CI_BUILD_NUMBER": "6",
            "CI_BUILD_PARENT": "5",
            "CI_BUILD_EVENT": "push",
            "CI_BUILD_LINK": "https://ci.example/acme/shop/build/6",
        },
        {"run_id": "6", "attempt": "2", "build_url": "https://ci.example/acme/shop/build/6"},
    ),
    "teamcity: the default branch has no name": ({**TEAMCITY, "TEAMCITY_BUILD_BRANCH": "<default>"}, {"branch": None}),
    "teamcity: what the user exports": (
        {**TEAMCITY, "TEAMCITY_PULLREQUEST_NUMBER": "7"},
        {"pull_request": "7", "branch": "feature/tools"},
    ),
    "teamcity: by itself it tells neither": (
        {**TEAMCITY, "TEAMCITY_BUILD_BRANCH": ""},
        {"branch": None, "pull_request": None},
    ),
    "appveyor: on a pull request the branch is the target": (
        {
            **APPVEYOR,
            "APPVEYOR_REPO_COMMIT": MERGE,
            "APPVEYOR_PULL_REQUEST_NUMBER": "7",
            "APPVEYOR_PULL_REQUEST_HEAD_COMMIT": HEAD,
            "APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH": "feature/tools",
        },
        {"commit": HEAD, "branch": "feature/tools", "pull_request": "7"},
    ),
    "semaphore: on a pull request the branch is the target": (
        {**SEMAPHORE, "SEMAPHORE_GIT_PR_NUMBER": "7", "SEMAPHORE_GIT_PR_BRANCH": "feature/tools"},
        {"branch": "feature/tools", "pull_request": "7"},
    ),
    "semaphore: the working branch": (
        {**SEMAPHORE, "SEMAPHORE_GIT_PR_NUMBER": "7", "SEMAPHORE_GIT_WORKING_BRANCH": "feature/tools"},
        {"branch": "feature/tools"},
    ),
    "shared names: an unknown system is called ci": (
        {**SHARED_NAMES, "CI_NAME": ""},
        {"provider": "ci", "run_id": "21"},
    ),
    "shared names: the number of a job is not its name": (SHARED_NAMES, {"job": None}),
    "shared names: they fill what a system leaves open": (
        {**TRAVIS, "TRAVIS_BRANCH": "", "CI_BRANCH": "main"},
        {"provider": "travis", "branch": "main"},
    ),
    "shared names: a system's own word comes first": ({**TRAVIS, "CI_BRANCH": "other"}, {"branch": "main"}),
    "shared names: but only a word that can be used": (
        {**BUILDKITE, "BUILDKITE_COMMIT": "HEAD", "CI_COMMIT_ID": HEAD},
        {"commit": HEAD},
    ),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_no_trap_is_walked_into(trap):
    environ, expected = TRAPS[trap]
    fields = read(environ)
    assert {field: fields.get(field) for field in expected} == expected
    assert check_metadata(fields, now=NOW)[1] == []


# --- who is who -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "system"),
    [
        ({"GITHUB_ACTIONS": "false"}, ""),
        ({"GITHUB_ACTIONS": ""}, ""),
        ({"CI": "true"}, ""),
        ({"JENKINS_URL": "https://jenkins.example/"}, ""),
        ({"BUILD_ID": "12"}, ""),
        ({"GITHUB_ACTIONS": "true", "JENKINS_URL": "https://jenkins.example/", "BUILD_ID": "1"}, "github"),
        ({"DRONE": "true", "CI": "woodpecker"}, "woodpecker"),
        ({"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true"}, "gitea"),
        ({"GITHUB_ACTIONS": "true", "GITEA_ACTIONS": "true", "FORGEJO_ACTIONS": "true"}, "forgejo"),
    ],
)
def test_a_system_is_known_by_what_only_it_sets(environ, system):
    assert recognize_ci(environ) == system


@pytest.mark.parametrize("unset", ["", "  ", "false", "False"])
def test_empty_and_false_are_unset_for_every_variable(unset):
    names = {
        name for row in CI_SYSTEMS.values() for words in row.values() for name in uploader.re.findall(r"\w+", words)
    }
    assert read(dict.fromkeys(names, unset)) == {}


def test_the_order_is_flag_variable_system_shared_names_git():
    def git(_commit):
        return dict.fromkeys(("branch", "commit", "job", "run_id", "default_branch"), "git")

    environ = {
        **TRAVIS,
        "SUITEWATCH_JOB": "variable",
        "SUITEWATCH_RUN_ID": "variable",
        "TRAVIS_COMMIT": "",
        "CI_COMMIT_ID": HEAD,
        "CI_BRANCH": "shared",
    }
    fields = gather_metadata({"job": "flag"}, environ=environ, git=git)
    found = {field: fields[field] for field in ("job", "run_id", "branch", "commit", "default_branch")}
    assert found == {"job": "flag", "run_id": "variable", "branch": "main", "commit": HEAD, "default_branch": "git"}


def test_the_provider_can_be_named_otherwise():
    assert read({**GITHUB, "SUITEWATCH_PROVIDER": "github-enterprise"})["provider"] == "github-enterprise"


def test_git_fills_the_rest_for_the_commit_ci_names():
    asked = []
    gather_metadata({}, environ=TRAVIS, git=lambda commit: asked.append(commit) or {})
    assert asked == [HEAD]


def test_another_commit_does_not_get_the_time_of_this_one():
    assert "committed_at" not in read(GITLAB, commit=MERGE)


# --- GitHub's event file ----------------------------------------------------------------------------------------


def test_the_head_of_a_pull_request_is_in_the_event_file(event):
    content = {"pull_request": {"number": 7, "head": {"sha": HEAD}}, "repository": {"default_branch": "trunk"}}
    fields = read({**GITHUB, **PULL, "GITHUB_REF": "refs/heads/main", "GITHUB_EVENT_PATH": event(content)})
    assert fields["commit"] == HEAD
    assert (fields["pull_request"], fields["branch"], fields["default_branch"]) == ("7", "feature/tools", "trunk")


def test_a_push_has_its_time_in_the_event_file(event):
    content = {"head_commit": {"id": HEAD, "timestamp": "2026-03-01T12:00:00+01:00"}}
    assert read({**GITHUB, "GITHUB_EVENT_PATH": event(content)})["committed_at"] == "2026-03-01T12:00:00+01:00"
    other = {"head_commit": {"id": MERGE, "timestamp": "2026-03-01T12:00:00+01:00"}}
    assert "committed_at" not in read({**GITHUB, "GITHUB_EVENT_PATH": event(other)})


BROKEN = {
    "cut": b'{"pull_request": {"head": {"sha": "' + HEAD.encode(),
    "empty": b"",
    "no object": b"[1, 2]",
    "other shapes": b'{"pull_request": ["head"], "repository": "x", "head_commit": null}',
    "no commit": b'{"pull_request": {"number": "x", "head": {"sha": "not-a-commit"}}}',
    "no time": b'{"head_commit": {"id": "' + MERGE.encode() + b'", "timestamp": "yesterday"}}',
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_event_file_breaks_nothing(event, content):
    fields = read({**GITHUB, **PULL, "GITHUB_EVENT_PATH": event(content)})
    assert fields["branch"] == "feature/tools"
    assert fields.get("commit") in (MERGE, None)
    check_metadata(fields, now=NOW)


def test_a_missing_or_a_huge_event_file_is_left_alone(event, tmp_path, monkeypatch):
    assert read({**GITHUB, **PULL, "GITHUB_EVENT_PATH": str(tmp_path / "gone.json")})["commit"] == MERGE
    assert read({**GITHUB, **PULL, "GITHUB_EVENT_PATH": str(tmp_path)})["commit"] == MERGE
    content = {"pull_request": {"number": 7, "head": {"sha": HEAD}}}
    monkeypatch.setattr(uploader, "EVENT_LIMIT", 20)
    assert read({**GITHUB, **PULL, "GITHUB_EVENT_PATH": event(content)})["commit"] == MERGE


def test_gitlab_jobs_of_one_name_given_by_hand_are_no_retries_of_each_other():
    assert "job_id" not in read(GITLAB, job="all tests")
    assert read(GITLAB, job="unit")["job_id"] == "991"
    assert read(GITLAB, job="all tests", job_id="5")["job_id"] == "5"


# --- GitHub's matrix --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        ('{\n  "python": "3.12",\n  "os": "ubuntu-latest"\n}', "os=ubuntu-latest, python=3.12"),
        (
            '{"experimental": true, "node": 22, "deps": {"b": 1}, "none": null}',
            'deps={"b": 1}, experimental=true, node=22, none=null',
        ),
        ("null", None),
        ("{}", None),
        ("", None),
        ("py3.12", "py3.12"),
        ("3.12", "3.12"),
        ('{"os": ', '{"os":'),
        ('["a"]', '["a"]'),
        ('{"a": "x\\n\\u0000y"}', "a=x y"),
    ],
)
def test_a_matrix_is_read_as_words(variant, words):
    assert read({}, variant=variant).get("variant") == words
    assert read({"SUITEWATCH_VARIANT": variant}).get("variant") == words


def test_a_large_matrix_fits_and_stays_itself():
    matrices = [json.dumps({"a": "x" * 300, "b": number}) for number in (1, 2)]
    first, second = (read({}, variant=matrix)["variant"] for matrix in matrices)
    assert (len(first), len(second)) == (255, 255)
    assert first != second


# --- what machines say must not break a build -------------------------------------------------------------------


def test_words_the_server_would_refuse_are_left_out():
    environ = {
        **CIRCLECI,
        "CIRCLE_SHA1": "unknown",
        "CIRCLE_PULL_REQUEST": "https://github.com/acme/shop/pulls",
        "CIRCLE_BUILD_URL": "javascript:alert(1)",
        "CIRCLE_NODE_INDEX": "9",
        "CIRCLE_JOB": "x" * 300,
    }
    fields = read(environ)
    assert set(fields) == {"provider", "branch", "run_id", "job"}
    assert check_metadata(fields, now=NOW)[1] == []


def test_credentials_in_a_build_s_address_stay_at_home():
    fields = read({**TRAVIS, "TRAVIS_JOB_WEB_URL": "https://user:secret@travis.example/jobs/502"})
    assert fields["build_url"] == "https://travis.example/jobs/502"


def test_shared_names_hold_no_names_of_systems():
    assert {name.split("_")[0] for words in GENERIC.values() for name in words.split()} == {"CI"}


def test_nothing_is_fetched(monkeypatch, tmp_path):
    """Neither reading CI nor asking git may call `git fetch`: some clients un-shallow the clone."""
    calls = []
    monkeypatch.setattr(uploader.subprocess, "run", lambda command, **_: calls.append(command) or fail())
    monkeypatch.chdir(tmp_path)
    gather_metadata({}, environ={**os.environ, **GITHUB}, git=uploader.read_git)
    assert calls
    assert not [command for command in calls if {"fetch", "pull", "remote"} & set(command)]


def fail():
    raise OSError

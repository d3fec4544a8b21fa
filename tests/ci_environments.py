"""What each CI system sets for a job: a push to a branch, nothing divided.

Used by `tests/ingest/test_uploader_ci.py` and `tests/journeys/test_ci_snippets.py`.
"""

HEAD = "a" * 40
MERGE = "b" * 40

GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SHA": HEAD,
    "GITHUB_REF": "refs/heads/feature/tools",
    "GITHUB_HEAD_REF": "",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_RUN_ID": "9001",
    "GITHUB_RUN_NUMBER": "17",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_WORKFLOW": "CI",
    "GITHUB_JOB": "unit",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI": "true",
    "CI_COMMIT_SHA": HEAD,
    "CI_COMMIT_REF_NAME": "main",
    "CI_DEFAULT_BRANCH": "main",
    "CI_COMMIT_TIMESTAMP": "2026-03-01T12:00:00+01:00",
    "CI_PIPELINE_ID": "71",
    "CI_JOB_ID": "991",
    "CI_JOB_NAME": "unit",
    "CI_NODE_TOTAL": "1",
    "CI_JOB_URL": "https://gitlab.example/acme/shop/-/jobs/991",
    "CI_PIPELINE_URL": "https://gitlab.example/acme/shop/-/pipelines/71",
}
JENKINS = {
    "JENKINS_URL": "https://jenkins.example/",
    "BUILD_ID": "12",
    "BUILD_NUMBER": "12",
    "BUILD_TAG": "jenkins-shop-main-12",
    "BUILD_URL": "https://jenkins.example/job/shop/job/main/12/",
    "JOB_NAME": "shop/main",
    "BRANCH_NAME": "main",
    "GIT_BRANCH": "origin/main",
    "GIT_COMMIT": HEAD,
}
CIRCLECI = {
    "CIRCLECI": "true",
    "CIRCLE_SHA1": HEAD,
    "CIRCLE_BRANCH": "main",
    "CIRCLE_WORKFLOW_ID": "5b6c",
    "CIRCLE_BUILD_NUM": "40",
    "CIRCLE_JOB": "unit",
    "CIRCLE_BUILD_URL": "https://circleci.com/gh/acme/shop/40",
    "CIRCLE_NODE_INDEX": "1",
    "CIRCLE_NODE_TOTAL": "3",
}
BUILDKITE = {
    "BUILDKITE": "true",
    "BUILDKITE_COMMIT": HEAD,
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
    "BUILDKITE_PIPELINE_DEFAULT_BRANCH": "main",
    "BUILDKITE_BUILD_ID": "0190-f00d",
    "BUILDKITE_BUILD_NUMBER": "77",
    "BUILDKITE_BUILD_URL": "https://buildkite.com/acme/shop/builds/77",
    "BUILDKITE_JOB_ID": "0190-beef",
    "BUILDKITE_LABEL": ":python: unit 2",
    "BUILDKITE_STEP_KEY": "unit",
    "BUILDKITE_RETRY_COUNT": "0",
    "BUILDKITE_PARALLEL_JOB": "1",
    "BUILDKITE_PARALLEL_JOB_COUNT": "5",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_SOURCEVERSION": HEAD,
    "BUILD_SOURCEBRANCH": "refs/heads/feature/tools",
    "BUILD_SOURCEBRANCHNAME": "tools",
    "BUILD_BUILDID": "311",
    "BUILD_BUILDNUMBER": "20260301.4",
    "SYSTEM_TEAMFOUNDATIONCOLLECTIONURI": "https://dev.azure.com/acme/",
    "SYSTEM_TEAMPROJECT": "Web Shop",
    "SYSTEM_JOBID": "12f1",
    "SYSTEM_JOBDISPLAYNAME": "unit",
    "SYSTEM_JOBATTEMPT": "1",
    "SYSTEM_JOBPOSITIONINPHASE": "1",
    "SYSTEM_TOTALJOBSINPHASE": "1",
    "SYSTEM_PARALLELEXECUTIONTYPE": "None",
}
BITBUCKET = {
    "CI": "true",
    "BITBUCKET_BUILD_NUMBER": "8",
    "BITBUCKET_COMMIT": HEAD,
    "BITBUCKET_BRANCH": "main",
    "BITBUCKET_REPO_FULL_NAME": "acme/shop",
    "BITBUCKET_PIPELINE_UUID": "{aa-01}",
    "BITBUCKET_STEP_UUID": "{bb-02}",
    "BITBUCKET_STEP_RUN_NUMBER": "1",
}
TRAVIS = {
    "TRAVIS": "true",
    "TRAVIS_COMMIT": HEAD,
    "TRAVIS_BRANCH": "main",
    "TRAVIS_PULL_REQUEST": "false",
    "TRAVIS_PULL_REQUEST_BRANCH": "",
    "TRAVIS_PULL_REQUEST_SHA": "",
    "TRAVIS_BUILD_ID": "501",
    "TRAVIS_JOB_ID": "502",
    "TRAVIS_JOB_NAME": "unit",
    "TRAVIS_JOB_WEB_URL": "https://travis.example/jobs/502",
    "TRAVIS_BUILD_WEB_URL": "https://travis.example/builds/501",
}
DRONE = {
    "CI": "true",
    "DRONE": "true",
    "DRONE_COMMIT_SHA": HEAD,
    "DRONE_BRANCH": "main",
    "DRONE_SOURCE_BRANCH": "main",
    "DRONE_REPO_BRANCH": "main",
    "DRONE_BUILD_NUMBER": "33",
    "DRONE_BUILD_PARENT": "0",
    "DRONE_BUILD_EVENT": "push",
    "DRONE_BUILD_LINK": "https://drone.example/acme/shop/33",
    "DRONE_STAGE_NAME": "default",
    "DRONE_STEP_NAME": "unit",
}
WOODPECKER = {
    "CI": "woodpecker",
    "CI_COMMIT_SHA": HEAD,
    "CI_COMMIT_BRANCH": "main",
    "CI_REPO_DEFAULT_BRANCH": "main",
    "CI_PIPELINE_NUMBER": "6",
    "CI_PIPELINE_PARENT": "0",
    "CI_PIPELINE_EVENT": "push",
    "CI_PIPELINE_URL": "https://ci.example/repos/1/pipeline/6",
    "CI_STEP_URL": "https://ci.example/repos/1/pipeline/6/3",
    "CI_WORKFLOW_NAME": "check",
    "CI_STEP_NAME": "unit",
}
TEAMCITY = {
    "TEAMCITY_VERSION": "2026.1",
    "BUILD_VCS_NUMBER": HEAD,
    "BUILD_NUMBER": "44",
    "BUILD_URL": "https://teamcity.example/build/1234",
    "TEAMCITY_BUILDCONF_NAME": "Unit",
    "TEAMCITY_PROJECT_NAME": "Shop",
    "TEAMCITY_BUILD_BRANCH": "feature/tools",
}
APPVEYOR = {
    "CI": "True",
    "APPVEYOR": "True",
    "APPVEYOR_URL": "https://ci.appveyor.com",
    "APPVEYOR_REPO_COMMIT": HEAD,
    "APPVEYOR_REPO_BRANCH": "main",
    "APPVEYOR_REPO_NAME": "acme/shop",
    "APPVEYOR_BUILD_ID": "164",
    "APPVEYOR_JOB_ID": "v8x",
    "APPVEYOR_JOB_NAME": "Environment: PYTHON=3.12",
}
SEMAPHORE = {
    "SEMAPHORE": "true",
    "SEMAPHORE_GIT_SHA": HEAD,
    "SEMAPHORE_GIT_BRANCH": "main",
    "SEMAPHORE_PIPELINE_ID": "fa-1",
    "SEMAPHORE_JOB_ID": "fa-2",
    "SEMAPHORE_JOB_NAME": "unit",
    "SEMAPHORE_ORGANIZATION_URL": "https://acme.semaphoreci.com",
    "SEMAPHORE_PROJECT_ID": "fa-3",
}
SHARED_NAMES = {
    "CI": "true",
    "CI_NAME": "codeship",
    "CI_COMMIT_ID": HEAD,
    "CI_BRANCH": "main",
    "CI_PULL_REQUEST": "https://git.example/acme/shop/pull/7",
    "CI_BUILD_NUMBER": "21",
    "CI_JOB_ID": "22",
    "CI_BUILD_URL": "https://ci.example/builds/21",
}

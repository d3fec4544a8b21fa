"""The step to copy into each CI, with this server's address and, while it is shown, the token.

Called by `dashboard.views.onboarding`; pure text. Promise: branch names and the like reach curl as plain text
(`--form-string`), so that none of them can name a file to send (`tests/dashboard/test_snippets.py`).
"""

from dataclasses import dataclass
from typing import Final

PLACEHOLDER: Final = "sw_up_…"


@dataclass(frozen=True, slots=True)
class Snippet:
    """One tab: where the token is kept, and the step."""

    name: str
    title: str
    where: str
    keep: str  # the command that keeps the token, or nothing
    text: str


def write_snippets(*, address: str, token: str) -> tuple[Snippet, ...]:
    """One snippet for each CI we know, the most common first; `address` is this server's."""
    token = token or PLACEHOLDER
    target = f"{address.rstrip('/')}/api/v1/uploads"
    return (
        Snippet(
            "github",
            "GitHub Actions",
            "A step of the job, after the tests.",
            f"gh secret set SUITEWATCH_TOKEN --body '{token}'",
            _GITHUB.replace("TARGET", target),
        ),
        Snippet(
            "gitlab",
            "GitLab CI",
            "In the job that runs the tests, in .gitlab-ci.yml.",
            f"glab variable set SUITEWATCH_TOKEN '{token}' --masked",
            _GITLAB.replace("TARGET", target),
        ),
        Snippet(
            "jenkins",
            "Jenkins",
            "In the Jenkinsfile; the token is a “Secret text” credential with the id suitewatch-token.",
            "",
            _JENKINS.replace("TARGET", target),
        ),
        Snippet(
            "buildkite",
            "Buildkite",
            "In .buildkite/hooks/post-command; the token is a secret or a variable of the agent.",
            "",
            _BUILDKITE.replace("TARGET", target),
        ),
        Snippet(
            "circleci",
            "CircleCI",
            "A step of the job, after the tests; the token is an environment variable of the project.",
            "",
            _CIRCLECI.replace("TARGET", target),
        ),
        Snippet(
            "terminal",
            "your terminal",
            "In the folder of the repository, with any JUnit report at hand.",
            "",
            _TERMINAL.replace("TARGET", target).replace("TOKEN", token),
        ),
    )


def _curl(indent: str, **fields: str) -> str:
    """The call itself: every field as plain text, only the report as a file."""
    lines = [
        "curl --fail-with-body --retry 3 \\",
        '  --header "Authorization: Bearer $SUITEWATCH_TOKEN" \\',
        *(f'  --form-string {name}="{value}" \\' for name, value in fields.items()),
        "  --form file=@junit.xml \\",
        "  TARGET",
    ]
    return "\n".join(indent + line for line in lines)


_GITHUB: Final = """\
- name: Send the reports to Suitewatch
  if: always()
  env:
    SUITEWATCH_TOKEN: ${{ secrets.SUITEWATCH_TOKEN }}
    COMMIT: ${{ github.event.pull_request.head.sha || github.sha }}
    BRANCH: ${{ github.head_ref || github.ref_name }}
    PULL_REQUEST: ${{ github.event.pull_request.number }}
  run: |
""" + _curl(
    "    ",
    provider="github",
    commit="$COMMIT",
    branch="$BRANCH",
    pull_request="$PULL_REQUEST",
    run_id="$GITHUB_RUN_ID",
    attempt="$GITHUB_RUN_ATTEMPT",
    job="$GITHUB_JOB",
    build_url="$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID",
)

_GITLAB: Final = """\
after_script:
  - |
""" + _curl(
    "    ",
    provider="gitlab",
    commit="${CI_MERGE_REQUEST_SOURCE_BRANCH_SHA:-$CI_COMMIT_SHA}",
    branch="${CI_MERGE_REQUEST_SOURCE_BRANCH_NAME:-$CI_COMMIT_REF_NAME}",
    pull_request="$CI_MERGE_REQUEST_IID",
    run_id="$CI_PIPELINE_ID",
    job="$CI_JOB_NAME",
    build_url="$CI_JOB_URL",
)

_JENKINS: Final = (
    """\
post {
  always {
    withCredentials([string(credentialsId: 'suitewatch-token', variable: 'SUITEWATCH_TOKEN')]) {
      sh '''
"""
    + _curl(
        "        ",
        provider="jenkins",
        commit="$GIT_COMMIT",
        branch="${CHANGE_BRANCH:-${BRANCH_NAME:-$GIT_BRANCH}}",
        pull_request="$CHANGE_ID",
        run_id="$BUILD_TAG",
        build_url="$BUILD_URL",
    ).replace("\\", "\\\\")
    + """
      '''
    }
  }
}"""
)

_BUILDKITE: Final = """\
#!/bin/bash
[ -f junit.xml ] || exit 0
""" + _curl(
    "",
    provider="buildkite",
    commit="$(git rev-parse HEAD)",  # BUILDKITE_COMMIT may be the word HEAD
    branch="$BUILDKITE_BRANCH",
    pull_request="${BUILDKITE_PULL_REQUEST/false/}",
    run_id="$BUILDKITE_BUILD_ID",
    attempt="$((BUILDKITE_RETRY_COUNT + 1))",
    job="$BUILDKITE_LABEL",
    build_url="$BUILDKITE_BUILD_URL",
)

_CIRCLECI: Final = """\
- run:
    name: Send the reports to Suitewatch
    when: always
    command: |
""" + _curl(
    "      ",
    provider="circleci",
    commit="$CIRCLE_SHA1",
    branch="$CIRCLE_BRANCH",
    pull_request="${CIRCLE_PULL_REQUEST##*/}",
    run_id="$CIRCLE_WORKFLOW_ID",
    job="$CIRCLE_JOB",
    build_url="$CIRCLE_BUILD_URL",
)

_TERMINAL: Final = """\
curl --fail-with-body \\
  --header "Authorization: Bearer TOKEN" \\
  --form-string commit="$(git rev-parse HEAD)" \\
  --form-string branch="$(git branch --show-current)" \\
  --form file=@junit.xml \\
  TARGET"""

"""The step to copy into each CI, with this server's address and, while it is shown, the token.

Called by `dashboard.views.onboarding`; pure text. The steps of a CI use the uploader, which reads what that CI says;
docs/ci.md has more of them. Promise: no branch name reaches a shell as text, and none can name a file to send
(`tests/dashboard/test_snippets.py`).
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

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
    address = address.rstrip("/")
    return (
        Snippet(
            "github",
            "GitHub Actions",
            "A step of the job, after the tests.",
            f"gh secret set SUITEWATCH_TOKEN --body '{token}'",
            _GITHUB.replace("ADDRESS", address),
        ),
        Snippet(
            "gitlab",
            "GitLab CI",
            "In the job that runs the tests, in .gitlab-ci.yml; its image needs curl and Python.",
            f"glab variable set SUITEWATCH_TOKEN '{token}' --masked",
            _GITLAB.replace("ADDRESS", address),
        ),
        Snippet(
            "jenkins",
            "Jenkins",
            "In the Jenkinsfile; the token is a “Secret text” credential with the id suitewatch-token.",
            "",
            _JENKINS.replace("ADDRESS", address),
        ),
        Snippet(
            "buildkite",
            "Buildkite",
            "In .buildkite/hooks/pre-exit; the token is a secret or a variable of the agent.",
            "",
            _BUILDKITE.replace("ADDRESS", address),
        ),
        Snippet(
            "circleci",
            "CircleCI",
            "A step of the job, after the tests; the token is an environment variable of the project.",
            "",
            _CIRCLECI.replace("ADDRESS", address),
        ),
        Snippet(
            "terminal",
            "your terminal",
            "In the folder of the repository, with any JUnit report at hand.",
            "",
            _TERMINAL.replace("ADDRESS", address).replace("TOKEN", token),
        ),
    )


def is_loopback(address: str) -> bool:
    """Whether an address leads every machine to itself, so that CI cannot use it."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# The uploader fails a build for the user's mistakes only; that Suitewatch cannot be reached is not one of them.
_GITHUB: Final = """\
- name: Send the reports to Suitewatch
  if: ${{ !cancelled() }}
  env:
    SUITEWATCH_URL: ADDRESS
    SUITEWATCH_TOKEN: ${{ secrets.SUITEWATCH_TOKEN }}
    SUITEWATCH_VARIANT: ${{ toJSON(matrix) }}
  run: |
    curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py" || exit 0
    python3 suitewatch.py upload junit.xml"""

_GITLAB: Final = """\
variables:
  SUITEWATCH_URL: ADDRESS
after_script:
  - curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py"
  - python3 suitewatch.py upload junit.xml"""

_JENKINS: Final = """\
post {
  always {
    withCredentials([string(credentialsId: 'suitewatch-token', variable: 'SUITEWATCH_TOKEN')]) {
      sh '''
        export SUITEWATCH_URL=ADDRESS
        curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py" || exit 0
        python3 suitewatch.py upload junit.xml
      '''
    }
  }
}"""

_BUILDKITE: Final = """\
#!/bin/bash
export SUITEWATCH_URL=ADDRESS
if [ -f junit.xml ] && curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py"; then
  python3 suitewatch.py upload junit.xml
fi"""

_CIRCLECI: Final = """\
- run:
    name: Send the reports to Suitewatch
    when: always
    environment:
      SUITEWATCH_URL: ADDRESS
    command: |
      curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py" || exit 0
      python3 suitewatch.py upload junit.xml"""

_TERMINAL: Final = """\
curl --fail-with-body \\
  --header "Authorization: Bearer TOKEN" \\
  --form-string commit="$(git rev-parse HEAD)" \\
  --form-string branch="$(git branch --show-current)" \\
  --form file=@junit.xml \\
  ADDRESS/api/v1/uploads"""

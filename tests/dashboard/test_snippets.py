"""The steps to copy hold in the tools they are for, and no branch name can turn into a command or a file to send."""

import re
import subprocess

import pytest
import yaml

from dashboard.queries.snippets import PLACEHOLDER, Snippet, is_loopback, write_snippets
from ingest.metadata import FIELDS

TOKEN = "sw_up_" + "a" * 43 + "_abcdef"
SNIPPETS = {snippet.name: snippet for snippet in write_snippets(address="https://sw.example/", token=TOKEN)}
STEPS = {name: snippet for name, snippet in SNIPPETS.items() if name != "terminal"}


def find_script(snippet: Snippet) -> str:
    """The shell part of a step."""
    if snippet.name == "github":
        return str(yaml.safe_load(snippet.text)[0]["run"])
    if snippet.name == "gitlab":
        return "\n".join(yaml.safe_load(snippet.text)["after_script"])
    if snippet.name == "circleci":
        return str(yaml.safe_load(snippet.text)[0]["run"]["command"])
    if snippet.name == "jenkins":
        return snippet.text.split("'''")[1].replace("\\\\", "\\")
    return snippet.text


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=list(SNIPPETS))
def test_a_step_is_a_script_a_shell_accepts(snippet: Snippet) -> None:
    result = subprocess.run(["bash", "-n"], input=find_script(snippet), text=True, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("snippet", STEPS.values(), ids=list(STEPS))
def test_a_step_takes_the_uploader_from_this_server_and_sends_there(snippet: Snippet) -> None:
    script = find_script(snippet)
    assert 'curl -fsSO --retry 3 "$SUITEWATCH_URL/suitewatch.py"' in script
    assert re.findall("SUITEWATCH_URL[:=] ?(.+)", snippet.text) == ["https://sw.example"]
    assert script.count("python3 suitewatch.py upload junit.xml") == 1
    assert "ADDRESS" not in snippet.text


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("github", "if: ${{ !cancelled() }}"),
        ("gitlab", "after_script:"),
        ("jenkins", "post {\n  always {"),
        ("circleci", "when: always"),
    ],
)
def test_a_step_runs_when_tests_failed(name: str, words: str) -> None:
    assert words in SNIPPETS[name].text


def test_buildkite_s_hook_runs_when_tests_failed_and_exits_for_nobody() -> None:
    """The agent sources its hooks: an exit would end more than this one."""
    assert "hooks/pre-exit" in SNIPPETS["buildkite"].where
    assert not re.search(r"\bexit\b", SNIPPETS["buildkite"].text)


@pytest.mark.parametrize("name", ["github", "jenkins", "circleci"])
def test_an_outage_of_suitewatch_fails_no_build(name: str) -> None:
    assert 'suitewatch.py" || exit 0\n' in SNIPPETS[name].text


def test_in_the_terminal_every_field_is_text_and_only_the_report_a_file() -> None:
    script = find_script(SNIPPETS["terminal"])
    assert script.rstrip().endswith("https://sw.example/api/v1/uploads")
    assert set(re.findall(r"--form-string (\w+)=", script)) == {"commit", "branch"} <= FIELDS
    assert re.findall(r"(?:-F|--form) (\S+)", script) == ["file=@junit.xml"]


def test_expressions_reach_the_shell_as_variables_not_as_text() -> None:
    """GitHub pastes ${{ }} into a script before the shell reads it: a branch name could be a command."""
    assert "${{" not in find_script(SNIPPETS["github"])


def test_the_token_stands_where_it_may_stand() -> None:
    for name, snippet in SNIPPETS.items():
        assert (TOKEN in snippet.text) == (name == "terminal")
    assert TOKEN in SNIPPETS["github"].keep
    assert TOKEN in SNIPPETS["gitlab"].keep


def test_without_a_token_a_placeholder_stands_there() -> None:
    for snippet in write_snippets(address="https://sw.example", token=""):
        assert "sw_up_" not in (snippet.text + snippet.keep).replace(PLACEHOLDER, "")


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.8.0.1", True),
        ("http://[::1]:8000/", True),
        ("http://localhost:8000", True),
        ("http://suitewatch.localhost", True),
        ("http://192.168.0.7:8000", False),
        ("https://localhost.example.org", False),
        ("", False),
    ],
)
def test_an_address_that_ci_cannot_reach_is_known(address: str, is_own: bool) -> None:
    assert is_loopback(address) is is_own

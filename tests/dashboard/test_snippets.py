"""The steps to copy hold in the tools they are for, and no branch name can turn into a file to send."""

import re
import subprocess

import pytest
import yaml

from dashboard.queries.snippets import PLACEHOLDER, Snippet, write_snippets
from ingest.metadata import FIELDS

TOKEN = "sw_up_" + "a" * 43 + "_abcdef"
SNIPPETS = {snippet.name: snippet for snippet in write_snippets(address="https://sw.example/", token=TOKEN)}


def find_script(snippet: Snippet) -> str:
    """The shell part of a step."""
    if snippet.name == "github":
        return str(yaml.safe_load(snippet.text)[0]["run"])
    if snippet.name == "gitlab":
        return str(yaml.safe_load(snippet.text)["after_script"][0])
    if snippet.name == "circleci":
        return str(yaml.safe_load(snippet.text)[0]["run"]["command"])
    if snippet.name == "jenkins":
        return snippet.text.split("'''")[1].replace("\\\\", "\\")
    return snippet.text


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=list(SNIPPETS))
def test_a_step_is_a_script_a_shell_accepts(snippet: Snippet) -> None:
    result = subprocess.run(["bash", "-n"], input=find_script(snippet), text=True, capture_output=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=list(SNIPPETS))
def test_a_step_sends_to_this_server_in_fields_the_door_knows(snippet: Snippet) -> None:
    script = find_script(snippet)
    assert script.rstrip().endswith("https://sw.example/api/v1/uploads")
    fields = re.findall(r"--form-string (\w+)=", script)
    assert {"commit", "branch"} <= set(fields) <= FIELDS
    assert len(fields) == len(set(fields))
    assert "TARGET" not in script
    assert 'TOKEN"' not in script.replace('SUITEWATCH_TOKEN"', "")


@pytest.mark.parametrize("snippet", SNIPPETS.values(), ids=list(SNIPPETS))
def test_only_the_report_is_sent_as_a_file(snippet: Snippet) -> None:
    assert re.findall(r"(?:-F|--form) (\S+)", find_script(snippet)) == ["file=@junit.xml"]


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

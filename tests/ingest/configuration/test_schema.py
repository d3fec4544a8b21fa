"""The published schema: only words the reader understands, and the same verdict as a validator's on every example."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from ingest.configuration import read_configuration
from ingest.configuration.shapes import KEYWORDS, load_schema

GOOD = [
    "",
    "suites:\n",
    "suites: []",
    "suites: [{path: tests/unit, level: unit}]",
    "suites: [{path: a, classname: b, name: c, reported_in: d, suite: e, level: f}]",
    'suites: [{path: "**/*.py", suite: "with blanks, é and ›"}]',
    "coverage: {prefixes: [/home/runner/work/shop/shop/, build/]}",
    'coverage: {levels: [{file: "*-it.xml", level: integration}]}',
    'expected_jobs: [unit, "3.10"]',
    "run: {timeout_minutes: 1}",
    "run: {timeout_minutes: 43200}",
    "run:\ncoverage:\nexpected_jobs:",
    'owners: [{path: src, owners: ["@a", "@org/team", "me@example.org"]}]',
    'owners: [{suite: "API*", owners: ["@a"]}]',
    "causes:",
    f"causes: [{{contains: '{'e?' * 8}Z', kind: '{'*e' * 8}', category: b}}]",
    "suite_times:",
    "suite_times: [{suite: contract, seconds: 60}, {suite: unit, seconds: 86400}]",
    'causes: [{contains: warehouse, category: stock}, {kind: "*Error", contains: "a * b", category: own word}]',
]
BAD = [
    "nonsense",
    "[1, 2]",
    "unknown: 1",
    "suite: [{path: a, level: unit}]",
    "suites: {path: a}",
    "suites: [a]",
    "suites: [{path: tests/unit}]",
    "suites: [{level: unit}]",
    "suites: [{}]",
    "suites: [{path: 1, level: unit}]",
    'suites: [{path: "", level: unit}]',
    'suites: [{path: " ", level: unit}]',
    'suites: [{path: "a\\u0000", level: unit}]',
    'suites: [{path: "a\\nb", level: unit}]',
    f"suites: [{{path: {'x' * 256}, level: unit}}]",
    f"suites: [{{path: a, level: {'x' * 65}}}]",
    "suites: [{path: a, level: unit, colour: red}]",
    "suites: [{path: a, level: null}]",
    "coverage: {prefix: [a]}",
    "coverage: {prefixes: a}",
    "coverage: {prefixes: [1]}",
    "coverage: {levels: [{file: a}]}",
    "expected_jobs: [3.10]",
    "expected_jobs: {unit: 1}",
    "run: {timeout_minutes: 0}",
    "run: {timeout_minutes: 43201}",
    "run: {timeout_minutes: 1.5}",
    'run: {timeout_minutes: "90"}',
    "run: {timeout_minutes: true}",
    "owners: [{path: a, owners: []}]",
    'owners: [{path: a, owners: "@a"}]',
    "owners: [{path: a, owners: [team]}]",
    'owners: [{path: a, owners: ["@a b"]}]',
    'owners: [{owners: ["@a"]}]',
    'owners: [{path: a, reported_in: b, owners: ["@a"]}]',
    "suite_times: [{suite: contract}]",
    "suite_times: [{seconds: 60}]",
    "suite_times: [{suite: contract, seconds: 0}]",
    "suite_times: [{suite: contract, seconds: 1.5}]",
    'suite_times: [{suite: contract, seconds: "60"}]',
    "suite_times: {contract: 60}",
    "causes: [{category: a}]",
    "causes: [{contains: a}]",
    "causes: [{contains: a, category: 1}]",
    f"causes: [{{contains: a, category: {'x' * 65}}}]",
    "causes: [{contains: a, category: b, regex: c}]",
    "causes: {contains: a, category: b}",
    f"causes: [{{contains: '{'e?' * 9}Z', category: b}}]",
    f"causes: [{{kind: '{'e*' * 9}Z', category: b}}]",
    "causes: [" + "{contains: a, category: b}, " * 101 + "]",
    "suites: [" + "{path: a, level: b}, " * 501 + "]",
]


def find_keywords(part: Any) -> set[str]:
    if isinstance(part, list):
        return set().union(*map(find_keywords, part)) if part else set()
    if not isinstance(part, dict):
        return set()
    found = set(part)
    for key, value in part.items():
        if key in ("properties", "$defs"):
            found |= set().union(*map(find_keywords, value.values()))
        else:
            found |= find_keywords(value)
    return found


def test_the_schema_is_one_and_uses_only_what_the_reader_understands() -> None:
    schema = load_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert find_keywords(schema) <= KEYWORDS


@pytest.mark.parametrize("text", GOOD)
def test_reader_and_validator_agree_on_what_is_good(text: str) -> None:
    jsonschema.Draft202012Validator(load_schema()).validate(yaml.safe_load(text))
    assert read_configuration(text).warnings == []


@pytest.mark.parametrize("text", BAD)
def test_reader_and_validator_agree_on_what_is_not(text: str) -> None:
    assert not jsonschema.Draft202012Validator(load_schema()).is_valid(yaml.safe_load(text))
    assert read_configuration(text).warnings


@pytest.mark.parametrize("text", GOOD + BAD)
def test_what_is_kept_is_always_good_and_can_be_stored(text: str) -> None:
    content = read_configuration(text).content
    json.dumps(content).encode()
    jsonschema.Draft202012Validator(load_schema()).validate(content)

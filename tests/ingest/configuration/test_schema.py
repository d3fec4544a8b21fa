"""The published schema: only words the reader understands, and the same verdict as a validator's on every example."""

import json
import re
from datetime import date, timedelta
from typing import Any

import jsonschema
import pytest
import yaml

from health.windows import N_JOBS
from ingest.configuration import DEFERRALS, read_configuration, read_file
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
    "deferrals:",
    "deferrals: [{cases: tests/a}]",
    "deferrals: [{cases: tests/a, kind: quarantine, reason: a, owner: ann, review: 2026-12-01, issue: b}]",
    "deferrals: [{cases: tests/a, kind: planned, count: 100000, precedent: a, phase: b, code: [src/a.py]}]",
    'deferrals: [{cases: tests/a, review: "2028-02-29", backing: [tests/b, "c_*"]}]',
    "deferrals:\n- cases: tests/a\n  reason: |\n    Two lines,\n    and a\ttab.\n",
    "deferral_policy: {require: [reason, owner, review, issue, backing], review_after_days: 3650}",
    "deferral_policy: {passes_to_release: 1, require: []}",
    "deferral_policy:\ngate:",
    "gate: {fail_on: [new-failures, unbacked-deferrals, overdue-reviews, shrinking-suites]}",
    "gate: {fail_on: []}",
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
    "deferrals: {cases: a}",
    "deferrals: [tests/a]",
    "deferrals: [{}]",
    "deferrals: [{reason: a}]",
    "deferrals: [{cases: 3}]",
    'deferrals: [{cases: " "}]',
    f"deferrals: [{{cases: {'x' * 501}}}]",
    "deferrals: [{cases: a, kind: skipped}]",
    "deferrals: [{cases: a, kind: 3}]",
    "deferrals: [{cases: a, kind:}]",
    f"deferrals: [{{cases: a, reason: {'x' * 2001}}}]",
    'deferrals: [{cases: a, reason: "a\\u0000"}]',
    'deferrals: [{cases: a, reason: "\\n "}]',
    "deferrals: [{cases: a, issue: 123}]",
    "deferrals: [{cases: a, issue: #123\n}]",
    "deferrals: [{cases: a, review: 2026-02-30}]",
    "deferrals: [{cases: a, review: 2027-02-29}]",
    "deferrals: [{cases: a, review: 2026-1-1}]",
    "deferrals: [{cases: a, review: 01.12.2026}]",
    'deferrals: [{cases: a, review: "2026-12-01\\n"}]',
    "deferrals: [{cases: a, review: 2026-12-01T00:00:00Z}]",
    "deferrals: [{cases: a, review: soon}]",
    "deferrals: [{cases: a, count: 0}]",
    "deferrals: [{cases: a, count: 100001}]",
    "deferrals: [{cases: a, backing: tests/b}]",
    "deferrals: [{cases: a, backing: []}]",
    "deferrals: [{cases: a, backing: [3]}]",
    "deferrals: [{cases: a, code: []}]",
    "deferrals: [{cases: a, because: b}]",
    "deferrals: [" + "{cases: a}, " * 501 + "]",
    "deferral_policy: {require: reason}",
    "deferral_policy: {require: [kind]}",
    "deferral_policy: {require: [reason, reason, reason, reason, reason, reason]}",
    "deferral_policy: {review_after_days: 0}",
    "deferral_policy: {review_after_days: 3651}",
    "deferral_policy: {passes_to_release: 51}",
    "deferral_policy: [reason]",
    "gate: {fail_on: [failures]}",
    "gate: {fail_on: new-failures}",
    "gate: {fail_on: {new-failures: true}}",
    "gate: {warn_on: [new-failures]}",
]


def test_no_more_passes_can_be_asked_for_than_are_looked_at() -> None:
    policy = load_schema()["properties"]["deferral_policy"]["properties"]
    assert policy["passes_to_release"]["maximum"] == N_JOBS


class Editor(yaml.SafeLoader):
    """As editors read, by YAML 1.2: a day that is not quoted is a text."""


Editor.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_as_editor(text: str) -> Any:
    return yaml.load(text, Loader=Editor)


def take_away_places(content: dict[str, Any]) -> dict[str, Any]:
    """The content as it was written: each entry of deferrals is kept with the place it stands in."""
    for item in content.get("deferrals", ()):
        assert isinstance(item.pop("line"), int)
        assert item.pop("file")
    return content


# What the file that holds deferrals alone may say, and may not.
OWN = [text for text in [*GOOD, *BAD] if text.startswith("deferrals:") or not text]


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
    jsonschema.Draft202012Validator(load_schema()).validate(read_as_editor(text))
    assert read_configuration(text).warnings == []


@pytest.mark.parametrize("text", BAD)
def test_reader_and_validator_agree_on_what_is_not(text: str) -> None:
    assert not jsonschema.Draft202012Validator(load_schema()).is_valid(read_as_editor(text))
    assert read_configuration(text).warnings


@pytest.mark.parametrize("text", GOOD + BAD)
def test_what_is_kept_is_always_good_and_can_be_stored(text: str) -> None:
    content = take_away_places(read_configuration(text).content)
    json.dumps(content).encode()
    jsonschema.Draft202012Validator(load_schema()).validate(content)


@pytest.mark.parametrize("text", OWN)
def test_the_file_of_deferrals_is_read_by_the_same_definitions(text: str) -> None:
    schema = load_schema(DEFERRALS)
    jsonschema.Draft202012Validator.check_schema(schema)
    is_good = jsonschema.Draft202012Validator(schema).is_valid(read_as_editor(text))
    read = read_file(text, file=DEFERRALS)
    assert (read.warnings == []) == is_good
    assert take_away_places(read.content) == take_away_places(read_configuration(text).content)


def test_the_file_of_deferrals_holds_nothing_else() -> None:
    assert list(load_schema(DEFERRALS)["properties"]) == ["deferrals"]
    assert len(load_schema()["properties"]) > 1
    text = "gate: {fail_on: []}"
    assert not jsonschema.Draft202012Validator(load_schema(DEFERRALS)).is_valid(read_as_editor(text))
    assert not read_file(text, file=DEFERRALS).is_readable


def test_each_day_of_the_calendar_fits_and_no_other() -> None:
    pattern = re.compile(load_schema()["$defs"]["day"]["pattern"])
    days = {str(date(2000, 1, 1) + timedelta(days=n)) for n in range(366_000)}
    days = {day for day in days if day < "3000"}
    written = {
        f"{year}-{month:02}-{day:02}"
        for year in (*range(2000, 2110), 2200, 2300, 2400, 2500, 2800, 2900)
        for month in range(14)
        for day in range(33)
    }
    assert {day for day in written if pattern.search(day)} == written & days

"""Failures that say things: reports with messages of our choice, and the run of 29 in four causes.

Used by the tests of causes, through the real endpoint and parser or the real store.
"""

import zlib
from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from django.test import Client

from health.baselines import JobKey
from health.causes import count_causes
from health.models import Job, Project, Upload
from health.rules import outcomes as codes
from health.sql import open_cursor
from ingest.cases import forget_names
from ingest.claims import claim_next
from ingest.parsers.types import Detail, ParsedReport
from ingest.pipeline import process_next
from ingest.store import Contents, store_contents
from tests.builders import a_key, a_received_upload, a_token
from tests.scenes import at

Said = dict[str, tuple[str, str, str]]  # case → outcome word, kind, message

# 29 executed, none passed. Of 29, 9, 15, 4 and 1 are 31, 51.7, 13.8 and 3.4 %: to the nearest five per cent the 30, 50,
# 15 and 5 that a session summary claimed of such a run. What breaks in set-up is an error, what breaks in a test, a
# failure.
SCHEMA = "sqlalchemy.exc.ProgrammingError: (UndefinedColumn) column tasks.branch_name does not exist, position {}"
LOOP = "RuntimeError: Task <Task pending name='Task-{}'> got Future <Future pending> attached to a different loop"
DUPLICATE = "UniqueViolationError: duplicate key value violates unique constraint vendors_name_key, attempt {}"
VALIDATION = "pydantic.ValidationError: 1 validation error: the front matter must include schema_version, line {}"
IN_SET_UP = 'failed on setup with "{}"'
FOUR_CAUSES = (
    (9, "error", IN_SET_UP.format(SCHEMA)),
    (15, "error", IN_SET_UP.format(LOOP)),
    (4, "failure", DUPLICATE),
    (1, "error", IN_SET_UP.format(VALIDATION)),
)


def write_four_causes() -> bytes:
    """The report of that run, as pytest writes one."""
    cases, number = [], 0
    for n, tag, message in FOUR_CAUSES:
        for _ in range(n):
            number += 1
            said = quoteattr(message.format(number * 7))
            text = f"tests/integration/test_work_items.py:{number}: in set-up"
            cases.append(
                f'<testcase classname="tests.integration.test_work_items" name="test_{number}" time="0.1">'
                f"<{tag} message={said}>{text}</{tag}></testcase>"
            )
    return f'<testsuites><testsuite name="pytest" tests="29">{"".join(cases)}</testsuite></testsuites>'.encode()


def upload_report(project: Project, report: bytes, **fields: str) -> None:
    """Send a report to the endpoint and have it read, as CI and worker do."""
    from tests.ingest.test_door import post

    forget_names()
    response = post(a_token(project), ("report.xml", report), **({"branch": "main", "job": "tests"} | fields))
    assert response.status_code == 202, response.content
    assert process_next()


def a_said_report(said: Said) -> ParsedReport:
    """A parsed report whose broken cases say what they are told to."""
    report = ParsedReport(format="junit")
    packer, blob, offset = zlib.compressobj(), b"", 0
    words = {"pass": codes.PASS, "fail": codes.FAIL, "error": codes.ERROR}
    for index, (name, (word, kind, message)) in enumerate(said.items()):
        report.keys.append(a_key(name))
        report.outcomes.append(words[word])
        report.seconds.append(0.01)
        if word != "pass":
            head, text = message.encode(), f"at {name}".encode()
            blob += packer.compress(head + text)
            report.details.append(Detail(index, 1, words[word], kind, message, offset, len(head), len(text)))
            offset += len(head) + len(text)
    report.texts = blob + packer.flush()
    return report


def a_said_run(project: Project, said: Said, *, hour: float, is_counted: bool = True, **metadata: object) -> Upload:
    """One delivery whose broken cases say what they are told to; its causes are counted as behind each upload."""
    values: dict[str, object] = {"branch": "main", "job": "tests", "provider": "ci", "run_id": f"tests{hour:g}"}
    values |= {"ran_at": at(hour), "committed_at": at(hour), "commit": f"{int(hour * 10):040x}", **metadata}
    upload = a_received_upload(project, **values)
    forget_names()
    delivery = claim_next()
    assert delivery is not None
    assert delivery.upload_id == upload.pk
    n = len(said)
    file = {"name": "a.xml", "format": "junit", "state": "stored", "kind": "results", "tests": n, "accepted": n}
    store_contents(delivery, Contents(a_said_report(said)), state="stored", receipt={"files": [file], "warnings": []})
    upload.refresh_from_db()
    if is_counted:
        count_all(project)
    return upload


def fails(*messages: str, kind: str = "E", n_passing: int = 2) -> Said:
    """One failing case for each message, and some that pass."""
    said = {f"t::broken{k}": ("fail", kind, message) for k, message in enumerate(messages)}
    return said | {f"t::calm{k}": ("pass", "", "") for k in range(n_passing)}


def count_all(project: Project) -> None:
    """Count the causes of all jobs of a project."""
    jobs: Iterable[tuple[int, int]] = Job.objects.filter(project=project).values_list("run", "series")
    count_causes(open_cursor(), project.pk, jobs=[JobKey(*job) for job in jobs])


def open_page(client: Client, path: str) -> str:
    """The text of a page that is there."""
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.text

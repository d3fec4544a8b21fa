"""The lists for pytest: node ids from the names of reports, and nothing that could be another line or option."""

import json

import pytest

from dashboard.queries.deferred_export import OtherName, PutOffName, write_export, write_node_id


def a_name(name: str = "test_x", class_name: str = "tests.test_a", *, kind: str = "skip", **more: str) -> PutOffName:
    return PutOffName(more.pop("namespace", ""), (), class_name, name, kind, more.pop("reason", "why"), **more)


def write(form: str, *cases: PutOffName, others: tuple[OtherName, ...] = ()) -> list[str]:
    return write_export(form, cases, others=others, project="click", run=30).splitlines()


@pytest.mark.parametrize(
    ("class_name", "name", "node"),
    [
        ("tests.test_termui", "test_x[a]", "tests/test_termui.py::test_x[a]"),
        ("test_top", "test_x", "test_top.py::test_x"),
        ("tests.test_a.TestB", "test_x", "tests/test_a.py::TestB::test_x"),
        ("tests.test_a.TestB.TestC", "test_x", "tests/test_a.py::TestB::TestC::test_x"),
        ("tests/test_a.py", "test_x", "tests/test_a.py::test_x"),
        ("./tests/test_a.py::TestB", "test_x", "tests/test_a.py::TestB::test_x"),
        ("tests\\test_a.py", "test_x", "tests/test_a.py::test_x"),
        ("test_a.py", "test_x", "test_a.py::test_x"),
        ("TestAlone", "test_x", ""),
        ("", "test_x", ""),
        ("tests..test_a", "test_x", ""),
        ("tests.test_a", "", ""),
        ("tests.test_a", "test_x\n--co", ""),
        ("tests.test_a", "test_x\u2028y", ""),
        ("tests.test_a", "test_x\ty", ""),
        ("-p.evil", "test_x", ""),
        ("#tests.test_a", "test_x", ""),
        ("@tests.test_a", "test_x", ""),
    ],
)
def test_names_of_reports_become_node_ids(class_name: str, name: str, node: str) -> None:
    assert write_node_id(a_name(name, class_name)) == node


def test_a_namespace_is_the_folder_in_front() -> None:
    assert write_node_id(a_name(namespace="packages/shop/")) == "packages/shop/tests/test_a.py::test_x"


def test_each_list_says_what_it_is_and_holds_its_kinds() -> None:
    cases = [a_name(f"test_{kind}", kind=kind) for kind in ("skip", "xfail", "quarantine", "planned")]
    head, *lines = write("deselect", *cases)
    assert head.startswith("--deselect=# click, as of run 30: 2 tests. Skipped or quarantined. For `pytest @FILE`")
    assert lines == ["--deselect=tests/test_a.py::test_quarantine", "--deselect=tests/test_a.py::test_skip"]
    head, *lines = write("xfail", *cases)
    assert head.startswith("# click, as of run 30: 2 tests. Expected to fail or quarantined")
    assert lines == ["tests/test_a.py::test_quarantine\twhy", "tests/test_a.py::test_xfail\twhy"]


def test_reasons_stay_on_their_line() -> None:
    reason = "first\nsecond\r\n\tthird\u2028\x1b[31m fourth"
    assert write("xfail", a_name(kind="xfail", reason=reason))[1:] == [
        "tests/test_a.py::test_x\tfirst second third [31m fourth"
    ]
    assert write("xfail", a_name(kind="xfail", reason=""))[1:] == ["tests/test_a.py::test_x"]


def test_what_cannot_be_written_is_counted() -> None:
    lines = write("deselect", a_name("test_x\n--collect-only"), a_name("test_y"), a_name("z", ""))
    assert lines[1:] == [
        "--deselect=# Left out, because pytest has no plain name for them: 2.",
        "--deselect=tests/test_a.py::test_y",
    ]


def test_a_name_that_another_test_continues_is_left_out_and_counted() -> None:
    others = (OtherName("", "tests.test_a", "test_save_all"), OtherName("", "tests.test_a", "test_x[b]"))
    cases = [a_name("test_save"), a_name("test_x[a]"), a_name("test_x"), a_name("test_y")]
    assert write("deselect", *cases, others=others)[1:] == [
        "--deselect=# Left out, because names of tests that are not put off begin like theirs: 2.",
        "--deselect=tests/test_a.py::test_x[a]",
        "--deselect=tests/test_a.py::test_y",
    ]
    assert len(write("xfail", a_name("test_save", kind="xfail"), others=others)) == 2


def test_json_holds_what_is_said_of_each() -> None:
    said = json.loads(
        write_export(
            "json",
            [a_name("test_x", owner="@ann", review="2026-12-01"), a_name("a\nb")],
            project="click",
            run=None,
        )
    )
    assert said == {
        "project": "click",
        "run": None,
        "left_out": 1,
        "tests": [
            {
                "id": "tests/test_a.py::test_x",
                "kind": "skip",
                "reason": "why",
                "owner": "@ann",
                "review": "2026-12-01",
                "issue": "",
            }
        ],
    }


def test_of_nothing_there_is_only_the_head() -> None:
    (head,) = write("deselect")
    assert head.startswith("--deselect=# click, as of run 30: 0 tests.")

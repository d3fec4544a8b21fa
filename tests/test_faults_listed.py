"""`docs/faults.md` and the fault tests are one list: none is missing on either side, and the smoke part is marked."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = {*range(1, 4), *range(5, 10), *range(13, 17), 18, 19, *range(25, 33), 44}
ROW = re.compile(r"^\| F(\d+) \|.*\| (● )?`(test_f(\d\d)_\w+)` \|$", re.MULTILINE)


def list_tests(root: Path) -> dict[str, set[str]]:
    """The marks of each numbered test; a module's marks are its tests'."""
    found = {}
    for path in sorted((root / "tests/journeys").glob("test_*.py")):
        tree = ast.parse(path.read_text())
        of_module: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                of_module = find_marks(ast.unparse(node.value))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and re.match(r"test_f\d\d_", node.name):
                found[node.name] = of_module | find_marks(" ".join(map(ast.unparse, node.decorator_list)))
    return found


def find_marks(text: str) -> set[str]:
    return set(re.findall(r"pytest\.mark\.(fault\w*)", text))


def test_each_fault_test_is_listed_and_each_listed_one_is_there() -> None:
    tests = list_tests(ROOT)
    rows = ROW.findall((ROOT / "docs/faults.md").read_text())
    assert sorted(name for _, _, name, _ in rows) == sorted(tests)
    assert {name for name, marks in tests.items() if "fault_smoke" in marks} == {
        name for _, dot, name, _ in rows if dot
    }
    assert all("fault" in marks for marks in tests.values())
    assert all(int(number) == int(in_name) for number, _, _, in_name in rows)


def test_no_number_of_the_list_is_missing() -> None:
    """F4 is about files in a folder, which there is none of."""
    assert {int(name[6:8]) for name in list_tests(ROOT)} == WANTED

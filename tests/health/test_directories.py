"""Directories add up: each is the sum of its files, and no list of paths makes too many of them."""

import time

from hypothesis import given
from hypothesis import strategies as st

from health.rules.bitmaps import Totals
from health.rules.directories import MAX_DIRECTORIES, find_directory, sum_directories


def test_each_directory_holds_everything_below_it() -> None:
    found = sum_directories(
        [
            ("setup.py", Totals(1, 0, 0, 0)),
            ("src/a.py", Totals(10, 5, 2, 1)),
            ("src/deep/down/b.py", Totals(20, 20, 0, 0)),
            ("/srv/c.py", Totals(5, 1, 0, 0)),
            ("C:/d/e.cs", Totals(2, 2, 0, 0)),
        ]
    )
    assert found == {
        "": (5, (38, 28, 2, 1)),
        "/srv": (1, (5, 1, 0, 0)),
        "C:": (1, (2, 2, 0, 0)),
        "src": (2, (30, 25, 2, 1)),
        "C:/d": (1, (2, 2, 0, 0)),
        "src/deep": (1, (20, 20, 0, 0)),
        "src/deep/down": (1, (20, 20, 0, 0)),
    }


def test_the_root_is_there_without_a_file() -> None:
    assert sum_directories([]) == {"": (0, (0, 0, 0, 0))}


paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=6).map("/".join)


@given(st.dictionaries(paths, st.integers(0, 9), max_size=12))
def test_a_directory_is_the_sum_of_the_files_in_it(files: dict[str, int]) -> None:
    found = sum_directories((f"{path}.py", Totals(n, 0, 0, 0)) for path, n in files.items())
    for directory, (n_files, totals) in found.items():
        inside = [n for path, n in files.items() if not directory or path.startswith(f"{directory}/")]
        assert (n_files, totals.lines_valid) == (len(inside), sum(inside))
    assert all(find_directory(f"{path}.py") in found for path in files)


def test_hostile_paths_make_neither_too_many_directories_nor_take_long() -> None:
    deep = [("/".join([f"{n:05}"] * 160) + "/x.py", Totals(1, 1, 0, 0)) for n in range(5_000)]
    began = time.process_time()
    found = sum_directories(deep)
    assert time.process_time() - began < 2
    assert len(found) == 1 + 4 * 5_000 - 5_000 <= MAX_DIRECTORIES
    assert found[""] == (5_000, (5_000, 5_000, 0, 0))

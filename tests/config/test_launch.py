"""What `up` says and shows; the real thing is in `tests/journeys/test_up.py`."""

import io
import logging
from pathlib import Path

import pytest

from config import launch
from config.launch import NEWS, Plan, _Launch
from config.logs import JsonFormatter, TextFormatter


def a_launch(directory: Path, *, database_url: str = "", load_demo: bool = False) -> _Launch:
    plan = Plan(
        state_directory=directory,
        host="127.0.0.1",
        port=8000,
        url="http://127.0.0.1:8000",
        static_root=directory / "static",
        database_url=database_url,
        redis_url="",
        load_demo=load_demo,
        in_colour=False,
    )
    return _Launch(plan, out=io.StringIO(), commands={"load_demo"})


def test_at_the_end_it_says_where_the_data_really_lies(tmp_path: Path) -> None:
    state, away = tmp_path / ".state", tmp_path / "var" / "lib" / "data"
    up = a_launch(state)
    assert up.name_data() == str(state)
    up.data = state / "postgres" / "data"
    assert up.name_data() == str(state)
    up.data = away
    assert up.name_data() == f"{away}, and the keys in {state}"
    assert a_launch(state, database_url="postgresql://elsewhere/suitewatch").name_data() == "your database"


@pytest.mark.parametrize("form", [TextFormatter(), JsonFormatter()])
def test_news_are_known_in_both_forms_of_the_log(form: logging.Formatter) -> None:
    def write(level: int) -> str:
        return form.format(logging.LogRecord("ingest.views", level, "", 0, "upload 7 received", None, None))

    assert any(words in write(logging.INFO) for words in NEWS)
    assert not any(words in write(logging.WARNING) for words in NEWS)


def test_while_the_demo_loads_only_what_matters_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    up = a_launch(tmp_path, load_demo=True)
    hushed = []

    def run(_service: object) -> tuple[int, str]:
        hushed.append(up.supervisor._hushed)
        return 0, ""

    monkeypatch.setattr(up.supervisor, "run", run)
    up.load_demo()
    assert hushed == [launch.NEWS]
    assert up.supervisor._hushed == ()
    assert (tmp_path / launch.DEMO_MARK).exists()

"""Reading the environment: what is allowed, and what a wrong value says."""

import re
from pathlib import Path

import pytest

from config.env import EnvError, Environment, environment

ROOT = Path(__file__).resolve().parents[2]


def reader(**variables):
    return Environment(variables)


def test_an_unset_or_empty_variable_is_its_default():
    env = reader(NUMBER="  ", FLAG="", ITEMS=" ")
    assert env.text("UNSET", default="a") == "a"
    assert env.number("NUMBER", default=3) == 3
    assert env.flag("FLAG", default=True) is True
    assert env.items("ITEMS") == []


@pytest.mark.parametrize("word", ["yes", "TRUE", "1", " on "])
def test_a_flag_knows_the_usual_words_for_yes(word):
    assert reader(FLAG=word).flag("FLAG", default=False) is True


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda env: env.flag("NAME", default=False), "NAME is 'maybe'; allowed: 1, true, yes, on, 0, false, no, off."),
        (lambda env: env.number("NAME", default=1, most=9), "NAME is 'maybe'; allowed: a whole number from 0 to 9."),
        (lambda env: env.text("NAME", allowed=("a", "b")), "NAME is 'maybe'; allowed: a, b."),
        (lambda env: env.url("NAME", schemes=("http", "https")), "NAME is 'maybe'; allowed: http://… or https://…."),
    ],
)
def test_a_wrong_value_fails_with_its_name_the_value_and_what_is_allowed(read, said):
    with pytest.raises(EnvError, match=f"^{re.escape(said)}$"):
        read(reader(NAME="maybe"))


def test_a_number_outside_its_bounds_is_refused():
    with pytest.raises(EnvError, match="NAME is '70000'"):
        reader(NAME="70000").number("NAME", default=1, least=1, most=65_535)


def test_a_secret_may_stand_in_a_file(tmp_path):
    file = tmp_path / "key"
    file.write_text("s3cret\n")
    assert reader(KEY_FILE=str(file)).secret("KEY") == "s3cret"


def test_a_secret_file_that_is_missing_or_empty_fails_loudly(tmp_path):
    with pytest.raises(EnvError, match=r"KEY_FILE is .* cannot be read"):
        reader(KEY_FILE=str(tmp_path / "absent")).secret("KEY")
    (tmp_path / "empty").touch()
    with pytest.raises(EnvError, match="which is empty"):
        reader(KEY_FILE=str(tmp_path / "empty")).secret("KEY")


def test_a_secret_given_twice_is_refused():
    with pytest.raises(EnvError, match="both set"):
        reader(KEY="a", KEY_FILE="b").secret("KEY")


@pytest.mark.parametrize("options", [{"least": 50}, {"schemes": ("postgresql",)}])
def test_a_secret_is_never_shown_in_a_message(options):
    with pytest.raises(EnvError) as caught:
        reader(KEY="hunter2").secret("KEY", **options)
    assert "hunter2" not in str(caught.value)
    assert "allowed" in str(caught.value)


def test_an_address_that_cannot_be_read_is_refused_without_a_traceback_of_its_own():
    with pytest.raises(EnvError):
        reader(NAME="http://[broken").url("NAME", schemes=("http",))


def test_one_variable_cannot_have_two_defaults():
    env = reader()
    env.number("PORT", default=8000)
    with pytest.raises(AssertionError, match="two defaults"):
        env.number("PORT", default=9000)


def documented_names() -> set[str]:
    text = (ROOT / "docs" / "configuration.md").read_text()
    return set(re.findall(r"^\| `([A-Z_]+)`", text, re.MULTILINE))


def test_each_variable_is_documented_and_nothing_else_is():
    from config import gunicorn, launch, settings

    launch.read_plan(host=None, port=None, demo=None)
    assert settings.DEBUG is False
    assert gunicorn.workers == 2
    read = {name for name in environment.names if not name.endswith("_FILE")}
    assert documented_names() == read


def test_nobody_else_reads_the_environment():
    # The ways in only set the settings' name; the uploader runs elsewhere.
    allowed = {"config/env.py", "config/wsgi.py", "config/celery.py", "ingest/uploader.py"}
    readers = {
        str(path.relative_to(ROOT))
        for room in ("config", "health", "ingest", "dashboard")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    }
    assert readers <= allowed

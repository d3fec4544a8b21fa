"""One message, one line."""

import json
import logging
import sys

from config.logs import JsonFormatter, TextFormatter, request_id

NASTY = "name with\nnewline, \x1b[31mred\x1b[0m and \u2028separator"


def record(message="hello %s", *arguments, error=None, **extra):
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("ingest", logging.INFO, __file__, 1, message, arguments, exc_info)
    vars(made).update(extra)
    return made


def raised():
    try:
        int(NASTY)
    except ValueError:
        return sys.exc_info()[1]


def test_text_is_one_line_whatever_a_name_contains():
    line = TextFormatter().format(record("%s", NASTY))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_a_traceback_in_text_has_no_control_characters():
    assert "\x1b" not in TextFormatter().format(record("failed", error=raised()))


def test_json_is_one_object_a_line_with_what_was_added():
    line = JsonFormatter().format(record("%s", NASTY, error=raised(), upload="u-1"))
    assert len(line.splitlines()) == 1
    found = json.loads(line)
    assert found["message"] == NASTY
    assert found["upload"] == "u-1"
    assert "ValueError" in found["trace"]


def test_the_request_is_named_in_both():
    token = request_id.set("abc")
    try:
        assert "[request abc]" in TextFormatter().format(record("x"))
        assert json.loads(JsonFormatter().format(record("x")))["request_id"] == "abc"
    finally:
        request_id.reset(token)


def test_links_that_sign_in_and_tokens_are_no_text_for_a_log():
    link = "Forbidden (CSRF token missing.): /login/link/MQ/c9x-0123456789abcdef/?next=/"
    token = "sw_up_" + "a" * 43 + "_000000"
    for form in (TextFormatter(), JsonFormatter()):
        line = form.format(record("%s", f"{link} {token}", error=raised()))
        assert "c9x" not in line
        assert "aaa" not in line
    assert "/login/link/…" in TextFormatter().format(record("%s", link))


def test_a_secret_in_a_traceback_is_hidden_too():
    error = ValueError("/login/link/MQ/c9x-0123/")
    for form in (TextFormatter(), JsonFormatter()):
        assert "c9x" not in form.format(record("failed", error=error))

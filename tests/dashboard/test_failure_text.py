"""The text of a failure on a page: escaped, telling lines marked, nothing unseen."""

from dashboard.templatetags.failures import failure_text, last_lines


def test_the_lines_pytest_marks_are_marked() -> None:
    assert failure_text(">       assert a\nE       assert 1 == 2\nE\nEnd") == (
        "<mark>&gt;       assert a</mark>\n<mark>E       assert 1 == 2</mark>\n<mark>E</mark>\nEnd"
    )


def test_markup_is_shown_and_not_obeyed() -> None:
    assert failure_text("<script>x</script>") == "&lt;script&gt;x&lt;/script&gt;"


def test_colours_of_a_terminal_are_taken_out_and_other_controls_named() -> None:
    assert failure_text("\x1b[31mred\x1b[0m #x1B[1mbold") == "red bold"
    assert failure_text("a\tb\x07\u202ec\r\nd") == "a\tb[U+0007][U+202E]c\nd"


def test_the_end_of_a_long_text() -> None:
    assert last_lines("\n".join(str(n) for n in range(100)) + "\n", 3) == "97\n98\n99"
    assert last_lines("one", 3) == "one"

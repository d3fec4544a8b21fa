"""One warning per code, with its first place and a count."""

from ingest.parsers.coverage.notes import HINTS, Notes


def test_the_first_of_a_code_keeps_its_message_and_place() -> None:
    notes = Notes()
    asked = []
    notes.add("hits_clamped", "first", find_place=lambda: asked.append(1) or (3, 4))  # type: ignore[func-returns-value]
    notes.add("hits_clamped", "second", find_place=lambda: asked.append(2) or (5, 6))  # type: ignore[func-returns-value]
    notes.add("no_files", "nothing")
    first, second = notes.close()
    assert (first.code, first.message, first.line, first.column, first.count) == ("hits_clamped", "first", 3, 4, 2)
    assert (second.line, second.column, second.count) == (None, None, 1)
    assert first.hint == HINTS["hits_clamped"]
    assert asked == [1]
    assert notes.has("no_files")
    assert not notes.has("path_missing")


def test_hints_are_sentences() -> None:
    assert all(hint.endswith(".") and hint[0].isupper() for hint in HINTS.values())

"""What is known of causes: heads after merges, pieces with masked words apart, categories with their rule."""

from itertools import pairwise

import pytest

from dashboard.queries.cause_facts import cut_message, read_causes
from health.models import Fingerprint
from health.rules.fingerprints import take_fingerprint
from tests.builders import a_project
from tests.cause_scenes import a_said_run, fails
from tests.statements import counted_statements


def test_a_message_is_cut_at_its_masked_words() -> None:
    pieces = cut_message("took  3\n s in /a/b/c")
    assert [(piece.text, piece.word, piece.place) for piece in pieces] == [
        ("took ", "", -1),
        ("3", "number", 0),
        (" ⏎ s in ", "", -1),
        ("/a/b/c", "path", 1),
    ]
    assert [piece.word for piece in cut_message("1 2", kept=(0,)) if piece.place >= 0] == ["", "number"]
    assert cut_message("") == ()
    assert [piece.text for piece in cut_message("\n 1 a\n\n  b\r\nc  d\n")] == ["1", " a ⏎ b ⏎ c d"]


@pytest.mark.django_db
def test_a_chain_of_merges_ends_in_one_cause() -> None:
    project = a_project()
    a_said_run(project, fails("a", "b", "c timed out", "d"), hour=0)
    one, two, three, alone = (take_fingerprint("E", word) for word in ("a", "b", "c timed out", "d"))
    for old, new in ((one, two), (two, three)):
        Fingerprint.objects.filter(project=project, fingerprint=old).update(merged_into=new)
    with counted_statements() as sent:
        known = read_causes(project, fingerprints=[one, two, three, alone])
    assert len(sent) == 2
    assert known.heads == {one: three, two: three, three: three, alone: alone}
    assert set(known.facts) == {three, alone}
    fact = known.find(one)
    assert fact is not None
    assert (fact.category.name, fact.told_rule, fact.is_by_hand) == ("timeout", "contains: timed out", False)


@pytest.mark.django_db
def test_a_chain_of_merges_may_be_long() -> None:
    project = a_project()
    words = [f"message {'x' * n}" for n in range(1, 131)]
    a_said_run(project, fails(*words), hour=0)
    links = [take_fingerprint("E", word) for word in words]
    for old, new in pairwise(links):
        Fingerprint.objects.filter(project=project, fingerprint=old).update(merged_into=new)
    assert set(read_causes(project, fingerprints=links).heads.values()) == {links[-1]}


@pytest.mark.django_db
def test_a_long_sample_is_cut_for_a_table() -> None:
    project = a_project()
    a_said_run(project, fails("x" * 300), hour=0)
    fact = read_causes(project, fingerprints=[take_fingerprint("E", "x" * 300)]).facts
    assert [len(piece.text) for one in fact.values() for piece in one.short_pieces] == [201]

"""What failures said, cut out of one compressed stream."""

import random
import zlib

import pytest

from dashboard.queries.texts import Said, TextPlace, read_texts
from health.models import Failure, FailureText
from tests.builders import a_project, an_upload

pytestmark = pytest.mark.django_db


def keep(project_id: int, upload: int, texts: list[tuple[str, str]]) -> list[TextPlace]:
    """A stream of messages and texts as the store keeps them, and where each lies."""
    plain, places = b"", []
    for message, text in texts:
        places.append(TextPlace(upload, len(plain), len(message.encode()), len(text.encode())))
        plain += message.encode() + text.encode()
    FailureText.objects.create(project_id=project_id, upload=upload, blob=zlib.compress(plain, 3))
    return places


def test_each_text_comes_back_whole_across_pieces() -> None:
    project, dice = a_project(), random.Random(7)
    letters = "äé€ abc\n"
    texts = [(f"message {k} €", "".join(dice.choices(letters, k=dice.randrange(60_000)))) for k in range(30)]
    places = keep(project.pk, 1, texts)
    wanted = dice.sample(places, 12)
    assert read_texts(project.pk, places=wanted) == {place: Said(*texts[places.index(place)]) for place in wanted}


def test_texts_of_several_uploads_and_projects_stay_apart() -> None:
    one, two = a_project(), a_project()
    here = keep(one.pk, 1, [("a", "1")]) + keep(one.pk, 2, [("b", "2")])
    keep(two.pk, 1, [("c", "3")])
    assert [said.whole for said in read_texts(one.pk, places=here).values()] == ["a\n\n1", "b\n\n2"]


def test_what_lies_too_deep_or_is_no_longer_kept_is_left_out() -> None:
    project = a_project()
    near, far = keep(project.pk, 1, [("a", "1" * 100), ("b", "2" * 100)])
    assert list(read_texts(project.pk, places=[near, far], depth=150)) == [near]
    assert read_texts(project.pk, places=[TextPlace(99, 0, 1, 1)]) == {}
    assert read_texts(project.pk, places=[]) == {}


def test_a_stream_that_was_cut_gives_what_it_holds() -> None:
    project = a_project()
    (place,) = keep(project.pk, 1, [("message", "text " * 1000)])
    blob = bytes(FailureText.objects.get(project=project, upload=1).blob)
    FailureText.objects.filter(project=project, upload=1).update(blob=blob[: len(blob) // 2])
    assert read_texts(project.pk, places=[place])[place].message == "message"


def test_a_stored_failure_is_found_by_its_place() -> None:
    project = a_project()
    an_upload(project, {"a::b": "fail", "a::c": "fail"}, text="E   assert 1 == 2")
    rows = Failure.objects.filter(project=project).values_list("upload", "text_offset", "message_length", "text_length")
    said = read_texts(project.pk, places=[TextPlace(*row) for row in rows])
    assert sorted(s.message for s in said.values()) == ["fail: a::b", "fail: a::c"]
    assert {s.text for s in said.values()} == {"E   assert 1 == 2"}


def test_a_message_that_opens_its_text_is_written_once() -> None:
    assert Said("boom", "boom\nat line 1").whole == "boom\nat line 1"
    assert Said("boom", "at line 1").whole == "boom\n\nat line 1"
    assert Said("boom", "").n_lines == 1

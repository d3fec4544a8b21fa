"""Which words of a message are masked: said the same by the mask and by the list, and told apart by keeping one."""

from hypothesis import given
from hypothesis import strategies as st

from health.rules.fingerprints import (
    choose_fingerprint,
    follow_splits,
    list_masks,
    mask_message,
    read_fingerprint,
    take_fingerprint,
    write_fingerprint,
)

MESSAGE = "id 6f9619ff-8b86-d011-b42d-00cf4fc964ff at 0x7f01ab: 12 != 13.5 in /srv/app/x.py on 2026-03-01 10:11:12"
PIECES = ["0x7f", " ", "12", "3.5", "/srv/app", "/x", ":", "2026-03-01T10:11", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"]
PIECES += ["T@36d4b5c", "@abc1234", "-", "word", "<n>", "\n", "a/b/c", "é", "٣", "5h"]


def put_together(message: str) -> str:
    """The message masked by hand, from the list."""
    parts, at = [], 0
    for mask in list_masks(message):
        parts += [message[at : mask.start], mask.stand_in]
        at = mask.end
    return " ".join("".join([*parts, message[at:500]]).split())


def test_every_masked_word_is_listed_with_its_place() -> None:
    found = [(MESSAGE[mask.start : mask.end], mask.stand_in) for mask in list_masks(MESSAGE)]
    assert found == [
        ("6f9619ff-8b86-d011-b42d-00cf4fc964ff", "<uuid>"),
        ("0x7f01ab", "<address>"),
        ("12", "<n>"),
        ("13.5", "<n>"),
        ("/srv/app/x.py", "<path>"),
        ("2026-03-01 10:11:12", "<time>"),
    ]
    assert put_together(MESSAGE) == mask_message(MESSAGE)


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join) | st.text(max_size=600))
def test_the_list_says_what_the_mask_does(message: str) -> None:
    assert put_together(message) == mask_message(message)


@given(st.text(max_size=20), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_without_splits_nothing_is_told_apart(kind: str, message: str) -> None:
    assert choose_fingerprint(kind, message, splits={}) == take_fingerprint(kind, message)
    assert mask_message(message, kept=range(100)) == " ".join(message[:500].split())


def test_an_object_of_java_is_masked_by_its_number() -> None:
    """As TestNG writes it in the samples: another one in every run."""
    one, two = (f"Method T.dependent()[pri:0, instance:TngTest@{hash_}] depends" for hash_ in ("36d4b5c", "1b2e9f0a"))
    assert mask_message(one) == mask_message(two) == "Method T.dependent()[pri:<n>, instance:TngTest@<address>] depends"
    assert mask_message("write to ann@example1.org or @added1") == "write to ann@example<n>.org or @added<n>"


def test_a_kept_word_tells_failures_apart_and_others_stay_masked() -> None:
    base = take_fingerprint("E", "HTTP 503 after 12 s")
    splits = {base: 0}
    ours, same, other = (
        choose_fingerprint("E", message, splits=splits)
        for message in ("HTTP 503 after 12 s", "HTTP 503 after 99 s", "HTTP 404 after 12 s")
    )
    assert ours == same != other
    assert base not in (ours, other)
    assert choose_fingerprint("F", "HTTP 503 after 12 s", splits=splits) == take_fingerprint("F", "HTTP 503 after 12 s")
    again = {**splits, ours: 1}
    path = follow_splits("E", "HTTP 503 after 12 s", splits=again)
    assert [kept for _, kept in path] == [(), (0,), (0, 1)]
    assert [one for one, _ in path][:2] == [base, ours]
    assert choose_fingerprint("E", "HTTP 404 after 12 s", splits=again) == other


def test_a_place_that_is_not_there_changes_nothing() -> None:
    base = take_fingerprint("E", "no number")
    assert choose_fingerprint("E", "no number", splits={base: 3}) == base


@given(st.integers(-(2**63), 2**63 - 1))
def test_an_address_says_which_fingerprint(fingerprint: int) -> None:
    assert read_fingerprint(write_fingerprint(fingerprint)) == fingerprint


def test_what_is_no_fingerprint_is_none() -> None:
    assert [read_fingerprint(text) for text in ("", "x" * 16, "0" * 15, "A" * 16, "0" * 17)] == [None] * 5

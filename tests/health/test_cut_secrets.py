"""A secret that we cut in two when we shortened a text is masked on both sides of the cut."""

import io
import time
from collections.abc import Callable

import pytest

from health.rules.cuts import (
    LONGEST_KIND,
    LONGEST_MESSAGE,
    LONGEST_REASON,
    LONGEST_SAMPLE,
    split_at_cuts,
    write_left_out,
)
from health.rules.secrets import MASK, mask_kind, mask_reason, mask_said, mask_secrets
from ingest.parsers import read_report
from ingest.parsers.texts import Capture
from ingest.parsers.types import Detail, Limits

BODY = "a1B2c3D4e5" * 4
KEY_LINES = "\n".join([f"{BODY}{BODY[:24]}"] * 12)
KEY = f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_LINES}\nZebra==\n-----END RSA PRIVATE KEY-----"
LOCKED_KEY = KEY.replace("KEY-----\na", "KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,12\n\na", 1)
GAP = write_left_out(4711)

# What is open, and what stays of it.
OPEN = [
    ("postgres://admin:hunterZebra", "postgres://admin:[masked password]"),
    ("redis://:1234", "redis://:[masked password]"),
    ("postgres://admin:hunter/Zeb", "postgres://admin:[masked password]"),
    (f"ghp_{BODY[:35]}", "[masked token]"),
    ("clone ghp_", "clone [masked token]"),
    ("https://x:ghp_abc", "https://x:[masked password]"),
    (f"github_pat_{BODY[:4]}", "[masked token]"),
    ("glpat-abc", "[masked token]"),
    ("sw_up_abc", "[masked token]"),
    ("npm_abc", "[masked token]"),
    ("AKIAIOSF", "[masked token]"),
    (f"eyJ{BODY}", "[masked token]"),
    (f"eyJ{BODY}.eyJab", "[masked token]"),
    ("https://hooks.slack.com/services/T0/B0", "https://hooks.slack.com/services/[masked token]"),
    ("Authorization: Bearer abc", "Authorization: Bearer [masked token]"),
    ("Authorization: Basic dXNlcjpwY", "Authorization: Basic [masked password]"),
    ("password=hu", "password=[masked password]"),
    ("password: hunter", "password: [masked password]"),
    ("password='a ", "password='[masked password]"),
    ('{"password": "hunter and Zebra', '{"password": "[masked password]'),
    ('password="hunter\\"Zeb', 'password="[masked password]'),
    ("access_token: abc", "access_token: [masked password]"),
    ("mysql --password hu", "mysql --password [masked password]"),
    *((f"cert\n{KEY[:n]}", "cert\n[masked private key]") for n in (31, 32, 60, 200, len(KEY) - 40, len(KEY) - 3)),
    *((LOCKED_KEY[:n], "[masked private key]") for n in (40, 60, 90, 300)),
]
# What is left of one behind the cut: something after it has to stay.
BEGUN = [
    "terZebra@db:5432/x\nthe end",
    "D4e5a1B2c3\nthe end",
    'hunter and Zebra", "user": "the end"',
    "Zebra'\nthe end",
    *(f"{KEY[n:]}\nthe end" for n in (1, 11, 22, 28, 31, 32, 33, 100, 800, len(KEY) - 40, len(KEY) - 33)),
    *(f"{LOCKED_KEY[n:]}\nthe end" for n in (35, 50, 80, 200)),
    f"{KEY[100:600]}\nthe end of it",  # its last line is missing, too
]


def read_failure(attributes: str) -> Detail:
    data = f'<testsuite><testcase name="a"><failure {attributes}/></testcase></testsuite>'.encode()
    return read_report(lambda: io.BytesIO(data), filename="a.xml", limits=Limits()).details[0]


@pytest.mark.parametrize(("text", "masked"), OPEN)
def test_what_is_open_at_the_end_of_a_cut_text_is_masked(text: str, masked: str) -> None:
    assert mask_secrets(f"E   before {text}", is_cut=True) == f"E   before {masked}"
    assert mask_secrets(f"{text}{GAP}\nafter") == f"{masked}{GAP}\nafter"


@pytest.mark.parametrize("text", BEGUN)
def test_what_goes_on_behind_a_cut_is_masked(text: str) -> None:
    masked = mask_secrets(f"before{GAP}{text}")
    assert masked.startswith(f"before{GAP}{MASK}")
    assert masked.count("the end") == 1
    assert not [word for word in ("Zebra", BODY, "D4e5a1") if word in masked]


@pytest.mark.parametrize(("text", "_"), OPEN)
def test_masking_twice_is_masking_once(text: str, _: str) -> None:
    once = mask_secrets(f"{text}{GAP}Zebra\n{text}", is_cut=True)
    assert mask_secrets(once, is_cut=True) == once


@pytest.mark.parametrize(
    "text", ["at http://localhost:8080", "password: must", "see npm_config", "Basic authentication", "token: x"]
)
def test_where_nothing_was_cut_nothing_is_open(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.parametrize("text", ["it failed", "assert 1 == 2", "expected 3, got 4", "'password' is too short", "://"])
def test_an_ordinary_text_is_left_alone_before_a_cut(text: str) -> None:
    assert mask_secrets(text, is_cut=True) == text


@pytest.mark.parametrize("mask", [mask_said, mask_kind, mask_reason])
def test_a_short_message_is_no_cut_one(mask: Callable[[str], str]) -> None:
    assert mask("see http://localhost:8080") == "see http://localhost:8080"


@pytest.mark.parametrize("n", range(LONGEST_SAMPLE - 26, LONGEST_SAMPLE - 8))
def test_a_sample_hides_what_its_end_cut_in_two(n: str) -> None:
    message = f"{'x' * int(n)} postgres://admin:hunterZebra@db:5432/shop is not reachable"
    assert not [word for word in ("hunter", "hunt") if word in mask_said(message[:LONGEST_SAMPLE])]


@pytest.mark.parametrize("n", range(LONGEST_REASON - 26, LONGEST_REASON - 8))
def test_a_reason_hides_what_its_end_cut_in_two(n: int) -> None:
    reason = f"{'x' * n} postgres://admin:hunterZebra@db:5432/shop is not reachable"
    assert not [word for word in ("hunter", "hunt") if word in mask_reason(reason[:LONGEST_REASON])]


@pytest.mark.parametrize("sign", ["x", "é", "€", "😀"])
def test_a_message_hides_what_its_end_cut_in_two(sign: str) -> None:
    for n in range(4):
        size = LONGEST_MESSAGE - 40
        filling = "x" * n + sign * (size // len(sign.encode()))
        said = f"{filling} postgres://admin:{'hunter' * 9}€@db"
        message = read_failure(f'message="{said}"').message
        assert "hunt" in message
        assert "hunt" not in mask_said(message)
        assert "hunt" not in mask_reason(message)


def test_a_kind_hides_what_its_end_cut_in_two() -> None:
    kind = f"{'E' * (LONGEST_KIND - 30)}: postgres://admin:hunterZebra@db"
    kept = read_failure(f'type="{kind}"').kind
    assert "hunter" in kept
    assert "hunter" not in mask_kind(kept)


@pytest.mark.parametrize("secret", ["postgres://admin:hunterZebra@db", f"ghp_{BODY}", KEY, LOCKED_KEY])
@pytest.mark.parametrize("is_first", [True, False])
def test_no_place_of_the_parsers_cut_shows_a_secret(secret: str, is_first: bool) -> None:
    """The secret is pushed over the cut letter by letter; no half of it is ever seen."""
    size = 2_000
    limits = Limits(text_head_bytes=size, text_tail_bytes=size)
    step = 1 if len(secret) < 100 else 7
    for n in range(0, len(secret) + 10, step):
        filling = "log line\n" * 2 * size
        before = filling[: size - n] + "\n" if is_first else filling
        after = filling if is_first else "\n" + filling[: size - n]
        chunks = [f"{before}{secret}{after}"]
        data, is_clipped = Capture(chunks, limits).take()
        assert is_clipped
        masked = mask_secrets(data.decode())
        assert not [word for word in ("Zebra", "hunt", "a1B2c3", "D4e5a1") if word in masked], n
        assert "bytes left out" in masked


def test_pieces_and_gaps_are_the_whole_text() -> None:
    for text in ("", "plain", f"a{GAP}b", f"{GAP}{GAP}", "[… about many bytes left out …]"):
        assert "".join(split_at_cuts(text)) == text
    assert split_at_cuts(f"a{GAP}b") == ["a", GAP, "b"]


@pytest.mark.parametrize(
    "unit",
    ["password", "password=", 'password="', "eyJ", "eyJ.", "://", "://a:", "-----BEGIN PRIVATE KEY-----", "bearer "]
    + ["-----END PRIVATE KEY-----", "ghp_ ", "a", "-", "----- ", "A ", f"\n{BODY}", "secret \t", "--token ", GAP],
)
def test_no_cut_text_is_slow_to_look_through(unit: str) -> None:
    half = unit * (32 * 1024 // len(unit))
    began = time.process_time()
    mask_secrets(f"{half}!{GAP}{half}!", is_cut=True)
    assert time.process_time() - began < 1

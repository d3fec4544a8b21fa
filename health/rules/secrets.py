"""What in a failure's text looks like a secret, and the word that stands in its place.

Used by `dashboard.queries` and `health.causes`; pure. Runners print environments, requests and local variables; whoever
may look at a project need not know its passwords. Where we shortened a text, a secret may be cut in two, and neither
half looks like one: what is open there is taken for one.
Promise: what is listed here is masked, ordinary texts are left alone, and no text is slow to look through
(`tests/health/test_secrets.py`, `test_cut_secrets.py`).
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final, NamedTuple

from health.rules.cuts import is_kind_cut, is_message_cut, is_reason_cut, split_at_cuts

MASK: Final = "[masked "


class _Secret(NamedTuple):
    """A pattern whose group `secret` is hidden, tried only where one of `signs` stands in the lower-case text."""

    word: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool] = lambda _: True


def mask_secrets(text: str, *, is_cut: bool = False) -> str:
    """The text with each secret replaced by a word such as `[masked password]`; `is_cut` says that its end is missing.

    Where its middle is missing, the text says so itself.
    """
    parts = split_at_cuts(text)  # every other one is a piece
    last = len(parts) - 1
    for at in range(0, len(parts), 2):
        parts[at] = _mask_piece(parts[at], is_begun=at > 0, is_open=at < last or is_cut)
    return "".join(parts)


def mask_said(message: str) -> str:
    """The same for the message of a failure, or a cause's sample of one, which are kept to a set length."""
    return mask_secrets(message, is_cut=is_message_cut(message))


def mask_kind(kind: str) -> str:
    """The same for the kind of a failure."""
    return mask_secrets(kind, is_cut=is_kind_cut(kind))


def mask_reason(reason: str) -> str:
    """The same for why a case is put off."""
    return mask_secrets(reason, is_cut=is_reason_cut(reason))


def _mask_piece(text: str, *, is_begun: bool, is_open: bool) -> str:
    """What is between two cuts. Keys come first: the half of one that looks like a key is not all there is of it."""
    if is_begun:
        text = _KEY_BEGUN.sub(f"{MASK}private key]", text, count=1)
    if is_open:
        text = _KEY_OPEN.sub(f"{MASK}private key]", text, count=1)
    text = _mask_whole(text)
    if is_open:
        text = _mask_open(text)
    return _LINE_BEGUN.sub(_hide_rest, text, count=1) if is_begun else text


def _mask_open(text: str) -> str:
    """A secret may have begun at the end of what is here."""
    head, tail = text[:-_LONGEST_OPEN], text[-_LONGEST_OPEN:]
    found = [(match.start("secret"), word) for word, pattern in _OPEN if (match := pattern.search(tail))]
    if not found:
        return text
    start, word = min(found)
    return text if _IS_MASKED.fullmatch(tail[start:]) else f"{head}{tail[:start]}{MASK}{word}]"


def _hide_rest(match: re.Match[str]) -> str:
    found = match[0]
    return found if not found.strip() or _IS_MASKED.fullmatch(found) else f"{MASK}cut text]"


def _mask_whole(text: str) -> str:
    lower = text.lower()
    for secret in _SECRETS:
        if any(sign in lower for sign in secret.signs):
            text = secret.pattern.sub(_make_hider(secret), text)
    return text


def _make_hider(secret: _Secret) -> Callable[[re.Match[str]], str]:
    def hide(match: re.Match[str]) -> str:
        found = match["secret"]
        if found.startswith(MASK) or not secret.is_one(found):
            return match[0]
        start = match.start("secret") - match.start()
        return f"{match[0][:start]}{MASK}{secret.word}]{match[0][start + len(found) :]}"

    return hide


# Values that say no secret: placeholders, types, code, and what is already hidden.
_NO_SECRET: Final = re.compile(
    r"(?:none|null|nil|true|false|undefined|empty|missing|required|invalid|wrong|str|string|int|bytes|bool|any|object"
    r"|await|new|https?://.*|optional\b.*|self\..*|os\.environ.*|\*+|x{3,}|\.{3,}|…+|\.\.?/.*|~?/.*|[<{$%\[*].*|.*[({].*|.*\bredacted\b.*)",
    re.IGNORECASE | re.DOTALL,
)
_UNQUOTED: Final = r"""[^\s"'`,;)}\]<>&\\]"""

_NAME: Final = re.compile(r"[A-Za-z_]*(?:[.-][A-Za-z_]+)*[.!?:]*|\d+")


def _is_value(found: str) -> bool:
    return not _NO_SECRET.fullmatch(found.strip())


def _is_mixed(found: str) -> bool:
    """Letters with digits or signs, as words of a sentence and names in code never are."""
    return _is_value(found) and not _NAME.fullmatch(found)


def _is_login(found: str) -> bool:
    """Whether this is `name:password` in base64, rather than the word behind "Basic"."""
    try:
        return b":" in base64.b64decode(found + "=" * (-len(found) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def _name(word: str, names: str, between: str, value: str, *, is_one: Callable[[str], bool], signs: str) -> _Secret:
    """A value behind a name; `between` is what stands between the two. All three are patterns."""
    pattern = rf"""(?:{names})[\w-]{{0,30}}\\?["']?[ \t]{{0,40}}{between}[ \t]{{0,4}}{value}"""
    return _Secret(word, tuple(signs.split()), re.compile(pattern, re.IGNORECASE | re.MULTILINE), is_one)


_QUOTED: Final = r"""\\?(?P<quote>["'])(?P<secret>(?:(?!(?P=quote))[^\n\\]){3,4000})"""
_BARE: Final = rf"(?P<secret>{_UNQUOTED}{{3,4000}})"
_PASSWORDS: Final = r"passwor[dt]|passwd|passphrase|(?<![a-z])pwd|secret|api[_-]?key|access[_-]?key|private[_-]?key"
_SIGNS_OF_PASSWORDS: Final = "passwor passwd passphrase pwd secret key"
_TOKENS: Final = r"(?<=[_-])token|(?:access|auth|api|id|refresh|session|bearer)[_-]?token"

_INSIDE_KEY: Final = r"[^-]*+(?:-(?!----)[^-]*+)*+"  # up to five dashes

_SECRETS: Final = (
    _Secret(
        "private key",
        ("private key",),
        re.compile(
            r"(?P<secret>-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            rf"(?:{_INSIDE_KEY}-----END [A-Z0-9 ]{{0,40}}-----|[A-Za-z0-9+/=\s\\]{{0,20000}}))"
        ),
    ),
    _Secret(
        "token",
        (
            "sw_up_",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "github_pat_",
            "glpat-",
            "gldt-",
            "glrt-",
            "glcbt-",
            "glptt",
        ),
        re.compile(
            r"(?P<secret>\bsw_up_[A-Za-z0-9_]{20,100}|\bgh[pousr]_[A-Za-z0-9]{36,255}|\bgithub_pat_[A-Za-z0-9_]{22,255}"
            r"|\bgl(?:pat|dt|rt|cbt|ptt)-[A-Za-z0-9_.-]{20,255})"
        ),
    ),
    _Secret(
        "token",
        ("xox", "xapp-", "hooks.slack.com", "npm_", "pypi-", "sk_live_", "rk_live_", "aiza", "sg.", "dop_v1_", "hvs."),
        re.compile(
            r"(?P<secret>\bxox[abeoprs]-[A-Za-z0-9-]{10,250}|\bxapp-\d-[A-Za-z0-9-]{10,250}"
            r"|(?<=hooks\.slack\.com/services/)[A-Za-z0-9/]{20,100}|\bnpm_[A-Za-z0-9]{36}|\bpypi-[A-Za-z0-9_-]{50,255}"
            r"|\b[sr]k_live_[A-Za-z0-9]{16,255}|\bAIza[A-Za-z0-9_-]{35}|\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"
            r"|\bdop_v1_[a-f0-9]{64}|\bhvs\.[A-Za-z0-9_-]{24,255})"
        ),
    ),
    _Secret("AWS key", ("akia", "asia"), re.compile(r"(?P<secret>\b(?:AKIA|ASIA)[A-Z2-7]{16}\b)")),
    _Secret(
        "token",
        ("eyj",),
        re.compile(r"(?P<secret>\beyJ[A-Za-z0-9_-]{10,2000}\.eyJ[A-Za-z0-9_-]{10,4000}(?:\.[A-Za-z0-9_-]{10,2000})?)"),
    ),
    _Secret("password", ("://",), re.compile(r"""://[^\s/:@"'<>]{0,100}:(?P<secret>[^\s/@"'<>]{1,500})@"""), _is_value),
    _Secret(
        "token",
        ("bearer",),
        re.compile(r"\bBearer[ \t]{1,4}(?P<secret>[A-Za-z0-9._~+/=-]{12,4000})", re.IGNORECASE),
        _is_mixed,
    ),
    _Secret(
        "password",
        ("basic",),
        re.compile(r"\bBasic[ \t]{1,4}(?P<secret>[A-Za-z0-9+/]{6,4000}={0,2})", re.IGNORECASE),
        _is_login,
    ),
    # `password = 'hunter2'`, `"password": "hunter2"`, `password=hunter2`; behind a bare colon there may be prose.
    _name(
        "password", _PASSWORDS, between="(?:=>|=(?!=)|:)", value=_QUOTED, is_one=_is_value, signs=_SIGNS_OF_PASSWORDS
    ),
    _name("password", _PASSWORDS, between="=(?![=>])", value=_BARE, is_one=_is_value, signs=_SIGNS_OF_PASSWORDS),
    _name("password", _PASSWORDS, between=":", value=_BARE, is_one=_is_mixed, signs=_SIGNS_OF_PASSWORDS),
    _name("token", _TOKENS, between="(?:=>|=(?!=)|:)", value=_QUOTED, is_one=_is_mixed, signs="token"),
    _name("token", _TOKENS, between="(?:=(?![=>])|:)", value=_BARE, is_one=_is_mixed, signs="token"),
    _Secret(
        "password",
        ("--pass", "--secret", "--token", "--api"),
        re.compile(r"--(?:password|passwd|passphrase|secret|token|api-?key)[ \t]{1,4}" + _BARE),
        _is_value,
    ),
)

# --- what is open where a text was cut -----------------------------------------------------------------------------

_IS_MASKED: Final = re.compile(r"\[masked [a-zA-Z ]{1,40}\]")
_KIND_OF_KEY: Final = r"(?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
# Begun and not ended, but for a part of the last line.
_KEY_OPEN: Final = re.compile(rf"-----BEGIN {_KIND_OF_KEY}{_INSIDE_KEY}(?:-----[A-Z0-9 ]{{0,40}}+-{{0,5}}+)?\Z")
# Ended and not begun, but for a part of the first line.
_KEY_BEGUN: Final = re.compile(rf"\A(?>-{{0,5}}[A-Z0-9 ]{{0,50}}(?:-----)?){_INSIDE_KEY}-----END {_KIND_OF_KEY}")
# The rest of a line, up to where a quotation ends; and what is left of a key whose last line is missing, too.
_LINE_BEGUN: Final = re.compile(
    r"""\A[^\n"']{0,8200}+(?:"""
    r"(?:\r?\n[ \t>|]{0,10}[A-Za-z0-9+/=]{40,100}(?=\r?\n|\Z))++"
    r"(?:\r?\n[ \t>|]{0,10}[A-Za-z0-9+/=]{1,100}(?=\r?\n|\Z))?)?"
)
_LONGEST_OPEN: Final = 8_200  # a token of three parts
_NAMES: Final = rf"""(?:{_PASSWORDS}|{_TOKENS})[\w-]{{0,30}}\\?["']?[ \t]{{0,40}}(?:=>|=(?!=)|:)[ \t]{{0,4}}"""
_PREFIXES: Final = (
    r"\b(?:sw_up_|gh[pousr]_|github_pat_|gl(?:pat|dt|rt|cbt|ptt)-|xox[abeoprs]-|xapp-|npm_|pypi-|[sr]k_live_|AIza|SG\."
    r"|dop_v1_|hvs\.|AKIA|ASIA|eyJ)"
)
# How each secret begins, with whatever follows up to the end.
_OPEN: Final = tuple(
    (word, re.compile(rf"{pattern}\Z", re.IGNORECASE))
    for word, pattern in (
        ("token", rf"(?P<secret>{_PREFIXES}[A-Za-z0-9_.-]*+)"),
        ("token", r"hooks\.slack\.com/services/(?P<secret>[A-Za-z0-9/]++)"),
        ("token", r"""\bBearer[ \t]{1,4}(?P<secret>[^\s"']++)"""),
        ("password", r"""\bBasic[ \t]{1,4}(?P<secret>[^\s"']++)"""),
        ("password", r"""://[^\s/:@"'<>]{0,100}:(?P<secret>[^\s@"'<>]++)"""),
        ("password", rf"""{_NAMES}\\?(?P<quote>["'])(?P<secret>(?:\\[^\n]|(?!(?P=quote))[^\n\\])++\\?)"""),
        ("password", rf"""{_NAMES}(?P<secret>[^\s"']++)"""),
        (
            "password",
            r"""--(?:password|passwd|passphrase|secret|token|api-?key)[ \t]{1,4}(?P<secret>[^\s"']++)""",
        ),
    )
)

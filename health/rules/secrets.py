"""What in a failure's text looks like a secret, and the word that stands in its place.

Used by `dashboard.queries.texts`; pure. Runners print environments, requests and local variables; whoever may look at
a project need not know its passwords.
Promise: what is listed here is masked, ordinary texts are left alone, and no text is slow to look through
(`tests/health/test_secrets.py`).
"""

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final, NamedTuple

MASK: Final = "[masked "


class _Secret(NamedTuple):
    """A pattern whose group `secret` is hidden, tried only where one of `signs` stands in the lower-case text."""

    word: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]
    is_one: Callable[[str], bool] = lambda _: True


def mask_secrets(text: str) -> str:
    """The text with each secret replaced by a word such as `[masked password]`."""
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

_SECRETS: Final = (
    _Secret(
        "private key",
        ("private key",),
        re.compile(
            r"(?P<secret>-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
            r"(?:[^-]{0,20000}-----END [A-Z0-9 ]{0,40}-----|[A-Za-z0-9+/=\s\\]{0,20000}))"
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

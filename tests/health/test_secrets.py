"""What looks like a secret is masked, what only reads like one is not, and no text is slow to look through."""

import time

import pytest

from health.rules.secrets import MASK, mask_secrets

BODY = "a1B2c3D4e5" * 4
SECRETS = [
    ("password=hunter2", "password=[masked password]"),
    ("'password': 'hunter2'", "'password': '[masked password]'"),
    ('{"db": {"password": "hunter2 and more"}}', '{"db": {"password": "[masked password]"}}'),
    (r"{\"password\": \"hunter2\"}", r"{\"password\": \"[masked password]\"}"),
    ("password   = 'hunter2'", "password   = '[masked password]'"),
    ("""password = "it's me" """, """password = "[masked password]" """),
    ("Passwort: geheim1!", "Passwort: [masked password]"),
    ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=[masked password] next"),
    ("mysql --password hunter2 -e x", "mysql --password [masked password] -e x"),
    ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG", "AWS_SECRET_ACCESS_KEY=[masked password]"),
    ("key AKIAIOSFODNN7EXAMPLE used", "key [masked AWS key] used"),
    ("api_key: 9f8a7b6c", "api_key: [masked password]"),
    ("client_secret=abc&grant=x", "client_secret=[masked password]&grant=x"),
    ("Authorization: Bearer abc123def456ghi", "Authorization: Bearer [masked token]"),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic [masked password]"),
    ("postgresql://sw:hunter2@db:5432/x", "postgresql://sw:[masked password]@db:5432/x"),
    ("redis://:hunter2@cache:6379", "redis://:[masked password]@cache:6379"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nend", "[masked private key]\nend"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk", "[masked private key]"),
    (f"sw_up_{BODY}abc_123456", "[masked token]"),
    (f"ghp_{BODY}", "[masked token]"),
    (f"github_pat_{BODY}", "[masked token]"),
    ("glpat-abcdefghij0123456789", "[masked token]"),
    ("xoxb-1234567890-abcdef", "[masked token]"),
    ("https://hooks.slack.com/services/T0/B0/abcdefghijklmnop", "https://hooks.slack.com/services/[masked token]"),
    (f"eyJ{BODY}.eyJ{BODY}.{BODY}", "[masked token]"),
    ("GITHUB_TOKEN=abc123def456", "GITHUB_TOKEN=[masked token]"),
    ("access_token: 'abc123def456'", "access_token: '[masked token]'"),
]
ORDINARY = [
    "password: must be at least 8 characters",
    "KeyError: 'password'",
    "assert password == 'x'",
    "password=None, secret=<hidden>, api_key=****",
    "def login(user, password='', secret=None)",
    "password: str = None",
    "a wrong password: try again",
    "secret_key = get_secret()",
    "apiKey = await this.auth.getApiKey()",
    "API_KEY: vscode.SecretStorage",
    "SecretStorage: https://example.com/api",
    "Unexpected token: }",
    "tokens: [1, 2, 3]",
    "Basic authentication failed",
    "Bearer authentication required",
    "PWD=/home/runner/work",
    "http://127.0.0.1:8000/a@b",
    "tests/test_password.py:12: AssertionError",
    "the sky is masked",
]


@pytest.mark.parametrize(("text", "masked"), SECRETS)
def test_a_secret_is_masked_and_what_is_around_it_stays(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
    assert mask_secrets(f"E   before {text}\nbehind") == f"E   before {masked}\nbehind" or "BEGIN OPENSSH" in text


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_text_is_left_alone(text: str) -> None:
    assert mask_secrets(text) == text


@pytest.mark.parametrize(("text", "_"), SECRETS)
def test_masking_twice_is_masking_once(text: str, _: str) -> None:
    once = mask_secrets(text)
    assert mask_secrets(once) == once
    assert MASK in once


@pytest.mark.parametrize(
    "unit",
    ["password", "password=", 'password="', "password:'", "eyJ", "eyJ.", "://", "://a:", "-----BEGIN PRIVATE KEY-----"]
    + ["bearer ", "basic ", "sw_up_", "glpat-", "AKIA", "_token", "secret \t", "--token ", "xoxb-1", "a"],
)
def test_no_text_is_slow_to_look_through(unit: str) -> None:
    text = unit * (64 * 1024 // len(unit))
    began = time.process_time()
    mask_secrets(text)
    assert time.process_time() - began < 1

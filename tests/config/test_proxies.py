"""Who may say who the client is: only proxies of ours, and only what they wrote."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse

from config.env import EnvError, Environment
from config.middleware import believe_proxies
from config.proxies import NAME, Proxies, read_proxies


def proxies(value: str = "") -> Proxies:
    return read_proxies(Environment({NAME: value}))


@pytest.fixture
def client_of(settings: Any) -> Any:
    """The address that a view sees, and the headers that are left."""

    def ask(value: str, peer: str, forwarded_for: str) -> tuple[str, bool]:
        settings.PROXIES = proxies(value)
        request = HttpRequest()
        request.META = {
            "REMOTE_ADDR": peer,
            "HTTP_X_FORWARDED_FOR": forwarded_for,
            "HTTP_X_FORWARDED_PROTO": "https",
        }
        believe_proxies(lambda _: HttpResponse())(request)
        return str(request.META["REMOTE_ADDR"]), "HTTP_X_FORWARDED_PROTO" in request.META

    return ask


@pytest.mark.parametrize(
    ("value", "peer", "said", "client", "is_believed"),
    [
        ("", "127.0.0.1", "203.0.113.9", "127.0.0.1", False),
        ("no", "10.0.0.2", "203.0.113.9", "10.0.0.2", False),
        ("yes", "127.0.0.1", "203.0.113.9", "203.0.113.9", True),
        ("yes", "::1", "2001:db8::7", "2001:db8::7", True),
        # Only the last entry is the proxy's own, also for a client in the same house.
        ("yes", "172.18.0.2", "198.51.100.1, 192.168.1.7", "192.168.1.7", True),
        ("yes", "198.51.100.9", "203.0.113.9", "198.51.100.9", False),
        ("yes", "127.0.0.1", "", "127.0.0.1", True),
        ("yes", "127.0.0.1", "not an address", "127.0.0.1", True),
        ("198.51.100.0/24", "198.51.100.9", "203.0.113.9", "203.0.113.9", True),
        ("198.51.100.0/24, 10.0.0.2", "10.0.0.2", "1.2.3.4, 203.0.113.9, 198.51.100.3", "203.0.113.9", True),
        ("198.51.100.0/24", "10.0.0.2", "203.0.113.9", "10.0.0.2", False),
        ("10.0.0.2", "10.0.0.2", "10.0.0.2, 10.0.0.2", "10.0.0.2", True),
        # A socket that listens on IPv6 names an IPv4 peer so.
        ("yes", "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9", True),
        ("10.0.0.2", "::ffff:10.0.0.2", "::ffff:203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9", True),
        ("yes", "::ffff:198.51.100.9", "203.0.113.9", "::ffff:198.51.100.9", False),
        # Some proxies write the port behind the address.
        ("10.0.0.0/8", "10.0.0.2", "203.0.113.9:4711, 10.0.0.3:80", "203.0.113.9", True),
        ("yes", "::1", "[2001:db8::7]:4711", "2001:db8::7", True),
        ("yes", "::1", "[2001:db8::7]", "2001:db8::7", True),
        ("yes", "::1", "1.2.3.4:x", "::1", True),
    ],
)
def test_whose_word_counts(client_of: Any, value: str, peer: str, said: str, client: str, is_believed: bool) -> None:
    assert client_of(value, peer, said) == (client, is_believed)


@pytest.mark.parametrize("value", ["maybe", "10.0.0.0/33", "yes, 10.0.0.1", "10.0.0.1/8"])
def test_a_wrong_value_says_what_is_allowed(value: str) -> None:
    with pytest.raises(EnvError, match=r"SUITEWATCH_TRUSTED_PROXY is .*; allowed: yes, no, or addresses"):
        proxies(value)


def test_the_server_believes_the_same_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    from config import gunicorn

    assert gunicorn.forwarded_allow_ips == ""
    assert gunicorn.forwarder_headers == ""
    assert [str(peer) for peer in proxies("198.51.100.0/24, 10.0.0.2").peers] == ["198.51.100.0/24", "10.0.0.2/32"]

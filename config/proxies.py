"""Which peers may say who the client is, and how it came: the proxies in front.

Read from SUITEWATCH_TRUSTED_PROXY by `config.settings` and `config.gunicorn`, applied by `config.middleware`. Pure.
Promise: what anybody else says about the client is not believed, and of what a proxy passes on only the part that
proxies wrote (`tests/config/test_proxies.py`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from config.env import NO, YES, EnvError, Environment

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
NAME: Final = "SUITEWATCH_TRUSTED_PROXY"
# Where a proxy of one's own stands: this machine, or the private networks of a house or of containers.
_OWN_NETWORKS: Final = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
# `[2001:db8::7]:80`, also without the port, and `1.2.3.4:80`.
_WITH_PORT: Final = re.compile(r"\[(.+)\](?::\d+)?|([\d.]+):\d+")


@dataclass(frozen=True, slots=True)
class Proxies:
    """Networks of trusted peers; `chain` are those that may stand one behind another, known only when listed."""

    peers: tuple[Network, ...] = ()
    chain: tuple[Network, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.peers)

    def trusts(self, peer: str) -> bool:
        """Whether this peer is a proxy of ours."""
        return _is_in(peer, self.peers)

    def find_client(self, peer: str, forwarded_for: str) -> str:
        """The client's address: the last one that is no proxy of ours; what stands before it anybody may have sent."""
        client = peer
        for hop in reversed([hop.strip() for hop in forwarded_for.split(",") if hop.strip()]):
            client = hop
            if not _is_in(hop, self.chain):
                break
        return str(_read_address(client) or peer)


def read_proxies(env: Environment) -> Proxies:
    """`no`, `yes` (a proxy on a private address), or the addresses and networks of the proxies, by commas."""
    words = env.items(NAME)
    if len(words) <= 1 and (not words or words[0].lower() in YES + NO):
        is_trusted = bool(words) and words[0].lower() in YES
        return Proxies(_networks(_OWN_NETWORKS)) if is_trusted else Proxies()
    try:
        networks = _networks(words)
    except ValueError as problem:
        allowed = "yes, no, or addresses and networks by commas"
        raise EnvError(f"{NAME} is {','.join(words)!r}; allowed: {allowed}.") from problem
    return Proxies(networks, networks)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ip_network(text) for text in texts)


@lru_cache(maxsize=1024)
def _is_in(address: str, networks: tuple[Network, ...]) -> bool:
    found = _read_address(address)
    return found is not None and any(found in network for network in networks)


def _read_address(text: str) -> Address | None:
    """An address, of which some proxies write the port as well, and which a socket of IPv6 writes as IPv4's."""
    written = _WITH_PORT.fullmatch(text)
    try:
        found = ip_address((written[1] or written[2]) if written else text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found

"""Which hosts a program fetches from for users: not this machine's own, nor its network's.

A user's URL is asked for by the server, which reaches more than the user does: itself, machines
behind the firewall, the cloud's metadata.  So every address that a name stands for is looked at
before it is connected to, and only an address that was looked at is connected to.

In: settings of the server, through the environment of the programs it starts.  Out: addresses, or
AddressRefused.  A program that is run by hand fetches from anywhere.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from digits.errors import ConfigError

VARIABLE = "DIGITS_FETCH_FROM"  # what a server tells the programs that it starts
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PRIVATE = [
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
]
# Not of the world either, though the `is_global` of some Pythons says so of parts of them.
_SPECIAL = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "fec0::/10", "3fff::/20")]
# Where clouds answer their machines' own questions, outside of the networks that are refused.
_METADATA = {ipaddress.ip_address(text) for text in ("168.63.129.16", "fd00:ec2::254")}
_NAT64 = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48")]
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")


class AddressRefused(Exception):
    """A host that is not fetched from; the message is fit for the user's eyes."""


@dataclass(frozen=True)
class Allowed:
    """An entry of the allow list: a host or network, and of it all ports or one."""

    host: str
    network: Network | None
    port: int | None

    @classmethod
    def parse(cls, text: str) -> Allowed:
        """Takes `10.0.0.0/8`, `127.0.0.1:8080`, `[::1]:80`, `images.lab`, `*.lab:8080`.

        Raises ValueError.
        """
        host, port = text.strip().lower(), None
        if host.startswith("["):
            host, bracket, rest = host[1:].partition("]")
            if not bracket:
                raise ValueError(text)
            if rest:
                port = _port(rest.removeprefix(":"))
        elif host.count(":") == 1:
            host, _, number = host.partition(":")
            port = _port(number)
        try:
            return cls(host, ipaddress.ip_network(host), port)
        except ValueError:
            plain = host.removeprefix("*.").replace("-", "").replace(".", "").replace("_", "")
            if not plain.isalnum():
                raise ValueError(text) from None
            return cls(host.rstrip("."), None, port)

    def covers(self, host: str, port: int, address: Address) -> bool:
        """Whether an address that a host's name stands for is allowed by this entry."""
        if self.port not in (None, port):
            return False
        if self.network is not None:
            return address in self.network
        name = host.rstrip(".").lower()
        if self.host.startswith("*."):
            return name.endswith(self.host[1:])
        return name == self.host


@dataclass(frozen=True)
class UrlPolicy:
    """What is fetched from; `private`: also from private networks such as 192.168.0.0/16."""

    allow: tuple[Allowed, ...] = ()
    private: bool = False
    anywhere: bool = False  # nothing is checked

    @classmethod
    def of(cls, allow: Iterable[str], *, private: bool) -> UrlPolicy:
        """A policy with an allow list as text; ConfigError names the entries that are none."""
        entries, problems = [], []
        for text in allow:
            try:
                entries.append(Allowed.parse(text))
            except ValueError:
                problems.append(
                    "url_allow must hold hosts or networks such as images.lab, 10.1.0.0/16 or "
                    f"127.0.0.1:8080, received {text!r}"
                )
        if problems:
            raise ConfigError(problems)
        return cls(tuple(entries), private)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> UrlPolicy:
        """The policy of the server that started this program; ANYWHERE when none did."""
        text = environment.get(VARIABLE)
        if text is None:
            return ANYWHERE
        told = json.loads(text)
        return cls.of(told["allow"], private=told["private"])

    def to_environment(self) -> dict[str, str]:
        """The same for the environment of a program."""
        allow = [
            f"[{entry.host}]:{entry.port}" if entry.port else f"[{entry.host}]"
            for entry in self.allow
        ]
        return {VARIABLE: json.dumps({"allow": allow, "private": self.private})}

    def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host that may be connected to, as numbers, so that nothing is asked
        again.

        Raises AddressRefused when it has addresses, and none may be; OSError when it has none.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # An address with a scope, fe80::1%eth0, is one of this very network.
        texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        good = [text for text in texts if self.allows(host, port, text)]
        if texts and not good:
            raise AddressRefused(
                f"{host} is an address of this server or its network, which it does not fetch "
                "from. Whoever runs the server can allow it with the setting url_allow"
            )
        return good

    def allows(self, host: str, port: int, text: str) -> bool:
        """Whether one of a host's addresses may be connected to."""
        if self.anywhere:
            return True
        address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
        if any(entry.covers(host, port, address) for entry in self.allow):
            return True
        is_special = any(address in network for network in _SPECIAL)
        if is_special or address in _METADATA or "%" in text:
            return False
        if any(address in network for network in _PRIVATE):
            return self.private
        return address.is_global and not (address.is_multicast or address.is_reserved)


ANYWHERE = UrlPolicy(anywhere=True)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:6]) < 65536:
        raise ValueError(text)
    return int(text)


def _innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one leads to, of the several ways to write one in the other."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address.teredo is not None:
        inner = address.teredo[1]
    embeds = any(address in network for network in _NAT64) or (
        address in _IPV4_COMPATIBLE and int(address) > 1
    )
    if inner is None and embeds:
        inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return inner or address

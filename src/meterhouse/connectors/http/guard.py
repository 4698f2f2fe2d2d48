"""Which addresses streams may call: public ones, and what the operator allows.

A URL comes from a document or from a record, so whoever writes it could reach what only this
machine can reach: its own services, its network, the metadata service of its cloud. The guard
resolves every name itself, judges every address that comes back, and hands out addresses, not
names: the connection goes to what was judged. Everything about a URL that two programs could read
in two ways is refused.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meterhouse.connectors.http.allow import PORT_MAX, PORTS, Address, AllowList
from meterhouse.core.reading import shown
from meterhouse.streams.http_address import shown_url
from meterhouse.streams.ports import HttpRefused, HttpUnreachable

#: Tells the addresses of a host, as text.
Resolver = Callable[[str, int], Sequence[str]]

URL_CHARS_MAX = 8_000
_HINT = "An operator can allow a host, host:port or network in METERHOUSE_HTTP_ALLOW"
_NAME_HINT = "Check the name of the host, and whether this machine can look names up"
TLS_HINT = (
    "Check http or https and the port; of a certificate of your own, SSL_CERT_FILE names who signs"
)
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)(?:[/?#].*)?", re.DOTALL)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@%]+)(?::([1-9][0-9]{0,4}))?")
_UNFIT = re.compile(r"[\s\\\x00-\x20\x7f]")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HOST_CHARS_MAX = 253

#: What Python's own judgement (``is_global``) leaves out or judges by its version.
_CLOSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; also the metadata service of one cloud
        "127.0.0.0/8",
        "168.63.129.16/32",  # the host of virtual machines in one cloud
        "169.254.0.0/16",  # link-local, metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        # Of IPv6, those that hold an IPv4 address, which may be any, and those that are nobody's.
        "::/8",  # unspecified, loopback, mapped, compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48)
        "100::/64",
        "2001::/23",  # Teredo among them
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that can be read in one way only. ``host`` has no brackets."""

    scheme: str
    host: str
    port: int

    def same(self, scheme: str, host: str, port: int | None) -> bool:
        """Whether another reading of the URL leads to the same place."""
        literal = _literal(host)
        other = host if literal is None else str(literal)
        return (scheme, other, port or PORTS.get(scheme)) == (self.scheme, self.host, self.port)


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the operating system for a host's addresses."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """Judges URLs, and the addresses behind them."""

    def __init__(
        self, allowed: AllowList | None = None, *, resolver: Resolver = system_resolver
    ) -> None:
        self._allowed = allowed or AllowList()
        self._resolver = resolver

    def target(self, url: str) -> Target:
        """Read a URL. Raises ``HttpRefused`` where it is odd in any way."""
        if len(url) > URL_CHARS_MAX:
            raise HttpRefused(f"The URL has {len(url):,} characters, more than {URL_CHARS_MAX:,}")
        if _UNFIT.search(url):
            raise _odd(url, "has a space, a backslash or a control character")
        found = _URL.fullmatch(url)
        if found is None:
            raise _odd(url, "is no full URL", "Begin it with https://")
        scheme = found[1].lower()
        if scheme not in PORTS:
            raise _odd(url, f"has the scheme {shown(scheme)}", "Only http and https are called")
        if "@" in found[2]:
            hint = "Choose authType basic and a secret instead"
            raise _odd(url, "has a user name before its host", hint)
        authority = _AUTHORITY.fullmatch(found[2])
        if authority is None:
            raise _odd(url, "has no plain host and port")
        port = int(authority[2]) if authority[2] else PORTS[scheme]
        if port > PORT_MAX:
            raise _odd(url, f"has the port {port}, and there is none")
        return Target(scheme, _host(url, authority[1]), port)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the addresses to connect to. Raises ``HttpRefused``, ``HttpUnreachable``."""
        found = [literal] if (literal := _literal(host)) is not None else self._resolve(host, port)
        if not self._allowed.names(host, port):
            for address in found:
                # One bad address among good ones is how a name is made to change its mind.
                if not (_public(address) or self._allowed.holds(address, port)):
                    where = "" if literal is not None else f"{host} leads to "
                    raise HttpRefused(f"{where}{address}: not a public address", hint=_HINT)
        return [str(address) for address in found]

    def trusts(self, host: str, port: int) -> bool:
        """Whether the operator allows the host itself, and not only because it is public."""
        literal = _literal(host)
        allowed = literal is not None and self._allowed.holds(literal, port)
        return allowed or self._allowed.names(host, port)

    def _resolve(self, host: str, port: int) -> list[Address]:
        try:
            texts = self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            text = f"{host} has no address that could be found: {error}"
            raise HttpUnreachable(text, hint=_NAME_HINT) from error
        try:
            found = [ipaddress.ip_address(text) for text in texts]
        except ValueError as error:  # An address with a zone, such as fe80::1%eth0.
            raise HttpRefused(f"{host} leads to {texts[0]}: not a public address") from error
        if not found:
            raise HttpUnreachable(f"{host} has no address")
        return found


def _odd(url: str, what: str, hint: str = "Write a plain URL") -> HttpRefused:
    return HttpRefused(f"{shown(shown_url(url))} {what}", hint=hint)


def _host(url: str, text: str) -> str:
    """Return the host in the one form in which it is looked up."""
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError as error:
            raise _odd(url, "has no IPv6 address between its brackets") from error
    try:
        host = text.lower() if text.isascii() else text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise _odd(url, "has a host that is no name") from error
    labels = host.removesuffix(".").split(".")
    if len(host) > _HOST_CHARS_MAX or not all(map(_LABEL.fullmatch, labels)):
        raise _odd(url, "has a host that is no name")
    if _NUMERIC_LABEL.fullmatch(labels[-1]) and _literal(host) is None:
        # 2130706433, 0x7f.1 and 127.1 are all the same address to some, and none to others.
        raise _odd(url, "has an address in an odd form", "Write it as 203.0.113.7")
    if not text.isascii() and _literal(host) is not None:
        raise _odd(url, "has an address in an odd form", "Write it as 203.0.113.7")
    return host


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _public(address: Address) -> bool:
    if any(address in network for network in _CLOSED):
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )

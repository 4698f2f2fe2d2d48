"""What the operator allows streams to call beside public addresses.

Entries are hosts, addresses or networks, each with a port or without: ``billing.internal``,
``10.0.0.5:8080``, ``[fd00::5]:8080``, ``10.1.0.0/16``.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from meterhouse.core.problem import DefinitionError, Problem
from meterhouse.core.reading import shown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORT_MAX = 65_535
PORTS = {"http": 80, "https": 443}
_PORT = re.compile(r"(.+):([0-9]{1,5})")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?")
_ADDRESS_LIKE = re.compile(r"[0-9.]+|0x[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts by name, and networks, each with the port that is meant (``None``: any)."""

    hosts: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def parse(cls, text: str, *, what: str = "The list of allowed hosts") -> AllowList:
        """Read entries with commas between them. Raises ``DefinitionError`` listing the bad ones.

        >>> AllowList.parse("billing.internal:8080, 10.1.0.0/16").names("billing.internal", 8080)
        True
        """
        hosts: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        problems: list[Problem] = []
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            host, port = _split(entry)
            network = _network(host)
            if port is not None and not 0 < port <= PORT_MAX:
                problems.append(Problem("", f"{shown(entry)} has no port", "use 1 to 65535"))
            elif network is not None:
                networks.append((network, port))
            elif _NAME.fullmatch(host) and not _ADDRESS_LIKE.fullmatch(host):
                hosts.add((host.rstrip("."), port))
            else:
                hint = "write a host, host:port or a network such as 10.0.0.0/8"
                problems.append(Problem("", f"{shown(entry)} is no entry", hint))
        if problems:
            raise DefinitionError(problems, what=what)
        return cls(frozenset(hosts), tuple(networks))

    def with_servers(self, base_urls: Iterable[str]) -> AllowList:
        """Return the same list with the hosts and ports of base URLs: this server's own ones."""
        hosts, networks = set(self.hosts), list(self.networks)
        for url in base_urls:
            parts = urlsplit(url)
            port = parts.port or PORTS.get(parts.scheme)
            host = (parts.hostname or "").rstrip(".")
            network = _network(host)
            if network is not None:
                networks.append((network, port))
            elif host:
                hosts.add((host, port))
        return AllowList(frozenset(hosts), tuple(networks))

    def names(self, host: str, port: int) -> bool:
        """Whether the host is allowed by its name."""
        name = host.lower().rstrip(".")
        return (name, port) in self.hosts or (name, None) in self.hosts

    def holds(self, address: Address, port: int) -> bool:
        """Whether the address lies in an allowed network."""
        return any(
            address in network and allowed in (None, port) for network, allowed in self.networks
        )


def _split(entry: str) -> tuple[str, int | None]:
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        return inner, int(rest[1:]) if re.fullmatch(r":[0-9]{1,5}", rest) else None
    found = _PORT.fullmatch(entry)
    if found is None or ":" in found[1]:
        return entry, None
    return found[1], int(found[2])


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None

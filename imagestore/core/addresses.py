"""Addresses and names of hosts: which networks an address lies in, whom a rate limit takes for one client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address

LONGEST_ADDRESS = 64
"""Characters of an IPv6 address with a zone, and more than a few to spare."""

CLIENT_PREFIX = 64
"""Bits of an IPv6 address that tell one client from another: whoever has an address has all of its /64."""

_PORT = re.compile(r":[0-9]*\Z")
_HOST_NAME = re.compile(r"\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


@lru_cache(maxsize=4096)
def parse_address(text: str) -> Address | None:
    """The address that `text` is, None if it is none. IPv4 within IPv6 is IPv4; a zone is left out."""
    if len(text) > LONGEST_ADDRESS:
        return None
    try:
        found = ip_address(text)
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or IPv6Address(int(found))
    return found


@lru_cache(maxsize=4096)
def client_name(address: str) -> str:
    """Whom a rate limit takes for one client: an IPv4 address, or the /64 network of an IPv6 address."""
    found = parse_address(address)
    if isinstance(found, IPv6Address):
        return str(IPv6Network((found, CLIENT_PREFIX), strict=False))
    return str(found) if found is not None else address[:LONGEST_ADDRESS]


@dataclass(frozen=True, slots=True)
class Networks:
    """A set of networks. Its text has addresses and networks (CIDR), separated by commas."""

    members: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Networks:
        """Raises ValueError."""
        try:
            return cls(tuple(ip_network(part.strip()) for part in text.split(",")))
        except ValueError:
            raise ValueError(
                "wants addresses and networks, such as 10.0.0.7, 192.168.0.0/16, fd00::/8"
            ) from None

    def __contains__(self, address: Address) -> bool:
        return any(address in network for network in self.members)

    def __str__(self) -> str:
        return ",".join(map(str, self.members))


@dataclass(frozen=True, slots=True)
class HostNames:
    """Names by which a service is called; without any, by every name. Its text has them separated by commas.

    A name with a dot before it stands for itself and all below it.
    """

    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> HostNames:
        """Raises ValueError."""
        names = tuple(part.strip().lower() for part in text.split(","))
        if not all(_HOST_NAME.fullmatch(name) for name in names):
            raise ValueError("wants names without scheme and port, such as img.example.com, .example.net")
        return cls(names)

    def admits(self, authority: str) -> bool:
        """Whether the host of `host` or `host:port` is one of them."""
        if not self.names:
            return True
        host = _PORT.sub("", authority).lower().removesuffix(".")
        return any(host == name or (name[0] == "." and f".{host}".endswith(name)) for name in self.names)

    def __str__(self) -> str:
        return ",".join(self.names)

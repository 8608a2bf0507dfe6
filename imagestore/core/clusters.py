"""The URL of a Redis Cluster: the servers to ask first, and how to reach any other one of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Of a cluster, as the library `limits` and Gitea spell such URLs, and of one server of it."""

USUAL_PORT = 6379


class Address(NamedTuple):
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class ClusterUrl:
    """`redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…][/0][?OPTIONS]`, or `rediss+cluster://`.

    User, password and options are those of every server of the cluster.
    """

    seeds: tuple[Address, ...]
    scheme: str
    user: str
    options: str

    @classmethod
    def parse(cls, url: str) -> ClusterUrl:
        """Raises ValueError, without a word of the URL, which may hold a password."""
        scheme, _, rest = url.partition("://")
        place, _, options = rest.partition("#")[0].partition("?")
        servers, _, database = place.partition("/")
        user, at, hosts = servers.rpartition("@")
        if scheme not in SCHEMES or "@" in user or user.count(":") > 1:
            raise ValueError("wants a URL such as redis+cluster://one.example.com:6379,two.example.com:6379")
        if database not in ("", "0"):
            raise ValueError("wants no database but 0, the only one that a cluster has")
        seeds = tuple(_address(host) for host in hosts.split(","))
        return cls(seeds, SCHEMES[scheme], user + at, options)

    def of(self, server: Address) -> str:
        """The URL of one server, in redis-py's form."""
        host = f"[{server.host}]" if ":" in server.host else server.host
        options = f"?{self.options}" if self.options else ""
        return f"{self.scheme}://{self.user}{host}:{server.port}/0{options}"


def is_cluster(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def _address(text: str) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname:
        raise ValueError("wants HOST or HOST:PORT for each server of the cluster, with commas between them")
    return Address(parts.hostname, USUAL_PORT if port is None else port)

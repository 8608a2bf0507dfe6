"""The URLs of a Redis Cluster and of Redis Sentinel: whom to ask first, and how to reach any other server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

SCHEMES = {"redis+cluster": "redis", "rediss+cluster": "rediss"}
"""Of a cluster, as the library `limits` and Gitea spell such URLs, and of one server of it."""

SENTINEL_SCHEMES = {"redis+sentinel": "redis", "rediss+sentinel": "rediss"}
"""As docket, Prefect, RedisVL and LangChain spell them; redis-py itself has no such URL."""

USUAL_PORT = 6379
SENTINEL_PORT = 26379


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
        scheme, user, hosts, database, options = _split(url)
        if scheme not in SCHEMES or _is_odd(user):
            raise ValueError("wants a URL such as redis+cluster://one.example.com:6379,two.example.com:6379")
        if database not in ("", "0"):
            raise ValueError("wants no database but 0, the only one that a cluster has")
        seeds = tuple(_address(host, USUAL_PORT) for host in hosts.split(","))
        return cls(seeds, SCHEMES[scheme], user, options)

    def of(self, server: Address) -> str:
        """The URL of one server, in redis-py's form."""
        return _url(self.scheme, self.user, server, 0, self.options)


@dataclass(frozen=True, slots=True)
class SentinelUrl:
    """`redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/NAME[/DATABASE][?OPTIONS]`, or
    `rediss+sentinel://`: the sentinels, and the name that they have for the primary.

    User, password and options are those of the servers that the sentinels watch. The sentinels' own are the
    options `sentinel_username` and `sentinel_password`; how TLS is spoken (`ssl_…`) holds for both.
    """

    sentinels: tuple[Address, ...]
    name: str
    database: int
    scheme: str
    user: str
    options: str
    own_user: str
    """Of the sentinels."""

    @classmethod
    def parse(cls, url: str) -> SentinelUrl:
        """Raises ValueError, without a word of the URL, which may hold a password."""
        scheme, user, hosts, path, text = _split(url)
        name, _, database = path.partition("/")
        if scheme not in SENTINEL_SCHEMES or _is_odd(user) or not name:
            raise ValueError(
                "wants a URL such as redis+sentinel://one.example.com:26379,two.example.com:26379/mymaster"
            )
        if database and not (database.isascii() and database.isdigit()):
            raise ValueError("wants the number of a database, or nothing, behind the name of the primary")
        options = [each for each in text.split("&") if each]
        own = dict(each.split("=", 1) for each in options if each.startswith("sentinel_") and "=" in each)
        if own.keys() - {"sentinel_username", "sentinel_password"}:
            raise ValueError("wants no option of the sentinels but sentinel_username and sentinel_password")
        named, secret = (
            quote(unquote(own.get(f"sentinel_{each}", "")), "") for each in ("username", "password")
        )
        return cls(
            tuple(_address(host, SENTINEL_PORT) for host in hosts.split(",")),
            unquote(name),
            int(database or 0),
            SENTINEL_SCHEMES[scheme],
            user,
            "&".join(each for each in options if not each.startswith("sentinel_")),
            f"{named}:{secret}@" if own else "",
        )

    def of(self, server: Address) -> str:
        """The URL of a server that they watch, in redis-py's form."""
        return _url(self.scheme, self.user, server, self.database, self.options)

    def of_sentinel(self, sentinel: Address) -> str:
        options = "&".join(each for each in self.options.split("&") if each.startswith("ssl_"))
        return _url(self.scheme, self.own_user, sentinel, 0, options)


def is_cluster(url: str) -> bool:
    return url.partition("://")[0] in SCHEMES


def is_sentinel(url: str) -> bool:
    return url.partition("://")[0] in SENTINEL_SCHEMES


def _split(url: str) -> tuple[str, str, str, str, str]:
    """Scheme, user and password with their @, hosts, path, options."""
    scheme, _, rest = url.partition("://")
    place, _, options = rest.partition("#")[0].partition("?")
    servers, _, path = place.partition("/")
    user, at, hosts = servers.rpartition("@")
    return scheme, user + at, hosts, path, options


def _is_odd(user: str) -> bool:
    return "@" in user[:-1] or user.count(":") > 1


def _url(scheme: str, user: str, server: Address, database: int, options: str) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"{scheme}://{user}{host}:{server.port}/{database}{'?' if options else ''}{options}"


def _address(text: str, usual_port: int) -> Address:
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if not parts.hostname:
        raise ValueError("wants HOST or HOST:PORT for each server, with commas between them")
    return Address(parts.hostname, usual_port if port is None else port)

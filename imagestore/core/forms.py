"""The forms that values of settings have: a function reads one, or raises ValueError with what it wants."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from imagestore.core.clusters import ClusterUrl, SentinelUrl, is_cluster, is_sentinel


def integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError(f"wants a whole number from {low} to {high}")
        return number

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        number = float(value)
        if not low <= number <= high:
            raise ValueError(f"wants seconds from {low} to {high}")
        return number

    return parse


def address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ValueError("wants HOST:PORT, such as 127.0.0.1:8000")
    return value


def address_or_off(value: str) -> str:
    return value if value == "off" else address(value)


def region(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]{1,32}", value):
        raise ValueError("wants a name such as us-east-1 or eu-central-1")
    return value


def mongo_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in ("mongodb", "mongodb+srv") or not parts.netloc:
        raise ValueError("wants a URL such as mongodb://db.example.com/?replicaSet=rs0")
    user = parts.netloc.rpartition("@")[0]
    if user.count(":") > 1 or "@" in user:
        raise ValueError("wants the user's name and password percent-encoded")
    return value


def redis_url(value: str) -> str:
    if is_cluster(value):
        ClusterUrl.parse(value)
    elif is_sentinel(value):
        SentinelUrl.parse(value)
    elif value != "none" and _split(value).scheme not in ("redis", "rediss", "unix"):
        raise ValueError(
            "wants a URL such as redis://cache.example.com:6379/0, of a cluster "
            "redis+cluster://one.example.com:6379,two.example.com:6379, by sentinels "
            "redis+sentinel://one.example.com:26379,two.example.com:26379/mymaster, or none"
        )
    return value


def http_url(value: str) -> str:
    parts = _split(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("wants a URL such as https://hooks.example.com/abc")
    return value


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:  # whose words may hold the password
        raise ValueError("wants a URL whose user, password and host are percent-encoded") from None


def choice(*values: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value.lower() not in values:
            raise ValueError(f"wants {', '.join(values[:-1])} or {values[-1]}")
        return value.lower()

    return parse

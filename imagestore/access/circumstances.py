"""Circumstances: what a policy's conditions can ask of a request, made once for each by its door."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, unquote_to_bytes

from imagestore.access.patterns import Values
from imagestore.access.principals import Principal
from imagestore.access.statements import arn_of
from imagestore.core.objects import Attributes

_OF_QUERY = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}
_VERSION_ID = "s3:versionid"
_OF_HEADERS = (
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
)
_TAG = "s3:requestobjecttag/"
TAG_NAMES = "s3:requestobjecttagkeys"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`address` is the client's, `secure` whether it came by TLS. `told` has what the request says for the
    keys of conditions that are S3's own, their names in lower case but for the names of tags."""

    address: str = ""
    secure: bool = False
    referer: str | None = None
    user_agent: str | None = None
    told: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    def with_tags(self, tags: Mapping[str, str]) -> Circumstances:
        """The same, of a request that asks for an object to have these tags."""
        return replace(self, told={**self.told, **_of_tags(tags)})

    def with_list(self, prefix: str | None, limit: int | None) -> Circumstances:
        """The same, of a request for a list; None is what it does not say."""
        said = {_OF_QUERY["prefix"]: prefix, _OF_QUERY["max-keys"]: limit}
        told = {name: (str(value),) for name, value in said.items() if value is not None}
        return replace(self, told={**self.told, **told})

    def with_version(self, version_id: str | None) -> Circumstances:
        """The same, of a request that names this version, or none, whatever its query names."""
        told = {name: values for name, values in self.told.items() if name != _VERSION_ID}
        return replace(self, told=told if version_id is None else {**told, _VERSION_ID: (version_id,)})


Header = Callable[[str], str | None]

NOWHERE = Circumstances()
"""Of what no request asks."""


def read(address: str, secure: bool, header: Header, query: Mapping[str, str] | None = None) -> Circumstances:
    """Of a request. `header` finds a header by its name; `query` is decoded, None where it is not S3's."""
    told: dict[str, tuple[str, ...]] = {}
    if query is not None:
        told = {key: (query[name],) for name, key in _OF_QUERY.items() if name in query}
        if query.get("versionId"):
            told[_VERSION_ID] = (query["versionId"],)
        for name in _OF_HEADERS:
            value = header(name)
            if value is not None:
                told[f"s3:{name}"] = (_source(value) if name == "x-amz-copy-source" else value,)
        tagging = header("x-amz-tagging")
        if tagging:
            told |= _of_tags(dict(parse_qsl(tagging, keep_blank_values=True)))
    return Circumstances(address, secure, header("referer"), header("user-agent"), told)


def values_of(principal: Principal, circumstances: Circumstances, attributes: Attributes | None) -> Values:
    """What a request says for the keys of conditions, its sender and what it is about included."""
    now = datetime.now(UTC)
    told: dict[str, str | None] = {
        "aws:currenttime": now.isoformat(timespec="seconds"),
        "aws:epochtime": str(int(now.timestamp())),
        "aws:securetransport": "true" if circumstances.secure else "false",
        "aws:sourceip": circumstances.address or None,
        "aws:referer": circumstances.referer,
        "aws:useragent": circumstances.user_agent,
        "aws:principaltype": "Anonymous" if principal.is_stranger else "User",
        "aws:userid": principal.access_key or "anonymous",
        "aws:username": principal.access_key,
        "aws:principalaccount": principal.owner or None,
        "aws:principalarn": None if principal.is_stranger else arn_of(principal),
    }
    tags: Mapping[str, str] = attributes.tags if attributes is not None else {}
    return {
        **circumstances.told,
        **{name: (value,) for name, value in told.items() if value is not None},
        **{f"s3:existingobjecttag/{name}": (value,) for name, value in tags.items()},
    }


def _of_tags(tags: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {_TAG + name: (value,) for name, value in tags.items()} | {TAG_NAMES: tuple(tags)}


def _source(header: str) -> str:
    """As bucket/key, which is how AWS compares it: clients may escape it or not, and begin it with `/`."""
    sent = header.partition("?versionId=")[0].encode("latin-1", "replace")
    return unquote_to_bytes(sent).decode("utf-8", "replace").removeprefix("/")

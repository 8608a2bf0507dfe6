"""Aliases: what Redis remembers for a short while of buckets, images, versions and credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from imagestore.cache.tier import Tier
from imagestore.core.image import BlobRef, Bucket, Digest, Facts, Image, Version

log = logging.getLogger(__name__)

T = TypeVar("T")

SHOWN_NUMBERS = 10
"""Versions that one line of the log names."""


class Aliases:
    """Reads and writes aliases as values of ours. `ttl` is how long one is believed, in seconds, and
    `stale_ttl` how much longer where it is asked for since the store cannot be (RFC 5861, section 4).

    Every write to a name calls `forget_…` with the name's new generation, which also keeps a slow reader
    from putting what it read before the write back. Where Redis is not reached for that, workers that do
    reach it may believe the old alias until its `ttl` ends: the write stands, and an error is logged.
    """

    def __init__(self, tier: Tier, ttl: float, stale_ttl: float = 0.0) -> None:
        self._tier = tier
        self._ttl = ttl
        self._stale_ttl = stale_ttl

    def read(
        self, bucket: str, key: str, number: int | None, *, stale: bool = False
    ) -> tuple[Bucket | None, Version | None, Version | None]:
        """What is remembered of the bucket, the newest version and version `number`: one round trip."""
        names = [_bucket_name(bucket), _image_name(bucket, key)]
        if number is not None:
            names.append(_version_name(bucket, key, number))
        aliases = self._tier.read_aliases(names, stale=self._stale_ttl if stale else 0.0)
        found = [json.loads(alias.payload) if alias else None for alias in aliases]
        exact = found[2] if number is not None else None
        return (
            _bucket(bucket, found[0]) if found[0] else None,
            _version(bucket, key, found[1]) if found[1] else None,
            _version(bucket, key, exact) if exact else None,
        )

    def changed_lately(self, bucket: str, key: str, number: int | None) -> bool:
        """Whether Redis was told of a change of the bucket, the image or the version, a short while ago."""
        names = [_bucket_name(bucket), _image_name(bucket, key)]
        if number is not None:
            names.append(_version_name(bucket, key, number))
        return self._tier.are_fenced(names)

    def write_bucket(self, bucket: Bucket) -> None:
        self._write(_bucket_name(bucket.name), bucket.generation, _bucket_payload, bucket)

    def write_image(self, image: Image) -> None:
        self._write(_image_name(image.bucket, image.key), image.generation, _payload, image.version)

    def write_version(self, version: Version) -> None:
        """A version has no generation of its own: only its removal, generation 1, comes after it."""
        self._write(_version_name(version.bucket, version.key, version.number), 0, _payload, version)

    def read_credential(self, access_key: str, *, stale: bool = False) -> dict[str, Any] | None:
        name = _credential_name(access_key)
        alias = self._tier.read_aliases([name], stale=self._stale_ttl if stale else 0.0)[0]
        return json.loads(alias.payload) if alias else None

    def write_credential(self, access_key: str, payload: dict[str, Any]) -> None:
        self._write(_credential_name(access_key), 0, dict, payload)

    def forget_bucket(self, name: str, generation: int) -> None:
        self._forget(f"bucket {name!r}", [(_bucket_name(name), generation)])

    def forget_image(self, bucket: str, key: str, generation: int) -> None:
        self._forget(f"image {key!r} in bucket {bucket!r}", [(_image_name(bucket, key), generation)])

    def forget_version(self, bucket: str, key: str, number: int) -> None:
        self.forget_versions(bucket, key, [number])

    def forget_versions(self, bucket: str, key: str, numbers: Sequence[int]) -> None:
        """Many versions of one image, in few round trips; see `Tier.forget_many`."""
        shown = ", ".join(str(number) for number in numbers[:SHOWN_NUMBERS])
        if len(numbers) > SHOWN_NUMBERS:
            shown += f" and {len(numbers) - SHOWN_NUMBERS} more"
        self._forget(
            f"version {shown} of image {key!r} in bucket {bucket!r}",
            [(_version_name(bucket, key, number), 1) for number in numbers],
        )

    def forget_credential(self, access_key: str) -> None:
        self._forget(f"credential {access_key!r}", [(_credential_name(access_key), 1)])

    def forget_all(self) -> bool:
        """All that is remembered; False when Redis could not be told."""
        return self._tier.forget_all()

    def _forget(self, what: str, written: Sequence[tuple[str, int]]) -> None:
        if not self._tier.forget_many(written) and self._tier.enabled:
            until = (datetime.now(UTC) + timedelta(seconds=self._ttl)).isoformat(timespec="milliseconds")
            log.error(
                "Redis was not told of a change: old knowledge of %s may be believed until %s", what, until
            )

    def _write(self, name: str, generation: int, shape: Callable[[T], dict[str, Any]], value: T) -> None:
        if self._tier.enabled:
            text = json.dumps(shape(value), separators=(",", ":")).encode()
            self._tier.write_alias(name, generation, text, self._ttl)


def _bucket_name(bucket: str) -> str:
    return f"bucket/{bucket}"


def _image_name(bucket: str, key: str) -> str:
    return f"image/{bucket}/{key}"


def _version_name(bucket: str, key: str, number: int) -> str:
    return f"version/{bucket}/{number}/{key}"


def _credential_name(access_key: str) -> str:
    return f"credential/{access_key}"


def _bucket_payload(bucket: Bucket) -> dict[str, Any]:
    return {
        "visibility": bucket.visibility,
        "created": bucket.created.timestamp(),
        "generation": bucket.generation,
    }


def _payload(version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        "id": version.version_id,
        "created": version.created.timestamp(),
        "blob": _fields(version.blob),
        "facts": _fields(version.facts),
    }


def _fields(value: BlobRef | Facts) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies deep what needs no copy, on the way of every miss."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _version(bucket: str, key: str, payload: dict[str, Any]) -> Version:
    blob = payload["blob"]
    return Version(
        bucket=bucket,
        key=key,
        number=payload["number"],
        version_id=payload["id"],
        blob=BlobRef(Digest(blob["digest"]), blob["file_id"], blob["length"], blob["chunk_size"]),
        facts=Facts(**payload["facts"]),
        created=datetime.fromtimestamp(payload["created"], UTC),
    )


def _bucket(name: str, payload: dict[str, Any]) -> Bucket:
    created = datetime.fromtimestamp(payload["created"], UTC)
    return Bucket(name, payload["visibility"], created, payload["generation"])

"""Aliases: what Redis remembers for a short while of buckets, images, versions and credentials."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from imagestore.cache.bulletin import Bulletin
from imagestore.cache.tier import Tier
from imagestore.cache.values import Alias
from imagestore.core.image import Bucket, Image, Version
from imagestore.library.payloads import bucket_payload, read_bucket, read_version, version_payload
from imagestore.library.purgehook import PurgeHook

log = logging.getLogger(__name__)

T = TypeVar("T")

MISSING_SECONDS = 10.0
"""For so long it is remembered that there is no image, unless one is uploaded meanwhile: who makes names up
is not to fill Redis with them."""

_ABSENT = {"absent": True}

_REMOVED = 10**18
"""The generation of what comes after all changes."""

SHOWN_NUMBERS = 10
"""Versions that one line of the log names."""


class Ground(NamedTuple):
    """A name that an answer depends on, with its generation then: None where no alias tells it."""

    name: str
    generation: int | None = None


def gather(*parts: tuple[Ground, ...]) -> tuple[Ground, ...]:
    """All that several findings are grounded on; nothing if one of them does not say it."""
    return tuple(dict.fromkeys(ground for part in parts for ground in part)) if all(parts) else ()


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered under one key: the newest version, the one that was asked for by its number, or that
    there is no image. `generation` is that of the newest, or of its absence."""

    newest: Version | None = None
    exact: Version | None = None
    absent: bool = False
    generation: int = 0

    def version(self, number: int | None) -> Version | None:
        """The version with that number, or the newest for None."""
        if number is None or (self.newest is not None and self.newest.number == number):
            return self.newest
        return self.exact


class Aliases:
    """Reads and writes aliases as values of ours. `ttl` is how long one is believed, in seconds, and
    `stale_ttl` how much longer where it is asked for since the store cannot be (RFC 5861, section 4).

    Every write to a name calls `forget_…` with the name's new generation, which also keeps a slow reader
    from putting what it read before the write back. Where Redis is not reached for that, workers that do
    reach it may believe the old alias until its `ttl` ends: the write stands, and an error is logged. Then
    the answers that workers keep in memory are told, and other nodes: see Bulletin; at last, and later, a
    shared cache: see PurgeHook.
    """

    def __init__(
        self,
        tier: Tier,
        bulletin: Bulletin,
        ttl: float,
        stale_ttl: float = 0.0,
        hook: PurgeHook | None = None,
    ) -> None:
        self._tier = tier
        self._bulletin = bulletin
        self._ttl = ttl
        self._stale_ttl = stale_ttl
        self._hook = hook

    def read(
        self, bucket: str, keys: Sequence[str], number: int | None, *, stale: bool = False
    ) -> tuple[Bucket | None, list[Known]]:
        """What is remembered of the bucket, and of each key: one round trip."""
        names = [_bucket_name(bucket), *(_image_name(bucket, key) for key in keys)]
        if number is not None:
            names += [_version_name(bucket, key, number) for key in keys]
        aliases = self._tier.read_aliases(names, stale=self._stale_ttl if stale else 0.0)
        newest, exact = aliases[1 : 1 + len(keys)], aliases[1 + len(keys) :] or [None] * len(keys)
        known = [_known(bucket, *each) for each in zip(keys, newest, exact, strict=True)]
        return (read_bucket(bucket, json.loads(aliases[0].payload)) if aliases[0] else None), known

    def changed_lately(self, bucket: str, keys: Sequence[str], number: int | None) -> bool:
        """Whether Redis was told of a change of the bucket, an image or its version, a short while ago."""
        names = [_bucket_name(bucket), *(_image_name(bucket, key) for key in keys)]
        if number is not None:
            names += [_version_name(bucket, key, number) for key in keys]
        return self._tier.are_fenced(names)

    def write_bucket(self, bucket: Bucket) -> None:
        self._write(_bucket_name(bucket.name), bucket.generation, bucket_payload, bucket)

    def write_image(self, image: Image) -> None:
        self._write(_image_name(image.bucket, image.key), image.generation, version_payload, image.version)

    def write_absence(self, bucket: str, key: str) -> None:
        """The name never had an image: its generation is 0, so that the first one comes after it."""
        self._write(_image_name(bucket, key), 0, dict, _ABSENT)

    def write_missing(self, bucket: str, key: str, generation: int) -> None:
        """There is no image, and the name's generation is that: for requests that follow within moments."""
        if self._tier.enabled:
            name, payload = _image_name(bucket, key), json.dumps(_ABSENT).encode()
            self._tier.write_brief_alias(name, generation, payload, MISSING_SECONDS)

    def write_version(self, version: Version) -> None:
        """A version's generation is how often it was changed; its removal comes after all of them."""
        name = _version_name(version.bucket, version.key, version.number)
        self._write(name, version.changes, version_payload, version)

    def read_transformation(
        self, bucket: str, name: str, *, stale: bool = False
    ) -> tuple[str, Ground] | None:
        """The text of a named transformation."""
        names = [_transformation_name(bucket, name)]
        alias = self._tier.read_aliases(names, stale=self._stale_ttl if stale else 0.0)[0]
        return (str(json.loads(alias.payload)["text"]), Ground(names[0], alias.generation)) if alias else None

    def write_transformation(self, bucket: str, name: str, generation: int, text: str) -> None:
        self._write(_transformation_name(bucket, name), generation, dict, {"text": text})

    def forget_transformation(self, bucket: str, name: str, generation: int) -> None:
        self._forget(
            f"transformation {name!r} of bucket {bucket!r}",
            [(_transformation_name(bucket, name), generation)],
        )

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
        """Many versions of one image which are gone, in few round trips; see `Tier.forget_many`."""
        self._forget_versions(bucket, key, [(number, _REMOVED) for number in numbers])

    def renew_versions(self, versions: Sequence[Version]) -> None:
        """Versions of one image which stay, as they are now: their aliases come back."""
        if versions:
            first = versions[0]
            changes = [(each.number, each.changes) for each in versions]
            self._forget_versions(first.bucket, first.key, changes)

    def _forget_versions(self, bucket: str, key: str, written: Sequence[tuple[int, int]]) -> None:
        """Numbers with their generations."""
        numbers = [number for number, _ in written]
        shown = ", ".join(str(number) for number in numbers[:SHOWN_NUMBERS])
        if len(numbers) > SHOWN_NUMBERS:
            shown += f" and {len(numbers) - SHOWN_NUMBERS} more"
        self._forget(
            f"version {shown} of image {key!r} in bucket {bucket!r}",
            [(_version_name(bucket, key, number), generation) for number, generation in written],
        )

    def forget_credential(self, access_key: str) -> None:
        self._forget(f"credential {access_key!r}", [(_credential_name(access_key), 1)])

    def forget_all(self) -> bool:
        """All that is remembered; False when Redis could not be told."""
        told = self._tier.forget_all()
        self._bulletin.touch_all()
        if self._hook is not None:
            self._hook.drop_all()
        return told

    def _forget(self, what: str, written: Sequence[tuple[str, int]]) -> None:
        if not self._tier.forget_many(written) and self._tier.enabled:
            until = (datetime.now(UTC) + timedelta(seconds=self._ttl)).isoformat(timespec="milliseconds")
            log.error(
                "Redis was not told of a change: old knowledge of %s may be believed until %s", what, until
            )
        self._bulletin.touch(name for name, _ in written)
        if self._hook is not None:
            self._hook.drop(name for name, _ in written)

    def _write(self, name: str, generation: int, shape: Callable[[T], dict[str, Any]], value: T) -> None:
        if self._tier.enabled:
            text = json.dumps(shape(value), separators=(",", ":")).encode()
            self._tier.write_alias(name, generation, text, self._ttl)


def bucket_ground(bucket: Bucket) -> Ground:
    return Ground(_bucket_name(bucket.name), bucket.generation)


def image_ground(bucket: str, key: str, generation: int | None = None) -> Ground:
    """Of an image of that generation, or of its absence."""
    return Ground(_image_name(bucket, key), generation)


def version_ground(version: Version) -> Ground:
    return Ground(_version_name(version.bucket, version.key, version.number), version.changes)


def transformation_ground(bucket: str, name: str, generation: int) -> Ground:
    return Ground(_transformation_name(bucket, name), generation)


def _known(bucket: str, key: str, newest: Alias | None, exact: Alias | None) -> Known:
    told = json.loads(newest.payload) if newest else None
    absent = told is not None and "absent" in told
    return Known(
        read_version(bucket, key, told) if told and not absent else None,
        read_version(bucket, key, json.loads(exact.payload)) if exact else None,
        absent,
        newest.generation if newest else 0,
    )


def _bucket_name(bucket: str) -> str:
    return f"bucket/{bucket}"


def _image_name(bucket: str, key: str) -> str:
    return f"image/{bucket}/{key}"


def _version_name(bucket: str, key: str, number: int) -> str:
    return f"version/{bucket}/{number}/{key}"


def _transformation_name(bucket: str, name: str) -> str:
    return f"transformation/{bucket}/{name}"


def _credential_name(access_key: str) -> str:
    return f"credential/{access_key}"

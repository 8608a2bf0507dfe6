"""Aliases: what Redis remembers for a short while of buckets, images, versions and credentials."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from imagestore.cache.tier import Tier
from imagestore.core.image import BlobRef, Bucket, Digest, Facts, Image, Version


class Aliases:
    """Reads and writes aliases as values of ours.

    Every write to a name calls `forget_…` with the name's new generation, which also keeps a slow reader
    from putting what it read before the write back.
    """

    def __init__(self, tier: Tier, ttl: float) -> None:
        self._tier = tier
        self._ttl = ttl

    def read(
        self, bucket: str, key: str, number: int | None
    ) -> tuple[Bucket | None, Version | None, Version | None]:
        """What is remembered of the bucket, the newest version and version `number`: one round trip."""
        names = [_bucket_name(bucket), _image_name(bucket, key)]
        if number is not None:
            names.append(_version_name(bucket, key, number))
        found = [json.loads(alias.payload) if alias else None for alias in self._tier.read_aliases(names)]
        exact = found[2] if number is not None else None
        return (
            _bucket(bucket, found[0]) if found[0] else None,
            _version(bucket, key, found[1]) if found[1] else None,
            _version(bucket, key, exact) if exact else None,
        )

    def write_bucket(self, bucket: Bucket) -> None:
        payload = {
            "visibility": bucket.visibility,
            "created": bucket.created.timestamp(),
            "generation": bucket.generation,
        }
        self._write(_bucket_name(bucket.name), bucket.generation, payload)

    def write_image(self, image: Image) -> None:
        self._write(_image_name(image.bucket, image.key), image.generation, _payload(image.version))

    def write_version(self, version: Version) -> None:
        """A version has no generation of its own: only its removal, generation 1, comes after it."""
        self._write(_version_name(version.bucket, version.key, version.number), 0, _payload(version))

    def read_credential(self, access_key: str) -> dict[str, Any] | None:
        alias = self._tier.read_aliases([_credential_name(access_key)])[0]
        return json.loads(alias.payload) if alias else None

    def write_credential(self, access_key: str, payload: dict[str, Any]) -> None:
        self._write(_credential_name(access_key), 0, payload)

    def forget_bucket(self, name: str, generation: int) -> None:
        self._tier.forget(_bucket_name(name), generation)

    def forget_image(self, bucket: str, key: str, generation: int) -> None:
        self._tier.forget(_image_name(bucket, key), generation)

    def forget_version(self, bucket: str, key: str, number: int) -> None:
        self._tier.forget(_version_name(bucket, key, number), 1)

    def forget_credential(self, access_key: str) -> None:
        self._tier.forget(_credential_name(access_key), 1)

    def _write(self, name: str, generation: int, payload: dict[str, Any]) -> None:
        text = json.dumps(payload, separators=(",", ":")).encode()
        self._tier.write_alias(name, generation, text, self._ttl)


def _bucket_name(bucket: str) -> str:
    return f"bucket/{bucket}"


def _image_name(bucket: str, key: str) -> str:
    return f"image/{bucket}/{key}"


def _version_name(bucket: str, key: str, number: int) -> str:
    return f"version/{bucket}/{number}/{key}"


def _credential_name(access_key: str) -> str:
    return f"credential/{access_key}"


def _payload(version: Version) -> dict[str, Any]:
    blob = asdict(version.blob)
    return {
        "number": version.number,
        "id": version.version_id,
        "created": version.created.timestamp(),
        "blob": blob,
        "facts": asdict(version.facts),
    }


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

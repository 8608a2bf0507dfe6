"""Buckets and versions as aliases have them: plain values of JSON, and how they are read back."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from imagestore.core.image import BlobRef, Bucket, Digest, Facts, Version
from imagestore.core.objects import Attributes

_OF_S3 = ("accept", "versioning", "owner", "region", "documents")
_PLAIN = Bucket("", "private", datetime.fromtimestamp(0, UTC))


def bucket_payload(bucket: Bucket) -> dict[str, Any]:
    return {
        "visibility": bucket.visibility,
        "created": bucket.created.timestamp(),
        "generation": bucket.generation,
        "strict": bucket.strict,
        **{name: getattr(bucket, name) for name in _OF_S3 if getattr(bucket, name) != getattr(_PLAIN, name)},
    }


def version_payload(version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        "id": version.version_id,
        "created": version.created.timestamp(),
        "blob": _fields(version.blob),
        "facts": _fields(version.facts),
        "object": {name: value for name, value in _fields(version.object).items() if value},
        **({"unversioned": True} if version.unversioned else {}),
        **({"changes": version.changes} if version.changes else {}),
    }


def _fields(value: BlobRef | Facts | Attributes) -> dict[str, Any]:
    """As `dataclasses.asdict`, which copies deep what needs no copy, on the way of every miss."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def read_version(bucket: str, key: str, payload: dict[str, Any]) -> Version:
    blob, told = payload["blob"], payload.get("object", {})
    sizes = tuple((count, size) for count, size in told.get("sizes", ()))
    return Version(
        bucket=bucket,
        key=key,
        number=payload["number"],
        version_id=payload["id"],
        blob=BlobRef(Digest(blob["digest"]), blob["file_id"], blob["length"], blob["chunk_size"]),
        facts=Facts(**payload["facts"]),
        created=datetime.fromtimestamp(payload["created"], UTC),
        object=Attributes(**told | {"sizes": sizes}),
        unversioned=payload.get("unversioned", False),
        changes=payload.get("changes", 0),
    )


def read_bucket(name: str, payload: dict[str, Any]) -> Bucket:
    created = datetime.fromtimestamp(payload["created"], UTC)
    strict = payload.get("strict", False)
    more = {name: payload[name] for name in _OF_S3 if name in payload}
    return Bucket(name, payload["visibility"], created, payload["generation"], strict, **more)

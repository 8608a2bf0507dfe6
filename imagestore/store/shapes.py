"""Images and versions as documents: how they are written, and how they are read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from imagestore.core.image import BlobRef, Digest, Facts, Image, Labels, Version
from imagestore.store.mongo import Document

TOMBSTONE_AGE = timedelta(days=1)
"""For so long a deleted name keeps its generation."""

_MARGIN = timedelta(hours=1)


class Place(NamedTuple):
    """What there is under a name: its image, or none. Then `absence` is the name's generation, 0 if there
    never was one, and None where it is about to be lost, so that nobody may remember it."""

    image: Image | None
    absence: int | None = None


def label_fields(labels: Labels) -> Document:
    wanted: Document = {}
    if labels.tags is not None:
        wanted["tags"] = list(labels.tags)
    if labels.context is not None:
        wanted["context"] = [list(entry) for entry in labels.context.items()]
    return wanted


def version_document(version: Version) -> Document:
    return {
        "_id": version.version_id,
        "bucket": version.bucket,
        "key": version.key,
        "number": version.number,
        "created": version.created,
        **asdict(version.blob),
        "facts": asdict(version.facts),
    }


def pointer_fields(version: Version) -> Document:
    """What the image's document repeats of its newest version, so that one read answers for both."""
    fields = version_document(version)
    names = ("number", "created", "digest", "file_id", "length", "chunk_size", "facts")
    return {name: fields[name] for name in names} | {"version_id": version.version_id, "live": True}


def read_version(document: Mapping[str, Any], version_id: str | None = None) -> Version:
    return Version(
        bucket=document["bucket"],
        key=document["key"],
        number=document["number"],
        version_id=version_id or document["_id"],
        blob=BlobRef(
            Digest(document["digest"]), document["file_id"], document["length"], document["chunk_size"]
        ),
        facts=Facts(**document["facts"]),
        created=_aware(document["created"]),
    )


def read_image(document: Mapping[str, Any]) -> Image:
    return Image(
        version=read_version(document, document["version_id"]),
        generation=document["generation"],
        tags=tuple(document.get("tags", ())),
        context=dict(document.get("context", ())),
    )


def read_place(document: Mapping[str, Any] | None) -> Place:
    if document is None:
        return Place(None, 0)
    if document["live"]:
        return Place(read_image(document))
    buried = document.get("buried")
    lasts = buried is not None and _aware(buried) > datetime.now(UTC) - TOMBSTONE_AGE + _MARGIN
    return Place(None, document["generation"] if lasts else None)


def _aware(moment: datetime) -> datetime:
    """mongomock gives times back without a zone whatever the client asked for; all stored ones are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

"""Images, versions and delete markers as documents: how they are written, and how they are read back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from imagestore.core.image import BlobRef, Condition, Digest, Facts, Image, Labels, Version
from imagestore.core.objects import Attributes, Marker
from imagestore.store.mongo import Document
from imagestore.store.naming import Present

_OF_BYTES = ("digest", "file_id", "length", "chunk_size", "facts", "object")
_OF_A_POINTER = ("number", "created", *_OF_BYTES)

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
        wanted["context"] = _pairs(labels.context)
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
        "object": object_fields(version.object),
        **({"unversioned": True} if version.unversioned else {}),
    }


def marker_document(marker: Marker) -> Document:
    return {
        "_id": marker.version_id,
        "bucket": marker.bucket,
        "key": marker.key,
        "number": marker.number,
        "created": marker.created,
        "marker": True,
        "owner": marker.owner,
        **({"unversioned": True} if marker.unversioned else {}),
    }


def object_fields(attributes: Attributes) -> Document:
    """What there is of it; as pairs, since a name may hold what the name of a field may not."""
    found: Document = {
        "media_type": attributes.media_type,
        "headers": _pairs(attributes.headers),
        "metadata": _pairs(attributes.metadata),
        "etag": attributes.etag,
        "md5": attributes.md5,
        "checksums": _pairs(attributes.checksums),
        "checksum_type": attributes.checksum_type,
        "sizes": [list(run) for run in attributes.sizes],
        "tags": _pairs(attributes.tags),
        "acl": attributes.acl,
        "owner": attributes.owner,
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def read_attributes(document: Mapping[str, Any]) -> Attributes:
    return Attributes(
        media_type=document.get("media_type"),
        headers=dict(document.get("headers", ())),
        metadata=dict(document.get("metadata", ())),
        etag=document.get("etag"),
        md5=document.get("md5"),
        checksums=dict(document.get("checksums", ())),
        checksum_type=document.get("checksum_type"),
        sizes=tuple((count, size) for count, size in document.get("sizes", ())),
        tags=dict(document.get("tags", ())),
        acl=document.get("acl"),
        owner=document.get("owner"),
    )


def pointer_fields(version: Version) -> Document:
    """What the image's document repeats of its newest version, so that one read answers for both."""
    fields = version_document(version)
    return {
        **{name: fields[name] for name in _OF_A_POINTER},
        "version_id": version.version_id,
        "unversioned": version.unversioned,
        "live": True,
    }


def pointing(entry: Version | Marker | None) -> Document:
    """The change of an image's document that makes this its newest; none makes a tombstone of it.

    Under a delete marker it does not live, and keeps its labels for when the marker is taken away. The
    numbers stay in any case.
    """
    if isinstance(entry, Version):
        return {"$set": pointer_fields(entry), "$unset": {"marker": ""}}
    if entry is None:
        gone = ("version_id", "unversioned", "marker", "tags", "context", *_OF_BYTES)
        return {"$set": {"live": False, "buried": datetime.now(UTC)}, "$unset": dict.fromkeys(gone, "")}
    fields = {"number": entry.number, "created": entry.created, "version_id": entry.version_id}
    told = fields | {"unversioned": entry.unversioned, "marker": True, "live": False}
    return {"$set": told, "$unset": dict.fromkeys(_OF_BYTES, "")}


def condition_filter(condition: Condition, *, living: bool = False) -> Document:
    """The condition as a part of an update's filter, so that it holds at the moment of the write.

    `living`: only what is there is to be changed. Conditions that no image can meet match none.
    """
    states = {True} if living or condition.digests is not None else {False, True}
    if condition.exists is not None:
        states &= {condition.exists}
    wanted: Document = {"live": {"$in": sorted(states)}}
    if condition.digests is not None:
        wanted["digest"] = {"$in": list(condition.digests)}
    return wanted


def read_version(document: Mapping[str, Any], version_id: str | None = None) -> Version:
    return Version(
        bucket=document["bucket"],
        key=document["key"],
        number=document["number"],
        version_id=version_id or document["_id"],
        blob=read_blob(document),
        facts=Facts(**document["facts"]),
        created=_aware(document["created"]),
        object=read_attributes(document.get("object", {})),
        unversioned=document.get("unversioned", False),
        changes=document.get("changes", 0),
    )


def read_entry(document: Mapping[str, Any], version_id: str | None = None) -> Version | Marker:
    """A version or a delete marker, from its own document or from that of its image."""
    if not document.get("marker"):
        return read_version(document, version_id)
    return Marker(
        bucket=document["bucket"],
        key=document["key"],
        number=document["number"],
        version_id=version_id or document["_id"],
        created=_aware(document["created"]),
        unversioned=document.get("unversioned", False),
        owner=document.get("owner"),
    )


def read_blob(document: Mapping[str, Any]) -> BlobRef:
    digest = Digest(document["digest"])
    return BlobRef(digest, document["file_id"], document["length"], document["chunk_size"])


def read_claim(document: Mapping[str, Any]) -> BlobRef:
    digest = Digest(document["_id"])
    return BlobRef(digest, str(document["file_id"]), document["length"], document["chunk_size"])


def read_present(document: Mapping[str, Any] | None) -> Present:
    """With its generation: see `Present`."""
    if document is None:
        return Present(None, 0, generation=0)
    return Present(
        read_image(document) if document["live"] else None,
        document["last_number"],
        hidden=document.get("marker", False),
        vacant=not is_pointing(document),
        generation=document["generation"],
    )


def is_pointing(document: Mapping[str, Any]) -> bool:
    """Whether an image's document points at a version or a delete marker, and is no tombstone."""
    return bool(document["live"] or document.get("marker"))


def read_newest(document: Mapping[str, Any]) -> Version | Marker | None:
    """What an image's document points at; None for a tombstone."""
    return read_entry(document, document["version_id"]) if is_pointing(document) else None


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
    # While a delete marker hides the name, its document is not swept.
    young = buried is not None and _aware(buried) > datetime.now(UTC) - TOMBSTONE_AGE + _MARGIN
    lasts = young or document.get("marker")
    return Place(None, document["generation"] if lasts else None)


def _pairs(values: Mapping[str, str]) -> list[list[str]]:
    return [list(entry) for entry in values.items()]


def _aware(moment: datetime) -> datetime:
    """mongomock gives times back without a zone whatever the client asked for; all stored ones are UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

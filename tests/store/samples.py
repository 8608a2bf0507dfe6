"""Values for tests of what is stored: facts, references and whole versions, told apart by a number."""

from __future__ import annotations

import hashlib
import io
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TypeVar

from bson import ObjectId

from imagestore.core.image import BlobRef, Condition, Digest, Facts, Image, Labels, Version
from imagestore.core.streams import Spool, spool
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents, Naming
from imagestore.store.mongo import Mongo

T = TypeVar("T")
BUCKET = "pictures"


def digest_of(data: bytes) -> Digest:
    return Digest(hashlib.sha256(data).hexdigest())


def blob(number: int = 0) -> BlobRef:
    """A reference to bytes that are nowhere; another number is another digest."""
    return BlobRef(digest_of(b"%d" % number), f"{number:024x}", 1000 + number, 255 * 1024)


def facts(number: int = 0) -> Facts:
    return Facts(1000 + number, 64, 48, "jpeg", frames=2, orientation=6, has_alpha=True, has_gps=True)


def add(
    documents: Documents,
    key: str,
    number: int = 0,
    labels: Labels = Labels(),  # noqa: B008 - a constant
    condition: Condition = Condition(),  # noqa: B008
    bucket: str = BUCKET,
) -> Image:
    """Claimed bytes and a version of them under `key`: what an upload does."""
    claim(documents._mongo, blob(number))
    image = documents.publish(Naming(bucket, key, labels, condition), blob(number), facts(number))
    assert image is not None
    return image


def claim(mongo: Mongo, ref: BlobRef) -> None:
    """Claim a blob, unless it is claimed. What has no claim cannot be published."""
    fields = {"file_id": ObjectId(ref.file_id), "length": ref.length, "chunk_size": ref.chunk_size}
    mongo.collection("claims").update_one(
        {"_id": ref.digest}, {"$setOnInsert": fields | {"claimed": datetime.now(UTC)}}, upsert=True
    )


def add_unpointed(documents: Documents, key: str, ref: BlobRef, bucket: str = BUCKET) -> Version:
    """A version that its image does not point at or beyond: what is left when the image's document is lost
    or damaged.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    newest = documents.list_versions(bucket, key, limit=1)
    number = max(int(now.timestamp()), *(each.number + 1 for each in newest), 0)
    version = Version(bucket, key, number, secrets.token_hex(16), ref, facts(), now)
    fields = {"bucket": bucket, "key": key, "number": number, "created": now, "facts": asdict(version.facts)}
    documents._mongo.collection("versions").insert_one({"_id": version.version_id, **fields, **asdict(ref)})
    return version


def drop_version(documents: Documents, version: Version) -> None:
    """Take a version away by hand, and leave its image as it is."""
    documents._mongo.collection("versions").delete_one({"_id": version.version_id})


def all_at_once(work: Callable[[int], T], count: int) -> list[T | Exception]:
    """What `work(0)` to `work(count - 1)` return or raise, in threads that set off together."""
    gate = threading.Barrier(count)

    def run(number: int) -> T | Exception:
        gate.wait(60)
        try:
            return work(number)
        except Exception as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def keys(images: Iterable[Image]) -> list[str]:
    return [image.key for image in images]


def spooled(data: bytes) -> Spool:
    return spool(io.BytesIO(data), limit=len(data))


def put(blobs: Blobs, data: bytes) -> BlobRef:
    with spooled(data) as taken:
        return blobs.put(taken, "image/png")


def read(blobs: Blobs, ref: BlobRef, start: int = 0, stop: int | None = None) -> bytes:
    with blobs.open(ref) as opened:
        return b"".join(opened.open(start, stop))

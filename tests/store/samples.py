"""Values for tests of what is stored: facts, references and whole versions, told apart by a number."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from imagestore.core.image import BlobRef, Condition, Digest, Facts, Image, Labels
from imagestore.core.streams import Spool, spool
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents

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
    """A new version under `key`, and the name pointed at it: what an upload does."""
    version = documents.add_version(bucket, key, blob(number), facts(number))
    return documents.point(version, labels, condition)


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

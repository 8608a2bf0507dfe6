"""The end of an upload in parts: one pass over its parts, which holds a few chunks at a time."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from imagestore.core.checksums import Checks, Sums, composite
from imagestore.core.errors import (
    BadDigest,
    ImagestoreError,
    StoreUnavailable,
    UnsupportedFormat,
    UploadTooLarge,
)
from imagestore.core.image import Bucket, Facts, Image
from imagestore.core.multipart import Finish, Open, Part
from imagestore.core.objects import OCTETS, Attributes, runs_of
from imagestore.core.streams import HEAD_BYTES
from imagestore.imaging.formats import sniff
from imagestore.library.ingest import Ingest, Room, Upload, whole_attributes
from imagestore.library.repeats import Repeats
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.naming import Naming
from imagestore.store.partwise import Partwise
from imagestore.store.streamed import Streamed
from imagestore.store.uploads import Uploads

STEP_BYTES = 8 * 1024 * 1024
"""About so many bytes are moved between two steps."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What uploads in parts work with."""

    partwise: Partwise
    uploads: Uploads
    documents: Documents
    blobs: Blobs
    ingest: Ingest
    room: Room
    repeats: Repeats


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be done: the parts that make the object, in their order."""

    upload: Open
    finish: Finish
    bucket: Bucket
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return sum(each.size for each in self.parts)


class Completion:
    """Run through `steps`, and `image` is what the upload became.

    What may be a picture is taken in as any upload is, and proven. Anything else moves chunk by chunk from
    the parts into its blob: the digest of the whole is not to be had from its parts, which is why they are
    read. What is in the parts is held to their sums on the way.
    """

    def __init__(self, stock: Stock, task: Task | None, image: Image | None = None) -> None:
        self._stock = stock
        self._image = image
        if task is not None:
            self._task = task
            self._attributes, self._sums = _describe(task)
            self._flaw = self._find_flaw()
            if self._flaw is not None and task.bucket.accept == "images":
                raise self._flaw

    @property
    def image(self) -> Image:
        if self._image is None:
            raise ValueError("the steps of a completion come before its outcome")
        return self._image

    def steps(self) -> Iterator[int]:
        """Do it all, and say now and then how many bytes are done.

        Raises BadDigest, PreconditionFailed, BlobDamaged, UploadNotFound when it ended meanwhile,
        any RejectedImage where only images are taken, and what an upload raises for want of servers.
        """
        if self._image is not None:
            return
        yield 0
        if self._flaw is None:
            self._image = self._take_in()
        else:
            naming, draft = self._naming(), Streamed(self._stock.partwise.mongo, self._media_type())
            try:
                sums = Sums(self._algorithms())
                yield from self._move(draft, sums)
                checksums = self._checks().hold(sums)
                attributes = whole_attributes(self._attributes, sums.md5.hex(), checksums)
                naming = replace(naming, attributes=attributes)
            except BaseException:
                draft.discard()
                raise
            image = self._stock.uploads.keep(naming, draft, Facts.of_no_image(draft.size))
            self._image = self._stock.ingest.announce(image)
        with suppress(StoreUnavailable):  # a sweep takes what is left
            self._stock.partwise.drop_parts(self._task.upload.upload_id)

    def _move(self, draft: Streamed, sums: Sums) -> Iterator[int]:
        told = 0
        for data in self._pieces():
            sums.update(data)
            draft.add(data)
            if draft.size - told >= STEP_BYTES:
                told = draft.size
                yield told
        draft.close()

    def _take_in(self) -> Image:
        task = self._task
        return self._stock.ingest.store(
            Upload(
                task.finish.bucket,
                _Stream(self._pieces()),
                task.finish.key,
                condition=task.finish.condition,
                attributes=self._attributes,
                checks=self._checks(),
                whole=True,
                also=self._stock.partwise.ending(task.upload, self._sums),
            )
        )

    def _naming(self) -> Naming:
        task = self._task
        return Naming(
            task.finish.bucket,
            task.finish.key,
            condition=task.finish.condition,
            unversioned=not task.bucket.keeps_versions,
            renewed=True,
            also=self._stock.partwise.ending(task.upload, self._sums),
        )

    def _pieces(self) -> Iterator[bytes]:
        return chain.from_iterable(self._stock.partwise.read(each) for each in self._task.parts)

    def _media_type(self) -> str:
        return self._attributes.media_type or OCTETS

    def _algorithms(self) -> tuple[str, ...]:
        """Those of the whole that the parts do not tell."""
        if self._attributes.checksum_type == "COMPOSITE":
            return ()
        own = (self._task.upload.algorithm,) if self._task.upload.algorithm else ()
        return tuple(dict.fromkeys((*own, *self._task.finish.checksums)))

    def _checks(self) -> Checks:
        algorithms = self._algorithms()
        wanted = {name: value for name, value in self._task.finish.checksums.items() if name in algorithms}
        return Checks(None, algorithms, lambda: wanted)

    def _find_flaw(self) -> ImagestoreError | None:
        """Why it is no picture, by its size and its head; None if it may be one."""
        if self._task.size > self._stock.room.limit:
            return UploadTooLarge(f"A picture has at most {self._stock.room.limit} bytes.")
        head = b""
        for piece in self._pieces():
            head += piece[:HEAD_BYTES]
            if len(head) >= HEAD_BYTES:
                break
        try:
            sniff(head)
        except UnsupportedFormat as error:
            return error
        return None


class _Stream:
    """Pieces with the face of a file: each read gives one of them, whatever its size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces

    def read(self, size: int, /) -> bytes:
        return next((each for each in self._pieces if each), b"")


def _describe(task: Task) -> tuple[Attributes, bytes]:
    """What the parts tell of the whole, and their checksums one behind the other, where the whole's is made
    of them. Raises BadDigest."""
    md5 = hashlib.md5(b"".join(bytes.fromhex(each.etag) for each in task.parts), usedforsecurity=False)
    upload, count = task.upload, len(task.parts)
    attributes = replace(
        upload.attributes,
        etag=f"{md5.hexdigest()}-{count}",
        sizes=runs_of([each.size for each in task.parts]),
    )
    algorithm = upload.algorithm
    if algorithm is None or upload.checksum_type != "COMPOSITE":
        return attributes, b""
    sums = [b64decode(each.checksums[algorithm]) for each in task.parts]
    whole = composite(algorithm, sums)
    told = task.finish.checksums.get(algorithm, whole)
    if told not in (whole, whole.partition("-")[0]):
        raise BadDigest(f"The parts do not make the {algorithm} that was announced: list them.")
    return replace(attributes, checksums={algorithm: whole}, checksum_type="COMPOSITE"), b"".join(sums)

"""Uploads in parts on real servers: in any order, again, copied, listed, given up, and made one object."""

from __future__ import annotations

import hashlib
import itertools
import random
import resource
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import pytest
from bson import ObjectId
from gridfs import GridFSBucket

from imagestore.core.checksums import Checks, Sums, composite
from imagestore.core.errors import (
    BadDigest,
    BlobDamaged,
    BucketNotFound,
    ImageNotFound,
    ImagestoreError,
    InvalidPart,
    InvalidPartOrder,
    LengthMismatch,
    PartTooSmall,
    PreconditionFailed,
    RejectedImage,
    UploadNotFound,
)
from imagestore.core.image import Condition, Image
from imagestore.core.multipart import LEAST_PART, Finish, Open, Part, Told
from imagestore.core.objects import Attributes
from imagestore.core.telemetry import Timings
from imagestore.library.listing import Wanted
from imagestore.library.objects import Copy
from imagestore.library.upkeep import Kind
from tests import pictures
from tests.library.conftest import BUCKET, House
from tests.library.stored import Stored
from tests.library.test_objects import ANY, Shop, shop_find, terms_of_s3
from tests.store.samples import all_at_once

KEY = "large/object.bin"


class Bench:
    """A shop with uploads in parts."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.multipart = shop.house.services.multipart

    def begin(self, key: str = KEY, **options: Any) -> Open:
        told = Attributes(metadata={"n": "1"}, media_type="x/y")
        return self.multipart.begin(self.shop.name, key, told, **options)

    def put(self, upload: Open, number: int, data: bytes) -> Part:
        return self.multipart.part(upload, number, BytesIO(data), expected=len(data))

    def finish(self, upload: Open, parts: list[Part], **options: Any) -> Image:
        told = tuple(Told(each.number, each.etag) for each in parts)
        finish = Finish(upload.bucket, upload.key, upload.upload_id, told, **options)
        completion = self.multipart.completion(finish)
        for _ in completion.steps():
            pass
        return completion.image

    def rows(self, collection: str) -> int:
        return self.shop.house.services.mongo.collection(collection).count_documents({})


@pytest.fixture
def bench(house: House) -> Bench:
    house.services.catalog.create_bucket(ANY, "public-read", terms=terms_of_s3())
    return Bench(Shop(house))


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


PARTS = [noise(LEAST_PART + 12_345, 1), noise(LEAST_PART, 2), noise(1000, 3)]


def test_parts_in_any_order_and_again_become_one_object(bench: Bench) -> None:
    upload = bench.begin()
    bench.put(upload, 7, noise(10))
    outcomes = all_at_once(lambda at: bench.put(upload, (9, 7, 2)[at], PARTS[(2, 1, 0)[at]]), 3)
    parts = sorted((each for each in outcomes if isinstance(each, Part)), key=lambda each: each.number)
    assert [each.number for each in parts] == [2, 7, 9]
    assert [each.etag for each in parts] == [hashlib.md5(each).hexdigest() for each in PARTS]
    assert bench.multipart.parts(upload) == (parts, False)
    assert bench.multipart.parts(upload, limit=2) == (parts[:2], True)
    assert bench.multipart.parts(upload, after=7) == (parts[2:], False)
    with pytest.raises(ImageNotFound):
        bench.shop.find(KEY)
    image = bench.finish(upload, parts, size=sum(map(len, PARTS)))
    whole = b"".join(PARTS)
    version = image.version
    assert bench.shop.read(KEY) == whole
    assert version == bench.shop.find(KEY)
    assert (version.digest, version.blob.length) == (hashlib.sha256(whole).hexdigest(), len(whole))
    md5 = hashlib.md5(b"".join(hashlib.md5(each).digest() for each in PARTS)).hexdigest()
    assert version.etag == f"{md5}-3"
    assert version.object.md5 == hashlib.md5(whole).hexdigest()
    assert (version.object.metadata, version.object.media_type) == ({"n": "1"}, "x/y")
    starts = [version.object.part_range(number) for number in range(5)]
    assert version.object.part_count == 3
    cuts = [0, len(PARTS[0]), len(PARTS[0]) + len(PARTS[1]), len(whole)]
    assert starts == [None, *itertools.pairwise(cuts), None]
    assert [bench.rows(name) for name in ("parts.files", "parts.chunks")] == [0, 0]
    copied = bench.shop.copy(version, "copy")
    assert (copied.etag, copied.object.sizes) == (hashlib.md5(whole).hexdigest(), ())


def test_any_tool_of_gridfs_reads_the_object_and_a_part(bench: Bench) -> None:
    upload = bench.begin()
    part = bench.put(upload, 1, PARTS[0])
    database = bench.shop.house.services.mongo.database
    with GridFSBucket(database, "parts").open_download_stream(ObjectId(part.file_id)) as file:
        assert file.read() == PARTS[0]
    version = bench.finish(upload, [part]).version
    with GridFSBucket(database, "blobs").open_download_stream(ObjectId(version.blob.file_id)) as file:
        assert file.read() == PARTS[0]


def test_bytes_that_are_kept_already_are_not_kept_twice(bench: Bench) -> None:
    known = bench.shop.put("known", PARTS[0]).version
    upload = bench.begin()
    version = bench.finish(upload, [bench.put(upload, 1, PARTS[0])]).version
    assert version.blob == known.blob
    assert bench.rows("blobs.chunks") == -(-len(PARTS[0]) // known.blob.chunk_size)
    assert version.object.part_count == 1


def test_a_picture_in_parts_is_a_picture(bench: Bench) -> None:
    data = pictures.jpeg(64, 48)
    upload = bench.begin("a.jpg")
    version = bench.finish(upload, [bench.put(upload, 1, data)]).version
    assert (version.facts.format, version.facts.width) == ("jpeg", 64)
    assert version.etag == f"{hashlib.md5(hashlib.md5(data).digest()).hexdigest()}-1"
    assert shop_find(bench.shop, "a.jpg").version == version
    images = Bench(Shop(bench.shop.house, BUCKET))
    for bad in (b"no picture", data[:200]):
        upload = images.begin()
        parts = [images.put(upload, 1, bad)]
        with pytest.raises(RejectedImage):
            images.finish(upload, parts)
        assert images.multipart.parts(upload) == (parts, False)


def test_what_does_not_fit_is_told_before_any_byte_moves(bench: Bench) -> None:
    upload = bench.begin()
    small, large = bench.put(upload, 1, b"small"), bench.put(upload, 2, PARTS[1])

    def told(*parts: Told, **options: Any) -> None:
        finish = Finish(upload.bucket, upload.key, upload.upload_id, parts, **options)
        bench.multipart.completion(finish)

    one, two = Told(1, small.etag), Told(2, large.etag)
    wrong: list[tuple[type[ImagestoreError], tuple[Told, ...], dict[str, Any]]] = [
        (InvalidPart, (), {}),
        (InvalidPart, (Told(1, large.etag),), {}),
        (InvalidPart, (one, Told(3, small.etag)), {}),
        (InvalidPart, (Told(1, small.etag, {"crc32": "AAAAAA=="}),), {}),
        (InvalidPartOrder, (two, one), {}),
        (InvalidPartOrder, (two, two), {}),
        (PartTooSmall, (one, two), {}),
        (LengthMismatch, (one,), {"size": 6}),
        (ImageNotFound, (one,), {"condition": Condition(etags=("x",))}),
    ]
    for error, parts, options in wrong:
        with pytest.raises(error):
            told(*parts, **options)
    with pytest.raises(UploadNotFound):
        bench.multipart.completion(Finish(upload.bucket, "other", upload.upload_id, (one,)))
    told(two)
    bench.shop.put(KEY, b"there")
    with pytest.raises(PreconditionFailed):
        told(two, condition=Condition(exists=False))
    assert bench.shop.read(KEY) == b"there"


def test_a_condition_holds_at_the_end_of_the_pass(bench: Bench) -> None:
    upload = bench.begin()
    part = bench.put(upload, 1, PARTS[0])
    finish = Finish(
        upload.bucket, KEY, upload.upload_id, (Told(1, part.etag),), condition=Condition(exists=False)
    )
    completion = bench.multipart.completion(finish)
    steps = completion.steps()
    next(steps)
    bench.shop.put(KEY, b"meanwhile")
    with pytest.raises(PreconditionFailed):
        list(steps)
    assert bench.shop.read(KEY) == b"meanwhile"
    assert bench.multipart.find(ANY, KEY, upload.upload_id) == upload
    assert bench.rows("blobs.chunks") == 1


def test_the_end_of_an_upload_may_be_asked_for_again(bench: Bench) -> None:
    upload = bench.begin()
    parts = [bench.put(upload, 1, PARTS[0])]
    version = bench.finish(upload, parts).version
    assert bench.finish(upload, parts).version == version
    with pytest.raises(UploadNotFound):
        bench.multipart.find(ANY, KEY, upload.upload_id)
    with pytest.raises(UploadNotFound):
        bench.put(upload, 2, b"late")
    with pytest.raises(UploadNotFound):
        bench.multipart.give_up(upload)
    assert bench.rows("parts.chunks") == 0
    bench.shop.delete(KEY)
    with pytest.raises(UploadNotFound):
        bench.finish(upload, parts)


@pytest.mark.parametrize("size", [100, LEAST_PART])
def test_of_many_ends_at_once_one_makes_the_object(bench: Bench, size: int) -> None:
    bench.shop.set("enabled")
    upload = bench.begin()
    parts = [bench.put(upload, 1, PARTS[0][:size])]
    outcomes = all_at_once(lambda _: bench.finish(upload, parts), 4)
    made = {each.version.version_id for each in outcomes if isinstance(each, Image)}
    assert len(made) == 1
    assert {type(each) for each in outcomes} <= {Image, UploadNotFound, BlobDamaged}
    assert bench.shop.ids(KEY) == [*made]


def test_what_was_given_up_is_gone(bench: Bench) -> None:
    upload = bench.begin()
    parts = [bench.put(upload, 1, PARTS[0])]
    bench.multipart.give_up(upload)
    with pytest.raises(UploadNotFound):
        bench.finish(upload, parts)
    with pytest.raises(UploadNotFound):
        bench.multipart.give_up(upload)
    with pytest.raises(UploadNotFound):
        bench.put(upload, 2, b"late")
    assert [bench.rows(name) for name in ("uploads", "parts.files", "parts.chunks")] == [0, 0, 0]
    with pytest.raises(BucketNotFound):
        bench.multipart.begin("nowhere", KEY, Attributes())


def test_a_part_that_is_wrong_or_breaks_off_leaves_the_one_before(bench: Bench) -> None:
    upload = bench.begin()
    before = bench.put(upload, 1, b"before")

    class Broken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise BadDigest("a chunk has the wrong signature")

    with pytest.raises(BadDigest):
        bench.multipart.part(upload, 1, Broken())
    with pytest.raises(BadDigest):
        bench.multipart.part(upload, 1, BytesIO(b"other"), checks=Checks(md5=b"x" * 16))
    with pytest.raises(LengthMismatch):
        bench.multipart.part(upload, 1, BytesIO(b"other"), expected=6)
    assert bench.multipart.parts(upload) == ([before], False)
    assert bench.rows("parts.chunks") == 1


def test_parts_are_copied_from_ranges_of_other_objects(bench: Bench) -> None:
    source = bench.shop.put("source", PARTS[0]).version
    upload = bench.begin()
    first = bench.multipart.copy_part(upload, 1, source, 0, len(PARTS[0]))
    second = bench.multipart.copy_part(upload, 2, source, 5, 500_005)
    assert bench.finish(upload, [first, second]).version.blob.length == len(PARTS[0]) + 500_000
    assert bench.shop.read(KEY) == PARTS[0] + PARTS[0][5:500_005]


def test_checksums_of_parts_make_that_of_the_whole(bench: Bench) -> None:
    upload = bench.begin(algorithm="sha256", checksum_type="COMPOSITE")
    parts = [bench.put(upload, at + 1, data) for at, data in enumerate(PARTS)]
    sums = [hashlib.sha256(each).digest() for each in PARTS]
    assert [b64decode(each.checksums["sha256"]) for each in parts] == sums
    whole = composite("sha256", sums)
    with pytest.raises(BadDigest):
        bench.finish(upload, parts, checksums={"sha256": "AAAA"})
    version = bench.finish(upload, parts, checksums={"sha256": whole}).version
    assert version.object.checksums == {"sha256": whole}
    assert version.object.checksum_type == "COMPOSITE"
    told = bench.shop.house.services.objects.part_checksums(version)
    assert told == [{"sha256": b64encode(each).decode()} for each in sums]
    assert bench.shop.copy(version, "copy").object.checksums == {}


@pytest.mark.parametrize("data", [PARTS[0], pictures.jpeg(64, 48)])
def test_a_checksum_of_the_whole_is_held(bench: Bench, data: bytes) -> None:
    sums = Sums(["crc64nvme"])
    sums.update(data)
    upload = bench.begin(algorithm="crc64nvme", checksum_type="FULL_OBJECT")
    parts = [bench.put(upload, 1, data)]
    with pytest.raises(BadDigest):
        bench.finish(upload, parts, checksums={"crc64nvme": "AAAAAAAAAAA="})
    version = bench.finish(upload, parts, checksums=sums.all()).version
    assert (version.object.checksums, version.object.checksum_type) == (sums.all(), "FULL_OBJECT")
    assert bench.shop.house.services.objects.part_checksums(version) == []


def test_a_part_that_was_damaged_is_not_made_part_of_anything(bench: Bench) -> None:
    upload = bench.begin()
    parts = [bench.put(upload, 1, PARTS[0])]
    chunks = bench.shop.house.services.mongo.collection("parts.chunks")
    chunks.update_one({"n": 3}, {"$set": {"data": b"x"}})
    with pytest.raises(BlobDamaged):
        bench.finish(upload, parts)
    chunks.delete_one({"n": 3})
    with pytest.raises(BlobDamaged):
        bench.finish(upload, parts)
    assert bench.rows("blobs.chunks") == 0


def test_open_uploads_are_listed_in_order(bench: Bench) -> None:
    made = [bench.begin(key) for key in ("b", "a/1", "a/2", "b", "c")]
    bench.finish(made[4], [bench.put(made[4], 1, b"x")])
    order = [made[1], made[2], made[0], made[3]]
    for limit in (1, 2, 3, 4):
        found, after, after_id = [], "", ""
        while True:
            page = bench.multipart.uploads(ANY, Wanted(after=after, after_id=after_id, limit=limit))
            found += page.entries
            after, after_id = page.next, page.next_id
            if not page.truncated:
                break
        assert [each.upload_id for each in found] == [each.upload_id for each in order]
    assert bench.multipart.uploads(ANY, Wanted(delimiter="/")).entries[0] == "a/"
    [first, second] = bench.multipart.uploads(ANY, Wanted("a/")).entries
    assert [first.key, second.key] == ["a/1", "a/2"]


def test_a_bucket_of_the_same_name_has_no_uploads_of_the_old_one(bench: Bench) -> None:
    upload = bench.begin()
    catalog = bench.shop.house.services.catalog
    catalog.delete_bucket(ANY)
    catalog.create_bucket(ANY, "private")
    with pytest.raises(UploadNotFound):
        bench.multipart.find(ANY, KEY, upload.upload_id)


def test_upkeep_takes_what_belongs_to_nothing_that_is_open(bench: Bench) -> None:
    mongo = bench.shop.house.services.mongo
    mongo.ensure_indexes()
    stored, uploads = Stored(mongo), mongo.collection("uploads")
    upload, other = bench.begin(), bench.begin()
    part, lone = bench.put(upload, 1, PARTS[0]), bench.put(other, 7, PARTS[0])
    chunk = {"files_id": ObjectId("0" * 24), "n": 0, "data": b"x"}
    mongo.collection("parts.chunks").insert_one(chunk | {"_id": ObjectId("0" * 24)})
    mongo.collection("parts.chunks").insert_one({"files_id": ObjectId("1" * 24), "n": 0, "data": b"x"})
    uploads.delete_one({"_id": other.upload_id})
    hour = timedelta(hours=1)
    assert stored.kinds(grace=hour) == {Kind.PART_ORPHANED: 1, Kind.PART_CHUNKS_ORPHANED: 1}
    assert stored.gc(grace=hour, dry_run=True).planned.counts == {"part": 1, "part_chunks": 1}
    swept = stored.gc(grace=hour)
    assert (swept.taken.counts, swept.taken.size, swept.kept) == ({"part": 1, "part_chunks": 1}, lone.size, 0)
    assert bench.multipart.parts(upload) == ([part], False)
    assert stored.gc().taken.counts == {"part_chunks": 1}
    assert stored.kinds() == {}
    uploads.update_one({"_id": upload.upload_id}, {"$set": {"begun": datetime.now(UTC) - timedelta(days=8)}})
    assert stored.gc().taken.counts == {"upload": 1, "part": 1}
    assert [bench.rows(name) for name in ("uploads", "parts.files", "parts.chunks")] == [0, 0, 0]


def test_an_upload_that_has_ended_is_remembered_and_its_parts_are_waste(bench: Bench) -> None:
    mongo = bench.shop.house.services.mongo
    mongo.ensure_indexes()
    stored, upload = Stored(mongo), bench.begin()
    bench.put(upload, 1, PARTS[0])
    mongo.collection("uploads").update_one({"_id": upload.upload_id}, {"$set": {"done": "x"}})
    assert stored.gc().taken.counts == {"part": 1}
    assert bench.rows("uploads") == 1


class Zeros:
    """So many bytes that nobody holds."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return bytes(size)


@pytest.mark.long
def test_an_object_of_two_gibibytes_takes_little_memory(bench: Bench) -> None:
    upload = bench.begin()
    bench.put(upload, 1, PARTS[0])  # what any upload takes is taken
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = 64 * 1024 * 1024
    parts = [bench.multipart.part(upload, number, Zeros(size)) for number in range(1, 33)]
    version = bench.finish(upload, parts).version
    assert version.blob.length == 32 * size
    opened, _ = bench.shop.house.services.fetch.open(version.blob, partial=False, timings=Timings())
    with opened:
        assert sum(map(len, opened.open())) == 32 * size
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"grew by {grown / 1024:.1f} MiB")
    assert grown < 48 * 1024


def test_the_copy_of_an_object_in_parts_goes_on_without_it(bench: Bench) -> None:
    upload = bench.begin()
    version = bench.finish(upload, [bench.put(upload, 1, b"some bytes")]).version
    copy = bench.shop.house.services.objects.copy(version, Copy(ANY, "copy", Attributes()))
    bench.shop.delete(KEY)
    assert bench.shop.read("copy") == b"some bytes"
    assert copy.version.blob == version.blob

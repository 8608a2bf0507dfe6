"""Bytes in: kept once, named under conditions, and nothing kept of what is refused or fails midway."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from imagestore.core.errors import (
    BucketNotFound,
    CorruptImage,
    EmptyUpload,
    ImageLimitExceeded,
    ImageNotFound,
    InvalidKey,
    LengthMismatch,
    PreconditionFailed,
    StoreUnavailable,
    UnsupportedFormat,
    UploadTooLarge,
)
from imagestore.core.image import Condition, Facts, Image, check_key
from imagestore.core.streams import SPOOL_MEMORY
from imagestore.embedded import Server
from imagestore.imaging.proof import Proof
from imagestore.library.ingest import Upload
from imagestore.store.uploads import Uploads
from tests import pictures
from tests.library.conftest import BUCKET, House, picture
from tests.store.commands import Commands, failing
from tests.store.samples import all_at_once, digest_of

NOBODY, SOMEBODY = Condition(exists=False), Condition(exists=True)
LARGE = pictures.png(800, 600, noise=True)
"""Larger than what is spooled in memory."""


def holdings(house: House) -> dict[str, int]:
    """How many documents each collection has."""
    database = house.services.mongo.database
    counts = {name: database[name].count_documents({}) for name in database.list_collection_names()}
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize("data", [picture(), LARGE], ids=["small", "large"])
def test_what_goes_in_comes_out(house: House, tmp_path: Path, data: bytes) -> None:
    image = house.put("a/b.jpg", data, tags=("t",), context={"c": "d"}, expected=len(data))
    assert (image.key, image.tags, image.context) == ("a/b.jpg", ("t",), {"c": "d"})
    assert image.version.digest == digest_of(data)
    assert image.version.facts.bytes == image.version.blob.length == len(data)
    assert house.services.catalog.image(BUCKET, "a/b.jpg") == image
    assert house.get("a/b.jpg") == data
    assert list((tmp_path / "spool").iterdir()) == []
    assert (len(data) > SPOOL_MEMORY) is (data == LARGE)


def test_an_upload_without_a_key_gets_one(house: House) -> None:
    first, second = house.put(None, picture()), house.put(None, picture())
    assert first.key != second.key == check_key(second.key)


def test_the_same_bytes_again_change_nothing(house: House) -> None:
    first = house.put("a", picture(), tags=("t",))
    before = holdings(house)
    assert house.put("a", picture()) == first
    assert holdings(house) == before
    assert house.services.catalog.image(BUCKET, "a") == first


def test_the_same_bytes_again_may_bring_labels(house: House) -> None:
    first = house.put("a", picture(), tags=("t",), context={"c": "d"})
    second = house.put("a", picture(), tags=("u",))
    assert second.version == first.version
    assert (second.tags, second.context, second.generation) == (("u",), {"c": "d"}, first.generation + 1)
    assert house.services.catalog.image(BUCKET, "a") == second


def test_other_bytes_are_a_new_version(house: House) -> None:
    first = house.put("a", picture(1), tags=("t",))
    second = house.put("a", picture(2))
    assert second.version.number > first.version.number
    assert (second.tags, house.get("a")) == (("t",), picture(2))
    assert house.get("a", first.version.number) == picture(1)


def test_the_same_bytes_under_other_names_share_a_blob(house: House) -> None:
    house.services.catalog.create_bucket("elsewhere", "private")
    refs = {
        house.put(key, picture(), bucket=bucket).version.blob
        for key in "ab"
        for bucket in (BUCKET, "elsewhere")
    }
    assert len(refs) == 1
    assert holdings(house)["blobs.files"] == 1


@pytest.mark.parametrize(
    ("there", "condition", "passes"),
    [
        (False, NOBODY, True),
        (False, SOMEBODY, False),
        (False, Condition(digests=(digest_of(picture(1)),)), False),
        (True, NOBODY, False),
        (True, SOMEBODY, True),
        (True, Condition(digests=(digest_of(picture(1)),)), True),
        (True, Condition(digests=(digest_of(picture(2)),)), False),
    ],
)
@pytest.mark.parametrize("seed", [1, 2], ids=["same bytes", "other bytes"])
def test_a_condition_decides(
    house: House, there: bool, condition: Condition, passes: bool, seed: int
) -> None:
    if there:
        house.put("a", picture(1))
    before = holdings(house)
    if passes:
        assert house.put("a", picture(seed), condition=condition).version.digest == digest_of(picture(seed))
    else:
        with pytest.raises(PreconditionFailed):
            house.put("a", picture(seed), condition=condition)
        assert holdings(house) == before


REFUSALS: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"data": pictures.html()}, UnsupportedFormat),
    ({"data": pictures.svg()}, UnsupportedFormat),
    ({"data": pictures.html_with_png_head()}, CorruptImage),
    ({"data": pictures.truncated(picture())}, CorruptImage),
    ({"data": pictures.truncated(LARGE)}, CorruptImage),
    ({"data": pictures.bomb_pixels("png")}, ImageLimitExceeded),
    ({"data": b""}, EmptyUpload),
    ({"data": LARGE + bytes(1024 * 1024)}, UploadTooLarge),
    ({"expected": 1}, LengthMismatch),
    ({"expected": 10**9}, UploadTooLarge),
    ({"key": "../a"}, InvalidKey),
    ({"key": ""}, InvalidKey),
    ({"bucket": "nowhere"}, BucketNotFound),
]


@pytest.mark.parametrize(("wrong", "error"), REFUSALS)
def test_of_what_is_refused_nothing_is_kept(
    open_house: Callable[..., House], tmp_path: Path, wrong: dict[str, Any], error: type[Exception]
) -> None:
    house = open_house(upload_bytes=len(LARGE))
    house.services.mongo.ensure_indexes()
    house.services.catalog.create_bucket(BUCKET, "private")
    with pytest.raises(error):
        house.put(**{"key": "a", "data": picture(), **wrong})
    assert holdings(house) == {"buckets": 1}
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_client_that_goes_away_leaves_nothing(house: House, tmp_path: Path) -> None:
    class Leaving(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if not data:
                raise ConnectionResetError
            return data

    with pytest.raises(ConnectionResetError):
        house.services.ingest.store(Upload(BUCKET, Leaving(LARGE), "a"))
    assert holdings(house) == {"buckets": 1}
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize("command", ["insert", "findAndModify"])
@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_whatever_step_fails_the_name_is_as_it_was_and_a_retry_is_good(
    mongo: Server, house: House, command: str, skip: int
) -> None:
    before = house.put("a", picture(1))
    failed = False
    with failing(mongo, [command], mode={"skip": skip}, errorCode=2):
        try:
            house.put("a", picture(2))
        except StoreUnavailable:
            failed = True
    assert failed or skip > 0
    image = house.services.catalog.image(BUCKET, "a")
    assert image == before if failed else image.version.digest == digest_of(picture(2))
    assert house.put("a", picture(2)).version.digest == digest_of(picture(2))
    assert house.get("a") == picture(2)
    assert house.get("a", before.version.number) == picture(1)


MIDWAY: list[dict[str, Any]] = [
    {"commands": ["insert"], "collection": "versions"},
    {"commands": ["findAndModify"], "collection": "images"},
    {"commands": ["insert"], "collection": "claims"},
    {"commands": ["insert"], "collection": "blobs.files"},
    {"commands": ["insert"], "collection": "blobs.chunks"},
    {"commands": ["commitTransaction"]},
]


@pytest.mark.parametrize("there", [False, True], ids=["new key", "known key"])
@pytest.mark.parametrize("fault", MIDWAY, ids=lambda fault: fault.get("collection", "commit"))
def test_a_version_is_seen_once_it_is_its_images_newest_and_a_retry_makes_no_second(
    mongo: Server, indexed_database: str, house: House, fault: dict[str, Any], there: bool
) -> None:
    fault = dict(fault)
    if collection := fault.pop("collection", None):
        fault["namespace"] = f"{indexed_database}.{collection}"
    documents = house.services.ingest._documents
    before = [house.put("a", picture(1)).version] if there else []
    image = documents.find_image(BUCKET, "a")
    with failing(mongo, fault.pop("commands"), errorCode=2, **fault), pytest.raises(StoreUnavailable):
        house.put("a", picture(2))
    assert holdings(house).get("versions", 0) == len(before)
    assert documents.list_versions(BUCKET, "a") == before
    assert documents.find_image(BUCKET, "a") == image
    made = house.put("a", picture(2))
    assert documents.list_versions(BUCKET, "a") == [made.version, *before]
    assert documents.find_version(BUCKET, "a", made.version.number) == made.version
    assert holdings(house)["blobs.files"] == 1 + len(before)


def test_the_same_bytes_many_times_at_once_are_one_version(house: House) -> None:
    images = all_at_once(lambda _: house.put("a", picture()), 20)
    assert all(isinstance(image, Image) for image in images), images
    [version] = house.services.catalog.list_versions(BUCKET, "a")
    assert {image.version for image in images} == {version}
    assert house.services.catalog.image(BUCKET, "a").version == version


def test_of_many_pictures_at_once_under_one_key_one_wins_and_all_are_versions(house: House) -> None:
    images = all_at_once(lambda seed: house.put("a", picture(seed)), 12)
    assert all(isinstance(image, Image) for image in images), images
    winner = max(images, key=lambda image: image.version.number)
    assert house.services.catalog.image(BUCKET, "a").version == winner.version
    listed = house.services.catalog.list_versions(BUCKET, "a")
    assert {version.digest for version in listed} == {digest_of(picture(seed)) for seed in range(12)}


# A bucket that goes meanwhile


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Lets something happen when the next upload has found its bucket and not yet written."""

    def let(act: Callable[[], object]) -> None:
        store = Uploads.store

        def acting(*arguments: Any) -> Image:
            act()
            return store(*arguments)

        monkeypatch.setattr(Uploads, "store", acting)

    return let


def test_an_upload_into_a_bucket_that_was_deleted_meanwhile_is_refused(
    house: House, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    catalog = house.services.catalog
    meanwhile(lambda: catalog.delete_bucket(BUCKET))
    with pytest.raises(BucketNotFound):
        house.put("a", picture())
    catalog.create_bucket(BUCKET, "private")
    assert catalog.list_images(BUCKET) == []
    with pytest.raises(ImageNotFound):
        catalog.list_versions(BUCKET, "a")


def test_an_upload_that_meets_a_bucket_half_deleted_takes_nothing_along(
    house: House, meanwhile: Callable[[Callable[[], object]], None]
) -> None:
    first = house.put("a", picture(1))
    # What delete_bucket does for a moment before it finds the image.
    registry = house.services.ingest._registry
    meanwhile(lambda: registry.set_live(BUCKET, False))
    with pytest.raises(BucketNotFound):
        house.put("a", picture(2))
    registry.set_live(BUCKET, True)
    assert house.services.catalog.image(BUCKET, "a").version == first.version
    assert house.services.catalog.list_versions(BUCKET, "a") == [first.version]


# Restoring


def test_an_older_version_is_restored_as_a_new_one(house: House) -> None:
    first = house.put("a", picture(1), tags=("t",)).version
    second = house.put("a", picture(2)).version
    restored = house.services.ingest.restore(first, Condition())
    assert (restored.version.blob, restored.version.facts) == (first.blob, first.facts)
    assert restored.version.number > second.number
    assert (restored.tags, house.get("a")) == (("t",), picture(1))
    assert len(house.services.catalog.list_versions(BUCKET, "a")) == 3


def test_a_restoration_whose_condition_fails_leaves_no_version(house: House) -> None:
    first = house.put("a", picture(1)).version
    house.put("a", picture(2))
    before = holdings(house)
    with pytest.raises(PreconditionFailed):
        house.services.ingest.restore(first, Condition(digests=(first.digest,)))
    assert holdings(house) == before
    assert house.get("a") == picture(2)


# Proof beside the write


def test_bytes_that_are_kept_already_need_no_decoder(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.put("a", picture())
    monkeypatch.setattr(house.services.decoders, "prove", lambda *_, **__: pytest.fail("it was asked"))
    again = house.put("b", picture())
    assert (again.version.facts, again.version.blob) == (first.version.facts, first.version.blob)


def test_a_refused_picture_leaves_nothing_though_it_was_written_meanwhile(house: House) -> None:
    cut = LARGE[: len(LARGE) // 2]
    before = holdings(house)
    for _ in range(2):
        with pytest.raises(CorruptImage):
            house.put("a", cut)
        assert holdings(house) == before


def test_a_proof_that_takes_long_is_waited_for_outside_of_the_transaction(
    house: House, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_meanwhile: list[bool] = []

    def slow(proof: Proof, within: float | None = None) -> Facts | None:
        if within is not None and not open_meanwhile:
            return None
        if within is None:
            ended = [next(iter(each)) for each in commands.sent]
            open_meanwhile.append("abortTransaction" not in ended)
        return facts(proof, within)

    facts = Proof.facts
    monkeypatch.setattr(Proof, "facts", slow)
    commands.clear()
    image = house.put("a", picture())
    assert open_meanwhile
    assert not any(open_meanwhile)
    assert house.get("a") == picture()
    assert house.services.catalog.list_versions(BUCKET, "a") == [image.version]

"""A worker dies after its change was carried out and before a cache was told; who asks again changes nothing,
and afterwards every worker sees what there is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import pytest

from imagestore.core.errors import (
    CredentialNotFound,
    ImageNotFound,
    TransformationNotFound,
    Unauthenticated,
    VersionNotFound,
)
from imagestore.core.image import Image
from imagestore.core.multipart import Finish, Told
from imagestore.library.aliases import Aliases
from tests.library.conftest import BUCKET, House, picture
from tests.library.test_multipart import Bench
from tests.library.test_objects import ANY, Shop, shop_find, terms_of_s3


class WorkerDied(Exception):
    pass


@pytest.fixture
def twice(
    open_house: Callable[..., House], house: House, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[House], object]], None]:
    """Carries a change out in a worker that dies before it tells the caches, and asks for it once more."""

    def die(*_: object) -> None:
        raise WorkerDied

    def run(change: Callable[[House], object]) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Aliases, "_forget", die)
            with pytest.raises(WorkerDied):
                change(open_house())
        with contextlib.suppress(ImageNotFound, VersionNotFound, CredentialNotFound, TransformationNotFound):
            change(open_house())

    return run


def known(house: House) -> Image:
    image = house.put("a", picture(1))
    house.find("a")
    assert house.find("a").remembered
    return image


def test_an_upload(house: House, twice) -> None:
    known(house)
    twice(lambda worker: worker.put("a", picture(2)))
    assert house.get("a") == picture(2)


def test_a_deletion(house: House, twice) -> None:
    known(house)
    twice(lambda worker: worker.delete("a"))
    with pytest.raises(ImageNotFound):
        house.find("a")


def test_a_deletion_of_a_version(house: House, twice) -> None:
    first, second = known(house), house.put("a", picture(2))
    house.find("a", first.version.number)
    assert house.find("a", first.version.number).remembered
    twice(lambda worker: worker.services.catalog.delete_version(BUCKET, "a", first.version.number))
    assert house.find("a", first.version.number).version == second.version
    third = house.put("a", picture(3))
    house.find("a")
    twice(lambda worker: worker.services.catalog.delete_version(BUCKET, "a", third.version.number))
    assert house.get("a") == picture(2)


def test_a_deletion_by_s3(house: House, twice) -> None:
    bucket = house.services.catalog.create_bucket(ANY, "public-read", terms=terms_of_s3())
    shop = Shop(house)
    shop.put("a", picture(1))
    shop_find(shop, "a")
    assert shop_find(shop, "a").remembered
    twice(lambda worker: worker.services.objects.delete(bucket, "a"))
    with pytest.raises(ImageNotFound):
        shop_find(shop, "a")


def test_the_end_of_an_upload_in_parts(house: House, twice) -> None:
    house.services.catalog.create_bucket(ANY, "public-read", terms=terms_of_s3())
    shop = Shop(house)
    shop.put("a", picture(1))
    shop_find(shop, "a")
    bench = Bench(shop)
    upload = bench.begin("a")
    part = bench.put(upload, 1, picture(2))

    def end(worker: House) -> None:
        finish = Finish(ANY, "a", upload.upload_id, (Told(1, part.etag),))
        completion = worker.services.multipart.completion(finish)
        for _ in completion.steps():
            pass

    twice(end)
    found = shop_find(shop, "a").version
    assert house.open(found.blob)[0] == picture(2)


def test_a_revocation(house: House, twice) -> None:
    keyring = house.services.keyring
    issued = keyring.issue(["read"], None, "")
    for _ in range(2):
        keyring.identify(issued.record.access_key, issued.secret)
    twice(lambda worker: worker.services.keyring.revoke(issued.record.access_key))
    with pytest.raises(Unauthenticated):
        keyring.identify(issued.record.access_key, issued.secret)


def test_a_named_transformation_taken_away(house: House, twice) -> None:
    named = house.services.transformations
    named.put(BUCKET, "small", "w_10")
    named.look_up(BUCKET, "small")
    twice(lambda worker: worker.services.transformations.drop(BUCKET, "small"))
    with pytest.raises(TransformationNotFound):
        named.look_up(BUCKET, "small")

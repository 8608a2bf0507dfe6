"""Backup and restore of what S3 keeps: delete markers, null versions, attributes, buckets' texts."""

from __future__ import annotations

from io import BytesIO

import pytest

from imagestore.core.image import Condition, Facts, Terms
from imagestore.core.objects import Attributes, Marker
from imagestore.core.streams import spool
from imagestore.library.upkeep import Depth
from imagestore.store.naming import Naming
from imagestore.store.objects import Objects
from imagestore.store.registry import Registry
from tests.library.archives import state
from tests.library.stored import Stored
from tests.store.samples import BUCKET, put

TOLD = Attributes("text/html", {"expires": "0"}, {"a.b": "$c"}, "0" * 32, tags={"k": "v"}, owner="KEY")


def fill(stored: Stored) -> None:
    registry, objects = Registry(stored.mongo), Objects(stored.mongo, stored.documents)
    registry.add_bucket(BUCKET, "private", terms=Terms("any", "suspended", "KEY", "eu-west-1"))
    registry.set_document(BUCKET, "policy", '{"a.b": "$c"}')
    for key, unversioned in (("hidden", False), ("hidden", True), ("plain", True), ("empty", True)):
        data = b"" if key == "empty" else f"{key}{unversioned}".encode()
        naming = Naming(BUCKET, key, attributes=TOLD, unversioned=unversioned)
        ref = put_any(stored, data)
        assert stored.documents.publish(naming, ref, Facts.of_no_image(len(data))) is not None
    for key, versioning in (("hidden", "enabled"), ("never", "suspended")):
        assert objects.delete(BUCKET, key, versioning, owner="KEY", condition=Condition()) is not None


def put_any(stored: Stored, data: bytes):
    if data:
        return put(stored.blobs, data)
    with spool(BytesIO(data), limit=0, empty=True) as taken:
        return stored.blobs.put(taken, "text/plain")


def empty(stored: Stored) -> None:
    for name in stored.mongo.database.list_collection_names():
        stored.collection(name).delete_many({})


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_all_of_it_comes_back(stored: Stored, archives, form: str) -> None:
    fill(stored)
    before = state(stored)
    assert len(before["versions"]) == 6
    assert not archives(form).backup(stored).lost.counts
    empty(stored)
    report = archives(form).restore(stored)
    assert not report.problems.counts
    assert state(stored) == before
    assert stored.kinds(Depth.BYTES) == {}
    assert not stored.gc().taken.counts
    objects = Objects(stored.mongo, stored.documents)
    assert isinstance(objects.find(BUCKET, "hidden")[1], Marker)
    assert objects.find(BUCKET, "plain")[1].object == TOLD


def test_what_the_store_has_in_the_place_of_a_null_version_stays(stored: Stored, archives) -> None:
    fill(stored)
    archives("folder").backup(stored)
    naming = Naming(BUCKET, "plain", attributes=TOLD, unversioned=True)
    newer = stored.documents.publish(naming, put(stored.blobs, b"newer"), Facts.of_no_image(5))
    archives("folder").restore(stored)
    rows = list(stored.collection("versions").find({"key": "plain"}))
    assert [each["_id"] for each in rows] == [newer.version.version_id]
    assert stored.documents.find_image(BUCKET, "plain").version == newer.version

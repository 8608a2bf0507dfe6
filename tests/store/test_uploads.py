"""Uploads: what they ask of the database, and what they do when their name changes under them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from imagestore.core.errors import PreconditionFailed
from imagestore.core.image import Condition, Image, Labels
from imagestore.core.streams import spool
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.drafts import CHUNK_SIZE
from imagestore.store.mongo import Mongo
from imagestore.store.naming import Naming, Survey
from imagestore.store.objects import Objects
from imagestore.store.registry import Registry
from imagestore.store.uploads import Uploads
from tests.store.commands import Commands
from tests.store.samples import BUCKET, add, digest_of, facts, read

DATA = b"the bytes of a picture"
KEY = "a"


@pytest.fixture
def documents(store: Mongo) -> Documents:
    return Documents(store)


@pytest.fixture
def uploads(store: Mongo, blobs: Blobs, documents: Documents) -> Uploads:
    Registry(store).add_bucket(BUCKET, "private")
    return Uploads(store, blobs, documents)


def put(uploads: Uploads, naming: Naming, survey: Survey, data: bytes = DATA) -> Image:
    with spool(BytesIO(data), limit=len(data)) as spooled:
        return uploads.store(naming, spooled, "image/png", lambda _: facts(), survey)


def asked(commands: Commands) -> list[tuple[str, object]]:
    """What was sent, in order: the command and its collection."""
    first = [next(iter(each.items())) for each in commands.sent]
    return [(name, subject if isinstance(subject, str) else None) for name, subject in first]


def test_one_look_tells_all_that_is_there(uploads: Uploads, documents: Documents, commands: Commands) -> None:
    nothing = documents.survey(BUCKET, KEY, digest_of(DATA))
    assert nothing.bucket is not None
    assert (nothing.present.image, nothing.present.generation) == (None, 0)
    assert (nothing.blob, nothing.facts) == (None, None)
    image = put(uploads, Naming(BUCKET, KEY, Labels(("t",))), nothing)
    commands.clear()
    all_of_it = documents.survey(BUCKET, KEY, digest_of(DATA))
    assert asked(commands) == [("aggregate", "buckets")]
    assert (all_of_it.present.image, all_of_it.present.generation) == (image, image.generation)
    assert (all_of_it.blob, all_of_it.facts) == (image.version.blob, image.version.facts)
    elsewhere = documents.survey("nowhere", "b", digest_of(DATA))
    assert (elsewhere.bucket, elsewhere.present.image, elsewhere.blob) == (None, None, image.version.blob)


OF_A_NEW_NAME = [
    ("insert", "claims"),
    ("insert", "blobs.files"),
    ("insert", "versions"),
    ("findAndModify", "images"),
    ("commitTransaction", None),
]


@pytest.mark.parametrize("unversioned", [False, True])
@pytest.mark.parametrize("chunks", [1, 3])
def test_new_bytes_under_a_new_name_take_few_commands(
    uploads: Uploads, documents: Documents, commands: Commands, chunks: int, unversioned: bool
) -> None:
    data = bytes(CHUNK_SIZE * chunks)
    survey = documents.survey(BUCKET, KEY, digest_of(data))
    commands.clear()
    image = put(uploads, Naming(BUCKET, KEY, unversioned=unversioned), survey, data)
    within, ahead = ("insert", "blobs.chunks"), [("insert", "blobs.chunks")]
    if chunks > 1:
        within = ("update", "blobs.chunks")
    wanted = [*(ahead if chunks > 1 else ()), *OF_A_NEW_NAME[:1], within, *OF_A_NEW_NAME[1:]]
    assert asked(commands) == wanted
    assert read(uploads._blobs, image.version.blob) == data


def overwritten(documents: Documents, objects: Objects) -> None:
    add(documents, KEY, 2)


def labelled(documents: Documents, objects: Objects) -> None:
    documents.set_labels(BUCKET, KEY, Labels(("other",)), Condition())


def deleted(documents: Documents, objects: Objects) -> None:
    documents.bury(BUCKET, KEY, Condition())


def hidden(documents: Documents, objects: Objects) -> None:
    objects.delete(BUCKET, KEY, "enabled", owner=None, condition=Condition())


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("change", [overwritten, labelled, deleted, hidden])
def test_a_name_that_changes_after_the_look_is_looked_at_again(
    store: Mongo,
    uploads: Uploads,
    documents: Documents,
    commands: Commands,
    there: bool,
    change: Callable[[Documents, Objects], None],
) -> None:
    if there:
        add(documents, KEY, 1)
    survey = documents.survey(BUCKET, KEY, digest_of(DATA))
    change(documents, Objects(store, documents))
    before = documents.find_place(BUCKET, KEY)
    commands.clear()
    image = put(uploads, Naming(BUCKET, KEY), survey)
    assert documents.find_image(BUCKET, KEY) == image
    newest, *older = documents.list_versions(BUCKET, KEY)
    assert newest == image.version
    assert all(each.number < newest.number for each in older)
    if before.image is not None:
        assert image.generation == before.image.generation + 1
        assert before.image.version in older
        assert image.tags == before.image.tags
    files: Any = store.collection("blobs.files")
    assert files.count_documents({}) == 1
    assert read(uploads._blobs, image.version.blob) == DATA


def test_a_condition_holds_when_the_name_comes_after_the_look(
    store: Mongo, uploads: Uploads, documents: Documents
) -> None:
    survey = documents.survey(BUCKET, KEY, digest_of(DATA))
    first = add(documents, KEY, 1)
    with pytest.raises(PreconditionFailed):
        put(uploads, Naming(BUCKET, KEY, condition=Condition(exists=False)), survey)
    assert documents.find_image(BUCKET, KEY) == first
    assert store.collection("blobs.files").count_documents({}) == 0


def test_what_has_no_versions_is_replaced_also_after_an_old_look(
    uploads: Uploads, documents: Documents
) -> None:
    survey = documents.survey(BUCKET, KEY, digest_of(DATA))
    naming = Naming(BUCKET, KEY, unversioned=True)
    with spool(BytesIO(b"others"), limit=100) as spooled:
        other = documents.survey(BUCKET, KEY, spooled.digest)
        first = uploads.store(naming, spooled, "image/png", lambda _: facts(), other)
    image = put(uploads, naming, survey)
    assert image.replaced == (first.version.number,)
    assert documents.list_versions(BUCKET, KEY) == [image.version]

"""Objects as S3 has them: found by key and version id, deleted with markers, tagged in place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import WriteContention
from imagestore.core.image import Bucket, Condition, Image, Version, Versioning
from imagestore.core.objects import NULL_ID, Marker, make_version_id
from imagestore.store.documents import Documents
from imagestore.store.mongo import Document, Mongo
from imagestore.store.names import look_up_entry, take_unversioned
from imagestore.store.naming import Naming
from imagestore.store.shapes import is_pointing, marker_document, pointing, read_entry, read_version

TRIES = 20


@dataclass(frozen=True, slots=True)
class Removal:
    """What a deletion did to a name.

    `marker` is the delete marker that it made, `gone` what it took away, `numbers` are those of all versions
    that URLs name no more.
    """

    generation: int
    marker: Marker | None = None
    gone: tuple[Version | Marker, ...] = ()
    numbers: tuple[int, ...] = ()


class Objects:
    """Beside `Documents`, on the same documents. All raise StoreUnavailable."""

    def __init__(self, mongo: Mongo, documents: Documents) -> None:
        self._mongo = mongo
        self._documents = documents
        self._images = mongo.collection("images")
        self._versions = mongo.collection("versions")

    def find(
        self, bucket: str, key: str, version_id: str | None = None
    ) -> tuple[Bucket | None, Version | Marker | None]:
        """The bucket, and the newest of what the key names or what S3 shows under the id: one round trip."""
        with self._mongo.reading():
            return look_up_entry(self._mongo.database, bucket, key, version_id)

    def delete(
        self, bucket: str, key: str, versioning: Versioning, *, owner: str | None, condition: Condition
    ) -> Removal | None:
        """Delete what the key names, as its bucket's versioning has it; None where nothing was to be done.

        Without versions the name goes; else a delete marker becomes its newest, in place of the unversioned
        version while that is suspended. Raises PreconditionFailed, and WriteContention.
        """

        def remove(session: ClientSession) -> Removal | None:
            naming = Naming(bucket, key, condition=condition, unversioned=versioning != "enabled")
            present = self._documents.look(naming, session)
            name = {"bucket": bucket, "key": key}
            if versioning == "off":
                if present.image is None and not present.hidden:
                    return None
                found = [read_entry(each) for each in self._versions.find(name, session=session)]
                self._versions.delete_many(name, session=session)
                return self._finish(name, pointing(None), session, gone=tuple(found))
            taken = naming.unversioned and take_unversioned(self._versions, bucket, key, session)
            rest = self._versions.find(name | {"marker": None}, {"number": 1}, session=session)
            numbers = [each["number"] for each in rest]
            marker = _marker(naming, present.last_number + 1, owner)
            self._versions.insert_one(marker_document(marker), session=session)
            change = pointing(marker) | {"$max": {"last_number": marker.number}}
            return self._finish(
                name, change, session, gone=(taken,) if taken else (), marker=marker, numbers=tuple(numbers)
            )

        for _ in range(TRIES):
            try:
                return self._mongo.transact(remove, DuplicateKeyError, turns=[(bucket, key)])
            except DuplicateKeyError:
                continue  # another made the name or took the number first
        raise WriteContention("Too many writers on one key at once: try again.")

    def delete_version(self, bucket: str, key: str, version_id: str, condition: Condition) -> Removal | None:
        """Take away what S3 shows under the id, for good; None if there is no such thing.

        Raises PreconditionFailed.
        """
        name: Document = {"bucket": bucket, "key": key}

        def remove(session: ClientSession) -> Removal | None:
            document = self._versions.find_one(name | _shown_as(version_id), session=session)
            if document is None:
                return None
            entry = read_entry(document)
            if isinstance(entry, Version):
                condition.check(Image(entry, 0))
            self._versions.delete_one({"_id": entry.version_id}, session=session)
            image = self._images.find_one(name, session=session)
            if image is None or not is_pointing(image) or image["number"] != entry.number:
                return self._finish(name, {}, session, gone=(entry,))
            below = self._versions.find_one(
                name | {"number": {"$lt": entry.number}}, sort=[("number", DESCENDING)], session=session
            )
            change = pointing(read_entry(below) if below is not None else None)
            return self._finish(name, change, session, gone=(entry,))

        return self._mongo.transact(remove, turns=[(bucket, key)])

    def set_fields(
        self, bucket: str, key: str, version_id: str | None, fields: Document
    ) -> tuple[Version, int] | None:
        """Change attributes of one version where it is, of the newest by default.

        Returns it and its image's generation; None where there is no such version, or a delete marker.
        """
        name: Document = {"bucket": bucket, "key": key}
        wanted: Document = {
            kind: {
                f"object.{field}": value for field, value in fields.items() if (value in (None, [])) == gone
            }
            for kind, gone in (("$set", False), ("$unset", True))
        }
        change = {kind: values for kind, values in wanted.items() if values}

        def write(session: ClientSession) -> tuple[Version, int] | None:
            image = self._images.find_one(name, session=session)
            if version_id is None:
                found = {"_id": image["version_id"]} if image is not None and image["live"] else None
            else:
                found = _shown_as(version_id) | {"marker": None}
            if found is None or image is None:
                return None
            after = self._versions.find_one_and_update(
                name | found, change | {"$inc": {"changes": 1}}, return_document=True, session=session
            )
            if after is None:
                return None
            newest = change if image["live"] and image["version_id"] == after["_id"] else {}
            self._images.update_one(name, newest | {"$inc": {"generation": 1}}, session=session)
            return read_version(after), image["generation"] + 1

        return self._mongo.transact(write, turns=[(bucket, key)])

    def part_sums(self, version_id: str) -> bytes:
        """The checksums of the parts that a version was uploaded in, one behind the other."""
        with self._mongo.reading():
            found = self._versions.find_one({"_id": version_id}, {"part_sums": 1})
        return bytes(found.get("part_sums", b"")) if found else b""

    def _finish(
        self,
        name: Document,
        change: Document,
        session: ClientSession,
        *,
        gone: tuple[Version | Marker, ...] = (),
        marker: Marker | None = None,
        numbers: tuple[int, ...] = (),
    ) -> Removal:
        """The image's document changes with its versions: of two that change them one has to look again."""
        after = self._images.find_one_and_update(
            name,
            change | {"$inc": {"generation": 1}},
            upsert=marker is not None,
            return_document=True,
            session=session,
        )
        generation = int(after["generation"]) if after is not None else 0
        return Removal(generation, marker, gone, numbers + tuple(each.number for each in gone))


def _shown_as(version_id: str) -> Document:
    return {"unversioned": True} if version_id == NULL_ID else {"_id": version_id, "unversioned": None}


def _marker(naming: Naming, least: int, owner: str | None) -> Marker:
    now = datetime.now(UTC).replace(microsecond=0)
    number = max(int(now.timestamp()), least)
    made = make_version_id(number)
    return Marker(naming.bucket, naming.key, number, made, now, naming.unversioned, owner)

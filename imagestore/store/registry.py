"""The documents of buckets and credentials: who owns what, and who may come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import BucketExists
from imagestore.core.image import Accept, Bucket, Terms, Versioning, Visibility
from imagestore.store.mongo import Document, Mongo

REST_TERMS = Terms()


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A credential as it is kept: everything but its secret, which is derived from the server key.

    `owner` is the account that it belongs to; without one it is an account of its own.
    """

    access_key: str
    scopes: tuple[str, ...]
    buckets: tuple[str, ...] | None
    description: str
    created: datetime
    owner: str = ""

    def __post_init__(self) -> None:
        if not self.owner:
            object.__setattr__(self, "owner", self.access_key)


class Registry:
    """Buckets by name, credentials by access key. Both are `_id`, so both are unique."""

    def __init__(self, mongo: Mongo) -> None:
        self._mongo = mongo
        self._buckets = mongo.collection("buckets")
        self._credentials = mongo.collection("credentials")

    def add_bucket(
        self, name: str, visibility: Visibility, *, strict: bool = False, terms: Terms = REST_TERMS
    ) -> Bucket:
        """Raises BucketExists. The generation of a name that was used before goes on from where it was."""
        now = datetime.now(UTC)
        made = now.replace(microsecond=0)
        fields = {"live": True, "visibility": visibility, "created": made, "strict": strict} | asdict(terms)
        try:
            with self._mongo.writing(DuplicateKeyError):
                document = self._buckets.find_one_and_update(
                    {"_id": name, "live": False},
                    {"$set": fields, "$unset": {"documents": ""}, "$inc": {"generation": 1}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        except DuplicateKeyError:
            raise BucketExists(
                f"There is a bucket {name!r} already: use it, or choose another name."
            ) from None
        assert document is not None  # an upsert has something to return
        if (
            document["generation"] > 1
        ):  # what was begun in a bucket that had the name before is not this one's
            with self._mongo.writing():
                self._mongo.collection("uploads").delete_many({"bucket": name, "begun": {"$lt": now}})
        return read_bucket(document)

    def find_bucket(self, name: str) -> Bucket | None:
        with self._mongo.reading():
            document = self._buckets.find_one({"_id": name, "live": True})
        return read_bucket(document) if document else None

    def list_buckets(self) -> list[Bucket]:
        with self._mongo.reading():
            return [read_bucket(each) for each in self._buckets.find({"live": True}).sort("_id", ASCENDING)]

    def change_bucket(
        self,
        name: str,
        *,
        visibility: Visibility | None = None,
        strict: bool | None = None,
        accept: Accept | None = None,
        versioning: Versioning | None = None,
    ) -> Bucket | None:
        """What is None stays as it is."""
        given = {"visibility": visibility, "strict": strict, "accept": accept, "versioning": versioning}
        fields = {field: value for field, value in given.items() if value is not None}
        with self._mongo.writing():
            document = self._buckets.find_one_and_update(
                {"_id": name, "live": True},
                {"$set": fields, "$inc": {"generation": 1}} if fields else {"$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return read_bucket(document) if document else None

    def set_document(self, name: str, kind: str, text: str | None) -> Bucket | None:
        """Give the bucket a text of that kind, or take it away; None if there is no such bucket."""
        field = f"documents.{kind}"
        change = {"$unset": {field: ""}} if text is None else {"$set": {field: text}}
        with self._mongo.writing():
            document = self._buckets.find_one_and_update(
                {"_id": name, "live": True},
                change | {"$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return read_bucket(document) if document else None

    def set_live(self, name: str, live: bool) -> int | None:
        """Take the name away or give it back; return its generation, None if it was not the other way."""
        with self._mongo.writing():
            document = self._buckets.find_one_and_update(
                {"_id": name, "live": not live},
                {"$set": {"live": live}, "$inc": {"generation": 1}},
                return_document=ReturnDocument.AFTER,
            )
        return int(document["generation"]) if document else None

    def add_credential(self, record: CredentialRecord) -> None:
        with self._mongo.writing():
            self._credentials.insert_one(
                {
                    "_id": record.access_key,
                    "scopes": list(record.scopes),
                    "buckets": list(record.buckets) if record.buckets is not None else None,
                    "description": record.description,
                    "created": record.created,
                    "owner": record.owner,
                }
            )

    def find_credential(self, access_key: str) -> CredentialRecord | None:
        with self._mongo.reading():
            document = self._credentials.find_one({"_id": access_key})
        return _credential(document) if document else None

    def list_credentials(self) -> list[CredentialRecord]:
        with self._mongo.reading():
            return [_credential(each) for each in self._credentials.find().sort("created", ASCENDING)]

    def list_owners(self) -> list[str]:
        """Every account that has a credential, once."""
        with self._mongo.reading():
            found = self._credentials.aggregate([{"$group": {"_id": {"$ifNull": ["$owner", "$_id"]}}}])
            return [each["_id"] for each in found]

    def drop_credential(self, access_key: str) -> bool:
        with self._mongo.writing():
            return self._credentials.delete_one({"_id": access_key}).deleted_count == 1


def read_bucket(document: Document) -> Bucket:
    return Bucket(
        name=document["_id"],
        visibility=document["visibility"],
        created=document["created"],
        generation=document["generation"],
        strict=document.get("strict", False),
        accept=document.get("accept", "images"),
        versioning=document.get("versioning", "enabled"),
        owner=document.get("owner"),
        region=document.get("region"),
        documents=dict(document.get("documents", ())),
    )


def _credential(document: Mapping[str, Any]) -> CredentialRecord:
    return CredentialRecord(
        access_key=document["_id"],
        scopes=tuple(document["scopes"]),
        buckets=tuple(document["buckets"]) if document["buckets"] is not None else None,
        description=document["description"],
        created=document["created"],
        owner=document.get("owner", ""),
    )

"""Buckets of many keys, made directly in the database: by S3 a million of them would take an hour."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from itertools import islice
from typing import Any

import pymongo
from bson import ObjectId

BATCH = 10_000


def multiply(mongo_url: str, bucket: str, keys: Iterable[str]) -> None:
    """Give the bucket's one object these names as well."""
    with pymongo.MongoClient(mongo_url) as client:
        database = client["imagestore"]
        image = database["images"].find_one({"bucket": bucket})
        version = database["versions"].find_one({"bucket": bucket})
        assert image is not None
        assert version is not None
        left = iter(keys)
        while names := list(islice(left, BATCH)):
            pairs = [(name, secrets.token_hex(17)) for name in names]
            database["versions"].insert_many(
                [version | {"_id": version_id, "key": name} for name, version_id in pairs], ordered=False
            )
            database["images"].insert_many([_image(image, *pair) for pair in pairs], ordered=False)


def _image(image: dict[str, Any], name: str, version_id: str) -> dict[str, Any]:
    return image | {"_id": ObjectId(), "key": name, "version_id": version_id}

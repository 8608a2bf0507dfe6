"""A database of the service that one test after the other finds empty, with its indexes built once."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.database import Database

from imagestore.store.mongo import Mongo

NAME = "test_kept"
Shape = dict[str, Any]


class KeptDatabase:
    """To build all indexes takes longer than most tests do: documents go after a test, and indexes stay.

    A test may do to it what it likes. What collections it made besides go with it; if one of the service's
    has other options or indexes afterwards, all of it is dropped, and made anew for the next test.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._shape: Shape = {}

    def ready(self) -> str:
        """Its name, after making it where it is not there."""
        if not self._shape:
            made = Mongo(self._url, NAME, write_timeout=60, read_timeout=60)
            made.ensure_indexes()
            self._shape = shape_of(made.database)
            made.close()
        return NAME

    def clear(self) -> None:
        with MongoClient[dict[str, Any]](self._url) as client:
            database = client[NAME]
            left = shape_of(database)
            if {name: left[name] for name in self._shape if name in left} != self._shape:
                client.drop_database(NAME)
                self._shape = {}
                return
            for name in left:
                if name in self._shape:
                    database[name].delete_many({})
                else:
                    database.drop_collection(name)


def shape_of(database: Database[dict[str, Any]]) -> Shape:
    """Each collection with its options and indexes."""
    return {
        each["name"]: (each["options"], database[each["name"]].index_information())
        for each in database.list_collections()
    }

"""Listings held to a plain model of them, on a real MongoDB; and what they cost it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from imagestore.core.image import Condition, Image, Version
from imagestore.core.objects import Marker, make_version_id
from imagestore.library.listing import Listed, Listing, Page, Wanted
from imagestore.store.documents import Documents
from imagestore.store.listings import Listings, Place
from imagestore.store.mongo import Mongo
from imagestore.store.objects import Objects
from imagestore.store.shapes import marker_document, pointing, version_document
from tests.library.stored import Stored
from tests.store.samples import BUCKET, blob, facts

MOMENT = datetime(2024, 5, 1, tzinfo=UTC)
FIRST = 1_700_000_000
ODD = [
    "a/",
    "a//b",
    "/",
    "//",
    "a",
    "a\0b",
    "a\nb",
    "é/ü",
    "\U0001f600/x",
    "\ue000/x",
    "\uffff",
    "zz/" + "y" * 900,
]


def write(mongo: Mongo, history: dict[str, Sequence[bool]], bucket: str = BUCKET) -> None:
    """Keys with their versions, oldest first, True for each version and False for each delete marker."""
    versions: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for key, kinds in history.items():
        for at, kind in enumerate(kinds):
            number = FIRST + at
            made = make_version_id(number)
            entry: Version | Marker = Marker(bucket, key, number, made, MOMENT)
            if kind:
                entry = Version(bucket, key, number, made, blob(at), facts(at), MOMENT)
                versions.append(version_document(entry))
            else:
                versions.append(marker_document(entry))
        pointer = pointing(entry)["$set"] if kinds else {"live": False}
        images.append({"bucket": bucket, "key": key, "generation": 1, "last_number": FIRST + 99} | pointer)
    if versions:
        mongo.collection("versions").insert_many(versions)
    mongo.collection("images").insert_many(images)


@pytest.fixture
def listing(stored: Stored) -> Listing:
    return Listing(Listings(stored.mongo))


def model(keys: Sequence[str], wanted: Wanted) -> list[str]:
    """All that is listed, by name, whatever the limit."""
    found: dict[str, None] = {}
    for key in sorted(keys, key=str.encode):
        if key.startswith(wanted.prefix):
            found[wanted.roll(key) or key] = None
    return [each for each in found if each.encode() > wanted.after.encode()]


def names(page: Page[Any]) -> list[str]:
    return [each if isinstance(each, str) else each.key for each in page.entries]


def all_pages(look: Callable[[Wanted], Page[Any]], wanted: Wanted) -> list[Any]:
    """Page after page, each of which is full but the last."""
    found: list[Any] = []
    while True:
        page = look(wanted)
        found += page.entries
        if not page.truncated:
            assert (page.next, page.next_id) == ("", "")
            return found
        assert len(page.entries) == wanted.limit
        wanted = replace(wanted, after=page.next, after_id=page.next_id)


@pytest.mark.parametrize("seed", range(4))
def test_a_listing_is_what_the_model_says(stored: Stored, listing: Listing, seed: int) -> None:
    chance = random.Random(seed)
    keys = ODD + list({"".join(chance.choices("ab/-é", k=chance.randint(1, 6))) for _ in range(250)} - {*ODD})
    write(stored.mongo, {each: [True] for each in keys})
    write(stored.mongo, {f"gone{each}": [] for each in keys})
    write(stored.mongo, {f"hidden/{each}": [True, False] for each in keys})
    write(stored.mongo, {each: [True] for each in keys}, "elsewhere")
    prefixes = ["", "a", "a/", "b-", "é", "no such", "\U0010ffff", "/"]
    for delimiter in ("", "/", "b", "/a", "é"):
        for prefix in prefixes:
            wanted = Wanted(prefix, delimiter, limit=chance.choice([1, 2, 3, 7, 50, 1000]))
            told = [
                each if isinstance(each, str) else each.key
                for each in all_pages(lambda each: listing.objects(BUCKET, each), wanted)
            ]
            assert told == model(keys, wanted)
            after = chance.choice([*keys, "", "a/", "b/b", "zzz"])
            begun = replace(wanted, after=wanted.roll(after) or after)
            assert names(listing.objects(BUCKET, replace(begun, limit=1000))) == model(keys, begun)


def test_a_page_is_truncated_only_if_there_is_more(stored: Stored, listing: Listing) -> None:
    write(stored.mongo, {key: [True] for key in ("a/1", "a/2", "b", "c/1", "c/2")})
    for limit, entries, truncated in (
        (3, ["a/", "b", "c/"], False),
        (2, ["a/", "b"], True),
        (1, ["a/"], True),
    ):
        page = listing.objects(BUCKET, Wanted(delimiter="/", limit=limit))
        assert (names(page), page.truncated) == (entries, truncated)
        assert page.next == (entries[-1] if truncated else "")
    assert listing.objects(BUCKET, Wanted(limit=0)) == Page([])
    page = listing.objects(BUCKET, Wanted(delimiter="/", after="a/1"))
    assert names(page) == ["b", "c/"]


def versions_of(history: dict[str, Sequence[bool]]) -> list[tuple[str, int, bool, bool]]:
    return [
        (key, FIRST + at, kinds[at], at == len(kinds) - 1)
        for key, kinds in sorted(history.items())
        for at in reversed(range(len(kinds)))
    ]


def told_of(entries: list[Any]) -> list[tuple[str, int, bool, bool]]:
    assert all(isinstance(each, Listed) for each in entries)
    return [
        (each.version.key, each.version.number, isinstance(each.version, Version), each.latest)
        for each in entries
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_versions_come_newest_first_key_after_key(stored: Stored, listing: Listing, limit: int) -> None:
    chance = random.Random(5)
    history = {
        f"k{each:02}": [chance.random() < 0.7 for _ in range(chance.randint(1, 6))] for each in range(20)
    }
    write(stored.mongo, history)
    found = all_pages(lambda wanted: listing.versions(BUCKET, wanted), Wanted(limit=limit))
    assert told_of(found) == versions_of(history)
    some = [each for each in versions_of(history) if each[0].startswith("k1")]
    found = all_pages(lambda wanted: listing.versions(BUCKET, wanted), Wanted("k1", limit=limit))
    assert told_of(found) == some
    found = all_pages(lambda wanted: listing.versions(BUCKET, wanted), Wanted(delimiter="1", limit=limit))
    assert [each for each in found if isinstance(each, str)] == ["k01", "k1"]
    assert told_of([each for each in found if not isinstance(each, str)]) == [
        each for each in versions_of(history) if "1" not in each[0]
    ]


def test_a_listing_of_versions_goes_on_where_its_marker_was_deleted(stored: Stored, listing: Listing) -> None:
    write(stored.mongo, {"a": [True] * 5, "b": [True]})
    page = listing.versions(BUCKET, Wanted(limit=2))
    objects = Objects(stored.mongo, Documents(stored.mongo))
    assert objects.delete_version(BUCKET, "a", page.next_id, Condition()) is not None
    rest = listing.versions(BUCKET, Wanted(after=page.next, after_id=page.next_id))
    assert told_of(rest.entries) == versions_of({"a": [True] * 5, "b": [True]})[2:]


def test_the_null_version_and_ids_of_old_are_markers_too(stored: Stored, listing: Listing) -> None:
    write(stored.mongo, {"a": [True] * 3})
    rows = stored.mongo.collection("versions")
    middle = rows.find_one({"number": FIRST + 1})
    assert middle is not None
    rows.delete_one({"_id": middle["_id"]})
    rows.insert_one(middle | {"_id": "0" * 32})
    for shown in ("0" * 32, "null"):
        rest = listing.versions(BUCKET, Wanted(after="a", after_id=shown))
        assert told_of(rest.entries) == [("a", FIRST, True, False)]
        rows.update_one({"_id": "0" * 32}, {"$set": {"unversioned": True}})
    whole = listing.versions(BUCKET, Wanted(after="a", after_id="of nobody"))
    assert len(whole.entries) == 3


def test_nothing_is_missing_or_twice_while_others_write(stored: Stored, listing: Listing) -> None:
    write(stored.mongo, {f"kept/{each:05}": [True] for each in range(2000)})

    def disturb(number: int) -> None:
        images = stored.mongo.collection("images")
        for each in range(150):
            write(stored.mongo, {f"kept/{each * 13:05}x{number}": [True]})
            images.update_one({"key": f"kept/{each * 13:05}"}, {"$inc": {"generation": 1}})

    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(disturb, number) for number in range(3)]
        for _ in range(3):
            found = all_pages(lambda wanted: listing.objects(BUCKET, wanted), Wanted(limit=100))
            keys = [each.key for each in found]
            assert len(set(keys)) == len(keys)
            assert [each for each in keys if "x" not in each] == [f"kept/{each:05}" for each in range(2000)]
        for each in busy:
            each.result()


# What they cost


def examined(
    mongo: Mongo, collection: str, selection: dict[str, Any], sort: dict[str, int], size: int
) -> Any:
    told = mongo.database.command(
        "explain",
        {"find": collection, "filter": selection, "sort": sort, "limit": size},
        verbosity="executionStats",
    )
    return told["executionStats"], str(told["queryPlanner"]["winningPlan"])


def test_the_page_300_costs_what_page_1_does(stored: Stored) -> None:
    write(stored.mongo, {f"{each:05}": [] if each % 3 else [True] for each in range(9_000)})
    for after in ("", "08900"):
        found = {"bucket": BUCKET, "live": True, "key": {"$gt": after}}
        stats, plan = examined(stored.mongo, "images", found, {"key": 1}, 10)
        assert stats["totalKeysExamined"] == stats["totalDocsExamined"] == 10
        assert "SORT" not in plan
        assert "SKIP" not in plan
        found = {"bucket": BUCKET, "key": {"$gt": after}}
        stats, plan = examined(stored.mongo, "versions", found, {"key": 1, "number": -1}, 10)
        assert stats["totalKeysExamined"] <= 11
        assert "SORT" not in plan


class Counted(Listings):
    """Listings with an eye on how much they read."""

    def __init__(self, mongo: Mongo) -> None:
        super().__init__(mongo)
        self.reads = self.rows = 0

    def images(self, bucket: str, prefix: str, place: Place, size: int) -> list[Image]:
        found = super().images(bucket, prefix, place, size)
        self.reads, self.rows = self.reads + 1, self.rows + len(found)
        return found


def test_a_common_prefix_is_passed_over_by_one_seek(stored: Stored) -> None:
    write(stored.mongo, {f"{folder}/{each:05}": [True] for folder in "abc" for each in range(1500)})
    counted = Counted(stored.mongo)
    assert names(Listing(counted).objects(BUCKET, Wanted(delimiter="/"))) == ["a/", "b/", "c/"]
    assert counted.reads <= 4
    assert counted.rows < 200


def test_many_small_prefixes_take_few_reads(stored: Stored) -> None:
    write(stored.mongo, {f"{folder:04}/{each}": [True] for folder in range(1500) for each in range(2)})
    counted = Counted(stored.mongo)
    page = Listing(counted).objects(BUCKET, Wanted(delimiter="/"))
    assert (len(page.entries), page.truncated, page.next) == (1000, True, "0999/")
    assert counted.reads < 12

"""What images and versions promise, on a real mongod and on mongomock: numbers, names, tombstones, lists."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from imagestore.core.errors import PreconditionFailed
from imagestore.core.image import Condition, Image, Labels
from imagestore.store.documents import Documents, Naming
from imagestore.store.mongo import Mongo
from tests.store.samples import BUCKET, add, all_at_once, blob, claim, digest_of, facts, keys

NOBODY, SOMEBODY = Condition(exists=False), Condition(exists=True)


def holds(number: int) -> Condition:
    return Condition(digests=(digest_of(b"x"), blob(number).digest))


# Numbers


def test_a_version_comes_back_as_it_was_added(documents: Documents) -> None:
    added = add(documents, "a.jpg", 7).version
    assert documents.find_version(BUCKET, "a.jpg", added.number) == added
    assert (added.blob, added.facts, added.digest) == (blob(7), facts(7), blob(7).digest)
    assert documents.find_version(BUCKET, "a.jpg", added.number + 1) is None
    assert documents.find_version("elsewhere", "a.jpg", added.number) is None


def test_a_number_is_the_time_and_steps_within_a_second(documents: Documents) -> None:
    before = int(time.time())
    numbers = [add(documents, "a", each).version.number for each in range(5)]
    assert before <= numbers[0] <= int(time.time())
    assert numbers == sorted(set(numbers))
    assert numbers[-1] >= before + 4


def test_numbers_of_other_keys_do_not_matter(documents: Documents) -> None:
    for each in range(30):
        add(documents, "busy", each)
    assert add(documents, "quiet").version.number <= int(time.time())


def test_fifty_at_once_get_fifty_numbers_and_the_newest_stays(documents: Documents) -> None:
    images = all_at_once(lambda each: add(documents, "a", each), 50)
    by_number = {image.version.number: image for image in images}
    assert len(by_number) == 50
    assert [image.version.blob for image in images] == [blob(each) for each in range(50)]
    assert {version.number for version in documents.list_versions(BUCKET, "a")} == set(by_number)
    assert documents.find_image(BUCKET, "a") == by_number[max(by_number)]


# Publishing


def test_a_version_and_its_name_are_there_together(documents: Documents) -> None:
    assert documents.find_image(BUCKET, "a") is None
    assert not documents.has_images(BUCKET)
    image = add(documents, "a", 1, Labels(("t",), {"c": "d"}))
    assert image == Image(image.version, 1, ("t",), {"c": "d"}) == documents.find_image(BUCKET, "a")
    assert documents.list_versions(BUCKET, "a") == [image.version]
    assert documents.has_images(BUCKET)


def test_the_bytes_of_the_newest_make_no_version_and_bring_labels(documents: Documents) -> None:
    first = add(documents, "a", 1, Labels(("t",)))
    again = add(documents, "a", 1, Labels(context={"c": "d"}))
    assert again == replace(first, generation=2, context={"c": "d"}) == documents.find_image(BUCKET, "a")
    assert documents.list_versions(BUCKET, "a") == [first.version]
    add(documents, "a", 2)
    assert add(documents, "a", 1).version.number > first.version.number
    assert len(documents.list_versions(BUCKET, "a")) == 3


def test_what_is_published_renews_its_claim(documents: Documents, database: Mongo) -> None:
    claims, marked = database.collection("claims"), datetime(2024, 1, 1, tzinfo=UTC)
    for _ in range(2):
        claim(database, blob(1))
        claims.update_many({}, {"$set": {"claimed": marked, "unnamed": marked}})
        add(documents, "a", 1)
        [found] = claims.find()
        assert found["claimed"].year > 2024
        assert "unnamed" not in found


@pytest.mark.parametrize("present", [None, 1, 9])
def test_what_has_no_claim_is_not_published(
    documents: Documents, database: Mongo, present: int | None
) -> None:
    if present is not None:
        add(documents, "a", present)
    before = documents.find_image(BUCKET, "a")
    listed = documents.list_versions(BUCKET, "a")
    database.collection("claims").delete_many({})
    elsewhere = replace(blob(9), file_id="f" * 24)
    for _ in range(2):
        assert documents.publish(Naming(BUCKET, "a", Labels(("t",))), blob(9), facts(9)) is None
        assert documents.find_image(BUCKET, "a") == before
        assert documents.list_versions(BUCKET, "a") == listed
        claim(database, elsewhere)  # the same bytes, written anew


def test_labels_stay_unless_given_anew(documents: Documents) -> None:
    add(documents, "a", 1, Labels(("x", "y"), {"k": "v"}))
    assert add(documents, "a", 2).tags == ("x", "y")
    assert add(documents, "a", 3, Labels(tags=())).tags == ()
    last = add(documents, "a", 4, Labels(context={}))
    assert (last.tags, last.context, last.generation) == ((), {}, 4)


CONDITIONS = [
    # what is there, the condition, whether it holds
    (None, Condition(), True),
    (None, NOBODY, True),
    (None, SOMEBODY, False),
    (None, holds(1), False),
    (1, Condition(), True),
    (1, NOBODY, False),
    (1, SOMEBODY, True),
    (1, holds(1), True),
    (1, holds(2), False),
    (1, Condition(digests=()), False),
    (1, replace(holds(1), exists=True), True),
    (1, replace(holds(1), exists=False), False),
    (None, replace(holds(1), exists=False), False),
    ("buried", Condition(), True),
    ("buried", NOBODY, True),
    ("buried", SOMEBODY, False),
    ("buried", holds(1), False),
]


@pytest.mark.parametrize(("present", "condition", "passes"), CONDITIONS)
def test_a_write_happens_only_where_its_condition_holds(
    documents: Documents, present: int | str | None, condition: Condition, passes: bool
) -> None:
    if present is not None:
        add(documents, "a", 1)
    if present == "buried":
        documents.bury(BUCKET, "a", Condition())
    before = documents.find_image(BUCKET, "a")
    if passes:
        assert add(documents, "a", 9, condition=condition).version.blob == blob(9)
        assert documents.find_image(BUCKET, "a").version.blob == blob(9)
    else:
        with pytest.raises(PreconditionFailed):
            add(documents, "a", 9, condition=condition)
        assert documents.find_image(BUCKET, "a") == before


@pytest.mark.parametrize(("present", "condition", "passes"), CONDITIONS)
def test_a_deletion_and_a_relabelling_heed_the_same_conditions(
    documents: Documents, present: int | str | None, condition: Condition, passes: bool
) -> None:
    if present is not None:
        add(documents, "a", 1)
    if present == "buried":
        documents.bury(BUCKET, "a", Condition())
    before = documents.find_image(BUCKET, "a")
    if not passes:
        with pytest.raises(PreconditionFailed):
            documents.set_labels(BUCKET, "a", Labels(("t",)), condition)
        with pytest.raises(PreconditionFailed):
            documents.bury(BUCKET, "a", condition)
        assert documents.find_image(BUCKET, "a") == before
    elif before is None:
        assert documents.set_labels(BUCKET, "a", Labels(("t",)), condition) is None
        assert documents.bury(BUCKET, "a", condition) is None
    else:
        assert documents.set_labels(BUCKET, "a", Labels(("t",)), condition).tags == ("t",)
        assert documents.bury(BUCKET, "a", condition) == ([before.version.number], before.generation + 2)
        assert documents.find_image(BUCKET, "a") is None


def test_of_twenty_that_want_to_be_first_one_is(documents: Documents) -> None:
    answers = all_at_once(lambda each: add(documents, "a", each, condition=NOBODY), 20)
    won = [answer for answer in answers if isinstance(answer, Image)]
    assert len(won) == 1
    assert all(isinstance(answer, PreconditionFailed) for answer in answers if answer not in won)
    assert documents.find_image(BUCKET, "a") == won[0]


# Labels


def test_labels_are_set_apart_from_each_other(documents: Documents) -> None:
    add(documents, "a", 1, Labels(("x",), {"k": "v"}))
    tagged = documents.set_labels(BUCKET, "a", Labels(tags=("y", "z")), Condition())
    assert (tagged.tags, tagged.context, tagged.generation) == (("y", "z"), {"k": "v"}, 2)
    told = documents.set_labels(BUCKET, "a", Labels(context={"m": "n"}), Condition())
    assert (told.tags, told.context, told.generation) == (("y", "z"), {"m": "n"}, 3)
    assert documents.find_image(BUCKET, "a") == told


@pytest.mark.parametrize("name", ["a.b", "$set", "$", ".", "a.$b", "_id", "日本", "a b"])
def test_a_context_takes_any_name(documents: Documents, name: str) -> None:
    context = {name: "$value.", "other": ""}
    assert add(documents, "a", 1, Labels(context=context)).context == context
    found = documents.find_image(BUCKET, "a")
    assert (found.context, list(found.context)) == (context, list(context))


def test_a_name_is_renewed_whether_there_is_an_image_or_not(documents: Documents) -> None:
    image = add(documents, "a", 1)
    renewed = documents.renew(BUCKET, "a").image
    assert renewed == replace(image, generation=2) == documents.find_image(BUCKET, "a")
    documents.bury(BUCKET, "a", Condition())
    place = documents.renew(BUCKET, "a")
    assert (place.image, place.absence) == (None, 4)
    place = documents.renew(BUCKET, "never")
    assert (place.image, place.absence) == (None, 0)
    assert add(documents, "never", 1).generation == 1


# Deletion


def test_generation_and_number_grow_through_deletion(documents: Documents) -> None:
    first, second = add(documents, "a", 1), add(documents, "a", 2)
    numbers, generation = documents.bury(BUCKET, "a", Condition())
    assert (sorted(numbers), generation) == ([first.version.number, second.version.number], 3)
    assert documents.list_versions(BUCKET, "a") == []
    assert documents.bury(BUCKET, "a", Condition()) is None
    again = add(documents, "a", 2)
    assert again.generation == 4
    assert again.version.number > second.version.number
    assert documents.list_versions(BUCKET, "a") == [again.version]


def test_no_number_is_given_twice_even_when_the_newest_was_taken_back(documents: Documents) -> None:
    first, second = add(documents, "a", 1), add(documents, "a", 2)
    documents.withdraw(second.version)
    documents.withdraw(first.version)
    assert add(documents, "a", 3).version.number > second.version.number


def test_a_deleted_image_keeps_no_label(documents: Documents) -> None:
    add(documents, "a", 1, Labels(("secret",), {"k": "v"}))
    documents.bury(BUCKET, "a", Condition())
    assert documents.list_images(BUCKET, tag="secret") == []
    again = add(documents, "a", 2)
    assert (again.tags, again.context) == ((), {})


# Lists


def test_versions_are_listed_newest_first_page_by_page(documents: Documents) -> None:
    added = [add(documents, "a", each).version for each in range(5)]
    add(documents, "a2")
    page = documents.list_versions(BUCKET, "a", limit=2)
    assert page == [added[4], added[3]]
    assert documents.list_versions(BUCKET, "a", before=page[-1].number) == [added[2], added[1], added[0]]


ODD_KEYS = [
    "$where", "$", ".", "a", "a b", "a#b", "a%2Fb", "a*", "a+", "a-b", "a.b", "a/b", "a/b/c", "a\\b", "a^",
    "a|", "ab", "a{2}", "A", "[a]", "(a)", "^a", "é", "e\u0301", "z", "ÿ", "日本/写真", "\ud7ff", "\ue000",
    "😀", "😀x", "\U0010ffff", "\U0010ffff\U0010ffff",
]  # fmt: skip


def test_keys_are_listed_in_the_order_of_their_bytes(documents: Documents) -> None:
    for key in ODD_KEYS:
        add(documents, key)
    add(documents, "a", bucket="elsewhere")
    in_order = sorted(ODD_KEYS, key=str.encode)
    assert keys(documents.list_images(BUCKET)) == in_order
    pages, after = [], ""
    while page := keys(documents.list_images(BUCKET, after=after, limit=7)):
        assert len(page) <= 7
        pages, after = pages + page, page[-1]
    assert pages == in_order


def test_a_prefix_is_text_and_no_pattern(documents: Documents) -> None:
    for key in ODD_KEYS:
        add(documents, key)
    in_order = sorted(ODD_KEYS, key=str.encode)
    for prefix in [*ODD_KEYS, ".*", "", "nothing", "a\0", "x" * 40_000]:
        expected = [key for key in in_order if key.startswith(prefix)]
        assert keys(documents.list_images(BUCKET, prefix=prefix)) == expected, prefix[:20]
        assert keys(documents.list_images(BUCKET, prefix=prefix, after="a/b")) == [
            key for key in expected if key.encode() > b"a/b"
        ]


def test_a_tag_is_matched_whole(documents: Documents) -> None:
    add(documents, "1", 1, Labels(("cat", "pet")))
    add(documents, "2", 2, Labels(("cats",)))
    add(documents, "3", 3, Labels(("pet", "cat")))
    assert keys(documents.list_images(BUCKET, tag="cat")) == ["1", "3"]
    assert keys(documents.list_images(BUCKET, tag="cat", prefix="3")) == ["3"]
    assert documents.list_images(BUCKET, tag="c.*") == []
    assert documents.list_images("elsewhere", tag="cat") == []

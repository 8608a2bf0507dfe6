"""What the removal of single versions promises, on a real mongod and on mongomock, also under races."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from imagestore.core.image import Condition, Labels
from imagestore.store.documents import Documents
from tests.store.samples import BUCKET, add, add_unpointed, all_at_once, blob


def test_the_newest_gives_way_to_the_one_below(documents: Documents) -> None:
    first = add(documents, "a", 1, Labels(("t",)))
    second = add(documents, "a", 2)
    assert documents.withdraw(second.version) == 3
    image = documents.find_image(BUCKET, "a")
    assert (image.version, image.tags, image.generation) == (first.version, ("t",), 3)
    assert documents.list_versions(BUCKET, "a") == [first.version]


def test_one_in_the_middle_leaves_the_image_as_it_is(documents: Documents) -> None:
    first, second, third = (add(documents, "a", number) for number in (1, 2, 3))
    assert documents.withdraw(second.version) == 4
    assert documents.find_image(BUCKET, "a") == replace(third, generation=4)
    assert documents.list_versions(BUCKET, "a") == [third.version, first.version]


def test_the_last_one_takes_the_image_along(documents: Documents) -> None:
    only = add(documents, "a", 1)
    assert documents.withdraw(only.version) == 2
    assert documents.find_image(BUCKET, "a") is None
    assert documents.list_versions(BUCKET, "a") == []
    assert not documents.has_images(BUCKET)


def test_one_that_was_never_pointed_at_goes_alone(documents: Documents) -> None:
    image = add(documents, "a", 1)
    assert documents.withdraw(add_unpointed(documents, "a", blob(2))) == 2
    assert documents.find_image(BUCKET, "a") == replace(image, generation=2)
    assert documents.list_versions(BUCKET, "a") == [image.version]


def test_one_whose_image_is_lost_goes_as_well(documents: Documents) -> None:
    assert documents.withdraw(add_unpointed(documents, "a", blob(1))) is None
    assert documents.list_versions(BUCKET, "a") == []


def test_one_that_is_gone_already_changes_nothing_but_the_generation(documents: Documents) -> None:
    first, second = add(documents, "a", 1), add(documents, "a", 2)
    documents.withdraw(second.version)
    assert documents.withdraw(second.version) == 4
    assert documents.find_image(BUCKET, "a") == replace(first, generation=4)


# Races


real = pytest.mark.parametrize("database", ["mongod"], indirect=True)
"""mongomock has no transactions that run beside each other."""


def meanwhile(monkeypatch: pytest.MonkeyPatch, documents: Documents, act: Callable[[], object]) -> None:
    """Let `act` happen once, between a withdrawal's look at the image and its change of it."""
    images = documents._images
    look = images.find_one

    def look_then_act(*arguments: object, **options: object) -> object:
        found = look(*arguments, **options)
        monkeypatch.setattr(images, "find_one", look)
        act()
        return found

    monkeypatch.setattr(images, "find_one", look_then_act)


@real
def test_an_upload_that_comes_between_is_not_taken_along(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = add(documents, "a", 1)
    meanwhile(monkeypatch, documents, lambda: add(Documents(documents._mongo), "a", 2))
    assert documents.withdraw(only.version) == 3
    image = documents.find_image(BUCKET, "a")
    assert image.version.blob == blob(2)
    assert documents.list_versions(BUCKET, "a") == [image.version]


@real
def test_the_image_never_stays_with_a_version_that_went_meanwhile(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (add(documents, "a", number).version for number in (1, 2, 3))
    meanwhile(monkeypatch, documents, lambda: Documents(documents._mongo).withdraw(second))
    assert documents.withdraw(third) == 5
    assert documents.find_image(BUCKET, "a").version == first
    assert documents.list_versions(BUCKET, "a") == [first]


@real
def test_a_version_that_the_image_came_back_to_meanwhile_is_left_again(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (add(documents, "a", number).version for number in (1, 2, 3))
    meanwhile(monkeypatch, documents, lambda: Documents(documents._mongo).withdraw(third))
    assert documents.withdraw(second) == 5
    assert documents.find_image(BUCKET, "a").version == first
    assert documents.list_versions(BUCKET, "a") == [first]


def test_two_neighbours_at_once_leave_the_image_with_what_is_there(documents: Documents) -> None:
    for key in map(str, range(50)):
        first, second, third = (add(documents, key, number).version for number in (1, 2, 3))
        neighbours = (second, third)
        answers = all_at_once(lambda each, gone=neighbours: documents.withdraw(gone[each]), 2)
        assert sorted(answers) == [4, 5]
        assert documents.find_image(BUCKET, key).version == first
        assert documents.list_versions(BUCKET, key) == [first]


def test_whatever_goes_at_once_the_image_names_a_version_that_is_there(documents: Documents) -> None:
    for key in map(str, range(5)):
        versions = [add(documents, key, number).version for number in range(8)]
        all_at_once(lambda each, gone=versions[1:]: documents.withdraw(gone[each]), 7)
        assert documents.find_image(BUCKET, key).version == versions[0]
        assert documents.list_versions(BUCKET, key) == versions[:1]


def test_all_versions_at_once_leave_nothing_but_the_numbers(documents: Documents) -> None:
    versions = [add(documents, "a", number).version for number in range(8)]
    all_at_once(lambda each: documents.withdraw(versions[each]), 8)
    assert documents.find_image(BUCKET, "a") is None
    assert documents.list_versions(BUCKET, "a") == []
    again = add(documents, "a", 9, condition=Condition(exists=False))
    assert again.version.number > versions[-1].number
    assert documents.find_image(BUCKET, "a") == again

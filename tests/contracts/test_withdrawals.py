"""What the removal of single versions promises, on a real mongod and on mongomock, also under races."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from imagestore.core.image import Condition, Labels, Version
from imagestore.store.documents import Documents
from tests.store.samples import BUCKET, add, all_at_once, blob, facts


def test_the_newest_gives_way_to_the_one_below(documents: Documents) -> None:
    first = add(documents, "a", 1, Labels(("t",)))
    second = add(documents, "a", 2)
    assert documents.withdraw(second.version) == 3
    image = documents.find_image(BUCKET, "a")
    assert (image.version, image.tags, image.generation) == (first.version, ("t",), 3)
    assert documents.list_versions(BUCKET, "a") == [first.version]


def test_one_in_the_middle_leaves_the_image_as_it_is(documents: Documents) -> None:
    first, second, third = (add(documents, "a", number) for number in (1, 2, 3))
    assert documents.withdraw(second.version) is None
    assert documents.find_image(BUCKET, "a") == third
    assert documents.list_versions(BUCKET, "a") == [third.version, first.version]


def test_the_last_one_takes_the_image_along(documents: Documents) -> None:
    only = add(documents, "a", 1)
    assert documents.withdraw(only.version) == 2
    assert documents.find_image(BUCKET, "a") is None
    assert documents.list_versions(BUCKET, "a") == []
    assert not documents.has_images(BUCKET)


def test_one_that_was_never_pointed_at_goes_alone(documents: Documents) -> None:
    image = add(documents, "a", 1)
    unnamed = documents.add_version(BUCKET, "a", blob(2), facts(2))
    assert documents.withdraw(unnamed) is None
    assert documents.find_image(BUCKET, "a") == image
    assert documents.list_versions(BUCKET, "a") == [image.version]


def meanwhile(monkeypatch: pytest.MonkeyPatch, documents: Documents, act: Callable[[], object]) -> None:
    """Let `act` happen once, between a withdrawal's look at the versions below and its change."""
    look = documents.list_versions

    def look_then_act(*arguments: object, **options: object) -> list[Version]:
        found = look(*arguments, **options)
        monkeypatch.setattr(documents, "list_versions", look)
        act()
        return found

    monkeypatch.setattr(documents, "list_versions", look_then_act)


def test_an_upload_that_comes_between_is_not_taken_along(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = add(documents, "a", 1)
    meanwhile(monkeypatch, documents, lambda: add(documents, "a", 2))
    assert documents.withdraw(only.version) is None
    image = documents.find_image(BUCKET, "a")
    assert image.version.blob == blob(2)
    assert documents.list_versions(BUCKET, "a") == [image.version]


def test_the_image_never_stays_with_a_version_that_went_meanwhile(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (add(documents, "a", number).version for number in (1, 2, 3))
    meanwhile(monkeypatch, documents, lambda: Documents(documents._mongo).withdraw(second))
    assert documents.withdraw(third) == 5
    assert documents.find_image(BUCKET, "a").version == first
    assert documents.list_versions(BUCKET, "a") == [first]


def test_a_version_that_the_image_came_back_to_meanwhile_is_left_again(
    documents: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = (add(documents, "a", number).version for number in (1, 2, 3))
    drop = documents.drop_version

    def another_first(version: Version) -> None:
        Documents(documents._mongo).withdraw(third)
        drop(version)

    monkeypatch.setattr(documents, "drop_version", another_first)
    assert documents.withdraw(second) == 5
    assert documents.find_image(BUCKET, "a").version == first
    assert documents.list_versions(BUCKET, "a") == [first]


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
    again = documents.add_version(BUCKET, "a", blob(9), facts(9))
    assert again.number > versions[-1].number
    assert documents.point(again, Labels(), Condition(exists=False)).version == again

"""A restore beside a service that is asked meanwhile: what was missing is found when it is back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from imagestore.core.errors import ImageNotFound
from imagestore.store.restoration import Restoration
from tests.library.archives import Archives
from tests.library.conftest import BUCKET, House, picture
from tests.library.stored import Stored
from tests.store.samples import drop_version


@pytest.fixture
def archive(house: House, tmp_path: Path) -> Archives:
    """Of the house, whose caches the restore tells."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Archives("folder", tmp_path / "backup", workspace, house.services.fetch._aliases)


def asked_meanwhile(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], object]) -> None:
    """Asks when the restore has begun, and just before each image is put back."""
    put_back = Restoration.put_back

    def ask_first(self: Restoration, *arguments: object) -> object:
        with suppress(ImageNotFound):
            ask()
        return put_back(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Restoration, "put_back", ask_first)


def test_an_image_that_was_missing(
    house: House, stored: Stored, archive: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.put("a", picture(1))
    archive.backup(stored)
    for name in ("images", "versions"):
        stored.collection(name).delete_many({})
    with pytest.raises(ImageNotFound):
        house.find("a")
    house.put("b", picture(2))
    asked_meanwhile(monkeypatch, lambda: house.find("a"))
    archive.restore(stored)
    assert house.get("a") == picture(1)


def test_a_version_that_was_missing(
    house: House, stored: Stored, archive: Archives, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number was passed over, and answers that were made so must be out of date."""
    first, second = house.put("a", picture(1)).version, house.put("a", picture(2))
    archive.backup(stored)
    drop_version(stored.documents, first)
    passed_over = list[object]()
    asked_meanwhile(monkeypatch, lambda: passed_over.append(house.find("a", first.number).grounds))
    archive.restore(stored)
    assert house.find("a", first.number).version == first
    assert stored.documents.find_image(BUCKET, "a").generation > second.generation
    assert house.find("a").grounds not in passed_over

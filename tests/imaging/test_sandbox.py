"""A picture is proved whole by its structure and a decode: what a decoder process does with one."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from imagestore.core.errors import CorruptImage, DecodeTimeout, RejectedImage
from imagestore.core.image import Facts
from imagestore.imaging import formats, sandbox
from imagestore.imaging.limits import Limits
from tests import pictures

pytestmark = pytest.mark.quick


def verify(source: bytes | Path, **limits: int) -> Facts:
    head = source[:512] if isinstance(source, bytes) else source.read_bytes()[:512]
    return sandbox.verify(source, formats.sniff(head), Limits(**limits))


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_a_picture_passes_from_memory_and_from_a_file(name: str, tmp_path: Path) -> None:
    data = pictures.picture(name, 60, 40)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert verify(data) == verify(path) == Facts(len(data), 60, 40, name)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    with pytest.raises(CorruptImage, match="empty"):
        sandbox.verify(path, formats.PNG, Limits())


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_a_file_cut_anywhere_is_not_whole(name: str) -> None:
    data = pictures.picture(name, 24, 18)
    for length in range(32, len(data)):
        with pytest.raises(CorruptImage):
            verify(data[:length])


@pytest.mark.parametrize("name", ["png", "gif", "webp", "avif"])
def test_an_animation_cut_anywhere_is_not_whole(name: str) -> None:
    data = pictures.picture(name, 12, 9, frames=3)
    for length in range(32, len(data), 5):
        with pytest.raises(CorruptImage):
            verify(data[:length])


@pytest.mark.parametrize("options", [{"progressive": True}, {"mode": "L"}, {"mode": "CMYK"}])
def test_a_jpeg_cut_anywhere_is_not_whole(options: dict[str, object]) -> None:
    data = pictures.jpeg(120, 80, **options)  # type: ignore[arg-type]
    verify(data)
    for length in range(32, len(data), 7):
        with pytest.raises(CorruptImage):
            verify(data[:length])


def test_mutated_files_end_in_facts_or_a_rejection() -> None:
    chance = random.Random("mutations")
    wholes = [pictures.picture(name, 40, 30, gps=True) for name in ("jpeg", "png", "webp", "avif", "tiff")]
    wholes += [pictures.gif(30, 20, frames=3), pictures.bmp(20, 20), pictures.png(20, 20, frames=3)]
    for _ in range(1500):
        data = bytearray(chance.choice(wholes))
        for _ in range(chance.choice((1, 4, 20))):
            data[chance.randrange(len(data))] = chance.choice((0, 255, chance.randrange(256)))
        if chance.random() < 0.3:
            at = chance.randrange(len(data))
            data[at:] = chance.choice(wholes)[at:]
        try:
            facts = verify(bytes(data))
        except RejectedImage as error:
            assert error.message.endswith((".", " only.", "whole.", "again.")) or ":" in error.message
        else:
            assert 0 < facts.width <= 16_384
            assert 1 <= facts.orientation <= 8


def test_a_file_that_does_not_fit_into_memory_takes_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    path = tmp_path / "picture"
    path.write_bytes(pictures.png())
    monkeypatch.setattr(sandbox.mmap, "mmap", refuse)
    with pytest.raises(DecodeTimeout, match="memory"):
        verify(path)

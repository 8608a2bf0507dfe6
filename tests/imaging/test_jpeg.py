"""JPEG: what the walk and a decode of some rows say is what a decode of the whole file would have said."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image

from imagestore.core.errors import CorruptImage, RejectedImage
from imagestore.imaging import probe
from imagestore.imaging.engine import verification
from imagestore.imaging.formats import JPEG
from imagestore.imaging.limits import Limits
from imagestore.imaging.sandbox import verify
from tests import pictures

pytestmark = pytest.mark.quick

WHOLE = pictures.jpeg(400, 300, noise=True, quality=80)


def is_taken(data: bytes) -> bool:
    try:
        verify(data, JPEG, Limits())
    except RejectedImage:
        return False
    return True


def is_decoded_whole(data: bytes) -> bool:
    """By Pillow without us, once the structure is right."""
    try:
        probe.check(data, JPEG, Limits())
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.load()
    except Exception:
        return False
    return True


def mutate(data: bytes, rng: random.Random, *, first: int) -> bytes:
    damaged = bytearray(data)
    for _ in range(rng.choice([1, 1, 3, 20])):
        at = rng.randrange(first, len(damaged) - 2)
        match rng.randrange(4):
            case 0:
                damaged[at] = rng.randrange(256)
            case 1:
                del damaged[at : at + rng.choice([1, 5, 300])]
            case 2:
                damaged[at:at] = rng.randbytes(rng.choice([1, 4, 300]))
            case _:
                damaged[at : at + 2] = bytes([0xFF, rng.randrange(256)])
    return bytes(damaged)


@pytest.mark.parametrize("where", ["anywhere", "in the scan"])
def test_damage_is_judged_as_by_a_decode_of_everything(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "SCAN_BYTES", 4096)
    rng = random.Random(7)
    first = WHOLE.index(b"\xff\xda") + 14 if where == "in the scan" else 2
    verdicts = set()
    for _ in range(1500):
        damaged = mutate(WHOLE, rng, first=first)
        taken = is_taken(damaged)
        assert taken == is_decoded_whole(damaged)
        verdicts.add(taken)
    assert verdicts == {True, False}


def test_a_sequential_scan_that_ends_the_file_is_told() -> None:
    outline = probe.check(WHOLE, JPEG, Limits())
    assert outline.scan == WHOLE.index(b"\xff\xda") + 14


@pytest.mark.parametrize("change", ["progressive", "two scans", "a table behind the scan"])
def test_what_may_be_refused_behind_its_first_rows_is_decoded_whole(change: str) -> None:
    if change == "progressive":
        data = pictures.jpeg(64, 48, progressive=True)
    elif change == "two scans":
        scan = WHOLE[WHOLE.index(b"\xff\xda") : -2]
        data = WHOLE[:-2] + scan + WHOLE[-2:]
    else:
        data = WHOLE[:-2] + b"\xff\xdd\0\4\0\0" + WHOLE[-2:]
    assert probe.check(data, JPEG, Limits()).scan is None


def test_a_marker_that_no_jpeg_has_is_damage() -> None:
    middle = len(WHOLE) // 2
    with pytest.raises(CorruptImage, match="marker 0x5 "):
        probe.check(WHOLE[:middle] + b"\xff\x05" + WHOLE[middle:], JPEG, Limits())

"""Sums of bytes that stream by are those of the whole, however they come, and whichever thread adds them."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagestore.core.checksums import ASIDE_BYTES, Sums

pytestmark = pytest.mark.quick

DATA = random.Random(5).randbytes(4 * ASIDE_BYTES + 17)


@pytest.mark.parametrize("size", [0, 1, ASIDE_BYTES - 1, ASIDE_BYTES, ASIDE_BYTES + 1, len(DATA)])
@pytest.mark.parametrize("piece", [1000, 64 * 1024, ASIDE_BYTES, len(DATA)])
def test_sums_are_those_of_the_whole(size: int, piece: int) -> None:
    sums = Sums(["crc32", "sha256"])
    for start in range(0, size, piece):
        sums.update(DATA[start : min(start + piece, size)])
    assert sums.md5 == hashlib.md5(DATA[:size]).digest()
    assert sums.all() == {
        "crc32": base64.b64encode(zlib.crc32(DATA[:size]).to_bytes(4, "big")).decode(),
        "sha256": base64.b64encode(hashlib.sha256(DATA[:size]).digest()).decode(),
    }


def test_a_sum_may_be_asked_for_on_the_way() -> None:
    sums = Sums()
    for start in range(0, len(DATA), ASIDE_BYTES // 2):
        sums.update(DATA[start : start + ASIDE_BYTES // 2])
        assert sums.md5 == hashlib.md5(DATA[: start + ASIDE_BYTES // 2]).digest()


def test_sums_of_many_at_once_are_not_mixed() -> None:
    def sum_of(number: int) -> bool:
        sums, own = Sums(), hashlib.md5()
        for each in range(20):
            data = bytes([number, each]) * ASIDE_BYTES
            sums.update(data)
            own.update(data)
        return sums.md5 == own.digest()

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(sum_of, range(8)))

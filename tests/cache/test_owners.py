"""What a cluster says of its slots, read: also where it says something else."""

import pytest

from imagestore.cache.cluster import owners_from
from imagestore.core.clusters import Address

pytestmark = pytest.mark.quick

INFORMANT = Address("asked.example.com", 7000)


def test_slots_have_owners_or_none() -> None:
    told = [
        [0, 99, [b"10.0.0.1", 7001, b"id"], [b"10.0.0.9", 7009, b"replica"]],
        [101, 16383, [b"", 7002, b"id"]],
    ]
    owners = owners_from(told, INFORMANT)
    assert owners is not None
    assert len(owners) == 16384
    assert owners[0] == owners[99] == Address("10.0.0.1", 7001)
    assert owners[100] is None
    # A server that does not know its own address is where it was asked.
    assert owners[101] == owners[16383] == Address("asked.example.com", 7002)


def test_an_unknown_host_is_the_one_that_was_asked() -> None:
    owners = owners_from([[0, 16383, [None, 7002, b"id", [b"hostname", b"h"]]]], INFORMANT)
    assert owners is not None
    assert owners[5] == Address("asked.example.com", 7002)


@pytest.mark.parametrize(
    "told",
    [
        None,
        b"OK",
        7,
        Exception("refused"),
        [[0]],
        [7],
        [[0, 1, b"10.0.0.1:7000"]],
        [[0, 1, []]],
        [[0, 1, [b"h", b"port"]]],
        [[0, 16384, [b"h", 1]]],
        [[0, 10**12, [b"h", 1]]],
        [[-5, 3, [b"h", 1]]],
        [[5, 3, [b"h", 1]]],
        [[b"0", b"3", [b"h", 1]]],
    ],
)
def test_nonsense_is_no_answer(told: object) -> None:
    assert owners_from(told, INFORMANT) is None

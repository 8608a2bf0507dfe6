"""What the envelope lets through: what was sealed under that name with that key, and nothing else."""

from __future__ import annotations

import pytest

from imagestore.cache.envelope import HEADER_BYTES, Envelope

pytestmark = pytest.mark.quick
ENVELOPE = Envelope(b"key")


@pytest.mark.parametrize("body", [b"", b"x", bytes(range(256)) * 4096])
def test_what_was_sealed_opens(body: bytes) -> None:
    assert ENVELOPE.open(b"name", ENVELOPE.seal(b"b", b"name", body)) == (b"b", body)


def test_no_flipped_bit_gets_through() -> None:
    sealed = ENVELOPE.seal(b"b", b"name", b"body")
    for place in range(len(sealed) * 8):
        bad = bytearray(sealed)
        bad[place // 8] ^= 1 << place % 8
        assert ENVELOPE.open(b"name", bytes(bad)) is None


def test_no_other_length_gets_through() -> None:
    sealed = ENVELOPE.seal(b"b", b"name", b"body")
    assert all(ENVELOPE.open(b"name", sealed[:length]) is None for length in range(len(sealed)))
    assert ENVELOPE.open(b"name", sealed + b"x") is None
    assert ENVELOPE.open(b"name", sealed[:HEADER_BYTES]) is None


def test_it_is_bound_to_name_key_and_content() -> None:
    sealed = ENVELOPE.seal(b"b", b"name", b"body")
    assert ENVELOPE.open(b"nam", sealed) is None
    assert Envelope(b"other").open(b"name", sealed) is None
    assert ENVELOPE.open(b"name", sealed.replace(b"\x02b", b"\x02a", 1)) is None
    # The border between name and body is sealed too.
    assert ENVELOPE.seal(b"b", b"ab", b"c")[10:26] != ENVELOPE.seal(b"b", b"a", b"bc")[10:26]


def test_a_key_of_any_length_serves() -> None:
    for key in (b"", b"x" * 1000):
        envelope = Envelope(key)
        assert envelope.open(b"name", envelope.seal(b"a", b"name", b"body")) == (b"a", b"body")

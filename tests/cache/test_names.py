"""Redis keys: readable, and never two things under one."""

from __future__ import annotations

import pytest

from imagestore.cache.names import LONGEST_NAME, redis_key

pytestmark = pytest.mark.quick


def test_keys_are_readable_and_differ_by_kind() -> None:
    assert redis_key("alias", "bucket\0dir/ключ") == "imagestore:2:alias:bucket\0dir/ключ".encode()
    assert redis_key("blob", "name") != redis_key("lease", "name")


def test_any_text_makes_a_key() -> None:
    assert redis_key("alias", "\ud800") != redis_key("alias", "\udfff")


def test_long_names_are_bounded_and_still_differ() -> None:
    stem = "x" * LONGEST_NAME
    one, other = redis_key("blob", stem + "a"), redis_key("blob", stem + "b")
    assert one != other
    assert len(one) < 256
    assert one.startswith(b"imagestore:2:blob-long:xxx")
    assert redis_key("blob", one.removeprefix(b"imagestore:2:blob-long:").decode()) != one
    assert len(redis_key("blob", stem)) == LONGEST_NAME + len("imagestore:2:blob:")

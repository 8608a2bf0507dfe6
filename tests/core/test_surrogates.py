"""Surrogate keys: what an answer has is what a change of anything it depends on drops, in every grammar."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.core.surrogates import (
    EVERYTHING,
    LONGEST_KEY,
    MOST_KEYS_BYTES,
    SurrogateFields,
    keys_of_answer,
    keys_to_drop,
)

pytestmark = pytest.mark.quick

TEXTS = st.text(max_size=300).filter(bool)
NAMES = st.one_of(
    st.just("bucket/shop"),
    TEXTS.map("image/shop/{}".format),
    TEXTS.map("version/shop/17/{}".format),
    TEXTS.map("transformation/shop/{}".format),
)
GRAMMAR = re.compile(r"[0-9A-Za-z&'^$!`#%.+~_|-]+")
"""What Akamai takes, which is the least."""


def test_keys_can_be_read() -> None:
    names = ["bucket/shop", "image/shop/a b/ü,1.jpg", "version/shop/7/x/y", "transformation/shop/thumb"]
    assert keys_of_answer(names) == [
        "imagestore",
        "bucket~shop",
        "image~shop~a%20b%2F%C3%BC%2C1.jpg",
        "image~shop~x%2Fy",
        "transformation~shop~thumb",
    ]
    assert keys_to_drop(["credential/ABC"]) == []
    assert keys_to_drop(["bucket/shop"]) == ["bucket~shop"]


@given(st.lists(NAMES, max_size=300), st.data())
def test_any_change_drops_the_answer_and_no_field_is_too_long(names: list[str], data: st.DataObject) -> None:
    keys = keys_of_answer(names)
    assert keys[0] == EVERYTHING
    assert sum(len(key) + 1 for key in keys) <= MOST_KEYS_BYTES + len(EVERYTHING) + 1
    for key in [*keys, *keys_to_drop(names)]:
        assert len(key) <= LONGEST_KEY
        assert GRAMMAR.fullmatch(key)
    if names:
        assert set(keys_to_drop([data.draw(st.sampled_from(names))])) & set(keys)


@given(TEXTS, TEXTS)
def test_two_images_have_two_keys(one: str, other: str) -> None:
    same = keys_of_answer([f"image/shop/{one}"]) == keys_of_answer([f"image/shop/{other}"])
    assert same is (one == other)


def test_many_images_of_one_answer_give_way_to_their_bucket() -> None:
    names = ["bucket/shop", *(f"image/shop/{number:060}" for number in range(100))]
    assert keys_of_answer(names) == ["imagestore", "bucket~shop", "any~shop"]
    assert keys_to_drop(["image/shop/another"]) == ["image~shop~another", "any~shop"]


@pytest.mark.parametrize("text", ["Surrogate-Key", "xkey,Cache-Tag", "Edge-Cache-Tag,Surrogate-Key"])
def test_the_setting_reads_what_it_writes(text: str) -> None:
    assert str(SurrogateFields.parse(text.lower().replace(",", " , "))) == text


@pytest.mark.parametrize("text", [",", "Set-Cookie", "Surrogate-Key,", "Surrogate-Key Cache-Tag"])
def test_other_fields_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Surrogate-Key"):
        SurrogateFields.parse(text)


def test_each_field_has_its_separator() -> None:
    fields = SurrogateFields.parse("Surrogate-Key,Cache-Tag").write(["bucket/shop"])
    assert fields == [("Surrogate-Key", "imagestore bucket~shop"), ("Cache-Tag", "imagestore,bucket~shop")]

"""What the OpenAPI document says of texts is what is checked of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagestore.core.errors import ImagestoreError
from imagestore.core.image import check_bucket_name, check_context, check_key, check_tags
from imagestore.web.rest.answers import decode_cursor, read_labels
from imagestore.web.rest.schemas import LabelsChange
from imagestore.web.rest.texts import BucketName, Cursor, Key, Tag, Tags, schema_of

pytestmark = pytest.mark.quick

ODD = st.text(st.sampled_from("ab09.-/,_AZ \t\n\x00\x1f\x7f\x85\u00a0\u2028\ufffdé字😀"), max_size=12)
NAMES = ["console", "v1_1", "search", "1.2.3.4", "01.2.3.4", "1.2.3", "a..b", "abc", "a-b", "-ab", "ab."]
PATHS = ["..", ".", "a/..", "/a", "a//b", "a/", "a/./b", "...", ".a", "\ud800"]
LONG = ["x" * length for length in (63, 64, 255, 256, 1024, 1025)]
TEXTS = ODD | st.sampled_from(NAMES + PATHS + LONG)
JSON_TEXTS = TEXTS.filter(lambda text: "\ud800" not in text)
"""Half of a surrogate pair is in no text of JSON that is read."""


def allowed(schema: dict[str, Any], text: str) -> bool:
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and re.search(schema["pattern"].removesuffix("$") + r"\Z", text) is not None
    )


def taken(check: Callable[[Any], object], value: object) -> bool:
    try:
        check(value)
    except ImagestoreError:
        return False
    return True


@given(TEXTS)
def test_names_of_buckets(text: str) -> None:
    assert allowed(schema_of(BucketName), text) is taken(check_bucket_name, text)


@given(JSON_TEXTS)
def test_keys(text: str) -> None:
    assert allowed(schema_of(Key), text) is taken(check_key, text)


@given(JSON_TEXTS)
def test_every_tag_that_is_described_is_taken(text: str) -> None:
    """White space around a tag is taken and left out."""
    described = allowed(schema_of(Tag), text)
    assert taken(check_tags, [text]) >= described
    assert taken(check_tags, [text.strip()]) is allowed(schema_of(Tag), text.strip())


@given(JSON_TEXTS)
def test_every_list_of_tags_that_is_described_is_taken(text: str) -> None:
    assert taken(lambda text: read_labels(text, None), text) >= allowed(schema_of(Tags), text)


@given(JSON_TEXTS, JSON_TEXTS)
def test_contexts(name: str, value: str) -> None:
    [schema, _] = LabelsChange.model_json_schema()["properties"]["context"]["anyOf"]
    described = allowed(schema["propertyNames"], name) and allowed(schema["additionalProperties"], value)
    assert described is taken(check_context, {name: value})


@given(TEXTS)
def test_every_cursor_that_is_taken_is_described(text: str) -> None:
    """The other way round only we know what we made."""
    assert allowed(schema_of(Cursor), text) >= taken(decode_cursor, text)

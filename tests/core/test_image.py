"""Names and labels: what is taken and what is refused."""

from __future__ import annotations

import pytest

from imagestore.core.errors import InvalidBucketName, InvalidKey, InvalidParameter, PreconditionFailed
from imagestore.core.image import (
    MAX_CONTEXT_ENTRIES,
    MAX_TAGS,
    RESERVED_BUCKET_NAMES,
    Condition,
    Digest,
    check_bucket_name,
    check_context,
    check_key,
    check_tags,
    make_key,
)

pytestmark = pytest.mark.quick

GOOD_BUCKETS = [
    "abc",
    "a-b",
    "a.b",
    "0ab",
    "ab9",
    "1.2.3",
    "1.2.3.4.5",
    "a" * 63,
    "v1.x",
    "xn--a",
    "127-0-0-1",
]
BAD_BUCKETS = [
    "", "a", "ab", "a" * 64, "Abc", "abC", "a_b", "a b", "-ab", "ab-", ".ab", "ab.", "a..b", "1.2.3.4",
    "127.0.0.1", "999.999.999.999", "a/b", "a\0b", "abc\n", "äbc", "а-bc", "a²c", "１２３", "\ud800bc",
    "%41bc",
    *sorted(RESERVED_BUCKET_NAMES),
]  # fmt: skip


@pytest.mark.parametrize("name", GOOD_BUCKETS)
def test_a_good_bucket_name_is_kept(name: str) -> None:
    assert check_bucket_name(name) == name


@pytest.mark.parametrize("name", BAD_BUCKETS)
def test_a_bad_bucket_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidBucketName) as caught:
        check_bucket_name(name)
    assert len(caught.value.message) < 400


GOOD_KEYS = [
    "a", "a/b", "a//b", "a/", "...", "a/...", ".a", "..a", "a..", "a b", " ", "50%", "%2e%2e", "a?b#c",
    "a\\..\\b", "$where", "é", "e\u0301", "日本/写真.jpg", "😀", "a" * 1024, "é" * 512, "v1/a",
    "s--abcdefgh--/a", "\u200b", "C:\\x", "~", "-rf", "\ufeff", "\U0010ffff",
]  # fmt: skip
BAD_KEYS = [
    "", "/", "/a", ".", "..", "a/../b", "./a", "a/.", "../a", "a/..", "a\0b", "a\n", "\x01", "a\tb", "\x7f",
    "a\x85b", "a\u2028b", "a\u2029b", "\ufffd", "a\ud800", "\udcff", "a" * 1025, "é" * 512 + "a",
]  # fmt: skip


@pytest.mark.parametrize("key", GOOD_KEYS)
def test_a_good_key_is_kept_as_it_was_sent(key: str) -> None:
    assert check_key(key) == key


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_bad_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        check_key(key)


def test_a_made_key_is_good_and_never_the_same() -> None:
    made = {make_key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(check_key(key) == key and len(key) == 20 for key in made)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], ()),
        (["cat"], ("cat",)),
        (["b", "a", "b"], ("b", "a")),
        ([" cat ", "cat"], ("cat",)),
        (["Cat", "cat"], ("Cat", "cat")),
        (["日本", "a b", "$x.y"], ("日本", "a b", "$x.y")),
        (["x" * 255], ("x" * 255,)),
    ],
)
def test_good_tags_are_kept_once_and_in_order(given: list[str], kept: tuple[str, ...]) -> None:
    assert check_tags(given) == kept


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "a\nb", "a\0b", "x" * 256, "\ud800", "a\u2028b"])
def test_a_bad_tag_is_refused(tag: str) -> None:
    with pytest.raises(InvalidParameter):
        check_tags(["good", tag])


def test_tags_have_a_bound_that_repeats_do_not_count_for() -> None:
    most = [f"tag {number}" for number in range(MAX_TAGS)]
    assert len(check_tags([*most, *most])) == MAX_TAGS
    with pytest.raises(InvalidParameter):
        check_tags([*most, "one more"])


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"a": ""},
        {"a.b": "1", "$set": "2", "日本": "写真"},
        {"caption": "two\nlines\tand a tab"},
        {str(number): "x" for number in range(MAX_CONTEXT_ENTRIES)},
        {"a": "x" * 8191},
        {"a": "é" * 4095},
    ],
)
def test_a_good_context_is_kept(context: dict[str, str]) -> None:
    kept = check_context(context)
    assert kept == context
    assert kept is not context


@pytest.mark.parametrize(
    "context",
    [
        {"": "x"},
        {"a\n": "x"},
        {"a": "x\0"},
        {"a": "\x1b[31m"},
        {"\ud800": "x"},
        {"a": "\udcff"},
        {"a": "x" * 8192},
        {"a": "é" * 4096},
        {str(number): "x" for number in range(MAX_CONTEXT_ENTRIES + 1)},
    ],
)
def test_a_bad_context_is_refused(context: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        check_context(context)


@pytest.mark.parametrize(
    ("condition", "wants_image"),
    [
        (Condition(), False),
        (Condition(exists=False), False),
        (Condition(exists=True), True),
        (Condition(digests=(Digest("0" * 64),)), True),
        (Condition(digests=()), True),
    ],
)
def test_a_condition_may_need_an_image(condition: Condition, wants_image: bool) -> None:
    if wants_image:
        with pytest.raises(PreconditionFailed):
            condition.check(None)
    else:
        condition.check(None)

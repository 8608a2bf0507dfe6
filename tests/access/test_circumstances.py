"""Circumstances of requests: what they say for the keys of conditions."""

from __future__ import annotations

import pytest

from imagestore.access.circumstances import Circumstances, read

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    "sent",
    [
        "shop/%C3%A9/k",
        "/shop/%C3%A9/k",
        "/shop/é/k".encode().decode("latin-1"),
        "shop/%c3%a9%2Fk?versionId=x",
    ],
)
def test_a_source_is_the_same_however_it_is_written(sent: str) -> None:
    found = read("", False, {"x-amz-copy-source": sent}.get, {})
    assert found.told["s3:x-amz-copy-source"] == ("shop/é/k",)


@pytest.mark.parametrize("sent", ["shop/%FF", "shop/\xff", "shop/\u20ac"])
def test_a_source_that_is_no_text_is_some(sent: str) -> None:
    [value] = read("", False, {"x-amz-copy-source": sent}.get, {}).told["s3:x-amz-copy-source"]
    assert value.startswith("shop/")


def test_a_version_that_is_named_stands_in_for_that_of_the_query() -> None:
    asked = read("", False, {}.get, {"versionId": "a", "prefix": "p"})
    assert asked.with_version("b").told == {"s3:versionid": ("b",), "s3:prefix": ("p",)}
    assert asked.with_version(None).told == {"s3:prefix": ("p",)}


def test_a_list_says_what_it_is_asked_for() -> None:
    assert Circumstances().with_list("p", 10).told == {"s3:prefix": ("p",), "s3:max-keys": ("10",)}
    assert Circumstances().with_list(None, None).told == {}

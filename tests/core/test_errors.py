"""The tree of errors: drawn as it is, every leaf with a code of its own."""

from __future__ import annotations

import re

import pytest

from imagestore.core import errors
from imagestore.core.errors import ImagestoreError, leaves

pytestmark = pytest.mark.quick


def of_our_own() -> list[type[ImagestoreError]]:
    return [leaf for leaf in leaves() if leaf.__module__ == errors.__name__]


def test_every_leaf_has_a_code_and_no_two_the_same() -> None:
    codes = [leaf.code for leaf in of_our_own()]
    assert len(set(codes)) == len(codes) > 20
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", code) for code in codes)


def test_a_code_is_the_name_of_its_class() -> None:
    for leaf in of_our_own():
        assert leaf.code == re.sub("(?<!^)([A-Z])", r"_\1", leaf.__name__).lower()


def test_no_branch_has_a_code() -> None:
    branches = {
        base for leaf in of_our_own() for base in leaf.__mro__[1:] if issubclass(base, ImagestoreError)
    }
    assert [branch for branch in branches if hasattr(branch, "code")] == []


def test_the_drawing_is_the_tree() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__)

    def walk(root: type[ImagestoreError]) -> list[str]:
        return [name for child in root.__subclasses__() for name in (child.__name__, *walk(child))]

    assert drawn == walk(ImagestoreError)


def test_an_error_says_what_it_was_told() -> None:
    error = errors.InvalidKey("Use another key.")
    assert (str(error), error.message, error.code) == ("Use another key.", "Use another key.", "invalid_key")

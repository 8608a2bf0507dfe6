"""Every error has a code of AWS's, and every code a status."""

from __future__ import annotations

import pytest

from imagestore.core.errors import BucketNotFound, leaves
from imagestore.web.s3.errors import CODES, STATUSES, S3Error, of_ours

pytestmark = pytest.mark.quick


def test_each_error_of_ours_has_one_of_aws() -> None:
    assert set(CODES) == {leaf.code for leaf in leaves()}
    assert set(CODES.values()) <= set(STATUSES)


def test_an_error_knows_its_status_and_its_elements() -> None:
    error = S3Error("NoSuchKey", "The specified key does not exist.", Key="a.png")
    assert (error.status, error.extra) == (404, {"Key": "a.png"})
    assert of_ours(BucketNotFound.named("a")).code == "NoSuchBucket"

"""Client: named transformations, facts on demand, and the URLs of what is made from images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

from imagestore.client.answers import DescribedImage, TransformationInfo
from imagestore.core.errors import TransformationNotFound
from imagestore.core.image import check_key
from imagestore.core.urls import delivery_path, sign_delivery


class TransformationCalls:
    """A part of Client."""

    url: str
    _call: Callable[..., Any]
    _secret: str

    def put_transformation(self, bucket: str, name: str, transformation: str) -> TransformationInfo:
        """Let `t_<name>` stand for a transformation in the bucket's URLs, from now on."""
        body = {"transformation": transformation}
        return cast(TransformationInfo, self._call("PUT", _named(bucket, name), again=True, json=body))

    def transformation(self, bucket: str, name: str) -> TransformationInfo:
        return cast(TransformationInfo, self._call("GET", _named(bucket, name), again=True))

    def transformations(self, bucket: str) -> list[TransformationInfo]:
        """Those of a bucket, by name."""
        found = self._call("GET", _all(bucket), again=True)["transformations"]
        return cast(list[TransformationInfo], found)

    def delete_transformation(self, bucket: str, name: str) -> None:
        self._call("DELETE", _named(bucket, name), again=True, gone=(TransformationNotFound,))

    def describe(self, bucket: str, key: str, *facts: str) -> DescribedImage:
        """The image with facts that are found out on demand, by name: `faces`, `colors`, `phash`,
        `placeholder`, `exif` and `place`."""
        path = f"/v1/buckets/{quote(bucket, safe='')}/images/{quote(check_key(key), safe='/')}"
        found = self._call("GET", path, again=True, params=dict.fromkeys(facts, "1"))
        return cast(DescribedImage, found)

    def delivery_url(
        self,
        bucket: str,
        key: str,
        transformation: str = "",
        *,
        version: int | None = None,
        signed: bool = False,
    ) -> str:
        """The URL of an image, or of what a transformation such as `c_fill,w_300` makes of it.

        An extension at the end of the key asks for that format. `signed` lets it be made in a strict bucket.
        """
        signature = sign_delivery(self._secret, transformation, check_key(key)) if signed else ""
        path = delivery_path(
            bucket, check_key(key), version, transformation=transformation, signature=signature
        )
        return self.url + path


def _all(bucket: str) -> str:
    return f"/v1/buckets/{quote(bucket, safe='')}/transformations"


def _named(bucket: str, name: str) -> str:
    return f"{_all(bucket)}/{quote(name, safe='')}"

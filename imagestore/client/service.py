"""Client: every call of the service, one method each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from urllib.parse import quote, unquote

import httpx

from imagestore.client.answers import (
    BucketInfo,
    CacheStats,
    CredentialInfo,
    ImageInfo,
    IssuedCredential,
    VersionInfo,
    Warmed,
)
from imagestore.client.wire import CHUNK, Download, Wire
from imagestore.core.image import Condition, Visibility, check_key
from imagestore.core.urls import delivery_path, signed_query

PAGE = 1000
"""Entries of a list that are fetched at once."""

ANY = Condition()


class Client:
    """One service, as one credential. Safe to share between threads; close it, or use it in a `with`.

    `timeout` is seconds for each wait: for a connection, and for the next bytes in either direction.
    `transport` replaces the network, such as httpx.WSGITransport(app) in tests.
    """

    def __init__(
        self,
        url: str,
        access_key: str,
        secret: str,
        *,
        timeout: float = 30,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._wire = Wire(url, access_key, secret, timeout, transport)
        self._call = self._wire.call
        self.url = self._wire.url
        self.access_key = access_key
        self._secret = secret

    def close(self) -> None:
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def check_ready(self) -> None:
        """Return if the service can serve. Raises ServiceUnreachable otherwise."""
        self._call("GET", "/readyz")

    # Buckets

    def create_bucket(self, name: str, access: Visibility = "private") -> BucketInfo:
        return cast(BucketInfo, self._call("POST", "/v1/buckets", json={"name": name, "access": access}))

    def buckets(self) -> list[BucketInfo]:
        """The buckets that the credential reaches, by name."""
        return cast(list[BucketInfo], self._call("GET", "/v1/buckets")["buckets"])

    def bucket(self, name: str) -> BucketInfo:
        return cast(BucketInfo, self._call("GET", _bucket(name)))

    def set_access(self, name: str, access: Visibility) -> BucketInfo:
        return cast(BucketInfo, self._call("PATCH", _bucket(name), json={"access": access}))

    def delete_bucket(self, name: str) -> None:
        """Raises BucketNotEmpty while there are images in it."""
        self._call("DELETE", _bucket(name))

    # Images

    def upload(
        self,
        bucket: str,
        source: Path | bytes | IO[bytes],
        key: str | None = None,
        *,
        tags: Sequence[str] | None = None,
        context: Mapping[str, str] | None = None,
        condition: Condition = ANY,
    ) -> ImageInfo:
        """Send a picture; without a `key` the service makes one. An open file is read from where it stands.

        `tags` and `context` that are None stay as they are. Raises PreconditionFailed when the `condition`
        does not hold of what the key names.
        """
        fields = {
            "key": key,
            "tags": ",".join(tags) if tags is not None else None,
            "context": json.dumps(dict(context)) if context is not None else None,
        }
        send: dict[str, Any] = {
            "params": {name: value for name, value in fields.items() if value is not None},
            "headers": {"Content-Type": "application/octet-stream"} | _condition_fields(condition),
        }
        path = f"{_bucket(bucket)}/images"
        if isinstance(source, Path):
            with source.open("rb") as file:  # httpx asks the file for its length
                return cast(ImageInfo, self._call("POST", path, content=file, **send))
        body = source if isinstance(source, bytes) else iter(lambda: source.read(CHUNK), b"")
        return cast(ImageInfo, self._call("POST", path, content=body, **send))

    def image(self, bucket: str, key: str) -> ImageInfo:
        return cast(ImageInfo, self._call("GET", _image(bucket, key)))

    def images(self, bucket: str, prefix: str = "", tag: str | None = None) -> Iterator[ImageInfo]:
        """Every image whose key begins with `prefix` and that has `tag`, by key; fetched a page at a time."""
        query: dict[str, Any] = {"prefix": prefix, "limit": PAGE} | ({"tag": tag} if tag is not None else {})
        while True:
            page = self._call("GET", f"{_bucket(bucket)}/images", params=query)
            yield from page["images"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def relabel(
        self,
        bucket: str,
        key: str,
        tags: Sequence[str] | None = None,
        context: Mapping[str, str] | None = None,
    ) -> ImageInfo:
        """Replace the tags, the context or both; what is None stays as it is."""
        labels = {
            "tags": list(tags) if tags is not None else None,
            "context": dict(context) if context is not None else None,
        }
        return cast(ImageInfo, self._call("PATCH", _image(bucket, key), json=labels))

    def delete(self, bucket: str, key: str) -> None:
        """Delete an image with all its versions."""
        self._call("DELETE", _image(bucket, key))

    # Versions

    def versions(self, bucket: str, key: str) -> Iterator[VersionInfo]:
        """Newest first; fetched a page at a time."""
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = self._call("GET", f"{_image(bucket, key)}/versions", params=query)
            yield from page["versions"]
            if page["next"] is None:
                return
            query["before"] = page["next"]

    def restore(self, bucket: str, key: str, version: int) -> ImageInfo:
        """Make an older version the newest again, as a new version of the same bytes."""
        return cast(ImageInfo, self._call("POST", f"{_image(bucket, key)}/versions/{version}/restore"))

    def delete_version(self, bucket: str, key: str, version: int) -> None:
        self._call("DELETE", f"{_image(bucket, key)}/versions/{version}")

    # Delivery

    def get(self, bucket: str, key: str, version: int | None = None) -> AbstractContextManager[Download]:
        """The original's bytes, streamed; use it in a `with`."""
        return self._wire.stream(delivery_path(bucket, check_key(key), version))

    def signed_url(self, bucket: str, key: str, expires_in: int = 3600, version: int | None = None) -> str:
        """A URL from the service that opens a private image for `expires_in` seconds, a week at most."""
        asked = {"key": key, "expires_in": expires_in, "version": version}
        return str(self._call("POST", f"{_bucket(bucket)}/signed-urls", json=asked)["url"])

    def sign_url(self, bucket: str, key: str, expires_in: int = 3600, version: int | None = None) -> str:
        """As `signed_url`, made here and without a request: it does not look whether there is an image."""
        path = delivery_path(bucket, check_key(key), version)
        expires = int(time.time()) + expires_in
        return f"{self.url}{path}?{signed_query(self.access_key, self._secret, unquote(path), expires)}"

    # Cache

    def warm(self, bucket: str, keys: Iterable[str]) -> Warmed:
        """Load the originals of up to 100 keys into Redis."""
        return cast(Warmed, self._call("POST", "/v1/cache/warm", json={"bucket": bucket, "keys": list(keys)}))

    def cache_stats(self) -> CacheStats:
        """Counts of the one worker that answers."""
        return cast(CacheStats, self._call("GET", "/v1/cache/stats"))

    # Credentials

    def create_credential(
        self, scopes: Sequence[str], buckets: Sequence[str] | None = None, description: str = ""
    ) -> IssuedCredential:
        """`scopes` are of read, write and admin; `buckets` None means all. The secret is shown this once."""
        wanted = {"scopes": list(scopes), "description": description}
        wanted |= {"buckets": list(buckets)} if buckets is not None else {}
        return cast(IssuedCredential, self._call("POST", "/v1/credentials", json=wanted))

    def credentials(self) -> list[CredentialInfo]:
        return cast(list[CredentialInfo], self._call("GET", "/v1/credentials")["credentials"])

    def revoke_credential(self, access_key: str) -> None:
        self._call("DELETE", f"/v1/credentials/{quote(access_key, safe='')}")


def _bucket(name: str) -> str:
    return f"/v1/buckets/{quote(name, safe='')}"


def _image(bucket: str, key: str) -> str:
    return f"{_bucket(bucket)}/images/{quote(check_key(key), safe='/')}"


def _condition_fields(condition: Condition) -> dict[str, str]:
    """A condition as the fields of RFC 9110, section 13.1."""
    if condition.digests is not None:
        return {"If-Match": ", ".join(f'"{digest}"' for digest in condition.digests)}
    if condition.exists is None:
        return {}
    return {"If-Match": "*"} if condition.exists else {"If-None-Match": "*"}

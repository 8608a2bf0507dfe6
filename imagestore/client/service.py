"""Client: every call of the service, one method each."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast
from urllib.parse import quote, unquote

import httpx

from imagestore.client.answers import (
    BucketInfo,
    CredentialInfo,
    ImageInfo,
    IssuedCredential,
    Readiness,
    VersionInfo,
)
from imagestore.client.cache import CacheCalls
from imagestore.client.download import Download
from imagestore.client.retries import RETRIES, Retries
from imagestore.client.sources import Source
from imagestore.client.transformations import TransformationCalls
from imagestore.client.wire import Wire
from imagestore.core.errors import (
    BucketNotFound,
    CredentialNotFound,
    ImageNotFound,
    ServiceUnreachable,
    VersionNotFound,
)
from imagestore.core.image import Condition, Visibility, check_key
from imagestore.core.urls import delivery_path, signed_query

PAGE = 1000
"""Entries of a list that are fetched at once."""

ANY = Condition()


class Client(TransformationCalls, CacheCalls):
    """One service, as one credential. Safe to share between threads; close it, or use it in a `with`.

    `timeout` is seconds for each wait: for a connection, and for the next bytes in either direction. What
    may safely be sent again is, as `retries` says, when the connection fails or the service answers 503.
    `transport` replaces the network, such as httpx.WSGITransport(app) in tests.
    """

    def __init__(
        self,
        url: str,
        access_key: str,
        secret: str,
        *,
        timeout: float = 30,
        retries: Retries = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._wire = Wire(url, (access_key, secret), timeout, retries, transport)
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

    # The service

    def check_ready(self) -> None:
        """Return if the service can serve. Raises ServiceUnreachable otherwise."""
        if self.readiness()["status"] != "ready":
            raise ServiceUnreachable(f"The service at {self.url} is not ready: see its /readyz.")

    def readiness(self) -> Readiness:
        """What the service says of itself and of what is behind it, ready or not."""
        return cast(Readiness, self._wire.state("/readyz"))

    def metrics(self) -> str:
        """The counters of all workers, in Prometheus' text format."""
        return self._wire.text("/metrics")

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of the REST routes, with the version of the service in it."""
        return cast(dict[str, Any], self._call("GET", "/v1/openapi.json", again=True))

    # Buckets

    def create_bucket(self, name: str, access: Visibility = "private", *, strict: bool = False) -> BucketInfo:
        """In a strict bucket only named or signed transformations are made."""
        body = {"name": name, "access": access, "strict": strict}
        return cast(BucketInfo, self._call("POST", "/v1/buckets", json=body))

    def buckets(self) -> list[BucketInfo]:
        """The buckets that the credential reaches, by name."""
        return cast(list[BucketInfo], self._call("GET", "/v1/buckets", again=True)["buckets"])

    def bucket(self, name: str) -> BucketInfo:
        return cast(BucketInfo, self._call("GET", _bucket(name), again=True))

    def set_access(self, name: str, access: Visibility) -> BucketInfo:
        return cast(BucketInfo, self._call("PATCH", _bucket(name), again=True, json={"access": access}))

    def set_strict(self, name: str, strict: bool) -> BucketInfo:
        return cast(BucketInfo, self._call("PATCH", _bucket(name), again=True, json={"strict": strict}))

    def delete_bucket(self, name: str) -> None:
        """Raises BucketNotEmpty while there are images in it."""
        self._call("DELETE", _bucket(name), again=True, gone=(BucketNotFound,))

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
        does not hold of what the key names. With a key and without a condition it is safe to send again: the
        same bytes under the same key make no second version.
        """
        fields = {
            "tags": ",".join(tags) if tags is not None else None,
            "context": json.dumps(dict(context)) if context is not None else None,
        }
        made = self._call(
            "POST" if key is None else "PUT",
            f"{_bucket(bucket)}/images" if key is None else _image(bucket, key),
            again=key is not None and condition == ANY,
            source=Source(source),
            params={name: value for name, value in fields.items() if value is not None},
            headers={"Content-Type": "application/octet-stream"} | _condition_fields(condition),
        )
        return cast(ImageInfo, made)

    def image(self, bucket: str, key: str) -> ImageInfo:
        return cast(ImageInfo, self._call("GET", _image(bucket, key), again=True))

    def images(
        self, bucket: str, prefix: str = "", tag: str | None = None, limit: int | None = None
    ) -> Iterator[ImageInfo]:
        """Images whose key begins with `prefix` and that have `tag`, by key; fetched a page at a time.

        At most `limit` of them; None means all.
        """
        query: dict[str, Any] = {"prefix": prefix} | ({"tag": tag} if tag is not None else {})
        while limit is None or limit > 0:
            query["limit"] = PAGE if limit is None else min(PAGE, limit)
            page = self._call("GET", f"{_bucket(bucket)}/images", again=True, params=query)
            yield from page["images"]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]
            limit = None if limit is None else limit - len(page["images"])

    def relabel(
        self,
        bucket: str,
        key: str,
        tags: Sequence[str] | None = None,
        context: Mapping[str, str] | None = None,
        condition: Condition = ANY,
    ) -> ImageInfo:
        """Replace the tags, the context or both; what is None stays as it is."""
        labels = {
            "tags": list(tags) if tags is not None else None,
            "context": dict(context) if context is not None else None,
        }
        changed = self._call(
            "PATCH",
            _image(bucket, key),
            again=condition == ANY,
            json=labels,
            headers=_condition_fields(condition),
        )
        return cast(ImageInfo, changed)

    def delete(self, bucket: str, key: str, condition: Condition = ANY) -> None:
        """Delete an image with all its versions."""
        self._call(
            "DELETE",
            _image(bucket, key),
            again=condition == ANY,
            gone=(ImageNotFound,),
            headers=_condition_fields(condition),
        )

    # Versions

    def versions(self, bucket: str, key: str) -> Iterator[VersionInfo]:
        """Newest first; fetched a page at a time."""
        query: dict[str, Any] = {"limit": PAGE}
        while True:
            page = self._call("GET", f"{_image(bucket, key)}/versions", again=True, params=query)
            yield from page["versions"]
            if page["next"] is None:
                return
            query["before"] = page["next"]

    def version(self, bucket: str, key: str, version: int) -> VersionInfo:
        return cast(VersionInfo, self._call("GET", _version(bucket, key, version), again=True))

    def restore(self, bucket: str, key: str, version: int, condition: Condition = ANY) -> ImageInfo:
        """Make an older version the newest again, as a new version of the same bytes."""
        path = f"{_version(bucket, key, version)}/restore"
        return cast(ImageInfo, self._call("POST", path, headers=_condition_fields(condition)))

    def delete_version(self, bucket: str, key: str, version: int) -> None:
        gone = (VersionNotFound, ImageNotFound)
        self._call("DELETE", _version(bucket, key, version), again=True, gone=gone)

    # Delivery

    def get(self, bucket: str, key: str, version: int | None = None) -> AbstractContextManager[Download]:
        """The original's bytes, streamed; use it in a `with`. See Download."""
        return self._wire.stream(delivery_path(bucket, check_key(key), version))

    def signed_url(self, bucket: str, key: str, expires_in: int = 3600, version: int | None = None) -> str:
        """A URL from the service that opens a private image for `expires_in` seconds, a week at most."""
        asked = {"key": key, "expires_in": expires_in, "version": version}
        return str(self._call("POST", f"{_bucket(bucket)}/signed-urls", again=True, json=asked)["url"])

    def sign_url(self, bucket: str, key: str, expires_in: int = 3600, version: int | None = None) -> str:
        """As `signed_url`, made here and without a request: it does not look whether there is an image."""
        path = delivery_path(bucket, check_key(key), version)
        expires = int(time.time()) + expires_in
        return f"{self.url}{path}?{signed_query(self.access_key, self._secret, unquote(path), expires)}"

    # Credentials

    def create_credential(
        self,
        scopes: Sequence[str],
        buckets: Sequence[str] | None = None,
        description: str = "",
        owner: str | None = None,
    ) -> IssuedCredential:
        """`scopes` are of read, write and admin; `buckets` None means all. The secret is shown this once.

        `owner` is the account that it shall belong to; without one it is an account of its own.
        """
        wanted: dict[str, object] = {"scopes": list(scopes), "description": description}
        wanted |= {"owner": owner} if owner is not None else {}
        wanted |= {"buckets": list(buckets)} if buckets is not None else {}
        return cast(IssuedCredential, self._call("POST", "/v1/credentials", json=wanted))

    def credentials(self) -> list[CredentialInfo]:
        return cast(list[CredentialInfo], self._call("GET", "/v1/credentials", again=True)["credentials"])

    def revoke_credential(self, access_key: str) -> None:
        path = f"/v1/credentials/{quote(access_key, safe='')}"
        self._call("DELETE", path, again=True, gone=(CredentialNotFound,))


def _bucket(name: str) -> str:
    return f"/v1/buckets/{quote(name, safe='')}"


def _image(bucket: str, key: str) -> str:
    return f"{_bucket(bucket)}/images/{quote(check_key(key), safe='/')}"


def _version(bucket: str, key: str, number: int) -> str:
    return f"{_image(bucket, key)}/versions/{number}"


def _condition_fields(condition: Condition) -> dict[str, str]:
    """A condition as the fields of RFC 9110, section 13.1."""
    if condition.digests is not None:
        return {"If-Match": ", ".join(f'"{digest}"' for digest in condition.digests)}
    if condition.exists is None:
        return {}
    return {"If-Match": "*"} if condition.exists else {"If-None-Match": "*"}

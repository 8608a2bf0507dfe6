"""A client that is cheap and notes everything: one kept-alive connection, opened again after it broke."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from tests.service import Service

PATIENCE = 60.0
"""Seconds for each wait: longer than any deadline of the service, so that a hang is told from a delay."""


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is 0 where the connection broke before there was one; `whole` says whether
    all of the announced body came. `began` is the time of the request on the monotonic clock, `seconds` how
    long it took until the end of the answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool
    began: float
    seconds: float

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "").strip('"')

    def json(self) -> Any:
        return json.loads(self.body)

    def __str__(self) -> str:
        told = self.body[:300] if self.status >= 400 else b""
        return f"{self.status} after {self.seconds:.2f} s{'' if self.whole else ', cut short'} {told!r}"


class Caller:
    """For one thread. Never tries anything again by itself."""

    def __init__(self, service: Service, *, patience: float = PATIENCE) -> None:
        address = urlsplit(service.url)
        assert address.hostname is not None
        self._http = http.client.HTTPConnection(address.hostname, address.port, timeout=patience)
        credential = base64.b64encode(f"{service.access_key}:{service.secret}".encode()).decode()
        self._authorized = {"Authorization": f"Basic {credential}"}

    def close(self) -> None:
        self._http.close()

    def put(self, bucket: str, key: str, data: bytes) -> Answer:
        """Upload a picture."""
        return self.call("PUT", image_path(bucket, key), data)

    def get(self, bucket: str, key: str, version: int | None = None, **headers: str) -> Answer:
        """Fetch an original by its delivery URL, as a stranger does."""
        return self.call("GET", delivery_path(bucket, key, version), headers=headers, stranger=True)

    def delete(self, bucket: str, key: str) -> Answer:
        return self.call("DELETE", image_path(bucket, key))

    def create_bucket(self, name: str) -> None:
        """A bucket that everybody may read."""
        wanted, kind = {"name": name, "access": "public-read"}, {"Content-Type": "application/json"}
        answer = self.call("POST", "/v1/buckets", json.dumps(wanted).encode(), headers=kind)
        assert answer.status == 201, str(answer)

    def images(self, bucket: str) -> list[str]:
        """The keys of the first thousand images."""
        answer = self.call("GET", f"/v1/buckets/{bucket}/images?limit=1000")
        return [image["key"] for image in answer.json()["images"]]

    def versions(self, bucket: str, key: str) -> dict[int, str]:
        """The digests of the newest thousand versions, by their numbers; none if there is no such image."""
        answer = self.call("GET", f"{image_path(bucket, key)}/versions?limit=1000")
        if answer.status == 404:
            return {}
        return {version["version"]: version["digest"] for version in answer.json()["versions"]}

    def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        stranger: bool = False,
    ) -> Answer:
        """One request and its answer, with a credential unless it is a `stranger`'s."""
        sent = {**({} if stranger else self._authorized), **(headers or {})}
        began = time.monotonic()
        status, fields, received, whole = 0, {}, b"", False
        try:
            self._http.request(method, path, body, sent)
            response = self._http.getresponse()
            status, fields = response.status, {name.lower(): text for name, text in response.getheaders()}
            received = response.read()
            whole = True
        except http.client.IncompleteRead as error:
            received = error.partial
        except (http.client.HTTPException, OSError):
            pass
        if not whole:
            self._http.close()
        return Answer(status, fields, received, whole, began, time.monotonic() - began)


def image_path(bucket: str, key: str) -> str:
    return f"/v1/buckets/{bucket}/images/{quote(key)}"


def delivery_path(bucket: str, key: str, version: int | None = None) -> str:
    return f"/{bucket}/image/upload/{f'v{version}/' if version else ''}{quote(key)}"

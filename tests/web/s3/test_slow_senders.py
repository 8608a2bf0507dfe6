"""Bodies that come slowly: what held when a request's head had come holds for its body, however late."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.service import Service

LASTS = 4
LARGE = 2 * 1024 * 1024


def dawdle(data: bytes) -> Iterator[bytes]:
    """All of it, half of it after what was signed has expired."""
    yield data[: len(data) // 2]
    time.sleep(LASTS + 2)
    yield data[len(data) // 2 :]


def form(made: dict[str, Any], data: bytes) -> tuple[bytes, dict[str, str]]:
    request = httpx.Request("POST", "http://x/", data=made["fields"], files={"file": ("f", data)})
    return request.read(), {"Content-Type": request.headers["Content-Type"]}


def test_what_expires_meanwhile_is_taken(
    open_s3: Callable[..., Any], browser: httpx.Client, s3: Any, s3_bucket: str
) -> None:
    asked: list[tuple[str, str, bytes, dict[str, str]]] = []
    for version in ("s3v4", "s3"):
        client = open_s3(signature_version=version)
        for size in (1000, LARGE):
            name = {"Bucket": s3_bucket, "Key": f"{version}-{size}"}
            url = client.generate_presigned_url("put_object", Params=name, ExpiresIn=LASTS)
            asked.append(("PUT", url, b"x" * size, {}))
        made = client.generate_presigned_post(s3_bucket, f"{version}-form", ExpiresIn=LASTS)
        asked.append(("POST", f"/{s3_bucket}", *form(made, b"x" * LARGE)))

    def send(each: tuple[str, str, bytes, dict[str, str]]) -> int:
        method, url, body, headers = each
        length = {"Content-Length": str(len(body))}
        return browser.request(method, url, content=dawdle(body), headers=length | headers).status_code

    with ThreadPoolExecutor(len(asked)) as pool:
        assert list(pool.map(send, asked)) == [200, 200, 204] * 2
    assert s3.list_objects_v2(Bucket=s3_bucket)["KeyCount"] == len(asked)
    for method, url, body, headers in asked:  # by now nobody may
        assert browser.request(method, url, content=body, headers=headers).status_code == 403


def test_who_lost_the_right_meanwhile_is_refused(
    open_s3: Callable[..., Any], s3_service: Service, browser: httpx.Client
) -> None:
    with s3_service.client() as client:
        made = client.create_credential(["read", "write"])
        signer = open_s3(made["access_key"], made["secret"], signature_version="s3v4")
        name = {"Bucket": f"slow-{secrets.token_hex(6)}", "Key": "k"}
        signer.create_bucket(Bucket=name["Bucket"])
        url = signer.generate_presigned_url("put_object", Params=name, ExpiresIn=600)

        def body(*, revoked: bool) -> Iterator[bytes]:
            yield b"x" * LARGE
            if revoked:
                client.revoke_credential(made["access_key"])
            yield b"x"

        length = {"Content-Length": str(LARGE + 1)}
        assert browser.put(url, content=body(revoked=False), headers=length).status_code == 200
        assert browser.put(url, content=body(revoked=True), headers=length).status_code == 403

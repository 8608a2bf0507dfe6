"""The SDK: a typed client of the REST face and of delivery URLs, which streams both ways.

    service.py   Client: every call
    wire.py      requests, errors, bodies as they come
    answers.py   the shapes of answers

    from pathlib import Path

    from imagestore.client import Client

    with Client("http://127.0.0.1:8000", access_key, secret) as client:
        client.create_bucket("holiday", "public-read")
        image = client.upload("holiday", Path("beach.jpg"), key="2024/beach.jpg", tags=["sea"])
        print(image["url"], image["width"], image["height"])
        with client.get("holiday", "2024/beach.jpg") as download:
            Path("copy.jpg").write_bytes(b"".join(download))

What the service refuses is raised as the exception of `imagestore.core.errors` with that code; what keeps it
from answering, as ServiceUnreachable. Nothing is tried again: whether that is safe is the caller's to know.
"""

from imagestore.client.answers import (
    BucketInfo,
    CacheStats,
    CredentialInfo,
    ImageInfo,
    IssuedCredential,
    VersionInfo,
    Warmed,
)
from imagestore.client.service import Client
from imagestore.client.wire import Download

__all__ = [
    "BucketInfo",
    "CacheStats",
    "Client",
    "CredentialInfo",
    "Download",
    "ImageInfo",
    "IssuedCredential",
    "VersionInfo",
    "Warmed",
]

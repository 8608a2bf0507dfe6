"""The SDK: a typed client of the REST face and of delivery URLs, which streams both ways.

    service.py    Client: every call
    transformations.py   those of them that concern transformations and facts
    wire.py       requests, and when they are sent again
    retries.py    how often, after what pauses
    sources.py    what an upload sends
    download.py   an original on its way
    failures.py   errors
    answers.py    the shapes of answers

    from pathlib import Path

    from imagestore.client import Client

    with Client("http://127.0.0.1:8000", access_key, secret) as client:
        client.create_bucket("holiday", "public-read")
        image = client.upload("holiday", Path("beach.jpg"), key="2024/beach.jpg", tags=["sea"])
        print(image["url"], image["width"], image["height"])
        with client.get("holiday", "2024/beach.jpg") as download:
            download.save(Path("copy.jpg"))

What the service refuses is raised as the exception of `imagestore.core.errors` with that code; what keeps it
from answering, as ServiceUnreachable. What is safe to send again is sent again, a few times: see Retries.
"""

from imagestore.client.answers import (
    BucketInfo,
    CacheStats,
    CredentialInfo,
    DescribedImage,
    Explanation,
    HotPath,
    ImageInfo,
    IssuedCredential,
    Purged,
    Readiness,
    TransformationInfo,
    VersionInfo,
    Warmed,
)
from imagestore.client.download import Download
from imagestore.client.retries import NO_RETRIES, Retries
from imagestore.client.service import Client

__all__ = [
    "NO_RETRIES",
    "BucketInfo",
    "CacheStats",
    "Client",
    "CredentialInfo",
    "DescribedImage",
    "Download",
    "Explanation",
    "HotPath",
    "ImageInfo",
    "IssuedCredential",
    "Purged",
    "Readiness",
    "Retries",
    "TransformationInfo",
    "VersionInfo",
    "Warmed",
]

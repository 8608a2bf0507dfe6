"""The shapes of what the service answers, as its REST face documents them: plain dicts, typed."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from imagestore.core.image import Visibility


class BucketInfo(TypedDict):
    name: str
    access: Visibility
    strict: bool
    created: str


class TransformationInfo(TypedDict):
    name: str
    transformation: str
    changed: str


class VersionInfo(TypedDict):
    """One version as REST shows it: `bytes` is its size, `created` an ISO 8601 time."""

    bucket: str
    key: str
    version: int
    version_id: str
    digest: str
    etag: str
    bytes: int
    width: int
    height: int
    format: str
    media_type: str
    frames: int
    orientation: int
    has_alpha: bool
    has_gps: bool
    created: str
    version_url: str


class ImageInfo(VersionInfo):
    url: str
    tags: list[str]
    context: dict[str, str]


class DescribedImage(ImageInfo, total=False):
    """An image with the facts that were asked for."""

    faces: list[dict[str, float]]
    colors: list[dict[str, Any]]
    phash: str
    placeholder: str
    exif: dict[str, Any]
    place: dict[str, float]


class CredentialInfo(TypedDict):
    access_key: str
    scopes: list[str]
    buckets: list[str] | None
    description: str
    created: str
    owner: str
    canonical_id: str


class IssuedCredential(CredentialInfo):
    secret: str


class Warmed(TypedDict):
    """What a warm-up did: `before` and `after` count the images whose bytes Redis had; `refused` tells which
    renditions cannot be made, and why, `left` which there was no time or room for."""

    asked: int
    before: int
    after: int
    loaded: int
    bytes: int
    missing: list[str]
    too_large: list[str]
    damaged: list[str]
    refused: dict[str, str]
    left: list[str]


class Purged(TypedDict):
    """What a purge dropped, of how many images; unless `next` is None, it is to go on behind that key."""

    images: int
    renditions: int
    next: str | None


class Explanation(TypedDict):
    """What would answer a delivery URL. `level`: where its bytes would come from. `rule` and `meaning` are
    sentences: who may have it, and what caches do with the answer. `transformation` has it as it was `asked`
    for, its `canonical` text, and that text's `components`."""

    bucket: str
    key: str
    version: int
    default_image: bool
    out_of_date: bool
    transformation: dict[str, Any]
    format: str
    rule: list[str]
    name: str
    depends_on: list[str]
    surrogate_keys: list[str]
    level: Literal["memory", "redis", "gridfs", "render"]
    milliseconds: dict[str, float]
    headers: dict[str, str]
    meaning: list[str]


class HotPath(TypedDict):
    """A path of delivery, and how often it was answered of late."""

    path: str
    answers: int


class CacheStats(TypedDict):
    """Of all workers of a node, since it started: what came of asking Redis, and delivery's answers and bytes
    by where they came from. `hit_ratio` is the share for which MongoDB was not read; `hottest` are the paths
    that are asked for most."""

    enabled: bool
    breaker: str
    counts: dict[str, int]
    answers: dict[str, int]
    bytes: dict[str, int]
    hit_ratio: float | None
    saved_bytes: int
    memory_bytes: int
    memory_entries: int
    memory_evictions: int
    hottest: list[HotPath]


class Readiness(TypedDict):
    """`parts` name the state of MongoDB and Redis, `details` more, which grows from version to version."""

    status: Literal["ready", "not ready"]
    parts: dict[str, str]
    details: dict[str, Any]

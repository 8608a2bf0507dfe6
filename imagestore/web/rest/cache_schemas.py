"""The bodies of REST's calls about the caches."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, StrictBool
from pydantic.config import JsonDict

from imagestore.web.rest.schemas import LONGEST_TEXT, Model

_CHOICES: dict[str, JsonDict] = {
    "keys": {"type": "array"},
    "tag": {"type": "string"},
    "prefix": {"type": "string"},
    "everything": {"const": True},
}
"""What a purge is of, each as it is when it is the one that was chosen."""


class WarmRequest(Model):
    bucket: str
    keys: list[str] = Field(min_length=1, max_length=100, description="Which images to load.")
    transformations: list[Annotated[str, Field(min_length=1)]] | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="As in URLs: the renditions of each image by each of these, in place of the originals, "
        "100 in all.",
    )
    accept: str = Field("", description="What clients will say that they accept, for renditions with f_auto.")


class WarmAnswer(Model):
    """`before` and `after` count the images whose bytes Redis had; the rest says why not all, of renditions
    by `TRANSFORMATION/KEY`: `refused` why they cannot be made, `left` what there was no time or room for."""

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


class PurgeRequest(Model):
    """What to purge of a bucket: exactly one of `keys`, `tag`, `prefix` and `everything`."""

    model_config = ConfigDict(
        extra="forbid",
        str_max_length=LONGEST_TEXT,
        json_schema_extra={
            "oneOf": [{"required": [name], "properties": {name: each}} for name, each in _CHOICES.items()],
        },
    )

    bucket: str
    keys: list[str] | None = Field(
        None, min_length=1, max_length=100, description="The images of these keys."
    )
    tag: str | None = Field(None, min_length=1, description="The images that have this tag.")
    prefix: str | None = Field(None, min_length=1, description="The images whose keys begin so.")
    everything: StrictBool = Field(False, description="All images of the bucket.")
    after: str = Field("", description="Go on behind this key: the `next` of the answer before.")


class PurgeAnswer(Model):
    """`renditions` are those that were dropped, in Redis and MongoDB. Unless `next` is null, there is more:
    send the same again, with `after` set to it."""

    images: int
    renditions: int
    next: str | None


class StatsQuery(Model):
    hottest: int = Field(20, ge=0, le=1000, description="So many of the URLs that are asked for most.")


class HotPath(Model):
    """A path of delivery, without its query, and how often it was answered of late: the older the less."""

    path: str
    answers: int


class CacheStats(Model):
    """Of all workers of the node that answers, since it started. `counts` are what came of asking Redis;
    `answers` and `bytes` are delivery's answers with an image and the bytes of their bodies, by where they
    came from, as `imagestore_cache_answers_total` has it. `hit_ratio` is the share for which MongoDB was not
    read, null before the first, `saved_bytes` are those that did not come from there, `memory_` tells what
    workers keep, and `hottest` what is asked for most, since before the start too."""

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

"""REST: the cache: warm-up and counts."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action
from imagestore.core.errors import InvalidParameter
from imagestore.core.metrics import (
    CACHE_ANSWERS,
    CACHE_BYTES,
    EDGE_EVICTIONS,
    EDGE_MEMORY_BYTES,
    EDGE_MEMORY_ENTRIES,
    REDIS_EVENTS,
)
from imagestore.web.frontdoor import require, services
from imagestore.web.journal import note
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json
from imagestore.web.rest.cache_schemas import (
    CacheStats,
    HotPath,
    PurgeAnswer,
    PurgeRequest,
    StatsQuery,
    WarmAnswer,
    WarmRequest,
)

SPARED = ("memory", "redis", "alias", "stale")
"""Sources of answers for which MongoDB was not read."""

MOST_RENDITIONS = 100
"""Of one warm-up."""

cache = APIBlueprint(
    "cache",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="cache", description="What Redis holds.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)


@cache.post(
    "/cache/warm", summary="Load images into Redis before the traffic comes", responses={"200": WarmAnswer}
)
def warm_cache(body: WarmRequest) -> Response:
    note(bucket=body.bucket)
    require(Action.MANAGE_CACHE, body.bucket)
    if body.transformations is None:
        report = services().warmup.warm(body.bucket, body.keys)
    elif len(body.keys) * len(body.transformations) > MOST_RENDITIONS:
        raise InvalidParameter(f"Ask for {MOST_RENDITIONS} renditions at most, keys times transformations.")
    else:
        report = services().rendition_warmup.warm(body.bucket, body.keys, body.transformations, body.accept)
    return answer_json(WarmAnswer(**asdict(report)))


@cache.post(
    "/cache/purge",
    summary="Drop all that is kept of images' answers, and what was made of them",
    responses={"200": PurgeAnswer},
)
def purge_cache(body: PurgeRequest) -> Response:
    note(bucket=body.bucket)
    require(Action.MANAGE_CACHE, body.bucket)
    chosen = [body.keys is not None, body.tag is not None, body.prefix is not None, body.everything]
    if sum(chosen) != 1:
        raise InvalidParameter("Say what to purge by exactly one of keys, tag, prefix and everything.")
    services().catalog.bucket(body.bucket)
    if body.keys is not None:
        report = services().purge.purge_keys(body.bucket, body.keys)
    else:
        report = services().purge.purge_all(
            body.bucket, prefix=body.prefix or "", tag=body.tag, after=body.after
        )
    return answer_json(PurgeAnswer(**asdict(report)))


@cache.get(
    "/cache/stats", summary="Show what memory and Redis answered, and spared", responses={"200": CacheStats}
)
def show_stats(query: StatsQuery) -> Response:
    require(Action.LOOK, None)
    tier = services().tier.stats()
    events, answers, sent, memory, entries, evictions = (
        {name: int(value) for name, value in found.items()}
        for found in services().metrics.totals(
            REDIS_EVENTS,
            CACHE_ANSWERS,
            CACHE_BYTES,
            EDGE_MEMORY_BYTES,
            EDGE_MEMORY_ENTRIES,
            EDGE_EVICTIONS,
        )
    )
    total = sum(answers.values())
    return answer_json(
        CacheStats(
            enabled=tier.enabled,
            breaker=tier.breaker,
            counts=events,
            answers=answers,
            bytes=sent,
            hit_ratio=sum(answers.get(each, 0) for each in SPARED) / total if total else None,
            saved_bytes=sum(sent.get(each, 0) for each in SPARED),
            memory_bytes=memory.get("", 0),
            memory_entries=entries.get("", 0),
            memory_evictions=evictions.get("", 0),
            hottest=[
                HotPath(path=path, answers=count) for path, count in services().hottest.top(query.hottest)
            ],
        )
    )

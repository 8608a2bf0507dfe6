"""REST: the cache: warm-up and counts."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action
from imagestore.web.frontdoor import require, services
from imagestore.web.journal import note
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json
from imagestore.web.rest.schemas import CacheStats, WarmAnswer, WarmRequest

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
    require(Action.WRITE, body.bucket)
    return answer_json(WarmAnswer(**asdict(services().warmup.warm(body.bucket, body.keys))))


@cache.get(
    "/cache/stats", summary="Show the counts of the worker that answers", responses={"200": CacheStats}
)
def show_stats() -> Response:
    require(Action.LOOK, None)
    stats = asdict(services().tier.stats())
    enabled, breaker = stats.pop("enabled"), stats.pop("breaker")
    return answer_json(CacheStats(enabled=enabled, breaker=breaker, counts=stats))

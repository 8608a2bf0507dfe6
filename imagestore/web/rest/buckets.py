"""REST: buckets."""

from __future__ import annotations

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action, may
from imagestore.core.errors import InvalidParameter
from imagestore.web.frontdoor import circumstances, principal, require, services
from imagestore.web.journal import note
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json, no_content
from imagestore.web.rest.schemas import (
    BucketAnswer,
    BucketChange,
    BucketList,
    BucketPath,
    ErrorAnswer,
    NewBucket,
)

buckets = APIBlueprint(
    "buckets",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="buckets", description="Named containers with their own policy.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)


@buckets.post("/buckets", summary="Make a bucket", responses={"201": BucketAnswer, "409": ErrorAnswer})
def create_bucket(body: NewBucket) -> Response:
    note(bucket=body.name)
    require(Action.ADMINISTER, body.name)
    bucket = services().catalog.create_bucket(body.name, body.access, strict=body.strict)
    return answer_json(BucketAnswer.of(bucket), 201)


@buckets.get(
    "/buckets", summary="List the buckets that the credential reaches", responses={"200": BucketList}
)
def list_buckets() -> Response:
    who = principal()
    require(Action.LOOK, next(iter(who.buckets)) if who.buckets else None)
    found = [
        BucketAnswer.of(each)
        for each in services().catalog.list_buckets()
        if who.reaches(each.name) and may(who, Action.LIST_BUCKET, each, circumstances())
    ]
    return answer_json(BucketList(buckets=found))


@buckets.get("/buckets/<string:bucket>", summary="Show a bucket", responses={"200": BucketAnswer})
def show_bucket(path: BucketPath) -> Response:
    require(Action.LIST_BUCKET, path.bucket)
    return answer_json(BucketAnswer.of(services().catalog.bucket(path.bucket)))


@buckets.patch(
    "/buckets/<string:bucket>",
    summary="Change a bucket's access, or whether it is strict",
    responses={"200": BucketAnswer},
)
def change_bucket(path: BucketPath, body: BucketChange) -> Response:
    require(Action.CHANGE_BUCKET, path.bucket)
    if body.access is None and body.strict is None:
        raise InvalidParameter("Nothing to change: send access, strict or both.")
    bucket = services().catalog.change_bucket(path.bucket, visibility=body.access, strict=body.strict)
    return answer_json(BucketAnswer.of(bucket))


@buckets.delete(
    "/buckets/<string:bucket>", summary="Delete an empty bucket", responses={"204": None, "409": ErrorAnswer}
)
def delete_bucket(path: BucketPath) -> Response:
    require(Action.DELETE_BUCKET, path.bucket)
    services().catalog.delete_bucket(path.bucket)
    return no_content()

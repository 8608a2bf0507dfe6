"""REST: versions of an image: list, show, restore, delete."""

from __future__ import annotations

from contextlib import suppress

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action, hinges_on_requests
from imagestore.core.errors import InvalidParameter, VersionNotFound
from imagestore.core.image import Version, check_key
from imagestore.web.frontdoor import require, services
from imagestore.web.rest.answers import ERRORS, SECURITY, answer_json, base_url, no_content, read_condition
from imagestore.web.rest.rights import require_copy, require_list, require_version
from imagestore.web.rest.schemas import (
    ErrorAnswer,
    ImageAnswer,
    ImagePath,
    VersionAnswer,
    VersionList,
    VersionPath,
    VersionsQuery,
)

versions = APIBlueprint(
    "versions",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="versions", description="An image's history.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)


@versions.get(
    "/buckets/<string:bucket>/images/<path:key>/versions",
    summary="List an image's versions, newest first",
    responses={"200": VersionList},
)
def list_versions(path: ImagePath, query: VersionsQuery) -> Response:
    limit = query.limit if "limit" in request.args else None
    require_list(Action.LIST_BUCKET_VERSIONS, path.bucket, path.key, limit)
    require(Action.GET_OBJECT_ATTRIBUTES, path.bucket, path.key)
    found = services().catalog.list_versions(
        path.bucket, check_key(path.key), before=query.before, limit=query.limit + 1
    )
    page = found[: query.limit]
    return answer_json(
        VersionList(
            versions=[VersionAnswer.of(version, base_url()) for version in page],
            next=page[-1].number if len(found) > len(page) else None,
        )
    )


@versions.get(
    "/buckets/<string:bucket>/images/<path:key>/versions/<int:number>",
    summary="Show one version's facts and URL",
    responses={"200": VersionAnswer},
)
def show_version(path: VersionPath) -> Response:
    version = _require_version(path)
    return answer_json(VersionAnswer.of(version, base_url()))


@versions.post(
    "/buckets/<string:bucket>/images/<path:key>/versions/<int:number>/restore",
    summary="Make an older version the newest again, as a new version of the same bytes",
    responses={"201": ImageAnswer, "405": ErrorAnswer, "412": ErrorAnswer},
)
def restore_version(path: VersionPath) -> Response:
    known = require(Action.PUT_OBJECT, path.bucket, path.key)
    version = services().catalog.version(path.bucket, check_key(path.key), path.number)
    require_copy(known, version)
    image = services().ingest.restore(version, read_condition())
    return answer_json(ImageAnswer.of_image(image, base_url()), 201)


@versions.delete(
    "/buckets/<string:bucket>/images/<path:key>/versions/<int:number>",
    summary="Delete one version; the one before becomes the newest, and the last takes the image along",
    responses={"204": None},
)
def delete_version(path: VersionPath) -> Response:
    known = require(Action.DELETE_OBJECT_VERSION, path.bucket, path.key)
    if "If-Match" in request.headers or "If-None-Match" in request.headers:
        raise InvalidParameter(
            "Deleting one version takes no If-Match and no If-None-Match, since a version never changes: "
            "leave them out."
        )
    key, catalog = check_key(path.key), services().catalog
    if known is not None and hinges_on_requests(Action.DELETE_OBJECT_VERSION, known, key):
        with suppress(VersionNotFound):
            require_version(
                known, catalog.version(known.name, key, path.number), Action.DELETE_OBJECT_VERSION
            )
    catalog.delete_version(path.bucket, key, path.number)
    return no_content()


def _require_version(path: VersionPath) -> Version:
    """The version, if the sender may know of it: as the newest's attributes have it, and as its own."""
    known = require(Action.GET_OBJECT_VERSION, path.bucket, path.key)
    version = services().catalog.version(path.bucket, check_key(path.key), path.number)
    actions = (Action.GET_OBJECT, Action.GET_OBJECT_VERSION, Action.GET_OBJECT_VERSION_ATTRIBUTES)
    require_version(known, version, *actions)
    return version

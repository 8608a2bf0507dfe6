"""REST: images: upload, list, facts and URLs, labels, delete, signed URLs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import unquote

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag

from imagestore.access.policies import Action
from imagestore.core.errors import (
    FacesUnavailable,
    InvalidKey,
    InvalidParameter,
    RejectedImage,
    Unavailable,
)
from imagestore.core.image import Bucket, Labels, check_context, check_key, check_tags, make_key
from imagestore.core.telemetry import Timings
from imagestore.core.urls import delivery_path
from imagestore.library.ingest import Upload
from imagestore.web.frontdoor import principal, require, services
from imagestore.web.journal import note
from imagestore.web.rest.answers import (
    ERRORS,
    SECURITY,
    TEXT,
    Responses,
    answer_json,
    base_url,
    decode_cursor,
    described,
    encode_cursor,
    no_content,
    read_condition,
    read_labels,
)
from imagestore.web.rest.facts import FactsAnswer, FactsQuery, find_out
from imagestore.web.rest.rights import refuse_labels, require_history, require_list
from imagestore.web.rest.schemas import (
    BucketPath,
    ErrorAnswer,
    ImageAnswer,
    ImageList,
    ImagePath,
    LabelsChange,
    ListQuery,
    PutQuery,
    SignedUrl,
    SignRequest,
    UploadQuery,
)
from imagestore.web.rest.texts import ContextText, Key, Tags, schema_of

images = APIBlueprint(
    "images",
    __name__,
    url_prefix="/v1",
    abp_tags=[Tag(name="images", description="What keys name.")],
    abp_security=SECURITY,
    abp_responses=ERRORS,
)

VERSION_ROUTES = re.compile(r".+/versions(/\d+(/restore)?)?")
"""Keys whose paths are those of `versions.py`: under them a DELETE would take a version of another image.
The digits are all that the routes take for a number. S3 has such keys, so this is no rule of `check_key`."""

UPLOAD_ANSWERS: Responses = {
    "201": described(
        FactsAnswer, "Stored, or there already", Location={"type": "string", "format": "uri"}, ETag=TEXT
    ),
    "412": ErrorAnswer,
    "415": ErrorAnswer,
    "422": ErrorAnswer,
}
RAW_BODY = {"schema": {"type": "string", "format": "binary"}}
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": RAW_BODY,
            "application/octet-stream": RAW_BODY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "The picture."},
                        "key": schema_of(Key),
                        "tags": schema_of(Tags) | {"description": "Separated by commas."},
                        "context": schema_of(ContextText) | {"description": "A JSON object of text to text."},
                        "faces": {"enum": ["0", "1"], "description": "1 to look for faces."},
                    },
                }
            },
        },
    }
}
PUT_BODY = {
    "requestBody": {"required": True, "content": {"image/*": RAW_BODY, "application/octet-stream": RAW_BODY}}
}


@images.post(
    "/buckets/<string:bucket>/images",
    summary="Upload a picture, as the body itself or as part `file` of a form",
    responses=UPLOAD_ANSWERS,
    openapi_extensions=UPLOAD_BODY,
)
def upload_image(path: BucketPath, query: UploadQuery) -> Response:
    is_form = request.mimetype == "multipart/form-data"
    given = request.form.get("key", query.key) if is_form else query.key
    key = make_key() if given is None else given
    known = require(Action.PUT_OBJECT, path.bucket, key)
    if is_form:
        faces = request.form.get("faces", query.faces)
        if faces not in (None, "0", "1"):
            raise InvalidParameter("faces wants 1 to look for faces, or 0.")
        return _store(known, _form_upload(path.bucket, key, query), faces)
    return _store(known, _raw_upload(path.bucket, key, query), query.faces)


@images.put(
    "/buckets/<string:bucket>/images/<path:key>",
    summary="Upload a picture under a key",
    responses=UPLOAD_ANSWERS,
    openapi_extensions=PUT_BODY,
)
def put_image(path: ImagePath, query: PutQuery) -> Response:
    known = require(Action.PUT_OBJECT, path.bucket, path.key)
    if request.mimetype == "multipart/form-data":
        raise InvalidParameter("PUT takes the picture's bytes as its body; POST takes forms.")
    return _store(known, _raw_upload(path.bucket, path.key, query), query.faces)


def _raw_upload(bucket: str, key: str, query: UploadQuery | PutQuery) -> Upload:
    return Upload(
        bucket=bucket,
        source=request.stream,
        key=_check_route(key),
        expected=request.content_length,
        labels=read_labels(query.tags, query.context),
        condition=read_condition(),
        timings=Timings(services().tracer),
    )


def _form_upload(bucket: str, key: str, query: UploadQuery) -> Upload:
    """Fields of the form count before the query's. Raises InvalidParameter where the picture is missing."""
    file = request.files.get("file")
    if file is None:
        raise InvalidParameter("The form has no part `file` with a file name: send the picture as that part.")
    return Upload(
        bucket=bucket,
        source=file.stream,
        key=_check_route(key),
        labels=read_labels(request.form.get("tags", query.tags), request.form.get("context", query.context)),
        condition=read_condition(),
        timings=Timings(services().tracer),
    )


def _check_route(key: str) -> str:
    """`key`, if REST can reach an image under it. Raises InvalidKey."""
    if VERSION_ROUTES.fullmatch(key):
        raise InvalidKey(
            "REST reads a key that ends in /versions, /versions/<number> or /versions/<number>/restore "
            "as that route of another image: choose another ending."
        )
    return key


def _store(bucket: Bucket | None, upload: Upload, faces: str | None) -> Response:
    refuse_labels(bucket, upload.key, upload.labels)
    image = services().ingest.store(upload)
    note(key=image.key)
    try:
        told = find_out(image, {"faces": faces}, base_url())
    except (FacesUnavailable, RejectedImage, Unavailable):
        told = find_out(image, {}, base_url())  # it is stored: an error would have it sent again
    response = answer_json(told, 201)
    response.headers["Location"] = base_url() + delivery_path(image.bucket, image.key)
    response.headers["ETag"] = f'"{image.version.digest}"'
    return response


@images.get("/buckets/<string:bucket>/images", summary="List images by key", responses={"200": ImageList})
def list_images(path: BucketPath, query: ListQuery) -> Response:
    limit = query.limit if "limit" in request.args else None
    require_list(Action.LIST_BUCKET, path.bucket, request.args.get("prefix"), limit)
    catalog = services().catalog
    catalog.bucket(path.bucket)
    after = decode_cursor(query.cursor) if query.cursor else ""
    found = catalog.list_images(
        path.bucket, prefix=query.prefix, tag=query.tag, after=after, limit=query.limit + 1
    )
    page = found[: query.limit]
    return answer_json(
        ImageList(
            images=[ImageAnswer.of_image(image, base_url()) for image in page],
            next=encode_cursor(page[-1].key) if len(found) > len(page) else None,
        )
    )


@images.get(
    "/buckets/<string:bucket>/images/<path:key>",
    summary="Show an image's facts and URLs",
    responses={"200": FactsAnswer, "422": ErrorAnswer},
)
def show_image(path: ImagePath, query: FactsQuery) -> Response:
    require(Action.GET_OBJECT, path.bucket, path.key)
    require(Action.GET_OBJECT_ATTRIBUTES, path.bucket, path.key)
    image = services().catalog.image(path.bucket, check_key(path.key))
    return answer_json(find_out(image, query.model_dump(), base_url()))


@images.patch(
    "/buckets/<string:bucket>/images/<path:key>",
    summary="Set an image's tags or context",
    responses={"200": ImageAnswer, "412": ErrorAnswer},
)
def relabel_image(path: ImagePath, body: LabelsChange) -> Response:
    require(Action.PUT_OBJECT_TAGGING, path.bucket, path.key)
    labels = Labels(
        tags=check_tags(body.tags) if body.tags is not None else None,
        context=check_context(body.context) if body.context is not None else None,
    )
    if labels == Labels():
        raise InvalidParameter("Nothing to set: send tags, context or both.")
    image = services().catalog.relabel(path.bucket, check_key(path.key), labels, read_condition())
    return answer_json(ImageAnswer.of_image(image, base_url()))


@images.delete(
    "/buckets/<string:bucket>/images/<path:key>",
    summary="Delete an image with all its versions",
    responses={"204": None, "412": ErrorAnswer},
)
def delete_image(path: ImagePath) -> Response:
    require(Action.DELETE_OBJECT, path.bucket, path.key)
    known = require(Action.DELETE_OBJECT_VERSION, path.bucket, path.key)
    require_history(known, path.key)
    services().catalog.delete_image(path.bucket, check_key(path.key), read_condition())
    return no_content()


@images.post(
    "/buckets/<string:bucket>/signed-urls",
    summary="Sign a URL that delivers an image of a private bucket for a while",
    responses={"201": SignedUrl},
)
def sign_url(path: BucketPath, body: SignRequest) -> Response:
    note(key=body.key)
    require(Action.GET_OBJECT, path.bucket, body.key)
    target = delivery_path(path.bucket, check_key(body.key), body.version)
    query, expires = services().keyring.sign(str(principal().access_key), unquote(target), body.expires_in)
    return answer_json(
        SignedUrl(url=f"{base_url()}{target}?{query}", expires=datetime.fromtimestamp(expires, UTC)), 201
    )

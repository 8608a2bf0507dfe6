"""What the REST views share: reading conditions and labels from a request, answering with a model."""

from __future__ import annotations

import base64
import binascii
import json
from http import HTTPStatus
from typing import Any

from flask import Response, request
from pydantic import BaseModel
from werkzeug.http import parse_etags

from imagestore.core.errors import InvalidParameter
from imagestore.core.image import Condition, Digest, Labels, check_context, check_tags
from imagestore.web.frontdoor import host, services
from imagestore.web.rest.schemas import ErrorAnswer

Responses = dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]

TEXT = {"type": "string"}
SECONDS = {"type": "integer", "minimum": 1}


def described(model: type[BaseModel], about: str, **headers: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI response object of a JSON answer with header fields, each given with its schema."""
    return {
        "description": about,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}},
        "headers": {
            name.replace("_", "-"): {"required": True, "schema": schema} for name, schema in headers.items()
        },
    }


ERRORS: Responses = {
    "400": ErrorAnswer,
    "401": described(ErrorAnswer, "No credential, or one that does not hold", WWW_Authenticate=TEXT),
    "403": ErrorAnswer,
    "404": ErrorAnswer,
    "408": ErrorAnswer,
    "413": ErrorAnswer,
    "414": ErrorAnswer,
    "421": ErrorAnswer,
    "429": described(ErrorAnswer, "Over a rate limit", Retry_After=SECONDS),
    "431": ErrorAnswer,
    "500": ErrorAnswer,
    "503": described(ErrorAnswer, "Not now: try again later", Retry_After=SECONDS),
}
"""The error answers that every operation may give."""

SECURITY: list[dict[str, list[str]]] = [{"basic": []}]


def answer_json(model: BaseModel, status: int = 200) -> Response:
    """What a model does not require, and has no value, is left out."""
    text = model.model_dump_json(exclude_defaults=True)
    return Response(text, status=status, content_type="application/json")


def no_content() -> Response:
    return Response(status=204)


def base_url() -> str:
    """What the URLs in answers begin with: the public URL of the settings, else as this request came in.

    Werkzeug's own `host_url` has no host where a name has an underscore, as those of containers may.
    """
    return services().settings.public_url.rstrip("/") or f"{request.scheme}://{host()}"


def read_condition() -> Condition:
    """If-Match and If-None-Match of a write (RFC 9110, section 13.1). Raises InvalidParameter."""
    match, none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if none_match is not None and none_match.strip() != "*":
        raise InvalidParameter("If-None-Match on a write wants *: it asks that there is no such image yet.")
    if match is None:
        return Condition(exists=False if none_match is not None else None)
    if none_match is not None:
        raise InvalidParameter("Send If-Match or If-None-Match, not both: they cannot hold together.")
    if match.strip() == "*":
        return Condition(exists=True)
    return Condition(digests=tuple(Digest(tag) for tag in parse_etags(match).as_set()))


def read_labels(tags: str | None, context: str | None) -> Labels:
    """Labels from the text forms of queries and form fields. Raises InvalidParameter."""
    return Labels(
        tags=check_tags([tag for tag in tags.split(",") if tag.strip()]) if tags is not None else None,
        context=check_context(_json_object(context)) if context is not None else None,
    )


def _json_object(text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise InvalidParameter('context wants a JSON object of text to text, such as {"alt": "Ada"}.')
    return found


def encode_cursor(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> str:
    """Raises InvalidParameter for what `encode_cursor` did not make."""
    try:
        key = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode()
    except (UnicodeError, binascii.Error):
        key = ""
    if encode_cursor(key) != cursor:  # base64 may be read in more ways than it is written
        raise InvalidParameter("cursor wants the `next` of the page before, unchanged.")
    return key

"""The texts of REST as its OpenAPI document describes them: names, keys, labels, cursors.

They are only described here: what is wrong with one is for `core.image` to find, by error codes of its own.
Patterns are of the dialect of ECMA-262, as JSON Schema wants them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from imagestore.core.image import (
    MAX_TAG_LENGTH,
    MAX_TAGS,
    RESERVED_BUCKET_NAMES,
)
from imagestore.core.objects import MAX_KEY_BYTES

Wanted = Literal["0", "1"]

Absent = SkipJsonSchema[None]
"""Beside a type: the parameter may be left out. There is no null in a query."""

_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029\ufffd"
_RESERVED = "|".join(sorted(RESERVED_BUCKET_NAMES))
_TAG = rf"[^\s,{_CONTROL}](?:[^,{_CONTROL}]*[^\s,{_CONTROL}])?"
_TAG_OR_NOTHING = rf"[^,{_CONTROL}]{{0,{MAX_TAG_LENGTH}}}"


def _described(**keywords: Any) -> Any:
    return Field(json_schema_extra=keywords)


def optional(about: str) -> Any:
    """A parameter of a query that may be left out, and has no default to show then."""
    return Field(None, description=about, json_schema_extra=_drop_default)


def schema_of(text: Any) -> dict[str, Any]:
    """The JSON Schema of one of the types below."""
    return TypeAdapter(text).json_schema()


def _drop_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


BucketName = Annotated[
    str,
    _described(
        minLength=3,
        maxLength=63,
        pattern=rf"^(?!(?:{_RESERVED})$)(?!(?:[0-9]+\.){{3}}[0-9]+$)(?!.*\.\.)[a-z0-9][a-z0-9.-]*[a-z0-9]$",
    ),
]
Key = Annotated[
    str,
    _described(
        format="key",
        minLength=1,
        maxLength=MAX_KEY_BYTES,
        pattern=rf"^(?!/)(?!(?:.*/)?\.{{1,2}}(?:/|$))[^{_CONTROL}]+$",
    ),
]
Tag = Annotated[str, _described(format="tag", minLength=1, maxLength=MAX_TAG_LENGTH, pattern=rf"^{_TAG}$")]
Tags = Annotated[
    str,
    _described(
        format="tags",
        maxLength=MAX_TAGS * (MAX_TAG_LENGTH + 1),
        pattern=rf"^{_TAG_OR_NOTHING}(?:,{_TAG_OR_NOTHING}){{0,{MAX_TAGS - 1}}}$",
    ),
]
"""Tags separated by commas, between which there may be nothing."""
Context = Annotated[
    dict[str, str],
    _described(
        propertyNames={"pattern": rf"^[^{_CONTROL}]+$"},
        additionalProperties={"type": "string", "pattern": rf"^(?:[^{_CONTROL}]|\n|\t)*$"},
    ),
]
ContextText = Annotated[str, _described(format="context")]
"""A context as JSON text."""
Cursor = Annotated[str, _described(format="cursor", pattern="^[A-Za-z0-9_-]*$")]

"""The shapes of REST, in and out: OpenAPI and the checks of a request are made from these."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from imagestore.access.owners import canonical_id
from imagestore.core.image import MAX_CONTEXT_ENTRIES, MAX_TAGS, Bucket, Image, Version
from imagestore.core.urls import delivery_path
from imagestore.library.objects import shown_type
from imagestore.store.registry import CredentialRecord
from imagestore.web.rest.texts import (
    Absent,
    BucketName,
    Context,
    ContextText,
    Cursor,
    Key,
    Tag,
    Tags,
    Wanted,
    optional,
)

Number = Annotated[int, Field(ge=0, lt=10**15, description="A version's number: Unix time in seconds.")]


def _refuse_text(value: Any) -> Any:
    if isinstance(value, bool | str):
        raise ValueError("it should be a number, and not text or a truth value")
    return value


NoText = BeforeValidator(_refuse_text)
"""For a number in a JSON body: pydantic would take "1" and true for 1, as it must in a query."""

LONGEST_TEXT = 1024 * 1024
"""Characters: as many as a JSON body may have. With any bound pydantic reads the text of a string, and then
refuses what JSON lets through and no store takes: half of a surrogate pair."""


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", str_max_length=LONGEST_TEXT)

    @classmethod
    def model_json_schema(cls, *given: Any, **named: Any) -> dict[str, Any]:
        """Made once: flask-openapi3 asks for it, as it is, with every request that may have a query."""
        return super().model_json_schema(*given, **named) if given or named else _plain_schema(cls)


@cache
def _plain_schema(model: type[Model]) -> dict[str, Any]:
    return super(Model, model).model_json_schema()


class ErrorBody(Model):
    code: str = Field(description="What went wrong, for programs: see the table of error codes.")
    message: str = Field(description="What went wrong and what to do about it, for people.")


class ErrorAnswer(Model):
    error: ErrorBody


class BucketPath(Model):
    bucket: str = Field(description="The bucket's name.")


class ImagePath(BucketPath):
    key: Key = Field(description="The image's key; it may hold slashes.")


class VersionPath(ImagePath):
    number: Number


class CredentialPath(Model):
    access_key: str


class NewBucket(Model):
    name: BucketName = Field(description="3 to 63 of a-z, 0-9, '.' and '-'.", examples=["avatars"])
    access: Literal["public-read", "private"] = Field(
        "private", description="Whether everybody may GET its images."
    )
    strict: StrictBool = Field(False, description="Whether only named or signed transformations are made.")


class BucketChange(Model):
    """What is left out, or null, stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["access"], "properties": {"access": {"type": "string"}}},
                {"required": ["strict"], "properties": {"strict": {"type": "boolean"}}},
            ]
        },
    )

    access: Literal["public-read", "private"] | None = Field(
        None, description="Whether everybody may GET its images."
    )
    strict: StrictBool | None = Field(
        None, description="Whether only named or signed transformations are made."
    )


class BucketAnswer(Model):
    name: str
    access: Literal["public-read", "private"]
    strict: bool = Field(description="Whether only named or signed transformations are made.")
    created: datetime

    @classmethod
    def of(cls, bucket: Bucket) -> BucketAnswer:
        return cls(name=bucket.name, access=bucket.visibility, strict=bucket.strict, created=bucket.created)


class BucketList(Model):
    buckets: list[BucketAnswer]


class UploadQuery(Model):
    """What goes with a body that is the picture itself."""

    key: Key | Absent = optional("The image's key; one is made if left out.")
    tags: Tags | Absent = optional("Tags, separated by commas.")
    context: ContextText | Absent = optional('A JSON object of text to text, such as {"alt": "Ada"}.')
    faces: Wanted | Absent = optional("1 to look for faces.")


class PutQuery(Model):
    tags: Tags | Absent = optional("Tags, separated by commas.")
    context: ContextText | Absent = optional('A JSON object of text to text, such as {"alt": "Ada"}.')
    faces: Wanted | Absent = optional("1 to look for faces.")


class LabelsChange(Model):
    """What is left out, or null, stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["tags"], "properties": {"tags": {"type": "array"}}},
                {"required": ["context"], "properties": {"context": {"type": "object"}}},
            ]
        },
    )

    tags: list[Tag] | None = Field(None, max_length=MAX_TAGS)
    context: Context | None = Field(None, max_length=MAX_CONTEXT_ENTRIES)


class ListQuery(Model):
    prefix: str = Field("", description="Only keys that begin with this.")
    tag: str | Absent = optional("Only images with this tag.")
    limit: int = Field(100, ge=1, le=1000, description="At most so many.")
    cursor: Cursor | Absent = optional("`next` of the page before.")


class VersionsQuery(Model):
    limit: int = Field(100, ge=1, le=1000, description="At most so many.")
    before: Number | Absent = optional("Only versions below this number: `next` of the page before.")


class VersionAnswer(Model):
    bucket: str
    key: str
    version: int = Field(description="Unix time in seconds, stepped so that it grows within a key.")
    version_id: str
    digest: str = Field(description="SHA-256 of the bytes, hexadecimal.")
    etag: str = Field(description="The entity tag that delivery sends, quotes included.")
    bytes: int
    width: int = Field(description="Pixels, as seen after the EXIF orientation is applied.")
    height: int = Field(description="Pixels, as seen after the EXIF orientation is applied.")
    format: str = Field(description="Empty for what is no image, and kept as it is.")
    media_type: str
    frames: int
    orientation: int = Field(description="EXIF orientation, 1 to 8.")
    has_alpha: bool
    has_gps: bool = Field(description="Whether the original's EXIF says where it was taken.")
    created: datetime
    version_url: str = Field(description="Delivers exactly this version, cacheable for ever.")

    @classmethod
    def of(cls, version: Version, base: str) -> VersionAnswer:
        return cls(**_version_fields(version, base))


class ImageAnswer(VersionAnswer):
    url: str = Field(description="Delivers the newest version.")
    tags: list[str]
    context: dict[str, str]

    @classmethod
    def of_image(cls, image: Image, base: str) -> ImageAnswer:
        return cls(
            **_version_fields(image.version, base),
            url=base + delivery_path(image.bucket, image.key),
            tags=list(image.tags),
            context=dict(image.context),
        )


def _version_fields(version: Version, base: str) -> dict[str, Any]:
    facts = version.facts
    return {
        "bucket": version.bucket,
        "key": version.key,
        "version": version.number,
        "version_id": version.version_id,
        "digest": version.digest,
        "etag": f'"{version.digest}"',
        "bytes": facts.bytes,
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "media_type": shown_type(version),
        "frames": facts.frames,
        "orientation": facts.orientation,
        "has_alpha": facts.has_alpha,
        "has_gps": facts.has_gps,
        "created": version.created,
        "version_url": base + delivery_path(version.bucket, version.key, version.number),
    }


class ImageList(Model):
    images: list[ImageAnswer]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class VersionList(Model):
    versions: list[VersionAnswer]
    next: int | None = Field(description="`before` of the next page; null on the last one.")


class SignRequest(Model):
    key: Key
    version: Annotated[Number, NoText] | None = Field(None, description="Sign the URL of this version.")
    expires_in: Annotated[int, NoText] = Field(3600, ge=1, le=604800, description="Seconds.")


class SignedUrl(Model):
    url: str
    expires: datetime


class NewCredential(Model):
    scopes: list[Literal["read", "write", "admin"]] = Field(min_length=1)
    buckets: list[BucketName] | None = Field(
        None, min_length=1, description="Only these buckets; all if left out."
    )
    description: str = Field("", max_length=200)
    owner: str | None = Field(
        None,
        description="The account that it belongs to, which others may share; if left out, one of its own.",
        examples=["shop"],
        json_schema_extra={"pattern": "^[A-Za-z0-9._@+=,-]{1,64}$"},
    )


class CredentialAnswer(Model):
    access_key: str
    scopes: list[str]
    buckets: list[str] | None
    description: str
    created: datetime
    owner: str
    canonical_id: str = Field(description="The owner's id in S3's lists, policies and grants.")

    @classmethod
    def of(cls, record: CredentialRecord) -> CredentialAnswer:
        return cls(
            access_key=record.access_key,
            scopes=list(record.scopes),
            buckets=list(record.buckets) if record.buckets is not None else None,
            description=record.description,
            created=record.created,
            owner=record.owner,
            canonical_id=canonical_id(record.owner),
        )


class IssuedCredential(CredentialAnswer):
    secret: str = Field(description="Shown this once: it is stored nowhere.")


class CredentialList(Model):
    credentials: list[CredentialAnswer]

"""Whose an upload in parts is: who may add to it, complete it, list it and abort it."""

from __future__ import annotations

from imagestore.access.rulings import Ruling
from imagestore.core.errors import UploadNotFound
from imagestore.core.image import Bucket, check_bucket_name
from imagestore.core.multipart import Open
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.permissions import (
    EXPECTED_OWNER,
    check_expected_owner,
    denied,
    refuse_denied,
    require,
    ruling_of,
)


def open_to_add(call: Call) -> Open:
    """The upload, to add to it."""
    bucket = open_bucket(call, "s3:PutObject")
    upload = call.services.multipart.find(bucket.name, call.key, call.text("uploadId"))
    require_initiator(call, bucket, upload)
    return upload


def require_initiator(call: Call, bucket: Bucket, upload: Open) -> None:
    """Who began an upload adds to it and completes it, nobody else (AWS, "Multipart upload API and
    permissions"), but the root, and in buckets of the house those whose scopes count there."""
    if upload.initiator in (None, call.owner) or call.principal.is_root:
        return
    if bucket.owner is not None or ruling_of(call, "s3:PutObject", bucket) is not Ruling.OWN:
        raise denied()


def open_for(call: Call, action: str) -> tuple[Bucket, Open]:
    """The upload, to list or to end it: for who began it, unless a policy denies that, for the bucket's
    owner, and for whom a policy allows it."""
    bucket = call.services.catalog.bucket(check_bucket_name(call.bucket))
    check_expected_owner(call, bucket, EXPECTED_OWNER)
    try:
        upload = call.services.multipart.find(bucket.name, call.key, call.text("uploadId"))
    except UploadNotFound:
        if not ruling_of(call, "s3:PutObject", bucket).allows:
            require(call, action, bucket)
        raise
    who = call.principal
    began = call.owner is not None and upload.initiator == call.owner
    if began and who.holds("write") and who.reaches(bucket.name):
        refuse_denied(call, action, bucket)
    else:
        require(call, action, bucket)
    return bucket, upload

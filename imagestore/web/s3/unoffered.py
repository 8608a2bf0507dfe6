"""What AWS has and this service does not offer: to be asked about, with AWS's answers of "there is none"."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from flask import Response

from imagestore.web.s3.answers import document
from imagestore.web.s3.buckets import open_bucket
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.objects import find
from imagestore.web.s3.xml import Child

Handler = Callable[[Call], Response]


def refuse(call: Call) -> Response:
    del call
    raise S3Error(
        "NotImplemented", "A header or query you provided implies functionality that is not implemented."
    )


def absent(action: str, code: str, message: str) -> Handler:
    """A bucket never has one."""

    def handler(call: Call) -> Response:
        bucket = open_bucket(call, action)
        raise S3Error(code, message, BucketName=bucket.name)

    return handler


def same(action: str, name: str, children: Iterable[Child] = ()) -> Handler:
    """Every bucket has the same."""
    told = list(children)

    def handler(call: Call) -> Response:
        open_bucket(call, action)
        return document(name, told)

    return handler


def unlocked(call: Call) -> Response:
    """Retention and legal hold of an object."""
    find(call, "s3:GetObject")
    raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")


get_website = absent(
    "s3:GetBucketWebsite",
    "NoSuchWebsiteConfiguration",
    "The specified bucket does not have a website configuration",
)
get_encryption = absent(
    "s3:GetEncryptionConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
    "The server side encryption configuration was not found",
)
get_replication = absent(
    "s3:GetReplicationConfiguration",
    "ReplicationConfigurationNotFoundError",
    "The replication configuration was not found",
)
get_object_lock = absent(
    "s3:GetBucketObjectLockConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "Object Lock configuration does not exist for this bucket",
)
get_notification = same("s3:GetBucketNotification", "NotificationConfiguration")
get_logging = same("s3:GetBucketLogging", "BucketLoggingStatus")
get_accelerate = same("s3:GetAccelerateConfiguration", "AccelerateConfiguration")
get_request_payment = same(
    "s3:GetBucketRequestPayment", "RequestPaymentConfiguration", [("Payer", "BucketOwner")]
)

"""Which operation a request asks for: by its method, what it names, and the sub-resource in its query."""

from __future__ import annotations

from imagestore.core.image import check_bucket_name
from imagestore.web.s3 import (
    acl,
    attributes,
    buckets,
    copies,
    cors,
    deletions,
    lifecycle,
    lists,
    multipart,
    objects,
    policy,
    post,
    puts,
    safeguards,
    tagging,
    unoffered,
)
from imagestore.web.s3.call import Call
from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.unoffered import Handler

Operation = tuple[str, Handler]

UNOFFERED: Operation = ("NotImplemented", unoffered.refuse)

OF_BUCKETS: dict[str, dict[str, Operation]] = {
    "acl": {"GET": ("GetBucketAcl", acl.get_bucket_acl), "PUT": ("PutBucketAcl", acl.put_bucket_acl)},
    "policy": {
        "GET": ("GetBucketPolicy", policy.get_policy),
        "PUT": ("PutBucketPolicy", policy.put_policy),
        "DELETE": ("DeleteBucketPolicy", policy.delete_policy),
    },
    "policyStatus": {"GET": ("GetBucketPolicyStatus", policy.get_policy_status)},
    "publicAccessBlock": {
        "GET": ("GetPublicAccessBlock", safeguards.get_public_access_block),
        "PUT": ("PutPublicAccessBlock", safeguards.put_public_access_block),
        "DELETE": ("DeletePublicAccessBlock", safeguards.delete_public_access_block),
    },
    "ownershipControls": {
        "GET": ("GetBucketOwnershipControls", safeguards.get_ownership),
        "PUT": ("PutBucketOwnershipControls", safeguards.put_ownership),
        "DELETE": ("DeleteBucketOwnershipControls", safeguards.delete_ownership),
    },
    "location": {"GET": ("GetBucketLocation", buckets.get_location)},
    "versioning": {
        "GET": ("GetBucketVersioning", buckets.get_versioning),
        "PUT": ("PutBucketVersioning", buckets.put_versioning),
    },
    "versions": {"GET": ("ListObjectVersions", lists.list_versions)},
    "uploads": {"GET": ("ListMultipartUploads", lists.list_uploads)},
    "delete": {"POST": ("DeleteObjects", deletions.delete_objects)},
    "cors": {
        "GET": ("GetBucketCors", cors.get_cors),
        "PUT": ("PutBucketCors", cors.put_cors),
        "DELETE": ("DeleteBucketCors", cors.delete_cors),
    },
    "lifecycle": {
        "GET": ("GetBucketLifecycleConfiguration", lifecycle.get_lifecycle),
        "PUT": ("PutBucketLifecycleConfiguration", lifecycle.put_lifecycle),
        "DELETE": ("DeleteBucketLifecycle", lifecycle.delete_lifecycle),
    },
    "tagging": {
        "GET": ("GetBucketTagging", tagging.get_bucket_tagging),
        "PUT": ("PutBucketTagging", tagging.put_bucket_tagging),
        "DELETE": ("DeleteBucketTagging", tagging.delete_bucket_tagging),
    },
    "website": {"GET": ("GetBucketWebsite", unoffered.get_website)},
    "encryption": {"GET": ("GetBucketEncryption", unoffered.get_encryption)},
    "replication": {"GET": ("GetBucketReplication", unoffered.get_replication)},
    "object-lock": {"GET": ("GetObjectLockConfiguration", unoffered.get_object_lock)},
    "notification": {"GET": ("GetBucketNotificationConfiguration", unoffered.get_notification)},
    "logging": {"GET": ("GetBucketLogging", unoffered.get_logging)},
    "accelerate": {"GET": ("GetBucketAccelerateConfiguration", unoffered.get_accelerate)},
    "requestPayment": {"GET": ("GetBucketRequestPayment", unoffered.get_request_payment)},
    "analytics": {},
    "intelligent-tiering": {},
    "inventory": {},
    "metrics": {},
}
"""Sub-resource → method → operation. One that is named here with no such method is not offered."""

PLAIN_BUCKET: dict[str, Operation] = {
    "GET": ("ListObjects", lists.list_objects),
    "HEAD": ("HeadBucket", buckets.head_bucket),
    "PUT": ("CreateBucket", buckets.create_bucket),
    "DELETE": ("DeleteBucket", buckets.delete_bucket),
    "POST": ("PostObject", post.post_object),
}

OF_OBJECTS: dict[str, dict[str, Operation]] = {
    "uploads": {"POST": ("CreateMultipartUpload", multipart.create_upload)},
    "uploadId": {
        "GET": ("ListParts", multipart.list_parts),
        "PUT": ("UploadPart", multipart.upload_part),
        "POST": ("CompleteMultipartUpload", multipart.complete_upload),
        "DELETE": ("AbortMultipartUpload", multipart.abort_upload),
    },
    "tagging": {
        "GET": ("GetObjectTagging", tagging.get_object_tagging),
        "PUT": ("PutObjectTagging", tagging.put_object_tagging),
        "DELETE": ("DeleteObjectTagging", tagging.delete_object_tagging),
    },
    "acl": {"GET": ("GetObjectAcl", acl.get_object_acl), "PUT": ("PutObjectAcl", acl.put_object_acl)},
    "attributes": {"GET": ("GetObjectAttributes", attributes.get_object_attributes)},
    "retention": {"GET": ("GetObjectRetention", unoffered.unlocked)},
    "legal-hold": {"GET": ("GetObjectLegalHold", unoffered.unlocked)},
    "restore": {},
    "select": {},
    "torrent": {},
    "renameObject": {},
}

PLAIN_OBJECT: dict[str, Operation] = {
    "GET": ("GetObject", objects.get_object),
    "HEAD": ("HeadObject", objects.get_object),
    "PUT": ("PutObject", puts.put_object),
    "DELETE": ("DeleteObject", deletions.delete_object),
}

COPIES: dict[str, Operation] = {
    "PutObject": ("CopyObject", copies.copy_object),
    "UploadPart": ("UploadPartCopy", multipart.copy_part),
}


def choose(call: Call) -> Operation:
    """Raises S3Error MethodNotAllowed."""
    if call.method == "OPTIONS" and call.bucket:
        return "OptionsObject", cors.preflight
    if not call.bucket:
        if call.key:  # it stands behind two slashes
            check_bucket_name(call.bucket)
        if call.method in ("GET", "HEAD"):
            return "ListBuckets", buckets.list_buckets
        raise _not_allowed(call)
    if not call.key:
        return _choose(call, OF_BUCKETS, PLAIN_BUCKET)
    operation = _choose(call, OF_OBJECTS, PLAIN_OBJECT)
    if operation[0] in COPIES and copies.SOURCE in call.headers:
        return COPIES[operation[0]]
    return operation


def _choose(
    call: Call, by_resource: dict[str, dict[str, Operation]], plain: dict[str, Operation]
) -> Operation:
    for name, methods in by_resource.items():
        if name in call.query:
            return methods.get(call.method, UNOFFERED)
    if plain is PLAIN_BUCKET and call.method == "GET" and call.query.get("list-type") == "2":
        return "ListObjectsV2", lists.list_objects_v2
    if call.method not in plain:
        raise _not_allowed(call)
    return plain[call.method]


def _not_allowed(call: Call) -> S3Error:
    return S3Error(
        "MethodNotAllowed",
        "The specified method is not allowed against this resource.",
        Method=call.method,
        ResourceType="OBJECT" if call.key else "BUCKET" if call.bucket else "SERVICE",
    )

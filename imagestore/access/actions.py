"""Actions: what somebody wants to do, as policies name it, with the scope and the grant that it takes."""

from __future__ import annotations

from enum import Enum
from typing import Literal

Scope = Literal["read", "write", "admin"]
SCOPES: tuple[Scope, ...] = ("read", "write", "admin")

Permission = Literal["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"]
Level = Literal["service", "bucket", "object"]


class Action(Enum):
    """Each has its name in policies, the scope that a credential needs for it, the permission of access
    control lists that grants it, and on what it is done.

    `admin` as a scope is that in a bucket of the house; whoever owns a bucket configures it with `write`.
    """

    GET_OBJECT = ("s3:GetObject", "read", "READ", "object")
    GET_OBJECT_VERSION = ("s3:GetObjectVersion", "read", "READ", "object")
    GET_OBJECT_ATTRIBUTES = ("s3:GetObjectAttributes", "read", "READ", "object")
    GET_OBJECT_VERSION_ATTRIBUTES = ("s3:GetObjectVersionAttributes", "read", "READ", "object")
    GET_OBJECT_ACL = ("s3:GetObjectAcl", "read", "READ_ACP", "object")
    GET_OBJECT_VERSION_ACL = ("s3:GetObjectVersionAcl", "read", "READ_ACP", "object")
    GET_OBJECT_TAGGING = ("s3:GetObjectTagging", "read", None, "object")
    GET_OBJECT_VERSION_TAGGING = ("s3:GetObjectVersionTagging", "read", None, "object")
    PUT_OBJECT_ACL = ("s3:PutObjectAcl", "write", "WRITE_ACP", "object")
    PUT_OBJECT_VERSION_ACL = ("s3:PutObjectVersionAcl", "write", "WRITE_ACP", "object")
    PUT_OBJECT_TAGGING = ("s3:PutObjectTagging", "write", None, "object")
    PUT_OBJECT_VERSION_TAGGING = ("s3:PutObjectVersionTagging", "write", None, "object")
    DELETE_OBJECT_TAGGING = ("s3:DeleteObjectTagging", "write", None, "object")
    DELETE_OBJECT_VERSION_TAGGING = ("s3:DeleteObjectVersionTagging", "write", None, "object")

    # What happens to a name: the bucket says who may, not the object that lies there now.
    PUT_OBJECT = ("s3:PutObject", "write", "WRITE", "object")
    DELETE_OBJECT = ("s3:DeleteObject", "write", "WRITE", "object")
    DELETE_OBJECT_VERSION = ("s3:DeleteObjectVersion", "write", None, "object")
    ABORT_MULTIPART_UPLOAD = ("s3:AbortMultipartUpload", "write", None, "object")
    LIST_MULTIPART_UPLOAD_PARTS = ("s3:ListMultipartUploadParts", "write", None, "object")

    LIST_BUCKET = ("s3:ListBucket", "read", "READ", "bucket")
    LIST_BUCKET_VERSIONS = ("s3:ListBucketVersions", "read", "READ", "bucket")
    LIST_BUCKET_MULTIPART_UPLOADS = ("s3:ListBucketMultipartUploads", "read", "READ", "bucket")
    GET_BUCKET_ACL = ("s3:GetBucketAcl", "read", "READ_ACP", "bucket")
    PUT_BUCKET_ACL = ("s3:PutBucketAcl", "admin", "WRITE_ACP", "bucket")
    GET_BUCKET_LOCATION = ("s3:GetBucketLocation", "read", None, "bucket")
    GET_BUCKET_POLICY = ("s3:GetBucketPolicy", "read", None, "bucket")
    GET_BUCKET_POLICY_STATUS = ("s3:GetBucketPolicyStatus", "read", None, "bucket")
    PUT_BUCKET_POLICY = ("s3:PutBucketPolicy", "admin", None, "bucket")
    DELETE_BUCKET_POLICY = ("s3:DeleteBucketPolicy", "admin", None, "bucket")
    GET_PUBLIC_ACCESS_BLOCK = ("s3:GetBucketPublicAccessBlock", "read", None, "bucket")
    PUT_PUBLIC_ACCESS_BLOCK = ("s3:PutBucketPublicAccessBlock", "admin", None, "bucket")
    GET_OWNERSHIP_CONTROLS = ("s3:GetBucketOwnershipControls", "read", None, "bucket")
    PUT_OWNERSHIP_CONTROLS = ("s3:PutBucketOwnershipControls", "admin", None, "bucket")
    GET_BUCKET_VERSIONING = ("s3:GetBucketVersioning", "read", None, "bucket")
    PUT_BUCKET_VERSIONING = ("s3:PutBucketVersioning", "admin", None, "bucket")
    GET_BUCKET_CORS = ("s3:GetBucketCORS", "read", None, "bucket")
    PUT_BUCKET_CORS = ("s3:PutBucketCORS", "admin", None, "bucket")
    GET_BUCKET_TAGGING = ("s3:GetBucketTagging", "read", None, "bucket")
    PUT_BUCKET_TAGGING = ("s3:PutBucketTagging", "admin", None, "bucket")
    GET_LIFECYCLE = ("s3:GetLifecycleConfiguration", "read", None, "bucket")
    PUT_LIFECYCLE = ("s3:PutLifecycleConfiguration", "admin", None, "bucket")
    DELETE_BUCKET = ("s3:DeleteBucket", "admin", None, "bucket")

    # What can be asked about, and is never there.
    GET_BUCKET_WEBSITE = ("s3:GetBucketWebsite", "read", None, "bucket")
    GET_ENCRYPTION = ("s3:GetEncryptionConfiguration", "read", None, "bucket")
    GET_REPLICATION = ("s3:GetReplicationConfiguration", "read", None, "bucket")
    GET_OBJECT_LOCK = ("s3:GetBucketObjectLockConfiguration", "read", None, "bucket")
    GET_NOTIFICATION = ("s3:GetBucketNotification", "read", None, "bucket")
    GET_LOGGING = ("s3:GetBucketLogging", "read", None, "bucket")
    GET_ACCELERATE = ("s3:GetAccelerateConfiguration", "read", None, "bucket")
    GET_REQUEST_PAYMENT = ("s3:GetBucketRequestPayment", "read", None, "bucket")

    # Of this service alone: no name of AWS's fits.
    READ_TRANSFORMATIONS = ("imagestore:ReadTransformations", "read", None, "bucket")
    CHANGE_TRANSFORMATIONS = ("imagestore:ChangeTransformations", "admin", None, "bucket")
    MANAGE_CACHE = ("imagestore:ManageCache", "write", None, "bucket")
    CHANGE_BUCKET = ("imagestore:ChangeBucket", "admin", None, "bucket")

    # On the service as a whole, which no bucket's policy speaks of.
    LOOK = ("imagestore:Look", "read", None, "service")
    CREATE_BUCKET = ("s3:CreateBucket", "write", None, "service")
    ADMINISTER = ("imagestore:Administer", "admin", None, "service")

    def __init__(self, id: str, scope: Scope, permission: Permission | None, level: Level) -> None:
        self.id = id
        self.scope = scope
        self.permission = permission
        self.level = level

    @property
    def is_of_names(self) -> bool:
        """Whether it happens to a name in a bucket, whatever object has that name now."""
        return self in _OF_NAMES


_OF_NAMES = frozenset(
    {
        Action.PUT_OBJECT,
        Action.DELETE_OBJECT,
        Action.DELETE_OBJECT_VERSION,
        Action.ABORT_MULTIPART_UPLOAD,
        Action.LIST_MULTIPART_UPLOAD_PARTS,
    }
)

_NOT_OFFERED: dict[Level, str] = {
    "bucket": """
        DeleteBucketWebsite GetAnalyticsConfiguration GetIntelligentTieringConfiguration
        GetInventoryConfiguration GetMetricsConfiguration ListBucketByTags
        PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketLogging PutBucketNotification
        PutBucketObjectLockConfiguration PutBucketRequestPayment PutBucketWebsite PutEncryptionConfiguration
        PutInventoryConfiguration PutMetricsConfiguration PutReplicationConfiguration
        PutIntelligentTieringConfiguration
    """,
    "object": """
        BypassGovernanceRetention GetObjectLegalHold GetObjectRetention GetObjectTorrent
        GetObjectVersionForReplication GetObjectVersionTorrent InitiateReplication
        ObjectOwnerOverrideToBucketOwner PutObjectLegalHold PutObjectRetention ReplicateDelete
        ReplicateObject ReplicateTags RestoreObject
    """,
    "service": "ListAllMyBuckets",
}
"""Actions of S3 that nobody can do here, but that policies may speak of."""

KNOWN_ACTIONS: dict[str, Level] = {
    **{action.id.lower(): action.level for action in Action},
    **{f"s3:{name}".lower(): level for level, names in _NOT_OFFERED.items() for name in names.split()},
}
"""Names in lower case, which is how they are compared."""

"""The errors of the S3 door, under AWS's codes, and which of them each error of ours becomes.

Codes and statuses: the page "Error responses" of the Amazon S3 API reference, and what AWS answers.
"""

from __future__ import annotations

from imagestore.core.errors import ImagestoreError

STATUSES: dict[str, int] = {
    "AccessControlListNotSupported": 400,
    "AccessDenied": 403,
    "AccessForbidden": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "BadRequest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "ConditionalRequestConflict": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IllegalLocationConstraintException": 400,
    "IllegalVersioningConfigurationException": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketAclWithObjectOwnership": 400,
    "InvalidBucketName": 400,
    "InvalidBucketState": 409,
    "InvalidChunkSizeError": 403,
    "InvalidDigest": 400,
    "InvalidEncryptionAlgorithmError": 400,
    "InvalidLocationConstraint": 400,
    "InvalidPart": 400,
    "InvalidPartNumber": 416,
    "InvalidPartOrder": 400,
    "InvalidPolicyDocument": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidStorageClass": 400,
    "InvalidTag": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedACLError": 400,
    "MalformedPOSTRequest": 400,
    "MalformedPolicy": 400,
    "MalformedTrailerError": 400,
    "MalformedXML": 400,
    "MaxMessageLengthExceeded": 400,
    "MaxPostPreDataLengthExceededError": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "MissingRequestBodyError": 400,
    "MissingSecurityHeader": 400,
    "NoSuchBucket": 404,
    "NoSuchBucketPolicy": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchLifecycleConfiguration": 404,
    "NoSuchPublicAccessBlockConfiguration": 404,
    "NoSuchTagSet": 404,
    "NoSuchUpload": 404,
    "NoSuchVersion": 404,
    "NoSuchWebsiteConfiguration": 404,
    "NotImplemented": 501,
    "ObjectLockConfigurationNotFoundError": 404,
    "OperationAborted": 409,
    "OwnershipControlsNotFoundError": 404,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "ReplicationConfigurationNotFoundError": 404,
    "RequestIsNotMultiPartContent": 400,
    "RequestTimeout": 400,
    "RequestTimeTooSkewed": 403,
    "ServerSideEncryptionConfigurationNotFoundError": 404,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "TooManyBuckets": 400,
    "UnexpectedContent": 400,
    "UnresolvableGrantByEmailAddress": 400,
    "UserKeyMustBeSpecified": 400,
    "XAmzContentSHA256Mismatch": 400,
}
"""AWS's code → HTTP status."""

CODES: dict[str, str] = {
    "invalid_parameter": "InvalidArgument",
    "invalid_key": "KeyTooLongError",
    "invalid_bucket_name": "InvalidBucketName",
    "invalid_transformation": "InvalidArgument",
    "faces_unavailable": "InvalidRequest",
    "not_an_image": "InvalidRequest",
    "bad_digest": "BadDigest",
    "invalid_part": "InvalidPart",
    "invalid_part_order": "InvalidPartOrder",
    "part_too_small": "EntityTooSmall",
    "length_mismatch": "IncompleteBody",
    "upload_too_large": "EntityTooLarge",
    "request_timeout": "RequestTimeout",
    "empty_upload": "MissingRequestBodyError",
    "unsupported_format": "InvalidRequest",
    "corrupt_image": "InvalidRequest",
    "image_limit_exceeded": "InvalidRequest",
    "decode_timeout": "InvalidRequest",
    "unauthenticated": "AccessDenied",
    "forbidden": "AccessDenied",
    "signature_invalid": "SignatureDoesNotMatch",
    "signature_expired": "AccessDenied",
    "bucket_not_found": "NoSuchBucket",
    "image_not_found": "NoSuchKey",
    "version_not_found": "NoSuchVersion",
    "credential_not_found": "InvalidAccessKeyId",
    "upload_not_found": "NoSuchUpload",
    "transformation_not_found": "InvalidArgument",
    "route_not_found": "MethodNotAllowed",
    "bucket_exists": "BucketAlreadyExists",
    "bucket_not_empty": "BucketNotEmpty",
    "precondition_failed": "PreconditionFailed",
    "write_contention": "SlowDown",
    "store_unavailable": "ServiceUnavailable",
    "overloaded": "SlowDown",
    "decoder_lost": "SlowDown",
    "rate_limited": "SlowDown",
    "blob_damaged": "ServiceUnavailable",
    "service_unreachable": "ServiceUnavailable",
}
"""Our code (core/errors.py) → AWS's. Whatever mends itself is one that AWS's clients try again."""


class S3Error(Exception):
    """An answer that is an error. `extra` are more elements of its XML, by their names there,
    `headers` go with it."""

    def __init__(self, code: str, message: str, **extra: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.extra = extra
        self.headers: dict[str, str] = {}

    @property
    def status(self) -> int:
        return STATUSES[self.code]


def of_ours(error: ImagestoreError) -> S3Error:
    return S3Error(CODES[error.code], error.message)

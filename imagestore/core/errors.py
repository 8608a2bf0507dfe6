"""Every error that imagestore raises on purpose, as one tree.

Each leaf has a `code`, which is what clients see and what each face maps to its own answer
(an HTTP status on the web faces, an exit status on the command line). No status lives here.

    ImagestoreError
    ├── InvalidRequest                 the request itself is wrong; sending it again will not help
    │   ├── InvalidParameter           a parameter is missing, unknown, malformed or out of range
    │   ├── InvalidKey                 a key breaks the naming rules
    │   ├── InvalidBucketName          a bucket name breaks the naming rules
    │   ├── InvalidTransformation      a URL's transformation that cannot be read or carried out
    │   ├── FacesUnavailable           faces are asked for where nothing is installed that finds them
    │   ├── NotAnImage                 a picture is wanted of what is kept as mere bytes
    │   ├── BadDigest                  the body does not have the checksum that was announced
    │   ├── InvalidPart                a part that was not uploaded, or is another by now
    │   ├── InvalidPartOrder           parts are not in the order of their numbers
    │   ├── PartTooSmall               a part but the last is under 5 MiB
    │   ├── LengthMismatch             the body is shorter or longer than it said it would be
    │   ├── UploadTooLarge             the body is over the upload limit
    │   ├── RequestTimeout             the head or the body of the request arrives too slowly
    │   └── EmptyUpload                there is no byte in the body
    ├── RejectedImage                  the bytes are not a picture that this service takes
    │   ├── UnsupportedFormat          not one of the accepted formats
    │   ├── CorruptImage               an accepted format, but damaged or cut short
    │   ├── ImageLimitExceeded         more pixels, frames, scans or metadata than allowed
    │   └── DecodeTimeout              proving the picture took longer or more memory than allowed
    ├── Refused                        who asks may not
    │   ├── Unauthenticated            no credential, or one that does not hold
    │   ├── Forbidden                  a good credential that does not reach this far
    │   ├── SignatureInvalid           a signed URL that was altered or made with another secret
    │   └── SignatureExpired           a signed URL whose time is over
    ├── NotFound
    │   ├── BucketNotFound
    │   ├── ImageNotFound
    │   ├── VersionNotFound
    │   ├── CredentialNotFound
    │   ├── UploadNotFound             no upload in parts of that id, or none any more
    │   ├── TransformationNotFound     no named transformation of that name in the bucket
    │   └── RouteNotFound              no such path on this face
    ├── Conflict
    │   ├── BucketExists
    │   ├── BucketNotEmpty
    │   ├── PreconditionFailed         If-Match or If-None-Match does not hold any more
    │   └── WriteContention            too many writers on one key at once; try again
    └── Unavailable                    not now; the same request may work later
        ├── StoreUnavailable           MongoDB cannot be reached, or did not confirm in time
        ├── Overloaded                 every decoder or thread is busy and the queue is full
        ├── DecoderLost                the decoder process died under the load of others
        ├── RateLimited                more requests from an address or with a credential than allowed
        ├── BlobDamaged                the stored bytes no longer match their digest
        └── ServiceUnreachable         a client gets no answer from the service, or none that it can read
"""

from __future__ import annotations

from typing import ClassVar


class ImagestoreError(Exception):
    """The root. `message` is one sentence for people that says what to do about it."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequest(ImagestoreError):
    pass


class InvalidParameter(InvalidRequest):
    code = "invalid_parameter"


class InvalidKey(InvalidRequest):
    code = "invalid_key"


class InvalidBucketName(InvalidRequest):
    code = "invalid_bucket_name"


class InvalidTransformation(InvalidRequest):
    code = "invalid_transformation"

    @classmethod
    def of(cls, parameter: str, value: str, allowed: str, reason: str = "") -> InvalidTransformation:
        """`allowed` completes "the parameter takes …"; `reason` says why the value is not that."""
        shown = value if len(value) <= 80 else f"{value[:77]}..."
        why = f"{reason}. " if reason else ""
        return cls(f"{parameter}_{shown}: {why}{parameter} takes {allowed}.")


class FacesUnavailable(InvalidRequest):
    code = "faces_unavailable"


class NotAnImage(InvalidRequest):
    code = "not_an_image"

    @classmethod
    def named(cls, key: str) -> NotAnImage:
        return cls(
            f"{key[:80]!r} is kept as it is, since it is no picture: ask for it without transformation."
        )


class BadDigest(InvalidRequest):
    code = "bad_digest"


class InvalidPart(InvalidRequest):
    code = "invalid_part"


class InvalidPartOrder(InvalidRequest):
    code = "invalid_part_order"


class PartTooSmall(InvalidRequest):
    code = "part_too_small"


class LengthMismatch(InvalidRequest):
    code = "length_mismatch"


class UploadTooLarge(InvalidRequest):
    code = "upload_too_large"


class RequestTimeout(InvalidRequest):
    code = "request_timeout"


class EmptyUpload(InvalidRequest):
    code = "empty_upload"


class RejectedImage(ImagestoreError):
    pass


class UnsupportedFormat(RejectedImage):
    code = "unsupported_format"


class CorruptImage(RejectedImage):
    code = "corrupt_image"


class ImageLimitExceeded(RejectedImage):
    code = "image_limit_exceeded"


class DecodeTimeout(RejectedImage):
    code = "decode_timeout"


class Refused(ImagestoreError):
    pass


class Unauthenticated(Refused):
    code = "unauthenticated"


class Forbidden(Refused):
    code = "forbidden"


class SignatureInvalid(Refused):
    code = "signature_invalid"


class SignatureExpired(Refused):
    code = "signature_expired"


class NotFound(ImagestoreError):
    pass


class BucketNotFound(NotFound):
    code = "bucket_not_found"

    @classmethod
    def named(cls, name: str) -> BucketNotFound:
        return cls(f"There is no bucket {name!r}: make it first, or check the name.")


class ImageNotFound(NotFound):
    """`marker` is the id that S3 shows of the delete marker that hides it, if one does."""

    code = "image_not_found"

    def __init__(self, message: str, marker: str | None = None) -> None:
        super().__init__(message)
        self.marker = marker

    @classmethod
    def named(cls, bucket: str, key: str) -> ImageNotFound:
        return cls(f"There is no image {key!r} in bucket {bucket!r}.")


class VersionNotFound(NotFound):
    code = "version_not_found"


class CredentialNotFound(NotFound):
    code = "credential_not_found"


class UploadNotFound(NotFound):
    code = "upload_not_found"


class TransformationNotFound(NotFound):
    code = "transformation_not_found"


class RouteNotFound(NotFound):
    code = "route_not_found"


class Conflict(ImagestoreError):
    pass


class BucketExists(Conflict):
    code = "bucket_exists"


class BucketNotEmpty(Conflict):
    code = "bucket_not_empty"


class PreconditionFailed(Conflict):
    code = "precondition_failed"


class WriteContention(Conflict):
    code = "write_contention"


class Unavailable(ImagestoreError):
    pass


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class Overloaded(Unavailable):
    code = "overloaded"


class DecoderLost(Unavailable):
    code = "decoder_lost"


class RateLimited(Unavailable):
    """`wait` is seconds until the same request may be let in."""

    code = "rate_limited"

    def __init__(self, message: str, wait: float = 1.0) -> None:
        super().__init__(message)
        self.wait = wait


class BlobDamaged(Unavailable):
    code = "blob_damaged"


class ServiceUnreachable(Unavailable):
    code = "service_unreachable"


def leaves(root: type[ImagestoreError] = ImagestoreError) -> list[type[ImagestoreError]]:
    """Every class of the tree that has no class below it, in the order of the drawing."""
    below = root.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [root]

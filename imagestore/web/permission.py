"""Permission to an answer of delivery: for whom it is asked, what it is asked for, and what caches may do."""

from __future__ import annotations

from flask import request

from imagestore.access.circumstances import Circumstances
from imagestore.access.policies import (
    Action,
    Principal,
    decide,
    hinges_on_objects,
    hinges_on_requests,
    is_open,
    may_know,
)
from imagestore.core.errors import Forbidden, InvalidParameter, Unauthenticated
from imagestore.core.image import Bucket
from imagestore.core.objects import Attributes
from imagestore.library.readings import Found
from imagestore.web.frontdoor import circumstances, principal, services


class Permission:
    """Asked for the bucket, then for each image that goes into an answer: the one that the URL names, the
    default for want of it, what is laid over it. All of them must be allowed.

    `reveals`: it tells the tags or the context of the image, which takes more. `open`: everybody may have
    the answer, whatever the request says; `fleeting`: somebody may now, and not then.
    """

    def __init__(self, reveals: bool) -> None:
        self._reveals = reveals
        self._bucket: Bucket | None = None
        self._who: Principal | None = None
        self.open = not reveals
        self.fleeting = False

    @property
    def open_bucket(self) -> Bucket | None:
        """The bucket, if everybody may have whatever is in it, and know what is not."""
        bucket = self._bucket
        if bucket is None or hinges_on_objects(bucket) or not is_open(Action.GET_OBJECT, bucket):
            return None
        return bucket

    def admit(self, bucket: Bucket) -> None:
        """Before the image is looked at, so that who may nothing in the bucket learns nothing of what is in
        it; nothing is decided yet where an object has a say."""
        self._bucket = bucket
        if not hinges_on_objects(bucket):
            self._ask(bucket)

    def allow(self, found: Found) -> None:
        """The image may be looked at, too. Raises Unauthenticated and Forbidden."""
        bucket, version = found.bucket, found.version
        if hinges_on_objects(bucket):
            self._ask(bucket, version.key, version.object)
            if found.immutable and not version.unversioned:
                asked = circumstances().with_version(version.version_id)
                self._ask_for(Action.GET_OBJECT_VERSION, bucket, asked, version.key, version.object)

    def know_absence(self, key: str) -> None:
        """There is no such image, and that may be said. Raises Unauthenticated and Forbidden."""
        bucket = self._bucket
        if bucket is None or not hinges_on_objects(bucket):
            return
        if not may_know(self._sender(), bucket, key, circumstances()):
            self._ask(bucket, key)

    def _ask(self, bucket: Bucket, key: str | None = None, attributes: Attributes | None = None) -> None:
        self._ask_for(Action.GET_OBJECT, bucket, None, key, attributes)
        if not self._reveals:
            return
        try:
            decide(self._sender(), Action.GET_OBJECT_ATTRIBUTES, bucket, circumstances(), key, attributes)
        except (Forbidden, Unauthenticated) as error:
            error.message = (
                "This transformation asks for the image's tags or context, which not everybody may see: sign "
                "the URL, put it into a named transformation, or send a credential that may read the bucket."
            )
            raise

    def _ask_for(
        self,
        action: Action,
        bucket: Bucket,
        asked: Circumstances | None,
        key: str | None,
        attributes: Attributes | None,
    ) -> None:
        """Everybody, who signed the URL, or who shows a credential."""
        if is_open(action, bucket, key, attributes):
            return
        self.open = False
        decide(self._sender(), action, bucket, asked or circumstances(), key, attributes)
        self.fleeting = self.fleeting or hinges_on_requests(action, bucket, key)

    def _sender(self) -> Principal:
        if self._who is None:
            self._who = _signer() if "signature" in request.args else principal()
        return self._who


def _signer() -> Principal:
    expires = request.args.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 12):
        raise InvalidParameter("expires wants the Unix time in seconds that was signed.")
    return services().keyring.identify_signed(
        request.args.get("access_key", ""), request.path, int(expires), request.args["signature"]
    )

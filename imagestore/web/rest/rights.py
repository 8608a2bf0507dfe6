"""REST: leave for what is more than a bucket and a key: a list, a version, a history, labels."""

from __future__ import annotations

from imagestore.access.acl import is_public, read
from imagestore.access.circumstances import Circumstances
from imagestore.access.policies import Action, decide, hinges_on_objects, hinges_on_requests, rule
from imagestore.access.rulings import Ruling
from imagestore.access.safeguards import block_of, object_owner, takes_acls
from imagestore.core.errors import Forbidden, ImageNotFound
from imagestore.core.image import Bucket, Labels, Version
from imagestore.web.frontdoor import circumstances, principal, require, services

PAGE = 1000


def require_list(action: Action, bucket: str, prefix: str | None, limit: int | None) -> None:
    """Of a list of what begins with `prefix`, of `limit` at most; None is what was not asked for."""
    require(action, bucket, asked=circumstances().with_list(prefix, limit))


def require_version(bucket: Bucket | None, version: Version, *actions: Action) -> None:
    """To do all of that to the version. Raises Unauthenticated and Forbidden."""
    asked = circumstances().with_version(version.shown_id)
    for action in actions:
        decide(principal(), action, bucket or version.bucket, asked, version.key, version.object)


def require_copy(bucket: Bucket | None, version: Version) -> None:
    """To make another version of that one: where somebody has a say, that takes leave to read it, and to set
    the list and the tags that it brings along."""
    if bucket is None or not hinges_on_objects(bucket):
        return
    require_version(bucket, version, Action.GET_OBJECT, Action.GET_OBJECT_VERSION)
    kept = version.object
    if kept.acl is not None and takes_acls(bucket):
        require_version(bucket, version, Action.PUT_OBJECT_ACL)
        public = is_public(read(kept.acl, object_owner(bucket, kept)))
        if public and block_of(bucket).block_public_acls:
            raise Forbidden("The version has a public access control list, which the bucket blocks.")
    asked = circumstances().with_tags(kept.tags)
    if kept.tags and _is_denied(Action.PUT_OBJECT_TAGGING, bucket, asked, version.key):
        raise Forbidden("The bucket's policy denies to set tags such as the version has.")


def require_history(bucket: Bucket | None, key: str) -> None:
    """To delete all versions of an image, where a policy may spare some of them."""
    action = Action.DELETE_OBJECT_VERSION
    if bucket is None or not hinges_on_requests(action, bucket, key):
        return
    before: int | None = None
    while True:
        try:
            page = services().catalog.list_versions(bucket.name, key, before=before, limit=PAGE)
        except ImageNotFound:
            return
        for version in page:
            require_version(bucket, version, action)
        if len(page) < PAGE:
            return
        before = page[-1].number


def _is_denied(action: Action, bucket: Bucket, asked: Circumstances, key: str | None) -> bool:
    return rule(principal(), action, bucket, asked, key) is Ruling.DENIED


def refuse_labels(bucket: Bucket | None, key: str | None, labels: Labels) -> None:
    """Who uploads may label it, unless the bucket's policy denies that. Raises Forbidden."""
    if bucket is None or not (labels.tags or labels.context):
        return
    if _is_denied(Action.PUT_OBJECT_TAGGING, bucket, circumstances(), key):
        raise Forbidden("The bucket's policy denies to set labels.")

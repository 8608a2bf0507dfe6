"""Names: buckets and images listed, shown, relabelled, deleted, and the aliases that each change drops."""

from __future__ import annotations

from imagestore.core.errors import (
    BucketNotEmpty,
    BucketNotFound,
    ImageNotFound,
    InvalidParameter,
    VersionNotFound,
)
from imagestore.core.image import (
    Accept,
    Bucket,
    Condition,
    Image,
    Labels,
    Terms,
    Version,
    Versioning,
    Visibility,
    check_bucket_name,
)
from imagestore.core.objects import BUCKET_DOCUMENTS, Attributes
from imagestore.library.aliases import Aliases
from imagestore.library.purge import Purge
from imagestore.library.repeats import Repeats
from imagestore.library.transformations import NamedTransformations
from imagestore.store.documents import Documents
from imagestore.store.registry import REST_TERMS, Registry


class Catalog:
    """All that concerns names and not bytes. What has no name any more is swept later, bytes included."""

    def __init__(
        self,
        documents: Documents,
        registry: Registry,
        aliases: Aliases,
        named: NamedTransformations,
        purge: Purge,
    ) -> None:
        self._documents = documents
        self._registry = registry
        self._aliases = aliases
        self._named = named
        self._purge = purge
        self._repeats = Repeats(documents, aliases)

    def create_bucket(
        self, name: str, visibility: Visibility, *, strict: bool = False, terms: Terms = REST_TERMS
    ) -> Bucket:
        """Raises InvalidBucketName and BucketExists."""
        bucket = self._registry.add_bucket(check_bucket_name(name), visibility, strict=strict, terms=terms)
        self._aliases.forget_bucket(name, bucket.generation)
        return bucket

    def list_buckets(self) -> list[Bucket]:
        return self._registry.list_buckets()

    def bucket(self, name: str) -> Bucket:
        """Raises BucketNotFound."""
        return _bucket_or_raise(name, self._registry.find_bucket(name))

    def recall_bucket(self, name: str) -> Bucket | None:
        """The bucket as it is remembered, else as MongoDB has it: for who may what in it."""
        known, _ = self._aliases.read(name, [], None)
        if known is None:
            known = self._registry.find_bucket(name)
            if known is not None:
                self._aliases.write_bucket(known)
        return known

    def find_attributes(self, bucket: str, key: str) -> Attributes | None:
        """Of what the key names now."""
        image = self._documents.find_image(bucket, key)
        return image.version.object if image is not None else None

    def change_bucket(
        self,
        name: str,
        *,
        visibility: Visibility | None = None,
        strict: bool | None = None,
        accept: Accept | None = None,
        versioning: Versioning | None = None,
    ) -> Bucket:
        """What is None stays as it is; versions, once kept, are never off again. Raises BucketNotFound.

        When it returns, no worker decides by the old policy, unless Redis was out of reach: then one may, for
        as long as an alias is believed after it is back.
        """
        if versioning == "off":
            raise InvalidParameter("Versioning that was on can only be suspended.")
        changed = self._registry.change_bucket(
            name, visibility=visibility, strict=strict, accept=accept, versioning=versioning
        )
        bucket = _bucket_or_raise(name, changed)
        self._aliases.forget_bucket(name, bucket.generation)
        return bucket

    def set_document(self, name: str, kind: str, text: str | None) -> Bucket:
        """Give a bucket one of its texts, or take it away. Raises BucketNotFound, and InvalidParameter for
        one that is too long."""
        most = BUCKET_DOCUMENTS[kind]
        if text is not None and len(text.encode()) > most:
            raise InvalidParameter(f"A bucket's {kind} has at most {most} bytes.")
        bucket = _bucket_or_raise(name, self._registry.set_document(name, kind, text))
        self._aliases.forget_bucket(name, bucket.generation)
        return bucket

    def delete_bucket(self, name: str) -> None:
        """Raises BucketNotFound, and BucketNotEmpty while it has images, older versions or delete markers.

        The name goes first and comes back if an image is found: an upload that ends in between looks for
        its bucket again, so one of the two always sees the other; if both do, both are refused.
        """
        if self._registry.find_bucket(name) is not None and self._documents.has_images(name):
            raise _not_empty(name)  # the usual case, without taking the name away for a moment
        generation = self._registry.set_live(name, False)
        if generation is None:
            raise BucketNotFound.named(name)
        self._aliases.forget_bucket(name, generation)
        if self._documents.has_images(name):
            revived = self._registry.set_live(name, True)
            self._aliases.forget_bucket(name, revived or generation)
            raise _not_empty(name)
        self._named.drop_all(name)

    def list_images(
        self, bucket: str, *, prefix: str = "", tag: str | None = None, after: str = "", limit: int = 100
    ) -> list[Image]:
        """At most `limit` images by the byte order of their keys, behind the key `after`."""
        return self._documents.list_images(bucket, prefix=prefix, tag=tag, after=after, limit=limit)

    def image(self, bucket: str, key: str) -> Image:
        """Raises ImageNotFound."""
        image = self._documents.find_image(bucket, key)
        if image is None:
            raise ImageNotFound.named(bucket, key)
        return image

    def relabel(self, bucket: str, key: str, labels: Labels, condition: Condition) -> Image:
        """Set tags, context or both. Raises ImageNotFound and PreconditionFailed."""
        image = self._documents.set_labels(bucket, key, labels, condition)
        if image is None:
            raise ImageNotFound.named(bucket, key)
        self._aliases.forget_image(bucket, key, image.generation)
        return image

    def delete_image(self, bucket: str, key: str, condition: Condition) -> None:
        """The name and all its versions. Raises ImageNotFound and PreconditionFailed."""
        digests = {each.digest for each in self._documents.list_versions(bucket, key)}
        buried = self._documents.bury(bucket, key, condition)
        if buried is None:
            self._repeats.tell(bucket, key)
            raise ImageNotFound.named(bucket, key)
        numbers, generation = buried
        self._aliases.forget_image(bucket, key, generation)
        self._aliases.forget_versions(bucket, key, numbers)
        self._purge.drop_made(digests)

    def list_versions(
        self, bucket: str, key: str, *, before: int | None = None, limit: int = 100
    ) -> list[Version]:
        """Newest first, below the number `before`. Raises ImageNotFound when there is no such image."""
        self.image(bucket, key)
        return self._documents.list_versions(bucket, key, before=before, limit=limit)

    def version(self, bucket: str, key: str, number: int) -> Version:
        """Raises VersionNotFound."""
        version = self._documents.find_version(bucket, key, number)
        if version is None:
            raise VersionNotFound(f"Image {key!r} in bucket {bucket!r} has no version {number}.")
        return version

    def delete_version(self, bucket: str, key: str, number: int) -> None:
        """One version. If it is the newest, the one before becomes that; the last takes the image along.

        Raises VersionNotFound.
        """
        try:
            version = self.version(bucket, key, number)
        except VersionNotFound:
            self._repeats.tell(bucket, key, number)
            raise
        generation = self._documents.withdraw(version)
        if generation is not None:
            self._aliases.forget_image(bucket, key, generation)
        self._aliases.forget_version(bucket, key, number)
        self._purge.drop_made({version.digest})


def _bucket_or_raise(name: str, bucket: Bucket | None) -> Bucket:
    if bucket is None:
        raise BucketNotFound.named(name)
    return bucket


def _not_empty(name: str) -> BucketNotEmpty:
    return BucketNotEmpty(
        f"Bucket {name!r} still has images, or versions of deleted ones: delete them first."
    )

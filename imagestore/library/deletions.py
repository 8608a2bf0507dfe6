"""Deletions of objects as S3 has them, by its clients and by lifecycle rules: every cache is told."""

from __future__ import annotations

from imagestore.core.image import Bucket, Condition, Version
from imagestore.library.aliases import Aliases
from imagestore.library.purge import Purge
from imagestore.library.repeats import Repeats
from imagestore.store.objects import Objects as Stored
from imagestore.store.objects import Removal


class Deletions:
    """What is not there is deleted already: that is no error, and None where it can be told."""

    def __init__(self, stored: Stored, aliases: Aliases, purge: Purge, repeats: Repeats) -> None:
        self._stored = stored
        self._aliases = aliases
        self._purge = purge
        self._repeats = repeats

    def delete(self, bucket: Bucket, key: str, condition: Condition, owner: str | None) -> Removal | None:
        """What a key names, as its bucket's versioning has it. Raises PreconditionFailed, WriteContention."""
        removal = self._stored.delete(bucket.name, key, bucket.versioning, owner=owner, condition=condition)
        self._forget(bucket.name, key, removal)
        return removal

    def delete_version(
        self, bucket: Bucket, key: str, version_id: str, condition: Condition
    ) -> Removal | None:
        """What S3 shows under an id, for good. Raises PreconditionFailed."""
        removal = self._stored.delete_version(bucket.name, key, version_id, condition)
        self._forget(bucket.name, key, removal)
        return removal

    def _forget(self, bucket: str, key: str, removal: Removal | None) -> None:
        """Drop what the caches know of what is gone, renditions included."""
        if removal is None:
            self._repeats.tell(bucket, key)
            return
        self._aliases.forget_image(bucket, key, removal.generation)
        if removal.numbers:
            self._aliases.forget_versions(bucket, key, removal.numbers)
        self._purge.drop_made({each.digest for each in removal.gone if isinstance(each, Version)})

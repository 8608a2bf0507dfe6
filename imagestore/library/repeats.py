"""Repeats: a write that was done already, whose caches are told once more."""

from __future__ import annotations

from imagestore.library.aliases import Aliases
from imagestore.store.documents import Documents


class Repeats:
    """Who finds a change made already may be asking again, since no answer came: the worker that made it can
    have died before it told the caches, and a write whose outcome was unknown can have been carried out. So
    the caches are told before the repeated request is answered: afterwards nobody sees what was before."""

    def __init__(self, documents: Documents, aliases: Aliases) -> None:
        self._documents = documents
        self._aliases = aliases

    def tell(self, bucket: str, key: str, number: int | None = None) -> None:
        """Of the image as it is, or its absence, and of its version with that number, which is gone."""
        place = self._documents.find_place(bucket, key)
        generation = place.image.generation if place.image is not None else place.absence
        self._aliases.forget_image(bucket, key, generation or 0)
        if number is not None:
            self._aliases.forget_version(bucket, key, number)

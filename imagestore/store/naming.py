"""The name that a version is to have, and what a transaction finds under it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

from pymongo.client_session import ClientSession

from imagestore.core.image import BlobRef, Bucket, Condition, Digest, Facts, Image, Labels, Version
from imagestore.core.objects import Attributes, Marker

Also = Callable[[ClientSession, Image], None]
"""What is to become true with an image, in one transaction."""


@dataclass(frozen=True, slots=True)
class Naming:
    """The name that a version is to have, and what else an upload asks for.

    `unversioned`: it takes the place of the one that its key has for as long as no versions are kept.
    `renewed`: the bytes that the name has already make a version too. `also` becomes true with the image, or
    neither does.
    """

    bucket: str
    key: str
    labels: Labels = field(default_factory=Labels)
    condition: Condition = field(default_factory=Condition)
    attributes: Attributes = field(default_factory=Attributes)
    unversioned: bool = False
    renewed: bool = False
    also: Also | None = None

    def turns(self, digest: Digest) -> tuple[Hashable, Hashable]:
        """What a transaction changes that gives bytes of this digest the name: the name, then the claim."""
        return (self.bucket, self.key), digest

    def complete(self, session: ClientSession, image: Image, gone: Version | Marker | None) -> Image:
        """The outcome of a write that took a version away; what is to become true with it does so here, in
        the same transaction."""
        image = replace(image, replaced=(gone.number,) if gone else ())
        if self.also is not None:
            self.also(session, image)
        return image


@dataclass(frozen=True, slots=True)
class Present:
    """What there is under a name: the image, if it lives, and the last number that was given out.

    `hidden`: a delete marker is the newest of it. `vacant`: it has no version at all. What was read before
    the transaction that builds on it has a `generation`, 0 where the name never was: it holds only while the
    name still has that.
    """

    image: Image | None
    last_number: int
    hidden: bool = False
    vacant: bool = True
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What there was when an upload came, all read at once: its bucket, what that has under the name, and
    where the same bytes lie already, with the facts of the picture that they were proven to be."""

    bucket: Bucket | None
    present: Present
    blob: BlobRef | None = None
    facts: Facts | None = None


class Outdated(Exception):
    """What was read before the transaction is so no more: look again, within it."""

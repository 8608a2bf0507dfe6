"""Which blobs in Redis were made of which original, so that all of them can be dropped at once."""

from __future__ import annotations

from collections.abc import Iterable

from imagestore.cache.names import redis_key
from imagestore.cache.scripts import NOTE_MEMBER
from imagestore.cache.tier import Tier

MOST_VARIANTS = 20_000
"""Of one original that are noted. What is made beyond that outlives a purge, until its expiry."""

NOTED_SECONDS = 8 * 86400
"""Longer than any blob is kept that nobody asks for (see cache/admission.py)."""

BATCH = 500


class Variants:
    """A Redis set of blobs' keys for each original, by its digest. As with a Tier nothing is raised: what
    Redis was not told of, or lost, outlives a purge, though no name leads there any more."""

    def __init__(self, tier: Tier) -> None:
        self._wire = tier.wire

    def note(self, digests: Iterable[str], name: str) -> None:
        """The blob of that name was made of these originals."""
        key = redis_key("blob", name)
        bounds = (MOST_VARIANTS, NOTED_SECONDS * 1000)
        self._wire.converse(
            [NOTE_MEMBER.of(redis_key("variants", digest), key, *bounds) for digest in digests]
        )

    def drop(self, digest: str, *names: str) -> int:
        """Drop all blobs that were made of an original, and those of these names; how many were there."""
        noted = redis_key("variants", digest)
        members = self._wire.converse([("SMEMBERS", noted)], insist=True)[0]
        keys = [redis_key("blob", name) for name in names]
        if isinstance(members, _MANY):
            keys += [each for each in members if isinstance(each, bytes)]
        gone = 0
        for start in range(0, len(keys), BATCH):
            unlink = [("UNLINK", key) for key in keys[start : start + BATCH]]
            answers = self._wire.converse(unlink, insist=True)
            gone += sum(answer for answer in answers if isinstance(answer, int))
        self._wire.converse([("UNLINK", noted)], insist=True)
        return gone


_MANY = (set, list, tuple)
"""What the client library makes of a set, in one version of the protocol or another."""

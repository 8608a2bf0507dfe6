"""Which blobs in Redis were made of which original, so that all of them can be dropped at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from imagestore.cache.names import redis_key
from imagestore.cache.node import Unreached
from imagestore.cache.scripts import NOTE_MEMBER, Command
from imagestore.cache.tier import Tier

MOST_VARIANTS = 20_000
"""Of one original that are noted. What is made beyond that outlives a purge, until its expiry."""

NOTED_SECONDS = 8 * 86400
"""Longer than any blob is kept that nobody asks for (see cache/admission.py)."""

BATCH = 500
ORIGINALS = 10
"""Keys, and sets of them, of one round trip: of the sets some 30 MB at the worst."""


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

    def drop(self, digests: Sequence[str], names: Sequence[str] = ()) -> int:
        """Drop all blobs that were made of these originals, and those of these names; how many were there.

        A server that hangs costs one timeout, however many there are: what is left then, is left.
        """
        gone = 0
        with suppress(Unreached):
            gone += self._unlink([redis_key("blob", name) for name in names])
            for start in range(0, len(digests), ORIGINALS):
                noted = [redis_key("variants", digest) for digest in digests[start : start + ORIGINALS]]
                found = self._ask([("SMEMBERS", key) for key in noted])
                members = [key for each in found if isinstance(each, _MANY) for key in each]
                gone += self._unlink([key for key in members if isinstance(key, bytes)])
                self._unlink(noted)
        return gone

    def _unlink(self, keys: Sequence[bytes]) -> int:
        """How many of the keys were there. Raises Unreached."""
        gone = 0
        for start in range(0, len(keys), BATCH):
            answers = self._ask([("UNLINK", key) for key in keys[start : start + BATCH]])
            gone += sum(answer for answer in answers if isinstance(answer, int))
        return gone

    def _ask(self, commands: Sequence[Command]) -> list[object]:
        answers = self._wire.converse(commands, insist=True)
        for answer in answers:
            if isinstance(answer, Unreached):
                raise answer
        return answers


_MANY = (set, list, tuple)
"""What the client library makes of a set, in one version of the protocol or another."""

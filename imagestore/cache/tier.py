"""The Redis tier: aliases, blobs, leases, counters. A cache, never a dependency: it only ever misses."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Sequence
from hashlib import sha1

from imagestore.cache.admission import Sizes, worth_size
from imagestore.cache.envelope import NAMED, Content, Envelope
from imagestore.cache.eviction import Eviction
from imagestore.cache.freshness import STALE_SECONDS, Due, is_believed, milliseconds, unpack_alias
from imagestore.cache.names import PREFIX, redis_key
from imagestore.cache.node import Bounds
from imagestore.cache.scripts import COUNT_WITHIN, DROP_IF, EXTEND_IF, GENERATION_DIGITS, KEEP_NEWEST
from imagestore.cache.stats import Tally, TierStats
from imagestore.cache.values import Alias, Lease
from imagestore.cache.wire import Wire, is_out_of_memory, is_wrong_type
from imagestore.core.metrics import SILENT, Metrics

FULL_SECONDS = 1.0
"""For so long no value is offered to a Redis that had no memory for one: each request would offer several."""
FORGET_TRIES = 2
FORGET_BATCH = 250
"""Fences of one round trip: some 200 kB at most with the longest names, and some milliseconds of Redis."""


class Tier:
    """Aliases, blobs, leases, counters in one Redis, 6.2 or later, or a Redis Cluster. No method raises for
    Redis' sake, and each is bounded in time (see Wire): what cannot be read is a miss, what cannot be written
    is skipped. Where a method says one round trip, a cluster needs one for each server that has such keys.

    `url` is as Wire has it (ValueError otherwise), or "none" for a tier that always misses. `timeout` is in
    seconds for one call. A blob over `value_bytes` is not kept. `integrity_key` is secret and the same in all
    processes that share the Redis: values sealed with another one are misses. `fence_seconds` must be longer
    than an alias is fresh plus the longest that a reader may sit on what it read before it writes the alias.
    `connections` bounds the connections of this process to one server. Thread-safe; make one in each worker
    process, after the fork.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout: float,
        value_bytes: int,
        integrity_key: bytes,
        fence_seconds: float = 600.0,
        connections: int = 32,
        metrics: Metrics = SILENT,
    ) -> None:
        self.tally = Tally(metrics)
        self.wire = Wire(url, Bounds(timeout, connections), self.tally)
        self.envelope = Envelope(integrity_key)
        self.value_bytes = value_bytes
        self._fence_seconds = fence_seconds
        self.sizes = Sizes()
        self.due = Due()
        self.eviction = Eviction(url, "expiry")
        self._full_until = -math.inf

    # Aliases

    def read_aliases(self, names: Sequence[str], *, stale: float = 0.0) -> list[Alias | None]:
        """The aliases of `names`, in their order, in one round trip; None for one that is not there.

        One that outlived its time by more than `stale` seconds counts as not there.
        """
        keys = [redis_key("alias", name) for name in names]
        # The time left is Redis' own, so clocks that differ do no harm, and it is asked for before the value:
        # what is written between the two can then only be missed, not an old value be taken for a fresh one.
        answers = self.wire.converse([command for key in keys for command in (("PTTL", key), ("GET", key))])
        return [
            self._alias(key, left, value, stale)
            for key, left, value in zip(keys, answers[::2], answers[1::2], strict=True)
        ]

    def are_fenced(self, names: Sequence[str]) -> bool:
        """Whether any of `names` was written a short while ago, as far as Redis knows: one round trip."""
        keys = [redis_key("alias", name) for name in names]
        answers = self.wire.converse([("GET", key) for key in keys])
        opened = [self._open(key, value, NAMED) for key, value in zip(keys, answers, strict=True)]
        return any(each is not None and each[0] == b"f" for each in opened)

    def write_alias(self, name: str, generation: int, payload: bytes, ttl: float) -> bool:
        """Keep an alias, fresh for `ttl` seconds; False if Redis holds a newer generation or did not take it.

        `generation` is the one under which the payload was read from the store, 0 or more.
        """
        taken = False
        if not self._is_full():
            arguments = self._newest(name, b"a", generation, payload, STALE_SECONDS + ttl)
            answer = self.wire.run(KEEP_NEWEST, *arguments)
            self._note_full(answer == -1)
            taken = answer == 1
        self.tally.add("stored" if taken else "skipped")
        return taken

    def write_brief_alias(self, name: str, generation: int, payload: bytes, seconds: float) -> bool:
        """Keep an alias of what is not worth more than a moment: it is gone when it is no longer believed.

        Only where Redis has nothing of the name: no fence, and nothing that lasts longer.
        """
        taken = False
        if not self._is_full():
            key, value, _, expiry = self._newest(name, b"n", generation, payload, seconds)
            answer = self.wire.command("SET", key, value, "NX", "PX", expiry)
            self._note_full(is_out_of_memory(answer))
            taken = answer is True
        self.tally.add("stored" if taken else "skipped")
        return taken

    def forget(self, name: str, generation: int) -> bool:
        """Drop the alias of `name` since its image was written: `generation` is the new one.

        A fence stays in its place for `fence_seconds`, so that a reader which is slow cannot put an older
        alias back. A newer alias or fence is left alone. True when no older alias is left in Redis; False
        when Redis was not reached: an old alias may be believed until its freshness ends. A write is rare and
        its visibility dear, so this asks even while the breaker is open, and once more after a failure.
        """
        return self.forget_many([(name, generation)])

    def forget_many(self, written: Sequence[tuple[str, int]]) -> bool:
        """`forget` for many names with their generations, in one round trip for each FORGET_BATCH of them.

        The one more try is for all together, so a server that hangs costs two timeouts however many there
        are. False when it is not known of every name that no older alias is left in Redis.
        """
        tries = FORGET_TRIES
        for start in range(0, len(written), FORGET_BATCH):
            while not self._fence(written[start : start + FORGET_BATCH]):
                tries -= 1
                if tries == 0:
                    return False
        return True

    def forget_all(self) -> bool:
        """Drop every alias, and the fences too: the store came to hold another state than was remembered.

        False when Redis was not reached, or not to the end. Goes through all keys of Redis, in steps. An
        alias that a cluster moves from server to server meanwhile may escape: it is believed until it ends.
        """
        for keys in self.wire.keys(f"{PREFIX}alias*"):
            if keys is None:
                return not self.enabled
            gone = self.wire.converse([("UNLINK", key) for key in keys], insist=True)
            if not all(isinstance(answer, int) for answer in gone):
                return False
        return True

    # Blobs

    def read_blob(self, name: str, frequency: int) -> bytes | None:
        """The bytes kept under `name`, in one round trip; a hit also renews the expiry: see Eviction."""
        key = redis_key("blob", name)
        reading = self.eviction.reading(key, frequency, self.sizes.recall(name))
        opened = self._open(key, self.wire.command(*reading), (b"b",))
        if opened is None:
            self.tally.add("misses")
            return None
        self.tally.add("hits")
        self.sizes.correct(name, len(opened[1]))
        return opened[1]

    def write_blob(self, name: str, data: bytes, frequency: int, cost: float = 1.0) -> bool:
        """Keep `data` under `name`; False if it is larger than `value_bytes` or Redis did not take it.

        `frequency` (1 to 15, a Sketch tells it), the size and the `cost` (1 for what is only read from
        GridFS, more for what takes longer) decide how long it stays.
        """
        taken = False
        if len(data) <= self.value_bytes and not self._is_full():
            key = redis_key("blob", name)
            size = worth_size(len(data), cost)
            expiry = milliseconds(self.eviction.seconds(frequency, size))
            answer = self.wire.command("SET", key, self.envelope.seal(b"b", key, data), "PX", expiry)
            self._note_full(is_out_of_memory(answer))
            taken = answer is True
            self.sizes.note(name, size)
        self.tally.add("stored" if taken else "skipped")
        return taken

    def has_blobs(self, names: Sequence[str]) -> list[bool]:
        """Whether each of `names` (some hundreds at most) is kept, in one round trip, renewing no expiry."""
        return [
            answer == 1
            for answer in self.wire.converse([("EXISTS", redis_key("blob", name)) for name in names])
        ]

    # Leases

    def try_lease(self, name: str, seconds: float) -> Lease:
        """Ask for the right to make `name`, which ends by itself after `seconds`."""
        token = secrets.token_hex(16)
        if self._is_full():
            return Lease(name, "unavailable", token)
        answer = self.wire.command("SET", redis_key("lease", name), token, "NX", "PX", milliseconds(seconds))
        self._note_full(is_out_of_memory(answer))
        if answer is True:
            return Lease(name, "held", token)
        return Lease(name, "busy" if answer is None else "unavailable", token)

    def renew_lease(self, lease: Lease, seconds: float) -> None:
        """Let a lease that is held last for `seconds` from now, unless it is another's by now."""
        self.wire.run(EXTEND_IF, redis_key("lease", lease.name), lease.token, milliseconds(seconds))

    def release_lease(self, lease: Lease) -> None:
        """Give it back unless it is another's by now; if it was held, while the breaker is open too."""
        key, token = redis_key("lease", lease.name), lease.token.encode()
        self._drop_if(key, token, insist=lease.state == "held")

    # Counters

    def count_within(self, name: str, seconds: float) -> tuple[int, float] | None:
        """Count `name` once more. How often it was counted within the window that its first count began, this
        one included, and the seconds left of that window; None when Redis was not reached."""
        answer = self.wire.run(COUNT_WITHIN, redis_key("rate", name), milliseconds(seconds))
        match answer:
            case [int(count), int(left)]:
                return count, left / 1000
        return None

    # Messages

    def publish(self, channel: bytes, message: bytes) -> bool:
        """Tell all who listen to the channel now; False if Redis was not reached."""
        return isinstance(self.wire.command("PUBLISH", channel, message), int)

    # The tier itself

    @property
    def enabled(self) -> bool:
        """False for the URL "none" and after `close()`."""
        return self.wire.enabled

    def ping(self) -> bool:
        """Whether Redis answers now, within the timeout. False also while the breaker is open."""
        return self.wire.ping()

    def stats(self) -> TierStats:
        return self.tally.snapshot(enabled=self.enabled, breaker=self.wire.state)

    def close(self) -> None:
        """Close the connections; from then on everything is a miss. Safe to call again."""
        self.wire.close()

    def _is_full(self) -> bool:
        return time.monotonic() < self._full_until

    def _note_full(self, refused: bool) -> None:
        self._full_until = time.monotonic() + FULL_SECONDS if refused else self._full_until

    def _alias(self, key: bytes, left: object, value: object, stale: float) -> Alias | None:
        opened = self._open(key, value, NAMED)
        believed = opened is not None and (opened[0] == b"n" or is_believed(left, stale))
        early = not stale and opened is not None and opened[0] == b"a" and self.due.take(key, left)
        if opened is None or opened[0] == b"f" or not believed or early:
            self.tally.add("misses")
            return None
        self.tally.add("hits")
        return unpack_alias(opened[1])

    def _fence(self, written: Sequence[tuple[str, int]]) -> bool:
        commands = [
            KEEP_NEWEST.of(*self._newest(name, b"f", generation, b"", self._fence_seconds))
            for name, generation in written
        ]
        return all(isinstance(answer, int) for answer in self.wire.converse(commands, insist=True))

    def _newest(
        self, name: str, content: Content, generation: int, payload: bytes, seconds: float
    ) -> tuple[bytes, bytes, str, int]:
        """The key and the arguments of KEEP_NEWEST."""
        key = redis_key("alias", name)
        digits = f"{generation:0{GENERATION_DIGITS}d}"
        value = self.envelope.seal(content, key, digits.encode() + payload)
        return key, value, digits, milliseconds(seconds)

    def _open(self, key: bytes, answer: object, contents: Sequence[Content]) -> tuple[bytes, bytes] | None:
        """What is inside a value that Redis gave for `key`; a bad one is counted, deleted and None."""
        if answer is None or (isinstance(answer, Exception) and not is_wrong_type(answer)):
            return None
        value = answer if isinstance(answer, bytes) else b""
        opened = self.envelope.open(key, value)
        if opened is None or opened[0] not in contents:
            self.tally.add("corrupt")
            self._drop_if(key, value)
            return None
        return opened

    def _drop_if(self, key: bytes, value: bytes, *, insist: bool = False) -> None:
        """Delete `key` if it still holds `value`: what was put there meanwhile is another's, and stays."""
        self.wire.run(DROP_IF, key, sha1(value, usedforsecurity=False).hexdigest(), insist=insist)

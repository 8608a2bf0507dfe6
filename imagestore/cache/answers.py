"""Answers in Redis: their heads, found and judged from an event loop, and bodies that lie there anyway."""

from __future__ import annotations

import asyncio
import json
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NamedTuple

from imagestore.cache.admission import Sketch
from imagestore.cache.envelope import Content
from imagestore.cache.freshness import is_believed, milliseconds, unpack_alias
from imagestore.cache.loopwire import LoopWire
from imagestore.cache.names import redis_key
from imagestore.cache.scripts import Command
from imagestore.cache.tier import FULL_SECONDS, Tier
from imagestore.core.replay import Source

MOST_HEAD_BYTES = 16 * 1024
MOST_NAMES = 100
"""An answer with a longer head, or one that is made of more, is not kept."""

MOST_RECORDS = 4096
"""Heads that a process remembers, so that it need not ask Redis for them: some 4 MiB, 100 at the worst."""

MOST_ALIASES = 4096
"""Whose sealed values a process remembers, so that what was opened once need not be opened again."""

MOST_WRITING = 100
AGAIN_SECONDS = 60.0
"""For so long what was written is not written once more."""

_FOR_ALL = ""

_USUAL_BYTES = 1024
"""Of a head, in its envelope."""


class Answer(NamedTuple):
    """`head` is what was written of it, `names` are those of the aliases that it depends on."""

    head: bytes
    names: tuple[str, ...]
    body: bytes


@dataclass(slots=True)
class _Record:
    """What is kept of an answer: all but the body, which is the blob of that name."""

    head: bytes
    names: tuple[str, ...]
    generations: tuple[int, ...]
    blob: str
    written: float = 0.0
    keys: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.keys = tuple(redis_key("alias", name) for name in self.names)

    def pack(self) -> bytes:
        about = json.dumps([self.names, self.generations, self.blob], separators=(",", ":"))
        return b"%s\n%s" % (about.encode(), self.head)

    @classmethod
    def unpack(cls, packed: bytes) -> _Record:
        about, _, head = packed.partition(b"\n")
        names, generations, blob = json.loads(about)
        return cls(head, tuple(names), tuple(generations), blob)


class Answers:
    """Keeps the heads of answers, and finds whole answers again, all for one event loop. Nothing is raised.

    An answer is good as long as each alias that it depends on is in Redis, believed, and of the generation
    that it was made of: then it is what the service would make of what it finds there. So neither a head nor
    what this process remembers of one can be out of date, and a head is asked for only once: after that an
    answer is one round trip, for its aliases and its body; without that, two.

    `tier` is that of the same Redis. `stamp` names what else the head of an answer depends on, as the
    program's version: another one finds nothing of what this one wrote.
    """

    def __init__(self, tier: Tier, url: str, *, timeout: float, stamp: str) -> None:
        self._tier = tier
        self._wire = LoopWire(url, timeout, tier.tally, tier.wire.sentinels)
        self._stamp = stamp
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._opened: dict[bytes, tuple[object, int]] = {}
        self._sketch = Sketch()
        self._writing: set[asyncio.Task[None]] = set()
        self._full_until = 0.0

    @property
    def enabled(self) -> bool:
        """Whether there is a Redis."""
        return self._wire.enabled

    async def read(self, target: bytes, accept_class: str) -> Answer | None:
        """The answer to a GET for that target, as sent, by a client of that class; None where Redis does not
        have all of it."""
        if not self._wire.enabled:
            return None
        names = self._names(target, accept_class)
        records = {name: self._records[name] for name in names if name in self._records}
        for name, record in (records or await self._look_up(names)).items():
            self._remember(name, record)
            answer = await self._complete(name, record)
            if answer is not None:
                return answer
        return None

    def write(self, target: bytes, accept_class: str | None, head: bytes, source: Source) -> None:
        """Keep the head of an answer, in the background. `accept_class` None: it is the same for all.

        Nothing is kept of what Redis has no body for, or cannot tell whether it is out of date.
        """
        generations = tuple(each for each in source.generations if each is not None)
        if source.blob is None or not source.names or len(generations) < len(source.names):
            return
        now = time.monotonic()
        small = len(head) <= MOST_HEAD_BYTES and len(source.names) <= MOST_NAMES
        if not small or not self._wire.enabled or now < self._full_until:
            return
        name = self._names(target, accept_class or _FOR_ALL)[-1]
        record = _Record(head, source.names, generations, source.blob, now)
        known = self._records.get(name)
        if known is not None and known.pack() == record.pack() and now - known.written < AGAIN_SECONDS:
            return
        if len(self._writing) < MOST_WRITING:
            self._remember(name, record)
            task = asyncio.get_running_loop().create_task(self._write(name, record))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    def close(self) -> None:
        """Within the event loop. From then on nothing is found."""
        for task in self._writing:
            task.cancel()
        self._records.clear()
        self._opened.clear()
        self._wire.close()

    def _names(self, target: bytes, accept_class: str) -> tuple[str, ...]:
        """Of the answer for all, and of that for the class."""
        classes = (_FOR_ALL, accept_class) if accept_class else (_FOR_ALL,)
        return tuple(f"{self._stamp}/{each}/{target.decode('latin-1')}" for each in classes)

    def _remember(self, name: str, record: _Record) -> None:
        self._records[name] = record
        self._records.move_to_end(name)
        if len(self._records) > MOST_RECORDS:
            self._records.popitem(last=False)

    async def _look_up(self, names: tuple[str, ...]) -> dict[str, _Record]:
        keys = [redis_key("answer", name) for name in names]
        frequency = self._sketch.touch(names[0])
        reading = self._tier.eviction.reading
        answers = await self._wire.converse([reading(key, frequency, _USUAL_BYTES) for key in keys])
        found = [self._open(key, value, b"h") for key, value in zip(keys, answers, strict=True)]
        return {name: _Record.unpack(each) for name, each in zip(names, found, strict=True) if each}

    async def _complete(self, name: str, record: _Record) -> Answer | None:
        """The answer, if it is good and its body is there."""
        keys = record.keys
        blob = redis_key("blob", record.blob)
        size = self._tier.sizes.recall(record.blob)
        reading = self._tier.eviction.reading(blob, self._sketch.touch(record.blob), size)
        # PTTL first: see Tier.read_aliases.
        commands: list[Command] = [each for key in keys for each in (("PTTL", key), ("GET", key))]
        *told, value = await self._wire.converse([*commands, reading])
        good = all(
            self._is_good(key, left, alias, generation)
            for key, left, alias, generation in zip(
                keys, told[::2], told[1::2], record.generations, strict=True
            )
        )
        body = self._open(blob, value, b"b") if good else None
        if body is None:
            self._tier.tally.add("misses")
            self._records.pop(name, None)
            return None
        if self._tier.due.note(keys, told[::2]):  # the application looks it up anew
            return None
        self._tier.tally.add("hits", len(keys) + 1)
        self._tier.sizes.correct(record.blob, len(body))
        return Answer(record.head, record.names, body)

    def _is_good(self, key: bytes, left: object, value: object, generation: int) -> bool:
        if not is_believed(left):
            return False
        known = self._opened.get(key)
        if known is None or known[0] != value:
            body = self._open(key, value, b"a")
            if body is None:
                return False
            if len(self._opened) >= MOST_ALIASES:
                self._opened.clear()
            known = self._opened[key] = (value, unpack_alias(body).generation)
        return known[1] == generation

    def _open(self, key: bytes, value: object, content: Content) -> bytes | None:
        """Whatever is no such value is missed; the way of other requests to it mends it."""
        opened = self._tier.envelope.open(key, value) if isinstance(value, bytes) else None
        return opened[1] if opened is not None and opened[0] == content else None

    async def _write(self, name: str, record: _Record) -> None:
        key = redis_key("answer", name)
        value = self._tier.envelope.seal(b"h", key, record.pack())
        expiry = milliseconds(self._tier.eviction.seconds(self._sketch.touch(name), len(value)))
        [answer] = await self._wire.converse([("SET", key, value, "PX", expiry)])
        if isinstance(answer, Exception) and str(answer).startswith("OOM"):
            self._full_until = time.monotonic() + FULL_SECONDS
        self._tier.tally.add("stored" if answer == b"OK" else "skipped")

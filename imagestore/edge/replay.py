"""Answers that are sent again: found in memory or in Redis, and kept as they pass (RFC 9111)."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import lru_cache

from werkzeug.http import http_date

from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.hottest import Hottest
from imagestore.core.metrics import CACHE_ANSWERS, CACHE_BYTES, HTTP_REQUESTS, Metrics
from imagestore.core.replay import Source
from imagestore.edge.asgi import Scope
from imagestore.edge.asked import Asked, Peer, forbids_keeping, read
from imagestore.edge.memory import Depends, Entry, Field, Memory
from imagestore.edge.recording import Recording, enter, path_of, target_name
from imagestore.edge.refusals import Refusal
from imagestore.edge.sending import Reply, Sender, fields_of, lines_of, note_access
from imagestore.imaging.formats import accept_class
from imagestore.web.journal import SAFE_METHODS

MOST_HOSTS = 256

_FETCHED = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+/image/upload/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]+")
"""Targets for which Redis is asked: those of delivery, in the letters that a URL has (RFC 3986)."""


class Replayer:
    """Answers requests from a Memory without a wait, and from Redis with one, both within the event loop.
    What it cannot or must not answer goes on to the application.

    `freshness` bounds, in seconds, for how long an answer is sent without a look at what it was made of: as
    long as another machine's change may go unnoticed if the word of it is lost: `bulletin` brings that.
    `answers` are Redis', `hottest` is told what was asked for.
    """

    def __init__(
        self,
        memory: Memory,
        freshness: float,
        answers: Answers,
        bulletin: Bulletin,
        hottest: Hottest | None = None,
    ) -> None:
        self.memory = memory
        self.freshness = freshness
        self._answers: Answers | None = answers if answers.enabled else None
        self._bulletin = bulletin
        self._hottest = hottest
        self._listening: asyncio.Task[None] | None = None
        self._clock = time.monotonic
        self._sender = Sender()
        self._hosts: set[bytes] = set()
        self._flights: dict[tuple[bytes, str], asyncio.Task[Entry | None]] = {}

    def reply(
        self, method: bytes, target: bytes, fields: Iterable[Field], now: float, peer: Peer
    ) -> Reply | Asked | None:
        """`now` is the event loop's time. A method is GET or HEAD; names of fields are lower-case.

        If it is no Reply, what comes back is what was asked if `fetch` may know the answer, else None.
        """
        page = self._page(target)
        if page is None and (self._answers is None or _FETCHED.fullmatch(target) is None):
            return None
        asked = read(fields, peer)
        if asked is None or asked.host not in self._hosts:
            return None
        entry = page.get(asked.accept_class) if isinstance(page, dict) else page
        if (
            entry is not None
            and now < entry.fresh_until
            and self.memory.is_valid(entry)
            and not (now >= entry.renew_from and _is_to_renew(entry, method, asked))
        ):
            reply = self._sender.answer(entry, method, asked, now, "memory")
            if reply is not None:
                note_access(method, target, reply)
            return reply
        return asked if self._answers is not None and _FETCHED.fullmatch(target) else None

    async def fetch(
        self, method: bytes, target: bytes, asked: Asked, clock: Callable[[], float]
    ) -> Reply | None:
        """From Redis, and into memory. `clock` is the event loop's.

        Who asks for the same meanwhile waits for the same look into Redis; but what this machine changed
        since that began is looked up anew.
        """
        place = (path_of(target), asked.accept_class)
        flight = self._flights.get(place)
        if flight is None:
            flight = asyncio.get_running_loop().create_task(self._find(*place, clock))
            self._flights[place] = flight
            flight.add_done_callback(lambda _: self._flights.pop(place, None))
        entry = await asyncio.shield(flight)  # who leaves does not end it for the others
        if entry is None or not self.memory.is_valid(entry):
            return None
        reply = self._sender.answer(entry, method, asked, clock(), "redis")
        if reply is not None:
            note_access(method, target, reply)
        return reply

    async def _find(self, target: bytes, accept_class: str, clock: Callable[[], float]) -> Entry | None:
        assert self._answers is not None
        begun = time.monotonic_ns()
        answer = await self._answers.read(target, accept_class)
        if answer is None:
            return None
        fields = (*_fields_of(answer.head), (b"date", http_date(time.time()).encode()))
        names = (*answer.names, target_name(target))
        depends = Depends(self.memory.generations.slots_of(names), begun)
        entry = enter(target, accept_class, fields, depends, clock(), self.freshness)
        if entry is not None:
            entry.body, entry.queryless = answer.body, True
            self.memory.put(entry)
        return entry

    def keep(self, entry: Entry, source: Source) -> None:
        """A whole answer of the application: in memory, and for all workers in Redis, where its body lies.

        Only if it does not depend on the query: else who makes queries up could fill Redis with heads.
        """
        self.memory.put(entry)
        lasting = source.queryless and (entry.dated or not entry.has(b"last-modified"))
        if self._answers is not None and lasting:
            head = lines_of(field for field in entry.fields if field[0] != b"date")
            self._answers.write(entry.target, entry.variant or None, head, source)

    def record(self, scope: Scope, clock: Callable[[], float]) -> Recording | None:
        """For a request that is to be answered by the application; None where memory has no part in that."""
        fields: list[Field] = scope["headers"]
        if scope["method"] != "GET" or any(forbids_keeping(*each) for each in fields):
            return None
        return Recording(self, _target(scope), fields, clock)

    def doubt(self, scope: Scope) -> None:
        """A request that may have changed its own target has done it (section 4.4)."""
        if scope["method"] not in SAFE_METHODS:
            target = _target(scope)
            self.memory.generations.touch([target_name(each) for each in {target, path_of(target)}])

    def admit(self, host: bytes) -> None:
        """The application answers to that name."""
        if len(self._hosts) >= MOST_HOSTS and host not in self._hosts:
            self._hosts.clear()  # who makes names up must not keep those out that are used
        self._hosts.add(host)

    def stale(self, target: bytes, accept_class: str, now: float) -> Refusal | None:
        """An answer of before, in full, for want of a new one: none of what is known to have changed since,
        or is older than it said that it may be (RFC 5861, section 4)."""
        entry = self._find_kept(target, accept_class)
        if entry is None or now >= entry.stale_until or self.memory.is_refuted(entry):
            return None
        return Refusal(200, self._sender.describe(entry, now), entry.body[:])

    def remembers(self, target: bytes, accept: str) -> bool:
        """Whether memory has an answer that is fresh to a GET with that Accept field. From any thread."""
        entry = self._find_kept(target, accept_class(accept))
        return entry is not None and self._clock() < entry.fresh_until and self.memory.is_valid(entry)

    def _find_kept(self, target: bytes, accept_class: str) -> Entry | None:
        page = self._page(target)
        return page.get(accept_class) if isinstance(page, dict) else page

    def _page(self, target: bytes) -> Entry | dict[str, Entry] | None:
        """What memory has for a target, or for the same without its query if that does not matter."""
        page = self.memory.page(target)
        if page is None and b"?" in target:
            page = self.memory.page(path_of(target))
            first = next(iter(page.values()), None) if isinstance(page, dict) else page
            return page if first is not None and first.queryless else None
        return page

    def open(self) -> None:
        """Listen to other nodes, in the event loop that runs."""
        self._clock = asyncio.get_running_loop().time
        self._listening = asyncio.get_running_loop().create_task(self._bulletin.listen())

    def close(self) -> None:
        """Within the event loop. From then on nothing is kept and nothing found."""
        if self._listening is not None:
            self._listening.cancel()
        self._tell_hottest()
        self.memory.clear()
        if self._answers is not None:
            self._answers.close()
            self._answers = None

    def tell(self, metrics: Metrics) -> None:
        """Add what was counted since the last time, which is done every second or so."""
        sent, sent_bytes = self._sender.sent, self._sender.sent_bytes
        for (level, method, status), by in sent.items():
            metrics.count(HTTP_REQUESTS, "delivery", method.decode("ascii"), f"{status[0]}xx", by=by)
            metrics.count(CACHE_ANSWERS, level, by=by)
        for level, by in sent_bytes.items():
            metrics.count(CACHE_BYTES, level, by=by)
        sent.clear()
        sent_bytes.clear()
        self._tell_hottest()
        self.memory.tell(metrics)

    def _tell_hottest(self) -> None:
        if self._hottest is not None:
            self._hottest.add(_by_path(self._sender.targets))
        self._sender.targets.clear()


def _is_to_renew(entry: Entry, method: bytes, asked: Asked) -> bool:
    """Whether this request is the one that fetches the next answer, of which it wants all."""
    if method != b"GET" or not asked.noted.keys() <= {b"x-request-id"}:
        return False
    entry.renew_from = math.inf
    return True


_fields_of = lru_cache(maxsize=4096)(fields_of)


def _by_path(targets: Counter[bytes]) -> Counter[str]:
    """Without the queries, in which there may be signatures."""
    found: Counter[str] = Counter()
    for target, count in targets.items():
        found[path_of(target).decode("latin-1")] += count
    return found


def _target(scope: Scope) -> bytes:
    query: bytes = scope["query_string"]
    path: bytes = scope["raw_path"]
    return path + (b"?" + query if query else b"")

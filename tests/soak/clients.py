"""The clients: each with one connection, who read, render, upload, overwrite and delete, and check it all."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.bench.load import without_times
from tests.faults.load import authorization
from tests.service import Service
from tests.soak.expectation import Expected, Renditions
from tests.soak.population import Population

WRITES = 0.03
"""Of all requests, to any image: some delete it; it is uploaded where it is missing, else overwritten."""

DELETIONS = 0.15
RENDERS = 0.4
VERSIONED = 0.3
"""Of reads: those of renditions; and those of the URL of one version, which stays right for ever."""

PATIENCE = 60.0
PREFIX = "/default/image/upload"
REST = "/v1/buckets/default/images"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_SOURCE = re.compile(rb"\r\ncache-status: *([^\r]*)\r\n", re.IGNORECASE)


@dataclass
class Seen:
    """What the clients saw. `sources`: what Cache-Status said of complete pictures."""

    requests: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0


def hit_ratio(sources: Counter[str]) -> float:
    """Of complete pictures, those that came from memory or from Redis."""
    hits = sum(count for source, count in sources.items() if re.search(r"detail=(memory|redis)\b", source))
    return hits / max(1, sources.total())


def redis_hit_ratio(sources: Counter[str]) -> float:
    """Of those that did not come from memory, those that came from Redis."""
    rest = Counter({source: count for source, count in sources.items() if "detail=memory" not in source})
    return hit_ratio(rest)


@dataclass
class Answer:
    status: int
    head: bytes
    body: bytes
    since: float
    until: float


class Clients:
    """`run` lets them ask until a moment of the monotonic clock, and returns what they saw."""

    def __init__(self, service: Service, population: Population, count: int, rate: float) -> None:
        self.seen = Seen()
        self.expected = [Expected(key) for key in population.keys]
        self.renditions = Renditions()
        self._address = urlsplit(service.url)
        self._authorization = f"Authorization: {authorization(service)}\r\n"
        self._population = population
        self._random = population.random
        self._count = count
        self._pause = count / rate

    async def fill(self) -> None:
        """Upload every image once."""
        waiting = iter(self.expected)
        await asyncio.gather(*(self._fill(waiting) for _ in range(8)))

    async def _fill(self, waiting: Iterator[Expected]) -> None:
        connection = Connection(self._address.hostname or "", self._address.port or 0)
        for expected in waiting:
            await self._write(connection, expected, self._population.picture())
        connection.close()

    async def run(self, until: float) -> Seen:
        await asyncio.gather(*(self._client(until) for _ in range(self._count)))
        return self.seen

    async def _client(self, until: float) -> None:
        connection = Connection(self._address.hostname or "", self._address.port or 0)
        while (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, self._random.expovariate(1 / self._pause)))
            try:
                await self._act(connection)
            except (OSError, EOFError, TimeoutError) as error:
                self.seen.failed.append(f"{type(error).__name__}: {error}")
                connection.close()
        connection.close()

    async def _act(self, connection: Connection) -> None:
        if self._random.random() >= WRITES:
            await self._read(connection, self.expected[self._population.popular_key()])
            return
        expected = self.expected[self._population.any_key()]
        if expected.writing:
            return
        there = expected.newest is not None and expected.newest.digest is not None
        deletes = there and self._random.random() < DELETIONS
        await self._write(connection, expected, None if deletes else self._population.picture())

    async def _write(self, connection: Connection, expected: Expected, data: bytes | None) -> None:
        """Upload or overwrite; delete if there are no data."""
        expected.writing = True
        try:
            digest = None if data is None else hashlib.sha256(data).hexdigest()
            state = expected.begin(digest, time.monotonic())
            method = "DELETE" if data is None else "PUT"
            path = f"{REST}/{expected.key}"
            self.seen.requests[_kind_of_write(expected, data)] += 1
            answer = await self._ask(connection, method, path, data or b"", self._authorization)
            if answer.status != (204 if data is None else 201):
                self._complain(answer, f"{method} {path}")
                return
            if data is not None:
                told = json.loads(answer.body)
                state.number = told["version"]
                if told["digest"] != digest:
                    self.seen.wrong.append(f"{method} {path}: stored as {told['digest']}, not {digest}")
            state.acknowledged = answer.until
        finally:
            expected.writing = False

    async def _read(self, connection: Connection, expected: Expected) -> None:
        newest = expected.newest
        version = ""
        if newest is not None and newest.number is not None and self._random.random() < VERSIONED:
            version = f"v{newest.number}/"
        what = self._population.transformation() + "/" if self._random.random() < RENDERS else ""
        path = f"{PREFIX}/{what}{version}{expected.key}"
        self.seen.requests["rendition" if what else "original"] += 1
        answer = await self._ask(connection, "GET", path)
        self._check(answer, path, expected, what)

    def _check(self, answer: Answer, path: str, expected: Expected, what: str) -> None:
        states = expected.possible(answer.since, answer.until)
        if answer.status == 404:
            if all(state.digest is not None for state in states):
                self.seen.wrong.append(f"GET {path}: 404, though it is there")
            return
        if answer.status != 200:
            self._complain(answer, f"GET {path}")
            return
        if source := _SOURCE.search(answer.head):
            self.seen.sources[without_times(source[1].decode())] += 1
        there = [state for state in states if state.digest is not None]
        if what:
            right = bool(there) and self.renditions.agree(expected.key, there, what, answer.body)
        else:
            right = hashlib.sha256(answer.body).hexdigest() in {state.digest for state in there}
        if not right:
            known = ", ".join(f"v{state.number} {(state.digest or 'deleted')[:8]}" for state in states)
            self.seen.wrong.append(f"GET {path}: other bytes than those of {known}: {answer.head!r}")

    def _complain(self, answer: Answer, what: str) -> None:
        self.seen.failed.append(f"{what}: {answer.status} {answer.body[:200]!r}")

    async def _ask(
        self, connection: Connection, method: str, path: str, body: bytes = b"", headers: str = ""
    ) -> Answer:
        since = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            head, content = await connection.exchange(method, path, body, headers)
        answer = Answer(int(head[9:12]), head, content, since, time.monotonic())
        self.seen.statuses[answer.status] += 1
        self.seen.slowest = max(self.seen.slowest, answer.until - since)
        return answer


def _kind_of_write(expected: Expected, data: bytes | None) -> str:
    if data is None:
        return "deletion"
    there = any(state.digest is not None for state in expected.states[-2:-1])
    return "overwrite" if there else "upload"


class Connection:
    """HTTP/1.1, one request after another; opened again when it was closed."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._ends: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def exchange(self, method: str, path: str, body: bytes, headers: str) -> tuple[bytes, bytes]:
        """The answer's head and body. A kept connection may have been closed meanwhile (RFC 9112, 9.3.1)."""
        kept = self._ends is not None
        try:
            return await self._exchange(method, path, body, headers)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            self.close()
            begun = isinstance(error, asyncio.IncompleteReadError) and error.partial
            if not kept or begun:
                raise
        return await self._exchange(method, path, body, headers)

    async def _exchange(self, method: str, path: str, body: bytes, headers: str) -> tuple[bytes, bytes]:
        if self._ends is None:
            self._ends = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._ends
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        request = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{length}{headers}\r\n"
        writer.write(request.encode() + body)
        head = await reader.readuntil(b"\r\n\r\n")
        found = _LENGTH.search(head)
        content = await reader.readexactly(int(found[1])) if found else b""
        if b"\r\nconnection: close\r\n" in head.lower():
            self.close()
        return head, content

    def close(self) -> None:
        if self._ends is not None:
            with suppress(OSError):
                self._ends[1].close()
            self._ends = None

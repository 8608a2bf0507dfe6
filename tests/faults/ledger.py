"""The client's own ledger of what was acknowledged, and the verdict on it: the one judge of every fault."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from redis import Redis

from tests.faults.caller import Answer, Caller
from tests.service import Service

READERS = 4


@dataclass(frozen=True)
class Entry:
    """One acknowledged upload. `at` is the time of its 201, on the client's monotonic clock."""

    bucket: str
    key: str
    version: int
    digest: str
    at: float


@dataclass
class Verdict:
    """`lost`: not there, or not to be had. `altered`: other bytes, or another version, under a 200."""

    checked: int
    lost: list[tuple[Entry, str]] = field(default_factory=list)
    altered: list[tuple[Entry, str]] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not self.lost and not self.altered

    def __str__(self) -> str:
        told = [f"{entry}: {why}" for entry, why in [*self.lost, *self.altered][:5]]
        return "\n".join([f"{len(self.lost)} lost, {len(self.altered)} altered of {self.checked}", *told])


class Ledger:
    """What a client was promised. Several threads may write into it."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._lock = threading.Lock()

    def note(self, bucket: str, key: str, data: bytes, answer: Answer) -> bool:
        """Enter an upload if its answer acknowledges it; whether it does.

        The digest is the client's own, of the bytes it sent. An acknowledgement of other bytes is a fault.
        """
        if answer.status != 201:
            return False
        now, told, digest = time.monotonic(), answer.json(), hashlib.sha256(data).hexdigest()
        assert (told["bucket"], told["key"], told["digest"]) == (bucket, key, digest), told
        with self._lock:
            self.entries.append(Entry(bucket, key, told["version"], digest, now))
        return True

    def judge(self, service: Service, redis_url: str = "") -> Verdict:
        """Read every version that was acknowledged. Redis is emptied first: the verdict is on what lasts."""
        if redis_url:
            with Redis.from_url(redis_url) as redis:
                redis.flushall()
        verdict = Verdict(len(self.entries))
        shares = [self.entries[number::READERS] for number in range(READERS)]
        with ThreadPoolExecutor(READERS) as threads:
            for part in threads.map(lambda share: _judge(service, share), shares):
                verdict.lost += part.lost
                verdict.altered += part.altered
        return verdict


def _judge(service: Service, entries: list[Entry]) -> Verdict:
    verdict, caller = Verdict(len(entries)), Caller(service)
    for entry in entries:
        answer = caller.get(entry.bucket, entry.key, entry.version)
        if answer.status != 200 or not answer.whole:
            verdict.lost.append((entry, str(answer)))
        elif answer.digest != entry.digest or answer.etag != entry.digest:
            verdict.altered.append((entry, f"{answer.digest}, tagged {answer.etag}"))
        elif "immutable" not in answer.headers.get("cache-control", ""):
            # A number that is no version of the image is passed over, and its newest version served.
            verdict.lost.append((entry, "there is no such version"))
    caller.close()
    return verdict

"""Uploads by several clients while the primary is killed and stopped again and again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults import motifs
from tests.faults.caller import Caller
from tests.faults.ledger import Ledger
from tests.faults.site import Site, kill, pause, resume
from tests.service import Service, await_that

CLIENTS = 8
LAG = 0.5
"""Seconds for which no other member gets the primary's writes before it is taken away: so it has some that
are its own, as it would have in the moment of any crash, but surely."""

RETRY = 0.3
MOST_TRIES = 100


@dataclass
class Campaign:
    """What is to be done, and how it went. `faults` alternate between SIGKILL and SIGSTOP."""

    site: Site
    service: Service
    bucket: str
    uploads: int
    faults: int
    ledger: Ledger = field(default_factory=Ledger)
    answers: list[int] = field(default_factory=list)
    """The statuses of all answers, those to later tries too."""

    longest: float = 0.0
    """Seconds from the first try of an upload to its acknowledgement."""

    def run(self) -> None:
        """Returns when everything is acknowledged, all faults were injected, and every member is back."""
        numbers = iter(range(self.uploads))  # its `next` is one step, so that threads may share it
        with ThreadPoolExecutor(CLIENTS + 1) as threads:
            clients = [threads.submit(self._upload_all, numbers) for _ in range(CLIENTS)]
            for fault in range(self.faults):
                self._await_acknowledged((fault + 1) * self.uploads // (self.faults + 1), clients)
                self._strike(fault, threads)
            for each in clients:
                each.result()
        self.site.mend()

    def _await_acknowledged(self, count: int, clients: list[Future[None]]) -> None:
        await_that(
            lambda: len(self.ledger.entries) >= count or any(each.done() for each in clients), self._told
        )

    def _told(self) -> str:
        return f"{len(self.ledger.entries)} acknowledged, answers {self.statuses()}"

    def statuses(self) -> dict[int, int]:
        """How often there was which."""
        return dict(Counter(self.answers))

    def _strike(self, fault: int, threads: ThreadPoolExecutor) -> None:
        """Take the primary away in the middle of uploads, a large one among them, and give it back."""
        primary, others = self.site.members.primary(), self.site.secondaries()
        large = threads.submit(self._upload, self.site.caller(self.service), f"large-{fault}", motifs.large())
        self.site.stop_replication(*others)
        time.sleep(LAG)
        killed = fault % 2 == 0
        if killed:
            kill(primary)
        else:
            pause(primary)
        self.site.await_primary_other_than(primary)
        self.site.resume_replication(*others)
        large.result()
        if killed:
            self.site.members.restart(primary)
        else:
            resume(primary)
        self.site.await_members()

    def _upload_all(self, numbers: Iterator[int]) -> None:
        caller = self.site.caller(self.service)
        for number in numbers:
            self._upload(caller, f"tiny-{number}", motifs.tiny())

    def _upload(self, caller: Caller, key: str, data: bytes) -> None:
        """Send it, again and again if need be, until it is acknowledged."""
        began = time.monotonic()
        for _ in range(MOST_TRIES):
            answer = caller.put(self.bucket, key, data)
            self.answers.append(answer.status)
            if self.ledger.note(self.bucket, key, data, answer):
                self.longest = max(self.longest, time.monotonic() - began)
                return
            assert answer.status == 503, str(answer)
            time.sleep(RETRY)
        raise AssertionError(f"{key} was never acknowledged: {answer}")

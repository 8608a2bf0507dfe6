"""Writes that a majority does not confirm: never acknowledged, and never kept twice when sent again."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from bson import ObjectId

from tests.faults import motifs
from tests.faults.caller import Answer
from tests.faults.ledger import Ledger
from tests.faults.site import BUSY_MACHINE, Site, kill, pause, resume
from tests.figures import Figures
from tests.service import Service, running_service

UPLOADS = 4
WRITE_DEADLINE = 8.0
SHORT_DEADLINE = 3.0
"""Of a service that is not to be waited for as long as that."""


@dataclass
class Batch:
    """A few uploads that are begun at once, each on a connection of its own."""

    site: Site
    bucket: str
    service: Service
    pictures: dict[str, bytes] = field(
        default_factory=lambda: {f"picture-{number}": motifs.tiny() for number in range(UPLOADS)}
    )
    begun: list[Future[Answer]] = field(default_factory=list)

    def begin(self) -> None:
        threads = ThreadPoolExecutor(UPLOADS)
        for key, data in self.pictures.items():
            self.begun.append(threads.submit(self.site.caller(self.service).put, self.bucket, key, data))
        threads.shutdown(wait=False)

    def done(self) -> bool:
        return all(each.done() for each in self.begun)

    def answers(self) -> list[Answer]:
        return [each.result() for each in self.begun]

    def statuses(self) -> list[int]:
        return [answer.status for answer in self.answers()]

    def note(self, ledger: Ledger) -> None:
        for (key, data), answer in zip(self.pictures.items(), self.answers(), strict=True):
            assert ledger.note(self.bucket, key, data, answer) or answer.status == 503, str(answer)

    def send_again(self, ledger: Ledger) -> None:
        """An upload that is sent again finds what is there: it is acknowledged, and has one version."""
        caller = self.site.caller()
        for key, data in self.pictures.items():
            answer = caller.put(self.bucket, key, data)
            assert ledger.note(self.bucket, key, data, answer), str(answer)
            assert len(caller.versions(self.bucket, key)) == 1
        verdict = ledger.judge(self.site.service, self.site.redis.url)
        assert verdict.clean, verdict


@pytest.mark.long
def test_without_a_majority_uploads_are_refused_and_reads_go_on(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    data, caller, silent = motifs.tiny(), site.caller(), site.secondaries()
    assert ledger.note(bucket, "before", data, caller.put(bucket, "before", data))
    for server in silent:
        pause(server)
    batch, reads = Batch(site, bucket, site.service), []
    batch.begin()
    while not batch.done():
        site.flush_redis()  # so that the database is asked each time
        reads.append(caller.get(bucket, "before"))
        time.sleep(0.1)
    for server in silent:
        resume(server)
    slowest = max(answer.seconds for answer in batch.answers())
    figures(
        statuses=batch.statuses(),
        slowest=slowest,
        reads_meanwhile=len(reads),
        slowest_read=max(answer.seconds for answer in reads),
    )
    assert batch.statuses() == [503] * UPLOADS
    assert slowest <= WRITE_DEADLINE + BUSY_MACHINE
    assert all((answer.status, answer.body) == (200, data) for answer in reads), str(reads[-1])
    site.mend()
    batch.send_again(ledger)


def test_an_upload_whose_outcome_is_unknown_is_found_when_sent_again(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, tmp_path: Path
) -> None:
    primary, secondaries = site.members.primary(), site.secondaries()
    settings = {"mongo_url": site.members.url, "redis_url": "none", "workers": 1}
    with running_service(tmp_path, store_timeout=SHORT_DEADLINE, **settings) as hasty:
        site.stop_replication(*secondaries)
        batch = Batch(site, bucket, hasty)
        batch.begin()
        statuses = batch.statuses()
    with site.mongo(primary) as client:
        written = client["imagestore"]["versions"].count_documents({"bucket": bucket})
    site.resume_replication(*secondaries)
    site.await_agreement()
    figures(statuses=statuses, written_all_the_same=written)
    assert statuses == [503] * UPLOADS
    assert written, "the outcome was none but the one that was told"
    batch.send_again(ledger)


def test_writes_of_the_old_primary_alone_take_nothing_away_that_a_majority_has(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, tmp_path: Path
) -> None:
    """A service that acknowledges what only the primary has is the control: its ledger must show losses."""
    seen, primary, alone = Ledger(), site.members.primary(), ObjectId()
    before, data = site.secondaries(), motifs.tiny()
    careless_url = f"{site.members.url}&w=1"
    with running_service(tmp_path, mongo_url=careless_url, redis_url="none", workers=1) as careless:
        assert ledger.note(bucket, "before", data, site.caller().put(bucket, "before", data))
        site.stop_replication(*before)
        with site.mongo(primary, w=1) as client:
            client["faults"]["alone"].insert_one({"_id": alone})
        kept, control = Batch(site, bucket, site.service), Batch(site, bucket, careless)
        control.pictures = {f"careless-{key}": data for key, data in control.pictures.items()}
        control.begin()
        control.note(seen)
        kept.begin()
        time.sleep(0.5)
        kill(primary)
        site.resume_replication(*before)
        kept.note(ledger)
    site.await_primary_other_than(primary)
    assert ledger.note(bucket, "after", data, site.caller().put(bucket, "after", data))
    site.members.restart(primary)
    site.mend()
    with site.mongo(next(each for each in site.members.servers if each.port == primary.port)) as client:
        rolled_back = client["faults"]["alone"].find_one({"_id": alone}) is None
    verdict, blind = ledger.judge(site.service, site.redis.url), seen.judge(site.service, site.redis.url)
    figures(
        majority=f"{verdict.checked} acknowledged, {len(verdict.lost)} lost",
        control=f"{blind.checked} acknowledged, {len(blind.lost)} lost",
        rolled_back=rolled_back,
    )
    assert rolled_back, "the old primary had no writes of its own"
    assert verdict.clean, verdict
    assert blind.checked, "the control acknowledged nothing"
    assert blind.lost, "the verdict is blind"
    kept.send_again(ledger)

"""The primary dies or hangs in the middle of uploads: at most a stall, never a loss, nothing by halves."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagestore.embedded import Server
from tests.faults import motifs
from tests.faults.caller import Answer
from tests.faults.ledger import Ledger
from tests.faults.site import BUSY_MACHINE, Site, kill, pause
from tests.faults.upkeep import check_and_sweep
from tests.figures import Figures
from tests.web.watch import workers

SMALL = 4
WAITING = 8
UNDER_WAY = [
    "insert",
    pytest.param("findAndModify", marks=pytest.mark.long),
    pytest.param("commitTransaction", marks=pytest.mark.long),
]
"""The commands that uploads are stopped in: their chunks, the name, the end of the transaction."""


def upload_through(
    site: Site, bucket: str, ledger: Ledger, command: str, fault: Callable[[Server], None]
) -> list[Answer]:
    """Uploads of four small pictures and a large one, with the fault when all of them are under way.

    Each is sent again until it is acknowledged, as a client does that got a 503; returns the first answers.
    """
    primary = site.members.primary()
    point = site.hold(primary, [command], seconds=5.0)
    pictures = [*(motifs.tiny() for _ in range(SMALL)), motifs.large()]
    pending = {f"{command}-{number}": data for number, data in enumerate(pictures)}

    def upload(key: str, data: bytes) -> Answer:
        return site.caller().put(bucket, key, data)

    with ThreadPoolExecutor(len(pending)) as threads:
        begun = [threads.submit(upload, key, data) for key, data in pending.items()]
        point.await_reached(2)
        fault(primary)
        answers = [each.result() for each in begun]
    caller = site.caller()
    for (key, data), answer in zip(pending.items(), answers, strict=True):
        last, tries = answer, 1
        while not ledger.note(bucket, key, data, last):
            assert last.status == 503, str(last)
            assert int(last.headers["retry-after"]) > 0
            assert tries < 10, str(last)
            last, tries = caller.put(bucket, key, data), tries + 1
    return answers


def check(site: Site, bucket: str, ledger: Ledger) -> None:
    """Everything acknowledged is there, once; nothing else is, after a sweep."""
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    for key in site.caller().images(bucket):
        assert len(site.caller().versions(bucket, key)) == 1, key
    check_and_sweep(site)


@pytest.mark.parametrize("command", UNDER_WAY)
def test_a_primary_that_is_killed_in_uploads_loses_none(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, command: str
) -> None:
    answers = upload_through(site, bucket, ledger, command, kill)
    stall = max(answer.seconds for answer in answers if answer.status == 201)
    figures(statuses=sorted(answer.status for answer in answers), stall=stall)
    assert stall <= 5.0 + BUSY_MACHINE
    site.mend()
    check(site, bucket, ledger)


@pytest.mark.long
@pytest.mark.parametrize("command", ["insert", "commitTransaction"])
def test_a_primary_that_hangs_in_uploads_loses_none(
    site: Site, bucket: str, ledger: Ledger, figures: Figures, command: str
) -> None:
    before = set(workers(site.service))
    answers = upload_through(site, bucket, ledger, command, pause)
    longest = max(answer.seconds for answer in answers)
    acknowledged = max(entry.at for entry in ledger.entries) - min(answer.began for answer in answers)
    figures(
        statuses=sorted(answer.status for answer in answers), longest=longest, all_acknowledged=acknowledged
    )
    assert longest <= 20.0 + BUSY_MACHINE
    assert set(workers(site.service)) == before, "a worker was killed for waiting"
    site.mend()
    check(site, bucket, ledger)


def test_uploads_that_wait_for_the_database_hold_no_decoder(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    """All of them are at the end of their transactions at once: one that waits keeps none of the others."""
    pictures = {f"waiting-{number}": motifs.tiny() for number in range(WAITING)}
    held = 5.0
    point = site.hold(site.members.primary(), ["commitTransaction"], held)
    began = time.monotonic()
    with ThreadPoolExecutor(WAITING) as threads:
        begun = {key: threads.submit(site.caller().put, bucket, key, data) for key, data in pictures.items()}
        point.await_reached(WAITING)
        reached = time.monotonic() - began
        point.lift()
    for key, each in begun.items():
        assert ledger.note(bucket, key, pictures[key], each.result()), str(each.result())
    figures(uploads=WAITING, all_at_their_commit_after=reached)
    assert reached < held

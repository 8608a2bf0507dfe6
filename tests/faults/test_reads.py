"""Reads while members are lost: bodies under way are finished byte for byte, and nothing old is served."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.faults import motifs
from tests.faults.caller import Answer, delivery_path
from tests.faults.ledger import Ledger
from tests.faults.metrics import Metrics
from tests.faults.reader import Reader
from tests.faults.site import BUSY_MACHINE, Site, kill, pause, resume
from tests.figures import Figures

READERS = 4


def get_often(site: Site, bucket: str, key: str, times: int = 8) -> list[Answer]:
    """On connections of their own, so that every worker is asked."""
    return [site.caller().get(bucket, key) for _ in range(times)]


def test_downloads_go_on_when_the_primary_is_killed(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    data = motifs.large()
    assert ledger.note(bucket, "large", data, site.caller().put(bucket, "large", data))
    before, path = Metrics(site.service), delivery_path(bucket, "large")
    with ExitStack() as closing:
        readers = [closing.enter_context(Reader(site.service, path)) for _ in range(READERS)]
        tail = Reader(site.service, path, Range=f"bytes=1000000-{len(data) - 1}")
        closing.enter_context(tail)
        for reader in [*readers, tail]:
            reader.read(50_000)
        read = Metrics(site.service).since(before, "imagestore_gridfs_read_bytes_total")
        share = read / len(data) / (READERS + 1)
        assert share < 0.9, "the service had read everything before the fault"
        kill(site.members.primary())
        with ThreadPoolExecutor(READERS + 1) as threads:
            list(threads.map(Reader.read, [*readers, tail]))
        silence = max(reader.longest_silence for reader in [*readers, tail])
        figures(read_before=share, longest_silence=silence)
        for reader in readers:
            assert (reader.status, reader.whole) == (200, True)
            assert reader.digest == reader.etag == hashlib.sha256(data).hexdigest()
        assert (tail.status, tail.whole) == (206, True)
        assert tail.digest == hashlib.sha256(data[1_000_000:]).hexdigest()
        assert silence <= 5.0 + BUSY_MACHINE


def test_what_was_just_uploaded_is_read_although_a_member_lags(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    site.stop_replication(site.secondaries()[0])
    caller, read = site.caller(), 0
    for round in range(10):
        data = motifs.tiny()
        for key in ("overwritten", f"new-{round}"):
            assert ledger.note(bucket, key, data, caller.put(bucket, key, data))
            for answer in get_often(site, bucket, key, 4):
                assert (answer.status, answer.body) == (200, data), str(answer)
                read += 1
    data = motifs.large()
    assert ledger.note(bucket, "large", data, caller.put(bucket, "large", data))
    assert caller.get(bucket, "large").digest == ledger.entries[-1].digest
    figures(uploads=len(ledger.entries), reads=read + 1, old_or_absent=0)


@pytest.mark.long
def test_a_member_that_lags_never_says_that_an_image_is_absent(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    """With the primary lost and the other member too, it is the only one to ask: it may be behind."""
    caller, old, new = site.caller(), motifs.tiny(), motifs.tiny()
    assert ledger.note(bucket, "overwritten", old, caller.put(bucket, "overwritten", old))
    site.await_agreement()
    primary, (lagging, other) = site.members.primary(), site.secondaries()
    site.stop_replication(lagging)
    for key in ("overwritten", "added"):
        assert ledger.note(bucket, key, new, caller.put(bucket, key, new))
    pause(other)
    kill(primary)
    seen: dict[str, Counter[str]] = {"overwritten": Counter(), "added": Counter()}
    for _ in range(2):
        for key, told in seen.items():
            answer = site.caller().get(bucket, key)
            assert answer.status == 503 or (answer.status == 200 and answer.whole), str(answer)
            told["503" if answer.status == 503 else "old" if answer.body == old else "new"] += 1
    resume(other)
    site.members.restart(primary)
    site.mend()
    figures(**{key: dict(told) for key, told in seen.items()})
    assert seen["added"]["old"] == 0
    for key in seen:
        assert site.caller().get(bucket, key).body == new
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict

"""Many at once: readers of what is deleted or overwritten, writers of the same bytes or the same key."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from tests.faults import motifs
from tests.faults.caller import Answer, delivery_path
from tests.faults.ledger import Ledger
from tests.faults.reader import Reader
from tests.faults.site import Site
from tests.faults.upkeep import check_and_sweep, sweep
from tests.figures import Figures

CROWD = 50


def upload_at_once(site: Site, bucket: str, uploads: Iterable[tuple[str, bytes]]) -> list[Answer]:
    """Each on a connection of its own, all let go at the same moment."""
    wanted = list(uploads)
    start = threading.Barrier(len(wanted))

    def upload(key: str, data: bytes) -> Answer:
        caller = site.caller()
        start.wait()
        return caller.put(bucket, key, data)

    with ThreadPoolExecutor(len(wanted)) as threads:
        return list(threads.map(lambda each: upload(*each), wanted))


def test_downloads_of_what_is_deleted_are_finished_or_cut_short(
    site: Site, bucket: str, figures: Figures
) -> None:
    data = motifs.large()
    assert site.caller().put(bucket, "doomed", data).status == 201
    path, digest = delivery_path(bucket, "doomed"), hashlib.sha256(data).hexdigest()
    outcomes = []
    with ExitStack() as closing:
        readers = [closing.enter_context(Reader(site.service, path)) for _ in range(CROWD)]
        for reader in readers:
            assert (reader.status, reader.etag) == (200, digest)
            assert reader.read(50_000)
        with ThreadPoolExecutor(CROWD // 2) as threads:
            # Half go on at once: bytes outlive their name. The others after a sweep that grants no grace.
            assert site.caller().delete(bucket, "doomed").status == 204
            assert site.caller().get(bucket, "doomed").status == 404
            for part in (readers[::2], readers[1::2]):
                list(threads.map(Reader.read, part))
                outcomes.append(Counter("whole" if each.whole else "cut short" for each in part))
                sweep(site)
        assert all(each.digest == digest for each in readers if each.whole)
    figures(before_the_sweep=dict(outcomes[0]), after_it=dict(outcomes[1]))
    assert outcomes[0] == {"whole": CROWD // 2}
    assert outcomes[1]["cut short"], "the sweep took nothing from under the readers"
    assert site.caller().get(bucket, "doomed").status == 404


def test_readers_of_what_is_overwritten_get_all_of_one_version(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    small, large = [motifs.tiny() for _ in range(4)], [motifs.large(800 + 10 * n) for n in range(4)]
    contents = {hashlib.sha256(data).hexdigest(): data for data in [*small, *large]}
    over, seen = threading.Event(), Counter[str]()

    def read() -> None:
        caller = site.caller()
        while not over.is_set():
            for key in ("small", "large"):
                answer = caller.get(bucket, key)
                assert (answer.status, answer.whole) == (200, True), str(answer)
                assert answer.body == contents[answer.etag]
                seen[answer.etag] += 1

    caller = site.caller()
    assert ledger.note(bucket, "small", small[-1], caller.put(bucket, "small", small[-1]))
    assert ledger.note(bucket, "large", large[-1], caller.put(bucket, "large", large[-1]))
    with ThreadPoolExecutor(8) as threads:
        reading = [threads.submit(read) for _ in range(8)]
        try:
            for key, data in [
                *zip(["small"] * 4, small, strict=True),
                *zip(["large"] * 4, large, strict=True),
            ] * 3:
                assert ledger.note(bucket, key, data, caller.put(bucket, key, data))
        finally:
            over.set()
        for each in reading:
            each.result()
    figures(overwrites=len(ledger.entries), reads=seen.total(), contents_seen=len(seen))
    assert len(seen) == len(contents)
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict


def test_the_same_bytes_uploaded_at_once_are_one_blob(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    data = motifs.large(200)
    answers = upload_at_once(site, bucket, [(f"same-{number}", data) for number in range(CROWD)])
    for number, answer in enumerate(answers):
        assert ledger.note(bucket, f"same-{number}", data, answer), str(answer)
    with site.mongo() as client:
        found = client["imagestore"]
        files = found["blobs.files"].count_documents({"filename": hashlib.sha256(data).hexdigest()})
    figures(acknowledged=len(ledger.entries), files=files, slowest=max(each.seconds for each in answers))
    assert files == 1
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    assert not check_and_sweep(site)


def test_one_of_many_uploads_of_the_same_bytes_that_fails_takes_nothing_from_the_others(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    data = motifs.large(200)
    wanted = [(f"same-{number}", data) for number in range(CROWD)]
    site.fail(site.members.primary(), ["insert", "commitTransaction"], {"times": 20}, errorCode=2)
    answers = upload_at_once(site, bucket, wanted)
    for (key, _), answer in zip(wanted, answers, strict=True):
        assert ledger.note(bucket, key, data, answer) or answer.status == 503, str(answer)
    failed = CROWD - len(ledger.entries)
    figures(acknowledged=len(ledger.entries), failed=failed)
    assert failed, "nothing failed"
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict
    check_and_sweep(site)
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict


def test_different_bytes_uploaded_to_one_key_at_once_are_as_many_versions_and_one_winner(
    site: Site, bucket: str, ledger: Ledger, figures: Figures
) -> None:
    uploads = [("contested", motifs.tiny()) for number in range(CROWD)]
    answers = upload_at_once(site, bucket, uploads)
    for (key, data), answer in zip(uploads, answers, strict=True):
        assert ledger.note(bucket, key, data, answer), str(answer)
    newest = max(ledger.entries, key=lambda entry: entry.version)
    versions = site.caller().versions(bucket, "contested")
    winners = {site.caller().get(bucket, "contested").digest for _ in range(4)}
    figures(
        acknowledged=len(ledger.entries),
        versions=len(versions),
        slowest=max(answer.seconds for answer in answers),
    )
    assert versions == {entry.version: entry.digest for entry in ledger.entries}
    assert len(versions) == CROWD
    assert winners == {newest.digest}
    verdict = ledger.judge(site.service, site.redis.url)
    assert verdict.clean, verdict

"""Rounds of upkeep on a real mongod: what is due is done, by one node at a time, whatever fails."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import Binary
from prometheus_client.parser import text_string_to_metric_families

from imagestore.core.errors import StoreUnavailable
from imagestore.core.metrics import BLOB_DAMAGE, Metrics
from imagestore.library import rounds as rounds_module
from imagestore.library.rounds import LeaseLost, Rounds
from imagestore.library.survey import Level, Survey
from imagestore.library.upkeep import Kind, Severity
from imagestore.services import open_rounds
from imagestore.settings import Settings
from imagestore.store.diary import Diary
from tests.library.stored import Stored

DATA = random.Random(7).randbytes(700_000)
"""Three chunks."""

LONG_AGO = datetime.now(UTC) - timedelta(days=40)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def open_node(
    mongo, indexed_database: str, metrics: Metrics, tmp_path: Path
) -> Iterator[Callable[..., Rounds]]:
    """The upkeep of one node, all on the same database. Nothing is young, and it goes fast."""
    with ExitStack() as closing:

        def make(**options: Any) -> Rounds:
            given = {"upkeep_grace": 0.0, "upkeep_rate": 10**9, "upkeep_read_bytes": 10**12, **options}
            settings = Settings(
                mongo_url=mongo.url,
                mongo_database=indexed_database,
                redis_url="none",
                secret_key="a server key of the test",
                data=tmp_path,
                **given,
            )
            return closing.enter_context(open_rounds(settings, metrics))

        yield make


@pytest.fixture
def node(open_node: Callable[..., Rounds]) -> Rounds:
    return open_node()


def survey(stored: Stored) -> Survey:
    return Survey.read(Diary(stored.mongo))


def age(stored: Stored, *pages: str) -> None:
    """Let these parts of upkeep have been done long ago."""
    fields = {"at": LONG_AGO, "began": LONG_AGO, "ended": LONG_AGO}
    stored.collection("upkeep").update_many({"_id": {"$in": list(pages)}}, {"$set": fields})


def gauges(metrics: Metrics) -> dict[str, float]:
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        for sample in family.samples:
            labels = ",".join(value for name, value in sorted(sample.labels.items()) if name != "member")
            found[f"{sample.name.removeprefix('imagestore_')}{{{labels}}}"] = sample.value
    return found


def break_chunk(stored: Stored, key: str) -> None:
    blob = stored.documents.find_image("pictures", key).version.blob
    stored.collection("blobs.chunks").update_one(
        stored.chunk(blob, 1), {"$set": {"data": Binary(b"x" * 261120)}}
    )


def test_a_round_does_everything_once(stored: Stored, node: Rounds, metrics: Metrics) -> None:
    stored.put("kept", DATA)
    stored.put("gone", DATA[1:])
    stored.delete("gone")
    stored.collection("images").update_many({"live": False}, {"$set": {"buried": LONG_AGO, "last_number": 1}})
    node.turn()
    found = survey(stored)
    assert all(found.ended().values())
    assert found.volume is not None
    assert (found.volume.images, found.volume.blobs) == (1, 2)
    assert found.sweep is not None
    assert found.sweep.counts == {"blob": 1, "tombstone": 1}
    assert found.sweep.size == len(DATA) - 1
    assert found.severities() == {Severity.LOST: 0, Severity.REPAIRABLE: 0, Severity.WASTE: 0}
    assert found.reading is not None
    assert found.reading.files == 1
    assert set(found.standings()) == {"disk_used", "days_left", "damage"}
    assert found.standings()["damage"].level is found.standings()["days_left"].level is Level.OK
    told = gauges(metrics)
    assert told["volume_bytes{logical}"] == len(DATA)
    assert told["volume_items{blobs}"] == 2
    assert told["findings{lost}"] == 0
    assert told["upkeep_lease{}"] == 1
    assert told["upkeep_removed_bytes_total{}"] == len(DATA) - 1
    assert told["upkeep_read_bytes_total{}"] == len(DATA)
    assert told["disk_bytes{total}"] > told["disk_bytes{used}"] > 0
    assert len(Diary(stored.mongo).samples()) == 1
    before = stored.collection("upkeep").find_one({"_id": "sweep"})
    node.turn()
    assert stored.collection("upkeep").find_one({"_id": "sweep"}) == before


@pytest.mark.parametrize("page", ["volume", "disks", "sweep", "check", "reading", "lifecycle"])
def test_what_is_due_again_is_done_again(stored: Stored, node: Rounds, page: str) -> None:
    node.turn()
    before = survey(stored).ended()
    age(stored, page)
    node.turn()
    job = "count" if page == "volume" else page
    after = survey(stored).ended()
    assert [name for name, at in after.items() if at != before[name]] == [job]


def test_a_count_that_took_long_waits_longer(stored: Stored, node: Rounds) -> None:
    node.turn()
    pages = stored.collection("upkeep")
    two_hours_ago = datetime.now(UTC) - timedelta(hours=2)
    pages.update_one({"_id": "volume"}, {"$set": {"at": two_hours_ago, "took": 1000.0}})
    node.turn()
    assert survey(stored).volume.took == 1000
    pages.update_one({"_id": "volume"}, {"$set": {"took": 100.0}})
    node.turn()
    assert survey(stored).volume.took < 100


def test_one_node_at_a_time_and_the_next_when_it_is_gone(
    stored: Stored, open_node: Callable[..., Rounds]
) -> None:
    first, second = open_node(), open_node()
    first.turn()
    age(stored, "volume", "disks", "sweep", "check")
    before = survey(stored)
    second.turn()
    assert survey(stored).ended() == before.ended()
    first.close()
    second.turn()
    after = survey(stored)
    assert all(after.ended()[job] != before.ended()[job] for job in ("count", "disks", "sweep", "check"))
    assert after.lease.owner != before.lease.owner


def test_who_lost_the_lease_stops(
    stored: Stored, open_node: Callable[..., Rounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of a sweep, which the other one then does."""
    monkeypatch.setattr(rounds_module, "BEAT_SECONDS", 0.0)
    for number in range(5):
        stored.put(f"image {number}", DATA[number:])
        stored.delete(f"image {number}")
    node, sweep = open_node(), stored.collection("upkeep")
    drop, stolen = node._parts.sweep.carry_out, []

    def carry_out(step: Any) -> bool:
        done = drop(step)
        if not stolen:
            stolen.append(step)
            sweep.update_one({"_id": "lease"}, {"$set": {"owner": "another"}})
        return done

    monkeypatch.setattr(node._parts.sweep, "carry_out", carry_out)
    with pytest.raises(LeaseLost):
        node.turn()
    assert stored.collection("blobs.files").count_documents({}) == 4
    assert survey(stored).sweep is None
    stored.collection("upkeep").delete_one({"_id": "lease"})
    node.turn()
    assert stored.collection("blobs.files").count_documents({}) == 0


def test_every_node_shows_what_one_found(stored: Stored, open_node: Callable[..., Rounds]) -> None:
    stored.put("image", DATA)
    open_node().turn()
    assert gauges(Metrics()).get("volume_bytes{stored}") is None
    other = open_node()
    other._parts.metrics.put(rounds_module.UPKEEP_LEASE, 1)
    other.turn()
    told = gauges(other._parts.metrics)
    assert (told["volume_bytes{stored}"], told["upkeep_lease{}"]) == (len(DATA), 0)


def test_damage_that_only_bytes_show_is_found_told_and_forgotten(
    stored: Stored, node: Rounds, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    stored.put("image", DATA)
    blob = stored.documents.find_image("pictures", "image").version.blob
    chunks = stored.collection("blobs.chunks")
    [sound] = chunks.find(stored.chunk(blob, 1))
    break_chunk(stored, "image")
    with caplog.at_level(logging.INFO):
        node.turn()
        assert survey(stored).counts() == {Kind.CHUNK_CHANGED: 1}
        assert survey(stored).standings()["damage"].level is Level.CRITICAL
        assert gauges(metrics)["findings{lost}"] == 1
        for _ in range(2):  # it is known, whatever is done again
            age(stored, "check")
            node.turn()
            age(stored, "reading")
            node.turn()
            assert survey(stored).counts() == {Kind.CHUNK_CHANGED: 1}
        chunks.replace_one(stored.chunk(blob, 1), sound)
        age(stored, "check")
        node.turn()
    assert survey(stored).counts() == {}
    assert survey(stored).standings()["damage"].level is Level.OK
    assert gauges(metrics)["findings{lost}"] == 0
    told = [each.getMessage() for each in caplog.records if "chunk_changed: file" in each.getMessage()]
    assert len(told) == 1
    assert told[0].startswith(f"lost: chunk_changed: file {blob.file_id}: of {blob.digest}")


def test_a_missing_chunk_is_one_finding(stored: Stored, node: Rounds) -> None:
    """Both the quick check and the reading find it."""
    stored.put("image", DATA)
    stored.collection("blobs.chunks").delete_one({"n": 1})
    node.turn()
    assert survey(stored).counts() == {Kind.CHUNK_MISSING: 1}
    assert survey(stored).severities()[Severity.LOST] == 1


def test_reads_that_met_damage_are_noted(stored: Stored, node: Rounds, metrics: Metrics) -> None:
    node.turn()
    metrics.count(BLOB_DAMAGE, by=3)
    node.turn()
    node.turn()
    found = survey(stored)
    assert found.damage.count == 3
    assert found.standings()["damaged_reads"].level is Level.CRITICAL


def test_a_reading_makes_way_for_what_is_due_and_goes_on(
    stored: Stored, node: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        stored.put(f"image {number}", DATA[number:])
    monkeypatch.setattr(rounds_module, "BEAT_SECONDS", 0.0)
    node._beat_seconds = 0.0
    read, seen = node._parts.reader.go_on, []

    def go_on(*arguments: Any) -> Iterator[Any]:
        for part in read(*arguments):
            seen.append(part.last)
            if len(seen) == 2:
                age(stored, "check")
                node._look()
            yield part

    monkeypatch.setattr(node._parts.reader, "go_on", go_on)
    before = datetime.now(UTC)
    node.turn()
    found = survey(stored)
    assert found.check.at > before
    assert found.reading.files == 4
    assert seen == sorted(seen)
    assert len(seen) == len(set(seen)) == 4


def test_a_part_that_fails_does_not_keep_the_others_from_their_work(
    stored: Stored, node: Rounds, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """Here a claim that has lost its file id, which no part expects."""
    stored.put("image", DATA)
    stored.collection("claims").update_one({}, {"$unset": {"file_id": ""}})
    node.turn()
    found = survey(stored)
    assert (found.sweep, found.check) == (None, None)
    assert found.volume is not None
    assert found.reading is not None
    assert "scheduled upkeep: sweep failed" in caplog.text
    assert gauges(metrics)["upkeep_failures_total{sweep}"] == 1
    node.turn()
    assert gauges(metrics)["upkeep_failures_total{sweep}"] == 1


def test_without_indexes_nothing_is_swept(stored: Stored, node: Rounds, metrics: Metrics) -> None:
    stored.put("gone", DATA)
    stored.delete("gone")
    stored.collection("versions").drop_index("file")
    with pytest.raises(StoreUnavailable):
        node.turn()
    node.turn()
    found = survey(stored)
    assert found.sweep is None
    assert found.counts()[Kind.INDEX_MISSING] == 1
    assert found.standings()["damage"].level is Level.WARNING
    assert stored.collection("blobs.files").count_documents({}) == 1


def test_no_reading_where_none_is_wanted(stored: Stored, open_node: Callable[..., Rounds]) -> None:
    stored.put("image", DATA)
    open_node(upkeep_read_bytes=0).turn()
    assert survey(stored).reading is None


def test_it_goes_on_when_the_database_was_away(
    stored: Stored, node: Rounds, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    def turn() -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise StoreUnavailable("The database is away.")
        raise KeyboardInterrupt

    monkeypatch.setattr(node, "turn", turn)
    monkeypatch.setattr(node, "_beat_seconds", 0.001)
    with pytest.raises(KeyboardInterrupt):
        node.run()
    assert caplog.text.count("scheduled upkeep pauses: The database is away.") == 1


def test_two_nodes_and_uploads_at_once_lose_nothing(
    stored: Stored, open_node: Callable[..., Rounds], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if both believe that it is their turn, with sweeps that spare nothing."""
    monkeypatch.setattr("imagestore.store.leases.Lease.take", lambda lease: True)
    monkeypatch.setattr("imagestore.store.leases.Lease.held", lambda lease: True)
    nodes, done = [open_node(), open_node()], threading.Event()
    failed: list[BaseException] = []
    turns = [0, 0]

    def work(number: int) -> None:
        try:
            while not done.is_set() or turns[number] < 3:
                age(stored, "sweep", "check")
                nodes[number].turn()
                turns[number] += 1
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(30):
            key = f"image {number % 3}"
            stored.put(key, DATA[: 400_000 + number % 4])
            stored.put("other", DATA[: 400_000 + (number + 1) % 4])
            stored.delete(key)
            stored.put("last", DATA[: 400_000 + number % 4])
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not failed
    assert set(stored.kinds()) <= {Kind.BLOB_UNNAMED}
    for key in ("other", "last"):
        version = stored.documents.find_image("pictures", key).version
        with stored.blobs.open(version.blob) as blob:
            assert DATA.startswith(b"".join(blob.open()))

"""The disks of real members: of those that answer, and what is said of those that do not."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient, WriteConcern

from imagestore.core.errors import StoreUnavailable
from imagestore.embedded import ReplicaSet, Server, start_replica_set
from imagestore.store import disks as disks_module
from imagestore.store.disks import Disks
from tests.store.commands import failing


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    with start_replica_set(tmp_path_factory.mktemp("members")) as started:
        started.primary()
        with MongoClient(started.url) as client:
            everywhere = WriteConcern(w=len(started.servers))
            client["imagestore"].get_collection("things", write_concern=everywhere).insert_one({})
        yield started


def test_one_member(mongo: Server, mongo_database: str, tmp_path: Path) -> None:
    with MongoClient(mongo.url) as client:
        client[mongo_database]["things"].insert_one({"bytes": b"x" * 1000})
    [disk] = Disks(mongo.url, mongo_database).ask()
    assert (disk.member, disk.role, disk.problem) == (f"127.0.0.1:{mongo.port}", "primary", "")
    assert disk.total == shutil.disk_usage(tmp_path).total
    assert 0 <= disk.reusable < disk.used < disk.total


def test_room_that_was_freed_is_told(mongo: Server, mongo_database: str) -> None:
    with MongoClient(mongo.url) as client:
        things = client[mongo_database]["things"]
        things.insert_many([{"bytes": os.urandom(200_000)} for _ in range(20)])
        client.admin.command("fsync")
        things.delete_many({})
        client.admin.command("fsync")
    [disk] = Disks(mongo.url, mongo_database).ask()
    assert disk.reusable > 2_000_000


def test_every_member_is_asked_and_what_is_wrong_with_one_is_said(
    members: ReplicaSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disks_module, "ASK_SECONDS", 1.5)
    asked = Disks(members.url, "imagestore")
    found = asked.ask()
    assert [each.member for each in found] == sorted(f"127.0.0.1:{each.port}" for each in members.servers)
    assert sorted(each.role for each in found) == ["primary", "secondary", "secondary"]
    assert all(not each.problem and each.total for each in found)
    hung, gone = (each for each in members.servers if each is not members.primary())
    os.kill(hung.pid, signal.SIGSTOP)
    try:
        lame = {each.member: each.problem for each in asked.ask()}[f"127.0.0.1:{hung.port}"]
        assert lame in ("it did not answer within 2 seconds", "it cannot be reached, or is not ready")
    finally:
        os.kill(hung.pid, signal.SIGCONT)
    os.kill(gone.pid, signal.SIGKILL)
    found = asked.ask()
    assert len(found) == 3
    problems = {each.member: each.problem for each in found if each.problem}
    assert problems == {f"127.0.0.1:{gone.port}": "it cannot be reached, or is not ready"}


def test_a_database_that_is_not_there_yet(mongo: Server, mongo_database: str) -> None:
    [disk] = Disks(mongo.url, mongo_database).ask()
    assert (disk.total, disk.problem) == (0, "it has nothing of this database yet")


def test_who_may_not_ask_is_told_so(mongo: Server, mongo_database: str) -> None:
    with failing(mongo, ["dbStats"], errorCode=13):
        [disk] = Disks(mongo.url, mongo_database).ask()
    assert (disk.total, disk.problem) == (0, "the user may not ask for dbStats")


def test_no_member_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks_module, "ASK_SECONDS", 0.3)
    with pytest.raises(StoreUnavailable):
        Disks("mongodb://127.0.0.1:1/", "imagestore").ask()

"""The embedded replica set: members that die are replaced as primary, and come back with their data."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from pymongo import MongoClient, WriteConcern

from imagestore.embedded import ReplicaSet, start_replica_set
from tests.embedded.processes import ends, running


def write(members: ReplicaSet, value: int) -> None:
    with MongoClient(members.url, serverSelectionTimeoutMS=20_000) as client:
        kept = client.get_database("kept", write_concern=WriteConcern(w="majority"))
        kept.values.insert_one({"_id": value})


def test_a_member_dies_and_comes_back_at_its_port_and_the_set_with_its_data(tmp_path: Path) -> None:
    with start_replica_set(tmp_path) as members:
        first = members.primary()
        write(members, 1)
        os.kill(first.pid, signal.SIGKILL)
        assert ends(first.pid)
        assert members.primary().port != first.port
        write(members, 2)
        back = members.restart(first)
        assert (back.port, running(back.pid)) == (first.port, True)
        processes = [server.pid for server in members.servers]
    assert not any(running(pid) for pid in processes)
    with start_replica_set(tmp_path) as again, MongoClient(again.url) as client:
        assert again.url == members.url
        assert sorted(each["_id"] for each in client.kept["values"].find()) == [1, 2]

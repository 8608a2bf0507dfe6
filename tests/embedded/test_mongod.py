"""The embedded mongod: a replica set of one, whose data outlive it."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.errors import OperationFailure

from imagestore.embedded import Server, start_mongod
from tests.embedded.processes import ends


def write(server: Server, value: int) -> None:
    with MongoClient(server.url, serverSelectionTimeoutMS=10_000) as client:
        kept = client.get_database("kept", write_concern=WriteConcern(w="majority"))
        kept.values.insert_one({"_id": value})


def read(server: Server) -> list[int]:
    with MongoClient(server.url, serverSelectionTimeoutMS=10_000) as client:
        return sorted(each["_id"] for each in client.kept["values"].find())


def test_it_is_the_primary_of_a_set_of_one(mongo: Server) -> None:
    with MongoClient(mongo.url) as client:
        config = client.admin.command("replSetGetConfig")["config"]
    assert [member["host"] for member in config["members"]] == [f"127.0.0.1:{mongo.port}"]
    assert config["settings"]["electionTimeoutMillis"] == 2000


def test_a_change_stream_and_a_transaction_work(mongo: Server, mongo_database: str) -> None:
    with MongoClient(mongo.url) as client, client.start_session() as session:
        things = client[mongo_database].things
        with things.watch() as changes:
            with session.start_transaction():
                things.insert_one({"_id": 1}, session=session)
            assert changes.next()["documentKey"] == {"_id": 1}


def test_javascript_is_off(mongo: Server, mongo_database: str) -> None:
    with (
        MongoClient(mongo.url) as client,
        pytest.raises(OperationFailure, match=r"(?i)javascript|scripting|globalScriptEngine"),
    ):
        client[mongo_database].things.insert_one({})
        list(client[mongo_database].things.find({"$where": "true"}))


def test_test_commands_are_taken(mongo: Server) -> None:
    with MongoClient(mongo.url) as client:
        assert client.admin.command("configureFailPoint", "failCommand", mode="off")["ok"] == 1


def test_data_survive_a_restart_at_the_same_port_and_at_another(tmp_path: Path) -> None:
    with start_mongod(tmp_path) as first:
        write(first, 1)
        with socket.create_server(("127.0.0.1", 0)) as free:
            another = free.getsockname()[1]
    with start_mongod(tmp_path) as again:
        assert again.port == first.port
        assert read(again) == [1]
        write(again, 2)
    with start_mongod(tmp_path, port=another) as moved:
        assert read(moved) == [1, 2]
        write(moved, 3)
        assert read(moved) == [1, 2, 3]


def test_acknowledged_data_survive_a_kill(tmp_path: Path) -> None:
    with start_mongod(tmp_path) as first:
        write(first, 1)
        os.kill(first.pid, signal.SIGKILL)
        assert ends(first.pid)
    assert (tmp_path / "db" / "mongod.lock").read_text()  # what a crash leaves behind
    with start_mongod(tmp_path) as again:
        assert read(again) == [1]

"""A private mongod: a replica set of one member, since majority writes and change streams need a set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# pymongo belongs to store/ alone, but the store opens a replica set that exists already: making the set is
# part of starting its server, takes four administrative commands, and has no other client worth its weight.
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from imagestore.embedded import executables
from imagestore.embedded.server import LOOPBACK, Recipe, Server, prepare_folder, start

REPLICA_SET = "imagestore"
CACHE_GB = 0.25
OPLOG_MB = 512
ELECTION_MILLISECONDS = 2000
_CALL_MILLISECONDS = 2000
_NOT_YET_INITIALIZED = 94


def start_mongod(folder: Path, *, port: int = 0, executable: str = "", extra: Sequence[str] = ()) -> Server:
    """Run a mongod with its files in `folder`; returns once it is the primary of its replica set.

    Port 0 takes the port of the last run if that is free, else any; `executable` as in
    `executables.find`; `extra` are more arguments. Raises EmbeddedError.
    """
    program = executables.find(executables.MONGOD, executable)
    database = prepare_folder(folder) / "db"
    database.mkdir(mode=0o700, exist_ok=True)

    def command(port: int) -> list[str]:
        return [
            str(program),
            *("--dbpath", str(database)),
            *("--port", str(port), "--bind_ip", LOOPBACK, "--nounixsocket"),
            *("--replSet", REPLICA_SET, "--oplogSize", str(OPLOG_MB)),
            *("--wiredTigerCacheSizeGB", str(CACHE_GB)),
            *("--noscripting", "--quiet"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false"),
            # A transaction whose client vanished holds its locks for so long; ours end within seconds.
            *("--setParameter", "transactionLifetimeLimitSeconds=15"),
            *extra,
        ]

    url = f"mongodb://{LOOPBACK}:{{port}}/?replicaSet={REPLICA_SET}"
    return start(folder, port, Recipe(url=url, command=command, answering=_primary_at))


def _primary_at(port: int) -> int | None:
    """The process id of the primary that answers at the port, after making it one; None if not yet."""
    client: MongoClient[dict[str, Any]] = MongoClient(
        LOOPBACK,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=_CALL_MILLISECONDS,
        connectTimeoutMS=_CALL_MILLISECONDS,
        socketTimeoutMS=_CALL_MILLISECONDS * 5,
    )
    with client:
        try:
            _make_member(client, f"{LOOPBACK}:{port}")
            if not client.admin.command("hello")["isWritablePrimary"]:
                return None
            process: int = client.admin.command("serverStatus")["pid"]
            return process
        except PyMongoError:  # starting, electing, or no mongod of ours; the caller's deadline ends this
            return None


def _make_member(client: MongoClient[dict[str, Any]], host: str) -> None:
    """Give the set a configuration of this one member, or the stored one the port that it has now."""
    settings = {"electionTimeoutMillis": ELECTION_MILLISECONDS}
    member = {"_id": 0, "host": host}
    try:
        stored = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        first = {"_id": REPLICA_SET, "members": [member], "settings": settings}
        client.admin.command("replSetInitiate", first)
        return
    if [each["host"] for each in stored["members"]] != [host]:
        # Forced: at another port than the stored one, the server takes itself for no member of its set.
        moved = stored | {"version": stored["version"] + 1, "members": [stored["members"][0] | member]}
        client.admin.command("replSetReconfig", moved, force=True)

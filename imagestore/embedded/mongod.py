"""A private mongod: a replica set of one member, since majority writes and change streams need a set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
SET_SETTINGS = {
    "electionTimeoutMillis": 2000,
    "heartbeatIntervalMillis": 500,
    "chainingAllowed": False,
}
"""A primary that is lost is replaced in seconds.

Heartbeats come several times in an election's timeout, as by default: at their default of 2 s a new primary
would miss the first ones and step down again. Members that fetch from each other would all lag with one that
does, or hang with it, and majority writes with them.
"""

_CALL_MILLISECONDS = 2000
_NOT_YET_INITIALIZED = 94


def start_mongod(folder: Path, *, port: int = 0, executable: str = "", extra: Sequence[str] = ()) -> Server:
    """Run a mongod with its files in `folder`; returns once it is the primary of its replica set.

    Port 0 takes the port of the last run if that is free, else any; `executable` as in
    `executables.find`; `extra` are more arguments. Raises EmbeddedError.
    """
    return start(folder, port, mongod_recipe(folder, executable, extra, _primary_at))


def mongod_recipe(
    folder: Path, executable: str, extra: Sequence[str], answering: Callable[[int], int | None]
) -> Recipe:
    """How a member of the replica set is run with its files in `folder`. Raises EmbeddedError."""
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
    return Recipe(url=url, command=command, answering=answering)


def open_member(port: int) -> MongoClient[dict[str, Any]]:
    """A client of the one member at the port, whatever its state; each of its calls is bounded."""
    return MongoClient(
        LOOPBACK,
        port,
        directConnection=True,
        serverSelectionTimeoutMS=_CALL_MILLISECONDS,
        connectTimeoutMS=_CALL_MILLISECONDS,
        socketTimeoutMS=_CALL_MILLISECONDS * 5,
    )


def member_at(port: int) -> int | None:
    """The process id of the mongod that answers at the port; None if none does yet."""
    with open_member(port) as client:
        return _process_of(client)


def _primary_at(port: int) -> int | None:
    """The process id of the primary that answers at the port, after making it one; None if not yet."""
    with open_member(port) as client:
        try:
            found_set(client, [f"{LOOPBACK}:{port}"])
            if not client.admin.command("hello")["isWritablePrimary"]:
                return None
        except PyMongoError:  # starting, electing, or no mongod of ours; the caller's deadline ends this
            return None
        return _process_of(client)


def _process_of(client: MongoClient[dict[str, Any]]) -> int | None:
    try:
        process: int = client.admin.command("serverStatus")["pid"]
    except PyMongoError:
        return None
    return process


def found_set(client: MongoClient[dict[str, Any]], hosts: Sequence[str]) -> None:
    """Give the set a configuration of these members, or the stored one the ports that they have now.

    `client` is of the first of them. Raises PyMongoError.
    """
    try:
        stored = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        members = [{"_id": number, "host": host} for number, host in enumerate(hosts)]
        client.admin.command(
            "replSetInitiate", {"_id": REPLICA_SET, "members": members, "settings": SET_SETTINGS}
        )
        return
    if [each["host"] for each in stored["members"]] != list(hosts):
        # Forced: at another port than the stored one, a server takes itself for no member of its set.
        members = [each | {"host": host} for each, host in zip(stored["members"], hosts, strict=True)]
        moved = stored | {"version": stored["version"] + 1, "members": members}
        client.admin.command("replSetReconfig", moved, force=True)

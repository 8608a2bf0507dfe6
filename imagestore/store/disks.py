"""How full the disks of the replica set's members are, as each member says itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pymongo
from pymongo import MongoClient, ReadPreference
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.server_description import ServerDescription

from imagestore.core.errors import StoreUnavailable

ASK_SECONDS = 3.0
"""Longest that one member is waited for."""

_ROLES = {"RSPrimary": "primary", "RSSecondary": "secondary", "Standalone": "standalone", "Mongos": "mongos"}
_UNAUTHORIZED = 13
_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class MemberDisk:
    """The file system under one member's data, in bytes. `problem` says why it is not known, where it is not.

    `reusable` is a part of `used`: room within MongoDB's own files that new data take first.
    """

    member: str
    role: str
    total: int = 0
    used: int = 0
    reusable: int = 0
    problem: str = ""


class Disks:
    """Asks every member that a client can see: hidden ones and arbiters are none of those.

    A client of its own, for as long as it takes, whose server selector leaves one member at a time: so user,
    password and TLS are those of the URL, whatever its form.
    """

    def __init__(self, url: str, database: str) -> None:
        self._url = url
        self._database = database

    def ask(self) -> list[MemberDisk]:
        """By the members' names. Raises StoreUnavailable when none can be found."""
        wanted: list[tuple[str, int | None]] = []

        def select(servers: Sequence[ServerDescription]) -> list[ServerDescription]:
            return [each for each in servers if each.address in wanted] if wanted else list(servers)

        client: MongoClient[dict[str, Any]] = MongoClient(
            self._url,
            server_selector=select,
            connectTimeoutMS=int(ASK_SECONDS * 1000),
            serverSelectionTimeoutMS=int(ASK_SECONDS * 1000),
            appname="imagestore",
        )
        found = []
        with client:
            for each in sorted(_members(client), key=lambda each: str(each.address)):
                wanted[:] = [each.address]
                found.append(_ask(client, self._database, each))
            wanted.clear()  # to close is to tell any member
        return found


def _members(client: MongoClient[dict[str, Any]]) -> list[ServerDescription]:
    """The members that hold data, or would if they could be reached."""
    deadline = time.monotonic() + ASK_SECONDS
    try:
        with pymongo.timeout(ASK_SECONDS):
            client.admin.command("ping", read_preference=ReadPreference.NEAREST)
    except PyMongoError as error:
        raise StoreUnavailable("No member of the database can be reached: try again later.") from error
    while True:
        servers = list(client.topology_description.server_descriptions().values())
        unseen = [each for each in servers if not each.is_server_type_known and each.error is None]
        if not unseen or time.monotonic() > deadline:
            return [each for each in servers if each.server_type_name != "RSArbiter"]
        time.sleep(_PAUSE)


def _ask(client: MongoClient[dict[str, Any]], database: str, server: ServerDescription) -> MemberDisk:
    host, port = server.address
    name, role = f"{host}:{port}", _ROLES.get(server.server_type_name, "unknown")
    if role == "unknown":
        return MemberDisk(name, role, problem="it cannot be reached, or is not ready")
    try:
        with pymongo.timeout(ASK_SECONDS):
            told = client[database].command("dbStats", freeStorage=1, read_preference=ReadPreference.NEAREST)
    except OperationFailure as error:
        allowed = error.code != _UNAUTHORIZED
        return MemberDisk(name, role, problem="it failed" if allowed else "the user may not ask for dbStats")
    except PyMongoError:
        return MemberDisk(name, role, problem=f"it did not answer within {ASK_SECONDS:.0f} seconds")
    if not told.get("fsTotalSize"):
        return MemberDisk(name, role, problem="it has nothing of this database yet")
    free = int(told.get("totalFreeStorageSize", 0))
    return MemberDisk(name, role, int(told["fsTotalSize"]), int(told["fsUsedSize"]), free)

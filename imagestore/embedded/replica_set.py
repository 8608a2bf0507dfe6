"""A private replica set of several mongods on loopback, for those who want to see what a lost member does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from imagestore.embedded.mongod import REPLICA_SET, found_set, member_at, mongod_recipe, open_member
from imagestore.embedded.server import LOOPBACK, START_SECONDS, EmbeddedError, Recipe, Server, start

_LOOK_MILLISECONDS = 500
_ABLE = {"PRIMARY", "SECONDARY"}
_PAUSE = 0.05

# Members that end together need no time in which clients turn to the others (15 s by default).
_AT_ONCE = ("--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100")


class ReplicaSet:
    """Members that run. `servers` are in the order of their folders; `url` names all of them."""

    def __init__(self, folders: Sequence[Path], recipes: Sequence[Recipe], servers: list[Server]) -> None:
        self.servers = servers
        hosts = ",".join(f"{LOOPBACK}:{server.port}" for server in servers)
        self.url = f"mongodb://{hosts}/?replicaSet={REPLICA_SET}"
        self._folders = folders
        self._recipes = recipes

    def primary(self, seconds: float = START_SECONDS) -> Server:
        """The member that is the primary, as soon as there is one. Raises EmbeddedError after `seconds`."""
        client: MongoClient[dict[str, Any]] = MongoClient(
            self.url,
            serverSelectionTimeoutMS=int(seconds * 1000),
            connectTimeoutMS=_LOOK_MILLISECONDS,
            heartbeatFrequencyMS=_LOOK_MILLISECONDS,
        )
        with client:
            try:
                host: str = client.admin.command("hello")["me"]
            except PyMongoError as error:
                raise EmbeddedError(f"The replica set at {self.url} has no primary: {error}.") from error
        return next(server for server in self.servers if host == f"{LOOPBACK}:{server.port}")

    def restart(self, server: Server) -> Server:
        """Run a member that has ended, or is to be stopped first, once more: same port, same files.

        Returns once it answers, whatever its state in the set then is.
        """
        number = self.servers.index(server)
        server.stop()
        started = start(self._folders[number], server.port, self._recipes[number])
        self.servers[number] = started
        return started

    def stop(self) -> None:
        """End all members and wait until they are gone. Safe to call again."""
        with ThreadPoolExecutor(len(self.servers)) as threads:
            list(threads.map(Server.stop, self.servers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_replica_set(
    folder: Path, *, members: int = 3, executable: str = "", extra: Sequence[str] = ()
) -> ReplicaSet:
    """Run a replica set with each member's files in a folder of its own below `folder`.

    Returns once there is a primary and the others have its data: one that still copies them, from a member
    which then dies, goes on waiting for that member for a day. Ports are those of the last run where they are
    free; `executable` and `extra` as for `start_mongod`. Raises EmbeddedError.
    """
    folders = [folder / f"member-{number}" for number in range(members)]
    recipes = [mongod_recipe(each, executable, (*_AT_ONCE, *extra), member_at) for each in folders]
    servers: list[Server] = []
    try:
        for each, recipe in zip(folders, recipes, strict=True):
            servers.append(start(each, 0, recipe))
        started = ReplicaSet(folders, recipes, servers)
        _found(servers)
        started.primary()
        _await_copies(servers)
    except BaseException:
        for server in servers:
            server.stop()
        raise
    return started


def _await_copies(servers: Sequence[Server]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with open_member(servers[0].port) as client:
                states = [each["stateStr"] for each in client.admin.command("replSetGetStatus")["members"]]
        except PyMongoError as error:
            states = [str(error)]
        if _ABLE.issuperset(states):
            return
        if time.monotonic() > deadline:
            raise EmbeddedError(f"The members have no copies yet, but are: {', '.join(states)}.")
        time.sleep(_PAUSE)


def _found(servers: Sequence[Server]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with open_member(servers[0].port) as client:
                found_set(client, [f"{LOOPBACK}:{server.port}" for server in servers])
            return
        except PyMongoError as error:  # a member that is not yet ready for the others
            if time.monotonic() > deadline:
                raise EmbeddedError(f"The replica set cannot be founded: {error}.") from error
            time.sleep(_PAUSE)

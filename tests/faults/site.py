"""What faults are injected into: the service on a replica set and a Redis of its own, and how to mend it."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis

from imagestore.embedded import EmbeddedError, ReplicaSet, Server
from tests.embedded.processes import ends, running
from tests.faults.caller import Caller
from tests.service import Service, await_that

PRIMARY, SECONDARY = 1, 2
"""States of members, as `replSetGetStatus` has them."""

READINESS_LOOKS = 4


def kill(server: Server) -> None:
    """SIGKILL, and wait until it is gone."""
    os.kill(server.pid, signal.SIGKILL)
    assert ends(server.pid)


def pause(server: Server) -> None:
    """SIGSTOP: it keeps its connections and answers nothing, as a machine that hangs."""
    os.kill(server.pid, signal.SIGSTOP)


def resume(server: Server) -> None:
    os.kill(server.pid, signal.SIGCONT)


@dataclass
class Site:
    """Everything that can be broken."""

    service: Service
    members: ReplicaSet
    redis: Server
    callers: list[Caller] = field(default_factory=list)

    def caller(self) -> Caller:
        """A connection of its own; closed when the test ends."""
        self.callers.append(Caller(self.service))
        return self.callers[-1]

    def secondaries(self) -> list[Server]:
        primary = self.members.primary()
        return [server for server in self.members.servers if server is not primary]

    def mongo(self, server: Server | None = None) -> MongoClient[dict[str, Any]]:
        """A client of the database beside the service: of the set, or of one member."""
        if server is None:
            return MongoClient(self.members.url, serverSelectionTimeoutMS=20_000)
        return MongoClient("127.0.0.1", server.port, directConnection=True, serverSelectionTimeoutMS=5000)

    def fail(self, server: Server, commands: list[str], mode: Any = "alwaysOn", **data: Any) -> None:
        """mongod's own `failCommand`, for the service alone, until the site is mended."""
        wanted = {"failCommands": commands, "appName": "imagestore", **data}
        with self.mongo(server) as client:
            client.admin.command("configureFailPoint", "failCommand", mode=mode, data=wanted)

    def mend(self) -> None:
        """Every server runs, no fail point is set, all members have the same data, the service is ready."""
        for server in [*self.members.servers, self.redis]:
            with suppress(ProcessLookupError):
                resume(server)
        for server in list(self.members.servers):
            if not running(server.pid):
                self.members.restart(server)
        for server in self.members.servers:
            with self.mongo(server) as client:
                for point in ("failCommand", "rsSyncApplyStop", "stopReplProducer"):
                    client.admin.command("configureFailPoint", point, mode="off")
        await_that(self._members_agree)
        with Redis.from_url(self.redis.url) as redis:
            redis.flushall()
        await_that(self._ready)

    def _ready(self) -> bool:
        """As several connections find it: each may reach another worker."""
        for _ in range(READINESS_LOOKS):
            with closing(Caller(self.service)) as caller:
                if caller.call("GET", "/readyz").status != 200:
                    return False
        return True

    def _members_agree(self) -> bool:
        try:
            with self.mongo(self.members.primary()) as client:
                members = client.admin.command("replSetGetStatus")["members"]
        except (PyMongoError, EmbeddedError):
            return False
        states = sorted(member["state"] for member in members)
        return (
            states == [PRIMARY, *[SECONDARY] * (len(states) - 1)]
            and len({member["optime"]["ts"] for member in members}) == 1
        )

    def await_primary_other_than(self, server: Server, seconds: float = 60.0) -> Server:
        """The primary, as soon as it is another member than `server`."""
        deadline = time.monotonic() + seconds
        while (found := self.members.primary(seconds)) is server:
            assert time.monotonic() < deadline, "no other member became the primary"
            time.sleep(0.05)
        return found

"""What faults are injected into: the service on a replica set and a Redis of its own, and how to mend it."""

from __future__ import annotations

import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis

from imagestore.embedded import EmbeddedError, ReplicaSet, Server
from tests.embedded.processes import ends, running
from tests.faults.caller import Caller
from tests.service import PATIENCE, Service, await_that

PRIMARY, SECONDARY = 1, 2
"""States of members, as `replSetGetStatus` has them."""

FAIL_POINTS = ("failCommand", "stopReplProducer")
COLLECTIONS = ("buckets", "images", "versions", "claims", "blobs.files", "blobs.chunks")
READINESS_LOOKS = 4
MOST_LAG = 3.0

BUSY_MACHINE = 10.0
"""Seconds by which a stall may outlast its bound, where other programs want the processors too."""


def kill(server: Server) -> None:
    """SIGKILL, and wait until it is gone."""
    os.kill(server.pid, signal.SIGKILL)
    assert ends(server.pid)


def pause(server: Server) -> None:
    """SIGSTOP: it keeps its connections and answers nothing, as a machine that hangs."""
    os.kill(server.pid, signal.SIGSTOP)


def resume(server: Server) -> None:
    os.kill(server.pid, signal.SIGCONT)


@dataclass(frozen=True)
class FailPoint:
    """A `failCommand` that is set at a member. `count` is how often it had been reached before."""

    site: Site
    server: Server
    count: int

    def await_reached(self, times: int = 1) -> None:
        """Return once commands have reached it so often since it was set."""
        with self.site.mongo(self.server) as client:
            wanted = {"timesEntered": self.count + times, "maxTimeMS": int(PATIENCE * 1000)}
            client.admin.command({"waitForFailPoint": "failCommand", **wanted})

    def lift(self) -> None:
        with self.site.mongo(self.server) as client:
            client.admin.command("configureFailPoint", "failCommand", mode="off")


@dataclass
class Site:
    """Everything that can be broken."""

    service: Service
    members: ReplicaSet
    redis: Server
    callers: list[Caller] = field(default_factory=list)

    def caller(self, service: Service | None = None) -> Caller:
        """A connection of its own, to another service if one is given; closed when the test ends."""
        self.callers.append(Caller(service or self.service))
        return self.callers[-1]

    def secondaries(self) -> list[Server]:
        primary = self.members.primary()
        return [server for server in self.members.servers if server is not primary]

    def mongo(self, server: Server | None = None, **options: Any) -> MongoClient[dict[str, Any]]:
        """A client of the database beside the service: of the set, or of one member, whatever its state."""
        options = {"serverSelectionTimeoutMS": 20_000, "socketTimeoutMS": 20_000, **options}
        if server is None:
            return MongoClient(self.members.url, **options)
        return MongoClient("127.0.0.1", server.port, directConnection=True, **options)

    def fail(self, server: Server, commands: list[str], mode: Any = "alwaysOn", **data: Any) -> FailPoint:
        """mongod's own `failCommand`, for the service alone, until it is lifted or the site is mended."""
        wanted = {"failCommands": commands, "appName": "imagestore", **data}
        with self.mongo(server) as client:
            told = client.admin.command("configureFailPoint", "failCommand", mode=mode, data=wanted)
        return FailPoint(self, server, told["count"])

    def hold(self, server: Server, commands: list[str], seconds: float = 10.0) -> FailPoint:
        """Let these commands of the service stand still for so long, or until the server dies."""
        return self.fail(server, commands, blockConnection=True, blockTimeMS=int(seconds * 1000))

    def stop_replication(self, *servers: Server) -> None:
        """These members fetch no more writes, but vote and answer: a lag, until `resume_replication`."""
        self._set_replication(servers, stopped=True)

    def resume_replication(self, *servers: Server) -> None:
        self._set_replication(servers, stopped=False)

    def _set_replication(self, servers: tuple[Server, ...], *, stopped: bool) -> None:
        for server in servers:
            with self.mongo(server) as client:
                mode = "alwaysOn" if stopped else "off"
                client.admin.command("configureFailPoint", "stopReplProducer", mode=mode)

    def mend(self) -> None:
        """Every server runs, no fail point is set, all members have the same data, the service is ready."""
        for server in [*self.members.servers, self.redis]:
            with suppress(ProcessLookupError):
                resume(server)
        ended = [server for server in self.members.servers if not running(server.pid)]
        with ThreadPoolExecutor(len(self.members.servers)) as threads:
            list(threads.map(self.members.restart, ended))
        for server in self.members.servers:
            with self.mongo(server) as client:
                for point in FAIL_POINTS:
                    client.admin.command("configureFailPoint", point, mode="off")
        self.await_agreement()
        self.flush_redis()
        await_that(self._ready)

    def empty(self) -> None:
        """Take away what earlier tests stored, as no client could: the database is to hold one test's."""
        with self.mongo() as client:
            for name in COLLECTIONS:
                client["imagestore"][name].delete_many({})
        self.flush_redis()

    def flush_redis(self) -> None:
        with Redis.from_url(self.redis.url) as redis:
            redis.flushall()

    def _ready(self) -> bool:
        """As several connections find it: each may reach another worker."""
        for _ in range(READINESS_LOOKS):
            with closing(Caller(self.service)) as caller:
                if caller.call("GET", "/readyz").status != 200:
                    return False
        return True

    def await_agreement(self) -> None:
        """Until there is a primary, and every member has all that it has."""
        await_that(lambda: self._lag() == 0)

    def await_members(self) -> None:
        """Until there is a primary, and every member is a few seconds behind it at the most."""
        await_that(lambda: self._lag() <= MOST_LAG)

    def _lag(self) -> float:
        """The seconds by which the slowest member is behind, endless while one is neither up nor synced."""
        try:
            with self.mongo(self.members.primary()) as client:
                members = client.admin.command("replSetGetStatus")["members"]
        except (PyMongoError, EmbeddedError):
            return math.inf
        if sorted(member["state"] for member in members) != [PRIMARY, *[SECONDARY] * (len(members) - 1)]:
            return math.inf
        moments = [member["optime"]["ts"] for member in members]
        behind = max(moment.time for moment in moments) - min(moment.time for moment in moments)
        return behind or (0 if len(set(moments)) == 1 else 0.5)

    def await_primary_other_than(self, server: Server, seconds: float = 60.0) -> Server:
        """The primary, as soon as it is another member than `server`."""
        deadline = time.monotonic() + seconds
        while (found := self.members.primary(seconds)) is server:
            assert time.monotonic() < deadline, "no other member became the primary"
            time.sleep(0.05)
        return found

"""A Redis Cluster of real servers on loopback, and what operators and misfortune do to one."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from imagestore.embedded import Server, start_redis
from tests.service import await_that

SLOTS = 16384
NODE_TIMEOUT = 1000
"""Milliseconds after which the servers of a cluster take one of them for dead."""


@dataclass
class Member:
    folder: Path
    server: Server

    @property
    def redis(self) -> Redis:
        return Redis(port=self.server.port, protocol=2)

    def tell(self, *command: str | int) -> Any:
        with self.redis as redis:
            return redis.execute_command(*command)

    def look(self, what: str) -> dict[str, str]:
        """CLUSTER INFO, or the fields of INFO replication."""
        told = self.tell("CLUSTER", "INFO") if what == "cluster" else self.tell("INFO", what)
        return (
            told
            if isinstance(told, dict)
            else dict(line.split(":", 1) for line in bytes(told).decode().splitlines() if ":" in line)
        )

    @property
    def node_id(self) -> str:
        return bytes(self.tell("CLUSTER", "MYID")).decode()


@dataclass
class RedisCluster:
    folder: Path
    closing: ExitStack
    members: list[Member] = field(default_factory=list)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{member.server.port}" for member in self.members)

    def add(self) -> Member:
        """One more server, that knows the others and has nothing yet."""
        folder = self.folder / f"member-{len(self.members)}"
        member = Member(folder, self.closing.enter_context(start_member(folder, free_port())))
        if self.members:
            member.tell("CLUSTER", "MEET", "127.0.0.1", self.members[0].server.port)
        self.members.append(member)
        self.await_all_known()
        return member

    def replicate(self, primary: Member, replica: Member) -> None:
        replica.tell("CLUSTER", "REPLICATE", primary.node_id)
        await_that(lambda: replica.look("replication").get("master_link_status") == "up")

    def await_all_known(self) -> None:
        def known() -> bool:
            return all(
                int(member.look("cluster")["cluster_known_nodes"]) == len(self.members)
                and b"handshake" not in bytes(member.tell("CLUSTER", "NODES"))
                for member in self.members
            )

        await_that(known)

    def await_ok(self, members: list[Member] | None = None) -> None:
        """Until each of the servers takes the cluster for whole."""
        for member in self.members if members is None else members:
            await_that(lambda member=member: member.look("cluster")["cluster_state"] == "ok")

    def owner(self, slot: int) -> Member:
        [port] = [
            primary[1]
            for first, last, primary, *_ in self.members[0].tell("CLUSTER", "SLOTS")
            if first <= slot <= last
        ]
        [found] = [member for member in self.members if member.server.port == port]
        return found

    def move_slot(self, slot: int, target: Member) -> Iterator[str]:
        """As `redis-cli --cluster reshard` does it, one key at a time; yields after each step."""
        source = self.owner(slot)
        target.tell("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id)
        source.tell("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id)
        yield "begun"
        while keys := source.tell("CLUSTER", "GETKEYSINSLOT", slot, 1):
            source.tell("MIGRATE", "127.0.0.1", target.server.port, keys[0], 0, 10_000)
            yield "moved a key"
        for member in (target, source, *self.members):
            with contextlib.suppress(ResponseError):  # replicas are not told
                member.tell("CLUSTER", "SETSLOT", slot, "NODE", target.node_id)
        yield "done"

    def flush(self) -> None:
        for member in self.members:
            with contextlib.suppress(ResponseError):  # a replica takes no writes
                member.tell("FLUSHALL")

    def kill(self, member: Member) -> None:
        os.kill(member.server.pid, signal.SIGKILL)
        await_that(lambda: not member.server.alive())

    def restart(self, member: Member) -> None:
        member.server = self.closing.enter_context(start_member(member.folder, member.server.port))

    @contextlib.contextmanager
    def stopped(self, member: Member) -> Iterator[None]:
        os.kill(member.server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(member.server.pid, signal.SIGCONT)


def start_member(folder: Path, port: int) -> Server:
    return start_redis(
        folder,
        port=port,
        max_bytes=64 * 1024 * 1024,
        extra=(
            *("--dir", str(folder), "--cluster-enabled", "yes"),
            *("--cluster-node-timeout", str(NODE_TIMEOUT)),
            # What one server had is missing while it is away, and nothing else.
            *("--cluster-require-full-coverage", "no"),
        ),
    )


def free_port() -> int:
    """One that is free together with the port of the cluster's bus, 10,000 above it."""
    while True:
        with socket.socket() as probe, socket.socket() as bus:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                bus.bind(("127.0.0.1", port + 10_000))
                return port


@contextlib.contextmanager
def running_cluster(folder: Path, primaries: int = 3) -> Iterator[RedisCluster]:
    """Found a cluster whose primaries share the slots evenly."""
    with ExitStack() as closing:
        cluster = RedisCluster(folder, closing)
        for number in range(primaries):
            first, last = (SLOTS * each // primaries for each in (number, number + 1))
            cluster.add().tell("CLUSTER", "ADDSLOTS", *range(first, last))
        cluster.await_ok()
        yield cluster

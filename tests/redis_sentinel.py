"""Real Redis servers on loopback that real sentinels watch, and what befalls them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from imagestore.embedded import Server, executables, start_redis
from imagestore.embedded.redis_server import _server_at
from imagestore.embedded.server import LOOPBACK, Recipe, start
from tests.service import await_that

NAME = "pictures"
QUORUM = 2
DOWN_AFTER = 500
"""Milliseconds after which a sentinel takes a server for dead."""

OWN_PASSWORD = "hush-sentinel"
PASSWORD = "hush-server"


@dataclass
class Watched:
    """`servers` with the first primary first, and the `sentinels` that watch them."""

    folder: Path
    closing: ExitStack
    locked: bool = False
    servers: list[Server] = field(default_factory=list)
    sentinels: list[Server] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.url_of(*(each.port for each in self.sentinels))

    def url_of(self, *ports: int, name: str = NAME) -> str:
        user = f":{PASSWORD}@" if self.locked else ""
        own = f"?sentinel_password={OWN_PASSWORD}" if self.locked else ""
        return f"redis+sentinel://{user}{','.join(f'{LOOPBACK}:{port}' for port in ports)}/{name}/0{own}"

    def tell(self, server: Server, *command: str | int) -> Any:
        password = OWN_PASSWORD if server in self.sentinels else PASSWORD
        with Redis(port=server.port, protocol=2, password=password if self.locked else None) as redis:
            return redis.execute_command(*command)

    def info(self, server: Server) -> dict[str, Any]:
        told: dict[str, Any] = self.tell(server, "INFO", "replication")
        return told

    def add_server(self, port: int = 0) -> Server:
        """A primary if it is the first one, else a replica of that."""
        options = ["--repl-diskless-sync", "yes", "--repl-diskless-sync-delay", "0"]
        if self.servers:
            options += ["--replicaof", LOOPBACK, str(self.servers[0].port)]
        folder = self.folder / f"server-{len(self.servers)}"
        server = start_redis(folder, port=port, max_bytes=64 << 20, extra=options)
        self.closing.enter_context(server)
        if self.servers:
            await_that(lambda: self.info(server).get("master_link_status") == "up")
        self.servers.append(server)
        return server

    def add_sentinel(self, port: int = 0) -> Server:
        folder = self.folder / f"sentinel-{len(self.sentinels)}"
        folder.mkdir(exist_ok=True)
        lines = [
            f"sentinel monitor {NAME} {LOOPBACK} {self.servers[0].port} {QUORUM}",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}",
            f"sentinel failover-timeout {NAME} 3000",
        ]
        program = executables.find(executables.REDIS_SERVER, "")
        configuration = folder / "sentinel.conf"
        configuration.write_text("\n".join(lines) + "\n")

        def command(port: int) -> list[str]:
            return [
                str(program),
                str(configuration),
                *("--sentinel", "--port", str(port), "--bind", LOOPBACK, "--dir", str(folder)),
            ]

        recipe = Recipe(url=f"redis://{LOOPBACK}:{{port}}", command=command, answering=_server_at)
        server = self.closing.enter_context(start(folder, port, recipe))
        self.sentinels.append(server)
        return server

    def await_known(self) -> None:
        """Until each sentinel knows the others and the replicas, so that they can agree on a failover."""

        def known(sentinel: Server) -> bool:
            state = self.state(sentinel)
            others = int(state["num-other-sentinels"]), int(state["num-slaves"])
            return others == (len(self.sentinels) - 1, len(self.servers) - 1)

        for sentinel in self.sentinels:
            await_that(lambda sentinel=sentinel: known(sentinel))

    def state(self, sentinel: Server) -> dict[str, str]:
        told: dict[str, str] = self.tell(sentinel, "SENTINEL MASTER", NAME)
        return told

    def primary(self) -> Server:
        """As the first sentinel has it that runs."""
        [sentinel, *_] = [each for each in self.sentinels if each.alive()]
        port = int(self.state(sentinel)["port"])
        [found] = [each for each in self.servers if each.port == port]
        return found

    def fail_over(self) -> None:
        """As an operator orders it, with the primary alive; back when another one is the primary."""
        before = self.primary()
        self.tell(self.sentinels[0], "SENTINEL FAILOVER", NAME)
        await_that(lambda: self.primary() is not before)

    @contextlib.contextmanager
    def stopped(self, server: Server) -> Iterator[None]:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(server.pid, signal.SIGCONT)

    def lock(self) -> None:
        """Let nobody in without a password any more: they cannot fail over then."""
        for sentinel in self.sentinels:
            self.tell(sentinel, "ACL", "SETUSER", "default", "resetpass", f">{OWN_PASSWORD}")
        for server in self.servers:
            self.tell(server, "CONFIG", "SET", "requirepass", PASSWORD)
        self.locked = True

    def kill(self, server: Server) -> None:
        os.kill(server.pid, signal.SIGKILL)
        await_that(lambda: not server.alive())


@contextlib.contextmanager
def running_watched(folder: Path, *, servers: int = 2, sentinels: int = 3) -> Iterator[Watched]:
    with ExitStack() as closing:
        watched = Watched(folder, closing)
        for _ in range(servers):
            watched.add_server()
        for _ in range(sentinels):
            watched.add_sentinel()
        watched.await_known()
        yield watched

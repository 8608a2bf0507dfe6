"""The private mongod and redis-server that the service runs beside itself when none is named.

    executables.py   where a mongod and a redis-server are found
    server.py        one server as a process: its folder, lock, port, start and stop
    keeper.py        the small program between the service and a server, which outlives neither
    mongod.py        a mongod that is a replica set of one
    replica_set.py   a replica set of several, which `serve` has no use for: to see members fail
    redis_server.py  a redis-server that is a cache and nothing else

Both listen on loopback only, and without a password: whoever has an account on the machine can reach them.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from imagestore.embedded.mongod import start_mongod
from imagestore.embedded.redis_server import start_redis
from imagestore.embedded.replica_set import ReplicaSet, start_replica_set
from imagestore.embedded.server import EmbeddedError, Server, prepare_folder
from imagestore.settings import Settings

__all__ = [
    "Embedded",
    "EmbeddedError",
    "ReplicaSet",
    "Server",
    "start_mongod",
    "start_redis",
    "start_replica_set",
]


class Embedded:
    """The embedded servers that run: `mongo` and `redis`, None where one was not asked for."""

    def __init__(self) -> None:
        self.mongo: Server | None = None
        self.redis: Server | None = None

    @classmethod
    def start(cls, settings: Settings, *, mongo: bool, redis: bool) -> Self:
        """Start what is asked for, with files under `settings.data`; returns when they answer.

        One that ends by itself later is started again, a few times a minute. Raises EmbeddedError when one
        cannot run, or its files are in use; nothing is left running then.
        """
        started = cls()
        try:
            if mongo or redis:
                data = prepare_folder(settings.data)
            if mongo:
                started.mongo = start_mongod(
                    data / "mongod", port=settings.mongo_port, executable=settings.mongod
                )
            if redis:
                started.redis = start_redis(
                    data / "redis",
                    port=settings.redis_port,
                    executable=settings.redis_server,
                    max_bytes=settings.redis_bytes,
                )
            for server in started._running():
                server.keep_up()
        except BaseException:
            started.stop()
            raise
        return started

    def look(self) -> None:
        """Log what was started again. Raises EmbeddedError when one has ended for good. Never blocks."""
        for server in self._running():
            server.look()

    def _running(self) -> list[Server]:
        return [server for server in (self.mongo, self.redis) if server is not None]

    def stop(self) -> None:
        """Stop what runs, the cache first. Takes 20 s a server at the most. Safe to call again."""
        try:
            if self.redis is not None:
                self.redis.stop()
        finally:
            if self.mongo is not None:
                self.mongo.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

"""A private redis-server, or valkey-server, that is a cache and nothing else: bounded, and never on disk."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from pathlib import Path

from imagestore.embedded import executables
from imagestore.embedded.server import LOOPBACK, Recipe, Server, start

_CALL_SECONDS = 1.0
_PROCESS = re.compile(rb"^process_id:(\d+)\r\n", re.MULTILINE)
_REPLY_BYTES = 64 * 1024


def start_redis(
    folder: Path,
    *,
    port: int = 0,
    executable: str = "",
    max_bytes: int = 256 * 1024 * 1024,
    extra: Sequence[str] = (),
) -> Server:
    """Run a redis-server with its files in `folder`; returns once it answers.

    Port 0 takes the port of the last run if that is free, else any; `executable` as in
    `executables.find`; `max_bytes` is its `maxmemory`; `extra` are more arguments. Raises EmbeddedError.
    """
    program = executables.find(executables.REDIS_SERVER, executable)

    def command(port: int) -> list[str]:
        return [
            str(program),
            *("--port", str(port), "--bind", LOOPBACK, "--protected-mode", "yes"),
            *("--save", "", "--appendonly", "no"),
            # The expiry of a value is its priority, so volatile-ttl evicts what is worth least.
            *("--maxmemory", str(max_bytes), "--maxmemory-policy", "volatile-ttl"),
            *("--maxmemory-samples", "32", "--lazyfree-lazy-eviction", "yes"),
            # A value is 1 MiB at most: nobody gets to make the server hold much more in one request.
            *("--client-query-buffer-limit", "4mb", "--proto-max-bulk-len", "2mb"),
            *("--daemonize", "no"),
            *extra,
        ]

    recipe = Recipe(url=f"redis://{LOOPBACK}:{{port}}/0", command=command, answering=_server_at)
    return start(folder, port, recipe)


def _server_at(port: int) -> int | None:
    """The process id of the Redis that answers at the port, or None."""
    reply = b""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_CALL_SECONDS) as connection:
            connection.sendall(b"INFO server\r\n")
            while len(reply) < _REPLY_BYTES:
                if found := _PROCESS.search(reply):
                    return int(found[1])
                received = connection.recv(4096)
                if not received:
                    break
                reply += received
    except OSError:  # not listening yet, or no Redis of ours; the caller's deadline ends this
        pass
    return None

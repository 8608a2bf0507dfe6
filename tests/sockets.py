"""Which process holds which TCP socket, as the kernel tells (Linux)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"


def listeners(port: int) -> set[str]:
    return {inode for here, _, state, inode in _sockets() if here == port and state == LISTEN}


def connections(port: int, peer: int | None = None) -> set[str]:
    """What is open at the port's own side: all, or that with the client at port `peer`."""
    return {
        inode
        for here, there, state, inode in _sockets()
        if here == port and state != LISTEN and peer in (None, there)
    }


def held_by(pid: int, sockets: set[str]) -> int:
    """How many of these the process holds: none, once it has ended."""
    held = 0
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):  # it was closed just now
                held += os.readlink(link) in sockets
    return held


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _sockets() -> list[tuple[int, int, str, str]]:
    """Of each IPv4 socket: its port, its peer's, its state, and what a descriptor of it links to."""
    found = []
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, here, there, state, *rest = line.split()
        ports = (int(address.partition(":")[2], 16) for address in (here, there))
        found.append((*ports, state, f"socket:[{rest[5]}]"))
    return found

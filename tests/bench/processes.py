"""What the kernel says of processes: who listens at a port, their processor time, their resident memory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
_LISTENS = "0A"


@dataclass(frozen=True)
class Spent:
    """Seconds of processor time: in programs themselves, and in the kernel on their behalf."""

    user: float
    system: float

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.user - other.user, self.system - other.system)


def spent(pids: Iterable[int]) -> Spent:
    user = system = 0.0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        user += int(fields[11]) * TICK
        system += int(fields[12]) * TICK
    return Spent(user, system)


def processes_at(port: int) -> list[int]:
    """All that hold the socket which listens there."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    found = []
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it ended, or is none of ours
            if folder.name.isdigit() and any(os.readlink(fd) in wanted for fd in (folder / "fd").iterdir()):
                found.append(int(folder.name))
    return found


def memory_of(pid: int, name: str = "VmRSS") -> int:
    """In KiB. Raises OSError if there is no such process, ValueError if it has just ended."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(pid)
    return int(found[1])


def children(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def command_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()


def workers_of(pid: int) -> list[int]:
    """The processes that a service has forked of itself: those with its own command line."""
    command = command_of(pid)
    return [each for each in children(pid) if command_of(each) == command]

"""What a refused request must leave as it was: documents, worker processes, the spool folder."""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pymongo

from imagestore.library.sources import PREFIX
from tests.service import Service
from tests.web.answers import code_of


@dataclass(frozen=True)
class State:
    documents: dict[str, int]
    workers: frozenset[int]
    spooled: frozenset[str]


def look(service: Service) -> State:
    with pymongo.MongoClient(service.mongo_url) as mongo:
        database = mongo["imagestore"]
        counts = {name: database[name].count_documents({}) for name in database.list_collection_names()}
    return State(counts, frozenset(workers(service)), spooled(service))


def spooled(service: Service) -> frozenset[str]:
    """What lies in the spool folder, but for the folders of originals at hand: these are caches with a bound,
    and no trace of a request."""
    names = (each.name for each in (service.data / "spool").iterdir())
    return frozenset(name for name in names if not name.startswith(PREFIX))


def workers(service: Service) -> list[int]:
    """The worker processes: forks of the service's own, which the keepers of the databases are not."""
    root = service.process.pid
    own = Path(f"/proc/{root}/cmdline").read_bytes()
    return [pid for pid in children(root) if command_of(pid) == own]


def children(pid: int) -> list[int]:
    """Of its main thread; some of them may have ended since."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    """Its command line as the kernel keeps it; nothing once it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def peak_memory(pid: int) -> int:
    """The most that a process ever had resident, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


def talk(service: Service, data: bytes, *, end: bool = False) -> bytes:
    """Send bytes over a connection of their own, and return all that comes back until the service closes it.

    `end` closes our half behind them.
    """
    host, _, port = service.url.removeprefix("http://").partition(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65536):
            received += data
    return received


def parse_answer(received: bytes) -> httpx.Response:
    """The one answer that was received."""
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (field.partition(": ") for field in fields)]
    return httpx.Response(int(status.split()[1]), headers=headers, content=body)


def read_error(received: bytes) -> tuple[int, str]:
    """Its status and error code."""
    answer = parse_answer(received)
    return answer.status_code, code_of(answer)


def decoders_in(worker: int) -> set[int]:
    """The decoders of one worker; the kernel lists children by the thread that made them."""
    found = set()
    for listed in Path(f"/proc/{worker}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has ended
            found |= {
                int(pid) for pid in listed.read_text().split() if b"imaging.sandbox" in command_of(int(pid))
            }
    return found

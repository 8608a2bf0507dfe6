"""One service on a database of its own, beside the site: for faults of the service itself."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from imagestore.embedded import Server
from tests import sockets
from tests.faults.load import authorization
from tests.service import PATIENCE, Service, running_service
from tests.web.watch import workers

WORKERS = 2
BUCKET = "faults"


@contextmanager
def running_node(folder: Path, mongo: Server, redis_url: str, **settings: object) -> Iterator[Service]:
    """With a public bucket; what is given here counts more than what is usual."""
    folder.mkdir(exist_ok=True)
    usual = {
        "mongo_url": mongo.url,
        "mongo_database": f"test_{secrets.token_hex(8)}",
        "redis_url": redis_url,
        "secret_key": secrets.token_hex(16),
        "admin_key": "ADMIN",
        "workers": WORKERS,
        "metrics": "public",
        "edge_bytes": 0,  # no fault reaches what a worker answers from its memory: see test_edge
    }
    with running_service(folder, **{**usual, **settings}) as service:
        with service.client() as client:
            if not client.buckets():
                client.create_bucket(BUCKET, "public-read")
        yield service


def connect(
    service: Service, *, worker: int | None = None, receive_buffer: int | None = None
) -> socket.socket:
    """A connection; to this worker, if one is named, whichever the kernel would have chosen."""
    address = urlsplit(service.url)
    assert address.hostname is not None
    assert address.port is not None
    while True:
        end = socket.socket()
        end.settimeout(PATIENCE)
        if receive_buffer is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        end.connect((address.hostname, address.port))
        if worker is None or worker_of(service, end) == worker:
            return end
        end.close()


def worker_of(service: Service, end: socket.socket) -> int:
    """The worker that has accepted a connection; it is asked something first."""
    end.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    got = b""
    while not got.endswith(b"}\n") and not got.endswith(b"}"):
        got += end.recv(4096)
    port = urlsplit(service.url).port
    assert port is not None
    held = sockets.connections(port, end.getsockname()[1])
    (found,) = [pid for pid in workers(service) if sockets.held_by(pid, held)]
    return found


def upload_head(service: Service, key: str, length: int) -> bytes:
    """The head of a PUT with so many bytes of body."""
    lines = [
        f"PUT /v1/buckets/{BUCKET}/images/{key} HTTP/1.1",
        "Host: x",
        f"Authorization: {authorization(service)}",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()

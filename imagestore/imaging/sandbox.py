"""What runs inside a decoder process: one picture after another, under limits that the kernel keeps."""

from __future__ import annotations

import io
import json
import math
import mmap
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from imagestore.core.errors import CorruptImage, DecodeTimeout, InvalidRequest, RejectedImage
from imagestore.core.image import Facts
from imagestore.imaging import probe, rendering
from imagestore.imaging.channel import Disconnected, receive, send
from imagestore.imaging.engine import verification
from imagestore.imaging.formats import Format, by_name
from imagestore.imaging.limits import Data, Limits

OPEN_FILES = 16
NICENESS = 10


def main(argument: str) -> None:
    """Serve until the socket closes.

    `argument` is JSON: `socket` (a descriptor), `memory` (bytes of address space), `seconds` (CPU and wall
    time of one picture), `jobs` (pictures in a lifetime), `limits` (fields of Limits).
    """
    config = json.loads(argument)
    limits = Limits(**config["limits"])
    with socket.socket(fileno=config["socket"]) as sock:
        verification.set_up(limits)
        _hush()
        _confine(config["memory"], math.ceil(config["seconds"] + 1) * (config["jobs"] + 1))
        send(sock, {"ready": True})
        try:
            while True:
                head, body = receive(sock)
                _allow(head["seconds"])
                began = time.process_time()
                answer, made = _answer(head, body, limits)
                signal.setitimer(signal.ITIMER_REAL, 0)
                send(sock, answer | {"seconds": time.process_time() - began}, made)
        except Disconnected:
            return  # the service is done with this process, or gone itself


def _hush() -> None:
    """Keep standard error for Python: libtiff would write a line for every fault that it finds."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 2)
    os.close(silence)


def _confine(memory: int, cpu: int) -> None:
    """Give up what a decoder never needs. The end of this process is its parent's to decide."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu),
    ):
        _, hard = resource.getrlimit(limit)
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (bound, bound))
    _stand_back()


def _stand_back() -> None:
    """Let the processes that answer requests go first: a hit is not to wait until a render has had its turn.

    A session of its own is an autogroup of its own (sched(7)), which has a nice value for itself.
    """
    os.nice(NICENESS)
    with suppress(OSError):  # a kernel without autogroups
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _allow(seconds: float) -> None:
    """Let the next picture have `seconds`: the kernel ends the process at this CPU time or wall time.

    The parent's own deadline comes before the alarm, which is for a decoder whose parent has died.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = math.ceil(used.ru_utime + used.ru_stime + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard), hard))
    signal.setitimer(signal.ITIMER_REAL, seconds + 1)


def _answer(head: dict[str, Any], body: bytes, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """What was asked, or one of our errors as plain values: an exception does not cross between processes."""
    try:
        if head["kind"] == "verify":
            source = body if head["path"] is None else Path(head["path"])
            return {"facts": asdict(verify(source, by_name(head["format"]), limits))}, b""
        return rendering.answer(head, limits)
    except (RejectedImage, InvalidRequest) as error:
        return {"code": error.code, "message": error.message}, b""
    except MemoryError:
        told = "The picture took more memory than is allowed: ask for a smaller one, or for another format."
        return {"code": DecodeTimeout.code, "message": told}, b""


def verify(source: bytes | Path, format: Format, limits: Limits) -> Facts:
    """Prove that `source` is a whole picture in `format` within `limits`: structure first, then a decode.

    Raises CorruptImage, ImageLimitExceeded or DecodeTimeout. Only ever called in a decoder process.
    """
    with _mapped(source) as data:
        outline, size = probe.check(data, format, limits), len(data)
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        return verification.verify(file, size, format, outline, limits)


@contextmanager
def _mapped(source: bytes | Path) -> Iterator[Data]:
    """All bytes of `source`. A file is mapped, not read, and only until its structure is known."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        except ValueError:
            raise CorruptImage("The file is empty: send the image's bytes.") from None
        except OSError:
            raise DecodeTimeout("The file is larger than the memory of a decoder: make it smaller.") from None
        with data:
            yield data

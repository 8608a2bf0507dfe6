"""The image servers that we are compared with: installed into build/peers when first needed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

PEERS = Path(__file__).parents[2] / "build" / "peers"
START_SECONDS = 60.0
INSTALL_SECONDS = 600
THUMBOR = "thumbor==7.8.0"
IPX = "ipx@3.1.1"
PROCESSES = os.cpu_count() or 1


class Missing(Exception):
    """A peer cannot be had here, and why."""


@dataclass(frozen=True)
class Peer:
    """A server that answers with `photo`, a file's name, scaled to a width as a JPEG of some quality."""

    name: str
    port: int
    path: Callable[[str, int, int], str]


@contextmanager
def thumbor(photos: Path) -> Iterator[Peer]:
    """Thumbor with a process for each processor. It keeps nothing: every request is a render."""
    with running_thumbor(photos, "renders", STORAGE="thumbor.storages.no_storage", MAX_AGE=0) as port:
        yield Peer("thumbor", port, lambda name, w, q: f"/unsafe/{w}x0/filters:quality({q})/{name}")


@contextmanager
def running_thumbor(photos: Path, purpose: str, **settings: object) -> Iterator[int]:
    """Its port. It renders the files of a folder; `purpose` names its configuration file."""
    home = PEERS / "thumbor"
    program = home / "bin" / "thumbor"
    if not program.exists():
        install([sys.executable, "-m", "venv", str(home)])
        install([str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", THUMBOR])
    settings |= {
        "LOADER": "thumbor.loaders.file_loader",
        "FILE_LOADER_ROOT_PATH": str(photos),
        "ALLOW_UNSAFE_URL": True,
    }
    configuration = home / f"{purpose}.conf"
    configuration.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    port = free_port()
    command = [str(program), "-i", "127.0.0.1", "-p", str(port), "-c", str(configuration)]
    with running([*command, "--processes", str(PROCESSES)], port):
        yield port


@contextmanager
def ipx(photos: Path) -> Iterator[Peer]:
    """ipx, which renders by sharp and libvips, with a thread for each processor."""
    home = PEERS / "ipx"
    program = home / "node_modules" / ".bin" / "ipx"
    if not program.exists():
        if shutil.which("npm") is None:
            raise Missing("there is no npm")
        home.mkdir(parents=True, exist_ok=True)
        (home / "package.json").write_text(json.dumps({"private": True}))
        install(["npm", "install", "--silent", "--no-audit", "--no-fund", IPX], home)
    port = free_port()
    command = [str(program), "serve", "--dir", str(photos), "--host", "127.0.0.1", "--port", str(port)]
    with running(command, port):
        yield Peer("ipx", port, lambda name, w, q: f"/w_{w},q_{q},f_jpeg/{name}")


def install(command: list[str], folder: Path | None = None) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_SECONDS, capture_output=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise Missing(f"{Path(command[0]).name} failed: {error}") from error


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(command: list[str], port: int, **environment: str) -> Iterator[None]:
    process = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _await(process, port)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _await(process: subprocess.Popen[bytes], port: int) -> None:
    """Until it answers anything at all. Raises Missing."""
    end = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < end:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise Missing(f"{Path(process.args[0]).name} does not start")  # type: ignore[index,arg-type]

"""New sizes of photos, beside Thumbor and ipx, and hits meanwhile.

Every size is asked for once, so that nobody has kept it. `first` is the first request for a photo; `again`
are sizes of photos that were asked for before, when the service has its own reduced copies of them. PSNR is
against the whole picture decoded and scaled by Lanczos, after JPEG's loss, which all share.
"""

from __future__ import annotations

import io
import itertools
import math
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from multiprocessing.synchronize import Event
from pathlib import Path
from statistics import fmean, median

import numpy as np
from PIL import Image, ImageOps

from tests import pictures
from tests.bench.peers import Missing, Peer, ipx, thumbor
from tests.bench.results import Row, Wishes
from tests.service import running_service

QUALITY = 80
CLIENTS = 4
SIZES = (200, 400, 800)
AGAIN = 3
SETTLE_SECONDS = 20.0
"""Until the reduced copies, made behind the answers, are there."""

HIT_SECONDS = 5.0
FLOODERS = 48
"""Clients that fill the queue of renders: as many as two workers take, and some that are refused."""


@dataclass
class Result:
    """How one server did with one kind of request."""

    seconds: float = 0.0
    bodies: list[tuple[str, int, bytes]] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.bodies) / self.seconds


def measure(folder: Path, wishes: Wishes) -> Iterator[Row | str]:
    photos = wishes.photos.resolve() if wishes.photos else made_photos(folder / "photos")
    names = sorted(each.name for each in photos.iterdir() if each.suffix.lower() in (".jpg", ".jpeg"))
    data = folder / "data"
    data.mkdir()
    with ExitStack() as stack:
        service = stack.enter_context(running_service(data))
        with service.client() as client:
            for each in names:
                client.upload("default", photos / each, each)
        servers = [own(int(service.url.rpartition(":")[2]))]
        for peer in (thumbor, ipx):
            try:
                servers.append(stack.enter_context(peer(photos)))
            except Missing as missing:
                yield f"{peer.__name__}: not measured, since {missing}"
        yield from measure_renders(servers, photos, names)
        yield from measure_hits(servers[0], names)
    yield (
        f"{len(names)} photos, quality {QUALITY}. `first`: the first request for a photo; `again`: sizes "
        "of photos asked for before, of which the service has reduced copies. No size is asked for twice."
    )


def own(port: int) -> Peer:
    prefix = "/default/image/upload"
    return Peer("imagestore", port, lambda name, w, q: f"{prefix}/c_scale,w_{w},q_{q},f_jpg/{name}")


def measure_renders(servers: Sequence[Peer], photos: Path, names: list[str]) -> Iterator[Row]:
    widths = {size: itertools.count(size) for size in SIZES}
    first = dict(zip(names, itertools.cycle(SIZES)))
    asked = [(name, first[name]) for name in names]
    yield from rows("first", {server.name: run(server, asked) for server in servers}, photos)
    time.sleep(SETTLE_SECONDS)
    for size in SIZES:
        asked = [(name, next(widths[size])) for _ in range(AGAIN) for name in names]
        asked = [(name, width + 1) for name, width in asked]  # the first size itself was asked for
        results = {server.name: run(server, asked) for server in servers}
        yield from rows(f"again, {size} px", results, photos)


def rows(what: str, results: dict[str, Result], photos: Path) -> Iterator[Row]:
    yield Row(f"renders {what}", "/s", "more", {name: each.rate for name, each in results.items()})
    qualities, sizes = {}, {}
    for server, result in results.items():
        sample = result.bodies[:: max(1, len(result.bodies) // 20)]
        qualities[server] = median(psnr(photos / name, data) for name, _, data in sample)
        sizes[server] = fmean(len(data) for _, _, data in result.bodies) / 1000
    yield Row(f"likeness {what}", "dB", "more", qualities)
    yield Row(f"size {what}", "KB", "less", sizes)


def run(server: Peer, asked: Sequence[tuple[str, int]]) -> Result:
    """Ask for each once, with CLIENTS connections."""
    result, waiting, lock = Result(), iter(asked), threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        try:
            while True:
                with lock:
                    name, width = next(waiting)
                connection.request("GET", server.path(name, width, QUALITY))
                answer = connection.getresponse()
                data = answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"{server.name}: {answer.status} {data[:200]!r}")
                with lock:
                    result.bodies.append((name, width, data))
        except StopIteration:
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            connection.close()

    began = time.perf_counter()
    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result.seconds = time.perf_counter() - began
    if failures:
        raise failures[0]
    return result


def measure_hits(server: Peer, names: list[str]) -> Iterator[Row]:
    """What a hit takes while nothing is rendered, and while the queue of renders is always full."""
    path = server.path(names[0], SIZES[0], QUALITY)
    idle = hit_times(server, path)
    stop = multiprocessing.get_context("spawn").Event()
    flooding = multiprocessing.get_context("spawn").Process(target=flood, args=(server.port, names, stop))
    flooding.start()
    time.sleep(3.0)
    busy = hit_times(server, path)
    stop.set()
    flooding.join()
    for what, pick in (("median", 0.5), ("99th percentile", 0.99)):
        before, after = (sorted(each)[int(len(each) * pick)] * 1000 for each in (idle, busy))
        figures = {"renders queued": after, "idle": before}
        yield Row(f"hit meanwhile, {what}", "ms", "less", figures)


def hit_times(server: Peer, path: str) -> list[float]:
    connection, taken = HTTPConnection("127.0.0.1", server.port, timeout=60), []
    end = time.perf_counter() + HIT_SECONDS
    while (began := time.perf_counter()) < end:
        connection.request("GET", path)
        connection.getresponse().read()
        taken.append(time.perf_counter() - began)
        time.sleep(0.005)
    connection.close()
    return taken


def flood(port: int, names: list[str], stop: Event) -> None:
    """More new renditions than can be made or queued, in a process of its own, until told to stop."""
    fresh = itertools.count(900)

    def work() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        while not stop.is_set():
            number = next(fresh)
            with suppress(OSError):
                connection.request("GET", own(port).path(names[number % len(names)], number, QUALITY))
                answer = connection.getresponse()
                answer.read()
                if answer.status == 503:
                    time.sleep(0.5)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(FLOODERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def psnr(original: Path, rendition: bytes) -> float:
    with Image.open(io.BytesIO(rendition)) as picture:
        shown = picture.convert("RGB")
    with Image.open(original) as picture:
        whole = ImageOps.exif_transpose(picture).convert("RGB")
    wanted = whole.resize(shown.size, Image.Resampling.LANCZOS)
    error = np.mean((np.asarray(wanted, float) - np.asarray(shown, float)) ** 2)
    return 10 * math.log10(255**2 / max(float(error), 1e-9))


def made_photos(folder: Path) -> Path:
    """Twelve pictures of 12 megapixels, with as much detail as photos have."""
    folder.mkdir()
    for seed in range(12):
        noise = Image.effect_noise((1000, 750), 60 + 5 * seed).resize((4000, 3000), Image.Resampling.BICUBIC)
        with Image.open(io.BytesIO(pictures.jpeg(4000, 3000, seed=seed))) as picture:
            Image.blend(picture.convert("RGB"), noise.convert("RGB"), 0.25).save(
                folder / f"{seed:02}.jpg", quality=90
            )
    return folder

"""`python -m tests.bench.renders`: new sizes of photos, beside Thumbor and ipx, and hits meanwhile.

Every size is asked for once, so that nobody has kept it. `first` is the first request for a photo; `again`
are sizes of photos that were asked for before, when the service has its own reduced copies of them. PSNR is
against the whole picture decoded and scaled by Lanczos, after JPEG's loss, which all share.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Sequence
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


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.renders", description=__doc__)
    parser.add_argument("--photos", type=Path, help="a folder of JPEGs (default: made ones of 12 megapixels)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagestore-bench-") as name, ExitStack() as stack:
        photos = options.photos.resolve() if options.photos else made_photos(Path(name, "photos"))
        names = sorted(each.name for each in photos.iterdir() if each.suffix.lower() in (".jpg", ".jpeg"))
        data = Path(name, "data")
        data.mkdir()
        service = stack.enter_context(running_service(data))
        with service.client() as client:
            for each in names:
                client.upload("default", photos / each, each)
        servers = [own(int(service.url.rpartition(":")[2]))]
        for peer in (thumbor, ipx):
            try:
                servers.append(stack.enter_context(peer(photos)))
            except Missing as missing:
                print(f"{peer.__name__}: not measured, since {missing}")
        figures = measure(servers, photos, names)
        figures["hits"] = measure_hits(servers[0], names)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def own(port: int) -> Peer:
    prefix = "/default/image/upload"
    return Peer("imagestore", port, lambda name, w, q: f"{prefix}/c_scale,w_{w},q_{q},f_jpg/{name}")


def measure(servers: Sequence[Peer], photos: Path, names: list[str]) -> dict[str, object]:
    print(f"{'':28}{'/s':>8}{'PSNR':>8}{'KB':>8}   ({len(names)} photos, quality {QUALITY})")
    figures: dict[str, object] = {}
    widths = {size: itertools.count(size) for size in SIZES}
    first = dict(zip(names, itertools.cycle(SIZES)))
    for server in servers:
        figures[f"first, {server.name}"] = report(
            "first", server, run(server, [(name, first[name]) for name in names]), photos
        )
    time.sleep(SETTLE_SECONDS)
    for size in SIZES:
        asked = [(name, next(widths[size])) for _ in range(AGAIN) for name in names]
        asked = [(name, width + 1) for name, width in asked]  # the first size itself was asked for
        for server in servers:
            what = f"again, {size} px"
            figures[f"{what}, {server.name}"] = report(what, server, run(server, asked), photos)
    return figures


def report(what: str, server: Peer, result: Result, photos: Path) -> dict[str, float]:
    sample = result.bodies[:: max(1, len(result.bodies) // 20)]
    quality = median(psnr(photos / name, data) for name, _, data in sample)
    size = fmean(len(data) for _, _, data in result.bodies) / 1000
    print(f"{what:16}{server.name:12}{result.rate:8.1f}{quality:8.1f}{size:8.1f}", flush=True)
    return {"per_second": result.rate, "psnr": quality, "kilobytes": size}


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


def measure_hits(server: Peer, names: list[str]) -> dict[str, float]:
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
    figures = {}
    for what, pick in (("median", 0.5), ("99th percentile", 0.99)):
        before, after = (sorted(each)[int(len(each) * pick)] * 1000 for each in (idle, busy))
        print(
            f"hit, {what}: {before:.2f} ms idle, {after:.2f} ms with renders queued ({after / before:.1f} x)"
        )
        figures |= {f"{what}, idle": before, f"{what}, busy": after}
    return figures


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


if __name__ == "__main__":
    main()

"""How near renders come to a full decode and Lanczos' filter: `python -m tests.bench.quality FOLDER`.

For each JPEG of the folder and each width, PSNR in dB and CPU time: made from the original, and from a
reduced copy of it. 45 dB and more is wanted everywhere.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from imagestore.core.transformation.model import Scope
from imagestore.core.transformation.parsing import parse
from imagestore.imaging.engine.colors import to_srgb
from imagestore.imaging.pipeline import RenderRequest, Source, render
from imagestore.imaging.planning import copy_side

WIDTHS = (80, 200, 400, 800, 1200, 1600)
COPY_SIDES = (512, 1024, 2048)
COPY = "c_limit,h_{side},w_{side}/q_90:444"
WANTED = 45.0


def psnr(first: Image.Image, second: Image.Image) -> float:
    """Peak signal-to-noise ratio of two pictures of one size, in dB."""
    apart = np.asarray(first.convert("RGB"), np.float64) - np.asarray(second.convert("RGB"), np.float64)
    error = float((apart**2).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def exact(full: Image.Image, size: tuple[int, int]) -> Image.Image:
    return full.resize(size, Image.Resampling.LANCZOS)


def made(text: str, source: Source) -> tuple[Image.Image, float]:
    """The render, and its CPU time in seconds with that of encoding it without loss."""
    began = time.process_time()
    answer = render(RenderRequest(transformation=text, source=source, format="png"))
    return Image.open(io.BytesIO(answer.data)), time.process_time() - began


def copies(path: Path, longest: int) -> dict[int, bytes]:
    """Reduced copies by their long sides, made as the service makes them."""
    source = Source(data=path, format="jpeg")
    texts = {side: COPY.format(side=side) for side in COPY_SIDES if side < longest}
    return {
        side: render(RenderRequest(transformation=text, source=source, format="jpeg")).data
        for side, text in texts.items()
    }


def measure(path: Path) -> Iterator[tuple[int, str, float, float]]:
    """Width, what it was made from, PSNR and seconds."""
    with Image.open(path) as image:
        full = to_srgb(ImageOps.exif_transpose(image), image.info.get("icc_profile")).convert("RGB")
    full.info.clear()
    small = copies(path, max(full.size))
    for width in WIDTHS:
        if width >= full.width:
            continue
        text = f"w_{width}"
        picture, seconds = made(text, Source(data=path, format="jpeg"))
        target = exact(full, picture.size)
        yield width, "original", psnr(picture, target), seconds
        side = copy_side(parse(text).nodes, Scope(*full.size, *full.size))
        fitting = [each for each in small if side is not None and each >= side]
        if fitting:
            source = Source(data=small[min(fitting)], format="jpeg", width=full.width, height=full.height)
            picture, seconds = made(text, source)
            yield width, "copy", psnr(picture, target), seconds


def main(folder: str) -> int:
    figures: dict[tuple[str, int], list[tuple[float, float, str]]] = {}
    for path in sorted(Path(folder).glob("*.jp*g")):
        for width, kind, decibels, seconds in measure(path):
            figures.setdefault((kind, width), []).append((decibels, seconds, path.name))
    print(f"{'from':10}{'width':>6}{'photos':>8}{'least dB':>10}{'median dB':>11}{'CPU ms':>8}  least of")
    for (kind, width), rows in sorted(
        figures.items(), key=lambda each: (each[0][0] != "original", each[0][1])
    ):
        least = min(rows)
        middle = statistics.median(row[0] for row in rows)
        spent = 1000 * statistics.median(row[1] for row in rows)
        print(f"{kind:10}{width:>6}{len(rows):>8}{least[0]:>10.1f}{middle:>11.1f}{spent:>8.0f}  {least[2]}")
    return int(any(row[0] < WANTED for rows in figures.values() for row in rows))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

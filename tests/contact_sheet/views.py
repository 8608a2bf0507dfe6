"""The pictures that contact sheets show: photos of a folder, or else scenes made here; and the layers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from imagestore.imaging.pipeline import Source

_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp", ".avif": "avif", ".tif": "tiff"}


def views(folder: Path | None) -> Iterator[Source]:
    if folder is None:
        for number in range(3):
            yield _source(_scene(number), "JPEG")
        return
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _FORMATS)
    if not paths:
        raise SystemExit(f"{folder} has no photos")
    for path in paths:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(0x0112, 1) >= 5
        width, height = (height, width) if sideways else (width, height)
        yield Source(data=path, format=_FORMATS[path.suffix.lower()], width=width, height=height)


def found_faces(source: Source) -> Source:
    """`source` with its faces, if they can be looked for here."""
    try:
        from imagestore.imaging.faces import find_faces
    except ImportError:
        return source
    with Image.open(source.data if isinstance(source.data, Path) else io.BytesIO(source.data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
    return replace(source, faces=find_faces(np.asarray(upright)))


def _source(picture: Image.Image, format: str) -> Source:
    file = io.BytesIO()
    picture.save(file, format, quality=95)
    return Source(data=file.getvalue(), format=format.lower(), width=picture.width, height=picture.height)


def _scene(number: int) -> Image.Image:
    """A sky with a sun over hills by the sea: soft gradients, hard edges, fine texture, every hue."""
    width, height = ((1600, 1200), (1200, 1600), (1800, 1000))[number]
    noise = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    sky = np.stack([90 + 140 * y, 140 + 80 * y, 230 - 40 * y], axis=-1)
    for depth in range(4):
        crest = 0.45 + 0.13 * depth + 0.05 * np.sin(x * (5 + 3 * depth) + number + depth)
        tint = np.array([(60, 110, 80), (90, 130, 50), (150, 110, 60), (30, 90, 140)][depth], dtype=float)
        grain = noise.normal(0, 14, (height, width, 1))
        sky = np.where((y > crest)[..., None], tint * (0.6 + 0.6 * y[..., None]) + grain, sky)
    picture = Image.fromarray(np.clip(sky, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    side = height // 6
    left, top = int(width * (0.2 + 0.25 * number)), height // 10
    draw.ellipse((left, top, left + side, top + side), "#ffe9a0")
    draw.rectangle((width // 2, int(height * 0.55), width // 2 + side // 2, int(height * 0.75)), "#b03020")
    draw.polygon([(width // 2 - 20, int(height * 0.55)), (width // 2 + side // 4, int(height * 0.47)),
                  (width // 2 + side // 2 + 20, int(height * 0.55))], "#402010")  # fmt: skip
    return picture.filter(ImageFilter.GaussianBlur(1))


def _logo() -> Image.Image:
    logo = Image.new("RGBA", (960, 960), (255, 255, 255, 0))
    draw = ImageDraw.Draw(logo)
    draw.ellipse((30, 30, 930, 930), (20, 80, 160, 255))
    draw.ellipse((150, 150, 810, 810), (255, 255, 255, 255))
    draw.polygon([(480, 210), (720, 640), (240, 640)], (230, 80, 30, 255))
    return logo.resize((240, 240), Image.Resampling.BOX)


def _map() -> Image.Image:
    y, x = np.mgrid[0:200, 0:200] / 200
    waves = np.stack([128 + 127 * np.sin(y * 20), 128 + 127 * np.sin(x * 14), np.full_like(x, 128)], axis=-1)
    return Image.fromarray(waves.astype(np.uint8))


LAYERS = {"logo": _source(_logo(), "PNG"), "map": _source(_map(), "PNG")}

"""`python -m tests.contact_sheet [FOLDER] [-o build/contact-sheet] [--only text]`: render the pages.

FOLDER has photos; without it the pictures are made here. A page is a PNG of the tiles of one subject. What
cannot be rendered is red and named at the end, and makes the exit status 1.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from imagestore.core.errors import ImagestoreError
from imagestore.core.transformation.model import Color, Length, Step, Text
from imagestore.imaging.engine.text import draw_text
from imagestore.imaging.pipeline import RenderRequest, Source, render
from tests.contact_sheet.subjects import FROM, SMALL, Subject, Tile, subjects
from tests.contact_sheet.views import LAYERS, found_faces, views

COLUMNS, ROWS = 6, 6
TILE, LABEL, GAP = (236, 186), 46, 6
BLACK, RED = (0, 0, 0), (200, 0, 0)
CELL = (TILE[0] + GAP, TILE[1] + LABEL + GAP)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.contact_sheet", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="photos to use instead of pictures made here")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("build/contact-sheet"), help="folder of the pages"
    )
    parser.add_argument("--only", action="append", help="a subject; may be given again")
    parser.add_argument("--photo", type=int, help="use this photo, counted from 0, for every page")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    photos = list(views(options.folder))
    if options.photo is not None:
        photos = [photos[options.photo]]
    failed: list[str] = []
    turn = 0
    for subject in subjects():
        if options.only and subject.name not in options.only:
            continue
        pages = [
            subject.tiles[at : at + COLUMNS * ROWS] for at in range(0, len(subject.tiles), COLUMNS * ROWS)
        ]
        for number, tiles in enumerate(pages, 1):
            photo = _photo_for(subject, photos, turn)
            turn += 1
            path = options.output / f"{subject.name}-{number}.png"
            _page(tiles, photo, photos[(turn + 2) % len(photos)], failed).save(path)
            print(path)
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


def _photo_for(subject: Subject, photos: Sequence[Source], turn: int) -> Source:
    if subject.faces:
        return next((found for photo in photos if (found := found_faces(photo)).faces), photos[0])
    large = [photo for photo in photos if min(photo.width or 0, photo.height or 0) >= 400] or list(photos)
    return large[turn % len(large)]


def _page(tiles: Sequence[Tile], photo: Source, other: Source, failed: list[str]) -> Image.Image:
    rows = -(-len(tiles) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * CELL[0] + GAP, rows * CELL[1] + GAP), "white")
    for number, tile in enumerate(tiles):
        at = (GAP + number % COLUMNS * CELL[0], GAP + number // COLUMNS * CELL[1])
        _lay(page, at, tile, photo, other, failed)
    return page


def _lay(
    page: Image.Image, at: tuple[int, int], tile: Tile, photo: Source, other: Source, failed: list[str]
) -> None:
    label, color = tile.label or tile.transformation, BLACK
    try:
        rendered = render(
            RenderRequest(
                transformation=tile.transformation,
                source=photo,
                format=tile.format,
                layers=LAYERS | {"photo": other},
            )
        )
    except (ImagestoreError, ValueError, TypeError, KeyError, IndexError, NotImplementedError) as error:
        failed.append(f"{tile.transformation} ({tile.format}): {error!r}")
        label, color = f"{label}: {error}", RED
    else:
        label = f"{label}  [{rendered.width}x{rendered.height}"
        if tile.format != "png":
            label += f" {rendered.format} {len(rendered.data):,} B q {rendered.quality}"
        label += "]"
        with Image.open(io.BytesIO(rendered.data)) as image:
            _show(page, at, image.convert("RGBA"))
    _write(page, (at[0], at[1] + TILE[1] + 2), label, color)


def _show(page: Image.Image, at: tuple[int, int], picture: Image.Image) -> None:
    picture.thumbnail(TILE)
    ground = Image.new("RGB", picture.size, "white")
    draw = ImageDraw.Draw(ground)
    for x in range(0, picture.width, 16):
        for y in range(0, picture.height, 16):
            for square in ((x, y), (x + 8, y + 8)):
                draw.rectangle((*square, square[0] + 7, square[1] + 7), "#ccc")
    ground.paste(picture, mask=picture.getchannel("A"))
    page.paste(ground, at)


def _write(page: Image.Image, at: tuple[int, int], label: str, color: tuple[int, int, int]) -> None:
    for begin in (f"{FROM}/", f"{SMALL}/"):
        label = label.removeprefix(begin)
    shown = label.replace("fl_layer_apply", "apply").replace("%20", " ")[:150]
    shown = re.sub("([/,:])", "\\1\u200b", shown)
    box = Step(
        crop="fit",
        width=Length(TILE[0]),
        height=Length(LABEL),
        color=Color(*color),
        flags=frozenset({"text_no_trim"}),
    )
    written = draw_text(Text(shown, size=10.5), box)
    page.paste(written, at, written)


if __name__ == "__main__":
    sys.exit(main())

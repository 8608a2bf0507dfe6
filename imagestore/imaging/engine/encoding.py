"""Encoding: from frames to the bytes of a file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFilter

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.model import Color, Output
from imagestore.imaging.engine import gif, quality, quantization
from imagestore.imaging.engine.metadata import NOTHING, Metadata
from imagestore.imaging.engine.picture import Picture
from imagestore.imaging.formats import AVIF, AVIF_PIXELS, BMP, GIF, JPEG, PNG, TIFF, WEBP, Format, by_name

WHITE = Color(255, 255, 255)

_NO_ALPHA = frozenset({JPEG, BMP})
_MOVING = frozenset({GIF, WEBP, PNG, AVIF})
_LOSSY = frozenset({JPEG, WEBP, AVIF})
_SPREAD = 6
_LOSSLESS_FROM = 100
_FULL_COLOR_FROM = 100
_WEBP_SIDE = 16_383
_LONGEST_FRAME = {PNG: 65_535, WEBP: 0xFFFFFF}
"""Milliseconds that a format can say; in an APNG of alike frames in a row, too."""
_MOST_PLAYS = 65_535
_WEBP_LOSSLESS = {"lossless": True, "quality": 20, "method": 0}
_WEBP_DRAWING = {"lossless": True, "quality": 50, "method": 3}
_WEBP_METHOD = 2
"""Half the time of libwebp's own choice, for 2 % more bytes."""
_AVIF_SPEEDS = ((160_000, 8), (50_000_000, 9))
"""Pixels, over all frames, up to which a speed is worth its time: 9 takes a quarter of 8's, for 6 % more."""
_TRIAL_OPTIONS: dict[Format, dict[str, Any]] = {AVIF: {"speed": 9}, JPEG: {"optimize": False}}
_PNG_LEVELS = ((2_000_000, 6), (8_000_000, 3), (50_000_000, 1))
_PALETTE_FLAGS = frozenset({"lossy", "png8"})


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file. `quality` is on the scale of `q_`, None for a format that has none; `frames` are all it has."""

    data: bytes
    quality: int | None
    frames: int = 1


def encode(
    picture: Picture,
    format: str,
    output: Output,
    *,
    background: Color | None = None,
    metadata: Metadata = NOTHING,
) -> Encoded:
    """The picture as a file in the format of that name.

    Transparency that a format has no place for is laid over `background`, white by default. A format that
    knows no animation gets the first frame. `metadata` is what is to be kept of the original's.
    """
    kind = by_name(format)
    _check_size(picture, kind)
    frames = [_prepare(frame, kind, background or WHITE, output.flags) for frame in picture.frames]
    if len(frames) > 1 and kind in _MOVING:
        return _encode_moving(picture, frames, kind, output)
    frame = frames[0]
    chosen = _choose_quality(frame, kind, output)
    if kind == GIF:
        return Encoded(gif.write([frame], [0], 1, lossy="lossy" in output.flags), None)
    if kind == PNG:
        frame = _reduce_colors(frame, output)
    kept = metadata.options(kind)
    data = _save(frame, kind, {**_options(frame, kind, output, chosen), **kept})
    if kind == WEBP and _is_drawing([frame]):
        data = min(data, _save(frame, kind, {**_WEBP_DRAWING, **kept}), key=len)
    return Encoded(data, chosen)


def _check_size(picture: Picture, format: Format) -> None:
    if format == AVIF and picture.width * picture.height > AVIF_PIXELS:
        raise InvalidTransformation(
            f"AVIF has {AVIF_PIXELS // 1_000_000} million pixels at most here, and this were "
            f"{picture.width} × {picture.height}: ask for another format, or for less."
        )
    if format == WEBP and max(picture.width, picture.height) > _WEBP_SIDE:
        raise InvalidTransformation(
            f"WebP has {_WEBP_SIDE} pixels a side at most, and this were {picture.width} × {picture.height}: "
            "ask for another format, or for less."
        )


def _prepare(frame: Image.Image, format: Format, background: Color, flags: frozenset[str]) -> Image.Image:
    # What Pillow noted when it opened the original would go into the new file: comments, profiles.
    frame.info = {}
    if frame.mode != "RGBA":
        return frame
    if frame.getchannel("A").getextrema() == (255, 255):
        return frame.convert("RGB")
    opaque = format in _NO_ALPHA or (format == PNG and "png24" in flags)
    if opaque:
        return _flatten(frame, background)
    return _hide(frame, spread=format in _LOSSY)


def _hide(frame: Image.Image, *, spread: bool) -> Image.Image:
    """The frame with nothing where it is fully transparent: that takes bytes, and tells what was hidden.

    With `spread` the colours of the edge go on there for some pixels, then black: a format that loses details
    would else darken the edge.
    """
    alpha = frame.getchannel("A")
    seen = alpha.point([255 * (value > 0) for value in range(256)])
    blank = Image.new("RGBA", frame.size)
    blank.paste(frame, mask=seen)
    if not spread or seen.getextrema() == (255, 255):
        return blank
    around = blank.convert("RGBa").filter(ImageFilter.BoxBlur(_SPREAD)).convert("RGBA")
    hidden = Image.composite(blank, around, seen).convert("RGB")
    hidden.putalpha(alpha)
    return hidden


def _flatten(frame: Image.Image, background: Color) -> Image.Image:
    """An RGBA frame laid over a colour."""
    ground = Image.new("RGBA", frame.size, (background.red, background.green, background.blue, 255))
    return Image.alpha_composite(ground, frame).convert("RGB")


def _choose_quality(frame: Image.Image, format: Format, output: Output) -> int | None:
    if format not in _LOSSY:
        return None

    def trial(sample: Image.Image, value: int) -> Image.Image:
        options = _options(sample, format, output, value) | _TRIAL_OPTIONS.get(format, {})
        data = _save(sample, format, options)
        with Image.open(io.BytesIO(data), formats=[format.pillow]) as opened:
            return opened.convert("RGB")

    opaque = _flatten(frame, WHITE) if frame.mode == "RGBA" else frame
    probes = quality.JPEG_PROBES if format == JPEG else quality.PROBES
    return quality.choose(opaque, output.quality, trial, probes)


def _options(frame: Image.Image, format: Format, output: Output, chosen: int | None) -> dict[str, Any]:
    """What to ask of Pillow's writer for one frame."""
    pixels = frame.width * frame.height
    if format == JPEG:
        return _jpeg_options(output, chosen or quality.DEFAULT)
    if format == PNG:
        return {"compress_level": _pick(_PNG_LEVELS, pixels)}
    if format == TIFF:
        return {"compression": "tiff_lzw" if "tiff8_lzw" in output.flags else "tiff_adobe_deflate"}
    if format == WEBP:
        return _webp_options(chosen or quality.DEFAULT)
    if format == AVIF:
        return _avif_options(output, chosen or quality.DEFAULT, pixels)
    return {}


def _jpeg_options(output: Output, chosen: int) -> dict[str, Any]:
    """Optimised Huffman tables. Pillow knows one way to be progressive: `semi` and `steep` are that one."""
    progressive = {"progressive", "progressive:semi", "progressive:steep"} & output.flags
    return {
        "quality": chosen,
        "optimize": True,
        "progressive": bool(progressive),
        "subsampling": 0 if _is_full_color(output, chosen) else 2,
    }


def _webp_options(chosen: int) -> dict[str, Any]:
    if chosen >= _LOSSLESS_FROM:
        return dict(_WEBP_LOSSLESS)
    return {"quality": quality.native(WEBP, chosen), "method": _WEBP_METHOD}


def _avif_options(output: Output, chosen: int, pixels: int) -> dict[str, Any]:
    return {
        "quality": quality.native(AVIF, chosen),
        "speed": _pick(_AVIF_SPEEDS, pixels),
        "subsampling": "4:4:4" if _is_full_color(output, chosen) else "4:2:0",
        "max_threads": 1,
    }


def _is_full_color(output: Output, chosen: int) -> bool:
    chroma = output.quality.chroma if output.quality else None
    return chroma == "444" or (chroma is None and chosen >= _FULL_COLOR_FROM)


def _pick(steps: tuple[tuple[int, int], ...], pixels: int) -> int:
    """The value of the first step that goes up to so many pixels, else of the last."""
    return next((value for most, value in steps if pixels <= most), steps[-1][1])


def _reduce_colors(frame: Image.Image, output: Output) -> Image.Image:
    """A palette where one was asked for, or where it is exact and so smaller for nothing."""
    if {"png24", "png32"} & output.flags:
        return frame.convert("RGBA") if "png32" in output.flags else frame
    if _PALETTE_FLAGS & output.flags:
        return quantization.quantize(frame)
    colors = quantization.find_colors([frame], quantization.MOST)
    if colors is not None:
        return quantization.apply_exactly(frame, colors)
    if output.quality and output.quality.auto and "any_format" in output.flags:
        reduced = quantization.quantize(frame)
        changed, original = (_flatten(each.convert("RGBA"), WHITE) for each in (reduced, frame))
        return reduced if quality.satisfies(changed, original, output.quality) else frame
    return frame


def _is_drawing(frames: list[Image.Image]) -> bool:
    """Few colours: without loss such pictures are often much smaller."""
    return quantization.find_colors(frames, quantization.MOST) is not None


def _encode_moving(picture: Picture, frames: list[Image.Image], format: Format, output: Output) -> Encoded:
    durations = [*picture.durations, *[0] * len(frames)][: len(frames)]
    if output.delay is not None:
        durations = [output.delay] * len(frames)
    if format == GIF:
        data = gif.write(frames, durations, picture.loop, lossy="lossy" in output.flags)
        return Encoded(data, None, len(frames))
    if len({frame.mode for frame in frames}) > 1:
        frames = [frame.convert("RGBA") for frame in frames]
    chosen = _choose_quality(frames[0], format, output)
    pixels = picture.width * picture.height * len(frames)
    if format == WEBP and _is_drawing(frames):
        options: dict[str, Any] = dict(_WEBP_DRAWING)
    elif format == AVIF:
        options = _avif_options(output, chosen or quality.DEFAULT, pixels)
    else:
        options = _options(frames[0], format, output, chosen)
    if format in _LONGEST_FRAME:
        durations = _fit_durations(frames, durations, _LONGEST_FRAME[format])
    options |= {"save_all": True, "append_images": frames[1:], "duration": durations}
    options["loop"] = min(picture.loop, _MOST_PLAYS)
    return Encoded(_save(frames[0], format, options), chosen, len(frames))


def _fit_durations(frames: list[Image.Image], durations: list[int], most: int) -> list[int]:
    """Durations that a format has room for; alike frames in a row, which become one, count together."""
    if sum(durations) <= most:
        return durations
    fitted: list[int] = []
    run = 0
    for number, (frame, duration) in enumerate(zip(frames, durations, strict=True)):
        alike = number > 0 and frame.tobytes() == frames[number - 1].tobytes()
        run = run if alike else 0
        fitted.append(min(duration, most - run))
        run += fitted[-1]
    return fitted


def _save(frame: Image.Image, format: Format, options: dict[str, Any]) -> bytes:
    written = io.BytesIO()
    try:
        frame.save(written, format.pillow, **options)
    except (RuntimeError, ValueError) as error:
        # The size was checked, so what libavif and libwebp still fail for is memory.
        raise MemoryError(str(error)) from error
    except OSError:
        if format != JPEG:
            raise
        # Pillow makes room for a byte a pixel when tables are to be optimised, and noise takes more.
        written = io.BytesIO()
        frame.save(written, format.pillow, **{**options, "optimize": False, "progressive": False})
    return written.getvalue()

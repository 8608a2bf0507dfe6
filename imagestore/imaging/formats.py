"""The one table of picture formats: which of them some bytes are, and which of them a client is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TypedDict

from imagestore.core.errors import UnsupportedFormat
from imagestore.core.transformation.model import Output


@dataclass(frozen=True, slots=True)
class Format:
    """One accepted format. `extensions` have no dot, the usual one first; `pillow` is Pillow's name."""

    name: str
    media_type: str
    extensions: tuple[str, ...]
    pillow: str


JPEG = Format("jpeg", "image/jpeg", ("jpg", "jpeg", "jpe", "jfif"), "JPEG")
PNG = Format("png", "image/png", ("png", "apng"), "PNG")
GIF = Format("gif", "image/gif", ("gif",), "GIF")
WEBP = Format("webp", "image/webp", ("webp",), "WEBP")
AVIF = Format("avif", "image/avif", ("avif",), "AVIF")
TIFF = Format("tiff", "image/tiff", ("tif", "tiff"), "TIFF")
BMP = Format("bmp", "image/bmp", ("bmp", "dib"), "BMP")

FORMATS = (JPEG, PNG, GIF, WEBP, AVIF, TIFF, BMP)

_BY_NAME = {each.name: each for each in FORMATS}
_BY_EXTENSION = {extension: each for each in FORMATS for extension in each.extensions}
_ACCEPTED = "JPEG, PNG, GIF, WebP, AVIF, TIFF and BMP"

# First bytes as the formats' own specifications give them.
_SIGNATURES = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
)
_BMP_HEADER_SIZES = frozenset({12, 16, 40, 52, 56, 64, 108, 124})

_FOREIGN_SIGNATURES = (
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "PostScript"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"II+\0", "a BigTIFF"),
    (b"MM\0+", "a BigTIFF"),
    (b"IIU\0", "a camera raw file"),
    (b"IIRO", "a camera raw file"),
    (b"FUJIFILM", "a camera raw file"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"icns", "an Apple icon"),
    (b"SIMPLE", "FITS"),
    (b"DDS ", "a DirectDraw surface"),
    (b"gimp xcf", "a GIMP document"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"FLV", "a Flash video"),
    (b"OggS", "Ogg audio or video"),
    (b"ID3", "an MP3 recording"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
)
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


class _Situation(TypedDict):
    has_alpha: bool
    animated: bool
    original: str
    pixels: int


_ANIMATED = frozenset({GIF, WEBP, PNG, AVIF})
_ANIMATION_FLAGS = {WEBP: "awebp", PNG: "apng"}
_ANIMATED_PNG = "image/apng"
"""By this name browsers tell that they play an animated PNG, which else is image/png as any other."""

AVIF_PIXELS = 24_000_000
"""More take its encoder more than the gigabyte of a decoder process."""

_SITUATIONS: tuple[_Situation, ...] = (
    *(
        _Situation(has_alpha=has_alpha, animated=False, original=original, pixels=pixels)
        for pixels in (0, AVIF_PIXELS + 1)
        for has_alpha, original in ((False, JPEG.name), (False, GIF.name), (True, PNG.name))
    ),
    _Situation(has_alpha=False, animated=True, original=GIF.name, pixels=0),
    _Situation(has_alpha=False, animated=True, original=PNG.name, pixels=0),
)
"""One of each kind that `negotiate` tells apart."""

_ACCEPT_LENGTH = 2_000
"""What is read of an `Accept` header: browsers send less than 200."""

_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')

_NAMES_SVG = re.compile(rb"<svg[\s>]|<!doctype svg", re.IGNORECASE)
_NAMES_HTML = re.compile(rb"<!doctype html|<(?:html|head|body|script|iframe)[\s>/]", re.IGNORECASE)


def sniff(head: bytes) -> Format:
    """The format that the first bytes of a file show; a name or a media type is never asked.

    32 bytes decide; a few hundred more make the message better. Raises UnsupportedFormat for everything
    that is not in the table, and says what it looks like.
    """
    for signature, format in _SIGNATURES:
        if head.startswith(signature):
            return format
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if _AVIF_BRANDS & _brands(head):
        return AVIF
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return BMP
    raise UnsupportedFormat(f"The file {_likeness(head)}: send {_ACCEPTED} only.")


def by_name(name: str) -> Format:
    """The format called `name` in this table, such as "jpeg". Raises UnsupportedFormat."""
    if name not in _BY_NAME:
        raise UnsupportedFormat(f"{name[:40]!r} is not a format of this service: use {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def by_extension(extension: str) -> Format | None:
    """The format that goes with a file name's extension, with or without its dot, in any case."""
    return _BY_EXTENSION.get(extension.removeprefix(".").lower())


def media_type(name: str) -> str:
    """The media type of the format called `name` (IANA). Raises UnsupportedFormat."""
    return by_name(name).media_type


def animates(format: Format, output: Output, original: Format) -> bool:
    """Whether a picture that moves still moves when it is sent in `format`.

    A GIF always does, any format does where it is the original's own or was negotiated (`f_auto`), others do
    with `fl_animated`, or `fl_awebp` or `fl_apng` for theirs. One page that is asked for by `pg_` never does.
    """
    if format not in _ANIMATED or output.page is not None:
        return False
    asked = {"animated", _ANIMATION_FLAGS.get(format)} & output.flags
    return bool(asked) or format in (GIF, original) or output.format == "auto"


def negotiate(
    accept: str,
    *,
    has_alpha: bool,
    animated: bool,
    original: str,
    pixels: int = 0,
    flags: frozenset[str] = frozenset(),
) -> Format:
    """The format for a picture that a client with that `Accept` header is sent (`f_auto`).

    AVIF, then WebP, if the header names it: many a `*/*` comes from one that cannot show them. Else JPEG, or
    PNG for a picture with transparency and for one whose original is a GIF. For what moves WebP, then GIF. A
    client's own weights (RFC 9110, section 12.5.1) come before this order, and one that takes nothing of all
    that is sent the last resort. With `fl_preserve_transparency` what is transparent is a PNG. `pixels` is
    how many the answer has, if that is known: AVIF cannot hold all that others can.
    """
    if has_alpha and not animated and "preserve_transparency" in flags:
        return PNG
    ranges = _parse_accept(accept)
    chosen, heaviest = None, 0.0
    for format, media_type in _by_name_only(animated, original, pixels):
        weight = ranges.get(media_type, 0.0)
        if weight > heaviest:
            chosen, heaviest = format, weight
    resorts = _last_resorts(has_alpha, animated, original)
    for format in resorts:
        weight = _weight(ranges, format.media_type)
        if weight:
            # Between these the picture decides: a browser that weighs PNG above `image/*` is not served by
            # a photo in PNG.
            return format if chosen is None or weight > heaviest else chosen
    return chosen or resorts[0]


@lru_cache(maxsize=1024)
def accept_class(accept: str) -> str:
    """A short name for all `Accept` headers that get the same answers from `negotiate`, for caches' keys."""
    return ".".join(negotiate(accept, **situation).name for situation in _SITUATIONS)


def _by_name_only(animated: bool, original: str, pixels: int) -> tuple[tuple[Format, str], ...]:
    """Formats that a client must name, and the media types that they go by, the better ones first."""
    if not animated:
        avif = ((AVIF, AVIF.media_type),) if pixels <= AVIF_PIXELS else ()
        return (*avif, (WEBP, WEBP.media_type))
    moving_png = ((PNG, _ANIMATED_PNG),) if original == PNG.name else ()
    return ((WEBP, WEBP.media_type), *moving_png)


def _last_resorts(has_alpha: bool, animated: bool, original: str) -> tuple[Format, ...]:
    if animated:
        return (GIF,)
    if has_alpha:
        return (PNG,)
    return (PNG, JPEG) if original == GIF.name else (JPEG, PNG)


def _parse_accept(accept: str) -> dict[str, float]:
    """Media range → weight; nothing said is everything taken.

    Parameters of a media type are passed over. A weight that is none counts as 0: who sends it means less
    than 1, and a broken header is no proof of anything.
    """
    ranges: dict[str, float] = {}
    for element in _QUOTED.sub("", accept[:_ACCEPT_LENGTH]).split(","):
        name, *parameters = (part.strip() for part in element.lower().split(";"))
        if "/" not in name:
            continue
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                weight = float(value) if _QVALUE.fullmatch(value.strip()) else 0.0
        ranges[name] = max(weight, ranges.get(name, 0.0))
    return ranges or {"*/*": 1.0}


def _weight(ranges: dict[str, float], media_type: str) -> float:
    """The most specific range that a media type falls under decides."""
    kind = media_type.partition("/")[0]
    for range in (media_type, f"{kind}/*", "*/*"):
        if range in ranges:
            return ranges[range]
    return 0.0


def _brands(head: bytes) -> set[bytes]:
    """Major and compatible brands of an ISO base media file (ISO/IEC 14496-12, 4.3); none for other files."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head), 256)
    return {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}


def _likeness(head: bytes) -> str:
    """What a refused file looks like, to go behind "The file"."""
    if not head:
        return "is empty"
    for signature, name in _FOREIGN_SIGNATURES:
        if head.startswith(signature):
            return f"looks like {name}"
    if head[:4] == b"RIFF":
        return "looks like AVI video or WAV sound"
    if brands := _brands(head):
        return "looks like HEIC" if brands & _HEIF_BRANDS else "looks like an MP4 or QuickTime video"
    if _NAMES_SVG.search(head):
        return "looks like SVG"
    if _NAMES_HTML.search(head):
        return "looks like HTML"
    return "looks like text" if _is_text(head) else "is in no format that is known here"


def _is_text(head: bytes) -> bool:
    plain = sum(32 <= byte < 127 or byte >= 0xC2 or byte in b"\t\n\r" for byte in head)
    return plain > 0.95 * len(head)

"""The proof that a file is a whole picture: every frame decoded, and the facts noted on the way."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
    features,
)

from imagestore.core.errors import CorruptImage, DecodeTimeout, ImageLimitExceeded
from imagestore.core.image import Facts
from imagestore.imaging.formats import JPEG, PNG, Format
from imagestore.imaging.limits import Limits, Outline

PLUGINS = (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
"""Imported here so that a decoder process, which may open few files, has no import left to do."""

_LIBRARIES = {
    "jpeg": ("libjpeg_turbo", "jpg"),
    "png": ("zlib",),
    "gif": (),
    "webp": ("webp",),
    "avif": ("avif",),
    "tiff": ("libtiff",),
    "bmp": (),
}
"""Format → what Pillow's features call the library that decodes it, the better one first; none is needed for
those that Pillow decodes itself."""

SCAN_BYTES = 64 * 1024
"""How much of a scan is decoded that no decoder would refuse: some rows, by which its tables are used."""

_END_OF_IMAGE = b"\xff\xd9"
_SIDEWAYS = (5, 6, 7, 8)
_XMP_GPS = b"GPSLatitude"


def abilities() -> dict[str, str]:
    """The formats that this Pillow can decode, with what does so and its version, empty for Pillow itself."""
    able = {}
    for format, libraries in _LIBRARIES.items():
        present = [each for each in libraries if features.check(each)]
        if present or not libraries:
            able[format] = f"{present[0]} {features.version(present[0])}" if present else ""
    return able


def set_up(limits: Limits) -> None:
    """Prepare this process for decoding what strangers send; once, before the first picture."""
    Image.MAX_IMAGE_PIXELS = limits.pixels
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    # A process has one picture at a time, and the limits on its CPU time and memory count every thread.
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1


def verify(file: IO[bytes], size: int, format: Format, outline: Outline, limits: Limits) -> Facts:
    """Decode every frame of `file`, a picture of `size` bytes, and say what it is.

    `outline` is what the file's structure showed; a decoder that sees more than that is not trusted. A JPEG
    is decoded at an eighth of its size and without colour, and only as far as that can tell anything. Raises
    CorruptImage for whatever goes wrong in the decoding, ImageLimitExceeded for what is too large, and
    DecodeTimeout when the memory does not suffice.
    """
    if outline.scan is not None:
        file = _cut_scan(file, outline.scan)
    with decoding(format), Image.open(file, formats=[format.pillow]) as picture:
        _check_outline(picture, format, outline)
        _check_metadata(picture, limits)
        width, height = picture.size
        # Reading a PNG's EXIF decodes it first; a TIFF's is gone once it is decoded.
        orientation, has_gps = _read_exif(picture) if format != PNG else (1, False)
        has_alpha = _decode(picture, format, outline)
        if format == PNG:
            orientation, has_gps = _read_exif(picture)
            _check_metadata(picture, limits)
    if orientation in _SIDEWAYS and (width, height) == (outline.width, outline.height):
        width, height = height, width
    return Facts(
        bytes=size,
        width=width,
        height=height,
        format=format.name,
        frames=outline.frames,
        orientation=orientation,
        has_alpha=has_alpha,
        has_gps=has_gps,
    )


def _cut_scan(file: IO[bytes], scan: int) -> IO[bytes]:
    """The JPEG as far as its decoder can refuse it: its tables, the frame, and SCAN_BYTES of its only scan.

    Behind the tables nothing is checked by the format: whatever a sequential scan holds is some picture. All
    that makes a decoder give up there is a marker that no JPEG has, or the end, and the walk through the
    structure has seen that there is neither.
    """
    data = file.read(scan + SCAN_BYTES)
    return io.BytesIO(data if data.endswith(_END_OF_IMAGE) else data + _END_OF_IMAGE)


@contextmanager
def decoding(format: Format) -> Iterator[None]:
    """Turns what Pillow raises into our errors: on hostile files that is nearly every built-in exception."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (CorruptImage, ImageLimitExceeded):
        raise
    except MemoryError:
        raise DecodeTimeout(
            "The picture took more memory to decode than is allowed: make it smaller."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageLimitExceeded(f"The picture is too large to be decoded: {error}") from None
    except UnidentifiedImageError:
        # Its own message is about our file object.
        raise CorruptImage(f"The {format.name} file has a broken header: save it again.") from None
    except Exception as error:  # noqa: BLE001 - only the decode of a stranger's bytes runs under this
        raise CorruptImage(
            f"The {format.name} file cannot be decoded, so it is damaged or cut short: {str(error)[:200]}"
        ) from None


def _check_outline(picture: Image.Image, format: Format, outline: Outline) -> None:
    frames = 1 if format == JPEG else getattr(picture, "n_frames", 1)
    if picture.width * picture.height > outline.width * outline.height or frames > outline.frames:
        raise CorruptImage(
            f"The {format.name} file shows {picture.width} × {picture.height} pixels in {frames} frames "
            f"where its structure says {outline.width} × {outline.height} in {outline.frames}: save it again."
        )


def _check_metadata(picture: Image.Image, limits: Limits) -> None:
    """What is inflated or gathered from several blocks is measured again, where it would be used."""
    for entry, limit in (("icc_profile", limits.icc), ("exif", limits.exif), ("xmp", limits.xmp)):
        value = picture.info.get(entry)
        if isinstance(value, bytes) and len(value) > limit:
            raise ImageLimitExceeded(
                f"The picture's {entry} has {len(value)} bytes, where {limit} are allowed: save it without."
            )


def _decode(picture: Image.Image, format: Format, outline: Outline) -> bool:
    """Decode all there is; says whether anything in it can be transparent."""
    if format == JPEG:
        picture.draft("L", (1, 1))
        picture.load()
        return False
    has_alpha = False
    for frame in range(outline.frames):
        # EOFError from here is a frame that was promised and is not there.
        picture.seek(frame)
        picture.load()
        has_alpha = has_alpha or picture.has_transparency_data
    return has_alpha


def read_orientation(picture: Image.Image) -> int:
    """EXIF orientation, 1 to 8. A PNG is decoded for it, unless it comes before the pixels."""
    return _read_exif(picture)[0]


def _read_exif(picture: Image.Image) -> tuple[int, bool]:
    """EXIF orientation, 1 to 8, and whether a position is told: in EXIF or in XMP.

    EXIF that cannot be read spoils no picture; it counts as telling one, since it may.
    """
    xmp = picture.info.get("xmp", b"")
    in_xmp = _XMP_GPS in (xmp if isinstance(xmp, bytes) else str(xmp).encode("utf-8", "replace"))
    try:
        exif = picture.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        has_gps = in_xmp or ExifTags.IFD.GPSInfo in exif
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - cameras write broken EXIF, and Pillow raises anything on it
        return 1, True
    return (orientation if orientation in range(1, 9) else 1), has_gps

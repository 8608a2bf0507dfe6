"""Metadata of an original that a rendition keeps where that is asked for; never where it was taken."""

from __future__ import annotations

import io
import re
import struct
import warnings
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from imagestore.imaging.engine.verification import decoding
from imagestore.imaging.formats import AVIF, JPEG, PNG, TIFF, WEBP, Format

KEEP_ALL, KEEP_ATTRIBUTION, WITH_PROFILE = "keep_iptc", "keep_attribution", "force_icc"

_SEGMENT = 65_000
"""What a segment of a JPEG takes; metadata that are larger are left out."""

_ATTRIBUTION = (ExifTags.Base.Artist, ExifTags.Base.Copyright)
_EXIF_KEPT = frozenset(
    {
        # Of the first directory only what tells of the picture. The rest tells how a file is laid out.
        *(*_ATTRIBUTION, ExifTags.Base.ImageDescription, ExifTags.Base.Make, ExifTags.Base.Model),
        *(ExifTags.Base.Software, ExifTags.Base.DateTime, ExifTags.Base.HostComputer, ExifTags.Base.Rating),
    }
)
_DETAILS_DROPPED = frozenset(
    {
        # Sizes are others by now; makers' notes and users' comments may be anything, a position too.
        *(ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight, ExifTags.IFD.Interop),
        *(ExifTags.Base.MakerNote, ExifTags.Base.UserComment, ExifTags.Base.SubjectLocation),
    }
)
_DATE = range(24, 36)
"""Where a profile has the time of its making (ICC.1, 7.2.1)."""

_IPTC_RESOURCE = 0x0404
_BY_LINE, _CREDIT, _SOURCE, _COPYRIGHT, _CONTACT = 80, 110, 115, 116, 118
_IPTC_ATTRIBUTION = frozenset({_BY_LINE, 85, _CREDIT, _SOURCE, _COPYRIGHT, _CONTACT})
"""Datasets of the second record (IPTC IIM 4.2); 85 is the by-line's title."""

_XMP_WITH_PLACE = re.compile(rb"gps|latitude|longitude|geotag|geohash", re.IGNORECASE)
_PNG_XMP = "XML:com.adobe.xmp"


@dataclass(frozen=True, slots=True)
class Metadata:
    """Blocks as they go into a file: EXIF, XMP, IPTC datasets, ICC profile; empty where there is none."""

    exif: bytes = b""
    xmp: bytes = b""
    iptc: bytes = b""
    profile: bytes = b""

    def options(self, format: Format) -> dict[str, Any]:
        """What to tell Pillow's writer of that format; blocks that it has no place for are left out."""
        options: dict[str, Any] = {}
        if self.profile and format in (JPEG, PNG, WEBP, AVIF, TIFF):
            options["icc_profile"] = self.profile
        if self.exif and format in (JPEG, PNG, WEBP, AVIF):
            options["exif"] = self.exif
        if self.exif and format == TIFF:
            options["exif"] = _first_directory(self.exif)
        if self.xmp and format in (JPEG, WEBP, AVIF):
            options["xmp"] = self.xmp
        if self.xmp and format == PNG:
            options["pnginfo"] = PngImagePlugin.PngInfo()
            options["pnginfo"].add_itxt(_PNG_XMP, self.xmp.decode("utf-8", "replace"))
        if self.iptc and format == JPEG:
            options["extra"] = _wrap_iptc(self.iptc)
        return options


NOTHING = Metadata()


def read_file(data: bytes | Path, format: Format, flags: frozenset[str]) -> Metadata:
    """What `read` finds in an original. It is opened only if anything of it is to be kept."""
    if not {KEEP_ALL, KEEP_ATTRIBUTION, WITH_PROFILE} & flags:
        return NOTHING
    source = io.BytesIO(data) if isinstance(data, bytes) else data
    with decoding(format), Image.open(source, formats=[format.pillow]) as image:
        return read(image, flags)


def read(image: Image.Image, flags: frozenset[str]) -> Metadata:
    """What of an opened original's metadata its renditions keep, as the flags of the output say.

    `keep_iptc` keeps all but places, sizes, makers' notes and thumbnails; `keep_attribution` what tells whose
    the picture is; `force_icc` adds the profile of sRGB, in which every rendition is. Without them there is
    nothing. Blocks that cannot be read are left out: they are no reason to withhold a picture.
    """
    profile = _srgb() if WITH_PROFILE in flags else b""
    if not {KEEP_ALL, KEEP_ATTRIBUTION} & flags:
        return Metadata(profile=profile)
    whole = KEEP_ALL in flags
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            iptc = _read_iptc(image, whole)
            exif = _read_exif(image, whole, iptc)
            xmp = _read_xmp(image) if whole else b""
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - cameras write broken EXIF, and Pillow raises anything on it
        return Metadata(profile=profile)
    return Metadata(exif, xmp, iptc, profile)


@cache
def _srgb() -> bytes:
    """With its date left out: the same picture is to have the same bytes tomorrow."""
    written = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return written[: _DATE.start] + bytes(len(_DATE)) + written[_DATE.stop :]


def _read_exif(image: Image.Image, whole: bool, iptc: bytes) -> bytes:
    """EXIF made anew, with the attribution of the IPTC datasets where it has none of its own."""
    original, made = image.getexif(), Image.Exif()
    for tag, value in original.items():
        if tag in (_EXIF_KEPT if whole else _ATTRIBUTION):
            made[tag] = value
    if whole:
        details = original.get_ifd(ExifTags.IFD.Exif)
        made.get_ifd(ExifTags.IFD.Exif).update(
            {tag: value for tag, value in details.items() if tag not in _DETAILS_DROPPED}
        )
    datasets = dict(_split_iptc(iptc))
    for tag, number in zip(_ATTRIBUTION, (_BY_LINE, _COPYRIGHT), strict=True):
        if tag not in made and number in datasets:
            made[tag] = datasets[number].decode("utf-8", "replace")
    if not list(made.items()) and not made.get_ifd(ExifTags.IFD.Exif):
        return b""
    written: bytes = made.tobytes()
    return written if len(written) <= _SEGMENT else b""


def _first_directory(exif: bytes) -> Image.Exif:
    """Its texts alone: Pillow cannot write a directory within a compressed TIFF."""
    whole, texts = Image.Exif(), Image.Exif()
    whole.load(exif)
    for tag, value in whole.items():
        if isinstance(value, str):
            texts[tag] = value
    return texts


def _read_xmp(image: Image.Image) -> bytes:
    """The packet, unless it names a place: which part of it does is a matter of too many schemas."""
    packet = image.info.get("xmp", b"")
    packet = packet if isinstance(packet, bytes) else str(packet).encode()
    return b"" if _XMP_WITH_PLACE.search(packet) or len(packet) > _SEGMENT else packet


def _read_iptc(image: Image.Image, whole: bool) -> bytes:
    """The datasets of a JPEG's Photoshop block, as they stand there, without those that name a place."""
    resources = image.info.get("photoshop")
    data = resources.get(_IPTC_RESOURCE, b"") if isinstance(resources, dict) else b""
    kept = b"".join(
        struct.pack(">BBBH", 0x1C, 2, number, len(value)) + value
        for number, value in _split_iptc(data)
        if number in _IPTC_ATTRIBUTION or (whole and number not in _IPTC_PLACES)
    )
    return kept if len(kept) <= _SEGMENT else b""


_IPTC_PLACES = frozenset({26, 27, 90, 92, 95, 100, 101})
"""Content location, city, sublocation, state and country."""


def _split_iptc(data: bytes) -> list[tuple[int, bytes]]:
    """Number and value of each dataset of the second record, up to what is no dataset."""
    found, at = [], 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, length = struct.unpack_from(">BBH", data, at + 1)
        at += 5 + length
        if length >= 0x8000 or at > len(data):
            break
        if record == 2:
            found.append((number, data[at - length : at]))
    return found


def _wrap_iptc(datasets: bytes) -> bytes:
    """A JPEG's segment of application data 13 that holds them."""
    resource = struct.pack(">4sHHI", b"8BIM", _IPTC_RESOURCE, 0, len(datasets)) + datasets
    body = b"Photoshop 3.0\0" + resource + b"\0" * (len(datasets) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body

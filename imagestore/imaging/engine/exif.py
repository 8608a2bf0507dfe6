"""What a camera noted in a picture, as plain values."""

from __future__ import annotations

import math
import re
import warnings
from typing import Any

from PIL import ExifTags, Image

_TEXT_LENGTH = 500
_FIRST = {
    "make": ExifTags.Base.Make,
    "model": ExifTags.Base.Model,
    "software": ExifTags.Base.Software,
    "artist": ExifTags.Base.Artist,
    "copyright": ExifTags.Base.Copyright,
    "description": ExifTags.Base.ImageDescription,
    "orientation": ExifTags.Base.Orientation,
}
_DETAILS = {
    "lens": ExifTags.Base.LensModel,
    "exposure_time": ExifTags.Base.ExposureTime,
    "aperture": ExifTags.Base.FNumber,
    "iso": ExifTags.Base.ISOSpeedRatings,
    "focal_length": ExifTags.Base.FocalLength,
    "focal_length_35mm": ExifTags.Base.FocalLengthIn35mmFilm,
    "exposure_bias": ExifTags.Base.ExposureBiasValue,
    "flash": ExifTags.Base.Flash,
}
_TAKEN = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
)
_DATE = re.compile(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)")
_OFFSET = re.compile(r"[+-]\d\d:\d\d")


def read_out(image: Image.Image) -> dict[str, Any]:
    """Camera, exposure, date and rights of an opened picture: texts and numbers, only those that are known.

    Never a place. Times are in seconds, lengths in millimetres; `taken` is ISO 8601, with an offset from UTC
    if the camera knew it; `flash` says whether it fired. EXIF that cannot be read is as good as none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            first = dict(image.getexif())
            details = dict(image.getexif().get_ifd(ExifTags.IFD.Exif))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - cameras write broken EXIF, and Pillow raises anything on it
        return {}
    found = {name: _plain(first.get(tag)) for name, tag in _FIRST.items()}
    found |= {name: _plain(details.get(tag)) for name, tag in _DETAILS.items()}
    if isinstance(found["flash"], int):
        found["flash"] = bool(found["flash"] & 1)
    found["taken"] = _find_date(details)
    return {name: value for name, value in found.items() if value is not None}


def read_place(image: Image.Image) -> dict[str, float]:
    """Where it was taken: `latitude` and `longitude` in degrees, `altitude` in metres, as far as is known."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            noted = dict(image.getexif().get_ifd(ExifTags.IFD.GPSInfo))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - as above
        return {}
    latitude = _degrees(noted.get(ExifTags.GPS.GPSLatitude), noted.get(ExifTags.GPS.GPSLatitudeRef), 90)
    longitude = _degrees(noted.get(ExifTags.GPS.GPSLongitude), noted.get(ExifTags.GPS.GPSLongitudeRef), 180)
    if latitude is None or longitude is None:
        return {}
    place = {"latitude": latitude, "longitude": longitude}
    altitude = _plain(noted.get(ExifTags.GPS.GPSAltitude))
    if isinstance(altitude, int | float):
        place["altitude"] = -altitude if noted.get(ExifTags.GPS.GPSAltitudeRef) in (1, b"\1") else altitude
    return place


def _plain(value: object) -> str | int | float | None:
    """A text without what does not print, or a finite number; of several the first; None for all else."""
    if isinstance(value, tuple | list):
        value = value[0] if value else None
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        text = "".join(each for each in value if each.isprintable()).strip()
        return text[:_TEXT_LENGTH] or None
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # rationals are numbers, and say so
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else round(number, 6)


def _find_date(details: dict[int, Any]) -> str | None:
    for tag, offset_tag in _TAKEN:
        date = _DATE.match(str(_plain(details.get(tag)) or ""))
        if date and int(date[1]) and 1 <= int(date[2]) <= 12 and 1 <= int(date[3]) <= 31:
            offset = _OFFSET.fullmatch(str(_plain(details.get(offset_tag)) or ""))
            return f"{date[1]}-{date[2]}-{date[3]}T{date[4]}:{date[5]}:{date[6]}{offset[0] if offset else ''}"
    return None


def _degrees(parts: object, reference: object, most: int) -> float | None:
    if not isinstance(parts, tuple) or len(parts) != 3:
        return None
    numbers = [_plain(each) for each in parts]
    if not all(isinstance(each, int | float) for each in numbers):
        return None
    degrees, minutes, seconds = (float(each or 0) for each in numbers)
    value = degrees + minutes / 60 + seconds / 3600
    return None if value > most else round(-value if _plain(reference) in ("S", "W") else value, 7)

"""Colours: every mode that a decoder gives made RGB or RGBA, 8 bits, sRGB."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

_SRGB = ImageCms.createProfile("sRGB")
_SPACES = {"RGB": "RGB ", "RGBA": "RGB ", "L": "GRAY", "LA": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""Mode → the colour space that a profile for it has (ICC.1, 7.2.6)."""

_OPAQUE = {"RGBA": "RGB", "LA": "L"}

_WIDE = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_SIXTEEN_BITS = 65_535


def expand(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be resampled: L, RGB, CMYK or LAB, or one of the first two with alpha.

    Palettes become what they stand for, 16 bits become 8, a transparent colour becomes alpha.
    """
    if image.mode in _WIDE:
        image = _narrow(image)
    if image.mode in ("RGBA", "LA"):
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture as RGB or RGBA in sRGB: by its profile, if that is one for its mode, else as is usual.

    A profile that is broken says nothing of the colours, and a picture without one is taken for sRGB.
    """
    mode = "RGBA" if image.mode in ("RGBA", "LA") else "RGB"
    transform = _transform_to_srgb(profile or b"", image.mode)
    if transform is None:
        return image if image.mode == mode else image.convert(mode)
    plain = ImageCms.applyTransform(image.convert(_OPAQUE.get(image.mode, image.mode)), transform)
    assert plain is not None  # it is not done in place
    if mode == "RGBA":
        plain.putalpha(image.getchannel("A"))
    return plain


@lru_cache(maxsize=4)
def _transform_to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From colours of `mode` under that profile, None where they are sRGB's already. Kept, since making one
    takes longer than using it, and the photos of a phone all have the same."""
    source = _open_profile(profile, mode) if profile else None
    if mode == "LAB":
        source = source or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if source is None:
        return None
    try:
        return ImageCms.buildTransform(
            source,
            _SRGB,
            _OPAQUE.get(mode, mode),
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, ValueError):
        return None


def drop_opaque_alpha(image: Image.Image) -> Image.Image:
    """RGB where nothing is transparent: there is no alpha then to be premultiplied, kept or encoded."""
    if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
        return image.convert("RGB")
    return image


def _narrow(image: Image.Image) -> Image.Image:
    """Greys of 16 bits and more as 8: the upper ones of 16; of more, the range that the picture uses."""
    values = np.asarray(image).astype(np.float32)
    transparent = image.info.get("transparency")
    if image.mode.startswith("I;16") or (image.mode == "I" and 255 < values.max() <= _SIXTEEN_BITS):
        values = values * (255 / _SIXTEEN_BITS)
    elif values.size and (values.max() > 255 or values.min() < 0 or image.mode == "F"):
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        values = (values - low) * (255 / (high - low if high > low else 1))
    grey = Image.fromarray(np.nan_to_num(values + 0.5).clip(0, 255).astype(np.uint8))
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == transparent, 0, 255).astype(np.uint8)))
    return grey


def _open_profile(data: bytes, mode: str) -> ImageCms.ImageCmsProfile | None:
    """The profile, if it can be read, is one for pictures of that mode, and is not sRGB already."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        space = profile.profile.xcolor_space
        name = profile.profile.profile_description or ""
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None
    if space != _SPACES.get(mode) or name.startswith(("sRGB", "c2", "uRGB")):
        return None
    return profile

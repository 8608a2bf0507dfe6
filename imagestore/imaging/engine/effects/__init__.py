"""Effects: one table from the name that `e_` takes to the function that does it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from PIL import Image

from imagestore.core.transformation.model import Effect
from imagestore.imaging.engine.effects import art, artistic, blur, color, edges, fading, improve, tone
from imagestore.imaging.engine.effects.lattice import join_alpha, split_alpha
from imagestore.imaging.engine.effects.surroundings import Surroundings

__all__ = ["EFFECTS", "Surroundings", "apply"]

Change = Callable[..., Image.Image]
"""Gets the picture, its Surroundings and the effect's arguments."""


def apply(picture: Image.Image, effect: Effect, surroundings: Surroundings) -> Image.Image:
    """A new picture with `effect` on it. `picture` is RGB or RGBA, sRGB, 8 bits, and so is the result.

    What lies along edges (`shadow`, an outer `outline`) makes it larger.
    """
    return EFFECTS[effect.name](picture, surroundings, *effect.arguments)


def _on_colors(change: Change) -> Change:
    """`change` sees RGB alone; what was transparent stays so."""

    @wraps(change)
    def carry_alpha(picture: Image.Image, *rest: object) -> Image.Image:
        colors, alpha = split_alpha(picture)
        return join_alpha(change(colors, *rest), alpha)

    return carry_alpha


_COLORS: dict[str, Change] = {
    "negate": tone.negate,
    "grayscale": tone.grayscale,
    "blackwhite": tone.blackwhite,
    "brightness": tone.brightness,
    "brightness_hsb": tone.brightness_hsb,
    "contrast": tone.contrast,
    "gamma": tone.gamma,
    "red": tone.red,
    "green": tone.green,
    "blue": tone.blue,
    "fill_light": tone.fill_light,
    "sepia": color.sepia,
    "saturation": color.saturation,
    "hue": color.hue,
    "vibrance": color.vibrance,
    "colorize": color.colorize,
    "tint": color.tint,
    "replace_color": color.replace_color,
    "sharpen": blur.sharpen,
    "unsharp_mask": blur.unsharp_mask,
    "oil_paint": artistic.oil_paint,
    "cartoonify": artistic.cartoonify,
    "vignette": artistic.vignette,
    "improve": improve.improve,
    "auto_color": improve.auto_color,
    "auto_contrast": improve.auto_contrast,
    "auto_brightness": improve.auto_brightness,
    "art": art.art,
}
"""What sees RGB alone."""

EFFECTS: dict[str, Change] = {
    **{name: _on_colors(change) for name, change in _COLORS.items()},
    "blur": blur.blur,
    "pixelate": blur.pixelate,
    "blur_faces": blur.blur_faces,
    "pixelate_faces": blur.pixelate_faces,
    "blur_region": blur.blur_region,
    "pixelate_region": blur.pixelate_region,
    "shadow": edges.shadow,
    "outline": edges.outline,
    "gradient_fade": fading.gradient_fade,
    "make_transparent": fading.make_transparent,
}

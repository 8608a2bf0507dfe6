"""Art filters: each its own look, and the same for the same picture."""

import itertools

import numpy as np
import pytest

from imagestore.core.transformation.effects import ART, EFFECTS, INSTAGRAM
from imagestore.imaging.engine import effects
from imagestore.imaging.engine.effects import art, oklab
from tests.effects import effect, patches, values

pytestmark = pytest.mark.quick

NAMES = (*ART, *INSTAGRAM)


@pytest.fixture(scope="module")
def looks() -> dict[str, np.ndarray]:
    """Each look in OKLab, coarse: grain is not what makes a look."""
    made = {name: effect(f"art:{name}", patches()) for name in NAMES} | {"none": patches()}
    return {name: oklab.from_srgb(values(each.reduce(8)) / 255) for name, each in made.items()}


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """A hundredth is about as much as one sees side by side."""
    return float(np.linalg.norm(one - other, axis=-1).mean())


def test_every_name_has_its_look_and_every_effect_its_function() -> None:
    assert set(art.LOOKS) == set(NAMES)
    layers = {"multiply", "screen", "overlay", "mask", "cut_out", "displace", "anti_removal"}
    assert set(effects.EFFECTS) == set(EFFECTS) - layers - {"trim"}


def test_every_look_differs_from_every_other_and_from_the_picture(looks: dict[str, np.ndarray]) -> None:
    alike = [
        (one, other, round(distance(looks[one], looks[other]), 4))
        for one, other in itertools.combinations(looks, 2)
        if distance(looks[one], looks[other]) < 0.02
    ]
    assert alike == []


@pytest.mark.parametrize("name", NAMES)
def test_a_look_leaves_a_picture_to_be_seen(name: str) -> None:
    """It neither flattens nor drowns it: order and range of brightness stay."""
    before, after = values(patches().convert("L")), values(effect(f"art:{name}", patches()).convert("L"))
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.8
    assert after.std() > 0.45 * before.std()
    assert 40 < after.mean() < 215


@pytest.mark.parametrize("name", ["audrey", "zorro", "inkwell", "moon"])
def test_some_are_black_and_white(name: str) -> None:
    assert np.ptp(values(effect(f"art:{name}", patches())), axis=-1).mean() < 6


@pytest.mark.parametrize(
    ("name", "warmer"),
    [
        ("fes", True),
        ("sizzle", True),
        ("red_rock", True),
        ("kelvin", True),
        ("frost", False),
        ("peacock", False),
    ],
)
def test_some_are_warm_and_some_cold(name: str, warmer: bool) -> None:
    def warmth(pixels: np.ndarray) -> float:
        return float((pixels[..., 0] - pixels[..., 2]).mean())

    moved = warmth(values(effect(f"art:{name}", patches()))) - warmth(values(patches()))
    assert moved > 8 if warmer else moved < -8


def test_the_same_picture_gives_the_same_grain() -> None:
    assert effect("art:daguerre", patches()).tobytes() == effect("art:daguerre", patches()).tobytes()


@pytest.mark.parametrize(
    "name", sorted(set(effects.EFFECTS) - {"shadow", "outline", "gradient_fade", "make_transparent"})
)
def test_no_effect_changes_what_is_transparent(name: str) -> None:
    needed = {"art": ":daguerre", "replace_color": ":red"}.get(name, "")
    picture = patches()
    picture.putalpha(picture.getchannel("R").point([255 if each > 120 else 0 for each in range(256)]))
    result = effect(name + needed, picture)
    assert result.mode == "RGBA"
    assert result.size == picture.size
    if name not in ("blur", "blur_region", "pixelate", "pixelate_region"):
        assert result.getchannel("A").tobytes() == picture.getchannel("A").tobytes()


@pytest.mark.parametrize("name", sorted(effects.EFFECTS))
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2)])
def test_every_effect_takes_the_smallest_pictures(name: str, size: tuple[int, int]) -> None:
    needed = {"art": ":zorro", "replace_color": ":red"}.get(name, "")
    for picture in (patches().resize(size), patches().convert("RGBA").resize(size)):
        assert min(effect(name + needed, picture).size) >= 1


@pytest.mark.parametrize("name", sorted(set(EFFECTS) & set(effects.EFFECTS) - {"art", "tint"}))
def test_every_effect_takes_the_ends_of_its_ranges(name: str) -> None:
    for end in ("low", "high"):
        arguments = []
        for each in EFFECTS[name]:
            arguments.append(
                {"number": f"{getattr(each, end):g}", "color": "teal", "word": each.words[-1:]}[each.kind]
            )
        text = ":".join([name, *("".join(each) for each in arguments)])
        result = values(effect(text, patches().resize((64, 48)), x=5.0, y=-7.0))
        assert np.isfinite(result).all()

"""Transformations at random: valid ones, of every parameter, effect, flag and kind of node."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import get_args

from imagestore.core.transformation.effects import BLENDS, EFFECTS, Argument
from imagestore.core.transformation.features import COMPASS
from imagestore.core.transformation.flags import OUTPUT_FLAGS
from imagestore.core.transformation.model import CropMode

HOLDS = (*COMPASS, "face", "faces", "auto", "xy_center", "face:center", "custom", "auto:face")
TEXTS = ("Hello", "two%20words", "%D8%B3%D9%84%D8%A7%D9%85", "%E0%A4%B9%E0%A4%BF", "a%0Ab", "1")
STYLES = ("Arial_20", "Courier_7_bold", "Times_90_italic_underline", "x_40_letter_spacing_4_center")
COLORS = ("red", "rgb:3080f0", "rgb:ffffff80", "white", "navy")
FORMATS = ("jpg", "png", "webp", "gif", "tiff", "avif")
NO_EFFECT_OF_A_STEP = BLENDS | {"displace"}


def random_transformation(rng: random.Random, *, layers: tuple[str, ...] = (), deep: bool = True) -> str:
    """One to four nodes. `layers` are keys of images to lay over; `deep` allows layers and conditions."""
    nodes: list[str] = []
    for _ in range(rng.randint(1, 4)):
        kinds: list[Callable[[], str]] = [lambda: component(rng)] * 5
        if deep:
            kinds += [lambda: condition(rng), lambda: variable(rng), lambda: text_layer(rng)]
            kinds += [lambda: image_layer(rng, rng.choice(layers))] if layers else []
        nodes.append(rng.choice(kinds)())
    if rng.random() < 0.6:
        nodes.append(output(rng))
    return "/".join(nodes)


def component(rng: random.Random) -> str:
    makers = [sizes, places, looks, effect]
    said = dict(pair for maker in rng.sample(makers, rng.randint(1, 3)) for pair in maker(rng))
    return ",".join(f"{name}_{value}" for name, value in said.items())


def sizes(rng: random.Random) -> Iterator[tuple[str, str]]:
    yield "c", rng.choice(get_args(CropMode))
    for name in rng.choice(["w", "h", "wh", "wh"]):
        yield name, side(rng)
    if rng.random() < 0.2:
        yield "ar", rng.choice(["1:1", "16:9", "0.6", "3:7", "1.5"])
    if rng.random() < 0.2:
        yield "dpr", rng.choice(["2.0", "0.5", "auto", "3"])
    if rng.random() < 0.2:
        yield "z", rng.choice(["0.5", "1.5", "4"])
    if rng.random() < 0.6:
        yield (
            "g",
            rng.choice(HOLDS),
        )


def side(rng: random.Random) -> str:
    whole = str(rng.choice([1, 2, 3, 17, 60, 99, 300, 1000]))
    return rng.choice(
        [whole, whole, f"{rng.uniform(0.02, 1.0):.2f}", "iw_div_2", "ih_mul_0.5", "w_add_10", "1.0"]
    )


def places(rng: random.Random) -> Iterator[tuple[str, str]]:
    for name in rng.choice(["x", "y", "xy"]):
        yield name, rng.choice(["0", "5", "-20", "0.3", "-0.1", "40", "2000"])


def looks(rng: random.Random) -> Iterator[tuple[str, str]]:
    color = rng.choice(COLORS)
    radii = ["max", "5", "20:0", "1:2:3", "10:20:30:40", "9000"]
    turns = ["90", "-45", "hflip", "vflip", "auto_right", "10.vflip", "ignore", "7.5", "360"]
    choices = [
        ("r", rng.choice(radii)),
        ("a", rng.choice(turns)),
        ("bo", f"{rng.choice([1, 7, 60])}px_solid_{color}"),
        ("b", rng.choice([color, "auto", "blurred:300:15", "auto:predominant"])),
        ("o", str(rng.choice([0, 30, 100]))),
        ("co", color),
    ]
    yield from rng.sample(choices, rng.randint(1, 3))


def effect(rng: random.Random) -> Iterator[tuple[str, str]]:
    name = rng.choice(sorted(set(EFFECTS) - NO_EFFECT_OF_A_STEP))
    arguments = [value(rng, each) for each in EFFECTS[name]]
    required = sum(each.default is None for each in EFFECTS[name])
    kept = arguments[: rng.randint(required, len(arguments))]
    yield "e", ":".join([name, *kept])


def value(rng: random.Random, argument: Argument) -> str:
    if argument.kind == "number":
        low, high = int(argument.low), int(argument.high)
        return str(rng.choice([low, high, rng.randint(low, high)]))
    return rng.choice(argument.words if argument.kind == "word" else ("red", "ffffff", "rgb:102030"))


def condition(rng: random.Random) -> str:
    what = rng.choice(["w_gt_100", "h_lte_iw", "ar_gt_1.0", "fc_eq_0", "w_mul_2_lt_h_or_w_eq_h", "cp_gte_1"])
    otherwise = f"/if_else/{component(rng)}" if rng.random() < 0.5 else ""
    return f"if_{what}/{component(rng)}{otherwise}/if_end"


def variable(rng: random.Random) -> str:
    size, mode = rng.choice(["40", "0.5", "iw_div_3"]), rng.choice(["fill", "fit", "pad"])
    return f"$size_{size}/c_{mode},w_$size,h_$size"


def text_layer(rng: random.Random) -> str:
    text, style = rng.choice(TEXTS), rng.choice(STYLES)
    return f"l_text:{style}:{text},co_{rng.choice(COLORS)}/{place(rng)}"


def image_layer(rng: random.Random, key: str) -> str:
    chain = f"/{component(rng)}" if rng.random() < 0.7 else ""
    return f"{rng.choice('lu')}_{key.replace('/', ':')}{chain}/{place(rng)}"


def place(rng: random.Random) -> str:
    flags = rng.sample(["no_overflow", "relative", "tiled", "cutter"], rng.choice([0, 0, 1, 2]))
    said = [f"fl_{'.'.join(['layer_apply', *flags])}", f"g_{rng.choice([*COMPASS, 'face', 'auto'])}"]
    said += [f"{name}_{amount}" for name, amount in places(rng)]
    if rng.random() < 0.3:
        said.append(f"e_{rng.choice(['multiply', 'screen', 'overlay', 'mask', 'cut_out', 'displace'])}")
    if rng.random() < 0.3:
        said.append("o_50")
    return ",".join(said)


def output(rng: random.Random) -> str:
    said = [f"f_{rng.choice(FORMATS)}"]
    if rng.random() < 0.6:
        said.append(f"q_{rng.choice(['1', '50', '100', 'auto', 'auto:low', 'auto:best', '80:444'])}")
    if rng.random() < 0.3:
        said.append(f"fl_{rng.choice(sorted(set(OUTPUT_FLAGS) - {'getinfo'}))}")
    if rng.random() < 0.1:
        said.append("pg_1")
    return ",".join(said)

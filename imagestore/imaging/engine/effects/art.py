"""The looks that `e_art` names: Cloudinary's 21 filters, and those that photo sharing made known."""

from __future__ import annotations

from PIL import Image

from imagestore.imaging.engine.effects.looks import Look, Rim, Wash, render
from imagestore.imaging.engine.effects.surroundings import Surroundings


def art(picture: Image.Image, around: Surroundings, name: str) -> Image.Image:
    return render(picture, LOOKS[name])


_ART = {
    # Crisp and a little cool, with firm contrast.
    "al_dente": Look(
        curve=0.45, saturation=1.12, gamma=(0.98, 1.04, 1.06), lights=("fffbe6", 0.12), rim=Rim(0.3, 0.55)
    ),
    # Marble in the morning: bright, warm lights and blue shade.
    "athena": Look(
        brightness=1.08, curve=0.15, saturation=0.85, shadows=("2b4a7d", 0.28), lights=("fff0cf", 0.4)
    ),
    # A film star's portrait: silvery, soft and high in key.
    "audrey": Look(saturation=0, curve=0.3, gamma=(1.25, 1.25, 1.25), glow=0.35, white="fffdfa"),
    # Northern lights: green in the lights, violet in the dark.
    "aurora": Look(curve=0.1, saturation=1.1, shadows=("4b1d78", 0.5), lights=("b9ffdf", 0.4)),
    # A silvered plate: brown-black, faded, dark at the rim, with grain.
    "daguerre": Look(
        sepia=1,
        saturation=0.7,
        brightness=1.15,
        contrast=1.15,
        black="1d1813",
        white="efe6d3",
        glow=0.3,
        rim=Rim(0.7, 0.4, "120d08"),
        grain=4,
    ),
    # Leaves: muted, a grey green over everything.
    "eucalyptus": Look(
        saturation=0.7,
        gamma=(0.96, 1.08, 1.0),
        washes=(Wash("8fb59a", 0.35, "soft_light"),),
        black="1b2b26",
        white="f2f7ec",
    ),
    # Terracotta and ochre.
    "fes": Look(
        saturation=1.2,
        curve=0.2,
        gamma=(1.12, 1.0, 0.82),
        washes=(Wash("e8a04f", 0.3, "overlay"),),
        lights=("ffe2a8", 0.25),
    ),
    # Ice: pale blue, bright, hardly saturated.
    "frost": Look(
        brightness=1.06,
        saturation=0.55,
        gamma=(0.92, 1.04, 1.22),
        lights=("eaf6ff", 0.5),
        shadows=("1d3a5c", 0.25),
        glow=0.15,
    ),
    # The eighties: pink lights, teal shade, too much of both.
    "hairspray": Look(
        saturation=1.35, curve=0.35, shadows=("0d5c6e", 0.3), lights=("ff9ad0", 0.45), glow=0.25
    ),
    # A woodcut: flat tones of Prussian blue and cream.
    "hokusai": Look(
        saturation=0.6,
        brightness=1.05,
        curve=0.4,
        levels=4,
        black="14264a",
        white="f8edcf",
        washes=(Wash("5a86a8", 0.45, "color"),),
    ),
    # In the shade: dark, low in colour, green-grey.
    "incognito": Look(
        brightness=0.9,
        contrast=1.2,
        gamma=(1.1, 1.14, 1.12),
        saturation=0.35,
        shadows=("0b1a1c", 0.4),
        rim=Rim(0.6, 0.4),
        grain=2.5,
    ),
    # Unbleached cloth: cream whites, lifted blacks, soft.
    "linen": Look(
        saturation=0.75,
        brightness=1.08,
        contrast=0.9,
        black="3d362e",
        white="fffaee",
        washes=(Wash("efe0c4", 0.4, "soft_light"),),
    ),
    # Teal and emerald, saturated.
    "peacock": Look(
        saturation=1.45, curve=0.25, gamma=(0.86, 1.06, 1.1), shadows=("003b4f", 0.45), lights=("d9fff2", 0.2)
    ),
    # Spring: fresh, light, yellow-green and pink.
    "primavera": Look(
        brightness=1.1,
        saturation=1.25,
        gamma=(1.06, 1.12, 0.98),
        lights=("fff3f6", 0.3),
        shadows=("5a6b2f", 0.2),
    ),
    # Rose quartz: a pale pink, soft.
    "quartz": Look(
        saturation=0.8,
        brightness=1.05,
        gamma=(1.12, 1.0, 1.06),
        washes=(Wash("f4c6d7", 0.35, "soft_light"),),
        black="33242f",
        white="fff4f6",
    ),
    # The desert at dusk: deep red and orange, dark.
    "red_rock": Look(
        brightness=0.95,
        saturation=1.15,
        curve=0.35,
        gamma=(1.2, 0.9, 0.72),
        shadows=("3a0a12", 0.45),
        rim=Rim(0.45, 0.45, "1c0406"),
    ),
    # As if the window had been cleaned: clear, bright, vivid.
    "refresh": Look(brightness=1.12, saturation=1.35, curve=0.12, gamma=(1.03, 1.05, 1.08)),
    # Hot: blown lights, burning yellow and red.
    "sizzle": Look(
        brightness=1.1, contrast=1.3, saturation=1.4, gamma=(1.18, 1.0, 0.7), lights=("fff27a", 0.35)
    ),
    # A pressed flower: faded violet brown, soft.
    "sonnet": Look(
        sepia=0.45,
        brightness=1.08,
        saturation=0.6,
        contrast=0.95,
        black="35283a",
        white="fff3ea",
        glow=0.4,
        rim=Rim(0.3, 0.5, "3b2b35"),
    ),
    # A holiday slide: warm yellow, green-blue shade, faded.
    "ukulele": Look(
        saturation=1.1,
        gamma=(1.12, 1.08, 0.78),
        shadows=("0f4a4f", 0.4),
        lights=("fff0a0", 0.35),
        black="1c2420",
        rim=Rim(0.3, 0.5, "2a1606"),
    ),
    # Black and white at its hardest, with grain.
    "zorro": Look(
        saturation=0, contrast=1.4, curve=0.45, gamma=(1.15, 1.15, 1.15), rim=Rim(0.5, 0.5), grain=4
    ),
}

_SHARED = {
    "1977": Look(
        sepia=0.35,
        brightness=1.1,
        contrast=1.05,
        saturation=1.25,
        washes=(Wash("f36abc", 0.28, "screen"),),
        black="2c2330",
    ),
    "aden": Look(
        brightness=1.12,
        contrast=0.9,
        saturation=0.75,
        sepia=0.15,
        washes=(Wash("c88ba0", 0.18, "soft_light"),),
        white="fff3ea",
    ),
    "brannan": Look(sepia=0.45, contrast=1.35, saturation=0.85, shadows=("3a2350", 0.25), white="eef3e6"),
    "brooklyn": Look(
        contrast=0.92, brightness=1.08, washes=(Wash("a8dfc1", 0.35, "overlay"),), lights=("c4b7e8", 0.25)
    ),
    "clarendon": Look(
        contrast=1.2, saturation=1.35, shadows=("0d3f66", 0.2), washes=(Wash("7fbbe3", 0.22, "overlay"),)
    ),
    "earlybird": Look(
        sepia=0.35,
        contrast=0.95,
        saturation=1.05,
        washes=(Wash("d0ba8e", 0.4, "overlay"),),
        rim=Rim(0.75, 0.35, "360309"),
    ),
    "gingham": Look(
        contrast=0.85,
        saturation=0.75,
        brightness=1.08,
        washes=(Wash("e6e6fa", 0.6, "soft_light"),),
        black="2e2e38",
    ),
    "hudson": Look(
        brightness=1.2,
        contrast=0.9,
        saturation=1.1,
        washes=(Wash("a6b1ff", 0.5, "multiply"),),
        rim=Rim(0.4, 0.5, "342134"),
    ),
    "inkwell": Look(saturation=0, contrast=1.12, brightness=1.05),
    "kelvin": Look(
        contrast=1.15,
        saturation=1.4,
        brightness=1.1,
        gamma=(1.2, 1.0, 0.6),
        washes=(Wash("f0a83c", 0.45, "overlay"),),
    ),
    "lark": Look(
        contrast=0.9,
        brightness=1.15,
        saturation=1.15,
        gamma=(1.0, 1.04, 1.06),
        lights=("f2f6ff", 0.25),
        shadows=("22253f", 0.15),
    ),
    "lofi": Look(saturation=1.3, contrast=1.45, rim=Rim(0.75, 0.5, "101010")),
    "maven": Look(
        sepia=0.25,
        brightness=0.92,
        contrast=0.95,
        saturation=1.35,
        washes=(Wash("66b38c", 0.25, "color"),),
        black="141f1a",
    ),
    "mayfair": Look(
        contrast=1.1,
        saturation=1.1,
        brightness=1.08,
        washes=(Wash("ffc8c8", 0.3, "overlay"),),
        rim=Rim(0.55, 0.4, "111111"),
    ),
    "moon": Look(saturation=0, contrast=0.95, brightness=1.1, black="3a3c40", white="f4f4f4"),
    "nashville": Look(
        sepia=0.2,
        contrast=1.15,
        brightness=1.05,
        saturation=1.1,
        washes=(Wash("f7b099", 0.4, "multiply"), Wash("004696", 0.35, "lighten")),
    ),
    "perpetua": Look(contrast=1.05, saturation=1.05, shadows=("005b9a", 0.35), lights=("f0e6a8", 0.3)),
    "reyes": Look(
        sepia=0.35,
        brightness=1.15,
        contrast=0.8,
        saturation=0.6,
        washes=(Wash("efcdad", 0.5, "soft_light"),),
        black="40362c",
    ),
    "rise": Look(
        sepia=0.2,
        brightness=1.08,
        contrast=0.92,
        washes=(Wash("ffd59e", 0.4, "soft_light"),),
        glow=0.2,
        rim=Rim(0.3, 0.5, "4a2306"),
    ),
    "slumber": Look(
        saturation=0.65,
        brightness=1.04,
        washes=(Wash("45290c", 0.45, "lighten"), Wash("7d6918", 0.45, "soft_light")),
    ),
    "stinson": Look(
        contrast=0.75, saturation=0.85, brightness=1.14, washes=(Wash("f09580", 0.3, "soft_light"),)
    ),
    "toaster": Look(
        contrast=1.35, brightness=0.95, washes=(Wash("804e0f", 0.55, "screen"),), rim=Rim(0.8, 0.3, "3b003b")
    ),
    "valencia": Look(
        contrast=1.05, brightness=1.08, sepia=0.15, saturation=1.05, black="3a1f2c", white="fff0d2"
    ),
    "walden": Look(
        brightness=1.1, sepia=0.3, saturation=1.3, washes=(Wash("0044cc", 0.28, "screen"),), white="fffde0"
    ),
    "willow": Look(
        saturation=0.12,
        contrast=0.95,
        brightness=0.98,
        washes=(Wash("d4a9af", 0.25, "soft_light"),),
        black="241f1f",
        rim=Rim(0.3, 0.5),
    ),
    "xpro2": Look(
        sepia=0.2,
        contrast=1.25,
        saturation=1.2,
        gamma=(1.0, 1.02, 0.85),
        shadows=("10205c", 0.35),
        lights=("f3f0b0", 0.3),
        rim=Rim(0.7, 0.35, "0a0a3c"),
    ),
}

LOOKS: dict[str, Look] = {**_ART, **_SHARED}

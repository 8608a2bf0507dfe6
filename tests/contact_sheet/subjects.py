"""What is on the pages: the transformations to show, by subject."""

from __future__ import annotations

from dataclasses import dataclass

from imagestore.core.transformation.effects import ART, BLENDS, EFFECTS, INSTAGRAM

COMPASS = (
    *("north_west", "north", "north_east", "west", "center", "east"),
    *("south_west", "south", "south_east"),
)
FROM = "c_limit,w_480,h_480"
"""Begins chains whose numbers mean pixels, so that they mean the same on every photo."""
SMALL = "c_limit,w_230,h_180"


@dataclass(frozen=True)
class Tile:
    """A rendition: the answer's format, and what is written beneath instead of the transformation."""

    transformation: str
    format: str = "png"
    label: str = ""


@dataclass(frozen=True)
class Subject:
    """Tiles that belong together. `faces`: only a photo with a face shows anything."""

    name: str
    tiles: tuple[Tile, ...]
    faces: bool = False


def crops() -> list[Subject]:
    plain = (
        "scale",
        "fit",
        "limit",
        "mfit",
        "fill",
        "lfill",
        "pad",
        "lpad",
        "mpad",
        "fill_pad",
        "thumb",
        "crop",
    )
    sizes = [
        Tile(f"{FROM}/c_{mode},w_{width},h_{height},b_gray") for mode in plain for width, height in SIZES
    ]
    one_side = [
        *(f"{FROM}/c_{mode},w_150" for mode in ("scale", "fit", "limit", "mfit", "fill", "pad", "crop")),
        *(f"{FROM}/c_{mode},w_150,ar_16:9,b_gray" for mode in ("fill", "pad", "crop", "thumb", "scale")),
        *(f"{FROM}/c_{mode},h_150,ar_1:2,b_gray" for mode in ("fill", "pad", "crop", "fill_pad")),
        *(f"{FROM}/c_fill,w_100,h_80,dpr_{dpr}" for dpr in ("1.0", "1.5", "2.0")),
        *(f"{FROM}/c_scale,w_{value}" for value in ("0.3", "iw_div_20", "h_mul_0.5")),
        f"{FROM}/c_crop,w_0.5,h_0.5,x_0.25,y_0.25",
        f"{FROM}/c_crop,w_200,h_150,x_100,y_60",
        f"{FROM}/c_scale,w_200,h_60,fl_ignore_aspect_ratio",
    ]
    held = [
        Tile(f"{FROM}/c_{mode},g_{gravity},w_{width},h_{height},b_gray")
        for mode, width, height in HELD
        for gravity in (*COMPASS, "xy_center,x_100,y_80", "auto", "face:center")
    ]
    return [
        Subject("crop-sizes", tuple(sizes)),
        Subject("crop-sides", tuple(map(Tile, one_side))),
        Subject("crop-gravity", tuple(held)),
        Subject("crop-faces", tuple(map(Tile, FACES)), faces=True),
    ]


SIZES = ((200, 120), (90, 150), (600, 300))
HELD = (("fill", 220, 70), ("lfill", 70, 170), ("crop", 150, 110), ("thumb", 120, 120), ("auto", 100, 150))
HELD += (("pad", 230, 100), ("lpad", 230, 100), ("mpad", 700, 500), ("fill_pad", 230, 60))
FACES = (
    *(
        f"c_{mode},g_{gravity},w_200,h_150"
        for mode in ("fill", "thumb", "crop", "auto")
        for gravity in ("face", "faces")
    ),
    *(f"c_thumb,g_face,w_150,h_150,z_{zoom}" for zoom in ("0.5", "0.7", "1.0", "1.5")),
    *("c_thumb,g_face,w_150,h_150/r_max", "c_fill,g_auto:face,w_200,h_100", "c_fill,g_auto,w_200,h_100"),
    *(
        f"{SMALL}/e_{effect}"
        for effect in ("blur_faces", "blur_faces:2000", "pixelate_faces", "pixelate_faces:12")
    ),
    f"{FROM}/l_logo/c_scale,fl_region_relative,w_1.2/fl_layer_apply,g_faces/{SMALL}",
    f"{FROM}/l_logo/c_scale,fl_region_relative,w_0.5/fl_layer_apply,g_face,y_-40/{SMALL}",
    "if_fc_gt_1/c_thumb,g_faces,w_200,h_150/if_else/c_thumb,g_face,w_150,h_150/if_end",
)


def effects() -> list[Subject]:
    shown = [
        Tile(f"{SMALL}/e_{written}" if name not in _OWN else _OWN[name].format(f"e_{written}"))
        for name in EFFECTS
        if name not in (*BLENDS, "art", "trim", "blur_faces", "pixelate_faces")
        for written in (name, *(f"{name}:{each}" for each in _STRENGTHS.get(name, ())))
        if written != "replace_color"
    ]
    return [
        Subject("effects", (Tile(SMALL, label="as it is"), *shown)),
        Subject("art", tuple(Tile(f"{SMALL}/e_art:{name}") for name in ART)),
        Subject("looks", tuple(Tile(f"{SMALL}/e_art:{name}") for name in INSTAGRAM)),
    ]


_REGION = f"{SMALL}/{{}},x_60,y_40,w_90,h_70"
_CUT = "c_fill,w_150,h_120,r_max/{},x_8,y_8,co_rgb:204080/b_white"
_OWN = {
    "blur_region": _REGION,
    "pixelate_region": _REGION,
    "shadow": _CUT,
    "outline": _CUT.replace("x_8,y_8,", ""),
    "colorize": f"{SMALL}/{{}},co_rgb:204080",
    "make_transparent": f"{SMALL}/b_white/{{}}",
}
_STRENGTHS: dict[str, tuple[str, ...]] = {
    "sepia": ("30",),
    "blackwhite": ("30",),
    "blur": ("400", "1500"),
    "pixelate": ("4", "30"),
    "brightness": ("-60", "30", "100"),
    "brightness_hsb": ("-60", "40"),
    "contrast": ("-60", "60", "60:sigmoid"),
    "saturation": ("-80", "30"),
    "hue": ("-60", "30"),
    "gamma": ("-40", "100"),
    "vibrance": ("-80", "90"),
    "red": ("-60", "60"),
    "green": ("-60", "60"),
    "blue": ("-60", "60"),
    "colorize": ("30", "60"),
    "tint": ("80:blue:green", "100:rgb:203040:0p:rgb:ff8040:50p:white:100p"),
    "replace_color": ("blue:80:red", "rgb:ff0000:50:green"),
    "sharpen": ("400",),
    "unsharp_mask": ("400",),
    "oil_paint": ("70",),
    "vignette": ("60",),
    "cartoonify": ("30:30", "80:80", "bw"),
    "shadow": ("80",),
    "outline": ("10", "15:200", "inner:10", "inner_fill:10", "fill"),
    "gradient_fade": ("50", "symmetric", "symmetric_pad", "symmetric_pad:50"),
    "improve": ("indoor", "50"),
    "auto_color": ("40",),
    "auto_contrast": ("40",),
    "auto_brightness": ("40",),
    "fill_light": ("40", "70:20"),
    "make_transparent": ("40",),
}


def layers() -> list[Subject]:
    placed = [f"{SMALL}/l_logo/c_scale,w_60/fl_layer_apply,g_{gravity},x_6,y_6" for gravity in COMPASS]
    other = (
        "l_logo/c_scale,fl_relative,w_0.8/fl_layer_apply",
        "l_logo/c_scale,w_60/fl_layer_apply.tiled",
        "l_logo/c_scale,w_60/o_30/a_30/fl_layer_apply.tiled",
        "l_logo/c_scale,w_90/o_40/fl_layer_apply",
        "l_logo/c_scale,w_90/a_20/fl_layer_apply",
        "l_logo/c_scale,w_90/e_shadow:60,x_6,y_6/fl_layer_apply",
        "l_logo/c_scale,w_90/fl_layer_apply,g_west,x_-40",
        "l_logo/c_scale,w_90/fl_layer_apply.no_overflow,g_west,x_-40",
        "l_logo/c_scale,w_150/fl_layer_apply.cutter",
        "l_logo/c_scale,w_150/fl_layer_apply,e_cut_out",
        "l_logo/c_scale,w_150/fl_layer_apply,e_mask",
        "l_map/c_fill,fl_relative,w_1.0,h_1.0/fl_layer_apply,e_displace,x_30,y_30",
        "l_logo/c_scale,w_150/fl_layer_apply,e_anti_removal:90",
        *(
            f"l_photo/c_fill,w_120,h_140/fl_layer_apply,g_east,e_{blend}"
            for blend in ("multiply", "screen", "overlay")
        ),
        *(f"l_logo/c_scale,w_150/fl_layer_apply,e_{blend}" for blend in ("multiply", "screen", "overlay")),
        "l_photo/c_fill,w_100,h_100,r_max,bo_4px_solid_white/fl_layer_apply,g_south_east,x_8,y_8",
        "u_photo/c_fill,w_230,h_170/fl_layer_apply",
        "c_scale,w_120/u_photo/c_fill,w_230,h_170/e_blur:300/fl_layer_apply,g_south_east,x_15,y_15",
        "c_fill,w_120,h_120,r_max/u_photo/c_fill,w_230,h_170/fl_layer_apply",
        "l_photo/c_fill,w_150,h_120/l_logo/c_scale,w_40/fl_layer_apply,g_north_east/fl_layer_apply,g_south_west",
    )
    return [
        Subject("layers", tuple(Tile(each) for each in (*placed, *(f"{SMALL}/{each}" for each in other)))),
        Subject("text", tuple(Tile(f"{SMALL}/{each}") for each in TEXTS)),
    ]


TEXTS = (
    "l_text:Arial_40_bold:Summer,co_white/fl_layer_apply,g_south,y_10",
    "l_text:Roboto_30_italic:Ada%20Lovelace,co_yellow/fl_layer_apply,g_north_west,x_8,y_8",
    "l_text:Times_34_underline:Underlined,co_white",
    "l_text:Courier_34_bold_strikethrough:9.99,co_white",
    "l_text:Impact_44_stroke:STROKE,co_white,bo_3px_solid_black",
    "l_text:Lobster_44:Lobster,co_white/e_shadow:70,x_3,y_3/fl_layer_apply",
    "l_text:Dancing%20Script_48:Dancing,co_rgb:ffe0a0",
    "l_text:Bebas%20Neue_44_letter_spacing_8:BEBAS,co_white",
    "l_text:Georgia_30:Georgia,co_white,b_rgb:00000080,fl_text_no_trim",
    "l_text:Verdana_24:rounded,co_white,b_rgb:204080,r_8,bo_6px_solid_rgb:204080",
    "l_text:Arial_22:The%20quick%20brown%20fox%20jumps%20over%20the%20lazy%20dog,co_white,c_fit,w_180",
    "l_text:Arial_22_center:The%20quick%20brown%20fox%20jumps%20over%20the%20lazy%20dog,co_white,c_fit,w_180",
    "l_text:Arial_20_justify:The%20quick%20brown%20fox%20jumps%20over%20the%20lazy%20dog%20again,co_white,c_fit,w_180",
    "l_text:Arial_24:The%20quick%20brown%20fox%20jumps%20over%20the%20dog,co_white,c_fit,w_180,h_60",
    "l_text:Arial_24_right_line_spacing_10:One%0Aand%20two,co_white",
    "l_text:Arial_40:السلام عليكم,co_white",
    "l_text:Arial_36:שלום 2024 abc,co_white",
    "l_text:Arial_36:हिन्दी क्षत्रिय,co_white",
    "l_text:Arial_36:বাংলা ভাষা,co_white",
    "l_text:Arial_36:தமிழ் മലയാളം,co_white,c_fit,w_150",
    "l_text:Arial_40:ภาษาไทย,co_white",
    "l_text:Arial_40_bold:日本語 한국어,co_white",
    "l_text:Arial_36:Ελληνικά Русский,co_white,c_fit,w_200",
    "l_text:Arial_40:Ship it 🚀🇩🇪👍🏽,co_white",
    "l_text:Arial_60_bold:CUT/fl_layer_apply.cutter",
    "l_text:Arial_60_bold:SCREEN,co_gray/fl_layer_apply,e_screen",
    "l_text:Arial_30:tiled,co_white,o_40/a_-30/fl_layer_apply.tiled",
    "l_text:Arial_40:half,co_rgb:ffffff80",
    "l_text:Arial_30:relative,co_white/c_scale,fl_relative,w_0.9/fl_layer_apply",
    "l_text:Arial_40:turned,co_white/a_-20/fl_layer_apply",
)


def shapes() -> list[Subject]:
    each = (
        *(f"r_{radius}" for radius in ("20", "max", "40:0", "40:0:10", "60:20:0:40", "0.3")),
        *("r_30,b_blue", "bo_6px_solid_red", "bo_10px_solid_rgb:ffffff80,r_30", "r_max,bo_6px_solid_white"),
        *(f"a_{angle}" for angle in ("90", "180", "-30", "30", "hflip", "vflip", "45.hflip", "auto_right")),
        *("a_20,b_green", "a_20,r_40,bo_6px_solid_red", "r_max/a_45", "a_10/e_trim"),
        *("o_50", "o_20", "o_40,b_red", "e_trim", "e_trim:60"),
        *("c_pad,w_230,h_100,b_auto", "c_pad,w_230,h_100,b_auto:predominant", "c_pad,w_230,h_100,b_blurred"),
        *("c_pad,w_230,h_100,b_blurred:800:-30", "c_pad,w_230,h_100,b_rgb:ff8000", "c_pad,w_230,h_100"),
        *("c_pad,w_230,h_100,b_auto:predominant_contrast", "c_fill_pad,g_auto,w_230,h_60,b_auto"),
    )
    return [Subject("shapes", tuple(Tile(f"{SMALL}/{one}") for one in each))]


def answers() -> list[Subject]:
    formats = ("jpeg", "png", "webp", "avif", "gif", "tiff")
    tiles = [
        *(Tile(SMALL, name) for name in formats),
        *(Tile(f"{SMALL}/r_max", name) for name in formats),
        *(
            Tile(f"{SMALL}/q_{value}", name)
            for name in ("jpeg", "webp", "avif")
            for value in (90, 60, 30, 10)
        ),
        *(
            Tile(f"{SMALL}/q_auto:{value}", name)
            for name in ("jpeg", "webp", "avif")
            for value in ("best", "good", "eco", "low")
        ),
        Tile(f"{SMALL}/fl_progressive", "jpeg"),
        Tile(f"{SMALL}/fl_lossy", "png"),
        Tile(f"{SMALL}/fl_png8", "png"),
        Tile(f"{SMALL}/q_80:420", "jpeg"),
        Tile(f"{SMALL}/q_80:444", "jpeg"),
    ]
    return [Subject("formats", tuple(tiles))]


def subjects() -> list[Subject]:
    return [*crops(), *effects(), *layers(), *shapes(), *answers()]

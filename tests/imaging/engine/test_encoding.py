"""Files that the engine writes: each looks like its picture, is as was asked, and tells nothing else."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms, IptcImagePlugin

from imagestore.core.errors import InvalidTransformation
from imagestore.core.transformation.flags import OUTPUT_FLAGS
from imagestore.core.transformation.model import Color, Output, Quality
from imagestore.imaging.engine import metadata, similarity
from imagestore.imaging.engine.encoding import Encoded, encode
from imagestore.imaging.engine.picture import Picture
from tests import pictures

pytestmark = pytest.mark.quick

STILL = ("jpeg", "png", "webp", "avif", "gif", "tiff", "bmp")
LOSSY = ("jpeg", "webp", "avif")


def _scene(width: int = 320, height: int = 240, *, detail: float = 1.0) -> Image.Image:
    """A picture of soft shapes with edges and texture, as a photo has; `detail` is how much of the last."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = np.random.default_rng(5).normal(0, 14 * detail, (height, width, 3))
    waves = 40 * detail * np.sin(x / 3 + y / 5)[..., None]
    ground = np.stack([x / width * 255, y / height * 255, 128 + 90 * np.sin((x + y) / 40)], axis=-1)
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2)[..., None]
    drawn = np.where(disc, 230 - ground / 2, ground) + waves + noise
    return Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8))


def _transparent(size: tuple[int, int] = (64, 48)) -> Image.Image:
    frame = _scene(*size).convert("RGBA")
    frame.putalpha(Image.linear_gradient("L").resize(size))
    return frame


def _opened(encoded: Encoded) -> Image.Image:
    opened = Image.open(io.BytesIO(encoded.data))
    opened.load()
    return opened


def _distance(encoded: Encoded, picture: Image.Image) -> float:
    return similarity.distance(
        similarity.look(_opened(encoded).convert("RGB")), similarity.look(picture.convert("RGB"))
    )


@pytest.mark.parametrize("format", STILL)
def test_each_format_looks_like_the_picture(format: str) -> None:
    picture = _scene(detail=0.3)
    encoded = encode(Picture([picture.copy()]), format, Output())
    opened = _opened(encoded)
    assert opened.size == picture.size
    assert (opened.format or "").lower() == format
    assert _distance(encoded, picture) < (0.1 if format == "gif" else 0.02)
    assert (encoded.quality == 80) is (format in LOSSY)


@pytest.mark.parametrize("format", ["png", "tiff", "bmp"])
def test_formats_that_lose_nothing_lose_nothing(format: str) -> None:
    picture = _scene()
    assert _opened(encode(Picture([picture.copy()]), format, Output())).tobytes() == picture.tobytes()


@pytest.mark.parametrize("format", ["png", "webp", "avif", "tiff"])
def test_transparency_is_kept(format: str) -> None:
    picture = _transparent()
    opened = _opened(encode(Picture([picture.copy()]), format, Output(quality=Quality(value=90))))
    kept = np.asarray(opened.convert("RGBA").getchannel("A"), int)
    assert np.abs(kept - np.asarray(picture.getchannel("A"), int)).max() <= 6


@pytest.mark.parametrize("format", ["png", "tiff", "webp", "gif"])
def test_what_is_hidden_is_not_sent(format: str) -> None:
    frame = _scene(64, 48).convert("RGBA")
    frame.putalpha(Image.linear_gradient("L").resize((64, 48)).point(lambda value: max(0, value - 100)))
    opened = _opened(encode(Picture([frame.copy()]), format, Output(quality=Quality(value=100))))
    pixels = np.asarray(opened.convert("RGBA"))
    assert (pixels[..., 3] == 0).sum() > 500
    assert not pixels[pixels[..., 3] == 0].any()
    if format != "gif":
        shown = np.asarray(frame)[..., 3] > 0
        assert np.array_equal(pixels[shown], np.asarray(frame)[shown])


@pytest.mark.parametrize("format", ["avif", "webp"])
def test_what_is_hidden_shows_in_no_lossy_format(format: str) -> None:
    """A red square behind a blue one that is cut out: nothing red is in the file, and edges stay blue."""
    frame = Image.new("RGBA", (96, 96), (255, 0, 0, 0))
    frame.paste((0, 0, 255, 255), (24, 24, 72, 72))
    pixels = np.asarray(_opened(encode(Picture([frame]), format, Output())).convert("RGBA"), int)
    assert pixels[..., 0].max() < 40
    edge = pixels[24:72, 24]
    assert edge[:, 2].min() > 215
    assert edge[:, 3].min() > 215


@pytest.mark.parametrize("format", ["jpeg", "bmp"])
@pytest.mark.parametrize("background", [None, Color(0, 0, 255)])
def test_transparency_is_laid_over_the_background(format: str, background: Color | None) -> None:
    frame = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    frame.paste((255, 0, 0, 128), (16, 0, 32, 32))
    opened = _opened(encode(Picture([frame]), format, Output(), background=background))
    empty, half = opened.convert("RGB").getpixel((4, 16)), opened.convert("RGB").getpixel((27, 16))
    expected = ((255, 255, 255), (255, 127, 127)) if background is None else ((0, 0, 255), (128, 0, 127))
    for seen, wanted in zip((empty, half), expected, strict=True):
        assert max(abs(a - b) for a, b in zip(seen, wanted, strict=True)) <= 6


def test_alpha_that_hides_nothing_takes_no_bytes() -> None:
    opaque = _scene(64, 48)
    for format in ("png", "webp", "avif"):
        plain = encode(Picture([opaque.copy()]), format, Output())
        assert encode(Picture([opaque.convert("RGBA")]), format, Output()).data == plain.data


@pytest.mark.parametrize("format", LOSSY)
def test_quality_costs_bytes_and_shows(format: str) -> None:
    picture = _scene()
    made = [
        encode(Picture([picture.copy()]), format, Output(quality=Quality(value=value)))
        for value in (20, 50, 80, 95)
    ]
    sizes, distances = [len(each.data) for each in made], [_distance(each, picture) for each in made]
    assert sizes == sorted(sizes)
    assert distances == sorted(distances, reverse=True)
    assert [each.quality for each in made] == [20, 50, 80, 95]


def test_a_quality_means_the_same_look_in_every_format() -> None:
    picture = _scene(detail=0.5)
    for value in (40, 60, 80):
        output = Output(quality=Quality(value=value))
        distances = [_distance(encode(Picture([picture.copy()]), each, output), picture) for each in LOSSY]
        assert max(distances) < 1.8 * min(distances)


def test_webp_of_full_quality_loses_nothing() -> None:
    picture = _scene()
    opened = _opened(encode(Picture([picture.copy()]), "webp", Output(quality=Quality(value=100))))
    assert opened.convert("RGB").tobytes() == picture.tobytes()


def test_webp_of_few_colours_loses_nothing_where_that_is_smaller() -> None:
    drawing = Image.new("RGB", (300, 200), "white")
    for step in range(20):
        drawing.paste((200, 20 + 5 * step, 40), (13 * step, 7 * step, 13 * step + 40, 7 * step + 30))
    encoded = encode(Picture([drawing.copy()]), "webp", Output())
    assert _opened(encoded).convert("RGB").tobytes() == drawing.tobytes()
    assert len(encoded.data) < len(encode(Picture([drawing]), "png", Output()).data)


@given(
    format=st.sampled_from(STILL),
    mode=st.sampled_from(["RGB", "RGBA"]),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    count=st.integers(1, 4),
    quality=st.one_of(
        st.none(),
        st.builds(Quality, value=st.integers(1, 100), chroma=st.sampled_from([None, "420", "444"])),
        st.builds(Quality, auto=st.sampled_from(["low", "eco", "good", "best"])),
    ),
    flags=st.sets(st.sampled_from(sorted(OUTPUT_FLAGS)), max_size=4),
    noise=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_is_written(
    format: str,
    mode: str,
    size: tuple[int, int],
    count: int,
    quality: Quality | None,
    flags: set[str],
    noise: bool,
) -> None:
    frames = [pictures.canvas(*size, mode=mode, seed=number, noise=noise) for number in range(count)]
    picture = Picture(frames, [10 * number for number in range(count)] if count > 1 else [], 0)
    encoded = encode(picture, format, Output(quality=quality, flags=frozenset(flags)))
    opened = _opened(encoded)
    assert (opened.size, (opened.format or "").lower()) == (size, format)
    assert encoded.frames == (count if format in ("gif", "webp", "png", "avif") else 1)


@pytest.mark.parametrize(
    ("quality", "halved"),
    [
        (Quality(value=80), True),
        (Quality(value=80, chroma="444"), False),
        (Quality(value=100), False),
        (Quality(value=100, chroma="420"), True),
        (Quality(auto="good", chroma="444"), False),
    ],
)
def test_colour_is_halved_unless_asked_otherwise(quality: Quality, halved: bool) -> None:
    opened = _opened(encode(Picture([_scene(64, 64)]), "jpeg", Output(quality=quality)))
    factors = {layer[1:3] for layer in opened.layer}  # type: ignore[attr-defined]
    assert factors == ({(2, 2), (1, 1)} if halved else {(1, 1)})


@pytest.mark.parametrize(
    ("flags", "progressive"),
    [((), False), (("progressive",), True), (("progressive:semi",), True), (("progressive:steep",), True),
     (("progressive:none",), False)],
)  # fmt: skip
def test_a_jpeg_is_progressive_where_asked(flags: tuple[str, ...], progressive: bool) -> None:
    opened = _opened(encode(Picture([_scene(64, 64)]), "jpeg", Output(flags=frozenset(flags))))
    assert bool(opened.info.get("progressive")) is progressive


@pytest.mark.parametrize("chroma", ["420", "444"])
@pytest.mark.parametrize("flags", [frozenset[str](), frozenset({"progressive"})])
def test_noise_of_any_quality_is_written(chroma: str, flags: frozenset[str]) -> None:
    for value in (85, 100):
        quality = Quality(value=value, chroma="444" if chroma == "444" else "420")
        noise = pictures.canvas(300, 300, noise=True)
        assert _opened(encode(Picture([noise]), "jpeg", Output(quality=quality, flags=flags))).size == (
            300,
            300,
        )


@pytest.mark.parametrize("flag", ["lossy", "png8"])
def test_a_png_of_a_palette_is_smaller_and_still_like_it(flag: str) -> None:
    for picture in (_scene(detail=0.3), _transparent((320, 240))):
        plain = encode(Picture([picture.copy()]), "png", Output())
        small = encode(Picture([picture.copy()]), "png", Output(flags=frozenset({flag})))
        opened = _opened(small)
        assert opened.mode == "P"
        assert len(small.data) < 0.6 * len(plain.data)
        seen, wanted = (
            np.asarray(each.convert("RGBa"), int)
            for each in (opened.convert("RGBA"), picture.convert("RGBA"))
        )
        assert np.abs(seen - wanted).mean() < 6


def test_few_colours_make_a_palette_without_loss() -> None:
    picture = Image.new("RGBA", (90, 60), (10, 200, 30, 255))
    picture.paste((250, 20, 30, 255), (10, 10, 40, 50))
    picture.paste((0, 0, 90, 77), (50, 10, 80, 50))
    opened = _opened(encode(Picture([picture.copy()]), "png", Output()))
    assert opened.mode == "P"
    assert opened.convert("RGBA").tobytes() == picture.tobytes()
    for flag, mode in (("png24", "RGB"), ("png32", "RGBA")):
        assert _opened(encode(Picture([picture.copy()]), "png", Output(flags=frozenset({flag})))).mode == mode
    over = _opened(encode(Picture([picture]), "png", Output(flags=frozenset({"png24"}))))
    assert over.getpixel((60, 20)) == (178, 178, 205)


def test_a_png_has_a_palette_where_that_does_not_show() -> None:
    flags = frozenset({"any_format"})
    simple = pictures.canvas(300, 200, seed=1).convert("L").convert("RGB")
    simple.putpixel((0, 0), (200, 10, 10))
    soft = Image.merge(
        "RGB", [simple.getchannel(0), simple.getchannel(1), simple.getchannel(2).point(lambda v: v // 2)]
    )
    for picture, mode in ((soft, "P"), (_scene(), "RGB")):
        output = Output(quality=Quality(auto="best"), flags=flags)
        assert _opened(encode(Picture([picture.copy()]), "png", output)).mode == mode
    assert _opened(encode(Picture([_scene()]), "png", Output(flags=flags))).mode == "RGB"


def test_a_tiff_is_compressed_by_lzw_where_asked() -> None:
    for flags, name in ((frozenset[str](), "tiff_adobe_deflate"), (frozenset({"tiff8_lzw"}), "tiff_lzw")):
        opened = _opened(encode(Picture([_scene(64, 64)]), "tiff", Output(flags=flags)))
        assert opened.info["compression"] == name


@pytest.mark.parametrize("format", STILL)
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 2), (7, 5)])
def test_the_smallest_pictures_are_written(format: str, size: tuple[int, int]) -> None:
    for mode in ("RGB", "RGBA"):
        for quality in (None, Quality(auto="good")):
            frame = pictures.canvas(*size, mode=mode)
            assert _opened(encode(Picture([frame]), format, Output(quality=quality))).size == size


# ---- animations


def _frames(mode: str) -> list[Image.Image]:
    frames = []
    for step in range(4):
        frame = Image.new(mode, (60, 40), (0, 0, 0, 0) if mode == "RGBA" else (20, 90, 160))
        frame.paste((250, 200 - 40 * step, 40, 255)[: len(mode)], (10 * step, 5, 10 * step + 14, 30))
        frames.append(frame)
    return frames


@pytest.mark.parametrize("format", ["gif", "webp", "avif", "png"])
def test_a_delay_is_that_of_every_frame(format: str) -> None:
    picture = Picture([frame.copy() for frame in _frames("RGB")], [100, 250, 40, 600], 0)
    opened = Image.open(io.BytesIO(encode(picture, format, Output(delay=130)).data))
    for number in range(4):
        opened.seek(number)
        opened.load()
        assert opened.info["duration"] == 130


@pytest.mark.parametrize("format", ["gif", "webp", "png"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_animation_comes_back_frame_by_frame(format: str, mode: str) -> None:
    frames, durations = _frames(mode), [100, 250, 40, 600]
    picture = Picture([frame.copy() for frame in frames], durations, 3)
    encoded = encode(picture, format, Output(quality=Quality(value=100)))
    opened = _opened(encoded)
    assert encoded.frames == opened.n_frames == 4  # type: ignore[attr-defined]
    assert opened.info["loop"] == (2 if format == "gif" else 3)
    for number, (frame, duration) in enumerate(zip(frames, durations, strict=True)):
        opened.seek(number)
        opened.load()
        assert opened.convert("RGBA").tobytes() == frame.convert("RGBA").tobytes()
        assert opened.info["duration"] == duration


@pytest.mark.parametrize("format", ["webp", "avif"])
def test_a_lossy_animation_looks_like_its_frames(format: str) -> None:
    frames = _frames("RGB")
    encoded = encode(Picture([frame.copy() for frame in frames], [50] * 4, 0), format, Output())
    opened = _opened(encoded)
    assert (opened.n_frames, encoded.quality) == (4, 80)  # type: ignore[attr-defined]
    for number, frame in enumerate(frames):
        opened.seek(number)
        difference = np.abs(np.asarray(opened.convert("RGB"), int) - np.asarray(frame, int))
        assert difference.mean() < 4


@pytest.mark.parametrize("format", ["jpeg", "tiff", "bmp"])
def test_what_cannot_move_is_the_first_frame(format: str) -> None:
    frames = _frames("RGB")
    encoded = encode(Picture([frame.copy() for frame in frames], [50] * 4, 0), format, Output())
    assert encoded.frames == 1
    difference = np.abs(np.asarray(_opened(encoded).convert("RGB"), int) - np.asarray(frames[0], int))
    assert difference.mean() < 4


@pytest.mark.parametrize("format", ["gif", "webp", "png", "avif"])
def test_the_longest_times_and_most_plays_are_cut_to_what_a_format_can_say(format: str) -> None:
    frames = _frames("RGB")
    picture = Picture([frames[0].copy(), *frames], [655_350] * 5, 65_536)
    opened = _opened(encode(picture, format, Output()))
    assert opened.n_frames >= 4  # type: ignore[attr-defined]
    if format != "avif":
        assert opened.info["loop"] == 65_535
    opened.seek(opened.n_frames - 1)  # type: ignore[attr-defined]
    opened.load()
    assert opened.info["duration"] == {"png": 65_535}.get(format, 655_350)


def test_a_side_that_webp_cannot_have_is_an_error_that_says_so() -> None:
    for quality in (None, Quality(auto="eco"), Quality(value=100)):
        long = Picture([Image.new("RGB", (16_384, 2))])
        with pytest.raises(InvalidTransformation, match="16383"):
            encode(long, "webp", Output(quality=quality))
        for format in STILL:
            if format != "webp":
                picture = Picture([Image.new("RGB", (16_384, 2))])
                assert _opened(encode(picture, format, Output(quality=quality))).size == (16_384, 2)


def test_more_pixels_than_avif_can_hold_are_an_error_that_says_so() -> None:
    with pytest.raises(InvalidTransformation, match="24 million"):
        encode(Picture([Image.new("RGB", (6000, 4001))]), "avif", Output())


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_palettes_of_large_pictures_are_made_part_by_part(mode: str) -> None:
    """Parts of a million pixels: what is on both sides of a seam is right."""
    few = Image.new(mode, (1000, 2500), "navy")
    few.paste((250, 40, 10, 255)[: len(mode)], (100, 900, 600, 1100))
    opened = _opened(encode(Picture([few.copy()]), "png", Output()))
    assert opened.mode == "P"
    assert opened.convert(mode).tobytes() == few.tobytes()
    many = _scene(1000, 1200, detail=0).convert(mode)
    if mode == "RGBA":
        many.putalpha(Image.linear_gradient("L").resize(many.size))
    opened = _opened(encode(Picture([many.copy()]), "png", Output(flags=frozenset({"png8"}))))
    seen, wanted = (np.asarray(each.convert("RGBA").convert("RGBa"), int) for each in (opened, many))
    assert np.abs(seen - wanted).mean() < 8


# ---- metadata

ARTIST, COPYRIGHT, CAMERA = "Ada Lovelace", "(c) 2026 Ada", "Camera 1000"
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>rights of Ada</rdf:RDF></x:xmpmeta>"


def _tagged(format: str, *, xmp: bytes = XMP, iptc: bytes = b"", artist: str | None = ARTIST) -> bytes:
    """A picture with EXIF, a position in it, XMP, IPTC and a comment."""
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation] = CAMERA, 6
    if artist:
        exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright] = artist, COPYRIGHT
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] = 400
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.MakerNote] = b"note of a maker"
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (52.0, 31.0, 12.0)})
    options = {"jpeg": {"comment": b"a comment", "extra": iptc}, "webp": {}, "png": {}}[format]
    xmp_option = {} if format == "png" else {"xmp": xmp}
    return pictures.picture(format, exif=exif.tobytes(), **options, **xmp_option)


def _iptc(**datasets: bytes) -> bytes:
    numbers = {"author": 80, "copyright": 116, "city": 90, "caption": 120}
    data = b"".join(
        struct.pack(">BBBH", 0x1C, 2, numbers[name], len(value)) + value for name, value in datasets.items()
    )
    resource = b"8BIM" + struct.pack(">HHI", 0x0404, 0, len(data)) + data + b"\0" * (len(data) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body


def _rendition(data: bytes, format: str, *flags: str) -> Encoded:
    """What a rendition of that original has of its metadata."""
    with Image.open(io.BytesIO(data)) as original:
        kept = metadata.read(original, frozenset(flags))
        frame = original.convert("RGB")
        frame.info = dict(original.info)
    return encode(Picture([frame]), format, Output(flags=frozenset(flags)), metadata=kept)


SECRETS = (
    *(b"GPS", b"Lovelace", b"Ada", b"Camera", b"comment", b"note of", b"Exif", b"eXIf"),
    *(b"xmpmeta", b"Photoshop", b"ICC_PROFILE", b"iCCP"),
)


@pytest.mark.parametrize("format", STILL)
@pytest.mark.parametrize("original", ["jpeg", "webp", "png"])
def test_nothing_of_an_original_is_told(format: str, original: str) -> None:
    encoded = _rendition(
        _tagged(original, iptc=_iptc(author=b"Ada")) if original == "jpeg" else _tagged(original), format
    )
    assert [secret for secret in SECRETS if secret in encoded.data] == []
    opened = _opened(encoded)
    assert not {"comment", "exif", "xmp", "icc_profile", "photoshop"} & set(opened.info)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "tiff"])
def test_all_but_the_place_is_kept_where_asked(format: str) -> None:
    data = _tagged("jpeg", iptc=_iptc(author=b"Ada", city=b"Berlin", caption=b"a walk"))
    opened = _opened(_rendition(data, format, "keep_iptc"))
    exif = opened.getexif()
    assert (exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright]) == (ARTIST, COPYRIGHT)
    assert exif[ExifTags.Base.Make] == CAMERA
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert ExifTags.Base.MakerNote not in exif.get_ifd(ExifTags.IFD.Exif)
    if format != "tiff":
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ISOSpeedRatings] == 400
        assert b"rights of Ada" in opened.info["xmp"]
    if format == "jpeg":
        assert IptcImagePlugin.getiptcinfo(opened) == {(2, 80): b"Ada", (2, 120): b"a walk"}  # type: ignore[arg-type]


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "tiff"])
def test_whose_it_is_is_kept_where_asked(format: str) -> None:
    data = _tagged("jpeg", iptc=_iptc(author=b"Bob", caption=b"a walk"))
    encoded = _rendition(data, format, "keep_attribution")
    exif = _opened(encoded).getexif()
    assert (exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright]) == (ARTIST, COPYRIGHT)
    assert not [each for each in (b"Camera", b"note of", b"a walk", b"xmpmeta") if each in encoded.data]
    if format == "jpeg":
        assert b"Bob" in encoded.data


def test_attribution_comes_from_iptc_where_exif_has_none() -> None:
    data = _tagged("jpeg", artist=None, iptc=_iptc(author=b"Bob", copyright=b"(c) Bob"))
    exif = _opened(_rendition(data, "webp", "keep_attribution")).getexif()
    assert (exif[ExifTags.Base.Artist], exif[ExifTags.Base.Copyright]) == ("Bob", "(c) Bob")


def test_xmp_that_names_a_place_is_left_out() -> None:
    data = _tagged("jpeg", xmp=b"<x:xmpmeta exif:GPSLatitude='52,31.2N'/>")
    assert b"xmpmeta" not in _rendition(data, "jpeg", "keep_iptc").data


@pytest.mark.filterwarnings(
    "ignore:.*EXIF:UserWarning", "ignore:Tag data:UserWarning"
)  # Pillow, as it opens them
def test_broken_exif_is_left_out() -> None:
    for exif in (
        b"Exif\0\0MM\0*\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x01\x9a\x05\0" * 40,
    ):
        data = pictures.jpeg(32, 32, exif=exif)
        assert _opened(_rendition(data, "jpeg", "keep_iptc")).size == (32, 32)


@pytest.mark.parametrize("format", ["jpeg", "png", "webp", "avif", "tiff"])
def test_the_profile_of_srgb_is_added_where_asked(format: str) -> None:
    opened = _opened(_rendition(pictures.jpeg(32, 32), format, "force_icc"))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)

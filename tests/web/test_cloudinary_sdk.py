"""Cloudinary's own SDK for Python, pointed here: every URL that it makes serves what its options say."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from cloudinary.utils import cloudinary_url
from PIL import Image

from tests import pictures
from tests.service import Service

Options = dict[str, Any]
WIDTH, HEIGHT = 640, 480
LOGO = (100, 50)
RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture(scope="module")
def bucket(service: Service) -> str:
    """A bucket with a white photo, a red logo, an animation, a default image and a named transformation."""
    name = f"sdk-{secrets.token_hex(6)}"
    with service.client() as client:
        client.create_bucket(name, "public-read")
        client.upload(name, flat((WIDTH, HEIGHT), WHITE, "JPEG"), "people/ada")
        client.upload(name, flat(LOGO, RED, "PNG"), "brand/logo")
        client.upload(name, pictures.jpeg(WIDTH, HEIGHT), "people/Zoë & co")
        client.upload(name, pictures.gif(60, 40, frames=3), "moving")
        client.upload(name, flat((30, 20), RED, "PNG"), "none.png")
        client.put_transformation(name, "thumb", "c_fill,w_120,h_90/e_grayscale")
    return name


def flat(size: tuple[int, int], color: tuple[int, int, int], format: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, color).save(data, format, quality=95)
    return data.getvalue()


class Shop:
    """The SDK with its options for this service."""

    def __init__(self, service: Service, bucket: str) -> None:
        self._host = urlsplit(service.url).netloc
        self._own = {"cloud_name": bucket, "api_key": service.access_key, "api_secret": service.secret}

    def get(self, key: str, options: Options, **headers: str) -> httpx.Response:
        url, _ = cloudinary_url(key, cname=self._host, secure=False, **self._own, **options)
        secure, _ = cloudinary_url(
            key, secure=True, secure_distribution=self._host, private_cdn=False, **self._own, **options
        )
        assert secure == url.replace("http:", "https:")
        return httpx.get(url, headers=headers, timeout=60)

    def open(self, key: str, options: Options, **headers: str) -> Image.Image:
        answer = self.get(key, options, **headers)
        assert answer.status_code == 200, f"{answer.request.url}: {answer.text}"
        assert answer.headers["Content-Type"].startswith("image/")
        return Image.open(io.BytesIO(answer.content))


@pytest.fixture(scope="module")
def shop(service: Service, bucket: str) -> Iterator[Shop]:
    yield Shop(service, bucket)


ADA = "people/ada"
SIZES: dict[str, tuple[Options, tuple[int, int]]] = {
    "nothing": ({}, (640, 480)),
    "scale": ({"width": 200, "crop": "scale"}, (200, 150)),
    "fraction": ({"width": 0.5, "crop": "scale"}, (320, 240)),
    "fill": ({"width": 200, "height": 200, "crop": "fill", "gravity": "north_west"}, (200, 200)),
    "fit": ({"width": 200, "height": 200, "crop": "fit"}, (200, 150)),
    "limit": ({"width": 2000, "crop": "limit"}, (640, 480)),
    "mfit": ({"width": 800, "height": 800, "crop": "mfit"}, (800, 600)),
    "pad": ({"width": 300, "height": 300, "crop": "pad", "background": "#ff8800"}, (300, 300)),
    "lpad": ({"width": 800, "height": 700, "crop": "lpad", "background": "auto"}, (800, 700)),
    "crop": ({"width": 100, "height": 120, "crop": "crop", "x": 20, "y": 30}, (100, 120)),
    "gravity auto": ({"width": 100, "height": 120, "crop": "fill", "gravity": "auto"}, (100, 120)),
    "size": ({"size": "90x60", "crop": "fill"}, (90, 60)),
    "ratio": ({"aspect_ratio": "16:9", "width": 320, "crop": "fill"}, (320, 180)),
    "pixel ratio": ({"width": 100, "dpr": 2.0, "crop": "scale"}, (200, 150)),
    "turn": ({"angle": 90}, (480, 640)),
    "turns": ({"angle": ["hflip", 90]}, (480, 640)),
    "border": ({"border": {"width": 4, "color": "#00f"}}, (648, 488)),
    "chain": (
        {"transformation": [{"width": 100, "crop": "scale"}, {"height": 50, "width": 50, "crop": "crop"}]},
        (50, 50),
    ),
    "raw": ({"raw_transformation": "c_scale,w_80/e_sepia"}, (80, 60)),
    "condition": ({"if": "w > 300 && aspect_ratio < 3:2", "width": 100, "crop": "scale"}, (100, 75)),
    "condition unmet": ({"if": "w > 3000", "width": 100, "crop": "scale"}, (640, 480)),
    "else": (
        {
            "transformation": [
                {"if": "initial_width_lt_300"},
                {"width": 20, "crop": "scale"},
                {"if": "else"},
                {"width": 40, "crop": "scale"},
                {"if": "end"},
                {"angle": 90},
            ]
        },
        (30, 40),
    ),
    "variables": (
        {
            "variables": [["$size", 30], ["$tall", "$size * 2"]],
            "width": "$size",
            "height": "$tall",
            "crop": "fill",
        },
        (30, 60),
    ),
    "arithmetic": ({"width": "initial_width / 4 + 10", "crop": "scale"}, (170, 128)),
    "name": ({"transformation": "thumb"}, (120, 90)),
    "names": ({"transformation": ["thumb", "thumb"]}, (120, 90)),
    "overlay": ({"overlay": "brand:logo", "gravity": "south_east", "x": 10, "y": 10}, (640, 480)),
    "overlay that hangs over": (
        {"overlay": {"public_id": "brand/logo"}, "gravity": "east", "x": -30},
        (670, 480),
    ),
    "trim": ({"transformation": [{"overlay": "brand:logo"}, {"effect": "trim:20"}]}, (100, 50)),
    "version": ({"width": 50, "crop": "scale", "version": 1312461204}, (50, 38)),
    "signed": ({"width": 51, "crop": "scale", "sign_url": True}, (51, 38)),
    "signed at length": (
        {"width": 52, "crop": "scale", "sign_url": True, "long_url_signature": True},
        (52, 39),
    ),
    "signed anew": (
        {"width": 53, "crop": "scale", "sign_url": True, "signature_algorithm": "sha256"},
        (53, 40),
    ),
    "signed, nothing": ({"sign_url": True, "version": 7}, (640, 480)),
    "signed text": (
        {"overlay": {"font_family": "Open Sans", "font_size": 20, "text": "50% of, é/ü!"}, "sign_url": True},
        (640, 480),
    ),
}


@pytest.mark.parametrize("name", SIZES)
def test_sizes(shop: Shop, name: str) -> None:
    options, size = SIZES[name]
    assert shop.open(ADA, dict(options)).size == size


def near(found: Any, wanted: tuple[int, ...], by: int = 12) -> bool:
    return all(abs(first - second) <= by for first, second in zip(found, wanted, strict=True))


def at(picture: Image.Image, x: int, y: int) -> Any:
    return picture.convert("RGBA" if picture.has_transparency_data else "RGB").getpixel((x, y))


def darkest(picture: Image.Image) -> tuple[int, int]:
    """Where the picture has least green."""
    green = picture.convert("RGB").getchannel("G").tobytes()
    place = green.index(min(green))
    return place % picture.width, place // picture.width


LOOKS: dict[str, tuple[Options, Callable[[Image.Image], bool]]] = {
    "padding": (
        {"width": 300, "height": 300, "crop": "pad", "background": "#ff8800"},
        lambda seen: near(at(seen, 150, 10), (255, 136, 0)) and near(at(seen, 150, 150), WHITE),
    ),
    "round": (
        {"width": 100, "height": 100, "crop": "fill", "radius": "max", "format": "png"},
        lambda seen: at(seen, 0, 0)[3] == 0 and at(seen, 50, 50)[3] == 255,
    ),
    "corners": (
        {"width": 100, "crop": "scale", "radius": ["40", "0", "0", "0"], "format": "png"},
        lambda seen: at(seen, 0, 0)[3] == 0 and at(seen, 99, 0)[3] == 255,
    ),
    "opacity": ({"opacity": 50, "format": "png"}, lambda seen: 126 <= at(seen, 5, 5)[3] <= 129),
    "negate": ({"effect": "negate"}, lambda seen: near(at(seen, 5, 5), (0, 0, 0))),
    "colorize": (
        {"effect": ["colorize", 100], "color": "rgb:0000ff"},
        lambda seen: near(at(seen, 5, 5), (0, 0, 255)),
    ),
    "replaced": (
        {"effect": "replace_color:00ff00:30:white"},
        lambda seen: near(at(seen, 5, 5), (0, 255, 0), 60),
    ),
    "logo": (
        {"overlay": "brand:logo", "gravity": "south_east", "x": 10, "y": 10},
        lambda seen: near(at(seen, 580, 445), RED) and near(at(seen, 635, 475), WHITE),
    ),
    "layer with a chain": (
        {
            "transformation": [
                {"overlay": "brand:logo"},
                {"width": 20, "height": 20, "crop": "fill"},
                {"flags": "layer_apply", "gravity": "north_west"},
            ]
        },
        lambda seen: near(at(seen, 10, 10), RED, 60) and near(at(seen, 40, 10), WHITE),
    ),
    "underlay": (
        {"transformation": [{"opacity": 0}, {"underlay": "brand:logo"}], "format": "png"},
        lambda seen: near(at(seen, 320, 240), (*RED, 255)),
    ),
    "text": (
        {"$word": "!AB!", "overlay": "text:Arial_200_bold:$(word)", "color": "#f00"},
        lambda seen: near(at(seen, *darkest(seen)), RED, 40),
    ),
    "webp": ({"width": 30, "crop": "scale", "fetch_format": "webp"}, lambda seen: seen.format == "WEBP"),
    "png": ({"width": 30, "crop": "scale", "format": "png"}, lambda seen: seen.format == "PNG"),
    "passes": (
        {"width": 300, "crop": "scale", "flags": ["progressive", "strip_profile"]},
        lambda seen: "progression" in seen.info,
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_looks(shop: Shop, name: str) -> None:
    options, holds = LOOKS[name]
    assert holds(shop.open(ADA, dict(options)))


def test_the_format_and_quality_that_suit(shop: Shop) -> None:
    options = {"width": 300, "crop": "scale", "fetch_format": "auto", "quality": "auto"}
    assert shop.open("people/Zoë & co", dict(options), accept="image/webp").format == "WEBP"
    assert shop.open("people/Zoë & co", dict(options), accept="image/png,image/*").format == "JPEG"
    sizes = [
        len(shop.get("people/Zoë & co", {"width": 300, "crop": "scale", "quality": quality}).content)
        for quality in (10, 60, 95)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] * 1.5 < sizes[2]


def test_a_name_with_blanks_and_marks_signed_and_not(shop: Shop) -> None:
    for options in ({}, {"sign_url": True}, {"sign_url": True, "format": "png", "effect": "sepia"}):
        assert shop.open("people/Zoë & co", dict(options)).size == (WIDTH, HEIGHT)


def test_frames_and_what_is_not_there(shop: Shop) -> None:
    assert shop.open("moving", {"page": 2, "format": "png"}).size == (60, 40)
    moving = shop.open("moving", {"width": 30, "crop": "scale", "delay": 200})
    assert (moving.n_frames, moving.info["duration"]) == (3, 200)  # type: ignore[attr-defined]
    assert shop.open("nobody", {"default_image": "none.png"}).size == (30, 20)
    assert shop.get("nobody", {"width": 5}).status_code == 404


def test_a_parameter_that_is_none_here_is_named(shop: Shop) -> None:
    answer = shop.get(ADA, {"width": 5, "color_space": "srgb"})
    assert answer.status_code == 404
    assert "'cs_srgb', so it was read as a part of the key" in answer.json()["error"]["message"]


def test_the_answers_own_flags(shop: Shop) -> None:
    saved = shop.get(ADA, {"width": 40, "crop": "scale", "flags": "attachment:portrait"})
    assert saved.headers["Content-Disposition"].startswith('attachment; filename="portrait.jpg"')
    told = shop.get(ADA, {"width": 40, "crop": "scale", "flags": "getinfo"}).json()
    assert (told["output"]["width"], told["output"]["height"]) == (40, 30)


def test_an_altered_signature(shop: Shop, service: Service, bucket: str) -> None:
    url, _ = cloudinary_url(
        ADA, cloud_name=bucket, api_secret=service.secret, sign_url=True, width=60, crop="scale", secure=False
    )
    path = urlsplit(url).path
    assert httpx.get(f"{service.url}{path}").status_code == 200
    assert httpx.get(f"{service.url}{path.replace('w_60', 'w_61')}").status_code == 403

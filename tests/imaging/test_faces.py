"""Faces are found where they are, whatever their size, and nothing else is taken for one."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from imagestore.core.errors import FacesUnavailable
from imagestore.imaging import faces
from imagestore.imaging.geometry import Box
from tests import pictures
from tests.faces import BACKGROUND, crowd, face

pytestmark = pytest.mark.quick


def found(picture: Image.Image) -> tuple[Box, ...]:
    return faces.find_faces(np.asarray(picture.convert("RGB")))


def holds(box: Box, place: tuple[int, int, int]) -> bool:
    """Whether `box` is about the face that was drawn on the square `place`."""
    left, top, side = place
    middle = (box.left + box.width / 2, box.top + box.height / 2)
    return (
        abs(middle[0] - (left + side * 0.5)) < side * 0.1
        and abs(middle[1] - (top + side * 0.55)) < side * 0.1
        and 0.55 * side < box.width < 0.95 * side
    )


@pytest.mark.parametrize("side", [60, 120, 300])
def test_a_face_is_found_where_it_is(side: int) -> None:
    place = (260, 90, side)
    (box,) = found(crowd((640, 480), place))
    assert holds(box, place)


@pytest.mark.parametrize("tilt", [-30, -15, 15, 30])
def test_a_face_held_aslant_is_found(tilt: float) -> None:
    (box,) = found(crowd((640, 480), (200, 120, 200), tilt=tilt))
    assert abs(box.left + box.width / 2 - 300) < 30
    assert abs(box.top + box.height / 2 - 225) < 30


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_face_of_which_one_side_shows_is_found_whichever_side_it_is(mirrored: bool) -> None:
    """Of the pass for profiles alone: as far as it goes, a face half behind a wall is one."""
    half = face(220)
    half.paste(BACKGROUND, (0, 0, 88, 220))
    picture = Image.new("RGB", (640, 480), BACKGROUND)
    picture.paste(half, (200, 80))
    search = faces._search()
    (seen,) = search.profiles(search.gray(np.asarray(ImageOps.mirror(picture) if mirrored else picture)))
    assert abs(seen.x - (640 - 335 if mirrored else 335)) < 20
    assert abs(seen.y - 200) < 20
    assert 80 < seen.side < 200


def test_several_come_from_the_largest_to_the_smallest() -> None:
    places = [(40, 200, 90), (250, 60, 220), (600, 150, 140)]
    boxes = found(crowd((800, 480), *places))
    assert [next(place[2] for place in places if holds(box, place)) for box in boxes] == [220, 140, 90]


def test_boxes_are_in_the_pixels_of_a_large_picture() -> None:
    place = (2500, 600, 900)
    (box,) = found(crowd((4000, 3000), place))
    assert holds(box, place)


def test_a_face_without_color_is_found() -> None:
    place = (200, 120, 200)
    (box,) = found(crowd((640, 480), place).convert("L"))
    assert holds(box, place)


def test_a_box_never_leaves_the_picture() -> None:
    (box,) = found(crowd((200, 200), (-22, -22, 230)))
    assert box.left >= 0
    assert box.top >= 0
    assert box.left + box.width <= 200
    assert box.top + box.height <= 200


@pytest.mark.parametrize("seed", range(4))
def test_noise_and_shapes_are_no_faces(seed: int) -> None:
    assert found(pictures.canvas(640, 480, seed=seed, noise=True)) == ()
    assert found(pictures.canvas(640, 480, seed=seed)) == ()


def test_a_banded_planet_and_fruit_are_no_faces() -> None:
    planet = Image.new("RGB", (640, 512))
    bands = Image.new("RGB", (640, 512))
    pen = ImageDraw.Draw(bands)
    for top in range(0, 512, 32):
        pen.rectangle((0, top, 640, top + 31), fill=(200, 170, 140) if top // 32 % 2 else (140, 90, 60))
    disk = Image.new("L", planet.size)
    ImageDraw.Draw(disk).ellipse((90, 26, 550, 486), fill=255)
    planet.paste(bands.filter(ImageFilter.GaussianBlur(6)), (0, 0), disk)
    assert found(planet) == ()
    fruit = Image.new("RGB", (640, 480), (190, 160, 120))
    pen = ImageDraw.Draw(fruit)
    for x, y in ((200, 200), (330, 260), (250, 330)):
        pen.ellipse((x, y, x + 120, y + 120), fill=(180, 40, 30))
        pen.ellipse((x + 30, y + 20, x + 60, y + 50), fill=(240, 160, 150))
    assert found(fruit.filter(ImageFilter.GaussianBlur(4))) == ()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (27, 27), (16384, 3)])
def test_pictures_of_odd_shapes_have_no_faces(size: tuple[int, int]) -> None:
    assert found(Image.new("RGB", size, "gray")) == ()


def test_they_are_found_within_the_limits_of_a_decoder() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30));"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0));"
        "import numpy as np; from imagestore.imaging.faces import find_faces; from tests.faces import crowd;"
        "print(len(find_faces(np.asarray(crowd((8000, 6000), (900, 900, 3000))))))"
    )
    command = [sys.executable, "-c", program]
    environment = {"MALLOC_ARENA_MAX": "1", "PYTHONPATH": "."}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert result.stdout == "1\n", result.stderr


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    faces._search.cache_clear()
    try:
        with pytest.raises(FacesUnavailable, match=r"imagestore\[faces\]"):
            found(Image.new("RGB", (64, 64)))
    finally:
        faces._search.cache_clear()

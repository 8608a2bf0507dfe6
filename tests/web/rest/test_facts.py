"""Facts on demand: colours, hash, placeholder, EXIF, place and faces, each only when it is asked for."""

from __future__ import annotations

import io

import httpx
import pytest
from PIL import Image

from imagestore.client import Client
from tests import pictures
from tests.service import Service
from tests.web.answers import check_error

ASKED = ("faces", "colors", "phash", "placeholder", "exif", "place")


def plain(colour: str, size: tuple[int, int] = (40, 30)) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, colour).save(data, "PNG")
    return data.getvalue()


def test_nothing_is_found_out_that_was_not_asked_for(rest: httpx.Client, images: str) -> None:
    rest.put(f"{images}/a", content=plain("red"))
    shown = rest.get(f"{images}/a").json()
    assert not set(ASKED) & set(shown)
    shown = rest.get(f"{images}/a", params=dict.fromkeys(ASKED, "0")).json()
    assert not set(ASKED) & set(shown)


def test_colours_and_faces_of_a_plain_picture(rest: httpx.Client, images: str) -> None:
    pytest.importorskip("cv2")
    rest.put(f"{images}/a", content=plain("#ff0000"))
    for _ in range(2):
        shown = rest.get(f"{images}/a", params={"colors": "1", "faces": "1"}).json()
        assert [each["color"] for each in shown["colors"]] == ["#ff0000"]
        assert shown["colors"][0]["share"] == pytest.approx(1)
        assert shown["faces"] == []


def test_an_upload_looks_for_faces_when_it_is_asked_to(rest: httpx.Client, images: str) -> None:
    pytest.importorskip("cv2")
    assert rest.put(f"{images}/a", params={"faces": "1"}, content=plain("red")).json()["faces"] == []
    form = {"file": ("b.png", plain("blue"))}
    assert rest.post(images, files=form, data={"faces": "1"}).json()["faces"] == []
    assert "faces" not in rest.post(images, files=form).json()


def test_near_duplicates_have_near_hashes(rest: httpx.Client, images: str) -> None:
    pictured = {
        "large": pictures.jpeg(640, 480),
        "small": pictures.webp(160, 120),
        "other": pictures.png(seed=9),
    }
    hashes = {}
    for key, data in pictured.items():
        rest.put(f"{images}/{key}", content=data)
        hashes[key] = int(rest.get(f"{images}/{key}", params={"phash": "1"}).json()["phash"], 16)
    assert (hashes["large"] ^ hashes["small"]).bit_count() <= 6
    assert (hashes["large"] ^ hashes["other"]).bit_count() > 12


def test_the_place_is_told_to_who_asks_for_it_alone(rest: httpx.Client, images: str) -> None:
    rest.put(f"{images}/a", content=pictures.jpeg(gps=True))
    shown = rest.get(f"{images}/a", params={"exif": "1", "place": "1"}).json()
    assert shown["place"]["latitude"] == pytest.approx(52.52, abs=0.01)
    assert shown["place"]["longitude"] == pytest.approx(13.405, abs=0.01)
    assert "52" not in str(shown["exif"])


def test_the_client_asks_by_name(service: Service, rest: httpx.Client, images: str, bucket: str) -> None:
    rest.put(f"{images}/a", content=plain("lime"))
    with service.client() as client:
        assert isinstance(client, Client)
        facts = client.describe(bucket, "a", "colors", "placeholder")
    assert facts["colors"][0]["color"] == "#00ff00"
    assert len(facts["placeholder"]) > 5
    assert set(ASKED) & set(facts) == {"colors", "placeholder"}


@pytest.mark.parametrize("query", [{"colors": "2"}, {"faces": "yes"}, {"smell": "1"}])
def test_what_is_asked_otherwise_is_refused(rest: httpx.Client, images: str, query: dict[str, str]) -> None:
    rest.put(f"{images}/a", content=plain("red"))
    check_error(rest.get(f"{images}/a", params=query), 400, "invalid_parameter")

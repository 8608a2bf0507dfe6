"""Renditions over HTTP: formats, conditions, strict and signed URLs, names, and one render for many."""

from __future__ import annotations

import io
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest
from PIL import Image, ImageChops

from imagestore.client import Client
from imagestore.core.errors import TransformationNotFound
from imagestore.core.transformation.parsing import parse
from imagestore.core.urls import sign_delivery
from imagestore.imaging.pipeline import RenderRequest, Source, render
from tests import pictures
from tests.service import Service, await_that
from tests.web.answers import check_error

WEBP = {"Accept": "image/webp,*/*;q=0.8"}
PLAIN = {"Accept": "image/png,image/jpeg"}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with service.client() as made:
        yield made


@pytest.fixture
def open_bucket(client: Client) -> str:
    name = f"r-{secrets.token_hex(6)}"
    client.create_bucket(name, "public-read")
    return name


@pytest.fixture
def path(client: Client, open_bucket: str) -> str:
    """What goes before a transformation in a bucket with the JPEG `ada`."""
    client.upload(open_bucket, pictures.jpeg(640, 480), key="ada")
    return f"/{open_bucket}/image/upload"


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    return Image.open(io.BytesIO(answer.content))


def count(service: Service, result: str) -> float:
    """The jobs of the decoders that ended so."""
    with service.client() as client:
        found = re.search(
            rf'^imagestore_decoder_jobs_total{{result="{result}"}} (\S+)$', client.metrics(), re.MULTILINE
        )
    assert found
    return float(found[1])


def test_a_transformation_is_made_once_and_then_remembered(stranger: httpx.Client, path: str) -> None:
    first = stranger.get(f"{path}/c_scale,w_200/ada.jpg")
    assert opened(first).size == (200, 150)
    assert first.headers["Cache-Status"] == "imagestore; fwd=uri-miss"
    assert "render;dur=" in first.headers["Server-Timing"]
    again = stranger.get(f"{path}/w_200,c_scale/ada.jpg")
    assert again.headers["Cache-Status"] == "imagestore; hit; detail=redis"
    assert (again.content, again.headers["ETag"]) == (first.content, first.headers["ETag"])
    assert again.headers["Last-Modified"] == stranger.get(f"{path}/ada").headers["Last-Modified"]


@pytest.mark.parametrize(
    ("extension", "name"),
    [("jpg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF"), ("gif", "GIF"), ("tif", "TIFF")],
)
def test_an_extension_is_the_format(stranger: httpx.Client, path: str, extension: str, name: str) -> None:
    answer = stranger.get(f"{path}/c_scale,w_60/ada.{extension}")
    assert opened(answer).format == name
    assert answer.headers["Content-Type"] == f"image/{name.lower()}"
    assert f'filename="ada.{extension}"' in answer.headers["Content-Disposition"]


def test_an_extension_alone_converts_and_the_own_one_is_the_original(
    stranger: httpx.Client, path: str
) -> None:
    assert stranger.get(f"{path}/ada.jpg").content == pictures.jpeg(640, 480)
    assert opened(stranger.get(f"{path}/ada.png")).format == "PNG"


def test_the_format_goes_by_what_the_client_takes(stranger: httpx.Client, path: str) -> None:
    url = f"{path}/c_scale,f_auto,w_50/ada"
    webp, jpeg = stranger.get(url, headers=WEBP), stranger.get(url, headers=PLAIN)
    assert (opened(webp).format, opened(jpeg).format) == ("WEBP", "JPEG")
    assert webp.headers["ETag"] != jpeg.headers["ETag"]
    known = {**WEBP, "If-None-Match": webp.headers["ETag"]}
    answers = [webp, jpeg, stranger.head(url, headers=WEBP), stranger.get(url, headers=known)]
    answers.append(stranger.get(f"{path}/f_auto/nobody"))
    answers.append(stranger.get(url, headers={"If-Match": '"another"'}))
    assert [each.status_code for each in answers] == [200, 200, 200, 304, 404, 412]
    assert all(each.headers["Vary"] == "Accept" for each in answers)
    assert stranger.get(url, headers={**PLAIN, "If-None-Match": webp.headers["ETag"]}).status_code == 200


def test_round_corners_are_sent_in_a_format_that_can_show_them(stranger: httpx.Client, path: str) -> None:
    corners = stranger.get(f"{path}/c_scale,w_50/r_max/f_auto/ada", headers=PLAIN)
    assert (opened(corners).format, opened(corners).convert("RGBA").getpixel((0, 0))) == ("PNG", (0, 0, 0, 0))
    filled = stranger.get(f"{path}/c_scale,w_50/b_red,r_max/f_auto/ada", headers=PLAIN)
    assert opened(filled).format == "JPEG"


def test_conditions_are_judged_before_anything_is_made(
    stranger: httpx.Client, service: Service, path: str
) -> None:
    url = f"{path}/c_scale,w_123/ada.jpg"
    before = count(service, "rendered")
    assert stranger.get(url, headers={"If-None-Match": "*"}).status_code == 304
    assert stranger.get(url, headers={"If-Match": '"no"'}).status_code == 412
    assert count(service, "rendered") == before
    whole = stranger.get(url)
    part = stranger.get(url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    beyond = stranger.get(url, headers={"Range": "bytes=9999999-"})
    check_error(beyond, 416, "range_not_satisfiable")
    head = stranger.head(url)
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert count(service, "rendered") == before + 1


def test_a_new_version_is_made_anew(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    url = f"{path}/c_scale,w_40/ada.png"
    old = stranger.get(url)
    client.upload(open_bucket, pictures.jpeg(480, 640, seed=2), key="ada")
    assert opened(old).size == (40, 30)
    assert opened(stranger.get(url)).size == (40, 53)


@pytest.mark.parametrize("text", ["w_x", "c_nothing,w_10", "e_sepia:500", "w_0", "t_", "if_end", "f_bmp"])
def test_what_cannot_be_is_refused(stranger: httpx.Client, path: str, text: str) -> None:
    answer = stranger.get(f"{path}/{text}/ada.jpg")
    check_error(answer, 400, "invalid_transformation")
    assert answer.headers["Cache-Status"] == "imagestore; fwd=bypass"


def test_attachments_getinfo_and_immutable(stranger: httpx.Client, path: str) -> None:
    attached = stranger.get(f"{path}/fl_attachment:holiday,w_30,c_scale/ada.png")
    assert attached.headers["Content-Disposition"].startswith('attachment; filename="holiday.png"')
    told = stranger.get(f"{path}/c_scale,fl_getinfo,w_30/ada.jpg")
    assert told.headers["Content-Type"] == "application/json"
    size = len(pictures.jpeg(640, 480))
    assert told.json()["input"] == {"width": 640, "height": 480, "bytes": size, "format": "jpeg"}
    assert (told.json()["output"]["width"], told.json()["output"]["height"]) == (30, 23)
    kept = stranger.get(f"{path}/c_scale,fl_immutable_cache,w_30/ada.jpg")
    assert "immutable" in kept.headers["Cache-Control"]


def test_a_default_image_stands_in(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    client.upload(open_bucket, pictures.png(90, 30), key="nobody.png")
    answer = stranger.get(f"{path}/c_scale,d_nobody.png,w_30/missing.jpg")
    assert opened(answer).size == (30, 10)
    check_error(stranger.get(f"{path}/c_scale,d_none.png,w_30/missing.jpg"), 404, "image_not_found")


def test_a_text_of_any_script_in_a_url(stranger: httpx.Client, path: str) -> None:
    words = "سلام, 100% 🚀\nहिन्दी / abc"
    twice = quote(quote(words, safe=""), safe="")
    answer = stranger.get(
        f"{path}/c_scale,w_300/l_text:Arial_40_center:{twice},co_white/fl_layer_apply/ada.png"
    )
    made = render(
        RenderRequest(
            transformation=parse(
                f"c_scale,w_300/l_text:Arial_40_center:{quote(words, safe='')},co_white"
            ).canonical(),
            source=Source(data=pictures.jpeg(640, 480), format="jpeg", width=640, height=480),
            format="png",
        )
    )
    with Image.open(io.BytesIO(made.data)) as expected:
        shown = opened(answer)
        assert shown.size == expected.size
        difference = ImageChops.difference(shown.convert("RGB"), expected.convert("RGB"))
        assert max(top for _, top in difference.getextrema()) < 40
    plain = opened(stranger.get(f"{path}/c_scale,w_300/ada.png")).convert("RGB")
    assert ImageChops.difference(shown.convert("RGB"), plain.resize(shown.size)).getbbox() is not None


def test_a_layer_that_is_not_there(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(f"{path}/l_logo,w_20/fl_layer_apply/ada.jpg")
    check_error(answer, 404, "image_not_found")
    assert "logo" in answer.json()["error"]["message"]


def test_layers_are_of_the_same_bucket_and_renew_what_they_are_in(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    url = f"{path}/c_scale,w_100/l_marks:logo,w_20/fl_layer_apply,g_north_west/ada.png"
    for colour in ("red", "blue"):
        data = io.BytesIO()
        Image.new("RGB", (40, 40), colour).save(data, "PNG")
        client.upload(open_bucket, data.getvalue(), key="marks/logo")
        shown = opened(stranger.get(url)).convert("RGB").getpixel((5, 5))
        assert shown == {"red": (255, 0, 0), "blue": (0, 0, 255)}[colour]


# Names and strictness


def test_named_transformations_by_the_client(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    made = client.put_transformation(open_bucket, "thumb", "c_scale,w_64/f_png")
    assert (made["name"], made["transformation"]) == ("thumb", "c_scale,w_64/f_png")
    url = client.delivery_url(open_bucket, "ada", "t_thumb").removeprefix(client.url)
    assert url == f"{path}/t_thumb/ada"
    first = opened(stranger.get(url))
    assert (first.size, first.format) == ((64, 48), "PNG")
    client.put_transformation(open_bucket, "thumb", "c_scale,w_32")
    assert opened(stranger.get(url)).size == (32, 24)
    assert client.transformation(open_bucket, "thumb")["transformation"] == "c_scale,w_32"
    assert [each["name"] for each in client.transformations(open_bucket)] == ["thumb"]
    client.delete_transformation(open_bucket, "thumb")
    check_error(stranger.get(url), 404, "transformation_not_found")
    with pytest.raises(TransformationNotFound):
        client.transformation(open_bucket, "thumb")


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("", "w_1", "route_not_found"),
        ("a b", "w_1", "invalid_parameter"),
        ("x" * 101, "w_1", "invalid_parameter"),
        ("ok", "", "invalid_parameter"),
        ("ok", "w_q", "invalid_transformation"),
        ("ok", "w_1/" * 2000, "invalid_parameter"),
    ],
)
def test_names_and_texts_that_are_none(
    rest: httpx.Client, open_bucket: str, name: str, text: str, code: str
) -> None:
    url = f"/v1/buckets/{open_bucket}/transformations/{name}"
    answer = rest.put(url, json={"transformation": text})
    assert answer.status_code in (400, 404, 405)
    if name:
        assert answer.json()["error"]["code"] == code


def test_a_name_dies_with_its_bucket(client: Client) -> None:
    name = f"r-{secrets.token_hex(6)}"
    client.create_bucket(name)
    client.put_transformation(name, "thumb", "w_10")
    client.delete_bucket(name)
    client.create_bucket(name)
    assert client.transformations(name) == []


def test_a_strict_bucket_makes_what_is_named_or_signed(
    stranger: httpx.Client, client: Client, service: Service, path: str, open_bucket: str
) -> None:
    assert client.set_strict(open_bucket, True)["strict"] is True
    client.put_transformation(open_bucket, "thumb", "c_scale,w_64")
    for refused in ("w_10", "t_thumb/w_10", "t_thumb,pg_2", "t_thumb/q_33", "/".join(["t_thumb"] * 4)):
        check_error(stranger.get(f"{path}/{refused}/ada.jpg"), 403, "forbidden")
    for taken in ("t_thumb", "t_thumb/f_webp", "f_auto,t_thumb"):
        assert stranger.get(f"{path}/{taken}/ada").status_code == 200
    assert stranger.get(f"{path}/ada").status_code == 200
    assert stranger.get(f"{path}/ada.png").status_code == 200
    signed = client.delivery_url(open_bucket, "ada.jpg", "c_scale,w_77", signed=True)
    assert opened(stranger.get(signed)).size == (77, 58)
    check_error(stranger.get(signed.replace("w_77", "w_78")), 403, "signature_invalid")
    assert client.set_strict(open_bucket, False)["strict"] is False
    assert stranger.get(f"{path}/w_10/ada.jpg").status_code == 200


def test_a_signature_holds_as_long_as_its_credential(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    client.set_strict(open_bucket, True)
    issued = client.create_credential(["read"], [open_bucket])
    other = client.create_credential(["read"], ["another-bucket"])
    writer = client.create_credential(["write"], [open_bucket])

    def url(secret: str) -> str:
        return f"{path}/s--{sign_delivery(secret, 'c_scale,w_21', 'ada.png')}--/c_scale,w_21/ada.png"

    await_that(lambda: stranger.get(url(issued["secret"])).status_code == 200)
    for each in (other, writer):
        check_error(stranger.get(url(each["secret"])), 403, "signature_invalid")
    client.revoke_credential(issued["access_key"])
    check_error(stranger.get(url(issued["secret"])), 403, "signature_invalid")


def test_a_private_bucket_asks_first(stranger: httpx.Client, rest: httpx.Client, client: Client) -> None:
    name = f"r-{secrets.token_hex(6)}"
    client.create_bucket(name)
    client.upload(name, pictures.jpeg(64, 48), key="ada")
    url = f"/{name}/image/upload/f_auto,t_nothing/ada"
    refused = stranger.get(url)
    check_error(refused, 401, "unauthenticated")
    assert refused.headers["Vary"] == "Accept"
    check_error(rest.get(url), 404, "transformation_not_found")
    answer = rest.get(f"/{name}/image/upload/c_scale,w_32/ada.png")
    assert opened(answer).size == (32, 24)
    assert answer.headers["Cache-Control"] == "private, max-age=60"


# Many at once


def test_two_hundred_at_once_are_one_render(service: Service, path: str) -> None:
    before = count(service, "rendered")
    url = f"{service.url}{path}/c_scale,w_333/ada.jpg"
    with httpx.Client(limits=httpx.Limits(max_connections=200), timeout=60) as http:

        def ask(_: int) -> tuple[int, bytes]:
            answer = http.get(url)
            return answer.status_code, answer.content

        with ThreadPoolExecutor(200) as threads:
            answers = Counter(threads.map(ask, range(200)))
    [((status, _), times)] = answers.items()
    assert (status, times) == (200, 200)
    assert count(service, "rendered") == before + 1


def test_an_original_as_an_attachment_is_the_original(stranger: httpx.Client, path: str) -> None:
    for flags, named in (("fl_attachment", "ada"), ("fl_attachment:holiday", "holiday.jpg")):
        answer = stranger.get(f"{path}/{flags}/ada.jpg")
        assert answer.content == pictures.jpeg(640, 480)
        assert answer.headers["Content-Disposition"].startswith(f'attachment; filename="{named}"')


def test_only_what_the_url_says_in_full_is_immutable(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    client.put_transformation(open_bucket, "thumb", "c_scale,w_64")
    client.upload(open_bucket, pictures.png(20, 20), key="logo")
    number = client.image(open_bucket, "ada")["version"]
    for text, expected in (
        ("c_scale,w_20", True),
        ("f_auto,q_auto,w_21", True),
        ("t_thumb", False),
        ("l_logo/fl_layer_apply", False),
        ("$a_1/if_w_gt_10/c_scale,w_22/if_end", True),
    ):
        answer = stranger.get(f"{path}/{text}/v{number}/ada.jpg")
        assert answer.status_code == 200, answer.text
        assert ("immutable" in answer.headers["Cache-Control"]) is expected, text


def test_a_bad_transformation_varies_by_accept_too(stranger: httpx.Client, path: str) -> None:
    answer = stranger.get(f"{path}/f_auto,w_zz/ada")
    check_error(answer, 400, "invalid_transformation")
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "asking",
    [
        "$x_ctx:!secret!/l_text:Arial_40:$(x)/fl_layer_apply",
        "$x_tags/c_scale,w_20",
        "if_ctx:!secret!_eq_!a!/c_scale,w_20/if_end",
    ],
)
def test_strangers_learn_no_tags_and_no_context(
    service: Service, stranger: httpx.Client, client: Client, path: str, open_bucket: str, asking: str
) -> None:
    client.relabel(open_bucket, "ada", tags=["sea"], context={"secret": "a"})
    answer = stranger.get(f"{path}/{asking}/ada.png")
    check_error(answer, 401, "unauthenticated")
    assert "sign the URL" in answer.text
    known = stranger.get(f"{path}/{asking}/ada.png", auth=(service.access_key, service.secret))
    assert opened(known)
    assert known.headers["Cache-Control"].startswith("private")


def test_labels_that_it_asks_for_are_a_part_of_what_it_is(
    stranger: httpx.Client, client: Client, path: str, open_bucket: str
) -> None:
    name = f"n-{secrets.token_hex(4)}"
    client.put_transformation(open_bucket, name, "if_!sea!_in_tags/c_scale,w_20/if_else/c_scale,w_40/if_end")
    url = f"{path}/t_{name}/ada.png"
    assert opened(stranger.get(url)).size == (40, 30)
    client.relabel(open_bucket, "ada", tags=["sea"])
    assert opened(stranger.get(url)).size == (20, 15)
    number = client.image(open_bucket, "ada")["version"]
    pinned = stranger.get(url.replace("/ada", f"/v{number}/ada"))
    assert "immutable" not in pinned.headers["Cache-Control"]


def test_a_substitute_is_kept_for_a_minute_whatever_the_flags(stranger: httpx.Client, path: str) -> None:
    for more in ("", "c_scale,w_20/"):
        answer = stranger.get(f"{path}/{more}d_ada,fl_immutable_cache/none")
        assert opened(answer)
        assert "max-age=60," in answer.headers["Cache-Control"]
        assert "Last-Modified" not in answer.headers


def test_no_date_is_judged_where_none_tells(stranger: httpx.Client, client: Client, path: str) -> None:
    client.put_transformation(path.split("/")[1], "small", "c_scale,w_20")
    later = {"If-Modified-Since": "Fri, 31 Dec 2100 00:00:00 GMT"}
    for asking in ("t_small/ada", "c_scale,f_auto,w_20/ada", "d_ada/none"):
        answer = stranger.get(f"{path}/{asking}", headers=later)
        assert opened(answer)
        assert "Last-Modified" not in answer.headers
        same = {"If-None-Match": answer.headers["ETag"]}
        assert stranger.get(f"{path}/{asking}", headers=same).status_code == 304
    assert stranger.get(f"{path}/c_scale,w_20/ada", headers=later).status_code == 304

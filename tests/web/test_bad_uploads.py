"""Uploads that must not get in, against real gunicorn: refused with a 4xx, and nothing is left of them."""

import base64
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests import pictures
from tests.service import Service
from tests.web.answers import check_error
from tests.web.watch import peak_memory, read_error, talk, workers

IMAGES = "/v1/buckets/default/images"
MiB = 1024 * 1024
LIMIT = 8 * MiB
WHOLE = pictures.jpeg(seed=5000)
STATUSES = {
    "empty_upload": 400,
    "unsupported_format": 415,
    "corrupt_image": 422,
    "image_limit_exceeded": 422,
}

BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("empty_upload", lambda: b""),
    "text": ("unsupported_format", lambda: b"hello, this is no picture\n" * 20),
    "HTML": ("unsupported_format", pictures.html),
    "SVG": ("unsupported_format", pictures.svg),
    "PDF": ("unsupported_format", lambda: b"%PDF-1.7\n" + WHOLE),
    "ICO": ("unsupported_format", lambda: b"\0\0\1\0\1\0" + WHOLE),
    "PostScript": ("unsupported_format", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n"),
    "one byte": ("unsupported_format", lambda: b"\xff"),
    "HTML with the head of a PNG": ("corrupt_image", pictures.html_with_png_head),
    "the head of a JPEG alone": ("corrupt_image", lambda: WHOLE[:3]),
    "300 large frames": ("image_limit_exceeded", pictures.bomb_frames_gif),
    "10,000 frames": ("image_limit_exceeded", pictures.many_frames_gif),
    "400 scans": ("image_limit_exceeded", pictures.many_scans_jpeg),
    "1 x 1,000,000": ("image_limit_exceeded", pictures.thin_png),
    "400,000 texts": ("image_limit_exceeded", pictures.text_chunks_png),
    "a text of 256 MiB": ("corrupt_image", lambda: pictures.inflating_text_png(256 * MiB)),
    "a looping TIFF": ("corrupt_image", pictures.looping_tiff),
    **{
        f"half a {format}": (
            "corrupt_image",
            lambda format=format: pictures.truncated(pictures.picture(format)),
        )
        for format in pictures.FORMATS
    },
    **{
        f"a {format} bomb": ("image_limit_exceeded", lambda format=format: pictures.bomb_pixels(format))
        for format in pictures.FORMATS
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_whichever_way_it_comes(door: httpx.Client, name: str) -> None:
    code, make = BAD[name]
    data = make()
    assert len(data) < LIMIT
    answers = (
        door.put(f"{IMAGES}/bad.png", content=data, headers={"Content-Type": "image/png"}),
        door.post(IMAGES, files={"file": ("bad.png", data, "image/png")}),
        door.put(f"{IMAGES}/bad.png", content=iter([data[:1000], data[1000:]])),
    )
    for answer in answers:
        check_error(answer, STATUSES[code], code)
    assert door.get(f"{IMAGES}/bad.png").status_code == 404


def head(strict: Service, *fields: str, target: str = f"{IMAGES}/raw.jpg", method: str = "PUT") -> bytes:
    """The head of an upload with the credential of the service, and further fields."""
    secret = base64.b64encode(f"{strict.access_key}:{strict.secret}".encode()).decode()
    lines = [f"{method} {target} HTTP/1.1", "Host: x", "Connection: close", f"Authorization: Basic {secret}"]
    return "\r\n".join([*lines, *fields, "", ""]).encode()


def test_a_body_that_ends_before_its_length(strict: Service, door: httpx.Client) -> None:
    said = head(strict, f"Content-Length: {len(WHOLE)}")
    assert read_error(talk(strict, said + WHOLE[:-1], end=True)) == (400, "length_mismatch")
    assert read_error(talk(strict, said + WHOLE[:-1])) == (408, "request_timeout")
    chunk = b"%x\r\n" % len(WHOLE) + WHOLE + b"\r\n"  # and no last one
    chunked = head(strict, "Transfer-Encoding: chunked")
    assert read_error(talk(strict, chunked + chunk, end=True)) == (400, "length_mismatch")
    assert read_error(talk(strict, chunked + chunk)) == (408, "request_timeout")


def test_a_body_that_goes_on_behind_its_length(strict: Service, door: httpx.Client) -> None:
    half = len(WHOLE) // 2
    said = head(strict, f"Content-Length: {half}")
    assert read_error(talk(strict, said + WHOLE)) == (422, "corrupt_image")


@pytest.mark.parametrize(
    "fields",
    [
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        ("Content-Length: 5x",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5, 5",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: xchunked",),
        ("Content-Length : 5",),
        ("Content-Length: 5", "X: a\r\n b"),
    ],
    ids=str,
)
def test_a_length_that_can_be_read_in_two_ways(
    strict: Service, door: httpx.Client, fields: tuple[str, ...]
) -> None:
    status, code = read_error(talk(strict, head(strict, *fields) + b"hello"))
    assert (400 <= status < 500, code) == (True, "invalid_request")


@pytest.mark.parametrize("chunk", [b"zz\r\nhello", b"-1\r\n", b"5\r\nhelloworld\r\n0\r\n\r\n", b"\r\n\r\n"])
def test_chunks_that_are_none(strict: Service, door: httpx.Client, chunk: bytes) -> None:
    received = talk(strict, head(strict, "Transfer-Encoding: chunked") + chunk, end=True)
    assert received == b"" or 400 <= read_error(received)[0] < 500


def test_too_large_is_refused_by_its_length_before_a_byte_of_it(strict: Service, door: httpx.Client) -> None:
    said = head(strict, f"Content-Length: {10 * MiB}", "Expect: 100-continue")
    received = talk(strict, said)
    assert b"100 Continue" not in received
    assert read_error(received) == (413, "upload_too_large")
    small = head(strict, "Content-Length: 3", "Expect: 100-continue")
    assert talk(strict, small).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
    for length in ("9" * 18, "9" * 400):
        assert read_error(talk(strict, head(strict, f"Content-Length: {length}"))) in (
            (413, "upload_too_large"),
            (400, "invalid_request"),
        )


def test_too_large_is_refused_however_it_is_sent(strict: Service, door: httpx.Client) -> None:
    def pieces(size: int) -> Iterator[bytes]:
        yield WHOLE
        for _ in range(size // 65536):
            yield bytes(65536)

    for size in (LIMIT, 2 * LIMIT):
        data = WHOLE + bytes(size)
        answers = (
            door.put(f"{IMAGES}/large", content=pieces(size)),
            door.put(f"{IMAGES}/large", content=data),
            door.post(IMAGES, files={"file": ("large", data)}),
        )
        for answer in answers:
            check_error(answer, 413, "upload_too_large")


def test_memory_does_not_grow_with_what_is_refused(strict: Service, door: httpx.Client) -> None:
    data = WHOLE[:-2] + bytes(LIMIT - len(WHOLE))
    for number in range(30):
        answer = door.put(f"{IMAGES}/refused", content=data + bytes([number, number]))
        assert 400 <= answer.status_code < 500
        form = {"file": ("x", data[:-1] + b"x")}
        check_error(door.post(IMAGES, files=form, data={"key": "../x"}), 400, "invalid_key")
    assert max(peak_memory(pid) for pid in workers(strict)) < 256 * MiB

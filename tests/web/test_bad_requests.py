"""Forms, keys and labels that no upload may have: refused with a 4xx, and nothing is left of them."""

import json
from urllib.parse import quote

import httpx
import pytest

from tests import pictures
from tests.web.answers import check_error, code_of

IMAGES = "/v1/buckets/default/images"
GIF = pictures.gif(seed=6000)


def part(name: str, body: bytes, file: str | None = None, more: str = "") -> bytes:
    shown = f'; filename="{file}"' if file is not None else ""
    return (
        f'--B\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n{more}\r\n'.encode() + body + b"\r\n"
    )


FILE = part("file", GIF, "a.gif")
END = b"--B--\r\n"
FORM = "multipart/form-data; boundary=B"
FORMS: dict[str, tuple[str, bytes]] = {
    "no boundary named": ("multipart/form-data", FILE + END),
    "an empty boundary": ('multipart/form-data; boundary=""', FILE + END),
    "another boundary": ("multipart/form-data; boundary=C", FILE + END),
    "a boundary of 3,000": (f"multipart/form-data; boundary={'B' * 3000}", FILE + END),
    "nothing": (FORM, b""),
    "no part": (FORM, END),
    "no file": (FORM, part("key", b"x") + END),
    "a file of another name": (FORM, part("image", GIF, "a.gif") + END),
    "a file without file name": (FORM, part("file", GIF) + END),
    "a part without a name": (
        FORM,
        b'--B\r\nContent-Disposition: form-data; filename="x"\r\n\r\nx\r\n' + END,
    ),
    "a part without head": (FORM, b"--B\r\n\r\n" + GIF + b"\r\n" + END),
    "cut in the head of a part": (FORM, FILE[:30]),
    "cut in the file": (FORM, FILE[:-20]),
    "cut before the last boundary": (FORM, FILE),
    "an empty file": (FORM, part("file", b"", "a.gif") + END),
    "1,000 parts": (FORM, b"".join(part(f"f{n}", b"x") for n in range(1000)) + FILE + END),
    "1,000 files": (FORM, part("file", GIF, "a.gif") * 1000 + END),
    "a huge field": (FORM, part("tags", b"x" * 1024 * 1024) + FILE + END),
    "a huge head": (FORM, part("file", GIF, "a.gif", more=f"X: {'x' * 200_000}\r\n") + END),
    "fields without end": (FORM, part("tags", b"x" * 100_000)[:-2] * 5 + FILE + END),
    "a form within": (
        FORM,
        part("file", b"--C\r\n\r\nx\r\n--C--", more="Content-Type: multipart/mixed\r\n") + END,
    ),
    "a foreign form": ("multipart/mixed; boundary=B", FILE + END),
    "a form of words": ("application/x-www-form-urlencoded", b"file=x&key=y"),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_bad_form_is_refused(door: httpx.Client, name: str) -> None:
    content_type, body = FORMS[name]
    answer = door.post(IMAGES, content=body, headers={"Content-Type": content_type})
    assert 400 <= answer.status_code < 500
    code_of(answer)


BAD_KEYS = {
    "empty": "",
    "parent": "..",
    "here": ".",
    "parent first": "../x",
    "parent within": "a/../x",
    "parent last": "a/..",
    "here within": "a/./x",
    "nul": "a\x00b",
    "2 KB": "k" * 2048,
    "1,025 bytes": "ü" * 512 + "k",
    "line break": "a\nb",
    "header": "a\r\nSet-Cookie: x=y",
    "escape": "a\x1b[2Jb",
    "delete": "a\x7f",
    "next line": "a\u0085b",
    "line separator": "a\u2028b",
    "leading slash": "/a",
    "two leading slashes": "//etc/passwd",
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_is_refused_by_query_and_form(door: httpx.Client, name: str) -> None:
    key = BAD_KEYS[name]
    check_error(door.post(IMAGES, params={"key": key}, content=GIF), 400, "invalid_key")
    check_error(door.post(IMAGES, data={"key": key}, files={"file": ("x", GIF)}), 400, "invalid_key")


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_is_refused_in_a_path(door: httpx.Client, name: str) -> None:
    key = BAD_KEYS[name]
    for path in {quote(key), quote(key, safe=""), quote(key).replace("..", ".%2e")}:
        target = {"target": f"{IMAGES}/{path}".encode()}
        answer = door.put("/", content=GIF, extensions=target)
        assert answer.status_code in (400, 404, 405), answer.text
        assert code_of(answer) in ("invalid_key", "route_not_found", "method_not_allowed")


@pytest.mark.parametrize(
    "octets", [b"\xff", b"a\xc3(", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf8\x88\x80\x80\x80"]
)
def test_a_key_that_is_no_utf8_is_refused(door: httpx.Client, octets: bytes) -> None:
    escaped = quote(octets)
    put = door.put("/", content=GIF, extensions={"target": f"{IMAGES}/{escaped}".encode()})
    check_error(put, 400, "invalid_parameter")
    query = door.post("/", content=GIF, extensions={"target": f"{IMAGES}?key={escaped}".encode()})
    check_error(query, 400, "invalid_parameter")
    form = door.post(IMAGES, content=part("key", octets) + FILE + END, headers={"Content-Type": FORM})
    check_error(form, 400, "invalid_key")


BAD_LABELS = [
    {"tags": "a\x00b"},
    {"tags": "a\nb"},
    {"tags": "x" * 256},
    {"tags": ",".join(str(number) for number in range(101))},
    {"tags": "a\u2028b"},
    {"context": "x"},
    {"context": "{"},
    {"context": "[]"},
    {"context": "null"},
    {"context": '{"a": 1}'},
    {"context": '{"a": NaN}'},
    {"context": '{"a": {"b": "c"}}'},
    {"context": '{"": "x"}'},
    {"context": '{"a": "\\u0000"}'},
    {"context": '{"a": "\\ud800"}'},
    {"context": '{"\\ud800": "a"}'},
    {"context": json.dumps({"a": "x" * 8192})},
    {"context": json.dumps({str(number): "" for number in range(101)})},
    {"context": "[" * 2000},
]


@pytest.mark.parametrize("labels", BAD_LABELS, ids=lambda labels: str(labels)[:40])
def test_bad_labels_are_refused(door: httpx.Client, labels: dict[str, str]) -> None:
    if len(str(labels)) < 2000:  # as much as a request line takes, percent-encoded
        raw = door.put(f"{IMAGES}/labelled", params=labels, content=GIF)
        check_error(raw, 400, "invalid_parameter")
    form = door.post(IMAGES, data=labels, files={"file": ("x", GIF)})
    check_error(form, 400, "invalid_parameter")


def test_a_file_name_and_a_type_of_a_part_decide_nothing(door: httpx.Client) -> None:
    for file, kind in (
        ("../../etc/passwd", "image/gif"),
        ("a.gif\r\nX: y", "image/gif"),
        ("x.php", "text/html"),
    ):
        body = part("file", pictures.html(), file, more=f"Content-Type: {kind}\r\n") + END
        answer = door.post(IMAGES, content=body, headers={"Content-Type": FORM})
        assert code_of(answer) in ("unsupported_format", "invalid_parameter")
        assert not {"x", "set-cookie"} & set(answer.headers)

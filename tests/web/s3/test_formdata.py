"""Forms that are posted to a bucket: fields and file are told apart by name, and the file streams by."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagestore.web.s3.errors import S3Error
from imagestore.web.s3.formdata import FIELDS_BYTES, Form, read_form

pytestmark = pytest.mark.quick

KIND = "multipart/form-data; boundary=xyz"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    said = "" if filename is None else f'; filename="{filename}"'
    return (
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"{said}\r\n\r\n'.encode() + content + b"\r\n"
    )


def posted(*parts: bytes, end: bytes = b"--xyz--\r\n", kind: str = KIND) -> Form:
    return read_form(io.BytesIO(b"".join(parts) + end), kind)


def read_all(form: Form, size: int = 5000) -> bytes:
    found = b""
    while data := form.file.read(size):
        found += data
    return found


def code_of(read: Callable[[], object]) -> str:
    with pytest.raises(S3Error) as raised:
        read()
    assert 400 <= raised.value.status < 500
    return raised.value.code


def test_fields_come_before_the_file_and_what_follows_is_passed_over() -> None:
    form = posted(
        part("kEy", "ä.png".encode()), part("acl", b"private"), part("file", b"bytes", "a/b.png"),
        part("acl", b"public-read"), part("file", b"more", "c.png"),
    )  # fmt: skip
    assert form.fields == {"key": "ä.png", "acl": "private"}
    assert form.filename == "a/b.png"
    assert read_all(form) == b"bytes"
    assert form.file.read(1) == b""


def test_a_field_with_a_filename_is_a_field_and_a_file_needs_none() -> None:
    form = posted(part("key", b"a", "key"), part("file", b"bytes"))
    assert (form.fields, form.filename, read_all(form)) == ({"key": "a"}, "", b"bytes")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from([b"\r\n", b"--xyz", b"\r\n--xy", b"a" * 20_000, b"\n", b"\r", b"-"]), max_size=12
    )
)
def test_any_bytes_but_the_boundary_are_the_file(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    if b"\n--xyz" in content or b"\r--xyz" in content or content.startswith(b"--xyz"):
        return
    assert read_all(posted(part("file", content))) == content


def test_the_size_is_held_to() -> None:
    form = posted(part("file", b"12345"))
    form.file.least, form.file.most = 5, 5
    assert read_all(form) == b"12345"
    form = posted(part("file", b"12345"))
    form.file.least = 6
    assert code_of(lambda: read_all(form)) == "EntityTooSmall"
    large = posted(part("file", b"1" * 100_000))
    large.file.most = 20_000
    given = 0
    with pytest.raises(S3Error) as raised:
        while data := large.file.read(4096):
            given += len(data)
    assert raised.value.code == "EntityTooLarge"
    assert given <= 20_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "MalformedPOSTRequest"),
        (b"--xyz--\r\n", "InvalidArgument"),
        (part("key", b"a") + b"--xyz--\r\n", "InvalidArgument"),
        (part("key", b"a"), "MalformedPOSTRequest"),
        (part("key", b"a")[:30], "MalformedPOSTRequest"),
        (part("key", b"\xff") + part("file", b"a") + b"--xyz--", "MalformedPOSTRequest"),
        (b"--xyz\r\nContent-Type: text/plain\r\n\r\na\r\n--xyz--\r\n", "MalformedPOSTRequest"),
        (b"--xyz\r\n\xff: b\r\n\r\na\r\n--xyz--\r\n", "MalformedPOSTRequest"),
        (part("key", b"a" * FIELDS_BYTES) + part("file", b"a"), "MaxPostPreDataLengthExceededError"),
        (b"".join(part(f"x{n}", b"a" * 100) for n in range(250)), "MaxPostPreDataLengthExceededError"),
        (b"--xyz\r\nA: " + b"b" * 60_000, "MaxPostPreDataLengthExceededError"),
        (b"".join(part("x", b"") for _ in range(1100)), "MaxPostPreDataLengthExceededError"),
    ],
)
def test_a_broken_form_is_refused(body: bytes, code: str) -> None:
    assert code_of(lambda: read_form(io.BytesIO(body), KIND)) == code


@pytest.mark.parametrize("cut", [1, 5, 9, 12])
def test_a_form_cut_short_in_its_file_is_refused(cut: int) -> None:
    body = part("key", b"a") + part("file", b"bytes") + b"--xyz--"
    form = read_form(io.BytesIO(body[:-cut]), KIND)
    assert code_of(lambda: read_all(form)) == "MalformedPOSTRequest"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("", "PreconditionFailed"),
        ("application/x-www-form-urlencoded", "PreconditionFailed"),
        ("multipart/form-data", "MalformedPOSTRequest"),
        ("multipart/form-data; boundary=", "MalformedPOSTRequest"),
        (f"multipart/form-data; boundary={'x' * 300}", "MalformedPOSTRequest"),
    ],
)
def test_only_a_form_is_taken(kind: str, code: str) -> None:
    assert code_of(lambda: posted(part("file", b"a"), kind=kind)) == code

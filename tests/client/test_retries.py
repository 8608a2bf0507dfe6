"""What is sent again, how often and when; what is not; and downloads that go on where they broke off."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import httpx
import pytest

from imagestore.client import Client, Retries
from imagestore.client import retries as retries_module
from imagestore.core.errors import (
    BlobDamaged,
    ImageNotFound,
    ImagestoreError,
    LengthMismatch,
    PreconditionFailed,
    ServiceUnreachable,
    StoreUnavailable,
    VersionNotFound,
)
from imagestore.core.image import Condition, Digest

pytestmark = pytest.mark.quick

Step = httpx.Response | Exception
DATA = bytes(range(256)) * 2000
DIGEST = hashlib.sha256(DATA).hexdigest()
HERE = Condition(digests=(Digest(DIGEST),))


def failed(status: int, code: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "."}}, headers=headers)


def unavailable(**headers: str) -> httpx.Response:
    return failed(503, "store_unavailable", **headers)


class Script(httpx.BaseTransport):
    """A service that does one step after another, the last one for ever; `bodies` are what it was sent."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.bodies: list[bytes] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]
        if isinstance(step, httpx.ConnectError):
            raise step
        self.bodies.append(request.read())
        if isinstance(step, Exception):
            raise step
        return step

    def client(self, **options: Any) -> Client:
        return Client("http://service", "KEY", "secret", transport=self, **options)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it would have waited."""
    waited: list[float] = []
    # Not the sleep of all who sleep in this process.
    monkeypatch.setattr(retries_module, "time", SimpleNamespace(sleep=waited.append))
    return waited


Call = Callable[[Client], object]
FOUND: dict[str, Any] = {
    "buckets": [],
    "credentials": [],
    "images": [],
    "versions": [],
    "transformations": [],
    "next": None,
    "url": "",
}
SAFE: dict[str, Call] = {
    "buckets": lambda client: client.buckets(),
    "bucket": lambda client: client.bucket("b"),
    "set_strict": lambda client: client.set_strict("b", True),
    "transformations": lambda client: client.transformations("b"),
    "transformation": lambda client: client.transformation("b", "t"),
    "put_transformation": lambda client: client.put_transformation("b", "t", "w_1"),
    "delete_transformation": lambda client: client.delete_transformation("b", "t"),
    "describe": lambda client: client.describe("b", "k", "colors"),
    "set_access": lambda client: client.set_access("b", "private"),
    "delete_bucket": lambda client: client.delete_bucket("b"),
    "upload": lambda client: client.upload("b", b"x", "k"),
    "image": lambda client: client.image("b", "k"),
    "images": lambda client: list(client.images("b")),
    "relabel": lambda client: client.relabel("b", "k", ["t"]),
    "delete": lambda client: client.delete("b", "k"),
    "versions": lambda client: list(client.versions("b", "k")),
    "version": lambda client: client.version("b", "k", 1),
    "delete_version": lambda client: client.delete_version("b", "k", 1),
    "signed_url": lambda client: client.signed_url("b", "k"),
    "warm": lambda client: client.warm("b", ["k"]),
    "visit": lambda client: client.visit("/b/image/upload/k"),
    "explain": lambda client: client.explain("/b/image/upload/k"),
    "purge": lambda client: client.purge("b", ["k"]),
    "cache_stats": lambda client: client.cache_stats(),
    "credentials": lambda client: client.credentials(),
    "revoke_credential": lambda client: client.revoke_credential("A"),
    "openapi": lambda client: client.openapi(),
    "metrics": lambda client: client.metrics(),
}
UNSAFE: dict[str, Call] = {
    "create_bucket": lambda client: client.create_bucket("b"),
    "upload without a key": lambda client: client.upload("b", b"x"),
    "upload on a condition": lambda client: client.upload("b", b"x", "k", condition=Condition(exists=False)),
    "relabel on a condition": lambda client: client.relabel("b", "k", ["t"], condition=HERE),
    "delete on a condition": lambda client: client.delete("b", "k", HERE),
    "restore": lambda client: client.restore("b", "k", 1),
    "create_credential": lambda client: client.create_credential(["read"]),
}


@pytest.mark.parametrize("failure", [unavailable(), httpx.ReadError("cut"), httpx.RemoteProtocolError("cut")])
@pytest.mark.parametrize("call", SAFE.values(), ids=SAFE)
def test_what_is_safe_is_sent_again(call: Call, failure: Step) -> None:
    script = Script(failure, httpx.ConnectError("down"), httpx.Response(200, json=FOUND))
    with script.client() as client:
        call(client)
    assert len(script.requests) == 3
    assert (
        len({(each.method, each.url, each.content) for each in script.requests if hasattr(each, "_content")})
        == 1
    )


@pytest.mark.parametrize("failure", [unavailable(), httpx.ReadError("cut"), httpx.RemoteProtocolError("cut")])
@pytest.mark.parametrize("call", UNSAFE.values(), ids=UNSAFE)
def test_what_is_not_safe_is_sent_once(call: Call, failure: Step, pauses: list[float]) -> None:
    script = Script(failure)
    with script.client() as client, pytest.raises((StoreUnavailable, ServiceUnreachable)):
        call(client)
    assert (len(script.requests), pauses) == (1, [])


@pytest.mark.parametrize("call", [*SAFE.values(), *UNSAFE.values()], ids=[*SAFE, *UNSAFE])
def test_what_was_never_sent_is_sent_whatever_it_is(call: Call) -> None:
    script = Script(httpx.ConnectError("down"), httpx.Response(200, json=FOUND))
    with script.client() as client:
        call(client)
    assert len(script.requests) == 2


@pytest.mark.parametrize("call", [*SAFE.values(), *UNSAFE.values()], ids=[*SAFE, *UNSAFE])
def test_what_was_turned_away_comes_again_when_it_is_told_to(call: Call, pauses: list[float]) -> None:
    away = failed(429, "rate_limited", **{"Retry-After": "9"})
    script = Script(away, away, httpx.Response(200, json=FOUND))
    with script.client() as client:
        call(client)
    assert len(script.requests) == 3
    assert all(9 <= each <= 10 for each in pauses)


def test_a_service_that_stays_away_is_given_up(pauses: list[float]) -> None:
    script = Script(httpx.ConnectError("down"))
    with script.client() as client, pytest.raises(ServiceUnreachable, match="down"):
        client.buckets()
    assert (len(script.requests), len(pauses)) == (4, 3)


def test_pauses_grow_and_differ(pauses: list[float]) -> None:
    for _ in range(40):
        script = Script(unavailable())
        patient = script.client(retries=Retries(count=5, first=1, longest=4))
        with patient as client, pytest.raises(StoreUnavailable):
            client.buckets()
        assert len(script.requests) == 6
    for nth, bound in enumerate((1, 2, 4, 4, 4)):
        taken = pauses[nth::5]
        assert all(0 <= each <= bound for each in taken)
        assert max(taken) > bound / 2 > min(taken)


@pytest.mark.parametrize(
    ("value", "least"),
    [
        ("7", 7),
        ("0", 0),
        (20, 15),
        (-86400, 0),
        ("soon", 0),
        ("", 0),
    ],
)
def test_the_answer_says_how_long_to_wait(value: str | int, least: float, pauses: list[float]) -> None:
    """A number stands for the date that is so many seconds away."""
    if isinstance(value, int):
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=value), usegmt=True)
    script = Script(unavailable(**{"Retry-After": value}), httpx.Response(200, json=FOUND))
    with script.client() as client:
        client.buckets()
    [pause] = pauses
    assert least <= pause <= least + 5.5


def test_an_answer_that_asks_for_too_much_patience_is_final(pauses: list[float]) -> None:
    script = Script(unavailable(**{"Retry-After": "31"}))
    with script.client() as client, pytest.raises(StoreUnavailable):
        client.buckets()
    assert (len(script.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "step", [failed(500, "internal_error"), failed(502, "blob_damaged"), failed(404, "x")]
)
def test_any_other_answer_is_final(step: Step) -> None:
    script = Script(step)
    with script.client() as client, pytest.raises(ImagestoreError):
        client.buckets()
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "step", [httpx.ReadTimeout("late"), httpx.WriteTimeout("late"), httpx.PoolTimeout("late")]
)
def test_a_service_that_takes_its_time_is_not_asked_for_more(step: Step) -> None:
    script = Script(step)
    with script.client() as client, pytest.raises(ServiceUnreachable, match="late"):
        client.buckets()
    assert len(script.requests) == 1


def test_a_deletion_that_was_carried_out_after_all_is_no_failure() -> None:
    gone = failed(404, "image_not_found")
    with Script(httpx.ReadError("cut"), gone).client() as client:
        client.delete("b", "k")
    with Script(unavailable(), failed(404, "version_not_found")).client() as client:
        client.delete_version("b", "k", 1)
    with Script(gone).client() as client, pytest.raises(ImageNotFound):
        client.delete("b", "k")
    with Script(httpx.ConnectError("down"), gone).client() as client, pytest.raises(ImageNotFound):
        client.delete("b", "k")
    script = Script(unavailable(), failed(404, "version_not_found"))
    with script.client() as client, pytest.raises(VersionNotFound):
        client.version("b", "k", 1)


class OnePass(io.BytesIO):
    """As a pipe: it cannot be read again."""

    def seekable(self) -> bool:
        return False


def at(position: int, data: bytes) -> IO[bytes]:
    file = io.BytesIO(data)
    file.seek(position)
    return file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(DATA)
    return tmp_path / "file"


@pytest.mark.parametrize("kind", ["path", "bytes", "file"])
def test_a_source_is_read_again_from_its_beginning(kind: str, path: Path) -> None:
    source = {"path": path, "bytes": DATA, "file": at(3, b"???" + DATA)}[kind]
    script = Script(httpx.WriteError("cut"), unavailable(), httpx.Response(200, json={}))
    with script.client() as client:
        client.upload("b", source, "k")
    assert script.bodies == [DATA, DATA, DATA]
    assert {each.headers["Content-Length"] for each in script.requests} == {str(len(DATA))}


def test_a_stream_that_can_be_read_once_is_sent_once() -> None:
    for failure in (httpx.ReadError("cut"), unavailable()):
        script = Script(failure)
        with script.client() as client, pytest.raises((ServiceUnreachable, StoreUnavailable)):
            client.upload("b", OnePass(DATA), "k")
        assert script.bodies == [DATA]
    script = Script(httpx.ConnectError("down"), httpx.Response(200, json={}))
    with script.client() as client:
        client.upload("b", OnePass(DATA), "k")
    assert (script.bodies, len(script.requests)) == ([DATA], 2)
    assert script.requests[-1].headers["Transfer-Encoding"] == "chunked"


class Cut(httpx.SyncByteStream):
    """A body that ends in an error."""

    def __init__(self, data: bytes, error: Exception) -> None:
        self._data = data
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield self._data
        raise self._error


def whole(data: bytes, digest: str = DIGEST, **headers: str) -> httpx.Response:
    return httpx.Response(200, content=iter([data]), headers={"ETag": f'"{digest}"'} | headers)


def cut(length: int, error: Exception, *, start: int = 0) -> httpx.Response:
    headers = {"ETag": f'"{DIGEST}"', "Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"}
    return httpx.Response(
        206 if start else 200, stream=Cut(DATA[start : start + length], error), headers=headers
    )


def rest(start: int) -> httpx.Response:
    headers = {"ETag": f'"{DIGEST}"', "Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"}
    return httpx.Response(206, content=iter([DATA[start:]]), headers=headers)


def fetch(client: Client) -> bytes:
    with client.get("b", "k") as download:
        return b"".join(download)


def expect(kind: type[ImagestoreError], client: Client) -> None:
    with client, pytest.raises(kind):
        fetch(client)


@pytest.mark.parametrize(
    "error", [httpx.ReadError("cut"), httpx.RemoteProtocolError("cut"), httpx.ReadTimeout("hangs")]
)
def test_a_download_goes_on_where_it_broke_off(error: Exception) -> None:
    first = cut(1000, error)
    script = Script(first, httpx.ConnectError("down"), unavailable(), cut(5, error, start=1000), rest(1005))
    with script.client(retries=Retries(count=4)) as client:
        assert fetch(client) == DATA
    asked = [each.headers.get("Range") for each in script.requests]
    assert asked == [None, *["bytes=1000-"] * 3, "bytes=1005-"]
    assert {each.headers.get("If-Range") for each in script.requests[1:]} == {f'"{DIGEST}"'}
    assert first.is_closed


def test_tries_of_a_download_are_bounded_while_little_comes() -> None:
    steps = [cut(1, httpx.ReadError("cut"), start=start) for start in range(100)]
    script = Script(*steps)
    with script.client() as client, pytest.raises(ServiceUnreachable):
        fetch(client)
    assert len(script.requests) == 4


def test_tries_of_a_download_begin_anew_with_each_piece() -> None:
    piece = 64 * 1024
    script = Script(
        *[cut(piece, httpx.ReadError("cut"), start=start) for start in range(0, len(DATA), piece)]
    )
    with script.client() as client, pytest.raises(ServiceUnreachable):
        fetch(client)
    assert len(script.requests) > 7


def test_a_download_of_what_was_changed_meanwhile_ends() -> None:
    expect(PreconditionFailed, Script(cut(9, httpx.ReadError("cut")), whole(b"other", "0" * 64)).client())
    expect(ImageNotFound, Script(cut(9, httpx.ReadError("cut")), failed(404, "image_not_found")).client())
    expect(ServiceUnreachable, Script(cut(9, httpx.ReadError("cut")), rest(8)).client())


def test_what_was_put_together_is_held_to_its_digest() -> None:
    wrong = httpx.Response(
        206, content=iter([b"x" * 9]), headers={"Content-Range": f"bytes 9-17/{len(DATA)}"}
    )
    with Script(cut(9, httpx.ReadError("cut")), wrong).client() as client, pytest.raises(BlobDamaged):
        fetch(client)


def test_a_saved_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "copy"
    with Script(cut(9, httpx.ReadError("cut")), rest(9)).client() as client, client.get("b", "k") as download:
        download.save(target)
    assert target.read_bytes() == DATA
    client = Script(whole(b"wrong")).client()
    with client, client.get("b", "k") as download, pytest.raises(BlobDamaged):
        download.save(target)
    assert [each.name for each in tmp_path.iterdir()] == ["copy"]
    assert target.read_bytes() == DATA


class Changing(io.BytesIO):
    """A file that has another length when it is read than it had when it was looked at."""

    def __init__(self, data: bytes, length: int) -> None:
        super().__init__(data)
        self._length = length

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._length if whence == 2 else super().seek(offset, whence)


@pytest.mark.parametrize("length", [0, len(DATA) - 1, len(DATA) + 1])
def test_a_file_that_changes_while_it_is_sent(length: int) -> None:
    script = Script(httpx.Response(200, json={}))
    with script.client() as client, pytest.raises(LengthMismatch):
        client.upload("b", Changing(DATA, length), "k")

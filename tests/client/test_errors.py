"""Every error both ways: raised in the service, told over HTTP, raised by the client."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, NoReturn

import httpx
import pytest
from pymongo import MongoClient

from imagestore.cli.statuses import MEANINGS, status_of
from imagestore.client import NO_RETRIES, Client
from imagestore.client.failures import ERRORS, error_of
from imagestore.core import errors
from imagestore.core.errors import ImagestoreError, leaves
from imagestore.core.image import Condition
from imagestore.embedded import Server
from imagestore.web.frontdoor import ANSWERS
from tests import pictures
from tests.rules import tables
from tests.service import Service, running_service

PICTURE = pictures.jpeg(64, 48)
UPLOAD_BYTES = 300_000


@pytest.mark.quick
@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.code)
def test_what_the_service_raises_the_client_raises(leaf: type[ImagestoreError]) -> None:
    app = tables.make_app()

    def fail() -> NoReturn:
        raise leaf("Do this, and no other thing.")

    answers: list[httpx.Response] = []
    app.view_functions["buckets.list_buckets"] = fail

    class Recording(httpx.WSGITransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            # A context of its own for each request, as the edge gives it.
            answers.append(copy_context().run(super().handle_request, request))
            return answers[-1]

    client = Client("http://service", "KEY", "SECRET", retries=NO_RETRIES, transport=Recording(app))
    with client, pytest.raises(leaf) as raised:
        client.buckets()
    [answer] = answers
    assert answer.status_code == ANSWERS[leaf.code]
    told = answer.json()["error"]
    assert told["code"] == leaf.code
    assert told["message"].startswith("Do this, and no other thing.")
    assert ("Retry-After" in answer.headers) == (answer.status_code in (429, 503))
    assert type(raised.value) is leaf is ERRORS[leaf.code]
    assert raised.value.message == told["message"]
    assert raised.value.__notes__ == [f"request id: {answer.headers['X-Request-Id']}"]
    assert status_of(raised.value) in MEANINGS


@dataclass
class Scene:
    """A service with small limits, on a mongod that fails when it is told to."""

    service: Service
    client: Client
    bucket: str
    mongo: Server

    def raised_for(self, path: str) -> NoReturn:
        """As the client reads the answer to what it never asks for itself."""
        answer = httpx.get(f"{self.service.url}{path}", auth=(self.service.access_key, self.service.secret))
        raise error_of(answer)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, mongo: Server) -> Iterator[tuple[Service, Server, str]]:
    database = f"test_{secrets.token_hex(8)}"
    settings = {"mongo_url": mongo.url, "mongo_database": database, "redis_url": "none", "workers": 1}
    folder = tmp_path_factory.mktemp("errors")
    with running_service(folder, **settings, upload_bytes=UPLOAD_BYTES, read_timeout=1) as running:
        yield running, mongo, database
    with MongoClient(mongo.url) as client:
        client.drop_database(database)


@pytest.fixture
def scene(limited: tuple[Service, Server, str]) -> Iterator[Scene]:
    service, mongo, _ = limited
    name = f"test-{secrets.token_hex(6)}"
    with Client(service.url, service.access_key, service.secret, retries=NO_RETRIES) as client:
        client.create_bucket(name)
        client.upload(name, PICTURE, "there")
        yield Scene(service, client, name, mongo)


class Shrinking(io.BytesIO):
    """A file of which less can be read than there was."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size)[:10] if self.tell() == 0 else b""


def signed(scene: Scene, expires_in: int, suffix: str = "") -> NoReturn:
    url = scene.client.sign_url(scene.bucket, "there", expires_in)
    raise error_of(httpx.get(url + suffix))


def forbidden(scene: Scene) -> None:
    made = scene.client.create_credential(["read"], [scene.bucket])
    with scene.service.client(made["access_key"], made["secret"]) as reader:
        reader.delete(scene.bucket, "there")


def unauthenticated(scene: Scene) -> None:
    with scene.service.client(secret="wrong") as stranger:
        stranger.buckets()


def unreachable(scene: Scene) -> None:
    with Client("http://127.0.0.1:1", "KEY", "secret", retries=NO_RETRIES) as nobody:
        nobody.buckets()


def without_a_store(scene: Scene) -> None:
    fault = {"failCommands": ["find"], "closeConnection": True, "appName": "imagestore"}
    with MongoClient(scene.mongo.url) as mongo:
        mongo.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=fault)
        try:
            scene.client.image(scene.bucket, "there")
        finally:
            mongo.admin.command("configureFailPoint", "failCommand", mode="off")


def damaged(scene: Scene) -> None:
    data = pictures.png(seed=5, noise=True)
    digest = scene.client.upload(scene.bucket, data, "damaged")["digest"]
    with MongoClient(scene.mongo.url) as mongo:
        for name in mongo.list_database_names():
            for file in mongo[name]["blobs.files"].find({"filename": digest}):
                mongo[name]["blobs.chunks"].delete_many({"files_id": file["_id"]})
    with scene.client.get(scene.bucket, "damaged") as download:
        list(download)


PROVOKED: dict[type[ImagestoreError], Callable[[Scene], Any]] = {
    errors.InvalidParameter: lambda at: at.client.relabel(at.bucket, "there"),
    errors.InvalidKey: lambda at: at.client.upload(at.bucket, PICTURE, "a/versions"),
    errors.InvalidTransformation: lambda at: at.raised_for(f"/{at.bucket}/image/upload/w_x,h_5/there"),
    errors.InvalidBucketName: lambda at: at.client.create_bucket("A"),
    errors.LengthMismatch: lambda at: at.client.upload(at.bucket, Shrinking(PICTURE), "a"),
    errors.UploadTooLarge: lambda at: at.client.upload(at.bucket, bytes(UPLOAD_BYTES + 1), "a"),
    errors.EmptyUpload: lambda at: at.client.upload(at.bucket, b"", "a"),
    errors.UnsupportedFormat: lambda at: at.client.upload(at.bucket, pictures.html(), "a"),
    errors.CorruptImage: lambda at: at.client.upload(at.bucket, pictures.truncated(PICTURE), "a"),
    errors.ImageLimitExceeded: lambda at: at.client.upload(at.bucket, pictures.bomb_pixels("gif"), "a"),
    errors.Unauthenticated: unauthenticated,
    errors.Forbidden: forbidden,
    errors.SignatureInvalid: lambda at: signed(at, 60, "0"),
    errors.SignatureExpired: lambda at: signed(at, -1),
    errors.BucketNotFound: lambda at: at.client.bucket("nowhere"),
    errors.ImageNotFound: lambda at: at.client.image(at.bucket, "nothing"),
    errors.VersionNotFound: lambda at: at.client.version(at.bucket, "there", 1),
    errors.CredentialNotFound: lambda at: at.client.revoke_credential("NOBODY"),
    errors.TransformationNotFound: lambda at: at.client.transformation(at.bucket, "none"),
    errors.InvalidTransformation: lambda at: at.client.put_transformation(at.bucket, "a", "w_x"),
    errors.RouteNotFound: lambda at: at.raised_for("/v1/nothing"),
    errors.BucketExists: lambda at: at.client.create_bucket(at.bucket),
    errors.BucketNotEmpty: lambda at: at.client.delete_bucket(at.bucket),
    errors.PreconditionFailed: lambda at: at.client.delete(at.bucket, "there", Condition(digests=())),
    errors.StoreUnavailable: without_a_store,
    errors.BlobDamaged: damaged,
    errors.ServiceUnreachable: unreachable,
}
"""What makes the real service, or the client on its way to it, fail with each error."""

UNPROVOKED = {
    errors.FacesUnavailable,
    errors.RequestTimeout,
    errors.DecodeTimeout,
    errors.WriteContention,
    errors.Overloaded,
    errors.DecoderLost,
    errors.RateLimited,
    errors.NotAnImage,
    errors.BadDigest,
    errors.InvalidPart,
    errors.InvalidPartOrder,
    errors.PartTooSmall,
    errors.UploadNotFound,
}
"""What only time, luck or S3 brings about: the table above shows these."""


@pytest.mark.quick
def test_each_error_is_provoked_or_said_not_to_be() -> None:
    assert set(PROVOKED) | UNPROVOKED == set(leaves())
    assert not set(PROVOKED) & UNPROVOKED


@pytest.mark.parametrize("leaf", PROVOKED, ids=lambda leaf: leaf.code)
def test_the_service_provoked_is_the_client_raising(leaf: type[ImagestoreError], scene: Scene) -> None:
    with pytest.raises(leaf) as raised:
        PROVOKED[leaf](scene)
    assert type(raised.value) is leaf

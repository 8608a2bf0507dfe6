"""What complete and public answers say that they were made of, to the server that may keep them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from imagestore.app import create_app
from imagestore.core.image import Condition, Labels
from imagestore.core.replay import REPLAY, Source
from imagestore.embedded import Server
from imagestore.library.ingest import Upload
from imagestore.services import Services
from imagestore.settings import Settings
from tests import pictures

Ask = Callable[..., Source]


@pytest.fixture
def services(mongo: Server, mongo_database: str, redis_url: str, tmp_path: Path) -> Iterator[Services]:
    given: dict[str, Any] = {
        "secret_key": "a server key for tests",
        "admin_key": "ADMIN",
        "admin_secret": "a secret for the first credential",
        "mongo_url": mongo.url,
        "mongo_database": mongo_database,
        "redis_url": redis_url,
        "redis_timeout": 5.0,
        "store_timeout": 60.0,
        "decode_timeout": 60.0,
        "data": tmp_path,
    }
    opened = Services(Settings(**given))
    try:
        opened.mongo.ensure_indexes()
        opened.catalog.create_bucket("open", "public-read")
        opened.catalog.create_bucket("shut", "private")
        yield opened
    finally:
        opened.close()


@pytest.fixture
def client(services: Services) -> FlaskClient:
    return create_app(services).test_client()


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    def ask(path: str, method: str = "GET", **headers: str) -> Source:
        source = Source()
        answer = client.open(path, method=method, headers=headers, environ_overrides={REPLAY: source})
        answer.close()
        assert answer.status_code < 400
        return source

    return ask


def put(services: Services, key: str, seed: int = 0, bucket: str = "open", **labels: Any) -> int:
    """The number of the version."""
    picture = BytesIO(pictures.jpeg(64, 48, seed=seed))
    return services.ingest.store(Upload(bucket, picture, key, labels=Labels(**labels))).version.number


def test_an_original_depends_on_its_bucket_and_its_image(services: Services, ask: Ask) -> None:
    put(services, "ada")
    for _ in ("from MongoDB", "from Redis"):
        source = ask("/open/image/upload/ada")
        assert source.names == ("bucket/open", "image/open/ada")
        assert source.generations == (1, 1)
        assert source.blob is not None and services.tier.has_blobs([source.blob]) == [True]


def test_a_key_with_an_extension_depends_on_both_its_readings(services: Services, ask: Ask) -> None:
    put(services, "ada")
    for path in ("ada.jpg", "c_scale,w_30/ada.jpg"):
        for _ in ("from MongoDB", "from Redis"):
            source = ask(f"/open/image/upload/{path}")
            assert source.names == ("bucket/open", "image/open/ada.jpg", "image/open/ada")
            assert source.generations == (1, 0, 1)


def test_a_name_that_had_an_image_before_is_told_by_no_alias(services: Services, ask: Ask) -> None:
    put(services, "ada")
    put(services, "ada.jpg", 1)
    services.catalog.delete_image("open", "ada.jpg", Condition())
    source = ask("/open/image/upload/ada.jpg")
    assert source.names == ("bucket/open", "image/open/ada.jpg", "image/open/ada")
    assert source.generations == (1, None, 1)


def test_a_version_depends_on_what_told_it(services: Services, ask: Ask) -> None:
    old = put(services, "ada")
    new = put(services, "ada", 1)
    assert ask(f"/open/image/upload/v{old}/ada").names == ("bucket/open", f"version/open/{old}/ada")
    ask("/open/image/upload/ada")
    assert ask(f"/open/image/upload/v{new}/ada").names == ("bucket/open", "image/open/ada")
    assert ask(f"/open/image/upload/v{new + 5}/ada").names == ("bucket/open", "image/open/ada")


def test_a_rendition_depends_on_all_that_went_in(services: Services, ask: Ask) -> None:
    put(services, "ada")
    put(services, "marks/logo", 1)
    services.transformations.put("open", "stamp", "l_marks:logo,w_9/fl_layer_apply/t_small")
    services.transformations.put("open", "small", "c_scale,w_30")
    for _ in ("made", "from Redis"):
        source = ask("/open/image/upload/t_stamp/ada")
        assert set(source.names) == {
            "bucket/open",
            "image/open/ada",
            "image/open/marks/logo",
            "transformation/open/stamp",
            "transformation/open/small",
        }
        assert set(source.generations) == {1}
        assert source.blob is not None and services.tier.has_blobs([source.blob]) == [True]


def test_a_default_image_depends_on_the_absence_of_the_other(services: Services, ask: Ask) -> None:
    put(services, "none.png")
    names = ask("/open/image/upload/d_none.png/ada.jpg").names
    assert set(names) >= {"bucket/open", "image/open/ada.jpg", "image/open/ada", "image/open/none.png"}


def test_labels_depend_on_the_image_though_a_version_is_named(services: Services, ask: Ask) -> None:
    old = put(services, "ada", tags=("red",))
    put(services, "ada", 1)
    services.transformations.put("open", "tagged", "if_!red!_in_tags/c_scale,w_30/if_end")
    assert "image/open/ada" in ask(f"/open/image/upload/t_tagged/v{old}/ada").names


@pytest.mark.parametrize(
    ("path", "method", "headers"),
    [
        ("/open/image/upload/ada", "HEAD", {}),
        ("/open/image/upload/ada", "GET", {"Range": "bytes=0-9"}),
        ("/open/image/upload/ada", "GET", {"If-None-Match": "*"}),
        ("/open/image/upload/c_scale,w_30/ada", "GET", {"Range": "bytes=0-9"}),
        ("/open/image/upload/c_scale,w_30/ada", "HEAD", {}),
    ],
)
def test_what_is_not_whole_says_nothing(
    services: Services, ask: Ask, path: str, method: str, headers: dict[str, str]
) -> None:
    put(services, "ada")
    ask(path)
    assert ask(path, method, **headers) == Source()


def test_what_is_for_some_only_says_nothing(services: Services, client: FlaskClient) -> None:
    put(services, "ada", bucket="shut")
    source = Source()
    url = "/shut/image/upload/ada"
    answer = client.get(
        url, auth=("ADMIN", services.settings.admin_secret), environ_overrides={REPLAY: source}
    )
    answer.close()
    assert (answer.status_code, source) == (200, Source())

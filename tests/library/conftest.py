"""Whole services on a real mongod and a real Redis, with an eye on what goes over either wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.node import Node
from imagestore.cache.tier import Tier
from imagestore.core.image import BlobRef, Condition, Image, Labels
from imagestore.core.telemetry import Timings
from imagestore.embedded import Server
from imagestore.library.aliases import Aliases
from imagestore.library.fetch import Outcome
from imagestore.library.ingest import Upload
from imagestore.library.readings import Found
from imagestore.services import Services
from imagestore.settings import Settings
from imagestore.store import mongo as driver
from tests import pictures
from tests.library.archives import Archives
from tests.library.stored import Stored, opened_store
from tests.store.commands import Commands

BUCKET = "pictures"


def picture(seed: int = 0, **options: Any) -> bytes:
    return pictures.jpeg(64, 48, seed=seed, **options)


@dataclass
class House:
    """Services, and the usual requests to them in short."""

    services: Services

    def put(self, key: str | None, data: bytes, **options: Any) -> Image:
        """Upload. `tags` and `context` become labels; the rest is as Upload has it."""
        labels = Labels(options.pop("tags", None), options.pop("context", None))
        bucket = options.pop("bucket", BUCKET)
        upload = Upload(bucket, BytesIO(data), key, labels=labels, **options)
        return self.services.ingest.store(upload)

    def find(self, key: str, number: int | None = None, bucket: str = BUCKET) -> Found:
        return self.services.fetch.resolve(bucket, key, number, lambda _: None, Timings())

    def open(self, ref: BlobRef, *, partial: bool = False) -> tuple[bytes, Outcome]:
        blob, outcome = self.services.fetch.open(ref, partial=partial, timings=Timings())
        with blob:
            return b"".join(blob.open()), outcome

    def get(self, key: str, number: int | None = None) -> bytes:
        """What a GET does: the bytes under a name."""
        return self.open(self.find(key, number).version.blob)[0]

    def delete(self, key: str) -> None:
        self.services.catalog.delete_image(BUCKET, key, Condition())


@pytest.fixture
def commands() -> Commands:
    return Commands()


@pytest.fixture
def round_trips(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """One entry for each exchange with Redis."""
    seen: list[object] = []
    exchange = Node._exchange

    def counted(node: Node, commands: Any, *options: Any) -> list[object]:
        seen.append(commands)
        return exchange(node, commands, *options)

    monkeypatch.setattr(Node, "_exchange", counted)
    return seen


@pytest.fixture
def open_house(
    mongo: Server,
    indexed_database: str,
    redis_url: str,
    tmp_path: Path,
    commands: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., House]]:
    """Opens services as one worker does: all on the same database and the same Redis."""
    monkeypatch.setattr(driver, "MongoClient", partial(MongoClient, event_listeners=[commands]))
    with ExitStack() as closing:

        def make(**options: Any) -> House:
            given: dict[str, Any] = {
                "secret_key": "a server key for tests",
                "admin_key": "ADMIN",
                "mongo_url": mongo.url,
                "mongo_database": indexed_database,
                "redis_url": redis_url,
                "redis_timeout": 5.0,
                "store_timeout": 60.0,
                "read_timeout": 60.0,
                "decode_timeout": 60.0,
                "data": tmp_path,
                **options,
            }
            services = Services(Settings(**given))
            services.tier.eviction.look()  # now, and not in the background while round trips are counted
            closing.callback(services.close)
            return House(services)

        yield make


@pytest.fixture
def house(open_house: Callable[..., House]) -> House:
    """A house with an empty public bucket."""
    opened = open_house()
    opened.services.mongo.ensure_indexes()
    opened.services.catalog.create_bucket(BUCKET, "public-read")
    return opened


@pytest.fixture
def stored(mongo: Server, indexed_database: str) -> Iterator[Stored]:
    """A store with its indexes and nothing else."""
    with opened_store(mongo.url, indexed_database) as opened:
        yield opened


@pytest.fixture
def archives(tmp_path: Path) -> Callable[[str], Archives]:
    """Backups in the form that is named, folder or tar, for stores without a Redis."""
    tier = Tier("none", timeout=1, value_bytes=0, integrity_key=b"k" * 32)
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    aliases = Aliases(tier, Bulletin(tier, Generations(tmp_path / "generations"), "none"), 60)
    return lambda form: Archives(form, tmp_path / "backup", workspace, aliases)


@pytest.fixture
def folder(archives: Callable[[str], Archives]) -> Archives:
    return archives("folder")

"""Real servers for the tests that need them: started once a session, on free ports, in passing folders."""

from __future__ import annotations

import secrets
import signal
from collections.abc import Iterator

import pytest
import trustme
from httpx._config import DEFAULT_TIMEOUT_CONFIG
from pymongo import MongoClient
from redis import Redis

from imagestore.embedded import Server, start_mongod, start_redis
from tests.database import KeptDatabase
from tests.figures import figures, pytest_terminal_summary  # noqa: F401 - a fixture and a hook of every test
from tests.redis_cluster import RedisCluster, running_cluster
from tests.service import PATIENCE, PATIENT_REDIS, Service, running_service

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in whatever a shell's script starts in the background. What we start would inherit that, and Ctrl-C
    # would end none of it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# httpx gives up after 5 s, which a busy machine may need; this object is the default of all its calls.
for _wait in ("connect", "read", "write", "pool"):
    setattr(DEFAULT_TIMEOUT_CONFIG, _wait, PATIENCE)


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whom all trust who are not told otherwise, services included: nobody here is known to the world's.

    httpx loads them anew for each client, and each `httpx.get` is one: all of the world's take it 25 ms.
    """
    file = tmp_path_factory.mktemp("trusted") / "authority.pem"
    trustme.CA().cert_pem.write_to_path(file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def mongo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A mongod that also takes test commands, such as `configureFailPoint`."""
    folder = tmp_path_factory.mktemp("mongod")
    with start_mongod(folder, extra=("--setParameter", "enableTestCommands=1")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("redis"), max_bytes=64 * 1024 * 1024) as server:
        yield server


@pytest.fixture
def mongo_database(mongo: Server) -> Iterator[str]:
    """The name of a database that is empty, and is dropped after the test."""
    name = f"test_{secrets.token_hex(8)}"
    yield name
    with MongoClient(mongo.url) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def kept_database(mongo: Server) -> KeptDatabase:
    return KeptDatabase(mongo.url)


@pytest.fixture
def indexed_database(kept_database: KeptDatabase) -> Iterator[str]:
    """The name of a database that is empty but for the service's indexes, for tests that would build them."""
    yield kept_database.ready()
    kept_database.clear()


@pytest.fixture
def redis_url(redis_server: Server) -> str:
    """The url of a Redis that is empty."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture(scope="session")
def redis_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """Three servers that share the slots. A test leaves it whole."""
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def cluster_url(redis_cluster: RedisCluster) -> str:
    """The url of a Redis Cluster that is empty."""
    redis_cluster.flush()
    return redis_cluster.url


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The whole service on embedded servers of its own; tests make buckets of their own in it."""
    with running_service(tmp_path_factory.mktemp("service"), redis_timeout=PATIENT_REDIS) as running:
        yield running

"""One site for all faults, started once; each test finds it whole, with a bucket of its own."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from imagestore.embedded import ReplicaSet, Server, start_redis, start_replica_set
from tests.faults.ledger import Ledger
from tests.faults.site import Site
from tests.service import running_service


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses among them
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What breaks members of the site also depends on their elections, which a busy machine holds up."""
    for item in items:
        if isinstance(item, pytest.Function) and "site" in item.fixturenames:
            item.add_marker("timed")


@pytest.fixture(scope="session")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """A replica set of three that also takes test commands, such as `configureFailPoint`."""
    folder = tmp_path_factory.mktemp("members")
    with start_replica_set(folder, extra=("--setParameter", "enableTestCommands=1")) as started:
        yield started


@pytest.fixture(scope="session")
def faulty_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with start_redis(tmp_path_factory.mktemp("faulty-redis"), max_bytes=64 * 1024 * 1024) as server:
        yield server


@pytest.fixture(scope="session")
def started_site(
    tmp_path_factory: pytest.TempPathFactory, members: ReplicaSet, faulty_redis: Server
) -> Iterator[Site]:
    with running_service(
        tmp_path_factory.mktemp("site"),
        mongo_url=members.url,
        redis_url=faulty_redis.url,
        workers=2,
        metrics="public",
        edge_bytes=0,  # no fault reaches what a worker answers from its memory: see test_edge
    ) as service:
        yield Site(service, members, faulty_redis)


@pytest.fixture
def site(started_site: Site) -> Iterator[Site]:
    """The site, whole: what an earlier test broke is mended first."""
    started_site.mend()
    yield started_site
    while started_site.callers:
        started_site.callers.pop().close()


@pytest.fixture
def bucket(site: Site) -> str:
    """A public bucket, the only one there is."""
    site.empty()
    name = f"faults-{secrets.token_hex(6)}"
    site.caller().create_bucket(name)
    return name


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()

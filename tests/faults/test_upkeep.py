"""Scheduled upkeep while nodes and members are lost: the next node takes over, and the work goes on."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.errors import PyMongoError

from imagestore.library.rounds import BEAT_SECONDS, LEASE_SECONDS
from tests import pictures
from tests.faults.site import BUSY_MACHINE, Site, kill
from tests.figures import Figures
from tests.service import Service, await_that, running_service

DATABASE = "looked_after"

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.fixture
def page(site: Site) -> Iterator[Callable[[str], dict[str, Any]]]:
    """What upkeep has written down under a name; nothing while the database is away."""
    with site.mongo() as client:

        def read(name: str) -> dict[str, Any]:
            try:
                return client[DATABASE]["upkeep"].find_one({"_id": name}) or {}
            except PyMongoError:
                return {}

        yield read
        client.drop_database(DATABASE)


def node(site: Site, folder: Path) -> Any:
    """A service that looks after the store each second, sparing nothing."""
    folder.mkdir()
    return running_service(
        folder,
        mongo_url=site.members.url,
        mongo_database=DATABASE,
        redis_url="none",
        secret_key="a server key of the test",
        admin_key="ADMIN",
        workers=1,
        upkeep="on",
        upkeep_interval=1,
        upkeep_grace=0,
    )


def put_and_delete(service: Service, count: int) -> None:
    with service.client() as client:
        for seed in range(count):
            client.upload("pictures", pictures.jpeg(seed=seed), f"{seed}.jpg")
            client.delete("pictures", f"{seed}.jpg")


def test_the_next_node_takes_over_from_one_that_was_killed(
    site: Site, page: Callable[[str], dict[str, Any]], tmp_path: Path, figures: Figures
) -> None:
    with node(site, tmp_path / "one") as one:
        await_that(lambda: "owner" in page("lease"), one.log.read_text)
        first = page("lease")["owner"]
        with node(site, tmp_path / "two") as two, two.client() as client:
            client.create_bucket("pictures")
            os.killpg(one.process.pid, signal.SIGKILL)
            began = time.monotonic()
            await_that(lambda: page("lease").get("owner", first) != first, two.log.read_text)
            took = time.monotonic() - began
            figures(seconds_until_the_next_node=took)
            put_and_delete(two, 3)
            await_that(lambda: page("sweep").get("counts", {}).get("blob", 0) > 0, two.log.read_text)
    assert took <= LEASE_SECONDS + BEAT_SECONDS + BUSY_MACHINE


def test_upkeep_goes_on_after_an_election(
    site: Site, page: Callable[[str], dict[str, Any]], tmp_path: Path, figures: Figures
) -> None:
    with node(site, tmp_path / "one") as one, one.client() as client:
        client.create_bucket("pictures")
        put_and_delete(one, 5)
        await_that(lambda: bool(page("check")), one.log.read_text)
        pid = page("lease")["owner"]
        primary = site.members.primary()
        kill(primary)
        began = time.monotonic()
        site.await_primary_other_than(primary)
        seen = page("check").get("at")
        await_that(lambda: page("check").get("at", seen) != seen, one.log.read_text)
        figures(seconds_until_the_next_check=time.monotonic() - began)
        assert page("lease")["owner"] == pid
        put_and_delete(one, 5)
        with site.mongo() as mongo:
            await_that(lambda: mongo[DATABASE]["blobs.chunks"].count_documents({}) == 0, one.log.read_text)

"""A client of REST with the first credential, and a bucket for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service, await_that, running_service
from tests.web.watch import look, workers


@pytest.fixture(scope="session")
def rest(service: Service) -> Iterator[httpx.Client]:
    """Paths are relative to the service."""
    with httpx.Client(base_url=service.url, auth=(service.access_key, service.secret), timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def stranger(service: Service) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service.url, timeout=60) as client:
        yield client


@pytest.fixture
def bucket(rest: httpx.Client) -> str:
    """The name of a fresh private bucket."""
    name = f"b-{secrets.token_hex(6)}"
    assert rest.post("/v1/buckets", json={"name": name}).status_code == 201
    return name


@pytest.fixture
def images(bucket: str) -> str:
    """The path of the bucket's images."""
    return f"/v1/buckets/{bucket}/images"


@pytest.fixture(scope="session")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with small limits: 8 MiB, and two seconds of silence in a body."""
    settings = {"upload_bytes": 8 * 1024 * 1024, "body_timeout": 2, "rate_limit_failures": "off"}
    with running_service(tmp_path_factory.mktemp("strict"), **settings) as running:
        await_that(lambda: len(workers(running)) == 2)
        yield running


@pytest.fixture
def door(strict: Service) -> Iterator[httpx.Client]:
    """A client of the strict service for a test in which nothing may change there."""
    before = look(strict)
    with httpx.Client(base_url=strict.url, auth=(strict.access_key, strict.secret), timeout=60) as client:
        yield client
    assert look(strict) == before

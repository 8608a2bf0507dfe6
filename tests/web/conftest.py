"""A client of REST with the first credential, and a bucket for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import httpx
import pytest

from tests.service import Service


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

"""A service with the S3 door open, and boto3 as its client."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from botocore import UNSIGNED

from tests.s3.clients import REGION, s3_client
from tests.service import Service, running_service
from tests.web.s3.people import People, Person, hire


@pytest.fixture(scope="session")
def s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("s3")
    with running_service(folder, s3_bind="127.0.0.1:0", region=REGION) as running:
        yield running


@pytest.fixture(scope="session")
def open_s3(s3_service: Service) -> Iterator[Callable[..., Any]]:
    """Makes clients of the first credential, or of another one."""
    with ExitStack() as closing:

        def make(access_key: str = "", secret: str = "", endpoint_url: str = "", **config: Any) -> Any:
            client = s3_client(
                endpoint_url or s3_service.s3_url,
                access_key or s3_service.access_key,
                secret or s3_service.secret,
                retries={"max_attempts": 1},
                s3={"addressing_style": "path"},
                **config,
            )
            closing.callback(client.close)
            return client

        yield make


@pytest.fixture(scope="session")
def s3(open_s3: Callable[..., Any]) -> Any:
    return open_s3()


@pytest.fixture
def s3_bucket(s3: Any) -> str:
    """The name of a fresh bucket, as an S3 client makes one."""
    name = f"s3-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def browser(s3_service: Service) -> Iterator[httpx.Client]:
    """One that signs nothing."""
    with httpx.Client(base_url=s3_service.s3_url, timeout=60) as client:
        yield client


@pytest.fixture
def kept(s3: Any, s3_bucket: str) -> str:
    """A bucket with the object `k` of ten bytes."""
    s3.put_object(Bucket=s3_bucket, Key="k", Body=b"0123456789", ContentType="text/x-test")
    return s3_bucket


@pytest.fixture
def open_bucket(s3: Any, s3_bucket: str) -> str:
    """One in which everybody may list, and read the object `k`."""
    s3.put_bucket_acl(Bucket=s3_bucket, ACL="public-read")
    s3.put_object(Bucket=s3_bucket, Key="k", Body=b"open", ACL="public-read")
    return s3_bucket


@pytest.fixture(scope="session")
def people(s3_service: Service, open_s3: Callable[..., Any]) -> Iterator[People]:
    root = Person(
        open_s3(), httpx.Client(base_url=s3_service.url, auth=(s3_service.access_key, s3_service.secret))
    )
    found = People(
        root,
        hire(s3_service, open_s3, f"ann-{secrets.token_hex(3)}"),
        hire(s3_service, open_s3, f"bob-{secrets.token_hex(3)}"),
        Person(open_s3(signature_version=UNSIGNED), httpx.Client(base_url=s3_service.url)),
    )
    yield found
    for each in found:
        each.web.close()

"""The command run in this process, with the noted service as the one that it finds."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from imagestore.cli import main
from imagestore.client import Client
from tests.service import Service

Run = Callable[..., Result]


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with service.client() as client:
        yield client


@pytest.fixture
def bucket(client: Client) -> str:
    """A private bucket of the test's own."""
    name = f"test-{secrets.token_hex(6)}"
    client.create_bucket(name)
    return name


def run_alone(*arguments: str, input: bytes | None = None, **settings: object) -> Result:
    """Run the command with these settings and no others. What it raises itself fails the test."""
    cleared: dict[str, str | None] = {name: None for name in os.environ if name.startswith("IMAGESTORE_")}
    named = {f"IMAGESTORE_{name.upper()}": str(value) for name, value in settings.items()}
    result = CliRunner().invoke(main, list(arguments), input=input, env=cleared | named)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def run(service: Service) -> Run:
    return lambda *arguments, **settings: run_alone(*arguments, **({"data": service.data} | settings))

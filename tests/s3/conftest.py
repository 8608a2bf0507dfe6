"""One service with the S3 door open, over http and https, and what clients need to find it."""

from __future__ import annotations

import contextlib
import json
import os
import random
import secrets
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from tests.s3.clients import REGION, s3_client
from tests.s3.tls import tls_proxy
from tests.service import Service, running_service

MiB = 1024 * 1024
BIG = 34 * MiB
"""More than two of the largest parts that a client sends, of 15 MB."""
COMMANDS = Path(sys.executable).parent
"""Where the clients are that pip installed."""


@dataclass(frozen=True)
class Endpoint:
    """Where a client finds the door, and as whom; `authority` is the file of who signed for https."""

    url: str
    authority: Path
    access_key: str
    secret: str

    @property
    def secure(self) -> bool:
        return self.url.startswith("https")

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def environment(self, **more: str) -> dict[str, str]:
        """Of a command that shall know of nothing else on this machine."""
        known = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {**known, "HOME": str(self.authority.parent), "LC_ALL": "C.UTF-8", **more}

    def run(self, *command: str, **more: str) -> str:
        """What the command prints; it must succeed, and complain of nothing."""
        done = subprocess.run(
            command, env=self.environment(**more), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr


def over(usual: str, *others: str) -> pytest.MarkDecorator:
    """A test whose client costs a second for each command: by `usual`, else when there is time."""
    long = [pytest.param(each, marks=pytest.mark.long) for each in others]
    return pytest.mark.parametrize("endpoint", [usual, *long], indirect=True)


@pytest.fixture(scope="session")
def s3_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With two workers: what one of them did, the other one must know."""
    folder = tmp_path_factory.mktemp("s3")
    with running_service(folder, s3_bind="127.0.0.1:0", region=REGION, workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def https_url(s3_service: Service, authority: trustme.CA) -> Iterator[str]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    with tls_proxy(s3_service.s3_url, context) as url:
        yield url


@pytest.fixture(scope="session", params=["http", "https"])
def endpoint(
    request: pytest.FixtureRequest,
    s3_service: Service,
    authority: trustme.CA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Endpoint:
    file = tmp_path_factory.mktemp("authority") / "authority.pem"
    authority.cert_pem.write_to_path(file)
    url = s3_service.s3_url if request.param == "http" else request.getfixturevalue("https_url")
    return Endpoint(url, file, s3_service.access_key, s3_service.secret)


@pytest.fixture(scope="session")
def open_s3(endpoint: Endpoint) -> Iterator[Callable[..., Any]]:
    """Makes clients of boto3 with a Config of these options, its own otherwise."""
    with contextlib.ExitStack() as closing:

        def make(url: str = endpoint.url, **options: Any) -> Any:
            client = s3_client(
                url, endpoint.access_key, endpoint.secret, verify=str(endpoint.authority), **options
            )
            closing.callback(client.close)
            return client

        yield make


@pytest.fixture(scope="session")
def s3(open_s3: Callable[..., Any]) -> Any:
    return open_s3()


@pytest.fixture
def bucket(s3: Any) -> str:
    """The name of a fresh one."""
    name = f"c-{secrets.token_hex(6)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture(scope="session")
def browser(endpoint: Endpoint) -> Iterator[httpx.Client]:
    """One that signs nothing."""
    trusted = ssl.create_default_context(cafile=str(endpoint.authority))
    with httpx.Client(verify=trusted, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 34 MB."""
    file = tmp_path_factory.mktemp("big") / "big.bin"
    source = random.Random("big")
    file.write_bytes(b"".join(source.randbytes(MiB) for _ in range(BIG // MiB)))
    return file


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder of small files, an empty one and an unusual name among them."""
    folder = tmp_path / "tree"
    (folder / "sub").mkdir(parents=True)
    (folder / "one.txt").write_text("one")
    (folder / "empty").touch()
    (folder / "sub" / "a b+é&%41~.txt").write_text("two")
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file's content, by its path below the folder."""
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def open_policy(bucket: str, prefix: str = "") -> str:
    """A policy by which everybody may read what begins so."""
    statement = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": f"arn:aws:s3:::{bucket}/{prefix}*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

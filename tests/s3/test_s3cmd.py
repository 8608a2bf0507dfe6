"""s3cmd, as it comes, over http and https, with signatures of either version."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.s3.conftest import COMMANDS, REGION, Endpoint, files_of

S3cmd = Callable[..., str]


def covering(*usual: tuple[str, str]) -> pytest.MarkDecorator:
    """Each endpoint and each version of signatures in one case, all with each other when there is time."""
    cases = [
        pytest.param(*each, marks=[] if each in usual else pytest.mark.long)
        for each in product(("http", "https"), ("v4", "v2"))
    ]
    return pytest.mark.parametrize(("endpoint", "s3cmd"), cases, indirect=True)


@pytest.fixture
def s3cmd(request: pytest.FixtureRequest, endpoint: Endpoint, tmp_path: Path) -> S3cmd:
    """Runs it; returns what it prints."""
    (tmp_path / "s3cfg").touch()
    options = [
        f"--config={tmp_path / 's3cfg'}", f"--access_key={endpoint.access_key}",
        f"--secret_key={endpoint.secret}", f"--host={endpoint.host}", f"--host-bucket={endpoint.host}",
        f"--ca-certs={endpoint.authority}", "--ssl" if endpoint.secure else "--no-ssl",
        f"--region={REGION}", "--no-progress",
    ]  # fmt: skip
    options += ["--signature-v2"] if request.param == "v2" else []

    def run(*arguments: str) -> str:
        return endpoint.run(str(COMMANDS / "s3cmd"), *options, *arguments)

    return run


@covering(("http", "v4"), ("https", "v2"))
def test_a_folder_goes_there_and_comes_back(
    s3cmd: S3cmd, bucket: str, tree: Path, tmp_path: Path, browser: httpx.Client, endpoint: Endpoint
) -> None:
    there = f"s3://{bucket}/t/"
    s3cmd("sync", f"{tree}/", there)
    assert s3cmd("ls", "-r", there).count("s3://") == 3
    assert "MD5 sum" in s3cmd("info", f"{there}one.txt")
    s3cmd("sync", there, f"{tmp_path}/back/")
    assert files_of(tmp_path / "back") == files_of(tree)
    s3cmd("cp", f"{there}one.txt", f"s3://{bucket}/two.txt")
    s3cmd("mv", f"s3://{bucket}/two.txt", f"s3://{bucket}/three.txt")
    signed = s3cmd("signurl", f"s3://{bucket}/three.txt", "+60").strip()
    if endpoint.secure:  # it writes http:// wherever it is
        signed = signed.replace("http://", "https://")
    assert browser.get(signed).content == b"one"
    s3cmd("del", "-r", "-f", f"s3://{bucket}")
    s3cmd("rb", f"s3://{bucket}")


@covering(("https", "v4"), ("http", "v2"))
def test_a_large_file_goes_in_parts(s3cmd: S3cmd, s3: Any, bucket: str, big: Path, tmp_path: Path) -> None:
    """s3cmd makes them of 15 MB."""
    s3cmd("put", str(big), f"s3://{bucket}/big")
    assert s3.head_object(Bucket=bucket, Key="big")["ETag"].endswith('-3"')
    s3cmd("get", f"s3://{bucket}/big", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == big.read_bytes()

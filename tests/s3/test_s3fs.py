"""s3fs, a file system over S3 on a client of its own (aiobotocore and aiohttp), over http and https."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import s3fs

from tests.s3.conftest import REGION, Endpoint, MiB, over


@pytest.fixture
def files(endpoint: Endpoint) -> Iterator[Any]:
    made = s3fs.S3FileSystem(
        key=endpoint.access_key,
        secret=endpoint.secret,
        endpoint_url=endpoint.url,
        client_kwargs={"region_name": REGION, "verify": str(endpoint.authority)},
        skip_instance_cache=True,
    )
    yield made
    s3fs.S3FileSystem.close_session(made.loop, made.s3)


def test_files_are_written_found_and_removed(files: Any, bucket: str, browser: httpx.Client) -> None:
    files.pipe(f"{bucket}/a/b.txt", b"hello world")
    assert files.ls(bucket) == [f"{bucket}/a"]
    assert files.find(bucket) == [f"{bucket}/a/b.txt"]
    assert files.cat_file(f"{bucket}/a/b.txt", start=6) == b"world"
    files.mv(f"{bucket}/a/b.txt", f"{bucket}/c.txt")
    files.put_tags(f"{bucket}/c.txt", {"of": "s3fs"})
    assert files.get_tags(f"{bucket}/c.txt") == {"of": "s3fs"}
    assert browser.get(files.url(f"{bucket}/c.txt")).content == b"hello world"
    files.rm(bucket, recursive=True)
    assert not files.exists(bucket)


@over("https", "http")
def test_a_large_file_is_written_in_parts_and_read_anywhere(files: Any, bucket: str) -> None:
    content = bytes(range(256)) * (17 * MiB // 256)
    with files.open(f"{bucket}/big", "wb", block_size=5 * MiB) as file:
        for start in range(0, len(content), MiB):
            file.write(content[start : start + MiB])
    assert files.info(f"{bucket}/big")["size"] == len(content)
    with files.open(f"{bucket}/big", "rb") as file:
        file.seek(11 * MiB + 3)
        assert file.read(100) == content[11 * MiB + 3 : 11 * MiB + 103]
    assert files.cat_file(f"{bucket}/big") == content

"""Stored bytes that were removed, cut or changed behind the service's back, and indexes that are gone."""

from __future__ import annotations

import hashlib
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bson import Binary

from imagestore.library.upkeep import Depth, Severity
from imagestore.store.drafts import SUM, chunk_sum
from tests.faults import motifs
from tests.faults.site import Site
from tests.faults.upkeep import check_and_sweep, findings
from tests.figures import Figures
from tests.service import environment, running_service, serve_command

Damage = Callable[[bytes], bytes | None]
"""From a chunk's bytes to those in its place, None to remove it."""


def remove(data: bytes) -> None:
    del data


def truncate(data: bytes) -> bytes:
    return data[:-1]


def flip_a_bit(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def damage(site: Site, data: bytes, number: int, how: Damage, *, reseal: bool = False) -> dict[str, Any]:
    """Change one chunk of a picture's blob, with `reseal` its sum too; returns the chunk as it was."""
    with site.mongo() as client:
        database = client["imagestore"]
        claim = database["claims"].find_one({"_id": hashlib.sha256(data).hexdigest()})
        assert claim is not None
        chunk = database["blobs.chunks"].find_one({"files_id": claim["file_id"], "n": number})
        assert chunk is not None
        left = how(bytes(chunk["data"]))
        if left is None:
            database["blobs.chunks"].delete_one({"_id": chunk["_id"]})
        else:
            changed = {"data": Binary(left)} | ({SUM: Binary(chunk_sum(left))} if reseal else {})
            database["blobs.chunks"].update_one({"_id": chunk["_id"]}, {"$set": changed})
    return dict(chunk)


def mend(site: Site, chunk: dict[str, Any]) -> None:
    with site.mongo() as client:
        client["imagestore"]["blobs.chunks"].replace_one({"_id": chunk["_id"]}, chunk, upsert=True)


@pytest.mark.parametrize("side", [300, 1000], ids=["cacheable", "streamed"])
def test_damaged_bytes_are_never_a_whole_answer(site: Site, bucket: str, figures: Figures, side: int) -> None:
    caller, data, seen = site.caller(), motifs.large(side), Counter[str]()
    last = (len(data) - 1) // (255 * 1024)
    assert caller.put(bucket, "damaged", data).status == 201
    cases = [(how, number) for how in (remove, truncate, flip_a_bit) for number in {0, last}]
    for how, number, reseal in [*((*case, False) for case in cases), (flip_a_bit, last, True)]:
        chunk = damage(site, data, number, how, reseal=reseal)
        site.flush_redis()
        ranged = {"Range": f"bytes={number * 255 * 1024}-"} if not reseal else {}
        for fields in ({}, ranged):
            for _ in range(2):
                answer = site.caller().get(bucket, "damaged", **fields)
                assert answer.status == 502 or not answer.whole, str(answer)
                seen["502" if answer.status == 502 else "cut short"] += 1
        if number == last:
            found = findings(site, Depth.BYTES)
            assert found.severities()[Severity.LOST] == 1, found.listed
        mend(site, chunk)
        assert caller.get(bucket, "damaged").digest == hashlib.sha256(data).hexdigest()
    details = caller.call("GET", "/readyz").json()["details"]
    figures(
        **{name.replace(" ", "_"): count for name, count in seen.items()}, reported=details["damaged_reads"]
    )
    assert details["damaged_reads"] >= seen.total()
    assert not check_and_sweep(site)


def test_a_missing_unique_index_is_built_at_the_start_or_it_does_not_start(
    site: Site, bucket: str, figures: Figures, tmp_path: Path
) -> None:
    settings = {"mongo_url": site.members.url, "redis_url": "none", "workers": 1}
    with site.mongo() as client:
        versions = client["imagestore"]["versions"]
        versions.drop_index("number")
        ready = site.caller().call("GET", "/readyz")
        twice = [{"_id": f"twice-{number}", "bucket": bucket, "key": "x", "number": 7} for number in (1, 2)]
        versions.insert_many(twice)
        refused = subprocess.run(
            serve_command("--bind", "127.0.0.1:0"),
            env=environment({**settings, "data": tmp_path / "refused"}),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        versions.delete_many({"_id": {"$in": [each["_id"] for each in twice]}})
    with running_service(tmp_path, **settings):
        again = site.caller().call("GET", "/readyz")
    figures(without=ready.status, with_duplicates=f"exit {refused.returncode}", after_a_start=again.status)
    assert (ready.status, ready.json()["details"]["missing_indexes"]) == (
        503,
        ["versions: bucket, key, number"],
    )
    assert refused.returncode, "it started without the index"
    assert "index" in refused.stderr
    assert again.status == 200

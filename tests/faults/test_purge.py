"""What is answered after a purge, or any write, is new: from four workers that had it in memory at once,
from another node within a second."""

from __future__ import annotations

import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from pymongo import MongoClient

from tests import pictures
from tests.faults.onlookers import Onlookers, Sight, digest_of
from tests.faults.site import BUSY_MACHINE
from tests.figures import Figures
from tests.service import PATIENCE, Service, running_service

ROUNDS = int(os.environ.get("PURGE_ROUNDS", "3"))
ANSWERS = int(os.environ.get("PURGE_ANSWERS", "1000"))
"""Of each round, asked for after the call had returned."""

WORKERS = 4
SETTLED = 100
"""Answers that all come from memory, before anything is changed; and that are all true, after it."""

OTHER_NODE_SECONDS = 1.0

BUCKET = "/v1/buckets/default"
NAMED = f"{BUCKET}/transformations/small"
UPLOAD = "/default/image/upload"
ORIGINAL, RENDITION = f"{UPLOAD}/seen.png", f"{UPLOAD}/t_small/seen.png"

Truth = tuple[int, str]
Truths = dict[str, Truth]
OF_BYTES = ("digest", "file_id", "length", "chunk_size", "facts")


class Subject:
    """An image and a rendition of it, and the ways to change what their URLs mean. Each way returns what is
    true from then on, and `told` is the moment in which the call that did it had returned."""

    def __init__(self, service: Service) -> None:
        self._service = service
        auth = (service.access_key, service.secret)
        self._owner = httpx.Client(base_url=service.url, auth=auth, timeout=PATIENCE)
        self._number = 0
        self.told = 0.0
        self._tell("PUT", NAMED, json={"transformation": "c_fill,w_20,h_20"})
        self.overwrite()

    def close(self) -> None:
        self._owner.close()

    @property
    def ways(self) -> list[Callable[[], Truths]]:
        return [self.rename, self.overwrite, self.purge, self.delete, self.close_bucket]

    def rename(self) -> Truths:
        """The named transformation gets another meaning."""
        self._number += 1
        text = f"c_fill,w_{20 + self._number},h_20"
        truths = {ORIGINAL: self._look(ORIGINAL), RENDITION: self._look(f"{UPLOAD}/{text}/seen.png")}
        self._tell("PUT", NAMED, json={"transformation": text})
        return truths

    def overwrite(self) -> Truths:
        key, data = self._put_twin()
        truths = self._truths_of(key)
        self._tell("PUT", f"{BUCKET}/images/seen.png", content=data)
        return truths

    def purge(self) -> Truths:
        """After it has other bytes, of which no part of the service was told."""
        key, _ = self._put_twin()
        truths = self._truths_of(key)
        with MongoClient(self._service.mongo_url) as client:
            found = client["imagestore"]
            twin = found.images.find_one({"bucket": "default", "key": key})
            assert twin is not None
            change = {"$set": {name: twin[name] for name in OF_BYTES}}
            for each in (found.images, found.versions):
                assert each.update_many({"bucket": "default", "key": "seen.png"}, change).modified_count
        self._tell("POST", "/v1/cache/purge", json={"bucket": "default", "keys": ["seen.png"]})
        return truths

    def delete(self) -> Truths:
        self._tell("DELETE", f"{BUCKET}/images/seen.png")
        return dict.fromkeys((ORIGINAL, RENDITION), (404, ""))

    def close_bucket(self) -> Truths:
        self._tell("PATCH", BUCKET, json={"access": "private"})
        return dict.fromkeys((ORIGINAL, RENDITION), (401, ""))

    def mend(self) -> None:
        """There is an image, for all to see, that has not been there before."""
        self._tell("PATCH", BUCKET, json={"access": "public-read"})
        self.overwrite()

    def _put_twin(self) -> tuple[str, bytes]:
        self._number += 1
        data = pictures.png(60, 40, seed=self._number)
        self._tell("PUT", f"{BUCKET}/images/twin-{self._number}.png", content=data)
        return f"twin-{self._number}.png", data

    def _truths_of(self, key: str) -> Truths:
        return {ORIGINAL: self._look(f"{UPLOAD}/{key}"), RENDITION: self._look(f"{UPLOAD}/t_small/{key}")}

    def _look(self, path: str) -> Truth:
        answer = httpx.get(self._service.url + path, headers={"Cache-Control": "no-cache"}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return 200, digest_of(answer.content)

    def _tell(self, method: str, path: str, **body: object) -> None:
        answer = self._owner.request(method, path, **body)  # type: ignore[arg-type]
        self.told = time.monotonic()
        assert answer.is_success, answer.text


@pytest.mark.timeout(180 + ROUNDS * (10 + ANSWERS // 200))
def test_no_answer_after_the_call_is_old(tmp_path: Path, figures: Figures) -> None:
    lasting = {"edge_ttl": 3600, "alias_ttl": 3600, "secret_key": secrets.token_hex(16)}
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    stale, seen, lags = list[str](), list[Sight](), list[float]()
    with running_service(here, workers=WORKERS, **lasting) as node:
        stores = {"mongo_url": node.mongo_url, "redis_url": node.redis_url}
        with running_service(there, workers=2, admin_key=node.access_key, **stores, **lasting) as other:
            subject = Subject(node)
            paths = (ORIGINAL, RENDITION)
            with Onlookers(node.url, paths) as near, Onlookers(other.url, paths, clients=2) as far:
                for number in range(ROUNDS):
                    way = subject.ways[number % len(subject.ways)]
                    before = settle(near)
                    assert settle(far) == before
                    truths = way()
                    told = subject.told
                    assert truths != before, way.__name__
                    found = near.since(told, ANSWERS)
                    seen += found
                    stale += [f"{way.__name__}: {each}" for each in told_apart(found, truths)]
                    lags.append(await_truth(far, told, truths))
                    subject.mend()
            subject.close()
    from_memory = [each for each in seen if each.memory]
    figures(
        rounds=ROUNDS,
        answers=len(seen),
        from_memory=len(from_memory),
        workers=len({each.worker for each in from_memory}),
        stale=len(stale),
        other_node_seconds=max(lags),
    )
    assert stale == []
    assert len(from_memory) > len(seen) / 10
    assert len({each.worker for each in from_memory}) > WORKERS / 2
    assert max(lags) <= OTHER_NODE_SECONDS + BUSY_MACHINE


def settle(onlookers: Onlookers) -> Truths:
    """Wait until whoever is asked has the answers in memory; returns what they are."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        onlookers.forget()
        found = onlookers.since(0, SETTLED)
        truths = {each.path: (each.status, each.digest) for each in found}
        if all(each.memory for each in found) and not told_apart(found, truths):
            return truths
    raise AssertionError(f"they never came from memory: {found[-4:]}")


def told_apart(sights: list[Sight], truths: Truths) -> list[str]:
    """Those that are not true."""
    wrong = Counter((each.path, each.status, each.digest) for each in sights if not is_true(each, truths))
    return [f"{each} instead of {truths[each[0]]}, {count} times" for each, count in wrong.items()]


def is_true(each: Sight, truths: Truths) -> bool:
    return (each.status, each.digest) == truths[each.path]


def await_truth(onlookers: Onlookers, told: float, truths: Truths) -> float:
    """Wait until all is true that they see; returns for how many seconds after the call it was not."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        wrong = [each.asked for each in onlookers.since(told, 1) if not is_true(each, truths)]
        last = max(wrong, default=told)
        if len(onlookers.since(last, 0)) >= SETTLED:
            return last - told
        time.sleep(0.05)
    raise AssertionError("another node was never told")

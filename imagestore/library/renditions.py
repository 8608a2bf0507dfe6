"""Renditions: from Redis, else from GridFS, else made once for all who want one, in a decoder process."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imagestore.cache.admission import Sketch
from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.core.errors import (
    ImagestoreError,
    InvalidRequest,
    Overloaded,
    RejectedImage,
    StoreUnavailable,
    leaves,
)
from imagestore.core.image import Version
from imagestore.core.metrics import RENDER_SECONDS, RENDITIONS, SILENT, Metrics
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.jobs import Material, Render
from imagestore.library.plans import Plan
from imagestore.library.sources import Sources
from imagestore.store.blobs import Blobs
from imagestore.store.renditions import Kept, Renditions

log = logging.getLogger(__name__)

DEAR_SECONDS = 0.05
"""What took longer to make is kept in GridFS too: to read it there takes a few milliseconds."""

COST_SECONDS = 0.02
"""What took so long to make counts in Redis as much as an original, which is only read."""

FAILURE_SECONDS = 10.0
"""For so long what cannot be made is not tried again, by any worker."""

BEHIND = 64
"""Copies to GridFS that may wait; more are not kept."""

_FAILURES = {leaf.code: leaf for root in (InvalidRequest, RejectedImage) for leaf in leaves(root)}


class Origin(StrEnum):
    """How a rendition was come by: the label of its metric."""

    HIT = "hit"
    KEPT = "kept"
    WAIT = "wait"
    MAKE = "make"


@dataclass(frozen=True, slots=True)
class Made:
    """A rendition's bytes, and how they were come by."""

    data: bytes
    origin: Origin


@dataclass(frozen=True, slots=True)
class Bounds:
    """`queue` renditions may be in the making in this process at once, besides one for each decoder; each has
    `seconds` of a decoder and becomes `most_bytes` at most."""

    queue: int
    seconds: float
    most_bytes: int


@dataclass(frozen=True, slots=True)
class Stores:
    """Where bytes are: Redis, the originals' GridFS, that of renditions (None: none are kept), the disk."""

    tier: Tier
    blobs: Blobs
    kept: Renditions | None
    sources: Sources


class Renderer:
    """`read` first; what is not in Redis is `begun`, for everybody in this process who wants it, and done in
    a thread of its own, so that whoever waits for it needs none."""

    def __init__(
        self, stores: Stores, decoders: DecoderPool, bounds: Bounds, *, metrics: Metrics = SILENT
    ) -> None:
        self._stores = stores
        self._decoders = decoders
        self._bounds = bounds
        self._metrics = metrics
        self._flights = Flights(stores.tier)
        self._sketch = Sketch()
        most = bounds.queue + decoders.load()["processes"]
        self._most = most
        self._makers = ThreadPoolExecutor(most, thread_name_prefix="maker")
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="keeper")
        self._behind = threading.BoundedSemaphore(BEHIND)
        self._making: dict[str, Future[Made]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """The rendition of that name from Redis."""
        data = self._stores.tier.read_blob(name, self._sketch.touch(name))
        if data is not None:
            self._metrics.count(RENDITIONS, Origin.HIT)
        return data

    def begin(self, plan: Plan) -> tuple[Future[Made], bool]:
        """The rendition as it will be, and whether it was begun for another one before. The future raises
        what `DecoderPool.ask` does, and StoreUnavailable or BlobDamaged for the originals. Raises Overloaded
        when too many are being made."""
        future, joined = self._begin(plan.name, lambda: self._come_by(plan))
        if joined:
            self._metrics.count(RENDITIONS, Origin.WAIT)
        return future, joined

    def close(self) -> None:
        self._makers.shutdown(wait=False, cancel_futures=True)
        self._keeper.shutdown(wait=False, cancel_futures=True)
        self._stores.sources.close()

    def _begin(self, name: str, work: Callable[[], Made]) -> tuple[Future[Made], bool]:
        with self._lock:
            making = self._making.get(name)
            if making is not None:
                return making, True
            if len(self._making) >= self._most:
                raise Overloaded("Too many renditions are being made: ask for this one again in a moment.")
            try:
                # In the context of the first who asked: it is their request that the log tells of.
                making = self._makers.submit(copy_context().run, work)
            except RuntimeError:
                raise Overloaded("The service is closing: ask for this one again in a moment.") from None
            self._making[name] = making
        making.add_done_callback(lambda _: self._forget(name))
        return making, False

    def _forget(self, name: str) -> None:
        with self._lock:
            self._making.pop(name, None)

    def _come_by(self, plan: Plan) -> Made:
        name = plan.name
        self._check_failed(name)
        data = self._read_kept(name)
        if data is not None:
            self._metrics.count(RENDITIONS, Origin.KEPT)
            return Made(data, Origin.KEPT)

        def find() -> bytes | None:
            self._check_failed(name)
            return self._stores.tier.read_blob(name, 1) or self._read_kept(name)

        wait = self._bounds.seconds * 4
        made, role = self._flights.once(name, lambda: self._make(plan), find=find, wait=wait)
        self._metrics.count(RENDITIONS, role)
        return Made(made, Origin(role))

    def _make(self, plan: Plan) -> bytes:
        """Render, and leave the result, or that it cannot be had, where all workers look."""
        began = time.monotonic()
        try:
            data = self._render(plan)
        except (InvalidRequest, RejectedImage) as error:
            self._note_failed(plan.name, error)
            raise
        took = time.monotonic() - began
        self._metrics.observe(RENDER_SECONDS, took)
        self._stores.tier.write_blob(plan.name, data, 1, cost=took / COST_SECONDS)
        if took >= DEAR_SECONDS or len(data) > self._stores.tier.value_bytes or not self._stores.tier.enabled:
            self._keep(Kept(plan.name, data, plan.digests, took))
        return data

    def _render(self, plan: Plan) -> bytes:
        with ExitStack() as lent:

            def borrow(version: Version) -> Material:
                path = lent.enter_context(self._stores.sources.lend(version.digest, self._load(version)))
                facts = version.facts
                return Material(path=path, format=facts.format, width=facts.width, height=facts.height)

            request = Render(
                transformation=plan.text,
                source=borrow(plan.version),
                format=plan.format,
                layers={key: borrow(version) for key, version in plan.layers.items()},
                tags=plan.tags,
                context=plan.context,
                most_bytes=self._bounds.most_bytes,
            )
            answer, data = self._decoders.ask(request.job(self._bounds.seconds, plan.name))
        return _tell(plan.version, answer["facts"]) if plan.tells else data

    def _load(self, version: Version) -> Callable[[], list[bytes]]:
        def load() -> list[bytes]:
            with self._stores.blobs.open(version.blob) as blob:
                return list(blob.open())

        return load

    def _read_kept(self, name: str) -> bytes | None:
        """From GridFS, and into Redis. That MongoDB cannot be asked is no reason not to make it anew."""
        if self._stores.kept is None:
            return None
        try:
            data = self._stores.kept.read(name)
        except StoreUnavailable:
            return None
        if data is not None:
            self._stores.tier.write_blob(
                name, data, self._sketch.touch(name), cost=DEAR_SECONDS / COST_SECONDS
            )
        return data

    def _keep(self, kept: Kept) -> None:
        """Put it into GridFS behind the answer's back; when many wait for that, it is let be."""
        if self._stores.kept is None or not self._behind.acquire(blocking=False):
            return

        def write(store: Renditions) -> None:
            try:
                store.write(kept)
            except StoreUnavailable as error:
                log.info("a rendition was not kept: %s", error)
            finally:
                self._behind.release()

        with suppress(RuntimeError):  # the service is closing
            self._keeper.submit(write, self._stores.kept)

    def _check_failed(self, name: str) -> None:
        """Raises what was found wrong a moment ago."""
        [alias] = self._stores.tier.read_aliases([_failure_name(name)])
        if alias is not None:
            told = json.loads(alias.payload)
            raise _FAILURES[told["code"]](told["message"])

    def _note_failed(self, name: str, error: ImagestoreError) -> None:
        payload = json.dumps({"code": error.code, "message": error.message}).encode()
        self._stores.tier.write_alias(_failure_name(name), 0, payload, FAILURE_SECONDS)


def _tell(version: Version, facts: dict[str, Any]) -> bytes:
    """What `fl_getinfo` answers: the picture before and after, in the shape that Cloudinary gives it."""
    before = version.facts
    told = {"width": before.width, "height": before.height, "bytes": before.bytes, "format": before.format}
    return json.dumps({"input": told, "output": facts}).encode()


def _failure_name(name: str) -> str:
    return f"failure/{name}"

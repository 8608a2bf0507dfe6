"""Renditions: from Redis, else from GridFS, else made once for all who want one, in a decoder process."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.core.errors import (
    ImagestoreError,
    InvalidRequest,
    Overloaded,
    RejectedImage,
    leaves,
)
from imagestore.core.image import Version
from imagestore.core.metrics import RENDER_SECONDS, RENDITIONS, SILENT, Metrics
from imagestore.imaging.geometry import Box
from imagestore.imaging.jobs import Material, Render
from imagestore.library.descriptions import Descriptions
from imagestore.library.plans import Plan
from imagestore.library.proofs import Proofs, Workbench
from imagestore.library.shelf import Shelf

PATIENCE = 1.0
"""Seconds for which Redis may be too busy to say who makes a rendition, before everybody does."""

FAILURE_SECONDS = 60.0
"""For so long what cannot be made is not tried again, by any worker."""

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


class Renderer:
    """`read` first; what is not in Redis is `begun`, for everybody in this process who wants it, and done in
    a thread of its own, so that whoever waits for it needs none. `most` may be begun at once."""

    def __init__(
        self,
        bench: Workbench,
        shelf: Shelf,
        tier: Tier,
        proofs: Proofs,
        descriptions: Descriptions,
        *,
        most: int,
        metrics: Metrics = SILENT,
    ) -> None:
        self._bench = bench
        self._shelf = shelf
        self._tier = tier
        self._proofs = proofs
        self._descriptions = descriptions
        self._metrics = metrics
        self._flights = Flights(tier, patience=PATIENCE)
        self._most = most
        self._makers = ThreadPoolExecutor(most, thread_name_prefix="maker")
        self._making: dict[str, Future[Made]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """The rendition of that name from Redis."""
        data = self._shelf.glance(name)
        if data is not None:
            self._metrics.count(RENDITIONS, Origin.HIT)
        return data

    def kept_as(self, plan: Plan, size: int) -> str | None:
        """The name that a rendition has in Redis, None for one that is too large to be there."""
        return plan.name if size <= self._tier.value_bytes else None

    def is_kept(self, name: str) -> bool:
        """Whether the rendition of that name need not be made, though Redis does not have it."""
        return self._shelf.is_kept(name)

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
        self._proofs.close()
        self._shelf.close()
        self._bench.sources.close()

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
        name, origins = plan.name, list[Origin]()

        def find() -> bytes | None:
            self._check_failed(name)
            data, origin = self._tier.read_blob(name, 1), Origin.WAIT
            if data is None:
                data, origin = self._shelf.fetch(name, plan.digests), Origin.KEPT
            origins.append(origin if data is not None else Origin.MAKE)
            return data

        def make() -> bytes:
            # Without a lease nobody has looked yet.
            known = None if origins else find()
            return known if known is not None else self._make(plan)

        made, _ = self._flights.once(name, make, find=find, wait=self._bench.seconds * 4)
        origin = origins[-1] if origins else Origin.WAIT
        self._metrics.count(RENDITIONS, origin)
        return Made(made, origin)

    def _make(self, plan: Plan) -> bytes:
        """Render, and leave the result, or that it cannot be had, where all workers look."""
        began = time.monotonic()
        try:
            data, cost = self._render(plan)
        except (InvalidRequest, RejectedImage) as error:
            self._note_failed(plan.name, error)
            raise
        self._metrics.observe(RENDER_SECONDS, time.monotonic() - began)
        self._shelf.put(plan.name, data, plan.digests, cost)
        return data

    def _render(self, plan: Plan) -> tuple[bytes, float]:
        """The bytes, and the seconds of a processor that they cost, which a wait for one is not among."""
        with ExitStack() as lent:

            def borrow(version: Version) -> Material:
                return lent.enter_context(self._bench.lend(version, self._faces(plan, version)))

            request = Render(
                transformation=plan.text,
                source=lent.enter_context(self._proofs.lend(plan, self._faces(plan, plan.version))),
                format=plan.format,
                layers={key: borrow(version) for key, version in plan.layers.items()},
                tags=plan.tags,
                context=plan.context,
                most_bytes=self._bench.most_bytes,
            )
            answer, data = self._bench.decoders.ask(request.job(self._bench.seconds, plan.name))
        return (_tell(plan.version, answer["facts"]) if plan.tells else data), float(answer["seconds"])

    def _faces(self, plan: Plan, version: Version) -> tuple[Box, ...] | None:
        """They are looked for only where the transformation asks for them."""
        return self._descriptions.faces(version) if plan.transformation.needs_faces else None

    def _check_failed(self, name: str) -> None:
        """Raises what was found wrong a moment ago."""
        [alias] = self._tier.read_aliases([_failure_name(name)])
        if alias is not None:
            told = json.loads(alias.payload)
            raise _FAILURES[told["code"]](told["message"])

    def _note_failed(self, name: str, error: ImagestoreError) -> None:
        payload = json.dumps({"code": error.code, "message": error.message}).encode()
        self._tier.write_brief_alias(_failure_name(name), 0, payload, FAILURE_SECONDS)


def _tell(version: Version, facts: dict[str, Any]) -> bytes:
    """What `fl_getinfo` answers: the picture before and after, in the shape that Cloudinary gives it."""
    before = version.facts
    told = {"width": before.width, "height": before.height, "bytes": before.bytes, "format": before.format}
    return json.dumps({"input": told, "output": facts}).encode()


def _failure_name(name: str) -> str:
    return f"failure/{name}"

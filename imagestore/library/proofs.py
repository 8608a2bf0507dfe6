"""Proofs: reduced copies of large originals, from which smaller renditions are made much faster."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from imagestore.cache.tier import Tier
from imagestore.core.errors import DecoderLost, ImagestoreError, InvalidTransformation
from imagestore.core.image import Version
from imagestore.core.transformation.model import Scope
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.geometry import Box
from imagestore.imaging.jobs import Material, Render
from imagestore.imaging.planning import copy_side
from imagestore.library.fetch import RENDERING_REVISION
from imagestore.library.plans import Plan
from imagestore.library.shelf import Shelf
from imagestore.library.sources import Sources
from imagestore.store.blobs import Blobs

log = logging.getLogger(__name__)

SIDES = (512, 1024, 2048)
"""The long sides of the copies, in pixels."""

FIRST = (1024, 512, 2048)
"""In this order they are made: what serves most comes first."""

LEASE_SECONDS = 120.0
QUIET_SECONDS = 0.5
PATIENCE_SECONDS = 20.0
"""Longest that a copy waits for the decoders to be idle: on a machine that always renders it is made too."""

LOOK_SECONDS = 0.05
WAITING = 32
"""Originals whose copies wait to be made; of more, none are made this time."""


class NotKept(Exception):
    """There is no such copy."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What pictures are made with: the originals and their files at hand, the decoders, and for each job the
    seconds that it may take and the bytes that it may become."""

    blobs: Blobs
    sources: Sources
    decoders: DecoderPool
    seconds: float
    most_bytes: int

    @contextmanager
    def lend(self, version: Version, faces: tuple[Box, ...] | None = None) -> Iterator[Material]:
        """The original. Raises StoreUnavailable and BlobDamaged."""

        def load() -> Iterable[bytes]:
            with self.blobs.open(version.blob) as blob:
                yield from blob.open()

        facts = version.facts
        with self.sources.lend(version.digest, load) as path:
            yield Material(
                path=path, format=facts.format, width=facts.width, height=facts.height, faces=faces
            )


class Proofs:
    """Copies of stills of more than `pixels` pixels; 0 for none. They are kept as renditions are."""

    def __init__(self, bench: Workbench, shelf: Shelf, tier: Tier, pixels: int) -> None:
        self._bench = bench
        self._shelf = shelf
        self._tier = tier
        self._pixels = pixels
        self._maker = ThreadPoolExecutor(1, thread_name_prefix="proofs")
        self._waiting: set[str] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @contextmanager
    def lend(self, plan: Plan, faces: tuple[Box, ...] | None) -> Iterator[Material]:
        """What the plan's rendition is best made from: the smallest copy that serves, else the original, of
        which copies are made then, after the answer."""
        version = plan.version
        with ExitStack() as lent:
            if not self._has_copies(version):
                yield lent.enter_context(self._bench.lend(version, faces))
                return
            for side in self._serving(plan, faces):
                with suppress(NotKept):
                    yield lent.enter_context(self._lend_copy(version, side, faces))
                    return
            yield lent.enter_context(self._bench.lend(version, faces))
        self.want(version)

    def want(self, version: Version) -> None:
        """Have the copies of an original made that are not there, when there is time."""
        with self._lock:
            if version.digest in self._waiting or len(self._waiting) >= WAITING:
                return
            self._waiting.add(version.digest)
        with suppress(RuntimeError):  # the service is closing
            self._maker.submit(self._make_all, version)

    def close(self) -> None:
        self._closing.set()
        self._maker.shutdown(wait=False, cancel_futures=True)

    def _has_copies(self, version: Version) -> bool:
        facts = version.facts
        return bool(self._pixels) and facts.frames == 1 and facts.width * facts.height > self._pixels

    def _serving(self, plan: Plan, faces: tuple[Box, ...] | None) -> list[int]:
        """The sides of the copies that would do, from the smallest on."""
        facts, output = plan.version.facts, plan.transformation.output
        if any(flag.startswith("keep_") for flag in output.flags):
            return []  # what the original says of itself is not in its copies
        scope = Scope(
            width=facts.width,
            height=facts.height,
            initial_width=facts.width,
            initial_height=facts.height,
            faces=len(faces or ()),
            tags=frozenset(plan.tags),
            context=plan.context,
        )
        try:
            needed = copy_side(plan.transformation.nodes, scope, faces)
        except InvalidTransformation:
            return []  # the render says so too, and better
        longest = max(facts.width, facts.height)
        return [side for side in SIDES if needed is not None and needed <= side < longest]

    @contextmanager
    def _lend_copy(self, version: Version, side: int, faces: tuple[Box, ...] | None) -> Iterator[Material]:
        name = _name(version, side)

        def load() -> list[bytes]:
            data = self._shelf.find(name, (version.digest,))
            if data is None:
                raise NotKept
            return [data]

        facts = version.facts
        with self._bench.sources.lend(name, load) as path:
            yield Material(
                path=path, format=_format(version), width=facts.width, height=facts.height, faces=faces
            )

    def _make_all(self, version: Version) -> None:
        try:
            sides = [side for side in FIRST if side < max(version.facts.width, version.facts.height)]
            missing = set(self._shelf.missing(_name(version, side) for side in sides))
            lease = self._tier.try_lease(f"proofs/{version.digest}", LEASE_SECONDS)
            try:
                if missing and lease.state != "busy":
                    for side in sides:
                        if _name(version, side) in missing:
                            self._make(version, side)
            finally:
                if lease.state != "busy":
                    self._tier.release_lease(lease)
        except ImagestoreError as error:
            log.info("no reduced copies of %s for now: %s", version.digest, error)
        finally:
            with self._lock:
                self._waiting.discard(version.digest)

    def _await_quiet(self) -> None:
        """Until the decoders have had nothing to do for a moment: a copy takes as long as some renders, for
        which somebody waits. Raises DecoderLost when the service closes."""
        now = quiet = time.monotonic()
        end = now + PATIENCE_SECONDS
        while now - quiet < QUIET_SECONDS and now < end:
            if self._closing.wait(LOOK_SECONDS):
                raise DecoderLost("The service is closing.")
            now = time.monotonic()
            if self._bench.decoders.load()["busy"]:
                quiet = now

    def _make(self, version: Version, side: int) -> None:
        name, began = _name(version, side), time.monotonic()
        quality = "/q_90:444" if _format(version) == "jpeg" else ""
        with self._bench.lend(version) as material:
            request = Render(
                transformation=f"c_limit,h_{side},w_{side}{quality}",
                source=material,
                format=_format(version),
                most_bytes=self._bench.most_bytes,
            )
            self._await_quiet()
            _, data = self._bench.decoders.ask(request.job(self._bench.seconds, name))
        self._shelf.put(name, data, (version.digest,), max(time.monotonic() - began, 1.0))


def _format(version: Version) -> str:
    return "png" if version.facts.has_alpha else "jpeg"


def _name(version: Version, side: int) -> str:
    return f"{version.digest}/-proof:{side}/{_format(version)}/{RENDERING_REVISION}"

"""Facts of a picture that are found out when somebody asks: faces, colours, hash, placeholder, EXIF."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from imagestore.cache.flight import Flights
from imagestore.cache.tier import Tier
from imagestore.core.errors import NotAnImage
from imagestore.core.image import Version
from imagestore.imaging.geometry import Box
from imagestore.imaging.jobs import Description
from imagestore.library.fetch import RENDERING_REVISION
from imagestore.library.proofs import Workbench
from imagestore.library.shelf import Shelf

FACES = "faces"


class Descriptions:
    """Each fact is kept by itself, as a rendition is: found out once, by one worker, gone with its image."""

    def __init__(self, bench: Workbench, shelf: Shelf, tier: Tier) -> None:
        self._bench = bench
        self._shelf = shelf
        self._flights = Flights(tier)

    def faces(self, version: Version) -> tuple[Box, ...]:
        """Boxes in pixels of the picture upright. Raises FacesUnavailable, NotAnImage, and as decoders do."""
        return tuple(Box(*box) for box in self._fact(version, FACES))

    def describe(self, version: Version, wanted: Iterable[str]) -> dict[str, Any]:
        """The facts that are wanted, by name: `faces`, and those of `imaging/engine/description.py`."""
        return {name: self._fact(version, name) for name in wanted}

    def _fact(self, version: Version, fact: str) -> Any:
        if not version.is_image:
            raise NotAnImage.named(version.key)
        name = f"{version.digest}/-{fact}/json/{RENDERING_REVISION}"

        def make() -> bytes:
            began = time.monotonic()
            with self._bench.lend(version) as material:
                job = Description(material, fact).job(self._bench.seconds, name)
                answer, _ = self._bench.decoders.ask(job)
            data = json.dumps(answer["fact"]).encode()
            self._shelf.put(name, data, (version.digest,), time.monotonic() - began)
            return data

        def find() -> bytes | None:
            return self._shelf.find(name, (version.digest,))

        known = find()
        if known is not None:
            return json.loads(known)
        found, _ = self._flights.once(name, make, find=find, wait=self._bench.seconds * 4)
        return json.loads(found)

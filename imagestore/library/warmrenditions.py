"""Warm-up of renditions: they are made before the traffic asks for them, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError

from imagestore.cache.tier import Tier
from imagestore.core.errors import (
    BlobDamaged,
    DecoderLost,
    ImageNotFound,
    InvalidRequest,
    Overloaded,
    RejectedImage,
)
from imagestore.core.telemetry import Timings
from imagestore.core.transformation.parsing import Transformation, parse
from imagestore.library.fetch import Fetch
from imagestore.library.plans import Plan, Plans
from imagestore.library.renditions import Renderer
from imagestore.library.warmup import Warmed

SECONDS = 10.0
"""What is not made by then is left to another call."""


class RenditionWarmup:
    """Takes one decoder at a time, so visitors have the others."""

    def __init__(self, fetch: Fetch, plans: Plans, renderer: Renderer, tier: Tier) -> None:
        self._fetch = fetch
        self._plans = plans
        self._renderer = renderer
        self._tier = tier

    def warm(self, bucket: str, keys: Sequence[str], transformations: Sequence[str], accept: str) -> Warmed:
        """Have Redis keep what the delivery URLs with these transformations and keys answer to a client with
        that `Accept` header. The report names them as the URLs do: `TRANSFORMATION/KEY`.

        Raises BucketNotFound, InvalidTransformation and TransformationNotFound.
        """
        self._fetch.bucket(bucket)
        wanted = [(text, self._plans.expand(bucket, parse(text)).transformation) for text in transformations]
        report = Warmed(asked=len(keys) * len(wanted))
        plans = [each for key in keys for each in self._draw(bucket, key, wanted, accept, report)]
        names = [plan.name for _, plan in plans]
        known = self._tier.has_blobs(names)
        report.before = sum(known)
        end = time.monotonic() + SECONDS
        for (item, plan), is_known in zip(plans, known, strict=True):
            if not is_known:
                self._make(item, plan, end, report)
        report.after = sum(self._tier.has_blobs(names))
        return report

    def _draw(
        self,
        bucket: str,
        key: str,
        wanted: Sequence[tuple[str, Transformation]],
        accept: str,
        report: Warmed,
    ) -> Iterator[tuple[str, Plan]]:
        timings = Timings()
        try:
            found = self._fetch.resolve(bucket, key, None, lambda _: None, timings)
        except ImageNotFound:
            report.missing.extend(f"{text}/{key}" for text, _ in wanted)
            return
        for text, expanded in wanted:
            item = f"{text}/{key}"
            try:
                yield item, self._plans.draw(found, expanded, accept, timings, lambda _: None)
            except (ImageNotFound, InvalidRequest) as error:
                report.refused[item] = error.message

    def _make(self, item: str, plan: Plan, end: float, report: Warmed) -> None:
        """Bring it from GridFS, or have it made."""
        try:
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            data = self._renderer.begin(plan)[0].result(left).data
        except (CancelledError, DecoderLost, Overloaded, TimeoutError):
            report.left.append(item)
        except BlobDamaged:
            report.damaged.append(item)
        except (ImageNotFound, InvalidRequest, RejectedImage) as error:
            report.refused[item] = error.message
        else:
            if self._renderer.kept_as(plan, len(data)) is None:
                report.too_large.append(item)
            else:
                report.loaded += 1
                report.bytes += len(data)

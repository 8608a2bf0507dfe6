"""Plans: from what a URL asks of an image to the one rendition that it means, by the name all know it by."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagestore.core.errors import ImageNotFound, InvalidTransformation, NotAnImage
from imagestore.core.image import Bucket, Digest, Version
from imagestore.core.telemetry import Timings
from imagestore.core.transformation.parsing import Transformation
from imagestore.core.transformation.transparency import may_clear
from imagestore.imaging.formats import BMP, PNG, by_name, negotiate
from imagestore.library.aliases import Ground, gather, image_ground
from imagestore.library.fetch import RENDERING_REVISION, Fetch
from imagestore.library.readings import Found
from imagestore.library.transformations import Meaning, NamedTransformations
from imagestore.store.documents import Documents

MOST_LAYERS = 20
"""Different images that one rendition may lay over another."""

MOST_LAYER_BYTES = 64 * 1024 * 1024
"""Of all of them together: each is copied to a file before anything is made."""

_SIZES = re.compile(r"(?:^|[,/])[wh]_")
"""What says that the answer need not be as large as the original."""

_LABELS = re.compile("tags|ctx")


def asks_labels(transformation: Transformation) -> bool:
    """Whether it may look at the image's tags or context: rather once too often than once too few."""
    return _LABELS.search(transformation.canonical()) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One rendition: what it is made of, and how. `text` is the canonical transformation, with nothing left
    to look up in it; `format` is decided. `labelled`: it asks for `tags` or `context`. `grounds` are those of
    all images that go in; none where one of them may be out of date."""

    version: Version
    transformation: Transformation
    text: str
    format: str
    layers: Mapping[str, Version] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    context: Mapping[str, str] = field(default_factory=dict)
    labelled: bool = False
    grounds: tuple[Ground, ...] = ()

    @property
    def name(self) -> str:
        """Names bytes, not a URL: it holds the digests of all that goes in, and never means anything else."""
        parts = [self.version.digest, self.text or "-", self.format, str(RENDERING_REVISION)]
        parts += [f"{key}={version.digest}" for key, version in sorted(self.layers.items())]
        if self.tags or self.context:
            parts.append(repr((sorted(self.tags), sorted(self.context.items()))))
        return "/".join(parts)

    @property
    def tells(self) -> bool:
        """Whether its facts are wanted, and not its bytes (`fl_getinfo`)."""
        return "getinfo" in self.transformation.output.flags

    @property
    def modified(self) -> datetime:
        """When the newest of the images in it was made; a new meaning of a name changes the ETag alone."""
        return max(each.modified for each in (self.version, *self.layers.values()))

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.name.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def digests(self) -> tuple[Digest, ...]:
        return tuple(dict.fromkeys(each.digest for each in (self.version, *self.layers.values())))


class Plans:
    """Looks up what a transformation names: other transformations, images to lay over it, labels."""

    def __init__(self, fetch: Fetch, named: NamedTransformations, documents: Documents) -> None:
        self._fetch = fetch
        self._named = named
        self._documents = documents

    def expand(self, bucket: str, transformation: Transformation) -> Meaning:
        """The transformation with what its names stand for. Raises TransformationNotFound."""
        parts = list[tuple[Ground, ...]]()

        def look_up(name: str) -> Transformation:
            meaning = self._named.look_up(bucket, name)
            parts.append(meaning.grounds)
            return meaning.transformation

        if not transformation.names():
            return Meaning(transformation, ())
        return Meaning(transformation.expand(look_up), gather(*parts))

    def draw(
        self,
        found: Found,
        expanded: Transformation,
        accept: str,
        timings: Timings,
        allow: Callable[[Found], None],
    ) -> Plan:
        """The plan for an image that was found, to be sent to a client with that `Accept` header.

        `allow` is asked of each image that is laid over it, and may raise. Raises ImageNotFound for a layer
        that is not there, NotAnImage for what is kept as it is, and InvalidTransformation for what is too
        much.
        """
        if not found.version.is_image:
            raise NotAnImage.named(found.version.key)
        text = expanded.canonical()
        labelled = asks_labels(expanded)
        tags, context = self._labels(found.version) if labelled else ((), {})
        layers = self._layers(found.bucket, expanded, timings)
        for each in layers.values():
            allow(each)
        parts = [found.grounds, *(each.grounds for each in layers.values())]
        if labelled:
            parts.append((image_ground(found.version.bucket, found.version.key),))
        return Plan(
            version=found.version,
            transformation=expanded,
            text=text,
            format=_decide_format(expanded, found, accept),
            layers={key: each.version for key, each in layers.items()},
            tags=tags,
            context=context,
            labelled=labelled,
            grounds=gather(*parts),
        )

    def _layers(self, bucket: Bucket, wanted: Transformation, timings: Timings) -> dict[str, Found]:
        keys = tuple(dict.fromkeys(wanted.layer_keys()))
        if len(keys) > MOST_LAYERS:
            raise InvalidTransformation(f"A transformation lays at most {MOST_LAYERS} images over another.")
        allowed: Callable[[Bucket], None] = lambda _: None  # noqa: E731 - it was asked for the image itself
        layers = {key: self._fetch.resolve(bucket.name, key, None, allowed, timings) for key in keys}
        for key, each in layers.items():
            if not each.version.is_image:
                raise NotAnImage.named(key)
        if sum(each.version.blob.length for each in layers.values()) > MOST_LAYER_BYTES:
            raise InvalidTransformation(
                f"All images that are laid over one have {MOST_LAYER_BYTES >> 20} MiB at most together: use "
                "smaller ones."
            )
        return layers

    def _labels(self, version: Version) -> tuple[tuple[str, ...], Mapping[str, str]]:
        image = self._documents.find_image(version.bucket, version.key)
        if image is None:
            raise ImageNotFound(f"There is no image {version.key!r} in bucket {version.bucket!r} any more.")
        return image.tags, image.context


def _decide_format(wanted: Transformation, found: Found, accept: str) -> str:
    """`f_`, else the extension behind the key, else the original's own."""
    facts, output = found.version.facts, wanted.output
    if output.format == "auto":
        chosen = negotiate(
            accept,
            has_alpha=may_clear(wanted.nodes, facts.has_alpha),
            animated=is_animated(found.version) and output.page is None,
            original=facts.format,
            pixels=0 if _SIZES.search(wanted.canonical()) else facts.width * facts.height,
            flags=output.flags,
        )
        return chosen.name
    asked = by_name(output.format or found.extension or facts.format)
    return PNG.name if asked == BMP else asked.name


def is_animated(version: Version) -> bool:
    """Whether its frames are those of an animation, and not pages."""
    return version.facts.frames > 1 and version.facts.format != "tiff"

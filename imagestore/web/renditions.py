"""Delivery of what is made from an image: who may ask for what, its fields, its bytes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import Response, g, request

from imagestore.core.errors import Forbidden
from imagestore.core.image import Bucket
from imagestore.core.streams import Blob
from imagestore.core.telemetry import Timings
from imagestore.core.transformation.model import Output
from imagestore.core.transformation.parsing import Transformation
from imagestore.core.urls import DeliveryRequest
from imagestore.imaging.formats import by_extension, by_name
from imagestore.library.aliases import Ground, bucket_ground, gather, image_ground
from imagestore.library.objects import shown_type
from imagestore.library.plans import Plan, asks_labels
from imagestore.library.readings import Found, grounds_of_absence
from imagestore.library.renditions import Made, Origin
from imagestore.web.fields import (
    STALE_STATUS,
    Shown,
    describe,
    last_segment,
    name_status,
    respond_bodiless,
    tell_source,
)
from imagestore.web.frontdoor import services
from imagestore.web.parking import Note, await_result, result_of
from imagestore.web.permission import Permission
from imagestore.web.responses import Representation, answer, judge

CACHE_STATUS = {
    Origin.HIT: "imagestore; hit; detail=redis",
    Origin.KEPT: "imagestore; hit; detail=gridfs",
    Origin.WAIT: "imagestore; fwd=uri-miss; collapsed",
    Origin.MAKE: "imagestore; fwd=uri-miss",
}


_HEADERS_ALONE = frozenset({"attachment", "immutable_cache"})
"""Flags that change no byte."""


MOST_NAMES = 3
"""Named transformations in one unsigned URL of a strict bucket: of a few names many more would make no end of
different renditions."""


@dataclass(slots=True)
class Asked:
    """What a URL asks for, as it becomes known: the transformation with what its names stand for, whether
    the default image is the answer (`substitute`), and who may have it."""

    wanted: DeliveryRequest
    expanded: Transformation = field(init=False)
    substitute: bool = False
    permission: Permission = field(init=False)
    _looked_up: tuple[Ground, ...] | None = None

    def __post_init__(self) -> None:
        self.expanded = self.wanted.transformation
        self.permission = Permission(self.reveals)
        self._note_variance()

    def admit(self, bucket: Bucket) -> None:
        """Raises what `Permission.admit` does, SignatureInvalid for a signature that does not hold, Forbidden
        for a transformation that a strict bucket does not take from anybody, TransformationNotFound for a
        name that is none."""
        self.permission.admit(bucket)
        wanted = self.wanted.transformation
        if self.wanted.signature is not None:
            services().signers.check(self.wanted, bucket)
        elif bucket.strict and not _is_named(wanted):
            raise Forbidden(
                "This bucket makes only named or signed transformations: sign the URL, or use "
                f"{MOST_NAMES} t_<name> at most, and nothing else."
            )
        meaning = services().plans.expand(bucket.name, wanted)
        self.expanded = meaning.transformation
        self._looked_up = meaning.grounds if wanted.names() else None
        self._note_variance()

    def note_source(self, found: Found, shown: Shown, grounds: tuple[Ground, ...], blob: str | None) -> None:
        """Tell what a complete answer depends on, unless it is for some only, or while a signature holds."""
        if not shown.public or self.wanted.signature is not None:
            return
        parts = [grounds]
        if self._looked_up is not None:
            parts.append(self._looked_up)
        if self.substitute:
            parts.append(grounds_of_absence(found.bucket, self.wanted.key))
        tell_source(gather(*parts), blob)

    def mark(self, response: Response, found: Found, shown: Shown, grounds: tuple[Ground, ...]) -> None:
        """Name what a public answer depends on to shared caches; unlike ours, these keep it while a signature
        holds, and one that may be out of date, of which no grounds are told."""
        fields = services().settings.surrogate_headers
        marked = response.status_code in (200, 206, 304)
        if fields.names and marked and shown.public:
            for name, value in fields.write(self.names(found, grounds)):
                response.headers.add(name, value)

    def names(self, found: Found, grounds: tuple[Ground, ...]) -> list[str]:
        """Of all that the answer depends on."""
        bucket = found.bucket
        parts = [bucket_ground(bucket), image_ground(bucket.name, found.version.key)]
        parts += [*grounds, *(self._looked_up or ())]
        if self.substitute:
            parts += grounds_of_absence(bucket, self.wanted.key)
        return list(dict.fromkeys(ground.name for ground in parts))

    @property
    def reveals(self) -> bool:
        """Whether the asker's own words, unsigned, ask for the tags or the context of the image."""
        return self.wanted.signature is None and asks_labels(self.wanted.transformation)

    def dated(self, modified: datetime) -> datetime | None:
        """When the answer changed last, or None where no date tells: another image, a new meaning of a name
        and another format may come without a newer one."""
        asked = self.wanted.transformation
        timeless = self.substitute or asked.names() or self.expanded.output.format == "auto"
        return None if timeless else modified

    def restrain(self, shown: Shown) -> Shown:
        """The same, but the image asked for may come at any moment: a substitute is not for ever. What
        tells tags or context is for the sender alone."""
        return replace(
            shown,
            immutable=shown.immutable and not self.substitute,
            private=not self.permission.open,
            fleeting=self.permission.fleeting,
        )

    def is_plain(self, found: Found) -> bool:
        """Whether the original's own bytes are the answer."""
        same = found.extension in (None, found.version.facts.format)
        output = self.expanded.output
        flags = {flag.partition(":")[0] for flag in output.flags} - _HEADERS_ALONE
        changed = output.format or output.quality or output.page or flags
        return same and not self.expanded.nodes and not changed

    def never_changes(self, plan: Plan) -> bool:
        """Whether all that the rendition is made of stands in the URL, but for the image."""
        return not (plan.layers or plan.labelled or self.substitute or self.wanted.transformation.names())

    def _note_variance(self) -> None:
        """Every answer to such a URL depends on the Accept field, errors included."""
        g.varies = self.expanded.output.format == "auto"


@dataclass(slots=True)
class Job:
    """A rendition on its way into an answer. `joined`: it was begun for another request."""

    plan: Plan
    found: Found
    began: float
    asked: Asked
    joined: bool = False

    def subject(self, size: int) -> Representation:
        modified = None if self.plan.labelled else self.asked.dated(self.plan.modified)
        return Representation(self.plan.etag, modified, size)

    def shown(self) -> Shown:
        format, key = by_name(self.plan.format), self.found.version.key
        media_type, extension = format.media_type, format.extensions[0]
        if self.plan.tells:
            media_type, extension = "application/json", "json"
        return self.asked.restrain(show(self.plan.transformation, key, media_type, extension))


def show(
    wanted: Transformation, key: str, media_type: str, extension: str, *, original: bool = False
) -> Shown:
    """What an answer says of itself. The file of an original is called as its key is, unless the URL has a
    name for it; that of anything else has the `extension` of what it is."""
    flags = wanted.output.flags
    attached = next((flag for flag in flags if flag.partition(":")[0] == "attachment"), None)
    name, given = last_segment(key), (attached or "").partition(":")[2]
    if given or not original:
        stem = name.rpartition(".")[0] if by_extension(name.rpartition(".")[2]) else name
        name = f"{given or stem or name}.{extension}"
    return Shown(media_type, name, attached is not None, immutable="immutable_cache" in flags)


def show_original(asked: Asked, found: Found) -> Shown:
    """What the original's own bytes say of themselves."""
    version = found.version
    extension = by_name(version.facts.format).extensions[0] if version.is_image else "bin"
    return asked.restrain(show(asked.expanded, version.key, shown_type(version), extension, original=True))


def draw(asked: Asked, found: Found, timings: Timings) -> Job:
    """The rendition that is meant, for a client with the request's Accept field."""
    plan = services().plans.draw(
        found, asked.expanded, request.headers.get("Accept", ""), timings, asked.permission.allow
    )
    found = replace(found, immutable=found.immutable and asked.never_changes(plan))
    return Job(plan, found, time.perf_counter(), asked)


def deliver(asked: Asked, found: Found, timings: Timings) -> Response:
    """What is made from an image: conditions are judged by its name, before anything is made."""
    job = draw(asked, found, timings)
    plan, found = job.plan, job.found
    verdict = judge("HEAD", request.headers, job.subject(0))
    if verdict.status != 200:
        response = respond_bodiless(verdict, job.subject(0))
        response.headers["Cache-Status"] = name_status(found)
        describe(response, found, verdict, job.shown())
        asked.mark(response, found, job.shown(), plan.grounds)
        return response
    with timings.measure("redis"):
        data = services().renderer.read(plan.name)
    if data is not None:
        return _send(job, Made(data, Origin.HIT))
    future, job.joined = services().renderer.begin(plan)
    return _finish(job, await_result(future, job), timings)


def resume(note: Note, timings: Timings) -> Response:
    """Where `deliver` was left until the rendition was made."""
    job = note.state
    assert isinstance(job, Job)
    return _finish(job, result_of(note.future), timings)


def _finish(job: Job, made: Made, timings: Timings) -> Response:
    timings.steps["render"] = (time.perf_counter() - job.began) * 1000
    return _send(job, replace(made, origin=Origin.WAIT) if job.joined else made)


def _send(job: Job, made: Made) -> Response:
    subject = job.subject(len(made.data))
    verdict = judge(request.method, request.headers, subject)
    if verdict.status in (412, 416) or request.method == "HEAD":
        response = respond_bodiless(verdict, subject)
    else:
        response = answer(verdict, subject, Blob.of(made.data))
        if verdict.status == 200:
            blob = services().renderer.kept_as(job.plan, len(made.data))
            job.asked.note_source(job.found, job.shown(), job.plan.grounds, blob)
    stale = job.found.stale and made.origin is Origin.HIT
    response.headers["Cache-Status"] = STALE_STATUS if stale else CACHE_STATUS[made.origin]
    describe(response, job.found, verdict, job.shown())
    job.asked.mark(response, job.found, job.shown(), job.plan.grounds)
    return response


def _is_named(wanted: Transformation) -> bool:
    """Whether it does only what the bucket's owner wrote, or nothing, in a format of the asker's choice."""
    quality = wanted.output.quality
    chosen = replace(wanted.output, format=None, quality=None) == Output()
    return (
        chosen
        and (quality is None or quality.auto is not None)
        and (not wanted.nodes or (wanted.is_named_only and len(wanted.nodes) <= MOST_NAMES))
    )

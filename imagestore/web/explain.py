"""`?explain`: what would answer a delivery URL, why, and what browsers and shared caches would do with it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from flask import Response, request

from imagestore.access.policies import STRANGER, Action, decide, rule
from imagestore.access.rulings import Ruling
from imagestore.core.replay import REMEMBERS, Remembers
from imagestore.core.surrogates import keys_of_answer
from imagestore.core.telemetry import Timings
from imagestore.library.aliases import Ground
from imagestore.library.fetch import original_name
from imagestore.library.readings import Found
from imagestore.web.fields import Shown, cache_control, disposition
from imagestore.web.frontdoor import circumstances, principal, services
from imagestore.web.renditions import Asked, draw, show_original

PARAMETER = "explain"

Level = Literal["memory", "redis", "gridfs", "render"]

_SECONDS = re.compile(r"(max-age|stale-while-revalidate|stale-if-error)=(\d+)")
_WHY = {
    Ruling.DENIED: "the bucket's policy denies it",
    Ruling.ROOT: "it is the first credential",
    Ruling.VISIBLE: "the bucket is public-read",
    Ruling.OWN: "its scopes allow it in this bucket",
    Ruling.POLICY: "the bucket's policy allows it",
    Ruling.LIST: "an access control list grants it",
    Ruling.NOTHING: "nothing allows it",
}

_SPANS = (("year", 365 * 86400), ("day", 86400), ("hour", 3600), ("minute", 60))


@dataclass(frozen=True, slots=True)
class _Subject:
    """What would be sent: its name among the blobs, its ETag, its format, what it says of itself, what it
    depends on, and whether it is made from the original."""

    name: str
    etag: str
    format: str
    shown: Shown
    found: Found
    grounds: tuple[Ground, ...]
    made: bool


def is_wanted() -> bool:
    """Whether somebody with a credential asks for an explanation. From strangers the parameter is as any
    other that nobody knows: the answer is the image. Raises Unauthenticated for a wrong credential."""
    return PARAMETER in request.args and principal() != STRANGER


def explain(asked: Asked, found: Found, timings: Timings) -> Response:
    """Nothing is rendered for it, and nothing stays in the caches any longer."""
    version = found.version
    about = (found.bucket, circumstances(), version.key, version.object)
    decide(principal(), Action.GET_OBJECT_ATTRIBUTES, *about)
    subject = _original(asked, found) if asked.is_plain(found) else _rendition(asked, found, timings)
    names = asked.names(subject.found, subject.grounds)
    fields = _fields(asked, subject, names)
    told = {
        "bucket": found.bucket.name,
        "key": version.key,
        "version": version.number,
        "default_image": asked.substitute,
        "out_of_date": found.stale,
        "transformation": _grammar(asked),
        "format": subject.format,
        "rule": _rule(asked, found),
        "name": subject.name,
        "depends_on": names,
        "surrogate_keys": keys_of_answer(names),
        "level": _level(subject, timings),
        "milliseconds": {step: round(taken, 3) for step, taken in timings.steps.items()},
        "headers": fields,
        "meaning": _meaning(fields, shared=subject.shown.public),
    }
    response = Response(json.dumps(told), mimetype="application/json")
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _original(asked: Asked, found: Found) -> _Subject:
    digest, shown = found.version.digest, show_original(asked, found)
    format = found.version.facts.format if found.version.is_image else ""
    return _Subject(original_name(digest), digest, format, shown, found, found.grounds, made=False)


def _rendition(asked: Asked, found: Found, timings: Timings) -> _Subject:
    job = draw(asked, found, timings)
    plan = job.plan
    return _Subject(plan.name, plan.etag, plan.format, job.shown(), job.found, plan.grounds, made=True)


def _grammar(asked: Asked) -> dict[str, Any]:
    """The transformation as it was read: as asked for, in the one form of all that mean the same, and that
    with what its names stand for, by its components, in the order in which they are done."""
    wanted, expanded = asked.wanted.transformation.canonical(), asked.expanded.canonical()
    return {"asked": wanted, "canonical": expanded, "components": expanded.split("/") if expanded else []}


def _rule(asked: Asked, found: Found) -> list[str]:
    """Who may have the image, and why; then who may have this made of it."""
    where = (Action.GET_OBJECT, found.bucket, circumstances(), found.version.key, found.version.object)
    everybody = rule(STRANGER, *where)
    if everybody.allows:
        told = [f"Everybody may have it: {_WHY[everybody]}."]
    else:
        told = [f"A stranger may not have it: {_WHY[everybody]}. It takes a credential, or a signed URL."]
        told.append(f"Who asks may have it: {_WHY[rule(principal(), *where)]}.")
    if asked.permission.fleeting:
        told.append("That hinges on the request, such as its address, so it is for this one alone.")
    if asked.wanted.signature is not None:
        told.append("The transformation is signed, so it may be any.")
    elif found.bucket.strict:
        told.append("The bucket is strict, and allows this: it names its transformation, or has none.")
    if asked.reveals:
        told.append("It asks for tags or context: only those who may look at them by REST may have it.")
    return told


def _level(subject: _Subject, timings: Timings) -> Level:
    """What would answer now. The memory is that of the worker which explains."""
    remembers: Remembers | None = request.environ.get(REMEMBERS)
    if remembers is not None and remembers(_target(), request.headers.get("Accept", "")):
        return "memory"
    with timings.measure("redis"):
        if services().tier.has_blobs([subject.name])[0]:
            return "redis"
    if not subject.made:
        return "gridfs"
    with timings.measure("gridfs"):
        return "gridfs" if services().renderer.is_kept(subject.name) else "render"


def _target() -> bytes:
    """What is asked for by those who want the image: the same without the parameter."""
    path, _, query = str(request.environ.get("RAW_URI", request.path)).partition("?")
    kept = [each for each in query.split("&") if each.partition("=")[0] != PARAMETER]
    return "?".join([path, *filter(None, ["&".join(kept)])]).encode("latin-1")


def _fields(asked: Asked, subject: _Subject, names: list[str]) -> dict[str, str]:
    """The header fields that tell caches and browsers what to do with it."""
    fields = {
        "Cache-Control": cache_control(subject.found, subject.shown),
        "Content-Type": subject.shown.media_type,
        "Content-Disposition": disposition(subject.shown),
        "ETag": f'"{subject.etag}"',
    }
    if asked.expanded.output.format == "auto":
        fields["Vary"] = "Accept"
    if subject.shown.public:
        fields |= dict(services().settings.surrogate_headers.write(names))
    return fields


def _meaning(fields: dict[str, str], *, shared: bool) -> list[str]:
    """What caches do with an answer that has these fields (RFC 9111, 5861, 8246)."""
    control = fields["Cache-Control"]
    if "no-store" in control:
        return ["Nobody may keep it: neither a browser nor a shared cache."]
    seconds = {name: int(value) for name, value in _SECONDS.findall(control)}
    fresh = _span(seconds.get("max-age", 0))
    told = [f"A browser keeps it for {fresh}, and does not ask meanwhile."]
    if "immutable" in control:
        told.append("It never changes: a browser does not ask when the page is reloaded, either.")
    else:
        told.append("Then it asks with If-None-Match, and a 304 without a body renews it.")
    if not shared:
        return [*told, "No shared cache, as a CDN or proxy, may keep it."]
    told.append(f"A shared cache, as a CDN or proxy, keeps it for {fresh} too.")
    if span := seconds.get("stale-while-revalidate"):
        told.append(f"For {_span(span)} after that it may send it while it fetches a new one.")
    if span := seconds.get("stale-if-error"):
        told.append(f"For {_span(span)} after that it may send it while this service fails.")
    if "Vary" in fields:
        told.append("It depends on the Accept field: a shared cache keeps one for each that it meets.")
    if services().settings.surrogate_headers.names:
        told.append("A shared cache can drop it by any of its surrogate keys.")
    else:
        told.append("No surrogate keys are sent to drop it by: IMAGESTORE_SURROGATE_HEADERS is empty.")
    return told


def _span(seconds: int) -> str:
    for name, length in _SPANS:
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return f"{count} {name}{'s' if count > 1 else ''}"
    return f"{seconds} seconds"

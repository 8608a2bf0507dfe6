"""The header fields of delivery's answers: freshness, where an answer came from, file names, refusals."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

from flask import Response, request

from imagestore.core.replay import REPLAY, Source
from imagestore.library.aliases import Ground
from imagestore.library.readings import Found
from imagestore.web.frontdoor import error_response
from imagestore.web.responses import Representation, Verdict, answer

PLAIN_MAX_AGE = 60
IMMUTABLE = "public, max-age=31536000, immutable"
STALE_MAX_AGE = 5
"""Of an answer that may be out of date already: so caches look again soon."""
STALE = f"public, max-age={STALE_MAX_AGE}, stale-if-error=86400"
PLAIN = f"public, max-age={PLAIN_MAX_AGE}, stale-while-revalidate=300, stale-if-error=86400"

FLEETING = "private, no-store"

STALE_STATUS = "imagestore; hit; detail=stale"
"""The name was answered from what Redis knew last, since MongoDB could not be asked (RFC 5861, section 4)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What an answer says of itself: its media type, its file name, whether it is to be saved as a file, and
    whether it may be kept for ever though its URL names no version, whether no shared cache may, and whether
    nobody may: it is for this very request."""

    media_type: str
    filename: str
    attachment: bool = False
    immutable: bool = False
    private: bool = False
    fleeting: bool = False

    @property
    def public(self) -> bool:
        """Whether it is the same for everybody."""
        return not self.private and not self.fleeting


def respond_bodiless(verdict: Verdict, subject: Representation) -> Response:
    """A 304, 412 or 416, or a HEAD's 200."""
    return refuse(verdict, subject) if verdict.status in (412, 416) else answer(verdict, subject, None)


def refuse(verdict: Verdict, subject: Representation) -> Response:
    if verdict.status == 412:
        return error_response(412, "precondition_failed", "If-Match or If-Unmodified-Since does not hold.")
    response = error_response(
        416, "range_not_satisfiable", f"No range asked for lies within the {subject.size} bytes."
    )
    response.headers["Content-Range"] = f"bytes */{subject.size}"
    return response


def describe(response: Response, found: Found, verdict: Verdict, shown: Shown) -> None:
    """The fields of every answer about an image that was found, a 304 included (RFC 9110, 15.4.5)."""
    if verdict.status in (412, 416):
        return
    response.headers.add("Cache-Control", cache_control(found, shown))
    if verdict.status != 304:
        response.headers["Content-Type"] = shown.media_type
        response.headers.add("Content-Disposition", disposition(shown))


def tell_source(grounds: tuple[Ground, ...], blob: str | None) -> None:
    """What a complete and public answer depends on, for a server that keeps answers."""
    source = request.environ.get(REPLAY)
    if isinstance(source, Source):
        source.names = tuple(ground.name for ground in grounds)
        source.generations = tuple(ground.generation for ground in grounds)
        source.blob = blob
        source.queryless = True  # what nobody needs to sign is the same, signed or not


def name_status(found: Found) -> str:
    """The Cache-Status of an answer for which no bytes were asked for."""
    if found.stale:
        return STALE_STATUS
    return "imagestore; hit; detail=alias" if found.remembered else "imagestore; fwd=uri-miss"


def cache_control(found: Found, shown: Shown) -> str:
    """RFC 9111, 5861, 8246: a year for what cannot change, a minute for a name, seconds for what may be out
    of date, unshared if private."""
    if shown.fleeting:
        return FLEETING
    if not shown.private:
        if found.stale:
            return STALE
        return IMMUTABLE if found.immutable or shown.immutable else PLAIN
    lifetime = STALE_MAX_AGE if found.stale else PLAIN_MAX_AGE
    if "signature" in request.args:
        lifetime = max(0, min(lifetime, int(request.args["expires"]) - int(time.time())))
    return f"private, max-age={lifetime}"


def disposition(shown: Shown) -> str:
    """`inline` or `attachment` with a file name (RFC 6266), and nothing of it unescaped.

    The plain form keeps letters, digits and a few marks; the extended one (RFC 8187) has the name as it is.
    """
    name, kind = shown.filename, "attachment" if shown.attachment else "inline"
    plain = "".join(each if each.isascii() and (each.isalnum() or each in "._- ") else "_" for each in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def last_segment(key: str) -> str:
    """The file name that goes with a key."""
    return key.rstrip("/").rpartition("/")[2] or "image"

"""Requests that wait for what others make: each leaves its thread, and is taken up again where it was."""

from __future__ import annotations

from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from flask import Response, g, request

from imagestore.core.errors import ImagestoreError, Overloaded
from imagestore.core.parking import PARK, RESUMED

T = TypeVar("T")

_CARRIED = ("asked", "began", "request_id", "principal", "timings", "varies")
"""What is known of a request by then, in Flask's `g`."""


@dataclass(frozen=True, slots=True)
class Note:
    """Where a request was: what it waits for, what its view needs to go on, and what `g` had."""

    future: Future[Any]
    state: object
    carried: dict[str, Any]


class Parked(Exception):
    """Ends this call of the application: another one follows."""


def resumed() -> Note | None:
    """The note of a request that is taken up again; `carry` has put into `g` what it had there."""
    note = request.environ.get(RESUMED)
    return note if isinstance(note, Note) else None


def carry(note: Note) -> None:
    for name, value in note.carried.items():
        setattr(g, name, value)


def await_result(future: Future[T], state: object) -> T:
    """What the future becomes. Where the server lets a request wait without a thread, the view is called
    again then, with `state` in the note; else this thread waits. Raises what the future does."""
    park = request.environ.get(PARK)
    if park is not None and not future.done():
        park(future, Note(future, state, {name: g.get(name) for name in _CARRIED if name in g}))
        g.parked = True
        raise Parked
    return result_of(future)


def result_of(future: Future[T]) -> T:
    """Many requests may share one future, so each gets an error of its own."""
    try:
        return future.result()
    except CancelledError:
        raise Overloaded("The service is closing: ask again in a moment.") from None
    except ImagestoreError as error:
        raise type(error)(error.message) from None


def answer_nobody(_: Parked) -> Response:
    """What the server throws away."""
    return Response(status=204)

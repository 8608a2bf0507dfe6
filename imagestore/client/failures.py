"""What went wrong, as an exception of ours: by the code in the service's answer, or since there is none."""

from __future__ import annotations

import httpx

from imagestore.core.errors import ImagestoreError, InvalidParameter, ServiceUnreachable, leaves

ERRORS = {leaf.code: leaf for leaf in leaves()}
"""Error code → the exception to raise for it."""


def error_of(answer: httpx.Response) -> ImagestoreError:
    """The exception that an answer's error code names. The answer is read; its request id is a note."""
    error = _error_told(answer)
    if request_id := answer.headers.get("X-Request-Id"):
        error.add_note(f"request id: {request_id}")
    return error


def unreachable(url: httpx.URL | str, reason: httpx.HTTPError | str) -> ServiceUnreachable:
    """There was no answer, or none that is whole. `url` is named by its host alone."""
    parts = httpx.URL(url)
    told = str(reason) or type(reason).__name__
    return ServiceUnreachable(
        f"The service at {parts.scheme}://{parts.netloc.decode()} does not answer ({told}): "
        "see that it runs and can be reached."
    )


def readable(answer: httpx.Response) -> httpx.Response:
    """A streamed answer with its body in hand. Raises ServiceUnreachable when that does not come."""
    try:
        answer.read()
    except httpx.HTTPError as error:
        raise unreachable(answer.url, error) from error
    return answer


def _error_told(answer: httpx.Response) -> ImagestoreError:
    try:
        told = answer.json()["error"]
        code, message = str(told["code"]), str(told["message"])
    except (ValueError, KeyError, TypeError):
        return ServiceUnreachable(
            f"{answer.url.host} answered {answer.status_code} and not in our words: check the URL."
        )
    known = ERRORS.get(code)
    if known is not None:
        return known(message)
    kind = InvalidParameter if answer.is_client_error else ServiceUnreachable
    return kind(f"{message} ({answer.status_code} {code})")

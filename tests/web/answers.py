"""What every answer of the JSON faces must look like."""

from __future__ import annotations

import re

import httpx

SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; sandbox",
}


def code_of(answer: httpx.Response) -> str:
    """The error code of an answer that has the one shape of errors."""
    assert answer.status_code >= 400, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert list(body) == ["error"]
    assert sorted(body["error"]) == ["code", "message"]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", body["error"]["code"])
    assert body["error"]["message"]
    return str(body["error"]["code"])


def check_error(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, code_of(answer)) == (status, code), answer.text
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def check_headers(answer: httpx.Response) -> None:
    """What the front door puts on every answer."""
    assert {name: answer.headers[name] for name in SAFE} == SAFE
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert re.fullmatch(r"[A-Za-z0-9._-]{8,64}", answer.headers["X-Request-Id"])

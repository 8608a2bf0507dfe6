"""The webhook: a POST of JSON to a URL that only the operator knows, within a few seconds or not at all."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import httpx

from imagestore.core.metrics import WEBHOOK, Metrics

log = logging.getLogger(__name__)

TRY_SECONDS = 5.0
TRIES = 3
PAUSE_SECONDS = 1.0


class Webhook:
    """The URL is a secret: it is in no log line and no error."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._url = url
        self._metrics = metrics

    def post(self, payload: dict[str, Any]) -> bool:
        """Whether it was taken, with a status of success; redirects are not followed. Takes 20 s at most.

        What the answer calls wrong is not tried again.
        """
        problem, again = asyncio.run(self._try(payload))
        for _ in range(TRIES - 1):
            if not again:
                break
            time.sleep(PAUSE_SECONDS)
            problem, again = asyncio.run(self._try(payload))
        self._metrics.count(WEBHOOK, "failed" if problem else "sent")
        if problem:
            log.error("the webhook could not be told of the alert %s: %s", payload["alert"], problem)
        return not problem

    async def _try(self, payload: dict[str, Any]) -> tuple[str, bool]:
        """What went wrong, if anything, and whether it may go right the next time. No body is read."""
        try:
            async with (
                asyncio.timeout(TRY_SECONDS),
                httpx.AsyncClient(follow_redirects=False) as client,
                client.stream("POST", self._url, json=payload) as answer,
            ):
                return ("", False) if answer.is_success else (repr(answer), answer.is_server_error)
        except (httpx.HTTPError, OSError) as error:  # whose words may hold the URL
            return type(error).__name__, True

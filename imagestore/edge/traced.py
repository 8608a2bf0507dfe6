"""An ASGI callable around the front that makes a span of each request, from its head to its last byte."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from imagestore.core.metrics import Metrics
from imagestore.core.traces import Incoming, Serving, Tracer
from imagestore.edge.asgi import Message, Receive, Scope, Send
from imagestore.edge.front import Front
from imagestore.edge.replay import Replayer

UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Probes: they would be most of all spans."""


@dataclass(eq=False)
class TracedFront:
    """Serves by way of `front`. The time that body and answer are on their way is in the span, too."""

    front: Front
    tracer: Tracer

    @property
    def replayer(self) -> Replayer | None:
        """What it answers has no trace: there would be nothing in it."""
        return self.front.replayer

    @property
    def metrics(self) -> Metrics:
        return self.front.metrics

    @property
    def beside(self) -> Front | TracedFront | None:
        beside = self.front.beside
        return None if beside is None else TracedFront(beside, self.tracer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self.front(scope, receive, send)
            return
        with self.tracer.serve(_incoming(scope)) as serving:
            answer = _Answer(serving, send)
            try:
                await self.front(scope, receive, answer.send)
            except asyncio.CancelledError:
                serving.fail("client_disconnected")
                raise
            if not answer.complete:
                serving.fail("aborted")


@dataclass(eq=False)
class _Answer:
    """Hands messages on, and notes the status and whether all of the answer went."""

    serving: Serving
    onward: Send
    complete: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.serving.answer(message["status"])
        await self.onward(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.complete = True


def _incoming(scope: Scope) -> Incoming:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    host, port = _authority(headers.get("host", ""))
    client = scope.get("client")
    return Incoming(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        scheme=scope["scheme"],
        version=scope["http_version"],
        client=client[0] if client else "",
        host=host,
        port=port,
        headers=headers,
    )


def _authority(host: str) -> tuple[str, int | None]:
    """Name and port of a Host header; an IPv6 address has brackets."""
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit() and len(port) <= 5:
        return name.strip("[]"), int(port)
    return host.strip("[]"), None

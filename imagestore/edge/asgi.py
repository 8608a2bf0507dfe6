"""The names of ASGI 3 that the edge speaks, and the one thing that it adds to a scope."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

ABORT = "imagestore.abort"
"""Key in a scope's extensions: a callable that resets the connection at once, whatever is still unsent."""

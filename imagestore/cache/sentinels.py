"""Redis Sentinel: which server is the primary, as the sentinels say, and the conversation with that one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from redis import ConnectionPool, Redis
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from imagestore.cache.loopnode import LoopNode
from imagestore.cache.node import Node, Unreached, open_client
from imagestore.cache.scripts import Command
from imagestore.cache.stats import Tally
from imagestore.core.clusters import Address, SentinelUrl

LOOK_SECONDS = 1.0
"""Between two looks at what the sentinels say."""

ANSWER_SECONDS = 0.5
"""For a sentinel to connect, and to answer. No request waits for it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What the sentinels say of `name`: where the primary is, None if none of them knows. `answered` of them
    did; `silent` tells of each other one why it did not."""

    name: str
    primary: Address | None
    answered: int
    silent: tuple[str, ...]

    @property
    def told(self) -> str:
        """A sentence for people."""
        if self.primary is not None:
            return (
                f"The sentinels name {self.primary.host}:{self.primary.port} as the primary of {self.name}."
            )
        if self.answered:
            return f"No sentinel that answers knows a primary of the name {self.name}."
        return "No sentinel answers."


class Sentinels:
    """Asks the sentinels where the primary is, in a thread of its own that the first question starts.

    Not redis-py's Sentinel: that asks inside the request whenever it connects, one sentinel after the other,
    takes the first one's word, though it may not have heard of a failover yet, and connects to a server that
    has become a replica. Here a request never waits for a sentinel but for the first look. Each second all of
    them are asked; the newest of what they say holds (its configuration epoch), and while none of them
    answers, what they said before. Thread-safe. Raises ValueError for options that cannot be used.
    """

    def __init__(self, url: SentinelUrl, seconds: float = ANSWER_SECONDS) -> None:
        ConnectionPool.from_url(url.of(url.sentinels[0]))  # raises here, rather than in a request
        self._url = url
        self._clients = [
            (each, open_client(url.of_sentinel(each), seconds, driver_info=None)) for each in url.sentinels
        ]
        self._primary: str | None = None
        self._looked = threading.Event()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._watching = False

    def primary(self, patience: float = 0.0) -> str | None:
        """The URL of the primary, None while no sentinel has told of one. The first look may be waited for,
        `patience` seconds."""
        if not self._watching:
            self._begin()
        self._looked.wait(patience)
        return self._primary

    def look(self) -> Look:
        """Ask now."""
        epoch, primary, answered = -1, None, 0
        silent: dict[Address, str] = {}
        for sentinel, client in self._clients:
            told = _ask(client, self._url.name)
            if isinstance(told, str):
                silent[sentinel] = told
                continue
            answered += 1
            if told is not None and told[0] > epoch:
                epoch, primary = told
        reasons = tuple(f"{sentinel.host}:{sentinel.port}: {why}" for sentinel, why in silent.items())
        return Look(self._url.name, primary, answered, reasons)

    def close(self) -> None:
        """Ask no more. What was known last stays so."""
        with self._lock:
            self._closing.set()
            if not self._watching:
                self._hang_up()

    def _begin(self) -> None:
        with self._lock:
            if not self._watching and not self._closing.is_set():
                self._watching = True
                threading.Thread(target=self._watch, name="imagestore-sentinels", daemon=True).start()

    def _watch(self) -> None:
        told = ""
        while not self._closing.is_set():
            look = self.look()
            if look.primary is not None:
                self._primary = self._url.of(look.primary)
            if look.told != told:
                told = look.told
                whole = " ".join((told, *look.silent))
                log.log(logging.INFO if look.primary else logging.WARNING, "%s", ascii(whole)[1:-1])
            self._looked.set()
            self._closing.wait(LOOK_SECONDS)
        self._hang_up()

    def _hang_up(self) -> None:
        for _, client in self._clients:
            client.close()


N = TypeVar("N", bound=Node | LoopNode)


class _Followed(Generic[N]):
    """The primary that sentinels name; when they name another, that one in its place, with nothing known of
    it.

    What is made talks to no replica, so a primary that was replaced, and hung up on its clients as sentinels
    have it do, is not read from again, though they may not have told of it yet.
    """

    def __init__(
        self, sentinels: Sentinels, make_node: Callable[[str], N], *, patience: float = 0.0, tally: Tally
    ) -> None:
        """`patience` as Sentinels has it."""
        self._sentinels = sentinels
        self._make_node = make_node
        self._patience = patience
        self._tally = tally
        self._lock = threading.Lock()
        self._url: str | None = None
        self._node: N | None = None
        self._closed = False

    def node(self) -> N | None:
        """None while it is not known."""
        url = self._sentinels.primary(self._patience)
        if url != self._url:
            with self._lock:
                if url != self._url:
                    self._replace(url)
        return self._node

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._node is not None:
                self._node.close()

    def _shun(self, commands: Sequence[Command]) -> list[object]:
        self._tally.add("shunned")
        return [Unreached()] * len(commands)

    def _heed(self, node: N, answers: list[object]) -> list[object]:
        """A server that takes no writes has become a replica: its connections are given up."""
        if any(isinstance(answer, ReadOnlyError) for answer in answers):
            with self._lock:
                if node is self._node:
                    self._replace(self._url)
        return answers

    def _replace(self, url: str | None) -> None:
        if url is not None and not self._closed:
            gone, self._node, self._url = self._node, self._make_node(url), url
            if gone is not None:
                gone.close()


class Primary(_Followed[Node]):
    """Asked as a Node, and for the first time after a short wait for the sentinels."""

    def ask(self, commands: Sequence[Command], *, insist: bool = False) -> list[object]:
        node = self.node()
        return self._shun(commands) if node is None else self._heed(node, node.ask(commands, insist=insist))


class LoopPrimary(_Followed[LoopNode]):
    """Asked as a LoopNode."""

    async def ask(self, commands: Sequence[Command]) -> list[object]:
        node = self.node()
        return self._shun(commands) if node is None else self._heed(node, await node.ask(commands))


def _ask(sentinel: Redis, name: str) -> tuple[int, Address] | str | None:
    """The epoch and the place that a sentinel has for the name; None: it has none; a text: why not."""
    try:
        state: Any = sentinel.sentinel_master(name)
        return int(state["config-epoch"]), Address(str(state["ip"]), int(state["port"]))
    except ResponseError as refusal:
        return None if "No such master" in str(refusal) else str(refusal)
    except (RedisError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"

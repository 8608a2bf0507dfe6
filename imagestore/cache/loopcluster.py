"""The conversation with a Redis Cluster from an event loop: each server is asked for the keys that it has."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Sequence

from redis.crc import key_slot
from redis.exceptions import ClusterDownError

from imagestore.cache.cluster import (
    MOST_NODES,
    REFRESH_SECONDS,
    REFRESH_TRIES,
    Owners,
    by_server,
    owners_from,
    redirections,
)
from imagestore.cache.loopnode import LoopNode
from imagestore.cache.node import Unreached
from imagestore.cache.scripts import Command, key_of
from imagestore.cache.stats import Tally
from imagestore.core.clusters import Address


class LoopCluster:
    """As a Cluster, for one event loop: the same rules for slots that move and servers that die."""

    def __init__(
        self, seeds: Sequence[Address], make_node: Callable[[Address], LoopNode], tally: Tally
    ) -> None:
        self._seeds = tuple(seeds)
        self._make_node = make_node
        self._tally = tally
        self._nodes: dict[Address, LoopNode] = {}
        self._owners: Owners | None = None
        self._doubtful = True
        self._refreshed = -REFRESH_SECONDS
        self._refreshing: asyncio.Task[None] | None = None
        self._closed = False

    async def ask(self, commands: Sequence[Command]) -> list[object]:
        """The answers to commands with a key each, in their order; one round trip for each server."""
        owners = await self._current_owners()
        slots = [key_slot(key_of(command)) for command in commands]
        answers: list[object] = [Unreached()] * len(commands)
        asked = [owners[slot] if owners is not None else None for slot in slots]
        if None in asked:
            self._tally.add("shunned")
        await self._spread(commands, enumerate(asked), answers)
        moved, asking = redirections(answers, asked)
        for place, server in moved:
            if self._owners is not None:
                self._owners[slots[place]] = server
        if moved or any(isinstance(answer, Unreached | ClusterDownError) for answer in answers):
            self._doubtful = True
        if moved or asking:
            await self._spread(commands, moved, answers)
            await self._spread(commands, asking, answers, asking=True)
        return answers

    async def any_node(self) -> LoopNode | None:
        """A server that has slots, for what has no key."""
        owners = await self._current_owners() or ()
        servers = sorted({each for each in owners if each is not None})
        return self._node(servers[0]) if servers else None

    def nodes(self) -> list[LoopNode]:
        return list(self._nodes.values())

    def close(self) -> None:
        self._closed = True
        if self._refreshing is not None:
            self._refreshing.cancel()
        for node in self._nodes.values():
            node.close()

    async def _spread(
        self,
        commands: Sequence[Command],
        servers: Iterable[tuple[int, Address | None]],
        answers: list[object],
        *,
        asking: bool = False,
    ) -> None:
        """Ask all servers at once, each for those commands, by their places, that are for it."""
        going = []
        for server, its in by_server(servers).items():
            node = self._node(server)
            if node is not None:
                going.append((its, node.ask([commands[place] for place in its], asking=asking)))
        for its, future in going:
            for place, answer in zip(its, await future, strict=True):
                answers[place] = answer

    def _node(self, server: Address) -> LoopNode | None:
        node = self._nodes.get(server)
        if node is None and len(self._nodes) < MOST_NODES and not self._closed:
            node = self._nodes[server] = self._make_node(server)
        return node

    async def _current_owners(self) -> Owners | None:
        """Who has which slot. It is asked for anew in the background, but for the first time."""
        due = time.monotonic() - self._refreshed >= REFRESH_SECONDS
        if self._doubtful and due and self._refreshing is None and not self._closed:
            self._refreshed = time.monotonic()
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
        if self._owners is None and self._refreshing is not None:
            await asyncio.wait([self._refreshing])
        return self._owners

    async def _refresh(self) -> None:
        try:
            servers = list({*self._nodes, *self._seeds})
            random.shuffle(servers)
            servers.sort(key=self._is_shut)
            for server in servers[:REFRESH_TRIES]:
                node = self._node(server)
                [told] = await node.ask([("CLUSTER", "SLOTS")]) if node is not None else [Unreached()]
                owners = owners_from(told, server)
                if owners is not None:
                    self._owners, self._doubtful = owners, False
                    self._forget_others(owners)
                    return
        finally:
            self._refreshing = None

    def _is_shut(self, server: Address) -> bool:
        return server in self._nodes and self._nodes[server].state != "closed"

    def _forget_others(self, owners: Owners) -> None:
        """Close what is neither a seed nor has slots any more."""
        for server in set(self._nodes) - {*owners, *self._seeds}:
            self._nodes.pop(server).close()

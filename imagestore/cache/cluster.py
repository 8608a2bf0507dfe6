"""A Redis Cluster: which of its servers has a key, and what to do when that changes or one of them dies."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError

from imagestore.cache.node import Node, Unreached
from imagestore.cache.scripts import Command, key_of
from imagestore.cache.stats import Tally
from imagestore.core.clusters import Address

REFRESH_SECONDS = 1.0
"""Between two looks at who has which slots, however much happens in the cluster."""

REFRESH_TRIES = 3
"""Servers that are asked for that, one after the other, until one of them answers."""

MOST_NODES = 1000
"""The most servers that a cluster is made for; nobody gets us to connect to more."""

Owners = list[Address | None]
MakeNode = Callable[[Address], Node]


class Cluster:
    """Asks the servers of a cluster, each for the keys that it has; the answers are as those of a Node.

    Not redis-py's RedisCluster: that asks all servers for the slots, one after the other and with every
    thread waiting, whenever one of them is late; sleeps while the cluster is down; follows 16 redirections;
    and has no breaker, which each server needs for itself, so that one that hangs costs its own keys only.

    A call asks each server that it concerns once, and follows one redirection (MOVED, ASK). After a sign
    that slots have other owners, or that a server is gone, the next call asks for the slots anew, once in
    REFRESH_SECONDS; meanwhile what a missing server has is missed.
    """

    def __init__(
        self, seeds: Sequence[Address], make_node: MakeNode, *, patience: float, tally: Tally
    ) -> None:
        """`patience` is how many seconds a thread waits for another that asks for the first slots."""
        self._seeds = tuple(seeds)
        self._make_node = make_node
        self._tally = tally
        self._patience = patience
        self._lock = threading.Lock()
        self._nodes: dict[Address, Node] = {}
        self._closed = False
        self._refreshing = threading.Lock()
        self._owners: Owners | None = None
        self._doubtful = False
        self._refreshed = -REFRESH_SECONDS

    def ask(self, commands: Sequence[Command], *, insist: bool = False) -> list[object]:
        """The answers to commands with a key each, in their order; one round trip for each server."""
        owners = self._current_owners(insist)
        slots = [key_slot(key_of(command)) for command in commands]
        answers: list[object] = [Unreached()] * len(commands)
        asked = [owners[slot] if owners is not None else None for slot in slots]
        if None in asked:
            self._tally.add("shunned")
        self._spread(commands, enumerate(asked), answers, insist=insist)
        moved, asking = redirections(answers, asked)
        for place, server in moved:
            if owners is not None:
                owners[slots[place]] = server
        if moved or any(isinstance(answer, Unreached | ClusterDownError) for answer in answers):
            self._doubtful = True
        self._spread(commands, moved, answers, insist=insist)
        self._spread(commands, asking, answers, insist=insist, asking=True)
        return answers

    def primaries(self, *, insist: bool = False) -> list[Node]:
        """The servers that have slots; none while nobody could be asked for them."""
        owners = self._current_owners(insist)
        found = (self._node(server) for server in {each for each in owners or () if each is not None})
        return [node for node in found if node is not None]

    def nodes(self) -> list[Node]:
        with self._lock:
            return list(self._nodes.values())

    def close(self) -> None:
        with self._lock:
            self._closed = True
            nodes = list(self._nodes.values())
        for node in nodes:
            node.close()

    def _spread(
        self,
        commands: Sequence[Command],
        servers: Iterable[tuple[int, Address | None]],
        answers: list[object],
        **how: bool,
    ) -> None:
        """Ask each server for those commands, by their places, that are for it, and put its answers there."""
        for server, its in by_server(servers).items():
            node = self._node(server)
            if node is not None:
                got = node.ask([commands[place] for place in its], **how)
                for place, answer in zip(its, got, strict=True):
                    answers[place] = answer

    def _node(self, server: Address) -> Node | None:
        with self._lock:
            node = self._nodes.get(server)
            if node is None and len(self._nodes) < MOST_NODES and not self._closed:
                node = self._nodes[server] = self._make_node(server)
            return node

    def _current_owners(self, insist: bool) -> Owners | None:
        """Who has which slot, asked for anew where that is called for. One thread asks at a time: the others
        go on with what was known, or wait for it a short while when nothing is."""
        known = self._owners is not None
        if known and not (self._doubtful and (insist or self._is_due())):
            return self._owners
        if self._refreshing.acquire(blocking=not known, timeout=-1 if known else self._patience):
            try:
                if self._owners is None or self._doubtful:
                    self._refresh(insist)
            finally:
                self._refreshing.release()
        return self._owners

    def _is_due(self) -> bool:
        return time.monotonic() - self._refreshed >= REFRESH_SECONDS

    def _refresh(self, insist: bool) -> None:
        if not self._is_due() and not insist:
            return
        self._refreshed = time.monotonic()
        self._doubtful = False
        for server in self._informants():
            node = self._node(server)
            [told] = node.ask([("CLUSTER SLOTS",)], insist=insist) if node is not None else [Unreached()]
            owners = owners_from(told, server)
            if owners is not None:
                self._owners = owners
                self._forget_others(owners)
                return
        self._doubtful = True

    def _informants(self) -> list[Address]:
        """Servers to ask for the slots: those that answered lately first, else in any order."""
        with self._lock:
            servers = list({*self._nodes, *self._seeds})
            shut = {server for server, node in self._nodes.items() if node.state != "closed"}
        random.shuffle(servers)
        return sorted(servers, key=lambda server: server in shut)[:REFRESH_TRIES]

    def _forget_others(self, owners: Owners) -> None:
        """Close what is neither a seed nor has slots any more."""
        kept = {*owners, *self._seeds}
        with self._lock:
            gone = [server for server in self._nodes if server not in kept]
            closing = [self._nodes.pop(server) for server in gone]
        for node in closing:
            node.close()


def by_server(servers: Iterable[tuple[int, Address | None]]) -> dict[Address, list[int]]:
    """The places of what each server is to be asked, without those that nobody has."""
    places: dict[Address, list[int]] = defaultdict(list)
    for place, server in servers:
        if server is not None:
            places[server].append(place)
    return places


def redirections(
    answers: Sequence[object], asked: Sequence[Address | None]
) -> tuple[list[tuple[int, Address]], list[tuple[int, Address]]]:
    """The places of answers that name another server, with that: for good, and for this once (ASK).

    A server without a host is on that of the one that was asked.
    """
    moved, asking = list[tuple[int, Address]](), list[tuple[int, Address]]()
    for (place, answer), server in zip(enumerate(answers), asked, strict=True):
        if isinstance(answer, AskError):
            named = Address(answer.host or (server.host if server else ""), answer.port)
            (moved if isinstance(answer, MovedError) else asking).append((place, named))
    return moved, asking


def owners_from(told: Any, informant: Address) -> Owners | None:
    """The primaries by slot, from an answer to CLUSTER SLOTS; None for any other answer.

    A server without a host has the host of the one that tells of it.
    """
    if not isinstance(told, list):
        return None
    owners: Owners = [None] * REDIS_CLUSTER_HASH_SLOTS
    try:
        for first, last, primary, *_ in told:
            if not 0 <= first <= last < REDIS_CLUSTER_HASH_SLOTS:
                return None
            host = (primary[0] or b"").decode() or informant.host
            owners[first : last + 1] = [Address(host, int(primary[1]))] * (last + 1 - first)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    return owners

"""The conversation with Redis, one server, a cluster or a watched one: bounded, counted, nothing raised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis.exceptions import OutOfMemoryError, ResponseError

from imagestore.cache.breaker import State
from imagestore.cache.cluster import Cluster
from imagestore.cache.node import Bounds, Node, Unreached
from imagestore.cache.scripts import Command, Script
from imagestore.cache.sentinels import Primary, Sentinels
from imagestore.cache.stats import Tally
from imagestore.core.clusters import ClusterUrl, SentinelUrl, is_cluster, is_sentinel

SCAN_SIZE = 1000
SCAN_STEPS = 1_000_000
"""Keys that a server looks at in one step, and the most steps: a billion keys."""


class Wire:
    """Asks Redis. An answer is what Redis said, a ResponseError if it refused, or an Unreached: all returned,
    none raised.

    Every wait is bounded (see Node and Cluster). Made inside each worker process, used by all its threads.
    Raises ValueError for a `url` that is no redis://, rediss:// or unix:// URL, nor the first two with
    +cluster or +sentinel; the URL "none" is a server that is never reached.
    """

    def __init__(self, url: str, bounds: Bounds, tally: Tally) -> None:
        self._tally = tally
        self._servers: Node | Cluster | Primary | None = None
        self.sentinels: Sentinels | None = None
        if is_cluster(url):
            parsed = ClusterUrl.parse(url)
            self._servers = Cluster(
                parsed.seeds,
                lambda server: Node(parsed.of(server), bounds, tally),
                patience=bounds.timeout,
                tally=tally,
            )
        elif is_sentinel(url):
            self.sentinels = Sentinels(SentinelUrl.parse(url))
            self._servers = Primary(
                self.sentinels,
                lambda at: Node(at, bounds, tally, primary=True),
                patience=bounds.timeout,
                tally=tally,
            )
        elif url != "none":
            self._servers = Node(url, bounds, tally)

    @property
    def enabled(self) -> bool:
        return self._servers is not None

    @property
    def state(self) -> State:
        """Of the breaker; in a cluster, of the one that is least closed."""
        match self._servers:
            case Node() as node:
                return node.state
            case Primary() as primary if watched := primary.node():
                return watched.state
            case Cluster() as cluster:
                states = {node.state for node in cluster.nodes()}
                return "open" if "open" in states else "half-open" if "half-open" in states else "closed"
        return "closed"

    def command(self, *command: bytes | str | int) -> object:
        """The answer to one command with a key."""
        return self.converse([command])[0]

    def run(self, script: Script, key: bytes, *arguments: bytes | str | int, insist: bool = False) -> object:
        """The answer of a script: one round trip, two when the server does not know the script yet.

        `insist` as with `converse`.
        """
        return self.converse([script.of(key, *arguments)], insist=insist)[0]

    def converse(self, commands: Sequence[Command], *, insist: bool = False) -> list[object]:
        """The answers to several commands with a key each, in their order, for one round trip to each server
        that they concern; not a transaction. `insist` makes the call even while the breaker is open."""
        servers = self._servers
        if servers is None or not commands:
            return [Unreached()] * len(commands)
        answers = servers.ask(commands, insist=insist)
        refusals = sum(isinstance(answer, ResponseError) for answer in answers)
        if refusals:
            self._tally.add("errors", refusals)
        return answers

    def ping(self) -> bool:
        """Whether Redis answers now: every server of a cluster that has slots. False also while the breaker
        is open."""
        servers = self._primaries(insist=False)
        return bool(servers) and all(node.ask([("PING",)]) == [True] for node in servers)

    def keys(self, pattern: str) -> Iterator[list[bytes] | None]:
        """All keys that match, some at a time; ends with None if not all could be asked for. It insists."""
        servers = self._primaries(insist=True)
        if not servers:
            yield None
        for node in servers:
            cursor = 0
            for _ in range(SCAN_STEPS):
                [answer] = node.ask([("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_SIZE)], insist=True)
                if not isinstance(answer, tuple | list):
                    yield None
                    return
                cursor = int(answer[0])
                if answer[1]:
                    yield answer[1]
                if cursor == 0:
                    break
            else:
                yield None
                return

    def close(self) -> None:
        """Close every connection. From then on no server is reached any more."""
        servers, self._servers = self._servers, None
        if servers is not None:
            servers.close()
        if self.sentinels is not None:
            self.sentinels.close()

    def _primaries(self, *, insist: bool) -> list[Node]:
        servers = self._servers
        if isinstance(servers, Cluster):
            return servers.primaries(insist=insist)
        node = servers.node() if isinstance(servers, Primary) else servers
        return [] if node is None else [node]


def is_wrong_type(answer: object) -> bool:
    """Whether Redis refused because the key holds another type of value, which nobody of ours stores."""
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def is_out_of_memory(answer: object) -> bool:
    """Whether Redis refused a write for want of memory, which it has no leave to make by eviction."""
    return isinstance(answer, OutOfMemoryError)

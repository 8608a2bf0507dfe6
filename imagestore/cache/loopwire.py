"""The conversation with Redis from an event loop, in each of the ways of a Wire, without a thread."""

from __future__ import annotations

from collections.abc import Sequence

from redis.exceptions import ResponseError

from imagestore.cache.loopcluster import LoopCluster
from imagestore.cache.loopnode import LoopNode
from imagestore.cache.node import Unreached
from imagestore.cache.scripts import Command
from imagestore.cache.sentinels import LoopPrimary, Sentinels
from imagestore.cache.stats import Tally
from imagestore.core.clusters import ClusterUrl, is_cluster


class LoopWire:
    """Asks Redis from one event loop, which connects when it first asks; see LoopNode. Nothing is raised.

    `url` is as Wire has it (ValueError otherwise), `timeout` in seconds. `sentinels` are those of the Wire,
    which closes them; until they have told where the primary is, nothing is reached.
    """

    def __init__(self, url: str, timeout: float, tally: Tally, sentinels: Sentinels | None = None) -> None:
        self._tally = tally
        self._servers: LoopNode | LoopCluster | LoopPrimary | None = None
        if sentinels is not None:
            self._servers = LoopPrimary(
                sentinels, lambda at: LoopNode(at, timeout, tally, primary=True), tally=tally
            )
        elif is_cluster(url):
            parsed = ClusterUrl.parse(url)
            self._servers = LoopCluster(
                parsed.seeds, lambda server: LoopNode(parsed.of(server), timeout, tally), tally
            )
        elif url != "none":
            self._servers = LoopNode(url, timeout, tally)

    @property
    def enabled(self) -> bool:
        return self._servers is not None

    async def converse(self, commands: Sequence[Command]) -> list[object]:
        """The answers to several commands with a key each, in their order, for one round trip to each server
        that they concern; not a transaction. What others ask in the same round of the loop goes along."""
        servers = self._servers
        if servers is None or not commands:
            return [Unreached()] * len(commands)
        answers = await servers.ask(commands)
        return self._count_refusals(answers)

    async def tell(self, command: Command) -> object:
        """The answer to a command without a key."""
        servers = self._servers
        node = await servers.any_node() if isinstance(servers, LoopCluster) else servers
        if node is None:
            return Unreached()
        return self._count_refusals(await node.ask([command]))[0]

    def close(self) -> None:
        """Close every connection. From then on no server is reached any more."""
        servers, self._servers = self._servers, None
        if servers is not None:
            servers.close()

    def _count_refusals(self, answers: list[object]) -> list[object]:
        refusals = sum(isinstance(answer, ResponseError) for answer in answers)
        if refusals:
            self._tally.add("errors", refusals)
        return answers

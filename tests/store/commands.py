"""What goes over the wire to mongod, and mongod's own fail points."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from imagestore.embedded import Server

WRITES = ("insert", "update", "delete", "findAndModify")


class Commands(CommandListener):
    """Notes every command that was sent, without the documents it inserts. `clear()` begins anew."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append({name: value for name, value in event.command.items() if name != "documents"})

    def succeeded(self, event: CommandSucceededEvent) -> None:
        pass

    def failed(self, event: CommandFailedEvent) -> None:
        pass

    def clear(self) -> None:
        self.sent.clear()

    def on(self, collection: str, name: str = "find") -> list[dict[str, Any]]:
        return [command for command in self.sent if command.get(name) == collection]

    def chunks_read(self) -> list[int]:
        """The numbers of the chunks that were asked for, in order."""
        bounds = [command["filter"]["n"] for command in self.on("blobs.chunks")]
        return [number for each in bounds for number in range(each["$gte"], each["$lt"])]


@contextmanager
def failing(
    server: Server, commands: list[str], *, mode: dict[str, int] | str = "alwaysOn", **data: Any
) -> Iterator[None]:
    """Let commands of the service (and of nobody else) fail: `data` as mongod's `failCommand` takes it."""
    with MongoClient(server.url) as client:
        client.admin.command(
            "configureFailPoint",
            "failCommand",
            mode=mode,
            data={"failCommands": commands, "appName": "imagestore", **data},
        )
        try:
            yield
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")

"""What MongoDB tells of itself: its version and replica set, and whether it can keep what must last."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pymongo
from bson import ObjectId
from pymongo.errors import OperationFailure, PyMongoError

from imagestore.core.errors import StoreUnavailable
from imagestore.store.mongo import INDEXES, Document, Mongo

_LOOK_SECONDS = 4.0
_TRY_SECONDS = 3.0
_UNAUTHORIZED = 13
_UNKNOWN_COMMAND = 59
_NOT_REPLICATED = 76


@dataclass(frozen=True, slots=True)
class Member:
    """One member of the set. `state` is MongoDB's word for it; `behind` is seconds, None where unknown."""

    name: str
    state: str
    healthy: bool
    behind: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """`members` and `election_seconds` are None where the user may not ask for them. `write_concern` and
    `read_concern` are what the service's connection asks for. `refused` is why a transaction that changes
    nothing was not confirmed by a majority, empty if it was. `skew` is how many seconds MongoDB's clock is
    ahead of this machine's, give or take half of `round_trip`. `used` is the share of the disk, 0 to 1.
    """

    version: tuple[int, ...]
    replica_set: str
    sharded: bool
    primary: str
    members: tuple[Member, ...] | None
    election_seconds: float | None
    write_concern: str
    read_concern: str
    refused: str
    missing_indexes: tuple[str, ...]
    empty: bool
    skew: float
    round_trip: float
    used: float | None


def look_at_store(mongo: Mongo) -> StoreState:
    """Ask MongoDB. Raises StoreUnavailable that names what each member said, when no primary answers."""
    with _told(mongo):
        began = datetime.now(UTC)
        with pymongo.timeout(_LOOK_SECONDS):
            hello = _ask(mongo, "hello")
        ended = datetime.now(UTC)
        with pymongo.timeout(_LOOK_SECONDS):
            status = _allowed(mongo, "replSetGetStatus")
            config = _allowed(mongo, "replSetGetConfig")
            missing = mongo.missing_indexes(_LOOK_SECONDS)
            return StoreState(
                version=tuple(mongo.client.server_info()["versionArray"][:3]),
                replica_set=hello.get("setName", ""),
                sharded=hello.get("msg") == "isdbgrid",
                primary=hello.get("primary", ""),
                members=_members(status["members"]) if status else None,
                election_seconds=_election_seconds(config),
                write_concern=_concern(mongo.database.write_concern.document),
                read_concern=mongo.database.read_concern.level or "local",
                refused=_try_transaction(mongo),
                missing_indexes=tuple(missing),
                empty=len(missing) == sum(map(len, INDEXES.values())),
                skew=(hello["localTime"] - began - (ended - began) / 2).total_seconds(),
                round_trip=(ended - began).total_seconds(),
                used=_used(mongo),
            )


@contextmanager
def _told(mongo: Mongo) -> Iterator[None]:
    try:
        yield
    except OperationFailure as error:
        raise StoreUnavailable(f"MongoDB refuses: {(error.details or {}).get('errmsg', error)}.") from error
    except PyMongoError as error:
        raise StoreUnavailable(f"No primary answers: {_heard(mongo) or type(error).__name__}.") from error


def _heard(mongo: Mongo) -> str:
    """What the driver last heard of each member."""
    heard = []
    for (host, port), server in mongo.client.topology_description.server_descriptions().items():
        why = str(server.error).partition(" (configured")[0].removeprefix(f"{host}:{port}: ")
        state = server.server_type_name if server.error is None else f"not reached ({why})"
        heard.append(f"{host}:{port} is {state}")
    return "; ".join(heard)


def _ask(mongo: Mongo, command: str) -> Document:
    return mongo.client.admin.command(command, codec_options=mongo.client.codec_options)


def _allowed(mongo: Mongo, command: str) -> Document | None:
    """The answer, None where the user may not ask or there is no set to ask about."""
    try:
        return _ask(mongo, command)
    except OperationFailure as error:
        if error.code in (_UNAUTHORIZED, _UNKNOWN_COMMAND, _NOT_REPLICATED):
            return None
        raise


def _members(told: list[dict[str, Any]]) -> tuple[Member, ...]:
    newest = max((each["optimeDate"] for each in told if "optimeDate" in each), default=None)
    return tuple(
        Member(
            name=each["name"],
            state=each["stateStr"],
            healthy=each.get("health", 0) == 1,
            behind=(newest - each["optimeDate"]).total_seconds() if newest and "optimeDate" in each else None,
        )
        for each in told
    )


def _election_seconds(config: Document | None) -> float | None:
    if config is None:
        return None
    milliseconds: float = config["config"].get("settings", {}).get("electionTimeoutMillis", 10_000)
    return milliseconds / 1000


def _concern(document: Document) -> str:
    chosen = str(document.get("w", 1))
    return f"{chosen}, journal off" if document.get("j") is False else chosen


def _try_transaction(mongo: Mongo) -> str:
    """Delete a claim that nobody has, in a transaction: it takes the right to write, and a majority."""
    try:
        with pymongo.timeout(_TRY_SECONDS), mongo.client.start_session() as session:
            session.with_transaction(
                lambda each: mongo.collection("claims").delete_one({"_id": str(ObjectId())}, session=each)
            )
    except PyMongoError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _used(mongo: Mongo) -> float | None:
    try:
        told = mongo.database.command("dbStats")
    except OperationFailure:
        return None
    return told["fsUsedSize"] / told["fsTotalSize"] if told.get("fsTotalSize") else None

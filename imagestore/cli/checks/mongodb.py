"""Checks of MongoDB: is it there, a replica set with a majority, and fit for what must not be lost."""

from __future__ import annotations

from collections.abc import Iterator

from imagestore.cli.checks.report import Finding, Place, Subject, Unseen, ok, problem, warning
from imagestore.core.errors import StoreUnavailable
from imagestore.settings.variables import InvalidSetting
from imagestore.store.checkup import StoreState, look_at_store
from imagestore.store.mongo import MAX_STALENESS, Mongo

OLDEST = (4, 4)
ELECTION_SECONDS = 2.0
LAG_SECONDS = 10.0
SKEW_SECONDS = 2.0
FULL, NEARLY_FULL = 0.95, 0.85

_GOOD_STATES = ("PRIMARY", "SECONDARY", "ARBITER")


def look(place: Place) -> StoreState:
    settings = place.settings
    noted = place.notes.mongo_url()
    if not settings.mongo_url and not noted:
        raise Unseen(ok("Embedded, and not started yet: `imagestore serve` starts it."))
    try:
        mongo = Mongo(
            settings.mongo_url or noted, settings.mongo_database, write_timeout=3.0, read_timeout=3.0
        )
    except InvalidSetting as error:
        raise Unseen(problem(str(error), "Mend the URL.")) from error
    try:
        return look_at_store(mongo)
    except StoreUnavailable as error:
        if not settings.mongo_url:
            raise Unseen(ok("Embedded, and not running: `imagestore serve` starts it.")) from error
        advice = "See that it runs, that IMAGESTORE_MONGO_URL is right, and that this machine may connect."
        raise Unseen(problem(error.message, advice)) from error
    finally:
        mongo.close()


def version(state: StoreState) -> Iterator[Finding]:
    told = f"MongoDB {'.'.join(map(str, state.version))}, {state.round_trip * 1000:.1f} ms away."
    wanted = ".".join(map(str, OLDEST))
    yield problem(told, f"Use {wanted} or later.") if state.version < OLDEST else ok(told)


def replica_set(state: StoreState) -> Iterator[Finding]:
    if state.sharded:
        yield ok("It is a sharded cluster.")
    elif not state.replica_set:
        advice = "Make it a replica set, of one member at least: uploads need transactions, which it lacks."
        yield problem("It is a standalone server.", advice)
    else:
        yield ok(f"Replica set {state.replica_set}, its primary is {state.primary}.")


def members(state: StoreState) -> Iterator[Finding]:
    if state.members is None:
        if state.replica_set:
            yield ok("Its user may not ask for the members' state (the role clusterMonitor lets it).")
        return
    bearing = [each for each in state.members if each.state in ("PRIMARY", "SECONDARY") and each.healthy]
    for each in state.members:
        if each.state not in _GOOD_STATES or not each.healthy:
            yield warning(f"Member {each.name} is {each.state}.", "Bring it back, or remove it from the set.")
    if len(state.members) == 1:
        yield ok("One member: what its disk loses is lost. For more than a trial use three, and backups.")
    elif len(bearing) < 3:
        told = f"{len(bearing)} of {len(state.members)} members have the data and are well."
        yield warning(told, "With fewer than three, the loss of one stops uploads or leaves a single copy.")
    else:
        yield ok(f"{len(bearing)} of {len(state.members)} members have the data and are well.")


def majority(state: StoreState) -> Iterator[Finding]:
    if state.refused and state.replica_set:
        advice = "Bring members back until a majority runs; the user in the URL needs readWrite."
        yield problem(f"A transaction was not confirmed by a majority: {state.refused}", advice)
    elif not state.refused:
        yield ok("A transaction was confirmed by a majority.")


def concerns(state: StoreState) -> Iterator[Finding]:
    if state.write_concern != "majority":
        advice = "Take `w` and `journal` out of IMAGESTORE_MONGO_URL: acknowledged uploads could be lost."
        yield problem(f"Writes are acknowledged by w={state.write_concern}.", advice)
    if state.read_concern not in ("majority", "linearizable", "snapshot"):
        advice = "Take `readConcernLevel` out of IMAGESTORE_MONGO_URL: what is read could be rolled back."
        yield warning(f"Reads are of the level {state.read_concern}.", advice)


def lag(state: StoreState) -> Iterator[Finding]:
    behind = [each for each in state.members or () if each.behind and each.behind > LAG_SECONDS]
    for each in behind:
        told = f"Member {each.name} is {each.behind:.0f} seconds behind."
        yield warning(told, f"See what slows it down. Beyond {MAX_STALENESS} seconds it is no stand-in.")


def elections(state: StoreState) -> Iterator[Finding]:
    seconds = state.election_seconds
    if seconds is not None and seconds > ELECTION_SECONDS and len(state.members or ()) > 1:
        advice = "Set electionTimeoutMillis to 2000 in the set's settings."
        yield warning(f"A lost primary is missed after {seconds:.0f} seconds only.", advice)


def indexes(state: StoreState) -> Iterator[Finding]:
    if state.empty:
        yield ok("The database is empty: the first start builds its indexes.")
    elif state.missing_indexes:
        advice = "Start the service once, which builds them; see `imagestore fsck` if it cannot."
        yield problem(f"Indexes are missing: {'; '.join(state.missing_indexes)}.", advice)
    else:
        yield ok("All indexes are there.")


def clock(state: StoreState) -> Iterator[Finding]:
    if abs(state.skew) > SKEW_SECONDS + state.round_trip:
        where = "ahead of" if state.skew > 0 else "behind"
        told = f"Its clock is {abs(state.skew):.0f} seconds {where} this machine's."
        yield warning(told, "Let NTP set both: signed URLs and what is believed of caches go by clocks.")


def disk(state: StoreState) -> Iterator[Finding]:
    if state.used is None or state.used < NEARLY_FULL:
        return
    make = problem if state.used >= FULL else warning
    yield make(f"Its disk is {state.used:.0%} full.", "Make room: `imagestore gc`, or a larger disk.")


MONGODB = Subject(
    "MongoDB",
    look,
    (version, replica_set, members, majority, concerns, lag, elections, indexes, clock, disk),
)

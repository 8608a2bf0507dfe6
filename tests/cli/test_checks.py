"""What each check of `imagestore doctor` says of what it is shown: every one has something to say."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from imagestore.cache.checkup import RECOMMENDED, CacheState
from imagestore.cache.sentinels import Look
from imagestore.cli.checks import (
    SUBJECTS,
    configuration,
    data_folder,
    installation,
    mongodb,
    redis,
    report,
    running_service,
)
from imagestore.cli.checks.configuration import Configuration
from imagestore.cli.checks.data_folder import Folder
from imagestore.cli.checks.installation import Installation, Server
from imagestore.cli.checks.report import Finding, Level, Place, Subject, Unseen, examine, ok, warning
from imagestore.cli.checks.running_service import ServiceState
from imagestore.cli.notes import Notes
from imagestore.core.clusters import Address
from imagestore.imaging.formats import FORMATS
from imagestore.settings import Settings
from imagestore.store.checkup import Member, StoreState
from tests.rules import tables

pytestmark = pytest.mark.quick

GiB = 1024**3
KEY = "Zk3vQ9xT1nsuH7IZLHtEFddeCxOetD0D9bwmUU7xnM4"
SET = tuple(
    Member(f"db{number}:27017", state, True, 0.0)
    for number, state in enumerate(["PRIMARY", *["SECONDARY"] * 2])
)
STORE = StoreState(
    version=(6, 0, 5),
    replica_set="rs0",
    sharded=False,
    primary="db0:27017",
    members=SET,
    election_seconds=2.0,
    write_concern="majority",
    read_concern="majority",
    refused="",
    missing_indexes=(),
    empty=False,
    skew=0.1,
    round_trip=0.001,
    used=0.5,
)
LIKE_US = {each.name: each.wanted.strip('"') for each in RECOMMENDED} | {
    "maxmemory": str(GiB),
    "client-query-buffer-limit": str(4 * 1024**2),
    "proto-max-bulk-len": str(2 * 1024**2),
}
CACHE = CacheState(
    server="cache:6379/0",
    product="Redis",
    version=(7, 0, 15),
    replica=False,
    memory_bytes=1000,
    most_bytes=GiB,
    settings=LIKE_US,
    unexpiring=0,
    seconds=0.001,
)
HERE = Installation(
    settings=Settings(),
    libraries={"pymongo": "4.20.1"},
    formats={each.name: "" for each in FORMATS},
    shaping="0.11.0",
    faces=True,
    fast_parser=True,
    servers=(Server("MongoDB", "/usr/bin/mongod (6.0)", ""),),
    files=None,
    traced=False,
    tracing="1.45.2",
)
CHOSEN = Configuration(Settings(secret_key=KEY), (), cores=2, memory=24 * GiB)
FOLDER = Folder(Path("/var/lib/x"), Path("/var/lib/x"), "", free=10 * GiB, needed=GiB)
SERVED = ServiceState(
    "http://127.0.0.1:8000",
    running_service.__version__,
    {"status": "ready", "parts": {"mongodb": "up", "redis": "up"}, "details": {"damaged_reads": 0}},
    "",
)


def chosen(**settings: Any) -> Configuration:
    return replace(CHOSEN, settings=replace(CHOSEN.settings, **settings))


def cache(**state: Any) -> redis.Caches:
    return redis.Caches((replace(CACHE, **state),), 0.05)


def served(status: str = "ready", redis: str = "up", damaged: int = 0, **state: Any) -> ServiceState:
    answer: Any = {
        "status": status,
        "parts": {"mongodb": "up", "redis": redis},
        "details": {"damaged_reads": damaged},
    }
    return replace(SERVED, readiness=answer, **state)


def members(*states: str, behind: float | None = 0.0) -> tuple[Member, ...]:
    return tuple(
        Member(f"db{number}:27017", state, state in ("PRIMARY", "SECONDARY", "ARBITER"), behind)
        for number, state in enumerate(states)
    )


WATCHED = Look("pictures", Address("cache", 6379), 3, ())
Check = Callable[[Any], Iterator[Finding]]
NOTHING, OK, WARNING, PROBLEM = "", "ok", "warning", "problem"
CASES: list[tuple[Check, Any, str, str]] = [
    (mongodb.version, STORE, OK, "6.0.5"),
    (mongodb.version, replace(STORE, version=(4, 2, 24)), PROBLEM, "4.2.24"),
    (mongodb.replica_set, STORE, OK, "db0:27017"),
    (mongodb.replica_set, replace(STORE, replica_set=""), PROBLEM, "standalone"),
    (mongodb.replica_set, replace(STORE, replica_set="", sharded=True), OK, "sharded"),
    (mongodb.members, STORE, OK, "3 of 3"),
    (mongodb.members, replace(STORE, members=members("PRIMARY")), OK, "One member"),
    (mongodb.members, replace(STORE, members=members("PRIMARY", "SECONDARY", "ARBITER")), WARNING, "2 of 3"),
    (mongodb.members, replace(STORE, members=members("PRIMARY", "DOWN")), WARNING, "db1:27017 is DOWN"),
    (mongodb.members, replace(STORE, members=None), OK, "clusterMonitor"),
    (mongodb.members, replace(STORE, members=None, replica_set=""), NOTHING, ""),
    (mongodb.majority, STORE, OK, "majority"),
    (mongodb.majority, replace(STORE, refused="WTimeoutError: timed out"), PROBLEM, "timed out"),
    (mongodb.majority, replace(STORE, refused="no sets", replica_set=""), NOTHING, ""),
    (mongodb.concerns, STORE, NOTHING, ""),
    (mongodb.concerns, replace(STORE, write_concern="1"), PROBLEM, "w=1"),
    (mongodb.concerns, replace(STORE, write_concern="majority, journal off"), PROBLEM, "journal"),
    (mongodb.concerns, replace(STORE, read_concern="local"), WARNING, "local"),
    (mongodb.lag, STORE, NOTHING, ""),
    (mongodb.lag, replace(STORE, members=members("SECONDARY", behind=99.0)), WARNING, "99 seconds"),
    (mongodb.lag, replace(STORE, members=members("ARBITER", behind=None)), NOTHING, ""),
    (mongodb.elections, STORE, NOTHING, ""),
    (mongodb.elections, replace(STORE, election_seconds=10.0), WARNING, "10 seconds"),
    (mongodb.elections, replace(STORE, election_seconds=10.0, members=SET[:1]), NOTHING, ""),
    (mongodb.indexes, STORE, OK, "All"),
    (mongodb.indexes, replace(STORE, missing_indexes=("claims: file_id",)), PROBLEM, "claims: file_id"),
    (mongodb.indexes, replace(STORE, missing_indexes=("claims: file_id",), empty=True), OK, "empty"),
    (mongodb.clock, STORE, NOTHING, ""),
    (mongodb.clock, replace(STORE, skew=9.0), WARNING, "9 seconds ahead"),
    (mongodb.clock, replace(STORE, skew=-9.0), WARNING, "9 seconds behind"),
    (mongodb.disk, STORE, NOTHING, ""),
    (mongodb.disk, replace(STORE, used=0.9), WARNING, "90%"),
    (mongodb.disk, replace(STORE, used=0.97), PROBLEM, "97%"),
    (mongodb.disk, replace(STORE, used=None), NOTHING, ""),
    (redis.version, cache(), OK, "Redis 7.0.15"),
    (redis.version, cache(version=(6, 0, 16)), PROBLEM, "6.0.16"),
    (redis.version, cache(product="Valkey", version=(8, 1)), OK, "Valkey 8.1"),
    (redis.version, redis.Caches((CACHE, CACHE), 0.05), OK, "cache:6379/0: Redis 7.0.15"),
    (redis.role, cache(), NOTHING, ""),
    (redis.role, cache(replica=True), PROBLEM, "replica"),
    (redis.clustering, cache(), NOTHING, ""),
    (redis.clustering, redis.Caches((replace(CACHE, clustered=True),) * 3, 0.05), NOTHING, ""),
    (redis.clustering, cache(clustered=True), PROBLEM, "one server of a cluster"),
    (redis.sentinels, cache(), NOTHING, ""),
    (redis.sentinels, cache(sentinels=WATCHED), OK, "cache:6379 as the primary of pictures. 3 of 3 answer."),
    (redis.sentinels, cache(sentinels=replace(WATCHED, silent=("a:1: away",))), WARNING, "3 of 4 answer."),
    (redis.eviction, cache(policy="volatile-ttl"), OK, "expiries by frequency, cost and size decide"),
    (redis.eviction, cache(), OK, "volatile-ttl is assumed"),
    (redis.eviction, cache(policy="allkeys-lfu"), OK, "it decides itself (eviction: server)."),
    (redis.eviction, cache(version=(6, 0, 16)), OK, "Redis 6.0.16 has no GETEX"),
    (
        redis.eviction,
        replace(cache(policy="allkeys-lfu"), eviction="expiry"),
        WARNING,
        "its maxmemory-policy, allkeys-lfu, ignores them",
    ),
    (redis.recommendations, cache(), OK, "as recommended"),
    (
        redis.recommendations,
        replace(cache(settings=LIKE_US | {"maxmemory-policy": "allkeys-lfu"}), eviction="server"),
        OK,
        "as recommended",
    ),
    (
        redis.recommendations,
        replace(cache(settings=LIKE_US | {"maxmemory-policy": "noeviction"}), eviction="server"),
        WARNING,
        "maxmemory-policy is noeviction",
    ),
    (redis.recommendations, cache(settings=None), OK, "CONFIG"),
    (redis.recommendations, cache(settings=LIKE_US | {"maxmemory": "0"}), WARNING, "maxmemory is 0"),
    (redis.recommendations, cache(settings=LIKE_US | {"save": "3600 1"}), WARNING, "3600 1"),
    (redis.other_keys, cache(), NOTHING, ""),
    (redis.other_keys, cache(unexpiring=7), WARNING, "7 keys"),
    (redis.speed, cache(), NOTHING, ""),
    (redis.speed, cache(seconds=0.04), WARNING, "40 ms"),
    (installation.python, HERE, OK, "Python 3."),
    (installation.libraries, HERE, OK, "pymongo 4.20.1"),
    (installation.libraries, replace(HERE, libraries={"redis": "not installed"}), PROBLEM, "redis"),
    (installation.formats, HERE, OK, "avif"),
    (installation.formats, replace(HERE, formats={"jpeg": ""}), PROBLEM, "webp, avif"),
    (installation.texts, HERE, OK, "raqm 0.11.0"),
    (installation.texts, replace(HERE, shaping=""), PROBLEM, "no raqm"),
    (installation.faces, HERE, OK, "OpenCV"),
    (installation.faces, replace(HERE, faces=False), WARNING, "g_face"),
    (installation.http_parser, HERE, OK, "in C"),
    (installation.http_parser, replace(HERE, fast_parser=False), WARNING, "in Python"),
    (installation.servers, HERE, OK, "/usr/bin/mongod"),
    (installation.servers, replace(HERE, servers=(Server("Redis", "", "No x."),)), PROBLEM, "No x."),
    (installation.open_files, HERE, OK, "as many"),
    (installation.open_files, replace(HERE, files=1024), WARNING, "1024 files"),
    (installation.traces, HERE, OK, "not configured"),
    (installation.traces, replace(HERE, traced=True), OK, "1.45.2"),
    (installation.traces, replace(HERE, traced=True, tracing="not installed"), PROBLEM, "not installed"),
    (configuration.usable, CHOSEN, OK, "Every"),
    (configuration.usable, replace(CHOSEN, complaints=("X is no number.",)), PROBLEM, "X is no number."),
    (configuration.secrets, CHOSEN, NOTHING, ""),
    (configuration.secrets, chosen(secret_key="short"), PROBLEM, "IMAGESTORE_SECRET_KEY"),
    (configuration.secrets, chosen(secret_key="only-seventeen-ch"), WARNING, "is short"),
    (configuration.secrets, chosen(secret_key="a" * 50), WARNING, "always the same"),
    (configuration.secrets, chosen(secret_key="changeme-please-" * 3), WARNING, "example"),
    (configuration.secrets, chosen(admin_secret="short"), WARNING, "IMAGESTORE_ADMIN_SECRET"),
    (configuration.secrets, chosen(secret_key="", mongo_url="mongodb://db/"), WARNING, "this machine makes"),
    (configuration.workers, CHOSEN, OK, "Workers: 2"),
    (configuration.workers, chosen(workers=20), WARNING, "Workers: 20"),
    (configuration.workers, chosen(decoders=20), WARNING, "in each: 20"),
    (configuration.decoder_memory, CHOSEN, NOTHING, ""),
    (configuration.decoder_memory, chosen(decoders=20), WARNING, "memory"),
    (configuration.decode_queue, CHOSEN, NOTHING, ""),
    (configuration.decode_queue, chosen(decode_queue=32, threads=32), WARNING, "32 threads"),
    (configuration.metrics, CHOSEN, NOTHING, ""),
    (configuration.metrics, chosen(metrics="public"), NOTHING, ""),
    (configuration.metrics, chosen(metrics="public", bind="0.0.0.0:80"), WARNING, "/metrics"),
    (configuration.public_url, CHOSEN, NOTHING, ""),
    (configuration.public_url, chosen(bind="0.0.0.0:80"), WARNING, "URLs in answers"),
    (configuration.public_url, chosen(bind="0.0.0.0:80", public_url="https://x"), NOTHING, ""),
    (configuration.verbosity, CHOSEN, NOTHING, ""),
    (configuration.verbosity, chosen(log_level="debug"), WARNING, "debugging"),
    (data_folder.writable, FOLDER, OK, "can be written"),
    (data_folder.writable, replace(FOLDER, home=Path("/var")), OK, "not there yet"),
    (data_folder.writable, replace(FOLDER, writable="Read-only file system"), PROBLEM, "Read-only"),
    (data_folder.room, FOLDER, OK, "10.7 GB"),
    (data_folder.room, replace(FOLDER, free=GiB // 2), WARNING, "536.9 MB"),
    (data_folder.secrecy, FOLDER, NOTHING, ""),
    (running_service.readiness, SERVED, OK, "is ready (mongodb up, redis up)"),
    (running_service.readiness, served("not ready"), PROBLEM, "not ready"),
    (running_service.cache, SERVED, NOTHING, ""),
    (running_service.cache, served(redis="down"), WARNING, "without Redis"),
    (running_service.damage, SERVED, NOTHING, ""),
    (running_service.damage, served(damaged=3), PROBLEM, "3 times"),
    (running_service.same_version, SERVED, OK, "as this command"),
    (running_service.same_version, replace(SERVED, version="0.0.1"), WARNING, "0.0.1"),
    (running_service.credential, SERVED, OK, "takes"),
    (running_service.credential, served("not ready", refused="No database."), NOTHING, ""),
    (running_service.credential, replace(SERVED, refused="No such."), PROBLEM, "No such."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "seen", "level", "told"), CASES, ids=lambda each: getattr(each, "__name__", None)
)
def test_a_check_says_what_it_is_shown(check: Check, seen: Any, level: str, told: str) -> None:
    found = list(check(seen))
    worst = max((each.level for each in found), key=list(Level).index, default="")
    assert worst == level
    assert any(told in each.what for each in found) or not level
    assert all(bool(each.advice) == (each.level != Level.OK) for each in found)
    assert all(each.what.endswith((".", ":")) or each.advice for each in found)


def test_every_check_has_a_case_where_it_finds_fault() -> None:
    checks = {check for subject in SUBJECTS for check in subject.checks}
    faulted = {check for check, _, level, _ in CASES if level in (WARNING, PROBLEM)}
    assert checks == {check for check, *_ in CASES}
    assert checks - faulted == {installation.python, data_folder.secrecy}


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = replace(FOLDER, path=tmp_path, home=tmp_path)
    key = tmp_path / "server.key"
    key.write_text(KEY)
    for mode, level in ((0o600, Level.OK), (0o400, Level.OK), (0o640, Level.PROBLEM), (0o604, Level.PROBLEM)):
        key.chmod(mode)
        [finding] = data_folder.secrecy(folder)
        assert finding.level == level
        assert KEY not in finding.what
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key, 12345, 12345)
        assert [each.level for each in data_folder.secrecy(folder)] == [Level.WARNING]


def test_the_page_recommends_what_the_check_looks_for() -> None:
    page = (tables.DOCS / "operations.md").read_text()
    [block] = [
        each for each in re.findall(r"^```\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "maxmemory" in each
    ]
    assert block.splitlines() == [f"{each.name} {each.wanted}" for each in RECOMMENDED]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(Settings(data=tmp_path), (), Notes(tmp_path))


def test_one_that_fails_or_hangs_hides_no_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "SECONDS", 0.3)
    forever = threading.Event()

    def hang(place: Place) -> None:
        forever.wait(30)

    def fail(place: Place) -> None:
        raise ZeroDivisionError("a bug")

    def away(place: Place) -> None:
        raise Unseen(warning("It is away.", "Bring it back."))

    def breaks(seen: object) -> Iterator[Finding]:
        yield ok("Until here.")
        raise KeyError("a bug")

    def works(seen: object) -> Iterator[Finding]:
        yield ok("Works.")

    began = time.monotonic()
    subjects = [Subject("hung", hang, (works,)), Subject("hung too", hang, (works,))]
    subjects += [Subject("broken", fail, (works,)), Subject("away", away, (works,))]
    subjects += [Subject("fine", lambda place: None, (breaks, works))]
    found = [(each.subject, each.check, str(each.finding.level)) for each in examine(subjects, place)]
    forever.set()
    assert found == [
        ("hung", "look", "problem"),
        ("hung too", "look", "problem"),
        ("broken", "look", "problem"),
        ("away", "look", "warning"),
        ("fine", "breaks", "ok"),
        ("fine", "breaks", "problem"),
        ("fine", "works", "ok"),
    ]
    assert time.monotonic() - began < 10

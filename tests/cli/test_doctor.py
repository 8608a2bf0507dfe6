"""`imagestore doctor` before the first start, beside a service, and where things are down, wrong or hung."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from redis import Redis

from imagestore.embedded import Server, start_redis
from imagestore.embedded.replica_set import start_replica_set
from imagestore.store.checkup import look_at_store
from imagestore.store.mongo import Mongo
from tests.cli.conftest import run_alone
from tests.redis_sentinel import NAME, running_watched
from tests.service import Service, await_that


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagestore.store.checkup._LOOK_SECONDS", 1.5)


PASSWORD = "hunter2-of-the-database"
NOBODY = "127.0.0.1:1"


def examine(**settings: object) -> tuple[Result, dict[str, list[tuple[str, str, str]]]]:
    """The result, and the findings of each subject as (check, level, what)."""
    result = run_alone("doctor", "--json", **settings)
    told = json.loads(result.stdout)
    found: dict[str, list[tuple[str, str, str]]] = {}
    for each in told["findings"]:
        found.setdefault(each["subject"], []).append((each["check"], each["level"], each["what"]))
    levels = [each["level"] for each in told["findings"]]
    assert told["counts"] == {level: levels.count(level) for level in ("ok", "warning", "problem")}
    assert result.exit_code == (1 if "problem" in levels else 0)
    return result, found


def levels(findings: list[tuple[str, str, str]]) -> dict[str, str]:
    return {check: level for check, level, _ in findings}


@pytest.mark.quick
def test_before_the_first_start_it_tells_what_there_will_be(tmp_path: Path) -> None:
    result, found = examine(data=tmp_path / "data")
    assert list(found) == ["installation", "settings", "data folder", "MongoDB", "Redis", "service"]
    assert levels(found["installation"])["formats"] == "ok"
    assert "not there yet" in found["data folder"][0][2]
    assert [found[each][0][:2] for each in ("MongoDB", "Redis", "service")] == [("look", "ok")] * 3
    assert not (tmp_path / "data").exists()
    shown = run_alone("doctor", data=tmp_path / "data")
    assert shown.exit_code == result.exit_code
    assert shown.stdout.splitlines()[0] == "installation"
    assert shown.stdout.splitlines()[-1].endswith(" warnings")


@pytest.mark.quick
def test_what_is_down_is_a_problem_and_no_secret_is_shown(tmp_path: Path) -> None:
    secrets = {"secret_key": "Zk3vQ9xT1nsuH7IZLHtEFddeCxOetD0D", "admin_secret": "b7Gq-admin-3kkT9_zzLp"}
    settings = {
        "mongo_url": f"mongodb://me:{PASSWORD}@{NOBODY}/?serverSelectionTimeoutMS=300",
        "redis_url": f"redis://:{PASSWORD}@{NOBODY}/0",
        "url": f"http://{NOBODY}",
        "access_key": "KEY",
        "access_secret": "not-to-be-shown-either",
        "data": tmp_path,
        **secrets,
    }
    result, found = examine(**settings)
    assert result.exit_code == 1
    assert f"{NOBODY} is not reached" in found["MongoDB"][0][2]
    assert [found[each][0][:2] for each in ("MongoDB", "Redis", "service")] == [("look", "problem")] * 3
    told = result.output + run_alone("doctor", **settings).output
    assert not [each for each in (PASSWORD, settings["access_secret"], *secrets.values()) if each in told]


@pytest.mark.quick
def test_settings_that_cannot_be_used_are_told_and_the_rest_examined(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("x" * 40)
    settings = {"workers": "many", "no_such": "1", "secret_key": "y" * 40, "secret_key_file": key}
    _, found = examine(data=tmp_path, redis_url="none", **settings)
    problems = [what for _, level, what in found["settings"] if level == "problem"]
    assert len(problems) == 3
    assert "IMAGESTORE_WORKERS" in problems[0]
    assert "IMAGESTORE_NO_SUCH" in problems[1]
    assert "both set" in problems[2]
    assert levels(found["settings"])["workers"] == "ok"
    assert len(found) == 6


@pytest.mark.quick
def test_a_url_that_is_none_is_told(tmp_path: Path) -> None:
    url = f"mongodb://me:{PASSWORD}@host:notaport/"
    result, found = examine(data=tmp_path, mongo_url=url, redis_url="redis://host:notaport")
    assert [found[each][0][:2] for each in ("MongoDB", "Redis")] == [("look", "problem")] * 2
    assert PASSWORD not in result.output


def test_beside_a_service_that_runs_all_is_well(service: Service) -> None:
    result, found = examine(data=service.data)
    assert result.exit_code == 0
    assert service.secret not in result.output
    of_the_store = levels(found["MongoDB"])
    of_the_store.pop("disk", None)  # it is told when it is nearly full, which is this machine's affair
    assert of_the_store == dict.fromkeys(("version", "replica_set", "members", "majority", "indexes"), "ok")
    assert levels(found["Redis"]) == dict.fromkeys(("version", "eviction", "recommendations"), "ok")
    assert levels(found["service"]) == dict.fromkeys(("readiness", "same_version", "credential"), "ok")
    assert levels(found["data folder"])["secrecy"] == "ok"


def test_a_credential_that_the_service_does_not_know(service: Service, tmp_path: Path) -> None:
    settings = {"url": service.url, "access_key": "KEY", "access_secret": "wrong"}
    _, found = examine(data=tmp_path, redis_url="none", **settings)
    assert levels(found["service"])["credential"] == "problem"


@contextmanager
def own_redis(folder: Path, **config: str) -> Iterator[Server]:
    with start_redis(folder, max_bytes=64 * 1024 * 1024) as server, Redis.from_url(server.url) as redis:
        for name, value in config.items():
            redis.config_set(name.replace("_", "-"), value)
        yield server


def test_a_redis_that_is_no_cache_is_told(tmp_path: Path) -> None:
    config = {"maxmemory": "0", "maxmemory_policy": "allkeys-lru", "save": "60 1", "maxmemory_samples": "5"}
    with own_redis(tmp_path, **config) as server:
        with Redis.from_url(server.url) as redis:
            redis.set("somebody", "else")
            redis.set("ours", "x", ex=1000)
        _, found = examine(data=tmp_path, redis_url=server.url)
        told = [what for check, level, what in found["Redis"] if level == "warning"]
    assert [each.split(" ")[0] for each in told] == [
        "maxmemory",
        "maxmemory-policy",
        "maxmemory-samples",
        "save",
        "1",
    ]


def test_a_redis_that_wants_a_password_or_hangs(tmp_path: Path) -> None:
    with own_redis(tmp_path, requirepass=PASSWORD) as server:
        _, found = examine(data=tmp_path, redis_url=server.url)
        assert "AuthenticationError" in found["Redis"][0][2]
        right = server.url.replace("://", f"://:{PASSWORD}@")
        result, found = examine(data=tmp_path, redis_url=right)
        assert levels(found["Redis"])["version"] == "ok"
        assert PASSWORD not in result.output
        os.kill(server.pid, signal.SIGSTOP)
        try:
            _, found = examine(data=tmp_path, redis_url=right)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    assert "TimeoutError" in found["Redis"][0][2]


def test_a_database_that_is_empty_or_lacks_an_index(
    mongo: Server, mongo_database: str, tmp_path: Path
) -> None:
    settings = {
        "mongo_url": mongo.url,
        "mongo_database": mongo_database,
        "redis_url": "none",
        "data": tmp_path,
    }
    _, found = examine(**settings)
    assert ("indexes", "ok") in [each[:2] for each in found["MongoDB"]]
    assert levels(found["MongoDB"])["majority"] == "ok"
    opened = Mongo(mongo.url, mongo_database, write_timeout=60, read_timeout=60)
    opened.ensure_indexes()
    assert sorted(opened.database.list_collection_names()) == sorted(
        [
            "images",
            "versions",
            "claims",
            "blobs.files",
            "blobs.chunks",
            "renditions.files",
            "renditions.chunks",
            "uploads",
            "parts.files",
            "parts.chunks",
        ]
    )
    opened.collection("claims").drop_index("file")
    opened.close()
    _, found = examine(**settings)
    assert ("indexes", "problem", "Indexes are missing: claims: file_id.") in found["MongoDB"]


def test_a_url_that_weakens_what_is_acknowledged(mongo: Server, mongo_database: str, tmp_path: Path) -> None:
    weak = f"{mongo.url}&w=1&readConcernLevel=local"
    _, found = examine(mongo_url=weak, mongo_database=mongo_database, redis_url="none", data=tmp_path)
    assert [each[:2] for each in found["MongoDB"] if each[0] == "concerns"] == [
        ("concerns", "problem"),
        ("concerns", "warning"),
    ]


def test_members_that_are_lost_one_after_another(tmp_path: Path) -> None:
    with start_replica_set(tmp_path / "set") as members:
        settings: dict[str, Any] = {"mongo_url": members.url, "redis_url": "none", "data": tmp_path / "data"}

        def state() -> dict[str, str]:
            return levels(examine(**settings)[1]["MongoDB"])

        await_that(
            lambda: state().get("members") == "ok"
        )  # there is a primary; the others may still catch up
        opened = Mongo(members.url, "imagestore", write_timeout=60, read_timeout=60)
        seen = look_at_store(opened)
        opened.close()
        assert seen.members is not None
        assert sorted(each.state for each in seen.members) == ["PRIMARY", "SECONDARY", "SECONDARY"]
        assert (seen.primary, seen.refused) == (f"127.0.0.1:{members.primary().port}", "")
        assert abs(seen.skew) < 1
        secondaries = [each for each in members.servers if each is not members.primary()]
        secondaries[0].stop()
        await_that(lambda: state().get("members") == "warning")
        await_that(lambda: state().get("majority") == "ok")
        members.primary().stop()
        await_that(lambda: state() == {"look": "problem"})
        _, found = examine(**settings)
    assert f"127.0.0.1:{secondaries[0].port} is not reached (" in found["MongoDB"][0][2]
    assert f"127.0.0.1:{secondaries[1].port} is RSSecondary" in found["MongoDB"][0][2]


def test_every_server_of_a_cluster_is_looked_at(tmp_path: Path, cluster_url: str) -> None:
    _, found = examine(data=tmp_path, redis_url=cluster_url)
    told = [what for check, _, what in found["Redis"] if check == "version"]
    servers = cluster_url.removeprefix("redis+cluster://").split(",")
    assert sorted(what.partition("/")[0] for what in told) == sorted(servers)
    assert "clustering" not in levels(found["Redis"])
    _, found = examine(data=tmp_path, redis_url=f"redis://{servers[0]}")
    assert levels(found["Redis"])["clustering"] == "problem"


def test_what_sentinels_say_is_told(tmp_path: Path) -> None:
    with running_watched(tmp_path / "watched", servers=1) as watched:
        _, found = examine(data=tmp_path, redis_url=watched.url)
        assert levels(found["Redis"])["sentinels"] == "ok"
        watched.kill(watched.sentinels[1])
        _, found = examine(data=tmp_path, redis_url=watched.url)
        [(level, told)] = [(level, what) for check, level, what in found["Redis"] if check == "sentinels"]
        assert level == "warning"
        port = watched.servers[0].port
        assert f"name 127.0.0.1:{port} as the primary of {NAME}. 2 of 3 answer. 127.0.0.1:" in told
        _, found = examine(data=tmp_path, redis_url=watched.url.replace(NAME, "nobody"))
        assert [level for _, level, _ in found["Redis"]] == ["problem"]
        assert "knows a primary of the name nobody" in found["Redis"][0][2]

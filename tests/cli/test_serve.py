"""`imagestore serve` as users see it: started, tried out, reloaded, stopped, killed, refused.

This file is longer than 300 lines because all its tests look at the same processes of one command.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.pictures as pictures
from imagestore.cli.server import GRACE_SECONDS
from imagestore.cli.statuses import UNAVAILABLE
from imagestore.core.errors import ImagestoreError
from imagestore.embedded import executables
from tests.service import PATIENCE, Service, await_that, environment, running_service, serve_command

SECRET_KEY = "a-server-key-of-the-test"


def processes_of(folder: Path) -> list[int]:
    """Whatever still runs with the folder on its command line, or in it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            where = str((process / "cwd").readlink())
        except OSError:
            continue
        if f"{folder}/" in f"{words}/" or f"{where}/".startswith(f"{folder}/"):
            found.append(int(process.name))
    return found


def children_of(process: int) -> dict[int, str]:
    found = {}
    for stat_file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat_file.read_text().rpartition(")")[2].split()[1])
            words = (stat_file.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if parent == process:
            found[int(stat_file.parent.name)] = words
    return found


def workers_of(service: Service) -> set[int]:
    return {pid for pid, words in children_of(service.process.pid).items() if "keeper.py" not in words}


def decoders_of(service: Service) -> int:
    found = [words for worker in workers_of(service) for words in children_of(worker).values()]
    return sum("imaging.sandbox" in words for words in found)


def serve_and_fail(folder: Path, *arguments: str, status: int = 1, **settings: object) -> str:
    """Run `serve` where it cannot start; what it said, after checking how it ended."""
    done = subprocess.run(
        serve_command(*arguments),
        env=environment({"bind": "127.0.0.1:0", "data": folder, **settings}),
        capture_output=True,
        timeout=PATIENCE,
        text=True,
    )
    assert (done.returncode, done.stdout) == (status, ""), done
    assert "Traceback" not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("imagestore: ")
    return last


@pytest.fixture
def tail(tmp_path: Path) -> Iterator[Path]:
    """A folder of which nothing may run after the test."""
    yield tmp_path
    await_that(lambda: not processes_of(tmp_path), lambda: str(processes_of(tmp_path)))


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste into")
def test_the_printed_lines_work_as_they_are(service: Service, tmp_path: Path) -> None:
    curls = re.findall(r"^  (curl .*)$", service.printed, re.MULTILINE)
    drawing = re.findall(rf"^  ({re.escape(sys.executable)} -c .*)$", service.printed, re.MULTILINE)
    assert (len(curls), len(drawing)) == (2, 1)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    for line in [*drawing, *curls]:
        subprocess.run(line, shell=True, cwd=elsewhere, check=True, capture_output=True)
    assert (elsewhere / "photo.jpg").read_bytes() == (elsewhere / "copy.jpg").read_bytes()
    with service.client() as client:
        assert client.image("default", "photo.jpg")["format"] == "jpeg"
        client.delete("default", "photo.jpg")


def test_the_credential_is_shown_once_and_all_of_it_outlives_a_restart(tail: Path) -> None:
    with running_service(tail, workers=1) as first:
        assert first.access_key in first.printed
        assert first.secret in first.printed
        for name in ("client.json", "curlrc", "server.key"):
            assert stat.S_IMODE((first.data / name).stat().st_mode) == 0o600
        with first.client() as client:
            client.upload("default", pictures.jpeg(), "kept.jpg")
            made = client.create_credential(["read"])
        assert first.stop() == 0
    with running_service(tail, workers=1) as second:
        assert second.secret not in second.printed
        assert (second.access_key, second.secret) == (first.access_key, first.secret)
        reader = second.client(made["access_key"], made["secret"])
        with reader, reader.get("default", "kept.jpg") as download:
            assert b"".join(download) == pictures.jpeg()


def test_ctrl_c_ends_all_of_it_quietly(tail: Path) -> None:
    with running_service(tail, upkeep="on") as service:
        with service.client() as client:
            client.upload("default", pictures.jpeg(), "a.jpg")
            assert service.stop(signal.SIGINT) == 0
        assert processes_of(tail) == []
        assert "Traceback" not in service.log.read_text()


def test_a_stop_lets_an_answer_finish(tail: Path) -> None:
    """A client that is still reading when SIGTERM comes gets all of it, and nothing is left running."""
    content = pictures.jpeg(3000, 2000, noise=True, quality=95)
    with running_service(tail, upkeep="on") as service, service.client() as client:
        client.upload("default", content, "big.jpg")
        with client.get("default", "big.jpg") as download:
            chunks = iter(download)
            got = [next(chunks)]
            service.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            got += chunks
        assert b"".join(got) == content
        assert service.process.wait(PATIENCE) == 0
        assert processes_of(tail) == []
        assert "Traceback" not in service.log.read_text()


def test_a_hang_up_replaces_the_workers_and_loses_no_request(tail: Path) -> None:
    with running_service(tail) as service, service.client() as client:
        client.upload("default", pictures.jpeg(), "a.jpg")
        before = workers_of(service)
        assert len(before) == 2
        service.process.send_signal(signal.SIGHUP)

        def replaced() -> bool:
            assert client.image("default", "a.jpg")["key"] == "a.jpg"
            return len(workers_of(service)) == 2 and not workers_of(service) & before

        await_that(replaced)
        assert service.stop() == 0
        assert "Worker (pid" not in service.log.read_text()


def test_workers_that_still_start_hear_of_the_stop(tail: Path) -> None:
    with running_service(tail) as service:
        before = workers_of(service)
        service.process.send_signal(signal.SIGHUP)
        await_that(lambda: len(workers_of(service) - before) == 2)
        began = time.monotonic()
        assert service.stop() == 0
        assert time.monotonic() - began < GRACE_SECONDS


def test_a_database_that_ends_by_itself_comes_back_with_its_data(tail: Path) -> None:
    with running_service(tail, workers=1) as service, service.client() as client:
        client.upload("default", pictures.jpeg(), "a.jpg")
        (database,) = servers_of(service, "mongod")
        os.kill(database, signal.SIGKILL)
        await_that(lambda: "ended by itself and was started again" in service.log.read_text())

        def serves() -> bool:
            try:
                return client.upload("default", pictures.jpeg(seed=2), "b.jpg")["key"] == "b.jpg"
            except ImagestoreError:
                return False

        await_that(serves)
        assert client.image("default", "a.jpg")["key"] == "a.jpg"
        assert service.stop() == 0


def test_a_server_that_does_not_come_back_ends_all_of_it(tail: Path) -> None:
    redis = tail / "redis-once"
    found = executables.find(executables.REDIS_SERVER)
    redis.write_text(f'#!/bin/sh\nmkdir {tail}/ran || exit 3\nexec {found} "$@"\n')
    redis.chmod(0o755)
    with running_service(tail, redis_server=redis, workers=1) as service:
        (server,) = servers_of(service, "redis")
        os.kill(server, signal.SIGKILL)
        assert service.process.wait(PATIENCE) == 1
        said = service.log.read_text()
        assert f"{service.redis_url.rpartition('/')[0]}" in said
        assert "ended by itself: its log tells why" in said
        assert "Traceback" not in said


def servers_of(service: Service, name: str) -> list[int]:
    return [
        pid
        for keeper, words in children_of(service.process.pid).items()
        if "keeper.py" in words
        for pid, command in children_of(keeper).items()
        if name in command.split()[0]
    ]


def test_a_kill_leaves_nothing_behind(tail: Path) -> None:
    with running_service(tail, upkeep="on") as service:
        with service.client() as client:
            client.upload("default", pictures.jpeg(), "a.jpg")
        service.process.kill()
        service.process.wait(PATIENCE)
        await_that(lambda: not processes_of(tail), lambda: str(processes_of(tail)))


def test_external_servers_are_used_no_bucket_is_made_and_decoders_run_before_the_first_upload(
    tail: Path, mongo, mongo_database: str, redis_url: str
) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": redis_url}
    named = {"secret_key": SECRET_KEY, "admin_key": "ADMIN", "admin_secret": "the admin's secret"}
    with running_service(tail, **settings, **named, workers=1, decoders=2) as service:
        await_that(lambda: decoders_of(service) == 2)
        assert (service.access_key, service.secret) == ("ADMIN", "the admin's secret")
        assert "the admin's secret" not in service.printed
        assert mongo.url not in service.printed
        assert not (service.data / "mongod").exists()
        assert not (service.data / "server.key").exists()
        with service.client() as client:
            assert client.buckets() == []
            client.create_bucket("decoded-here")
            client.upload("decoded-here", pictures.jpeg(), "a.jpg")
        (worker,) = workers_of(service)
        decoders = children_of(worker)
        assert decoders
        for decoder in decoders:
            inherited = Path(f"/proc/{decoder}/environ").read_bytes()
            assert SECRET_KEY.encode() not in inherited
            assert mongo.url.encode() not in inherited


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl to paste into")
def test_the_printed_lines_work_on_external_servers(tail: Path, mongo, mongo_database: str) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    with running_service(tail, **settings, workers=1) as service:
        (tail / "photo.jpg").write_bytes(pictures.jpeg())
        for line in re.findall(r"^  (curl .*)$", service.printed, re.MULTILINE):
            subprocess.run(line, shell=True, cwd=tail, check=True, capture_output=True)
        assert (tail / "copy.jpg").read_bytes() == pictures.jpeg()


def test_an_address_that_is_taken_is_one_line(tail: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in serve_and_fail(tail / "data", "--bind", address)


def test_a_folder_in_use_is_one_line(service: Service) -> None:
    assert f"in use by process {service.process.pid}" in serve_and_fail(service.data)


def test_a_database_that_is_not_there_is_one_line(tail: Path) -> None:
    url = "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
    told = serve_and_fail(tail / "data", mongo_url=url, redis_url="none", status=UNAVAILABLE)
    assert told.endswith("(store_unavailable)")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"workers": "many"}, "IMAGESTORE_WORKERS"),
        ({"nonsense": "1"}, "IMAGESTORE_NONSENSE"),
        ({"bind": "8000"}, "IMAGESTORE_BIND"),
        ({"mongod": "/nothing/here"}, "IMAGESTORE_MONGOD"),
        ({"mongo_url": "localhost:27017"}, "IMAGESTORE_MONGO_URL"),
        ({"mongo_url": "mongodb://me:p:q@localhost/"}, "percent-encoded"),
        ({"redis_url": "localhost:6379"}, "IMAGESTORE_REDIS_URL"),
    ],
)
def test_a_bad_setting_is_one_line_that_names_it(tail: Path, settings: dict[str, str], named: str) -> None:
    assert named in serve_and_fail(tail / "data", **settings)


def test_a_signal_while_it_starts_leaves_nothing(tail: Path) -> None:
    process = subprocess.Popen(
        serve_command(),
        env=environment({"bind": "127.0.0.1:0", "data": tail / "data"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await_that(lambda: (tail / "data/mongod/log").exists() or process.poll() is not None)
    process.terminate()
    out, complained = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, b"")
    assert b"Traceback" not in complained


def test_a_second_ctrl_c_does_not_wait(tail: Path) -> None:
    """Of an answer that its client does not read, the first one waits for the end; the second cuts it off."""
    content = pictures.jpeg(3000, 2000, noise=True, quality=95)
    with running_service(tail, send_timeout=300) as service, service.client() as client:
        client.upload("default", content, "big.jpg")
        with client.get("default", "big.jpg") as download:
            chunks = iter(download)  # which is kept: the end of an iterator closes its connection
            next(chunks)
            os.killpg(service.process.pid, signal.SIGINT)
            with pytest.raises(subprocess.TimeoutExpired):
                service.process.wait(2)
            began = time.monotonic()
            assert service.stop(signal.SIGINT) == 0
            assert time.monotonic() - began < GRACE_SECONDS
    assert processes_of(tail) == []


def test_a_short_server_key_is_one_line(tail: Path, mongo, mongo_database: str) -> None:
    settings = {"mongo_url": mongo.url, "mongo_database": mongo_database, "redis_url": "none"}
    told = serve_and_fail(tail / "data", **settings, secret_key="short")
    assert "IMAGESTORE_SECRET_KEY" in told


def test_the_note_is_whole_at_every_moment(service: Service) -> None:
    assert json.loads((service.data / "client.json").read_text()) == {
        "url": service.url,
        "access_key": service.access_key,
        "secret": service.secret,
    }
    left = [name for name in os.listdir(service.data) if name.startswith(".")]
    assert left == []

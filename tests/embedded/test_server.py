"""Start and stop of an embedded server: its folder, its port, and what is said when it will not run."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from imagestore.embedded import Embedded, EmbeddedError, Server, server, start_redis
from imagestore.settings import Settings
from tests.embedded.processes import ends, next_line, parent_of, python, running
from tests.service import await_that

START = """
import sys, time
from pathlib import Path
from imagestore.embedded import start_redis
print(start_redis(Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


def program(folder: Path, text: str) -> str:
    file = folder / "program"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def test_stop_ends_the_server(tmp_path: Path) -> None:
    started = start_redis(tmp_path)
    assert started.alive()
    assert running(started.pid)
    started.stop()
    assert not started.alive()
    assert not running(started.pid)
    started.stop()


def test_it_is_out_of_the_terminals_reach(redis_server: Server) -> None:
    assert os.getsid(redis_server.pid) != os.getsid(0)
    assert os.getpgid(redis_server.pid) != os.getpgid(0)


def test_it_gets_no_secret_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESTORE_SECRET_KEY", "hidden")
    monkeypatch.setenv("SOME_TOKEN", "hidden")
    monkeypatch.setenv("TZ", "UTC")
    with pytest.raises(EmbeddedError):
        start_redis(tmp_path / "redis", executable=program(tmp_path, "env; exit 3"))
    told = (tmp_path / "redis" / "log").read_text()
    assert "TZ=UTC" in told
    assert "hidden" not in told


def test_its_keeper_gets_no_secret_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGESTORE_SECRET_KEY", "hidden")
    with start_redis(tmp_path) as started:
        assert b"hidden" not in Path(f"/proc/{parent_of(started.pid)}/environ").read_bytes()


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "redis"
    with start_redis(folder):
        assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_in_use_is_refused_with_the_process(tmp_path: Path) -> None:
    with (
        start_redis(tmp_path) as first,
        pytest.raises(EmbeddedError, match=rf"{tmp_path} is in use by process {os.getpid()}: stop that"),
    ):
        start_redis(tmp_path)
    assert not running(first.pid)


def test_a_refused_second_start_leaves_the_first_alone(tmp_path: Path) -> None:
    with start_redis(tmp_path) as first:
        for _ in range(2):
            with pytest.raises(EmbeddedError, match="in use"):
                start_redis(tmp_path)
        assert first.alive()


def test_a_stale_lock_file_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(f"{os.getpid()}\n")
    (tmp_path / "port").write_text("no port\n")
    with start_redis(tmp_path) as started:
        assert started.alive()


def test_a_killed_parent_takes_its_server_along_and_the_folder_is_free_again(tmp_path: Path) -> None:
    with python(START, tmp_path) as parent:
        pid = int(next_line(parent))
        parent.kill()
        parent.wait()
        with start_redis(tmp_path) as again:  # waits for the orphan's end
            assert not running(pid)
            assert again.alive()


def test_an_owner_that_ended_but_was_not_waited_for_is_gone(tmp_path: Path) -> None:
    with python(START, tmp_path) as parent:
        pid = int(next_line(parent))
        parent.kill()
        os.waitid(os.P_PID, parent.pid, os.WEXITED | os.WNOWAIT)
        with start_redis(tmp_path) as again:
            assert not running(pid)
            assert again.alive()


def test_a_killed_keeper_frees_the_folder(tmp_path: Path) -> None:
    with start_redis(tmp_path) as first:
        os.kill(parent_of(first.pid), signal.SIGKILL)
        assert ends(first.pid)
        assert not first.alive()
        with start_redis(tmp_path) as again:
            assert again.alive()


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    with start_redis(tmp_path) as first:
        port = first.port
    with start_redis(tmp_path) as again:
        assert again.port == port
        assert again.url == f"redis://127.0.0.1:{port}/0"
    with socket.create_server(("127.0.0.1", port)), start_redis(tmp_path) as moved:
        assert moved.port != port


def test_a_given_port_that_is_taken_is_an_error(tmp_path: Path, redis_server: Server) -> None:
    with pytest.raises(EmbeddedError, match=r"(?s)did not start. The end of .*log:.*ddress already in use"):
        start_redis(tmp_path, port=redis_server.port)


def test_a_port_taken_in_between_is_tried_again(
    tmp_path: Path, redis_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = server._free_port
    ports = [free(), redis_server.port]
    monkeypatch.setattr(server, "_free_port", ports.pop)
    with start_redis(tmp_path) as started:
        assert started.port != redis_server.port
    assert not ports


def test_an_early_end_quotes_the_log(tmp_path: Path) -> None:
    executable = program(tmp_path, "seq 1 100; echo the reason >&2; exit 3")
    with pytest.raises(EmbeddedError) as raised:
        start_redis(tmp_path / "redis", executable=executable)
    assert str(raised.value).splitlines()[1:] == ["  97", "  98", "  99", "  100", "  the reason"]


def test_errors_in_mongods_log_come_before_its_last_words(tmp_path: Path) -> None:
    lines = '{"s":"I","msg":"hello"}', '{"s":"F","msg":"disk on fire"}', '{"s":"I","msg":"bye"}'
    executable = program(tmp_path, "\n".join(f"echo '{line}'" for line in lines))
    with pytest.raises(EmbeddedError) as raised:
        start_redis(tmp_path / "redis", executable=executable)
    assert str(raised.value).splitlines()[1:] == ['  {"s":"F","msg":"disk on fire"}']


def test_a_silent_server_is_given_up_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "START_SECONDS", 3.0)
    executable = program(tmp_path, "echo $$; exec sleep 600")
    with pytest.raises(EmbeddedError, match="did not start"):
        start_redis(tmp_path / "redis", executable=executable)
    assert not running(int((tmp_path / "redis" / "log").read_text()))


def test_a_missing_library_is_named_with_its_package(tmp_path: Path) -> None:
    says = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file"
    executable = program(tmp_path, f"echo '{says}' >&2; exit 127")
    with pytest.raises(EmbeddedError) as raised:
        start_redis(tmp_path / "redis", executable=executable)
    assert str(raised.value).endswith(
        "cannot run, because libcurl.so.4 is missing: `apt-get install libcurl4`."
    )


def test_an_unusable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedError, match="choose another with IMAGESTORE_DATA"):
        start_redis(tmp_path / "file" / "redis")


def test_embedded_starts_what_is_asked_for(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    with Embedded.start(settings, mongo=True, redis=True) as embedded:
        assert embedded.mongo is not None
        assert embedded.redis is not None
        pids = embedded.mongo.pid, embedded.redis.pid
        assert all(map(running, pids))
    assert not any(map(running, pids))
    assert settings.data.stat().st_mode & 0o777 == 0o700


def test_embedded_servers_that_end_by_themselves_come_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Embedded.start(Settings(data=tmp_path), mongo=False, redis=True) as embedded:
        assert embedded.redis is not None
        embedded.look()
        assert caplog.records == []
        first, url = embedded.redis.pid, embedded.redis.url
        os.kill(first, signal.SIGKILL)
        await_that(lambda: embedded.look() or embedded.redis.pid != first)
        second = embedded.redis.pid
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        with Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 100)) as client:
            assert client.info("server")["process_id"] == second
        os.kill(parent_of(second), signal.SIGKILL)
        assert ends(second)
        with pytest.raises(EmbeddedError, match=f"{url} ended by itself"):
            embedded.look()


def test_embedded_leaves_nothing_running_when_one_cannot_start(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, redis_server="/nowhere/redis-server")
    with pytest.raises(EmbeddedError, match="IMAGESTORE_REDIS_SERVER"):
        Embedded.start(settings, mongo=True, redis=True)
    with Embedded.start(Settings(data=tmp_path), mongo=True, redis=False) as embedded:
        assert embedded.mongo is not None
        assert embedded.redis is None

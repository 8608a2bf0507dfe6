"""What the containers run, run here without an engine: both servers, the service and its health check."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from pymongo import MongoClient
from redis import Redis

from imagestore.client import Client
from imagestore.embedded import executables
from imagestore.embedded.server import Server
from tests import pictures
from tests.docker.files import (
    DOCKER,
    SINGLE,
    compose,
    default_of,
    health_command,
    image_command,
    image_environment,
)
from tests.redis_cluster import free_port as free_cluster_port
from tests.s3.clients import s3_client
from tests.service import PATIENCE, await_that, environment

PYTHON = Path(sys.executable)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], folder: Path, surroundings: dict[str, str] | None = None) -> Iterator[Path]:
    """Run a command for as long as the block lasts; yields the file with what it says."""
    log = folder / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=surroundings, stdout=said, stderr=said, start_new_session=True
        )
    try:
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def test_redis_takes_its_settings_and_is_a_bounded_cache(tmp_path: Path) -> None:
    port = free_port()
    command = [
        str(executables.find(executables.REDIS_SERVER)),
        str(DOCKER / "redis.conf"),
        "--port",
        str(port),
    ]
    with running(command, tmp_path) as log:
        await_that(lambda: answers(port), log.read_text)
        with Redis(port=port) as client:
            holds = client.config_get("*")
    expected = {
        "maxmemory": str(256 * 1024 * 1024),
        "maxmemory-policy": "volatile-ttl",
        "maxmemory-samples": "32",
        "lazyfree-lazy-eviction": "yes",
        "save": "",
        "appendonly": "no",
        "client-query-buffer-limit": str(4 * 1024 * 1024),
        "proto-max-bulk-len": str(2 * 1024 * 1024),
        "cluster-require-full-coverage": "no",
    }
    assert {name: holds[name] for name in expected} == expected


def test_the_servers_of_the_redis_cluster_make_it_and_find_each_other_again(tmp_path: Path) -> None:
    """By their health checks alone, each of which knows no more than its own environment."""
    server = executables.find(executables.REDIS_SERVER)
    client = shutil.which("redis-cli", path=f"{server.parent}{os.pathsep}{os.environ['PATH']}")
    assert client, "redis-cli is missing: it comes with redis-server"
    ports = [free_cluster_port() for _ in range(3)]
    members = [f"localhost:{port}" for port in ports]

    def is_healthy(member: str) -> bool:
        given = {"CLUSTER_MEMBERS": " ".join(members), "CLUSTER_MEMBER": member}
        path = f"{Path(client).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", DOCKER / "redis-cluster.sh"],
            env=os.environ | given | {"PATH": path},
            capture_output=True,
            timeout=PATIENCE,
        )
        assert b"ERR" not in done.stdout, done.stdout
        return done.returncode == 0

    def are_healthy() -> bool:
        found = [is_healthy(member) for member in members]  # each of them has its part in it
        return all(found)

    for turn in range(2):  # from nothing; then with what is in their volumes
        with contextlib.ExitStack() as stopping:
            for port in ports:
                folder = tmp_path / str(port)
                folder.mkdir(exist_ok=True)
                command = [
                    str(server),
                    str(DOCKER / "redis.conf"),
                    "--port",
                    str(port),
                    "--cluster-enabled",
                    "yes",
                ]
                stopping.enter_context(running(command, folder))
            await_that(lambda: all(answers(port) for port in ports))
            await_that(are_healthy)
            with stopping.enter_context(Redis(port=ports[turn])) as one:
                slots = one.execute_command("CLUSTER", "SLOTS")
                assert sorted(each[2][1] for each in slots) == sorted(ports)
                assert sum(each[1] - each[0] + 1 for each in slots) == 16384


def test_mongod_takes_its_arguments_and_waits_for_its_set(tmp_path: Path) -> None:
    port = free_port()
    program, *arguments = compose(SINGLE)["services"]["mongo"]["command"]
    assert program == "mongod"
    command = [str(executables.find(executables.MONGOD)), *arguments]
    local = ["--port", str(port), "--dbpath", str(tmp_path), "--nounixsocket"]
    with running([*command, *local], tmp_path) as log:
        await_that(lambda: answers(port), log.read_text)
        url = f"mongodb://127.0.0.1:{port}/?directConnection=true"
        with MongoClient(url, serverSelectionTimeoutMS=PATIENCE * 1000) as client:
            options = client.admin.command("getCmdLineOpts")["parsed"]
            assert client.admin.command("hello")["info"] == "Does not have a valid replica set config"
    assert options["replication"]["replSet"] == "imagestore"
    assert options["security"]["javascriptEnabled"] is False


def test_the_image_s_command_serves_with_secrets_from_files_and_its_health_check_sees_it(
    tmp_path: Path, mongo: Server, mongo_database: str, redis_url: str
) -> None:
    port, s3_port, data = free_port(), free_port(), tmp_path / "data"
    node = compose(SINGLE)["services"]["imagestore"]
    (tmp_path / "secret_key").write_text("a-server-key-of-the-test\n")
    (tmp_path / "admin_secret").write_text("the-admins-secret\n")
    given = {
        name: default_of(value).replace("/run/secrets", str(tmp_path))
        for name, value in node["environment"].items()
    }
    given |= {name: value for name, value in image_environment().items() if name.startswith("IMAGESTORE_")}
    given |= {
        "IMAGESTORE_BIND": f"0.0.0.0:{port}",
        "IMAGESTORE_S3_BIND": f"0.0.0.0:{s3_port}",
        "IMAGESTORE_DATA": str(data),
        "IMAGESTORE_MONGO_URL": mongo.url,
        "IMAGESTORE_MONGO_DATABASE": mongo_database,
        "IMAGESTORE_REDIS_URL": redis_url,
    }
    surroundings = environment({}) | given
    program, *arguments = image_command()
    assert shutil.which(program, path=str(PYTHON.parent))
    healthy = [part.replace("8000", str(port)) for part in health_command()[1:]]

    def is_healthy() -> bool:
        done = subprocess.run([sys.executable, *healthy], capture_output=True, timeout=PATIENCE)
        return done.returncode == 0

    assert not is_healthy()
    with running([str(PYTHON.parent / program), *arguments], tmp_path, surroundings) as log:
        await_that(lambda: is_healthy() or "imagestore: " in log.read_text(), log.read_text)
        assert is_healthy(), log.read_text()
        picture = pictures.jpeg()
        with Client(f"http://127.0.0.1:{port}", "admin", "the-admins-secret") as client:
            client.create_bucket("held", "public-read")
            client.upload("held", picture, "a.jpg")
            with client.get("held", "a.jpg") as download:
                assert b"".join(download) == picture
        with contextlib.closing(s3_client(f"http://127.0.0.1:{s3_port}", "admin", "the-admins-secret")) as s3:
            assert s3.head_object(Bucket="held", Key="a.jpg")["ContentLength"] == len(picture)
    assert not (data / "server.key").exists()
    assert not is_healthy()

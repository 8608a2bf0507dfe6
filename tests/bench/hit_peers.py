"""The peers of a hit: each serves the files of a folder by two processes, below a URL of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from redis import Redis

from imagestore.embedded import start_redis
from tests.bench.generator import CONNECTIONS
from tests.bench.peers import Missing, free_port, running, running_thumbor
from tests.service import REPOSITORY

WORKERS = 2
THREADS = CONNECTIONS // WORKERS
NGINX = """\
daemon off;
{user}
worker_processes {workers};
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{ worker_connections 1024; }}
http {{
    types {{ image/jpeg jpg; }}
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    client_body_temp_path {home}/1; proxy_temp_path {home}/2; fastcgi_temp_path {home}/3;
    uwsgi_temp_path {home}/4; scgi_temp_path {home}/5;
    server {{ listen 127.0.0.1:{port}; root {files}; }}
}}
"""


@contextmanager
def nginx(files: Path, home: Path) -> Iterator[str]:
    """A static file server: sendfile from the page cache, without a log. Raises Missing."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise Missing("there is no nginx (on Debian and Ubuntu, apt-get install nginx-light)")
    port = free_port()
    home.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # its workers must reach a folder that is ours alone
    configuration = home / "nginx.conf"
    configuration.write_text(NGINX.format(user=user, workers=WORKERS, home=home, port=port, files=files))
    with running([program, "-c", str(configuration), "-e", str(home / "error.log")], port):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def thumbor_results(files: Path, home: Path) -> Iterator[str]:
    """Thumbor with its result store: it answers what it has made before from a file. Raises Missing."""
    home.mkdir()
    settings = {
        "STORAGE": "thumbor.storages.no_storage",
        "RESULT_STORAGE": "thumbor.result_storages.file_storage",
        "RESULT_STORAGE_FILE_STORAGE_ROOT_PATH": str(home),
        "RESULT_STORAGE_STORES_UNSAFE": True,
        "RESULT_STORAGE_EXPIRATION_SECONDS": 0,
    }
    with running_thumbor(files, "results", **settings) as port:
        yield f"http://127.0.0.1:{port}/unsafe/"


@contextmanager
def flask_redis(files: Path, redis_url: str) -> Iterator[str]:
    """A view of three lines under gunicorn's threads."""
    with Redis.from_url(redis_url) as redis:
        for path in files.iterdir():
            redis.set(path.name, path.read_bytes())
    threads = ["-k", "gthread", "--threads", str(THREADS)]
    with _gunicorn("tests.bench.flask_redis:app", *threads, BENCH_REDIS=redis_url) as base:
        yield base


@contextmanager
def bare_asgi(files: Path) -> Iterator[str]:
    """What the worker class that ours descends from reaches at the most."""
    with _gunicorn("tests.bench.bare_asgi:app", "-k", "asgi", BENCH_FOLDER=str(files)) as base:
        yield base


@contextmanager
def _gunicorn(app: str, *arguments: str, **environment: str) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "--bind", f"127.0.0.1:{port}"]
    quiet = ["--no-control-socket", "--keep-alive", "60", "--log-level", "error"]
    with running([*command, *quiet, *arguments, app], port, PYTHONPATH=str(REPOSITORY), **environment):
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def bare_redis(home: Path) -> Iterator[str]:
    """The URL of a redis-server as we run it, of which the Flask view and redis-benchmark ask."""
    home.mkdir()
    server = start_redis(home)
    try:
        yield server.url
    finally:
        server.stop()


def redis_gets(url: str, key: str, count: int) -> float:
    """GETs a second of `key` over as many connections as the sides of HTTP have. Raises Missing."""
    program = shutil.which("redis-benchmark")
    if program is None:
        raise Missing("there is no redis-benchmark (on Debian and Ubuntu, apt-get install redis-tools)")
    command = [program, "-p", str(urlsplit(url).port), "-c", str(CONNECTIONS), "-n", str(count), "--csv"]
    told = subprocess.run([*command, "GET", key], capture_output=True, text=True, timeout=120, check=True)
    return float(told.stdout.splitlines()[-1].split(",")[1].strip('"'))

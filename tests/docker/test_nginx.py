"""nginx with the containers' own file, in front of two real services on one MongoDB and a Redis Cluster."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import httpx
import pytest

from imagestore.client import Client
from imagestore.embedded import Server
from tests import pictures
from tests.docker.files import DOCKER
from tests.docker.test_containers import answers, free_port, running
from tests.redis_cluster import RedisCluster
from tests.s3.clients import s3_client
from tests.service import Service, await_that, running_service

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
SECRET = "the-admins-secret"
MIB = 1024 * 1024
LIMIT = 16 * MIB
LEFT_OUT = 1.5
"""Seconds, and some to spare, for which nginx.conf leaves a node out that refused: see its fail_timeout."""

pytestmark = pytest.mark.skipif(NGINX is None, reason="there is no nginx here: apt-get install nginx")


@dataclass
class Site:
    """Two nodes and nginx at `url`, and at `s3_url` for S3, whose files for bodies are in `folder`."""

    url: str
    s3_url: str
    folder: Path
    ports: list[int]
    start_node: Callable[[int], tuple[ExitStack, Service]]
    nodes: list[tuple[ExitStack, Service]] = field(default_factory=list)

    def client(self) -> Client:
        return Client(self.url, "admin", SECRET)

    def get(self, key: str, **options: object) -> httpx.Response:
        return httpx.get(f"{self.url}/pictures/image/upload/{key}", timeout=30, **options)  # type: ignore[arg-type]

    def replace(self, number: int, stop: signal.Signals) -> None:
        """Stop a node, wait until it has ended, and start it again."""
        stopping, service = self.nodes[number]
        assert service.stop(stop) == 0
        stopping.close()
        self.nodes[number] = self.start_node(number)


def configuration(folder: Path, ports: dict[str, int]) -> Path:
    """The containers' file, with this test's folder, and its ports by what the file says for them."""
    text = (DOCKER / "nginx.conf").read_text()
    for said, port in ports.items():
        word, at = ("listen ", "listen 127.0.0.1:") if said.isdigit() else ("server ", "server 127.0.0.1:")
        text, count = re.subn(rf"\b{word}{said}\b", f"{at}{port}", text)
        assert count == 1, said
    file = folder / "nginx.conf"
    file.write_text(text.replace(" /tmp/", f" {folder}/").replace("/dev/stdout", f"{folder}/access"))
    return file


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_cluster: RedisCluster
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("nginx")
    port, s3_port, ports, s3_ports = free_port(), free_port(), *([free_port(), free_port()] for _ in "12")
    settings = {
        "mongo_url": mongo.url,
        "mongo_database": f"nginx_{port}",
        "redis_url": redis_cluster.url,
        "secret_key": "a-server-key-of-the-test",
        "admin_key": "admin",
        "admin_secret": SECRET,
        "trusted_proxies": "127.0.0.1",
        "upload_bytes": LIMIT,
    }

    def start_node(number: int) -> tuple[ExitStack, Service]:
        stopping = ExitStack()
        (folder / f"node-{number}").mkdir(exist_ok=True)
        address = f"127.0.0.1:{ports[number]}"
        s3_bind = f"127.0.0.1:{s3_ports[number]}"
        node = running_service(folder / f"node-{number}", bind=address, s3_bind=s3_bind, **settings)
        return stopping, stopping.enter_context(node)

    nodes = {
        f"imagestore{number}:{inner}": outer
        for inner, outers in ((8000, ports), (9000, s3_ports))
        for number, outer in enumerate(outers, 1)
    }
    file = configuration(folder, {"8080": port, "9000": s3_port, **nodes})
    command = [str(NGINX), "-e", "stderr", "-c", str(file), "-p", str(folder)]
    # As root it would change to a user who cannot read a test's folder; in the container it is not root.
    command += ["-g", "daemon off;" + (" user root;" if os.getuid() == 0 else "")]
    urls = (f"http://127.0.0.1:{each}" for each in (port, s3_port))
    site = Site(*urls, folder, ports, start_node)
    with ExitStack() as closing:
        for number in range(2):
            site.nodes.append(start_node(number))
        closing.callback(lambda: [stopping.close() for stopping, _ in site.nodes])
        log = closing.enter_context(running(command, folder))
        await_that(lambda: answers(port), log.read_text)
        with site.client() as client:
            client.create_bucket("pictures", "public-read")
        yield site
        assert "Traceback" not in "".join(service.log.read_text() for _, service in site.nodes)


def test_an_image_goes_in_by_one_node_and_out_by_both(site: Site) -> None:
    picture = pictures.jpeg(seed=1)
    key = "a//b c/ü%2F?.jpg"  # nothing of it may be merged, decoded or cut on the way
    with site.client() as client:
        made = client.upload("pictures", picture, key)
        assert made["url"].startswith(f"{site.url}/pictures/image/upload/")
    for _ in range(4):  # least_conn takes turns where both are idle
        answer = httpx.get(made["url"], timeout=30)
        assert (answer.status_code, answer.content) == (200, picture)
    for _, node in site.nodes:
        with node.client("admin", SECRET) as client, client.get("pictures", key) as download:
            assert b"".join(download) == picture


def test_s3_passes_through_as_it_was_signed(site: Site) -> None:
    """The Host, the path, and names of metadata that nginx would leave out are all signed."""
    picture, key = pictures.jpeg(seed=9), "a//b c/ü%2F?.jpg"
    large = bytes(range(256)) * (20 * MIB // 256)
    with closing(s3_client(site.s3_url, "admin", SECRET)) as s3:
        metadata = {"with_underscore": "1", "with.dot": "2"}
        s3.put_object(Bucket="pictures", Key=key, Body=picture, Metadata=metadata)
        head = s3.head_object(Bucket="pictures", Key=key)
        assert (head["Metadata"], head["ContentLength"]) == (metadata, len(picture))
        signed = s3.generate_presigned_url("get_object", Params={"Bucket": "pictures", "Key": key})
        assert httpx.get(signed, timeout=30).content == picture
        s3.create_bucket(Bucket="objects")
        s3.upload_fileobj(BytesIO(large), "objects", "large")
        with closing(s3.get_object(Bucket="objects", Key="large")["Body"]) as body:
            assert body.read() == large
        listed = s3.list_objects_v2(Bucket="pictures", Prefix="a//")["Contents"]
        assert [each["Key"] for each in listed] == [key]
        s3.delete_object(Bucket="pictures", Key=key)
    assert site.get("a//b%20c/%C3%BC%252F%3F.jpg").status_code == 404
    assert [each for each in (site.folder / "body").rglob("*") if each.is_file()] == []


def test_conditions_ranges_and_heads_pass_through(site: Site) -> None:
    picture = pictures.jpeg(seed=2)
    with site.client() as client:
        client.upload("pictures", picture, "a.jpg")
    whole = site.get("a.jpg")
    assert whole.content == picture
    tag = whole.headers["ETag"]
    part = site.get("a.jpg", headers={"Range": "bytes=10-99", "If-Range": tag})
    assert (part.status_code, part.content) == (206, picture[10:100])
    assert part.headers["Content-Range"] == f"bytes 10-99/{len(picture)}"
    assert site.get("a.jpg", headers={"Range": f"bytes={len(picture)}-"}).status_code == 416
    unchanged = site.get("a.jpg", headers={"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    head = httpx.head(whole.url, timeout=30)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(picture))
    assert head.headers["ETag"] == tag


def test_a_large_upload_is_handed_through_and_one_too_large_is_refused_by_its_head(site: Site) -> None:
    picture = pictures.jpeg(3000, 2000, noise=True, quality=95)
    assert len(picture) > 4 * MIB
    with site.client() as client:
        client.upload("pictures", picture, "large.jpg")
    assert site.get("large.jpg").content == picture
    assert [each for each in (site.folder / "body").rglob("*") if each.is_file()] == []
    secret = base64.b64encode(f"admin:{SECRET}".encode())
    with socket.create_connection(("127.0.0.1", httpx.URL(site.url).port or 0), timeout=30) as connection:
        connection.sendall(
            b"PUT /v1/buckets/pictures/images/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Authorization: Basic %s\r\nContent-Length: %d\r\n\r\n" % (secret, 70 * MIB)
        )
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"application/json" in answer, "in the service's words, not nginx'"


def test_connections_to_the_nodes_are_kept(site: Site) -> None:
    with site.client() as client:
        client.upload("pictures", pictures.jpeg(seed=3), "kept.jpg")
    before = connections_to(site.ports)
    for _ in range(60):  # each on a connection of its own to nginx
        assert site.get("kept.jpg").status_code == 200
    assert connections_to(site.ports) - before < 20


def connections_to(ports: list[int]) -> int:
    """In any state, those that have just been closed too."""
    wanted = {f"0100007F:{port:04X}" for port in ports}
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2] in wanted for line in lines)


def test_a_client_that_stops_reading_delays_nobody_and_gets_all_of_it_in_the_end(site: Site) -> None:
    picture = pictures.jpeg(3000, 2000, noise=True, quality=95, seed=4)
    with site.client() as client:
        client.upload("pictures", picture, "slow.jpg")
        client.upload("pictures", pictures.jpeg(seed=5), "fast.jpg")
    with ExitStack() as slow:
        streams = [
            slow.enter_context(httpx.stream("GET", f"{site.url}/pictures/image/upload/slow.jpg", timeout=60))
            for _ in range(40)
        ]
        for _ in range(10):
            assert site.get("fast.jpg").status_code == 200
        assert all(stream.read() == picture for stream in streams[:3])


@contextmanager
def load(get: Callable[[], httpx.Response]) -> Iterator[list[str]]:
    """GETs from four threads for as long as the block lasts; yields what failed of them."""
    failed: list[str] = []
    done = threading.Event()
    counts = [0] * 4

    def work(number: int) -> None:
        while not done.is_set():
            try:
                answer = get()
                if answer.status_code != 200:
                    failed.append(f"{answer.status_code} {answer.text[:200]}")
            except httpx.HTTPError as error:
                failed.append(repr(error))
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield failed
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert min(counts) > 10


def test_no_get_fails_while_nodes_are_stopped_started_and_reloaded(site: Site) -> None:
    picture = pictures.jpeg(seed=6)
    with site.client() as client:
        client.upload("pictures", picture, "steady.jpg")
    with load(lambda: site.get("steady.jpg")) as failed:
        time.sleep(0.5)
        for number in range(2):
            site.replace(number, signal.SIGTERM)
            time.sleep(LEFT_OUT)
        for _, service in site.nodes:
            service.process.send_signal(signal.SIGHUP)
            time.sleep(LEFT_OUT)
    assert failed == []

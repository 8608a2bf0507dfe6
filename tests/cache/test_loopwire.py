"""Redis asked from an event loop: in few writes, within bounds, and whatever the server does."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis import Redis

from imagestore.cache.loopwire import LoopWire
from imagestore.cache.node import Unreached
from imagestore.cache.stats import Tally
from imagestore.embedded import Server, start_redis
from tests.cache.redis_proxy import RedisProxy
from tests.cache.test_wire import stopped

TIMEOUT = 0.05
PATIENCE = 20.0


@asynccontextmanager
async def opened(url: str, timeout: float = 5.0) -> AsyncIterator[LoopWire]:
    wire = LoopWire(url, timeout, Tally())
    try:
        yield wire
    finally:
        wire.close()


async def get(wire: LoopWire, key: bytes = b"key") -> object:
    return (await wire.converse([("GET", key)]))[0]


async def until(holds: Callable[[], bool] | None, wire: LoopWire) -> None:
    """Asks until it is answered, and the condition holds."""
    end = time.monotonic() + PATIENCE
    while isinstance(await get(wire), Unreached) or (holds is not None and not holds()):
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_answers_come_in_their_order(redis_url: str, redis: Redis) -> None:
    async def main() -> None:
        async with opened(redis_url) as wire:
            big = os.urandom(900_000)
            assert await wire.converse([("SET", b"key", big, "PX", 10_000), ("STRLEN", b"key")]) == [
                b"OK",
                len(big),
            ]
            answers = await asyncio.gather(*(get(wire, b"key" if n % 7 == 0 else b"none") for n in range(50)))
            assert answers == [big if n % 7 == 0 else None for n in range(50)]
            [refused, found] = await wire.converse([("LPUSH", b"key", b"x"), ("EXISTS", b"key")])
            assert isinstance(refused, Exception) and "WRONGTYPE" in str(refused)
            assert found == 1

    asyncio.run(main())
    redis.delete("key")


def test_all_calls_of_a_round_of_the_loop_are_one_round_trip(redis_server: Server) -> None:
    async def main() -> None:
        with RedisProxy(redis_server.port) as proxy:
            async with opened(proxy.url) as wire:
                await get(wire)
                before = proxy.round_trips
                await asyncio.gather(*(get(wire) for _ in range(200)))
                assert proxy.round_trips == before + 1

    asyncio.run(main())


def test_a_hung_server_costs_one_timeout_and_comes_back(own_server: Server) -> None:
    async def main() -> None:
        async with opened(own_server.url, TIMEOUT) as wire:
            await until(None, wire)
            with stopped(own_server):
                answers = await asyncio.gather(*(get(wire) for _ in range(50)))
                assert all(isinstance(answer, Unreached) for answer in answers)
                assert isinstance(await get(wire), Unreached)  # at once: the breaker is open
            await until(None, wire)

    asyncio.run(main())


def test_a_connection_that_was_closed_is_opened_again(own_server: Server, own_redis: Redis) -> None:
    async def main() -> None:
        async with opened(own_server.url) as wire:
            assert await get(wire) is None
            assert own_redis.client_kill_filter(_type="normal", skipme=True) >= 1
            await until(None, wire)

    asyncio.run(main())


def test_a_killed_server_is_a_miss_until_it_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        with start_redis(tmp_path / "redis") as server:
            port = server.port
            async with opened(server.url) as wire:
                assert await get(wire) is None
                os.kill(server.pid, signal.SIGKILL)
                while not isinstance(await get(wire), Unreached):
                    await asyncio.sleep(0.01)
                for _ in range(30):
                    assert isinstance(await get(wire), Unreached)
                with start_redis(tmp_path / "again", port=port):
                    await until(None, wire)

    asyncio.run(main())


def test_a_slow_answer_is_waited_for_while_pieces_of_it_come(redis_server: Server, redis: Redis) -> None:
    redis.set("key", b"x" * 500_000, px=60_000)

    async def main() -> None:
        with RedisProxy(redis_server.port, delay=0.02) as proxy:
            async with opened(proxy.url, 1.0) as wire:
                assert await get(wire) == b"x" * 500_000
            proxy.delay = 1.0
            async with opened(proxy.url, 0.2) as wire:
                assert isinstance(await get(wire), Unreached)

    asyncio.run(main())


@pytest.mark.parametrize("nonsense", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n+OK\r\n", b""])
def test_a_server_that_talks_nonsense_harms_nobody(redis_server: Server, nonsense: bytes) -> None:
    async def main() -> None:
        with RedisProxy(redis_server.port) as proxy:
            proxy.instead = nonsense
            async with opened(proxy.url, 1.0) as wire:
                for _ in range(3):
                    answer = await get(wire)
                    assert isinstance(answer, Unreached) or answer == b"OK"

    asyncio.run(main())


def test_who_stops_waiting_leaves_the_others_their_answers(redis_url: str, redis: Redis) -> None:
    redis.set("key", b"value", px=60_000)

    async def main() -> None:
        async with opened(redis_url) as wire:
            await get(wire)
            tasks = [asyncio.create_task(get(wire, b"key" if n else b"none")) for n in range(3)]
            await asyncio.sleep(0)
            tasks[0].cancel()
            assert await asyncio.gather(*tasks[1:]) == [b"value", b"value"]

    asyncio.run(main())


def test_a_password_a_user_and_a_database_by_url(own_server: Server, own_redis: Redis) -> None:
    own_redis.acl_setuser(
        "reader", enabled=True, passwords=["+s:cret"], keys=["*"], commands=["+get", "+select"]
    )
    own_redis.select(3)
    Redis.from_url(own_server.url.replace("/0", "/3")).set("key", b"there")
    place = own_server.url.partition("//")[2].partition("/")[0]

    async def main() -> None:
        async with opened(f"redis://reader:s%3Acret@{place}/3") as wire:
            assert await get(wire) == b"there"
            [refused] = await wire.converse([("SET", b"key", b"x")])
            assert "NOPERM" in str(refused) or "permissions" in str(refused)
        async with opened(f"redis://reader:wrong@{place}/3") as wire:
            for _ in range(10):
                assert isinstance(await get(wire), Unreached)

    asyncio.run(main())


def test_a_unix_socket_by_url(tmp_path: Path) -> None:
    path = tmp_path / "redis.sock"

    async def main() -> None:
        with start_redis(tmp_path / "redis", extra=("--unixsocket", str(path))):
            async with opened(f"unix://{path}") as wire:
                assert await get(wire) is None

    asyncio.run(main())


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return key, certificate


def test_tls_by_url_with_a_certificate_that_is_checked(redis_server: Server, tmp_path: Path) -> None:
    key, certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def forward(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            target.write(data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner, outer = await asyncio.open_connection("127.0.0.1", redis_server.port)
        await asyncio.gather(forward(reader, outer), forward(inner, writer), return_exceptions=True)
        outer.close()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with opened(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}") as wire:
                assert await get(wire, b"absent") is None
            async with opened(f"rediss://localhost:{port}/0") as wire:
                assert isinstance(await get(wire), Unreached)

    asyncio.run(main())


def test_no_more_calls_wait_than_may(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagestore.cache.loopnode.MOST_WAITING", 10)

    async def main() -> None:
        async with opened(own_server.url) as wire:
            await get(wire)
            answers = await asyncio.gather(*(get(wire) for _ in range(15)))
            assert [isinstance(answer, Unreached) for answer in answers] == [False] * 10 + [True] * 5

    asyncio.run(main())


def test_without_a_redis_nothing_is_reached() -> None:
    async def main() -> None:
        async with opened("none") as wire:
            assert not wire.enabled
            assert isinstance(await get(wire), Unreached)
            assert isinstance(await wire.tell(("PING",)), Unreached)

    asyncio.run(main())

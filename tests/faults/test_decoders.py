"""Pictures that are poison, and decoders that die: the upload fails as it should, and nothing else does."""

from __future__ import annotations

import hashlib
import io
import os
import resource
import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from PIL import Image

from imagestore.embedded import Server
from tests import pictures
from tests.embedded.processes import ends
from tests.faults.caller import Answer, Caller
from tests.faults.load import Load, fetch
from tests.faults.metrics import Metrics
from tests.faults.node import BUCKET, running_node
from tests.figures import Figures
from tests.service import Service, await_that
from tests.web.watch import decoders_in, workers

SECONDS = 1.0
"""What a picture may take here: nothing within the other limits takes the five seconds that are usual."""

ROOM = 5.0
"""Seconds that a loaded machine may add."""

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, mongo: Server, redis_server: Server
) -> Iterator[Service]:
    """One worker, since each remembers poison for itself."""
    folder = tmp_path_factory.mktemp("decoders")
    settings = {"workers": 1, "decode_timeout": SECONDS}
    with running_node(folder / "node", mongo, redis_server.url, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def heavy() -> bytes:
    """A JPEG within every limit that takes three seconds of CPU: each of its scans goes over all of it."""
    flat = io.BytesIO()
    Image.new("RGB", (8000, 6000), "olive").save(flat, "JPEG", progressive=True, subsampling=0)
    data = flat.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * (99 - data.count(b"\xff\xda")) + data[-2:]


def another(picture: bytes) -> bytes:
    """The same, with a comment that makes other bytes of it (a COM segment)."""
    return picture[:2] + b"\xff\xfe\x00\x0a" + secrets.token_bytes(8) + picture[2:]


class Scene:
    """Others go on meanwhile: readers, and an upload before and after."""

    def __init__(self, service: Service) -> None:
        small = pictures.jpeg(80, 60, seed=1)
        with service.client() as client:
            client.upload(BUCKET, small, "small.jpg")
        self.load = Load(
            service.url,
            [fetch(BUCKET, "small.jpg", hashlib.sha256(small).hexdigest())],
            clients=2,
            pause=0.01,
        )
        self.service = service
        self.before = Metrics(service)
        (self.worker,) = workers(service)
        self.decoders = decoders_of(service)

    def send(self, data: bytes) -> Answer:
        caller = Caller(self.service)
        answer = caller.put(BUCKET, "poison", data)
        caller.close()
        return answer

    def judge(self) -> dict[str, object]:
        """What holds after every fault; its figures."""
        good = pictures.png(30, 30, seed=int.from_bytes(secrets.token_bytes(3)), noise=True)
        caller = Caller(self.service)
        after, there = caller.put(BUCKET, "good.png", good), caller.get(BUCKET, "poison")
        caller.close()
        assert after.status == 201, str(after)
        assert there.status == 404
        assert workers(self.service) == [self.worker]
        assert self.load.record.faults() == []
        assert (self.load.record.refused, self.load.record.retried) == (0, [])
        return {
            "answers_to_others": len(self.load.record.answers),
            "others_p99_ms": 1000 * self.load.record.percentile(0.99),
            "next_upload_ms": 1000 * after.seconds,
            "deaths": Metrics(self.service).since(self.before, "imagestore_decoder_deaths_total"),
        }


@pytest.fixture
def scene(service: Service) -> Iterator[Scene]:
    made = Scene(service)
    with made.load:
        yield made


def decoders_of(service: Service) -> set[int]:
    """Those of the one worker."""
    (worker,) = workers(service)
    return decoders_in(worker)


def decodes(pid: int) -> bool:
    """Whether a fresh decoder is at its first picture: it has lowered its limit of CPU time for that."""
    try:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return False
    soft, hard = next(line[26:].split()[:2] for line in limits if line.startswith("Max cpu time"))
    return soft != hard


@contextmanager
def striking(service: Service, number: signal.Signals, times: int) -> Iterator[None]:
    """Send a signal to the next decoders, so many of them, each while it decodes its first picture; none is
    sent any more once the block has ended."""
    struck, over = decoders_of(service), threading.Event()
    for pid in struck:
        os.kill(pid, signal.SIGKILL)  # idle: nobody notices but the next picture, which gets a fresh one
        assert ends(pid)

    def work() -> None:
        left = times
        while left > 0 and not over.is_set():
            for pid in decoders_of(service) - struck:
                if left > 0 and decodes(pid):
                    with suppress(ProcessLookupError):
                        os.kill(pid, number)
                    struck.add(pid)
                    left -= 1

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def seconds_in_decoders(service: Service) -> float:
    return Metrics(service).total("imagestore_decoder_job_seconds_count")


def assert_remembered(scene: Scene, data: bytes, first: Answer) -> Answer:
    """The same picture again gets the same answer without a decoder."""
    jobs, decoders = seconds_in_decoders(scene.service), decoders_of(scene.service)
    again = scene.send(data)
    assert (again.status, again.json()["error"]) == (first.status, first.json()["error"])
    assert (seconds_in_decoders(scene.service), decoders_of(scene.service)) == (jobs, decoders)
    return again


def test_a_picture_that_burns_the_cpu(scene: Scene, heavy: bytes, figures: Figures) -> None:
    answer = scene.send(heavy)
    again = assert_remembered(scene, heavy, answer)
    figures(status=answer.status, seconds=answer.seconds, again_ms=1000 * again.seconds, **scene.judge())
    assert (answer.status, answer.json()["error"]["code"]) == (422, "decode_timeout")
    assert answer.seconds <= SECONDS + ROOM


def test_a_picture_that_takes_too_much_memory(scene: Scene, figures: Figures) -> None:
    """The limit is lowered under a running decoder: no picture within the limit of pixels needs 1 GiB."""
    file = io.BytesIO()
    Image.new("RGBA", (7000, 7000)).save(file, "PNG", compress_level=1)
    (decoder,) = decoders_of(scene.service)
    lower_memory(decoder)
    answer = scene.send(file.getvalue())
    again = assert_remembered(scene, file.getvalue(), answer)
    figures(status=answer.status, seconds=answer.seconds, again_ms=1000 * again.seconds, **scene.judge())
    assert (answer.status, answer.json()["error"]["code"]) == (422, "decode_timeout")
    assert "memory" in answer.json()["error"]["message"]
    assert answer.seconds <= SECONDS + ROOM
    os.kill(decoder, signal.SIGKILL)


def lower_memory(pid: int) -> None:
    """To what the process has, and some 64 MiB for a picture."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    bound = pages * resource.getpagesize() + (64 << 20)
    resource.prlimit(pid, resource.RLIMIT_AS, (bound, bound))


def test_a_decoder_that_does_not_come_back(scene: Scene, heavy: bytes, figures: Figures) -> None:
    """As in an endless loop, but that it costs the machine nothing."""
    data = another(heavy)
    with striking(scene.service, signal.SIGSTOP, 1):
        answer = scene.send(data)
    again = assert_remembered(scene, data, answer)
    figures(status=answer.status, seconds=answer.seconds, again_ms=1000 * again.seconds, **scene.judge())
    assert (answer.status, answer.json()["error"]["code"]) == (422, "decode_timeout")
    assert answer.seconds <= SECONDS + ROOM


def test_a_picture_that_crashes_its_decoder(scene: Scene, heavy: bytes, figures: Figures) -> None:
    data = another(heavy)
    with striking(scene.service, signal.SIGSEGV, 2):
        answer = scene.send(data)
    again = assert_remembered(scene, data, answer)
    told = scene.judge()
    figures(status=answer.status, seconds=answer.seconds, again_ms=1000 * again.seconds, **told)
    assert (answer.status, answer.json()["error"]["code"]) == (422, "corrupt_image")
    assert told["deaths"] == 2


def test_decoders_that_the_kernel_kills(scene: Scene, heavy: bytes, figures: Figures) -> None:
    """As it does when the machine is out of memory: that may be another's doing, so it is not remembered."""
    data = another(heavy)
    with striking(scene.service, signal.SIGKILL, 2):
        answer = scene.send(data)
    await_that(lambda: len(decoders_of(scene.service)) <= 1)
    told = scene.judge()
    figures(status=answer.status, seconds=answer.seconds, retry_after=answer.headers["retry-after"], **told)
    assert (answer.status, answer.json()["error"]["code"]) == (503, "decoder_lost")
    assert told["deaths"] == 2
    assert len(decoders_of(scene.service)) == 1

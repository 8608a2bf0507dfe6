"""The pool with real processes: what every fault of a picture or a process ends in, and what goes on.

This file is longer than 300 lines because all its faults are made with one set of tools: a pool
whose decoder is broken in one line, and a look at the processes that are left.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from imagestore.core.errors import (
    CorruptImage,
    DecoderLost,
    DecodeTimeout,
    ImageLimitExceeded,
    Overloaded,
    RejectedImage,
    UnsupportedFormat,
)
from imagestore.core.image import Digest, Facts
from imagestore.imaging import DecoderPool, Limits, decoder, decoders, poison
from imagestore.imaging.gate import Lane
from tests import pictures

pytestmark = pytest.mark.quick

MiB = 1024 * 1024
ROOT = Path(__file__).parents[2]
PICTURE = pictures.png(20, 10)
FACTS = Facts(len(PICTURE), 20, 10, "png")

# A decoder whose engine does `{}` where it would decode: everything around it is the real one.
FAULTY = """
import os, signal, sys, time
from imagestore.imaging import sandbox
from imagestore.imaging.engine import verification
def verify(file, *others):
    {}
verification.verify = verify
sandbox.main(sys.argv[1])
"""
Break = Callable[[str], None]


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with closing(DecoderPool(Limits(), processes=1, queue=4, timeout=60.0)) as made:
        yield made


@pytest.fixture
def break_with(monkeypatch: pytest.MonkeyPatch) -> Break:
    def change(line: str) -> None:
        monkeypatch.setattr(decoder, "_PROGRAM", FAULTY.format(line))

    return change


def pids(pool: DecoderPool) -> set[int]:
    return {each.pid for each in pool._decoders}


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("name", pictures.FORMATS)
def test_facts_of_bytes_and_of_a_file(pool: DecoderPool, name: str, tmp_path: Path) -> None:
    data = pictures.picture(name, 60, 40)
    path = tmp_path / "picture ä.bin"
    path.write_bytes(data)
    assert pool.verify(data) == pool.verify(path) == Facts(len(data), 60, 40, name)


def test_bytes_up_to_the_bound_and_no_more(pool: DecoderPool) -> None:
    padded = PICTURE + bytes(decoders.SMALL_BYTES - len(PICTURE))
    assert pool.verify(padded).bytes == decoders.SMALL_BYTES
    with pytest.raises(ValueError, match="as a file"):
        pool.verify(padded + b"\0")


def test_hostile_files_are_refused_and_the_same_decoder_goes_on(pool: DecoderPool, tmp_path: Path) -> None:
    path = tmp_path / "hostile"
    pool.warm()
    before = pids(pool)
    hostile: list[tuple[bytes, type[RejectedImage]]] = [
        *((pictures.bomb_pixels(name), ImageLimitExceeded) for name in pictures.FORMATS),
        *((pictures.truncated(pictures.picture(name)), CorruptImage) for name in pictures.FORMATS),
        (pictures.many_scans_jpeg(), ImageLimitExceeded),
        (pictures.thin_png(), ImageLimitExceeded),
        (pictures.many_frames_gif(), ImageLimitExceeded),
        (pictures.bomb_frames_gif(), ImageLimitExceeded),
        (pictures.text_chunks_png(), ImageLimitExceeded),
        (pictures.inflating_text_png(), CorruptImage),
        (pictures.looping_tiff(), CorruptImage),
        (pictures.html_with_png_head(), CorruptImage),
        (pictures.svg(), UnsupportedFormat),
        (b"just text", UnsupportedFormat),
        (b"", UnsupportedFormat),
    ]
    for data, expected in hostile:
        path.write_bytes(data)
        with pytest.raises(expected):
            pool.verify(path)
    assert pool.verify(PICTURE) == FACTS
    assert pids(pool) == before
    peak = Path(f"/proc/{before.pop()}/status").read_text().partition("VmHWM:")[2].split()[0]
    assert int(peak) < 256 * 1024


def test_nothing_starts_before_it_is_needed(pool: DecoderPool) -> None:
    assert pids(pool) == set()
    with pytest.raises(UnsupportedFormat):
        pool.verify(b"text is refused by its head alone")
    assert pids(pool) == set()


def test_warm_starts_every_decoder_once() -> None:
    with closing(DecoderPool(Limits(), processes=3)) as pool:
        pool.warm()
        started = pids(pool)
        pool.warm()
        assert len(started) == 3
        assert pids(pool) == started


def test_a_decoder_has_no_secret_and_nothing_open_but_its_socket(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGESTORE_SECRET_KEY", "hidden")
    with (ROOT / "setup.cfg").open() as other:
        os.set_inheritable(other.fileno(), True)
        pool.verify(PICTURE)
    (pid,) = pids(pool)
    assert b"hidden" not in Path(f"/proc/{pid}/environ").read_bytes()
    links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
    assert sum(link.startswith("socket:") for link in links) == 1
    assert not any(link.endswith("setup.cfg") for link in links)


def test_the_kernel_keeps_the_limits(pool: DecoderPool) -> None:
    pool.verify(PICTURE)
    (pid,) = pids(pool)
    limits = {
        line[:26].strip(): line[26:].split()[:2]
        for line in Path(f"/proc/{pid}/limits").read_text().splitlines()
    }
    assert limits["Max address space"] == [str(1024 * MiB)] * 2
    assert limits["Max open files"] == ["16", "16"]
    assert limits["Max file size"] == limits["Max core file size"] == ["0", "0"]
    assert 60 <= int(limits["Max cpu time"][0]) <= 62


def test_a_picture_that_takes_too_long(break_with: Break) -> None:
    break_with("time.sleep(3600)")
    with closing(DecoderPool(Limits(), timeout=0.5)) as pool:
        with pytest.raises(DecodeTimeout, match=r"0\.5 seconds"):
            pool.verify(PICTURE)
        (dead,) = pids(pool)
        wait_until(lambda: not alive(dead))


def test_a_picture_that_takes_too_much_time_of_the_cpu(break_with: Break) -> None:
    break_with("os.kill(os.getpid(), signal.SIGXCPU)")
    with closing(DecoderPool(Limits())) as pool, pytest.raises(DecodeTimeout):
        pool.verify(PICTURE)


def test_a_picture_that_takes_too_much_memory(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(pictures.png(7000, 7000, compress_level=1))
    with closing(DecoderPool(Limits(), memory=150 * MiB, timeout=60)) as pool:
        with pytest.raises(DecodeTimeout, match="memory"):
            pool.verify(path)
        assert pool.verify(PICTURE) == FACTS


def test_a_picture_that_allocates_without_end(pool: DecoderPool, break_with: Break) -> None:
    break_with("bytearray(2 * 1024 ** 3)")
    with pytest.raises(DecodeTimeout, match="memory"):
        pool.verify(PICTURE)


@pytest.mark.parametrize("line", ["os.abort()", "os.kill(os.getpid(), signal.SIGSEGV)", "os._exit(3)"])
def test_a_picture_that_crashes_its_decoder_twice(pool: DecoderPool, break_with: Break, line: str) -> None:
    break_with(line)
    with pytest.raises(CorruptImage, match="twice"):
        pool.verify(PICTURE)


def test_a_decoder_killed_twice_is_no_fault_of_the_picture(pool: DecoderPool, break_with: Break) -> None:
    break_with("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(DecoderLost):
        pool.verify(PICTURE)


def test_a_decoder_that_does_not_come_up(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_PROGRAM", "raise SystemExit(1)")
    with pytest.raises(DecoderLost):
        pool.verify(PICTURE)
    monkeypatch.undo()
    assert pool.verify(PICTURE) == FACTS


def test_a_system_without_processes_to_give(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(decoder.subprocess, "Popen", refuse)
    for start in (pool.warm, lambda: pool.verify(PICTURE)):
        with pytest.raises(DecoderLost, match="temporarily unavailable"):
            start()
    monkeypatch.undo()
    assert pool.verify(PICTURE) == FACTS


def test_a_decoder_killed_once_in_a_job_is_replaced_and_the_job_done(
    pool: DecoderPool, break_with: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_with("time.sleep(3600)")
    pool.warm()
    (first,) = pids(pool)
    monkeypatch.undo()
    with ThreadPoolExecutor() as threads:
        job = threads.submit(pool.verify, PICTURE)
        # Ready and asked, it has its alarm set; before, a death would be one at the start, retried as well.
        time.sleep(0.3)
        os.kill(first, signal.SIGKILL)
        assert job.result(timeout=60) == FACTS


def test_a_decoder_killed_while_idle_fails_nobody(pool: DecoderPool) -> None:
    for _ in range(3):
        assert pool.verify(PICTURE) == FACTS
        (pid,) = pids(pool)
        os.kill(pid, signal.SIGKILL)


def test_a_stopped_decoder_is_given_up_at_the_deadline() -> None:
    with closing(DecoderPool(Limits(), timeout=1.0)) as pool:
        pool.verify(PICTURE)
        (pid,) = pids(pool)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(DecodeTimeout):
            pool.verify(PICTURE + bytes(MiB // 2))
        assert pool.verify(PICTURE) == FACTS


def test_one_crash_fails_only_its_own_job(break_with: Break) -> None:
    crash, good = pictures.png(7, 7), pictures.png(8, 8)
    break_with(
        "return os.abort() if others[2].width == 7 else "
        "verification.Facts(others[0], others[2].width, others[2].height, 'png')"
    )
    with (
        closing(DecoderPool(Limits(), processes=2, timeout=60)) as pool,
        ThreadPoolExecutor(8) as threads,
    ):
        jobs = [threads.submit(pool.verify, crash if number % 4 == 0 else good) for number in range(24)]
        for number, job in enumerate(jobs):
            if number % 4 == 0:
                assert isinstance(job.exception(timeout=120), CorruptImage)
            else:
                assert job.result(timeout=120).width == 8


def test_a_full_queue_says_so_at_once(break_with: Break) -> None:
    break_with("time.sleep(3600)")
    with closing(DecoderPool(Limits(), processes=1, queue=0, timeout=60)) as pool:
        pool.warm()
        failure: list[BaseException] = []
        busy = threading.Thread(target=lambda: failure.append(_failure(pool)))
        busy.start()
        wait_until(lambda: pool._gate.idle == 0)
        with pytest.raises(Overloaded, match="wait for a decoder"):
            pool.verify(PICTURE)
        pool.close()
        busy.join(60)
        assert isinstance(failure[0], DecoderLost)


def _failure(pool: DecoderPool) -> BaseException:
    with pytest.raises(DecoderLost) as caught:
        pool.verify(PICTURE)
    return caught.value


def test_a_queue_that_does_not_move_says_so_in_the_end() -> None:
    with closing(DecoderPool(Limits(), processes=1, queue=1, timeout=0.2)) as pool:
        slot = pool._gate.take(Lane.PROOF, 1)
        with pytest.raises(Overloaded, match="free in time"):
            pool.verify(PICTURE)
        pool._gate.give_back(slot)


def test_a_decoder_is_free_once_it_has_answered_whenever_the_proof_is_asked_for() -> None:
    with closing(DecoderPool(Limits(), processes=1, queue=1, timeout=60)) as pool, ExitStack() as closing_all:
        proofs = [closing_all.enter_context(pool.prove(PICTURE)) for _ in range(8)]
        assert [proof.facts() for proof in proofs] == [FACTS] * 8


def test_errors_give_their_place_back() -> None:
    with closing(DecoderPool(Limits(), processes=1, queue=0, timeout=60)) as pool:
        for _ in range(5):
            with pytest.raises(CorruptImage):
                pool.verify(pictures.html_with_png_head())
        assert pool.verify(PICTURE) == FACTS


def test_what_took_a_decoder_down_is_remembered(
    pool: DecoderPool, break_with: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = Digest("0" * 64)
    break_with("os.abort()")
    with pytest.raises(CorruptImage, match="twice"):
        pool.verify(PICTURE, digest=digest)
    monkeypatch.undo()
    with pytest.raises(CorruptImage, match="twice"):
        pool.verify(PICTURE, digest=digest)
    assert pool.verify(PICTURE, digest=Digest("1" * 64)) == FACTS
    monkeypatch.setattr(poison, "POISON_SECONDS", -1.0)
    pool._poison.note(digest, CorruptImage("old"))
    assert pool.verify(PICTURE, digest=digest) == FACTS


def test_what_took_all_memory_is_remembered(
    pool: DecoderPool, break_with: Break, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = Digest("2" * 64)
    break_with("bytearray(2 * 1024 ** 3)")
    for _ in range(2):
        with pytest.raises(DecodeTimeout, match="memory"):
            pool.verify(PICTURE, digest=digest)
        monkeypatch.setattr(decoder, "_PROGRAM", "raise SystemExit(1)")
        for pid in pids(pool):
            os.kill(pid, signal.SIGKILL)


def test_a_decoder_is_followed_by_a_fresh_one(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "JOBS", 3)
    seen: set[int] = set()
    for _ in range(7):
        assert pool.verify(PICTURE) == FACTS
        seen |= pids(pool)
    assert len(seen) == 3
    wait_until(lambda: sum(alive(pid) for pid in seen) == 1)


def test_close_ends_every_process_and_every_later_call(pool: DecoderPool) -> None:
    pool.verify(PICTURE)
    (pid,) = pids(pool)
    pool.close()
    assert not alive(pid)
    pool.close()
    with pytest.raises(DecoderLost, match="closing"):
        pool.verify(PICTURE)


def test_threads_of_a_process_with_an_event_loop(pool: DecoderPool) -> None:
    async def verify_many() -> list[Facts]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(None, pool.verify, PICTURE) for _ in range(4)))

    assert asyncio.run(verify_many()) == [FACTS] * 4


# A program without a guard against being imported again, as a console script may be.
SERVICE = """
import sys, time
from imagestore.imaging import DecoderPool, Limits
from tests import pictures
from imagestore.imaging import decoder
if sys.argv[1] == "busy":
    decoder._PROGRAM = sys.argv[2]
pool = DecoderPool(Limits(), timeout=2.0)
pool.warm()
print(next(iter(pool._decoders)).pid, flush=True)
if sys.argv[1] == "idle":
    print(pool.verify(pictures.png()).width, flush=True)
    time.sleep(3600)
pool.verify(pictures.png())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_decoders_end_with_the_process_that_started_them(state: str, tmp_path: Path) -> None:
    script = tmp_path / "service"
    script.write_text(SERVICE)
    touched = tmp_path / "decoding"
    program = FAULTY.format(f"print(1, file=sys.stderr) or os.utime({str(touched)!r}) or time.sleep(3600)")
    touched.touch()
    os.utime(touched, (0, 0))
    with subprocess.Popen(
        [sys.executable, str(script), state, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as service:
        assert service.stdout is not None
        pid = int(service.stdout.readline())
        if state == "idle":
            assert service.stdout.readline() == "64\n"
        else:
            wait_until(lambda: touched.stat().st_mtime > 0)
        assert alive(pid)
        service.kill()
    wait_until(lambda: not alive(pid))

"""The pool of decoder processes, where every byte from outside is decoded, and the gate in front of it."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

from imagestore.core.errors import (
    CorruptImage,
    DecoderLost,
    DecodeTimeout,
    InvalidRequest,
    Overloaded,
    RejectedImage,
    leaves,
)
from imagestore.core.image import Digest, Facts
from imagestore.core.metrics import (
    DECODER_DEATHS,
    DECODER_JOBS,
    DECODER_SECONDS,
    DECODERS_BUSY,
    DECODERS_WAITING,
    SILENT,
    Metrics,
)
from imagestore.imaging.decoder import Decoder, Died
from imagestore.imaging.gate import Full, Gate, Lane
from imagestore.imaging.jobs import Job, verification
from imagestore.imaging.limits import Limits, MiB
from imagestore.imaging.poison import Poison
from imagestore.imaging.proof import Proof

SMALL_BYTES = MiB
"""Up to here bytes travel to the decoder over its socket; larger pictures must be in a file."""

_OUT_OF_TIME = {signal.SIGXCPU, signal.SIGALRM}
_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS}
_REJECTIONS = {leaf.code: leaf for root in (RejectedImage, InvalidRequest) for leaf in leaves(root)}

_CLOSING = "The service is closing: send the picture again in a moment."

_log = logging.getLogger(__name__)


class DecoderPool:
    """Up to `processes` decoders of `memory` bytes of address space each, started when first needed.

    Safe to call from any thread. `queue` uploads and `renders` other jobs may wait for a decoder, each for
    twice its own seconds at most; uploads go first. The proof of one has `timeout` seconds. With the one
    retry that a decoder's death allows, no call lasts longer than four times its seconds and the start of
    two processes.

    (pebble and concurrent.futures have such pools too: in the first, the death of one idle process ends the
    pool and a clock set back delays a timeout; in the second any death fails everyone's job.)
    """

    def __init__(
        self,
        limits: Limits,
        *,
        processes: int = 1,
        queue: int = 32,
        renders: int = 16,
        timeout: float = 5.0,
        memory: int = 1024 * MiB,
        metrics: Metrics = SILENT,
    ) -> None:
        self._limits = limits
        self._timeout = timeout
        self._memory = memory
        self._metrics = metrics
        self._processes = processes
        self._gate: Gate[Decoder | None] = Gate([None] * processes, {Lane.PROOF: queue, Lane.RENDER: renders})
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="decoder")
        self._poison = Poison()
        self._decoders: set[Decoder] = set()
        self._lock = threading.Lock()
        self._closed = False

    def verify(self, source: bytes | Path, *, digest: Digest | None = None) -> Facts:
        """Prove that `source` is a whole picture that this service takes, and note its facts. See `prove`."""
        with self.prove(source, digest=digest) as proof:
            facts = proof.facts()
        assert facts is not None  # it had all the time that it wanted
        return facts

    @contextmanager
    def prove(self, source: bytes | Path, *, digest: Digest | None = None) -> Iterator[Proof]:
        """Begin to prove that `source` is a whole picture that this service takes; the proof ends it.

        `source` is the bytes, up to SMALL_BYTES, or a file that stays as it is until the block ends. A
        `digest` lets what took a decoder down, or all its time or memory, be refused for a minute without
        another try, by this pool.

        Raises, here or when the proof is asked, UnsupportedFormat, CorruptImage, ImageLimitExceeded or
        DecodeTimeout for the picture; Overloaded when the queue is full or does not move; DecoderLost when
        the decoder died twice of something that is not the picture's doing.
        """
        if isinstance(source, bytes) and len(source) > SMALL_BYTES:
            raise ValueError(f"more than {SMALL_BYTES} bytes come as a file")
        job = verification(source, self._timeout, digest)
        self._poison.check(job.subject)
        with self._counted(job):
            ticket = deque([self._take(Lane.PROOF, job)])
        try:
            # In a thread of its own: a caller that writes to a slow database meanwhile is in nobody's way.
            answer = self._threads.submit(copy_context().run, self._prove, ticket, job)
        except RuntimeError as error:  # the pool is closed, or the system gives no thread
            # In that case the job is queued all the same: whoever takes the ticket has the decoder.
            with suppress(IndexError):
                self._gate.give_back(ticket.pop())
            raise DecoderLost(_CLOSING if self._closed else f"No thread is to be had: {error}.") from None
        proof = Proof(answer)
        try:
            yield proof
        finally:
            proof.settle()

    def ask(self, job: Job) -> tuple[dict[str, Any], bytes]:
        """Have a decoder do the job, and return its answer: head and body. `seconds` in the head are those of
        CPU that it took.

        Raises what the answer says is wrong (RejectedImage, InvalidRequest); DecodeTimeout for a job that
        takes too long or too much memory, and CorruptImage for one that took two decoders down, both
        remembered for a minute under the job's subject; Overloaded and DecoderLost as `prove`.
        """
        self._poison.check(job.subject)
        with self._counted(job):
            decoder = self._take(Lane.RENDER, job)
        return self._decode(decoder, job)

    @contextmanager
    def _counted(self, job: Job) -> Iterator[None]:
        """Count what ends a job early, and remember what is dear to be met again."""
        result = "lost"
        try:
            yield
            result = ""
        except _PoisonFound as found:
            result = "rejected"
            self._poison.note(job.subject, found.error)
            raise found.error from None
        except DecodeTimeout as error:  # of memory, as the decoder itself found
            result = "rejected"
            self._poison.note(job.subject, error)
            raise
        except (RejectedImage, InvalidRequest):
            result = "rejected"
            raise
        except Overloaded:
            result = "overloaded"
            raise
        finally:
            if result:
                self._metrics.count(DECODER_JOBS, result)

    def warm(self) -> None:
        """Start every decoder that is not running yet, without waiting until it is ready.

        Raises DecoderLost when the system has no process to give.
        """
        taken = self._gate.take_idle()  # whoever has the others starts them
        try:
            for number, decoder in enumerate(taken):
                taken[number] = self._running(decoder)
        finally:
            for decoder in taken:
                self._gate.give_back(decoder)

    def load(self) -> dict[str, int]:
        """How many processes there may be, how many are busy, and how many uploads and renders wait."""
        return {
            "processes": self._processes,
            "busy": self._processes - self._gate.idle,
            "waiting": self._gate.waiting(Lane.PROOF),
            "renders_waiting": self._gate.waiting(Lane.RENDER),
        }

    def close(self) -> None:
        """End every decoder at once; calls that wait for one fail with DecoderLost. Safe to call again."""
        with self._lock:
            self._closed = True
            decoders, self._decoders = self._decoders, set()
        self._threads.shutdown(wait=False)
        for decoder in decoders:
            decoder.kill()

    def _prove(self, ticket: deque[Decoder | None], job: Job) -> Facts:
        try:
            decoder = ticket.pop()
        except IndexError:
            raise DecoderLost(_CLOSING) from None
        answer, _ = self._decode(decoder, job)
        return Facts(**answer["facts"])

    def _decode(self, decoder: Decoder | None, job: Job) -> tuple[dict[str, Any], bytes]:
        """Let a decoder, or what follows one that ended, do the job; then another job may have it."""
        began = time.monotonic()
        self._metrics.count(DECODERS_BUSY, by=1)
        try:
            with self._counted(job):
                for last in (False, True):
                    decoder = self._running(decoder)
                    try:
                        answer = _checked(*decoder.ask(job.head, job.body, job.seconds))
                    except TimeoutError:
                        raise _PoisonFound(_too_long(job)) from None
                    except Died as death:
                        self._judge(death, job, last)
                    else:
                        self._metrics.count(DECODER_JOBS, "proven" if job.proves else "rendered")
                        return answer
                raise AssertionError("the second death is always judged")
        finally:
            self._metrics.count(DECODERS_BUSY, by=-1)
            self._metrics.observe(DECODER_SECONDS, time.monotonic() - began)
            self._gate.give_back(decoder)

    def _judge(self, death: Died, job: Job, last: bool) -> None:
        """Raise what a decoder's death means, unless it is worth another try."""
        self._metrics.count(DECODER_DEATHS)
        _log.warning("a decoder died: %s", death)
        if self._closed:
            raise DecoderLost(_CLOSING)
        if death.signal in _OUT_OF_TIME:
            raise _PoisonFound(_too_long(job))
        if last and death.served and (death.signal in _CRASHES or death.status > 0):
            raise _PoisonFound(CorruptImage("The picture crashed its decoder twice: save it again."))
        if last:
            raise DecoderLost("Two decoders died before they could finish: send the picture again.")

    def _take(self, lane: Lane, job: Job) -> Decoder | None:
        """The right to one decoder, until it is given back; None where none has run yet."""
        self._metrics.count(DECODERS_WAITING, by=1)
        try:
            return self._gate.take(lane, job.seconds * 2)
        except Full:
            raise Overloaded("Too many pictures wait for a decoder: try again in a moment.") from None
        except TimeoutError:
            raise Overloaded("No decoder was free in time: try again in a moment.") from None
        finally:
            self._metrics.count(DECODERS_WAITING, by=-1)

    def _running(self, decoder: Decoder | None) -> Decoder:
        """`decoder` if it can take another picture, else a fresh one in its place."""
        with self._lock:
            if self._closed:
                raise DecoderLost(_CLOSING)
            if decoder is not None and decoder.usable():
                return decoder
            try:
                fresh = Decoder(self._limits, memory=self._memory, seconds=self._timeout)
            except OSError as error:
                raise DecoderLost(f"No decoder can be started ({error}): send the picture again.") from error
            self._decoders.add(fresh)
            if decoder is not None:
                self._decoders.discard(decoder)
        if decoder is not None:
            decoder.kill()
        return fresh


class _PoisonFound(Exception):
    """`error` is the picture's own fault, and dear enough to be remembered."""

    def __init__(self, error: RejectedImage) -> None:
        super().__init__(error.message)
        self.error = error


def _checked(answer: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
    """Raises what the answer says is wrong."""
    if "code" in answer:
        raise _REJECTIONS.get(str(answer["code"]), CorruptImage)(str(answer.get("message")))
    return answer, body


def _too_long(job: Job) -> DecodeTimeout:
    what = "decode" if job.proves else "transform"
    return DecodeTimeout(f"The picture took longer to {what} than {job.seconds:g} seconds: make it simpler.")

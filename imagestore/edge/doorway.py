"""How a worker takes new connections: one at a time, and not before a worker that has fewer."""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import socket
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)

DEFERENCE_SECONDS = 0.001
"""How long a worker with more connections than the mean leaves a new one to the others."""

RETRY_SECONDS = 0.5
"""From one attempt to the next where the process has no descriptor for a connection."""

MOST_WORKERS = 512
_PLACE = 8
"""Bytes of a worker in a Crowd: its process id and its number of connections, 4 bytes each."""
_CHANGES = 2 * MOST_WORKERS
"""Behind them: a number that is another one whenever a worker has come or gone."""


class Crowd:
    """How many connections each worker has, in memory that all have in common: it is made before they fork.

    A worker has one place, by the number that gunicorn counts it by. One whose process is gone does not
    count from the next `look` on.
    """

    def __init__(self) -> None:
        self._counts = memoryview(mmap.mmap(-1, (MOST_WORKERS + 1) * _PLACE)).cast("I")
        self._others: tuple[int, ...] = ()
        self._seen = 0

    def look(self, place: int) -> None:
        """See which workers there are beside the one at `place`. Every second or so will do."""
        self._seen = self._counts[_CHANGES]
        pids = {each: self._counts[2 * each] for each in range(MOST_WORKERS) if each != place}
        self._others = tuple(each for each, pid in pids.items() if pid and _lives(pid))

    def note(self, place: int, connections: int) -> None:
        self._counts[2 * place + 1] = connections

    def join(self, place: int) -> None:
        self._counts[2 * place + 1] = 0
        self._counts[2 * place] = os.getpid()
        self._tell_change()

    def leave(self, place: int) -> None:
        self._counts[2 * place] = 0
        self._tell_change()

    def has_many(self, place: int, connections: int) -> bool:
        """Whether that is more for the worker at `place` than the mean of the others."""
        if self._counts[_CHANGES] != self._seen:
            self.look(place)
        others = self._others
        if not others:
            return False
        counts = self._counts
        return connections * len(others) > sum([counts[2 * each + 1] for each in others])

    def _tell_change(self) -> None:
        # Two at once may make one number of it; the next look mends that.
        self._counts[_CHANGES] = (self._counts[_CHANGES] + 1) % 2**32


CROWD = Crowd()


class Doorway:
    """Takes connections from a listener that several workers share.

    asyncio's servers, and uvloop's above all, take all that wait whenever one is there: the worker that wakes
    first gets nearly all of a crowd that keeps its connections, and the other cores idle. Here each round of
    the loop takes one, and a worker that has more than the others lets them go first for a millisecond.

    `count` tells how many connections this worker has, which is at `place` in the CROWD; `admit` makes the
    protocol of a new one. Closing it closes the listener in this process.
    """

    def __init__(
        self,
        listener: socket.socket,
        place: int,
        admit: Callable[[], asyncio.Protocol],
        count: Callable[[], int],
    ) -> None:
        self._listener = listener
        self._place = place
        self._admit = admit
        self._count = count
        self._loop = asyncio.get_running_loop()
        self._entering: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None
        self._deferred = False
        listener.setblocking(False)
        self._open()

    def close(self) -> None:
        if self._pause is not None:
            self._pause.cancel()
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def wait_closed(self) -> None:
        """Until those that were taken have become connections."""
        if self._entering:
            await asyncio.wait(self._entering)

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._welcome)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._open)

    def _welcome(self) -> None:
        if not self._deferred and CROWD.has_many(self._place, self._count() + len(self._entering)):
            self._deferred = True
            self._rest(DEFERENCE_SECONDS)
            return
        self._deferred = False
        try:
            connection = self._listener.accept()[0]
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another worker was first
            return
        except OSError as error:
            log.error("no connection can be taken: %s", error)
            self._rest(RETRY_SECONDS)
            return
        connection.setblocking(False)
        task = self._loop.create_task(self._enter(connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)

    async def _enter(self, connection: socket.socket) -> None:
        with suppress(OSError):  # its client is gone
            await self._loop.connect_accepted_socket(self._admit, connection)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is another user's by now
    return True

"""What is worth its room in Redis: how often a name is asked for, and the expiry that says so to Redis.

Everything up to the size limit is admitted at first sight; what stays is decided by eviction.
"""

from __future__ import annotations

import math
import threading

BASE_SECONDS = 3600.0
MIN_SECONDS = 60.0
MAX_SECONDS = 7 * 86400.0
_USUAL_BYTES = 32 * 1024
MOST_COST = 8.0
_SIZE_POWER = 0.7

MOST = 15
_ROWS = 4
_AGE_AFTER = 10
_HALVED = bytes((pair >> 1) & 0x77 for pair in range(256))


def worth_size(size: int, cost: float) -> int:
    """The size at which a blob of cost 1 is worth its room as much as this one of `size` bytes.

    `cost` is what it takes to make it anew, 1 for what is only read; it counts up to MOST_COST.
    """
    return max(1, round(size / math.pow(min(max(cost, 1.0), MOST_COST), 1 / _SIZE_POWER)))


def expiry_seconds(frequency: int, size: int) -> float:
    """How long from now a blob of `size` bytes, asked for `frequency` times lately (1 to 15), is to live.

    Redis under `volatile-ttl` evicts what expires soonest, so the expiry is a priority. This is
    Greedy-Dual-Size with Frequency (Cherkasova, "Improving WWW Proxies Performance with
    Greedy-Dual-Size-Frequency Caching Policy", HP Labs 98-69, 1998): H = L + frequency * cost / size, with
    the wall clock as L, the term that lets old values sink, the cost in the size (see `worth_size`), and size
    to the power 0.7.
    """
    worth = BASE_SECONDS * frequency / math.pow(max(size, 1) / _USUAL_BYTES, _SIZE_POWER)
    return min(max(worth, MIN_SECONDS), MAX_SECONDS)


class Sketch:
    """How often names were met lately: a count-min sketch of 4-bit counters in 4 rows, halved as it ages.

    Bounded memory: two bytes for each counter of `width` (a row's counters, even). After 10 x `width` touches
    every counter is halved (the ageing of TinyLFU: Einziger, Friedman and Manes, ACM ToS 13(4), 2017).
    Updates are conservative: only the lowest counters of a name grow. Safe to use from many threads.
    """

    def __init__(self, width: int = 65536) -> None:
        if width < 2 or width % 2:
            raise ValueError("the width of a sketch is an even number of counters")
        self._width = width
        self._rows = [bytearray(width // 2) for _ in range(_ROWS)]
        self._touches = 0
        self._lock = threading.Lock()

    def touch(self, name: str) -> int:
        """Count `name` once more and return its estimated frequency, 1 to 15."""
        # Python's own hash is keyed at random in each process, so no client can aim at collisions.
        mixed = hash(name)
        step = (mixed >> 32) | 1
        places = [(mixed + row * step) % self._width for row in range(_ROWS)]
        with self._lock:
            counts = [self._count(row, place) for row, place in enumerate(places)]
            lowest = min(counts)
            if lowest < MOST:
                for row, place in enumerate(places):
                    if counts[row] == lowest:
                        self._rows[row][place >> 1] += 1 << 4 * (place & 1)
            self._touches += 1
            if self._touches >= _AGE_AFTER * self._width:
                self._touches //= 2
                self._rows = [row.translate(_HALVED) for row in self._rows]
        return min(lowest + 1, MOST)

    def _count(self, row: int, place: int) -> int:
        return self._rows[row][place >> 1] >> 4 * (place & 1) & 0xF


class Sizes:
    """Roughly how large blobs are, by name, so that a read can renew an expiry before it knows the size.

    Noted is the size less what the cost is worth: see `worth_size`.

    One byte for each of `slots`: a quarter of a power of two. Names that share a slot overwrite each other,
    which costs priority, never correctness. One byte is written at once, so no lock is needed.
    """

    def __init__(self, slots: int = 65536) -> None:
        self._classes = bytearray(slots)

    def note(self, name: str, size: int) -> None:
        self._classes[hash(name) % len(self._classes)] = min(1 + round(4 * math.log2(max(size, 1))), 255)

    def correct(self, name: str, size: int) -> None:
        """Note the size of a blob that was just met, unless what is known may be this, less its cost."""
        known = self.recall(name)
        if known is None or not worth_size(size, MOST_COST) * 0.8 <= known <= size * 1.2:
            self.note(name, size)

    def recall(self, name: str) -> int | None:
        """The size in bytes, to about a tenth; None when none was noted."""
        known = self._classes[hash(name) % len(self._classes)]
        return round(2 ** ((known - 1) / 4)) if known else None

"""Who is asked for, and how often: pictures of many sizes, popular as Zipf's law has it."""

from __future__ import annotations

import bisect
import itertools
import random

from tests import pictures

SHAPES = ((160, 120), (320, 240), (400, 300), (640, 480))
"""All below the size of which reduced copies are kept, so that a rendition has one and the same source."""

TRANSFORMATIONS = (
    "c_fill,h_120,w_120", "w_200", "w_320", "c_fit,h_240,w_240/f_webp", "w_90", "e_grayscale,w_160",
    "a_90,w_100", "c_fill,g_center,h_64,w_64/q_60",
)  # fmt: skip
_COMMENT = 60_000


class Population:
    """Keys and their popularity; bytes for them, never the same twice."""

    def __init__(self, count: int, exponent: float, seed: int) -> None:
        self.random = random.Random(seed)
        self.keys = [f"soak/{number:05}.jpg" for number in range(count)]
        self.random.shuffle(self.keys)
        self._popularity = list(itertools.accumulate((rank + 1) ** -exponent for rank in range(count)))
        self._transformations = list(
            itertools.accumulate(1 / (rank + 1) for rank in range(len(TRANSFORMATIONS)))
        )
        self._bases = [
            pictures.jpeg(*shape, noise=noise, seed=number)
            for number, (shape, noise) in enumerate(itertools.product(SHAPES, (False, False, True)))
        ]

    def any_key(self) -> int:
        """The place of a key, each as likely as another."""
        return self.random.randrange(len(self.keys))

    def popular_key(self) -> int:
        return self._pick(self._popularity)

    def transformation(self) -> str:
        return TRANSFORMATIONS[self._pick(self._transformations)]

    def picture(self) -> bytes:
        """A JPEG of some kilobytes, or up to half a megabyte: the sizes of the web are as uneven.

        What makes it unlike all others is a comment of random bytes, since a picture of its own would cost
        whoever asks more than the service.
        """
        data = self.random.choice(self._bases)
        size = int(min(400_000, self.random.lognormvariate(9.0, 1.2)))
        filler = self.random.randbytes(max(16, size))
        for at in range(0, len(filler), _COMMENT):
            piece = filler[at : at + _COMMENT]
            data = data[:2] + b"\xff\xfe" + (len(piece) + 2).to_bytes(2, "big") + piece + data[2:]
        return data

    def _pick(self, sums: list[float]) -> int:
        return bisect.bisect_right(sums, self.random.random() * sums[-1], hi=len(sums) - 1)

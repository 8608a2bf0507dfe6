"""`python -m tests.bench.made_trace`: a trace of requests that nobody made, for examples.

Few images are asked for often and most seldom, new ones come and old ones go, and sizes are as the web's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import click

REQUESTS = 60_000
FRESH = 12
"""Each so many requests a new image appears, and is at first the one most asked for."""
_SEED = 2026


def made() -> Iterator[tuple[str, int]]:
    """Keys, and sizes in bytes."""
    chance = random.Random(_SEED)
    sizes = [_size(chance) for _ in range(8000)]
    for place in range(REQUESTS):
        if place % FRESH == 0:
            sizes.append(_size(chance))
        back = min(int(chance.paretovariate(0.45)), len(sizes))
        yield f"image-{len(sizes) - back}", sizes[-back]


def _size(chance: random.Random) -> int:
    return min(max(round(chance.lognormvariate(10.3, 1.1)), 500), 3_000_000)


@click.command()
def main() -> None:
    for key, size in made():
        click.echo(f"{key},{size}")


if __name__ == "__main__":
    main()

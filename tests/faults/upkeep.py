"""What the operator's own commands say of the database after a fault, and what they leave of it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from imagestore.library.fsck import Fsck
from imagestore.library.sweep import Sweep
from imagestore.library.upkeep import Depth, Finding, Severity, Tally
from imagestore.store.documents import Documents
from imagestore.store.inventory import Inventory
from imagestore.store.mongo import Mongo
from imagestore.store.removals import Removals
from tests.faults.site import Site

DEADLINE = 60.0
NO_GRACE = timedelta(0)
SWEEPS = 3
"""The first marks what nothing names, the next removes that, the last sees what that left."""


def findings(site: Site, depth: Depth = Depth.SIZES, *, database: str = "imagestore") -> Tally[Finding]:
    """What `imagestore fsck` finds. Nothing is under way, so that no grace is needed."""
    mongo = Mongo(site.members.url, database, write_timeout=DEADLINE, read_timeout=DEADLINE)
    try:
        return Fsck(Inventory(mongo), grace=NO_GRACE).check(depth)
    finally:
        mongo.close()


def sweep(site: Site, *, database: str = "imagestore") -> Counter[str]:
    """Let `imagestore gc` take away all that nobody can reach; what it took."""
    mongo = Mongo(site.members.url, database, write_timeout=DEADLINE, read_timeout=DEADLINE)
    taken: Counter[str] = Counter()
    try:
        for _ in range(SWEEPS):
            sweeper = Sweep(Inventory(mongo), Removals(mongo), Documents(mongo), grace=NO_GRACE)
            taken += sweeper.run().taken.counts
    finally:
        mongo.close()
    return taken


def check_and_sweep(site: Site) -> Counter[str]:
    """Prove that nothing is lost or has to be mended, and that a sweep leaves nothing to find.

    Returns what the check found before: waste, all of it.
    """
    before = findings(site)
    assert set(before.severities()) <= {Severity.WASTE}, before.listed
    sweep(site)
    after = findings(site, Depth.BYTES)
    assert not after.counts, after.listed
    return before.counts

"""Exit statuses: what each of them says, and which error ends a command with which.

0, 1, 2 and 130 mean what they mean everywhere. The others are for scripts: 3 to 5 are final until something
else changes, and 75 is EX_TEMPFAIL of sysexits.h(3head): the same command may work later.
"""

from __future__ import annotations

from collections.abc import Collection

from imagestore.core.errors import (
    BlobDamaged,
    Conflict,
    ImagestoreError,
    NotFound,
    Refused,
    Unavailable,
    WriteContention,
)

FAILED = 1
NOT_FOUND = 3
REFUSED = 4
CONFLICT = 5
UNAVAILABLE = 75
INTERRUPTED = 130
"""After Ctrl-C: 128 and the number of SIGINT, as shells say it."""

MEANINGS: dict[int, str] = {
    0: "All is well.",
    FAILED: "Something failed, or was found to be wrong; or several things failed, for different reasons.",
    2: "The command line is wrong: nothing was done.",
    NOT_FOUND: "There is no such bucket, image, version or credential.",
    REFUSED: "The service refuses the credential, or what it asks for.",
    CONFLICT: "It exists already, is not empty, or is not any more what a condition wants.",
    UNAVAILABLE: "The service or the database cannot be reached, or is too busy: try again later.",
    INTERRUPTED: "Ctrl-C.",
}

BY_ERROR: dict[type[ImagestoreError], int] = {
    ImagestoreError: FAILED,
    NotFound: NOT_FOUND,
    Refused: REFUSED,
    Conflict: CONFLICT,
    WriteContention: UNAVAILABLE,
    Unavailable: UNAVAILABLE,
    BlobDamaged: FAILED,
}
"""A class of the tree of errors speaks for all below it, unless one of those is here itself."""


def status_of(error: ImagestoreError | type[ImagestoreError]) -> int:
    kind = error if isinstance(error, type) else type(error)
    return next(BY_ERROR[each] for each in kind.__mro__ if each in BY_ERROR)


def status_of_all(statuses: Collection[int]) -> int:
    """Of a command that does many things: what all failures have in common, else FAILED; 0 for none."""
    different = set(statuses)
    if not different:
        return 0
    return different.pop() if len(different) == 1 else FAILED

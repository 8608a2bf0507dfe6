"""A table of hostile requests: what is sent, and what must come of it.

`@BASIC@`, `@KEY@`, `@EXPIRES@` and `@SIGNATURE@` in a request stand for the first credential and for a
signature that holds for `PRIVATE`. None of these requests may change anything.
"""

from __future__ import annotations

from tests.web.hostile.bodies import bodies
from tests.web.hostile.breaks import breaks
from tests.web.hostile.credentials import credentials, signatures
from tests.web.hostile.excesses import excesses
from tests.web.hostile.files import files
from tests.web.hostile.framings import framings
from tests.web.hostile.names import names
from tests.web.hostile.octets import octets
from tests.web.hostile.operators import operators
from tests.web.hostile.paths import traversals
from tests.web.hostile.rows import Row
from tests.web.hostile.transformations import transformations

GROUPS = (
    operators,
    breaks,
    traversals,
    framings,
    excesses,
    names,
    bodies,
    octets,
    signatures,
    credentials,
    files,
    transformations,
)

TABLE: dict[str, tuple[Row, ...]] = {group.__name__: tuple(group()) for group in GROUPS}

"""The signatures of a body in chunks: each is made over the one before it, the first over the request's.

Rules: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" and
"... Including Trailing Headers" of the Amazon S3 API reference.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from imagestore.access.sigv4 import ALGORITHM, Claim, sign

EMPTY = hashlib.sha256(b"").hexdigest()


class ChunkChain:
    """Begins with the signature of a request that was checked, and the key that `sigv4.check` returned."""

    def __init__(self, claim: Claim, key: bytes) -> None:
        self._key = key
        self._stamp = claim.stamp
        self._scope = claim.scope
        self._last = claim.signature

    def holds_chunk(self, digest: str, signature: str) -> bool:
        """Whether `signature` is that of the next chunk, whose bytes have the SHA-256 `digest` in hex."""
        return self._holds("PAYLOAD", f"{EMPTY}\n{digest}", signature)

    def holds_trailers(self, trailers: Iterable[tuple[str, str]], signature: str) -> bool:
        """The same for the header fields behind the last chunk, in the order in which they were sent."""
        text = "".join(f"{name}:{value}\n" for name, value in trailers)
        return self._holds("TRAILER", hashlib.sha256(text.encode("latin-1")).hexdigest(), signature)

    def _holds(self, kind: str, digests: str, signature: str) -> bool:
        text = "\n".join((f"{ALGORITHM}-{kind}", self._stamp, self._scope, self._last, digests))
        self._last = sign(self._key, text)
        return hmac.compare_digest(self._last.encode(), signature.encode("latin-1"))

"""Uploads: bytes, version and name become true together, in one transaction, once the picture is proven."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import StoreUnavailable, WriteContention
from imagestore.core.image import BlobRef, Digest, Facts, Image
from imagestore.core.streams import Spool
from imagestore.store.blobs import Blobs, Swept
from imagestore.store.documents import Documents
from imagestore.store.mongo import Mongo
from imagestore.store.naming import Naming
from imagestore.store.streamed import Streamed

TRIES = 20
PROVEN_FIRST_BYTES = 16 * 1024 * 1024
"""Beyond this, what is refused after all would cost too much to write and remove."""

PROOF_SECONDS = 0.25
"""How long an open transaction waits for the proof. A longer one is waited for outside, and written then."""

Prove = Callable[[float | None], Facts | None]
"""The facts of the picture, or None when they took longer than so many seconds (None: as long as it takes).
Raises what is wrong with the picture; may be asked again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Where some bytes are kept already, and what is known of them; None for what is not there."""

    blob: BlobRef | None
    facts: Facts | None


class Uploads:
    """Writes what is uploaded while it is being proven, and commits only what is.

    Before the commit nothing of it is there for anybody else. So the two take the time of the longer one,
    and of a picture that is refused, what was written goes again. A very large one is proven first.
    """

    def __init__(self, mongo: Mongo, blobs: Blobs, documents: Documents) -> None:
        self._mongo = mongo
        self._blobs = blobs
        self._documents = documents

    def look(self, digest: Digest) -> Kept:
        """What is there of bytes with this digest. Their facts are known if they were proven before."""
        blob = self._blobs.find(digest)
        return Kept(blob, self._documents.find_facts(digest) if blob is not None else None)

    def store(self, naming: Naming, spool: Spool, media_type: str, prove: Prove, kept: Kept) -> Image:
        """The image that the spooled bytes become; those that are `kept` already are not written again.

        When this returns, a majority of the members has them. Raises what `prove` does, PreconditionFailed,
        WriteContention, and StoreUnavailable: then the outcome is unknown, and sending it again is safe.
        """
        known = kept.blob
        for _ in range(TRIES):
            if known is not None:
                image = self._documents.publish(naming, known, _proven(prove))
            else:
                image = self._write(naming, spool, media_type, prove)
            if image is not None:
                return image
            known = self._blobs.find(spool.digest)
        raise WriteContention("Too many uploads to one key, or of the same bytes, at once: try again.")

    def keep(self, naming: Naming, draft: Streamed, facts: Facts) -> Image:
        """The object that bytes become which are written already, all but their end; discards what is not
        needed of them. Raises what `store` does, and what `also` of the naming raises."""

        def write(session: ClientSession) -> Image:
            draft.claim(session)
            draft.write(session)
            present = self._documents.look(naming, session)
            return self._documents.point(naming, present, draft.ref, facts, session)

        try:
            for _ in range(TRIES):
                known = self._blobs.find(draft.ref.digest)
                if known is not None:
                    image = self._documents.publish(naming, known, facts)
                    if image is not None:
                        draft.discard()
                        return image
                    continue
                with suppress(DuplicateKeyError):
                    return self._mongo.transact(
                        write, DuplicateKeyError, turns=naming.turns(draft.ref.digest)
                    )
        except Swept:
            raise WriteContention("The bytes were swept while they were kept: try again.") from None
        except StoreUnavailable:
            raise  # it may have been committed all the same: what is waste, a sweep finds
        except BaseException:
            draft.discard()
            raise
        draft.discard()
        raise WriteContention("Too many uploads to one key, or of the same bytes, at once: try again.")

    def _write(self, naming: Naming, spool: Spool, media_type: str, prove: Prove) -> Image | None:
        """None when another upload, or a sweep, was first: look again what there is."""
        draft = self._blobs.draft(spool, media_type)

        def write(session: ClientSession) -> Image:
            draft.claim(session)  # first: another upload of the same bytes is told soonest
            draft.write(session)
            present = self._documents.look(naming, session)
            facts = prove(PROOF_SECONDS)
            if facts is None:
                raise _Unproven
            # Last, since other uploads to the same name wait for it.
            return self._documents.point(naming, present, draft.ref, facts, session)

        turns = naming.turns(spool.digest)
        if spool.size > PROVEN_FIRST_BYTES:
            _proven(prove)
        try:
            draft.write_ahead()
            try:
                return self._mongo.transact(write, DuplicateKeyError, turns=turns)
            except _Unproven:
                _proven(prove)
                return self._mongo.transact(write, DuplicateKeyError, turns=turns)
        except StoreUnavailable:
            raise  # it may have been committed all the same: what is waste, a sweep finds
        except (DuplicateKeyError, Swept):
            draft.discard()
            return None
        except BaseException:
            draft.discard()
            raise


class _Unproven(Exception):
    """The proof takes longer than a transaction should be open."""


def _proven(prove: Prove) -> Facts:
    facts = prove(None)
    assert facts is not None  # it has all the time that it wants
    return facts

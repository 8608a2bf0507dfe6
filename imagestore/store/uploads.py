"""Uploads: bytes, version and name become true together, in one transaction, once the picture is proven."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pymongo.client_session import ClientSession
from pymongo.errors import DuplicateKeyError

from imagestore.core.errors import StoreUnavailable, WriteContention
from imagestore.core.image import Facts, Image
from imagestore.core.streams import Spool
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.drafts import Swept
from imagestore.store.mongo import Mongo
from imagestore.store.naming import Naming, Outdated, Present, Survey
from imagestore.store.streamed import Streamed

TRIES = 20
PROVEN_FIRST_BYTES = 16 * 1024 * 1024
"""Beyond this, what is refused after all would cost too much to write and remove."""

PROOF_SECONDS = 0.25
"""How long an open transaction waits for the proof. A longer one is waited for outside, and written then."""

Prove = Callable[[float | None], Facts | None]
"""The facts of the picture, or None when they took longer than so many seconds (None: as long as it takes).
Raises what is wrong with the picture; may be asked again."""


class Uploads:
    """Writes what is uploaded while it is being proven, and commits only what is.

    Before the commit nothing of it is there for anybody else. So the two take the time of the longer one,
    and of a picture that is refused, what was written goes again. A very large one is proven first.
    """

    def __init__(self, mongo: Mongo, blobs: Blobs, documents: Documents) -> None:
        self._mongo = mongo
        self._blobs = blobs
        self._documents = documents

    def store(self, naming: Naming, spool: Spool, media_type: str, prove: Prove, survey: Survey) -> Image:
        """The image that the spooled bytes become; those that are kept already are not written again.

        When this returns, a majority of the members has them. Raises what `prove` does, PreconditionFailed,
        WriteContention, and StoreUnavailable: then the outcome is unknown, and sending it again is safe.
        """
        known, seen = survey.blob, survey.present
        for _ in range(TRIES):
            if known is not None:
                image = self._documents.publish(naming, known, _proven(prove))
            else:
                image = self._write(naming, spool, media_type, prove, seen)
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

    def _write(
        self, naming: Naming, spool: Spool, media_type: str, prove: Prove, seen: Present | None
    ) -> Image | None:
        """None when another upload, or a sweep, was first: look again what there is. What was `seen` under
        the name before is believed at first."""
        draft = self._blobs.draft(spool, media_type)

        def write(session: ClientSession) -> Image:
            draft.claim(session)  # first: another upload of the same bytes is told soonest
            draft.write(session)
            present = seen or self._documents.look(naming, session)
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
            while True:
                try:
                    return self._mongo.transact(write, DuplicateKeyError, turns=turns)
                except _Unproven:
                    _proven(prove)  # it has its answer from here on
                except Outdated:
                    seen = None
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

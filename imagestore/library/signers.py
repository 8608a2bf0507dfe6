"""Who signed a delivery URL, in the way of Cloudinary's SDKs."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from imagestore.access.credentials import Secrets
from imagestore.access.policies import Action, decide
from imagestore.core.errors import Forbidden, SignatureInvalid, Unauthenticated
from imagestore.core.image import Bucket
from imagestore.core.urls import DeliveryRequest, is_signed
from imagestore.library.keyring import Keyring
from imagestore.store.registry import Registry

LIST_SECONDS = 60.0
"""How long the list of credentials is used; one that it has is asked for anew whenever it signed."""

SOONEST_SECONDS = 0.2
"""A signature that nobody on the list made may be of a new credential: so soon the list is read again."""

MOST_KNOWN = 4096
"""Signatures of which it is remembered who made them: with many credentials that is dear to find out."""


class Signers:
    """Such a URL does not say who signed it: every credential that may read the bucket is tried."""

    def __init__(self, registry: Registry, secrets: Secrets, keyring: Keyring) -> None:
        self._registry = registry
        self._secrets = secrets
        self._keyring = keyring
        self._keys: list[str] = []
        self._known: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._read = float("-inf")
        self._lock = threading.Lock()

    def check(self, wanted: DeliveryRequest, bucket: Bucket) -> None:
        """Return if a credential that reads images of the bucket signed the URL. Raises SignatureInvalid."""
        asked = (str(wanted.signature), *wanted.signed)
        known = self._known.get(asked)
        if known is not None:
            self._check_signer(known, bucket)
            return
        for oldest in (LIST_SECONDS, SOONEST_SECONDS):
            for access_key in [self._secrets.admin_key, *self._listed(oldest)]:
                if is_signed(wanted, self._secrets.secret_of(access_key)):
                    self._check_signer(access_key, bucket)
                    self._remember(asked, access_key)
                    return
        raise SignatureInvalid(
            "The URL's signature does not fit what it asks for: sign it with the secret of a credential that "
            "may read the bucket."
        )

    def _check_signer(self, access_key: str, bucket: Bucket) -> None:
        try:
            # Of images that everybody may get, too, it must be one that reads the bucket.
            decide(self._keyring.principal(access_key), Action.GET_OBJECT_ATTRIBUTES, bucket)
        except (Unauthenticated, Forbidden):
            raise SignatureInvalid(
                "The credential that signed this URL was revoked, or does not read images of this bucket."
            ) from None

    def _remember(self, asked: tuple[str, ...], access_key: str) -> None:
        with self._lock:
            self._known[asked] = access_key
            while len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)

    def _listed(self, oldest: float) -> list[str]:
        now = time.monotonic()
        with self._lock:
            if now - self._read < oldest:
                return self._keys
            self._read = now
        keys = [record.access_key for record in self._registry.list_credentials()]
        with self._lock:
            self._keys = keys
        return keys

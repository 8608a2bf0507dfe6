"""Access keys and their secrets, which are derived from the server key and stored nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


class Secrets:
    """Derives secrets from the server key: HMAC-SHA256, with a label for each purpose.

    The first credential may have a secret of its own, given by a setting.
    """

    def __init__(self, server_key: str, *, admin_key: str, admin_secret: str = "") -> None:
        if len(server_key) < 16:
            raise ValueError("IMAGESTORE_SECRET_KEY wants 16 characters or more: it guards every secret.")
        self._server_key = server_key.encode()
        self.admin_key = admin_key
        self._admin_secret = admin_secret

    def secret_of(self, access_key: str) -> str:
        """The secret that goes with an access key: 43 URL-safe characters unless set otherwise."""
        # Derived in any case: what is quicker for one access key tells that there is something about it.
        derived = base64.urlsafe_b64encode(self.derive(f"credential:{access_key}")).rstrip(b"=").decode()
        return self._admin_secret if self._admin_secret and access_key == self.admin_key else derived

    def matches(self, access_key: str, secret: str) -> bool:
        """Whether `secret` belongs to `access_key`, in constant time."""
        expected = self.secret_of(access_key).encode()
        return hmac.compare_digest(expected, secret.encode("utf-8", "surrogatepass"))

    def derive(self, label: str) -> bytes:
        """32 bytes for one purpose. Another label gives unrelated ones."""
        return hmac.new(
            self._server_key, f"imagestore:{label}".encode("utf-8", "surrogatepass"), hashlib.sha256
        ).digest()


def make_access_key() -> str:
    """18 capital letters and digits without look-alikes (90 bits), `IS` in front."""
    return "IS" + "".join(secrets.choice(_ALPHABET) for _ in range(18))


def make_server_key() -> str:
    return secrets.token_urlsafe(32)

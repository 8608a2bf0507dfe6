"""Which rate limits there are: of an address, of a credential, of its writes, and of wrong secrets."""

from __future__ import annotations

from dataclasses import dataclass

from imagestore.cache.ratelimit import RateLimiter
from imagestore.core.addresses import client_name
from imagestore.core.errors import RateLimited
from imagestore.core.metrics import RATE_LIMITED, SILENT, Metrics
from imagestore.core.rates import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often each may come; what is off is not counted."""

    address: Rate
    credential: Rate
    writes: Rate
    failures: Rate


class RateLimits:
    """Each method returns, or raises RateLimited. An address is a client's; of IPv6 its /64 counts as one.

    Wrong secrets are counted by access key and address together, so that nobody locks a credential out for
    its owner elsewhere, nor other credentials of those behind the same proxy. While that pair is shut out, no
    secret is looked at, be it right or wrong; each worker may look at one more before it knows.
    """

    def __init__(self, limiter: RateLimiter, rates: Rates, metrics: Metrics = SILENT) -> None:
        self._limiter = limiter
        self._rates = rates
        self._metrics = metrics

    def meet_address(self, address: str) -> None:
        """A request comes from `address`."""
        wait = self._limiter.count(f"address {client_name(address)}", self._rates.address)
        self._refuse("address", wait, "Too many requests from this address: send fewer.")

    def meet_credential(self, access_key: str, *, writes: bool) -> None:
        """A request comes with a credential that holds."""
        wait = self._limiter.count(f"credential {access_key}", self._rates.credential)
        self._refuse("credential", wait, "Too many requests with this credential: send fewer.")
        if writes:
            wait = self._limiter.count(f"writes {access_key}", self._rates.writes)
            self._refuse("writes", wait, "Too many writes with this credential: send fewer.")

    def meet_secret(self, address: str, access_key: str) -> None:
        """Somebody wants a secret looked at."""
        self._refuse_secrets(self._limiter.wait(_pair(address, access_key)))

    def meet_wrong_secret(self, address: str, access_key: str) -> None:
        """The secret was wrong."""
        self._refuse_secrets(self._limiter.count(_pair(address, access_key), self._rates.failures))

    def _refuse_secrets(self, wait: float) -> None:
        self._refuse("failures", wait, "Too many wrong secrets for this access key: check it and its secret.")

    def _refuse(self, limit: str, wait: float, message: str) -> None:
        if wait:
            self._metrics.count(RATE_LIMITED, limit)
            raise RateLimited(message, wait)


def _pair(address: str, access_key: str) -> str:
    return f"failures {client_name(address)} {access_key}"

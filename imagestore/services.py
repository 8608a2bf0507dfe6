"""Opens and closes the wings, in order: the one place where parts meet."""

from __future__ import annotations

from pathlib import Path

from imagestore.access.credentials import Secrets
from imagestore.cache.ratelimit import RateLimiter
from imagestore.cache.tier import Tier
from imagestore.core.metrics import Metrics
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.limits import Limits
from imagestore.library.aliases import Aliases
from imagestore.library.catalog import Catalog
from imagestore.library.fetch import Fetch
from imagestore.library.ingest import Ingest, Room
from imagestore.library.keyring import Keyring
from imagestore.library.ratelimits import RateLimits, Rates
from imagestore.library.warmup import Warmup
from imagestore.settings import Settings
from imagestore.store.blobs import Blobs
from imagestore.store.documents import Documents
from imagestore.store.mongo import Mongo
from imagestore.store.registry import Registry
from imagestore.store.uploads import Uploads

LONGEST_READ = 600.0
"""Seconds: a reader that sits longer on what it read from MongoDB may put an old alias back."""


SPARE_CONNECTIONS = 8
"""To Redis, beyond one for each thread that serves requests: for readiness, and for what runs beside them."""


class Services:
    """Everything that a face needs, opened from settings that name real servers. One in each worker."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.spool = _spool_directory(settings)
        self.metrics = Metrics(enabled=settings.metrics != "off")
        secrets = Secrets(
            settings.secret_key, admin_key=settings.admin_key, admin_secret=settings.admin_secret
        )
        self.mongo = Mongo(
            settings.mongo_url,
            settings.mongo_database,
            write_timeout=settings.store_timeout,
            read_timeout=settings.read_timeout,
        )
        self.tier = _open_tier(settings, secrets.derive("cache"), self.metrics)
        self.decoders = DecoderPool(
            Limits(pixels=settings.image_pixels, side=settings.image_side, frames=settings.image_frames),
            processes=settings.decoders,
            queue=settings.decode_queue,
            timeout=settings.decode_timeout,
            memory=settings.decode_bytes,
            metrics=self.metrics,
        )
        documents, registry = Documents(self.mongo), Registry(self.mongo)
        blobs = Blobs(self.mongo, self.metrics)
        aliases = Aliases(self.tier, settings.alias_ttl, settings.stale_ttl)
        self.catalog = Catalog(documents, registry, aliases)
        self.keyring = Keyring(registry, secrets, aliases)
        self.fetch = Fetch(documents, registry, blobs, self.tier, aliases, self.metrics)
        self.ingest = Ingest(
            documents,
            registry,
            Uploads(self.mongo, blobs, documents),
            self.decoders,
            aliases,
            room=Room(settings.upload_bytes, self.spool),
            metrics=self.metrics,
        )
        self.rate_limits = _rate_limits(settings, self.tier, self.metrics)
        self.warmup = Warmup(documents, self.fetch, self.tier, aliases)

    def close(self) -> None:
        self.decoders.close()
        self.tier.close()
        self.mongo.close()


def _open_tier(settings: Settings, integrity_key: bytes, metrics: Metrics) -> Tier:
    return Tier(
        settings.redis_url,
        timeout=settings.redis_timeout,
        value_bytes=settings.cache_value_bytes,
        integrity_key=integrity_key,
        fence_seconds=settings.alias_ttl + LONGEST_READ,
        connections=settings.threads + SPARE_CONNECTIONS,
        metrics=metrics,
    )


def _rate_limits(settings: Settings, tier: Tier, metrics: Metrics) -> RateLimits:
    rates = Rates(
        address=settings.rate_limit_address,
        credential=settings.rate_limit_credential,
        writes=settings.rate_limit_writes,
        failures=settings.rate_limit_failures,
    )
    return RateLimits(RateLimiter(tier), rates, metrics)


def _spool_directory(settings: Settings) -> Path:
    """Where uploads in progress lie: a folder of its own, so what a crash leaves is known for what it is."""
    directory = settings.data / "spool"
    directory.mkdir(parents=True, exist_ok=True)
    return directory

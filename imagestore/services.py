"""Opens and closes the wings, in order: the one place where parts meet."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from imagestore import __version__
from imagestore.access.credentials import Secrets
from imagestore.cache.answers import Answers
from imagestore.cache.bulletin import Bulletin
from imagestore.cache.generations import Generations
from imagestore.cache.hottest import Hottest
from imagestore.cache.ratelimit import RateLimiter
from imagestore.cache.tier import Tier
from imagestore.cache.variants import Variants
from imagestore.core.metrics import Metrics
from imagestore.core.traces import open_tracer
from imagestore.imaging.decoders import DecoderPool
from imagestore.imaging.limits import Limits
from imagestore.library.alerts import Alerts
from imagestore.library.aliases import Aliases
from imagestore.library.catalog import Catalog
from imagestore.library.completion import Stock
from imagestore.library.deletions import Deletions
from imagestore.library.descriptions import Descriptions
from imagestore.library.fetch import RENDERING_REVISION, Fetch
from imagestore.library.fsck import Fsck
from imagestore.library.ingest import Ingest, Room
from imagestore.library.keyring import Keyring
from imagestore.library.lifecycle import Lifecycle
from imagestore.library.listing import Listing
from imagestore.library.multipart import Multipart
from imagestore.library.objects import Objects
from imagestore.library.plans import Plans
from imagestore.library.proofs import Proofs, Workbench
from imagestore.library.purge import Purge
from imagestore.library.purgehook import PurgeHook, Receiver
from imagestore.library.ratelimits import RateLimits, Rates
from imagestore.library.reading import Reader
from imagestore.library.renditions import Renderer
from imagestore.library.repeats import Repeats
from imagestore.library.rounds import LEASE_SECONDS, Parts, Rounds, Schedule
from imagestore.library.shelf import Shelf
from imagestore.library.signers import Signers
from imagestore.library.sources import Sources
from imagestore.library.surveyor import Surveyor
from imagestore.library.sweep import Sweep
from imagestore.library.transformations import NamedTransformations
from imagestore.library.warmrenditions import RenditionWarmup
from imagestore.library.warmup import Warmup
from imagestore.library.webhook import Webhook
from imagestore.settings import Settings
from imagestore.store.blobs import Blobs
from imagestore.store.census import Census
from imagestore.store.diary import Diary
from imagestore.store.disks import Disks
from imagestore.store.documents import Documents
from imagestore.store.histories import Histories
from imagestore.store.inventory import Inventory
from imagestore.store.leases import Lease
from imagestore.store.listings import Listings
from imagestore.store.mongo import Mongo
from imagestore.store.objects import Objects as Stored
from imagestore.store.partwise import Partwise
from imagestore.store.registry import Registry
from imagestore.store.removals import Removals
from imagestore.store.renditions import Renditions
from imagestore.store.transformations import Transformations
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
        self.hottest = Hottest(settings.data / "hottest" if settings.metrics != "off" else None)
        self.tracer = open_tracer()
        keys = _keys(settings)
        self.mongo = _open_mongo(settings)
        self.tier = _open_tier(settings, keys.derive("cache"), self.metrics)
        self.decoders = _open_decoders(settings, self.metrics)
        documents, registry = Documents(self.mongo), Registry(self.mongo)
        kept = Renditions(self.mongo)
        blobs = Blobs(self.mongo, self.metrics)
        self.generations = open_generations(settings)
        self.bulletin = Bulletin(self.tier, self.generations, settings.redis_url)
        self.hook = open_hook(settings, self.metrics)
        aliases = Aliases(self.tier, self.bulletin, settings.alias_ttl, settings.stale_ttl, self.hook)
        self.diary = Diary(self.mongo)
        self.transformations = NamedTransformations(Transformations(self.mongo), aliases)
        self.purge = Purge(documents, aliases, kept, Variants(self.tier))
        self.catalog = Catalog(documents, registry, aliases, self.transformations, self.purge)
        self.keyring = Keyring(registry, keys, aliases)
        self.signers = Signers(registry, keys, self.keyring)
        self.fetch = Fetch(documents, registry, blobs, self.tier, aliases, self.metrics)
        self.plans = Plans(self.fetch, self.transformations, documents)
        self.descriptions, self.renderer = self._open_renderer(blobs, kept)
        uploads = Uploads(self.mongo, blobs, documents)
        room = Room(settings.upload_bytes, self.spool, settings.object_bytes)
        self.ingest = Ingest(
            documents, registry, uploads, self.decoders, aliases, room=room, metrics=self.metrics
        )
        stored, repeats = Stored(self.mongo, documents), Repeats(documents, aliases)
        deletions = Deletions(stored, aliases, self.purge, repeats)
        self.objects = Objects(stored, documents, self.ingest, blobs, aliases, deletions)
        stock = Stock(Partwise(self.mongo), uploads, documents, blobs, self.ingest, room, repeats)
        self.multipart = Multipart(stock)
        self.listing = Listing(Listings(self.mongo))
        self.rate_limits = _rate_limits(settings, self.tier, self.metrics)
        self.warmup = Warmup(documents, self.fetch, self.tier, aliases)
        self.rendition_warmup = RenditionWarmup(self.fetch, self.plans, self.renderer, self.tier)

    def open_answers(self) -> Answers:
        """Whole answers in Redis, for an event loop, in which whoever opens them closes them."""
        settings = self.settings
        stamp = f"{__version__}.{RENDERING_REVISION}.{settings.surrogate_headers}"
        return Answers(self.tier, settings.redis_url, timeout=settings.redis_timeout, stamp=stamp)

    def _open_renderer(self, blobs: Blobs, kept: Renditions) -> tuple[Descriptions, Renderer]:
        settings = self.settings
        bench = Workbench(
            blobs=blobs,
            sources=Sources(self.spool, settings.source_bytes),
            decoders=self.decoders,
            seconds=settings.render_timeout,
            most_bytes=settings.rendition_bytes,
        )
        shelf = Shelf(self.tier, kept if settings.renditions_bytes else None)
        proofs = Proofs(bench, shelf, self.tier, settings.proof_pixels)
        descriptions = Descriptions(bench, shelf, self.tier)
        most = settings.render_queue + settings.decoders
        return descriptions, Renderer(
            bench, shelf, self.tier, proofs, descriptions, most=most, metrics=self.metrics
        )

    def close(self) -> None:
        self.hottest.close()
        if self.hook is not None:
            self.hook.close()
        self.decoders.close()
        self.renderer.close()
        self.tier.close()
        self.mongo.close()
        self.tracer.close()


UPKEEP_TIMEOUT = 20.0
"""Seconds for one query of upkeep: nobody waits for these as for a picture, and they may read a cold disk."""


@contextmanager
def open_rounds(settings: Settings, metrics: Metrics) -> Iterator[Rounds]:
    """The scheduled upkeep, with connections of its own."""
    mongo = Mongo(
        settings.mongo_url,
        settings.mongo_database,
        write_timeout=UPKEEP_TIMEOUT,
        read_timeout=UPKEEP_TIMEOUT,
    )
    tier = _open_tier(settings, _keys(settings).derive("cache"), metrics)
    hook = open_hook(settings, metrics)
    inventory, diary = Inventory(mongo), Diary(mongo)
    grace = timedelta(seconds=settings.upkeep_grace)
    fsck = Fsck(inventory, grace=grace)
    post = Webhook(settings.alert_webhook, metrics).post if settings.alert_webhook else None
    owner = f"{socket.gethostname()} {os.getpid()} {secrets.token_hex(4)}"
    parts = Parts(
        surveyor=Surveyor(Census(mongo), Disks(settings.mongo_url, settings.mongo_database), diary),
        sweep=Sweep(inventory, Removals(mongo), Documents(mongo), grace=grace),
        lifecycle=_open_lifecycle(settings, mongo, tier, hook),
        renditions=Renditions(mongo),
        fsck=fsck,
        reader=Reader(fsck, diary, "reading"),
        alerts=Alerts(settings.alert_disk_used, settings.alert_days_left, post, settings.public_url),
        diary=diary,
        lease=Lease(mongo, "lease", owner=owner, seconds=LEASE_SECONDS),
        metrics=metrics,
    )
    schedule = Schedule(
        interval=timedelta(seconds=settings.upkeep_interval),
        rate=settings.upkeep_rate,
        byte_rate=settings.upkeep_read_bytes,
        renditions_bytes=settings.renditions_bytes,
    )
    try:
        yield Rounds(parts, schedule)
    finally:
        if hook is not None:
            hook.close()
        tier.close()
        mongo.close()


def _open_lifecycle(settings: Settings, mongo: Mongo, tier: Tier, hook: PurgeHook | None) -> Lifecycle:
    documents = Documents(mongo)
    bulletin = Bulletin(tier, open_generations(settings), settings.redis_url)
    aliases = Aliases(tier, bulletin, settings.alias_ttl, settings.stale_ttl, hook)
    purge = Purge(documents, aliases, Renditions(mongo), Variants(tier))
    deletions = Deletions(Stored(mongo, documents), aliases, purge, Repeats(documents, aliases))
    return Lifecycle(
        Registry(mongo), Histories(mongo), Partwise(mongo), deletions, settings.lifecycle_day_seconds
    )


def _keys(settings: Settings) -> Secrets:
    return Secrets(settings.secret_key, admin_key=settings.admin_key, admin_secret=settings.admin_secret)


def _open_mongo(settings: Settings) -> Mongo:
    return Mongo(
        settings.mongo_url,
        settings.mongo_database,
        write_timeout=settings.store_timeout,
        read_timeout=settings.read_timeout,
    )


def _open_decoders(settings: Settings, metrics: Metrics) -> DecoderPool:
    return DecoderPool(
        Limits(pixels=settings.image_pixels, side=settings.image_side, frames=settings.image_frames),
        processes=settings.decoders,
        queue=settings.decode_queue,
        renders=settings.render_queue,
        timeout=settings.decode_timeout,
        memory=settings.decode_bytes,
        metrics=metrics,
    )


def open_generations(settings: Settings) -> Generations:
    """What the processes with this data folder tell each other of changes."""
    settings.data.mkdir(parents=True, exist_ok=True)
    return Generations(settings.data / "generations")


def open_hook(settings: Settings, metrics: Metrics) -> PurgeHook | None:
    """Who closes it waits for what is still to be told."""
    if not settings.purge_hook:
        return None
    receiver = Receiver(
        settings.purge_hook,
        settings.purge_hook_form,
        settings.purge_hook_token,
        settings.purge_hook_headers,
    )
    return PurgeHook(receiver, metrics)


def _open_tier(settings: Settings, integrity_key: bytes, metrics: Metrics) -> Tier:
    tier = Tier(
        settings.redis_url,
        timeout=settings.redis_timeout,
        value_bytes=settings.cache_value_bytes,
        integrity_key=integrity_key,
        fence_seconds=settings.alias_ttl + LONGEST_READ,
        connections=settings.threads + SPARE_CONNECTIONS,
        metrics=metrics,
    )
    tier.eviction.want(settings.redis_eviction)
    return tier


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

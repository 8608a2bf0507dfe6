"""Every setting: its environment name, default, meaning and form, in one table.

This file is longer than 300 lines because that table is one class.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from imagestore.core.addresses import HostNames, Networks
from imagestore.core.forms import (
    address,
    address_or_off,
    choice,
    http_url,
    integer,
    mongo_url,
    redis_url,
    region,
    seconds,
)
from imagestore.core.purges import HookHeaders, hook_token
from imagestore.core.rates import Rate
from imagestore.core.surrogates import SurrogateFields
from imagestore.core.thresholds import Thresholds
from imagestore.settings.variables import environment_name, read_fields, setting

KiB = 1024
MiB = 1024 * KiB
DAY = 86400

_DATA = Path(".imagestore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings. Sizes are bytes, times are seconds. `Settings.load()` reads them from the environment."""

    # service
    bind: str = setting(
        "service", "127.0.0.1:8000", address, "Where the HTTP service listens; port 0 takes a free one."
    )
    s3_bind: str = setting(
        "service",
        "127.0.0.1:9000",
        address_or_off,
        "Where the S3 door listens; port 0 takes a free one, off does without it.",
    )
    s3_domains: HostNames = setting(
        "service",
        HostNames.parse("localhost"),
        HostNames.parse,
        "Names of the S3 door, of which bucket.name is a bucket's (virtual-host style), with commas.",
    )
    region: str = setting("service", "us-east-1", region, "The region that S3's clients sign for.")
    workers: int = setting("service", 2, integer(1, 256), "Worker processes.")
    threads: int = setting("service", 64, integer(1, 512), "Threads for requests in each worker.")
    public_url: str = setting(
        "service",
        "",
        str,
        "Base of the URLs in answers, such as https://img.example.com. Empty: the request's own.",
    )
    secret_key: str = setting(
        "service",
        "",
        str,
        "The server key, from which secrets are derived; the same on every node. "
        "Empty: one is made and kept in the data folder.",
        secret=True,
    )
    admin_key: str = setting(
        "service",
        "",
        str,
        "Access key of the first credential, which may do everything. "
        "Empty: made at the first start and printed once.",
    )
    admin_secret: str = setting(
        "service",
        "",
        str,
        "Secret of the first credential. Empty: derived from the server key.",
        secret=True,
    )
    log_level: str = setting(
        "service", "info", choice("debug", "info", "warning", "error"), "debug, info, warning or error."
    )
    log_format: Literal["text", "json"] = setting(
        "service", "text", choice("text", "json"), "text, or json for one object a line."
    )
    access_log: str = setting(
        "service", "off", choice("on", "off"), "Whether each request gets a line in the log: on or off."
    )
    audit_log: str = setting(
        "service", "on", choice("on", "off"), "Whether each write gets a line in the log: on or off."
    )
    metrics: str = setting(
        "service",
        "admin",
        choice("public", "admin", "off"),
        "Who may read /metrics: public (everybody), admin (a credential with the admin scope), "
        "or off (nothing is counted).",
    )
    allowed_hosts: HostNames = setting(
        "service",
        HostNames(),
        HostNames.parse,
        "Names by which the service may be called, separated by commas; .example.com stands for itself and "
        "all below it. Other Hosts get 421. Empty: any.",
    )
    # store
    mongo_url: str = setting(
        "store",
        "",
        mongo_url,
        "MongoDB to use (a replica set, of one member at least). Empty: a private embedded mongod.",
        secret=True,
    )
    mongo_database: str = setting("store", "imagestore", str, "Database that holds everything.")
    store_timeout: float = setting(
        "store", 8.0, seconds(0.1, 300), "Longest that one upload may wait for MongoDB."
    )
    read_timeout: float = setting(
        "store", 3.0, seconds(0.1, 300), "Longest that one read from MongoDB may wait."
    )
    # cache
    redis_url: str = setting(
        "cache",
        "",
        redis_url,
        "Redis to use; a Redis Cluster is `redis+cluster://HOST:PORT,HOST:PORT`, what Redis Sentinel watches "
        "`redis+sentinel://HOST:PORT,HOST:PORT/NAME`. Empty: a private embedded redis-server. `none` runs "
        "without a cache.",
        secret=True,
    )
    redis_timeout: float = setting(
        "cache",
        0.05,
        seconds(0.001, 10),
        "Longest that one call of Redis may take before it counts as a miss.",
    )
    redis_eviction: Literal["auto", "expiry", "server"] = setting(
        "cache",
        "auto",
        choice("auto", "expiry", "server"),
        "Who decides what stays in a full Redis: expiry (this service, by frequency, cost and size), server "
        "(its own maxmemory-policy), or auto: the service if the policy is volatile-ttl, as it should be.",
    )
    cache_value_bytes: int = setting(
        "cache",
        MiB,
        integer(0, MiB),
        "Largest blob that is kept in Redis, 1 MiB at most; larger ones stream from GridFS.",
    )
    alias_ttl: float = setting(
        "cache",
        60.0,
        seconds(1, 86400),
        "Longest that a name may be answered from Redis without a look into MongoDB.",
    )
    stale_ttl: float = setting(
        "cache",
        86400.0,
        seconds(0, 86400),
        "How much longer that may be while MongoDB cannot be asked; 0 for never.",
    )
    warm_start: int = setting(
        "cache",
        0,
        integer(0, 1000),
        "So many of the URLs that were asked for most before are asked for again when the service starts; 0 "
        "for none.",
    )
    # imaging
    upload_bytes: int = setting("imaging", 64 * MiB, integer(KiB, 4096 * MiB), "Largest upload of a picture.")
    object_bytes: int = setting(
        "imaging",
        5 * 1024 * MiB,
        integer(KiB, 1024 * 1024 * MiB),
        "Largest upload of what is kept as it is, and largest part of one in parts.",
    )
    image_pixels: int = setting(
        "imaging", 50_000_000, integer(1, 10**9), "Most pixels of a picture, summed over its frames."
    )
    image_side: int = setting("imaging", 16_384, integer(1, 65_535), "Longest side of a picture, in pixels.")
    image_frames: int = setting("imaging", 500, integer(1, 100_000), "Most frames of an animation.")
    decoders: int = setting("imaging", 1, integer(1, 64), "Decoder processes in each worker.")
    decode_queue: int = setting(
        "imaging",
        48,
        integer(1, 10_000),
        "Pictures that may wait for a decoder in each worker; more get 503. Keep it below the threads.",
    )
    decode_timeout: float = setting(
        "imaging", 5.0, seconds(0.1, 600), "Longest that decoding one picture may take."
    )
    decode_bytes: int = setting(
        "imaging", 1024 * MiB, integer(128 * MiB, 64 * 1024 * MiB), "Address space of a decoder process."
    )
    render_queue: int = setting(
        "imaging",
        16,
        integer(1, 10_000),
        "Renditions that may be made or wait for a decoder in each worker; more get 503.",
    )
    render_timeout: float = setting(
        "imaging", 10.0, seconds(0.1, 600), "Longest that making one rendition may take."
    )
    rendition_bytes: int = setting(
        "imaging", 16 * MiB, integer(KiB, 64 * MiB), "Largest rendition; one that gets larger is refused."
    )
    renditions_bytes: int = setting(
        "imaging",
        10 * 1024 * MiB,
        integer(0, 1024**5),
        "Renditions that were dear to make are kept in MongoDB, up to so many bytes in all; 0 for none.",
    )
    source_bytes: int = setting(
        "imaging",
        256 * MiB,
        integer(0, 1024**4),
        "Originals that each worker keeps at hand in its spool folder, while renditions are made of them.",
    )
    proof_pixels: int = setting(
        "imaging",
        1_000_000,
        integer(0, 10**9),
        "Of an original with more pixels reduced copies are kept, from which smaller renditions are made; "
        "0 for never.",
    )
    # edge
    header_timeout: float = setting(
        "edge", 10.0, seconds(0.1, 600), "A request's head must arrive within this time."
    )
    body_timeout: float = setting(
        "edge",
        20.0,
        seconds(0.1, 600),
        "Longest silence while a body arrives; a whole body gets this plus a second for each 16 KiB.",
    )
    send_timeout: float = setting(
        "edge", 20.0, seconds(0.1, 600), "Longest that a client may take for the next 64 KiB of an answer."
    )
    keepalive: int = setting("edge", 15, integer(1, 3600), "Seconds that an idle connection is kept.")
    connections: int = setting(
        "edge", 4096, integer(1, 1_000_000), "Connections at once in each worker; more get 503."
    )
    edge: str = setting(
        "edge",
        "on",
        choice("on", "off"),
        "Whether workers answer from memory, and from Redis, without the application: on or off.",
    )
    edge_bytes: int = setting(
        "edge",
        64 * MiB,
        integer(0, 1024**4),
        "Answers that each worker keeps in its memory, up to 256 KiB each; 0 for none.",
    )
    edge_ttl: float = setting(
        "edge",
        10.0,
        seconds(0, 3600),
        "Longest that an answer is sent from memory without a look at what it was made of, which matters "
        "where the word of another node's change is lost.",
    )
    trusted_proxies: Networks = setting(
        "edge",
        Networks(),
        Networks.parse,
        "Addresses and networks of the proxies in front, separated by commas: what they say in "
        "X-Forwarded-For, -Proto and -Host counts. Empty: nobody's does.",
    )
    # limits
    rate_limit_address: Rate = setting(
        "limits",
        Rate(),
        Rate.parse,
        "Requests from one client address (of IPv6, from one /64), such as 600/minute, or off; more get 429.",
    )
    rate_limit_credential: Rate = setting(
        "limits",
        Rate(),
        Rate.parse,
        "Requests with one credential, such as 600/minute, or off; more get 429.",
    )
    rate_limit_writes: Rate = setting(
        "limits",
        Rate(),
        Rate.parse,
        "Uploads, changes and deletions with one credential, such as 60/minute, or off; more get 429.",
    )
    rate_limit_failures: Rate = setting(
        "limits",
        Rate(30, "minute"),
        Rate.parse,
        "Wrong secrets for one access key from one client address, or off; then 429 whatever the secret.",
    )
    # embedded
    data: Path = setting(
        "embedded",
        _DATA,
        Path,
        "Folder of the embedded servers' files, the made keys and the uploads in progress.",
    )
    mongod: str = setting(
        "embedded", "", str, "The mongod to run. Empty: from PATH, else from the `embedded` extra."
    )
    redis_server: str = setting(
        "embedded",
        "",
        str,
        "The redis-server or valkey-server to run. Empty: from PATH, else from the `embedded` extra.",
    )
    mongo_port: int = setting(
        "embedded", 0, integer(0, 65535), "Port of the embedded mongod; 0 takes a free one."
    )
    redis_port: int = setting(
        "embedded", 0, integer(0, 65535), "Port of the embedded redis-server; 0 takes a free one."
    )
    redis_bytes: int = setting(
        "embedded", 256 * MiB, integer(MiB, 1024**4), "`maxmemory` of the embedded redis-server."
    )
    # shared caches
    surrogate_headers: SurrogateFields = setting(
        "shared caches",
        SurrogateFields(),
        SurrogateFields.parse,
        "Fields in which answers name what they depend on, so that a shared cache drops them by it: "
        "Surrogate-Key, xkey, Cache-Tag, Edge-Cache-Tag, separated by commas. Empty: none.",
    )
    purge_hook: str = setting(
        "shared caches",
        "",
        http_url,
        "URL of a shared cache that is told what to drop after every change; {key} in it stands for one key, "
        "{keys} for some, separated by commas. Empty: nobody is told.",
        secret=True,
    )
    purge_hook_form: Literal["json", "fastly", "cloudflare", "varnish"] = setting(
        "shared caches",
        "json",
        choice("json", "fastly", "cloudflare", "varnish"),
        "How it is told: json (signed with the token), fastly, cloudflare, or varnish (PURGE with xkey).",
    )
    purge_hook_token: str = setting(
        "shared caches", "", hook_token, "What the cache knows this service by. Empty: nothing.", secret=True
    )
    purge_hook_headers: HookHeaders = setting(
        "shared caches",
        HookHeaders(),
        HookHeaders.parse,
        "More header fields for it, as a JSON object of names and values.",
        secret=True,
    )
    # upkeep
    upkeep: str = setting(
        "upkeep",
        "on",
        choice("on", "off"),
        "Whether this node takes its turn at scheduled upkeep: on or off.",
    )
    upkeep_interval: float = setting(
        "upkeep",
        3600.0,
        seconds(1, 30 * DAY),
        "From one sweep, quick check or look at the disks to the next.",
    )
    upkeep_grace: float = setting(
        "upkeep", 3600.0, seconds(0, 365 * DAY), "What is younger may be in use, and is let be by the sweep."
    )
    lifecycle_day_seconds: float = setting(
        "upkeep",
        float(DAY),
        seconds(1, DAY),
        "Length of a day of lifecycle rules. Less than a real one is for trying rules out.",
    )
    upkeep_rate: int = setting(
        "upkeep", 1000, integer(1, 10**9), "Documents a second that scheduled upkeep looks at or removes."
    )
    upkeep_read_bytes: int = setting(
        "upkeep",
        8 * MiB,
        integer(0, 1024**4),
        "Bytes of images a second that the check of everything stored reads; 0 for no such check.",
    )
    alert_disk_used: Thresholds = setting(
        "upkeep",
        Thresholds(80, 90),
        Thresholds.parse,
        "Percent of a disk under MongoDB that are used: for a warning, and critical; or off.",
    )
    alert_days_left: Thresholds = setting(
        "upkeep", Thresholds(30, 7), Thresholds.parse, "Days until such a disk is full: the same."
    )
    alert_webhook: str = setting(
        "upkeep",
        "",
        http_url,
        "URL that gets a POST of JSON for each level that is reached or left. Empty: nobody is told.",
        secret=True,
    )
    # client
    url: str = setting(
        "client",
        "",
        str,
        "Service that the command line talks to. Empty: what `imagestore serve` noted in the data folder.",
    )
    access_key: str = setting(
        "client", "", str, "Access key that the command line uses. Empty: the noted one."
    )
    access_secret: str = setting("client", "", str, "Secret that goes with it.", secret=True)

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the environment. Raises InvalidSetting for a bad value, and for a name that means nothing.

        A secret may be given by the name of a file that holds it: see `variables`.
        """
        return cls(**read_fields(fields(cls), os.environ if environment is None else environment))

    def environment(self) -> dict[str, str]:
        """These settings as environment variables: `Settings.load` of it gives equal settings."""
        return {
            environment_name(each): str(getattr(self, each.name))
            for each in fields(self)
            if getattr(self, each.name) != each.default
        }

"""Every metric of the service in one table, and the counters behind it.

The counters are the Prometheus client library's. Within `imagestore serve` each worker keeps its own in
memory-mapped files, whose folder PROMETHEUS_MULTIPROC_DIR names, and an answer to a scraper adds up all of
them; elsewhere they are in memory. That library's mapped files are the only input and output on this floor.

This file is longer than 300 lines because every metric stands in its one table.
"""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass
from typing import Any, Literal

from imagestore import __version__
from imagestore.core.metrics_files import FOLDER_VARIABLE, allocate, locked

log = logging.getLogger(__name__)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, in the version that every scraper reads."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FILE_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `values` are those of its only label, where they are known from the start."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    labels: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


HTTP_REQUESTS = Metric(
    "imagestore_http_requests_total",
    "counter",
    "Requests answered by the application, by face, method and class of status.",
    ("face", "method", "status"),
)
HTTP_SECONDS = Metric(
    "imagestore_http_request_duration_seconds",
    "histogram",
    "Seconds until the first bytes of the answer were in hand; the client's pace is not in it.",
    ("face",),
    ("rest", "delivery", "ops", "other"),
    SECONDS,
)
HTTP_ERRORS = Metric(
    "imagestore_http_errors_total", "counter", "Error answers of the application, by error code.", ("code",)
)
FETCHES = Metric(
    "imagestore_fetch_total",
    "counter",
    "Blobs opened for an answer: found in Redis, waited for, made from GridFS, or streamed past Redis.",
    ("outcome",),
    ("hit", "wait", "make", "bypass"),
)
FETCH_BYTES = Metric(
    "imagestore_fetch_bytes_total",
    "counter",
    "Bytes of images that answers set out to send, by where they came from.",
    ("outcome",),
    ("hit", "wait", "make", "bypass"),
)
GRIDFS_READS = Metric(
    "imagestore_gridfs_reads_total", "counter", "Blobs, or ranges of them, read from GridFS."
)
GRIDFS_BYTES = Metric("imagestore_gridfs_read_bytes_total", "counter", "Bytes of chunks read from GridFS.")
BLOB_DAMAGE = Metric(
    "imagestore_blob_damage_total", "counter", "Reads that met stored bytes that were changed or missing."
)
UPLOADS = Metric(
    "imagestore_uploads_total",
    "counter",
    "Uploads: stored as a new version, known already, refused for what was sent, or failed on our side.",
    ("result",),
    ("stored", "known", "refused", "failed"),
)
UPLOAD_BYTES = Metric(
    "imagestore_upload_bytes_total", "counter", "Bytes of pictures that were taken in whole."
)
REDIS_EVENTS = Metric(
    "imagestore_redis_events_total",
    "counter",
    "What came of asking Redis: found or not, failed calls, calls not made as the breaker was open, "
    "bad values, values kept and not kept.",
    ("event",),
    ("hits", "misses", "errors", "shunned", "corrupt", "stored", "skipped"),
)
REDIS_BREAKER = Metric("imagestore_redis_breaker_open", "gauge", "Workers that leave Redis alone for now.")
DECODER_JOBS = Metric(
    "imagestore_decoder_jobs_total",
    "counter",
    "Jobs of the decoders: uploads proven, renditions made, rejected, not taken for want of room, "
    "or lost with a decoder.",
    ("result",),
    ("proven", "rendered", "rejected", "overloaded", "lost"),
)
DECODER_SECONDS = Metric(
    "imagestore_decoder_job_seconds",
    "histogram",
    "Seconds that a job had a decoder, the start of a process included.",
    buckets=SECONDS,
)
RENDITIONS = Metric(
    "imagestore_renditions_total",
    "counter",
    "Renditions for an answer: found in Redis, kept in GridFS, waited for, or made.",
    ("origin",),
    ("hit", "kept", "wait", "make"),
)
RENDER_SECONDS = Metric(
    "imagestore_render_seconds",
    "histogram",
    "Seconds that making a rendition took, the wait for a decoder and the reading of originals included.",
    buckets=SECONDS,
)
DECODER_DEATHS = Metric("imagestore_decoder_deaths_total", "counter", "Decoder processes that died at work.")
DECODERS_BUSY = Metric("imagestore_decoders_busy", "gauge", "Decoders at work.")
DECODERS_WAITING = Metric("imagestore_decoder_waiting", "gauge", "Jobs that wait for a decoder.")
EDGE_CONNECTIONS = Metric("imagestore_edge_connections", "gauge", "Connections of clients.")
EDGE_REFUSALS = Metric(
    "imagestore_edge_refusals_total",
    "counter",
    "Requests answered before the application, by error code; what cannot be parsed is `malformed`.",
    ("reason",),
    ("request_timeout", "upload_too_large", "length_mismatch", "overloaded", "malformed"),
)
EDGE_ABORTS = Metric(
    "imagestore_edge_aborts_total",
    "counter",
    "Answers cut off: the client did not take them in time, or they broke off on our side.",
    ("reason",),
    ("slow_reader", "broken"),
)
CACHE_ANSWERS = Metric(
    "imagestore_cache_answers_total",
    "counter",
    "Answers with an image, by where they came from: a worker's memory; Redis (`alias`: no bytes were asked "
    "for, `stale`: MongoDB could not be asked); a rendition kept in GridFS; made or read anew (`miss`), by "
    "another request too (`collapsed`); past Redis (`bypass`).",
    ("source",),
    ("memory", "redis", "alias", "stale", "gridfs", "miss", "collapsed", "bypass"),
)
CACHE_BYTES = Metric(
    "imagestore_cache_bytes_total",
    "counter",
    "Bytes of their bodies, by the same.",
    ("source",),
    ("memory", "redis", "alias", "stale", "gridfs", "miss", "collapsed", "bypass"),
)
EDGE_MEMORY_BYTES = Metric(
    "imagestore_edge_memory_bytes", "gauge", "Bytes of answers that workers keep in their memory."
)
EDGE_MEMORY_ENTRIES = Metric(
    "imagestore_edge_memory_entries", "gauge", "Answers that workers keep in their memory."
)
EDGE_EVICTIONS = Metric(
    "imagestore_edge_evictions_total", "counter", "Answers that left the memory for want of room."
)
STALE_NAMES = Metric(
    "imagestore_stale_names_total",
    "counter",
    "Names answered from what Redis knew last, since MongoDB could not be asked.",
)
WORKERS = Metric("imagestore_workers", "gauge", "Worker processes.")
BUILD = Metric(
    "imagestore_build_info", "gauge", "1 for each worker, by the version that it runs.", ("version",)
)
RATE_LIMITED = Metric(
    "imagestore_rate_limited_total",
    "counter",
    "Requests refused by a rate limit: that of an address, of a credential, of its writes, of wrong secrets.",
    ("limit",),
    ("address", "credential", "writes", "failures"),
)

VOLUME_BYTES = Metric(
    "imagestore_volume_bytes",
    "gauge",
    "Bytes of every version, of every different blob once, and of blobs that a sweep is to remove: "
    "as the upkeep of all nodes last counted them.",
    ("kind",),
)
VOLUME_ITEMS = Metric(
    "imagestore_volume_items", "gauge", "Buckets, images, versions, blobs, blobs to be removed.", ("kind",)
)
DISK_BYTES = Metric(
    "imagestore_disk_bytes",
    "gauge",
    "The disk under a member of the database: its size, what is used, and what of that MongoDB reuses. "
    "NaN where the member cannot be asked.",
    ("member", "kind"),
)
DISK_GROWTH = Metric(
    "imagestore_disk_growth_bytes", "gauge", "What such a disk fills by a day. NaN if not known.", ("member",)
)
DISK_DAYS = Metric(
    "imagestore_disk_days_left",
    "gauge",
    "Days until such a disk is full. +Inf if it does not fill, NaN if that is not known.",
    ("member",),
)
FINDINGS = Metric(
    "imagestore_findings", "gauge", "What the last checks found wrong, by severity.", ("severity",)
)
ALERTS = Metric("imagestore_alert_level", "gauge", "Alerts: 0 ok, 1 warning, 2 critical.", ("alert",))
UPKEEP_ENDED = Metric(
    "imagestore_upkeep_timestamp_seconds",
    "gauge",
    "When each part of upkeep was last done: Unix time.",
    ("job",),
)
UPKEEP_FAILED = Metric(
    "imagestore_upkeep_failures_total", "counter", "Parts of upkeep that failed on this node.", ("job",)
)
UPKEEP_REMOVED = Metric(
    "imagestore_upkeep_removed_bytes_total", "counter", "Bytes of blobs that sweeps of this node removed."
)
UPKEEP_READ = Metric(
    "imagestore_upkeep_read_bytes_total", "counter", "Bytes that readings of all blobs read on this node."
)
LIFECYCLE_ENDED = Metric(
    "imagestore_lifecycle_ended_total",
    "counter",
    "What lifecycle rules ended, as this node carried them out.",
    ("kind",),
    ("object", "noncurrent", "marker", "upload"),
)
UPKEEP_LEASE = Metric("imagestore_upkeep_lease", "gauge", "1 on the node that does the upkeep now.")
DAMAGE_NOTED = Metric(
    "imagestore_blob_damage_noted_total",
    "counter",
    "Reads that met damage of which the upkeep of all nodes was told.",
)
WEBHOOK = Metric(
    "imagestore_webhook_total",
    "counter",
    "Alerts told to the webhook, or not.",
    ("result",),
    ("sent", "failed"),
)
PURGE_HOOK = Metric(
    "imagestore_purge_hook_keys_total",
    "counter",
    "Keys that a shared cache was told to drop, has to be told again, or never took.",
    ("result",),
    ("sent", "retried", "failed"),
)

TABLE = (
    HTTP_REQUESTS,
    HTTP_SECONDS,
    HTTP_ERRORS,
    FETCHES,
    FETCH_BYTES,
    GRIDFS_READS,
    GRIDFS_BYTES,
    BLOB_DAMAGE,
    UPLOADS,
    UPLOAD_BYTES,
    REDIS_EVENTS,
    REDIS_BREAKER,
    DECODER_JOBS,
    DECODER_SECONDS,
    RENDITIONS,
    RENDER_SECONDS,
    DECODER_DEATHS,
    DECODERS_BUSY,
    DECODERS_WAITING,
    EDGE_CONNECTIONS,
    EDGE_REFUSALS,
    EDGE_ABORTS,
    CACHE_ANSWERS,
    CACHE_BYTES,
    EDGE_MEMORY_BYTES,
    EDGE_MEMORY_ENTRIES,
    EDGE_EVICTIONS,
    STALE_NAMES,
    WORKERS,
    BUILD,
    RATE_LIMITED,
    VOLUME_BYTES,
    VOLUME_ITEMS,
    DISK_BYTES,
    DISK_GROWTH,
    DISK_DAYS,
    FINDINGS,
    ALERTS,
    UPKEEP_ENDED,
    UPKEEP_FAILED,
    UPKEEP_REMOVED,
    UPKEEP_READ,
    LIFECYCLE_ENDED,
    UPKEEP_LEASE,
    DAMAGE_NOTED,
    WEBHOOK,
    PURGE_HOOK,
)


class Metrics:
    """The counters of one process, made once in each, after the fork. Safe to use from many threads.

    A counter or histogram never goes back while the service runs, whichever workers come and go; a gauge is
    the sum over the processes that live. A process that is no `worker` is not counted as one. One that is
    not `enabled` counts nothing, at next to no cost.

    Raises RuntimeError when the client library was imported before FOLDER_VARIABLE was set: it chooses
    at that moment where counters are kept, and would keep each worker's to itself.
    """

    def __init__(self, *, enabled: bool = True, worker: bool = True) -> None:
        self._parts: dict[str, Any] = {}
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._folder: str | None = None
        if not enabled:
            return
        # Not at the top: what the library does depends on the environment that it is first imported in.
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values

        folder = os.environ.get(FOLDER_VARIABLE)
        if bool(folder) != getattr(values.ValueClass, "_multiprocess", False):
            raise RuntimeError(f"prometheus_client was imported before {FOLDER_VARIABLE} was set or unset")
        if folder and not _allocate_files(folder):
            return
        self._folder = folder
        self._registry = CollectorRegistry()
        for metric in TABLE:
            given = (metric.name, metric.about, metric.labels)
            if metric.kind == "counter":
                self._parts[metric.name] = Counter(*given, registry=self._registry)
            elif metric.kind == "gauge":
                gauge = Gauge(*given, registry=self._registry, multiprocess_mode="livesum")
                self._parts[metric.name] = gauge
            else:
                self._parts[metric.name] = Histogram(*given, registry=self._registry, buckets=metric.buckets)
            for value in metric.values:
                self._parts[metric.name].labels(value)
        if worker:
            self.put(WORKERS, 1)
            self.put(BUILD, 1, __version__)

    @property
    def enabled(self) -> bool:
        return bool(self._parts)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter; to a gauge too, where `by` may be negative."""
        if self._parts:
            self._part(metric, labels).inc(by)

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        if self._parts:
            self._part(metric, labels).set(value)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Note one value in a histogram."""
        if self._parts:
            self._part(metric, labels).observe(value)

    def _part(self, metric: Metric, labels: tuple[str, ...]) -> Any:
        """The library's own look-up by labels takes as long as the counting."""
        known = self._children.get((metric.name, labels))
        if known is None:
            part = self._parts[metric.name]
            known = self._children[metric.name, labels] = part.labels(*labels) if labels else part
        return known

    def text(self) -> bytes:
        """What a scraper reads (CONTENT_TYPE): all workers' counters added up."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if self._folder is None:
            return generate_latest(self._registry) if self.enabled else b""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]
        with locked(self._folder, shared=True):
            return generate_latest(registry)

    def total(self, metric: Metric) -> float | None:
        """A counter over all its labels and all workers; None where nothing is counted."""
        if not self.enabled:
            return None
        lines = self.text().decode().splitlines()
        heads = (metric.name + " ", metric.name + "{")
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(heads))

    def totals(self, *metrics: Metric) -> list[dict[str, float]]:
        """Of each counter or gauge, over all workers, by the value of its only label, "" for one without."""
        lines = self.text().decode().splitlines()
        found = []
        for metric in metrics:
            head = re.compile(re.escape(metric.name) + r'(?:\{\w+="([^"]*)"\})? (\S+)')
            samples = filter(None, map(head.fullmatch, lines))
            found.append({sample[1] or "": float(sample[2]) for sample in samples})
        return found


SILENT = Metrics(enabled=False)
"""Counts nothing and holds nothing: for parts that are used outside of a service."""


def _allocate_files(folder: str) -> bool:
    """Room on the disk for this process' counters: a mapped page that a full disk lacks would be a SIGBUS."""
    try:
        for kind in ("counter", "gauge_livesum", "histogram"):
            allocate(f"{folder}/{kind}_{os.getpid()}.db", FILE_BYTES)
    except OSError as error:
        log.warning("no metrics from process %s, for want of room in %s: %s", os.getpid(), folder, error)
        return False
    return True

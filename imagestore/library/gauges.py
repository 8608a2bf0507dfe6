"""The metrics of what upkeep knows: every node shows what the one that does the upkeep found."""

from __future__ import annotations

import math

from imagestore.core.metrics import (
    ALERTS,
    DISK_BYTES,
    DISK_DAYS,
    DISK_GROWTH,
    FINDINGS,
    UPKEEP_ENDED,
    VOLUME_BYTES,
    VOLUME_ITEMS,
    Metrics,
)
from imagestore.library.capacity import Outlook, Volume
from imagestore.library.survey import Survey


def show(survey: Survey, metrics: Metrics) -> None:
    """What is not known yet is not there, rather than 0."""
    if survey.volume is not None:
        _show_volume(survey.volume, metrics)
    for outlook in survey.disks.outlooks if survey.disks else ():
        _show_outlook(outlook, metrics)
    if survey.check is not None or survey.reading is not None:
        for severity, number in survey.severities().items():
            metrics.put(FINDINGS, number, severity)
    for name, standing in survey.standings().items():
        metrics.put(ALERTS, standing.level.rank, name)
    for job, at in survey.ended().items():
        if at is not None:
            metrics.put(UPKEEP_ENDED, at.timestamp(), job)


def _show_volume(volume: Volume, metrics: Metrics) -> None:
    for kind, size in (("logical", volume.logical), ("stored", volume.stored), ("unnamed", volume.unnamed)):
        metrics.put(VOLUME_BYTES, size, kind)
    for kind, number in (
        ("buckets", volume.buckets),
        ("images", volume.images),
        ("versions", volume.versions),
        ("blobs", volume.blobs),
        ("unnamed_blobs", volume.unnamed_blobs),
    ):
        metrics.put(VOLUME_ITEMS, number, kind)


def _show_outlook(outlook: Outlook, metrics: Metrics) -> None:
    disk, known = outlook.disk, not outlook.disk.problem
    for kind, size in (("total", disk.total), ("used", disk.used), ("reusable", disk.reusable)):
        metrics.put(DISK_BYTES, size if known else math.nan, disk.member, kind)
    grown, days = outlook.growth, outlook.days_left
    metrics.put(DISK_GROWTH, math.nan if grown is None else grown, disk.member)
    fills = math.nan if grown is None else math.inf
    metrics.put(DISK_DAYS, fills if days is None else days, disk.member)

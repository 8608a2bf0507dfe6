"""Readings: what a key in a URL can mean, and what was found under one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagestore.core.image import Bucket, Version
from imagestore.imaging.formats import by_extension
from imagestore.library.aliases import Ground, Known, bucket_ground, image_ground, version_ground


@dataclass(frozen=True, slots=True)
class Found:
    """What a URL names.

    `immutable`: it named this very version, so the answer never changes. `remembered`: Redis knew it.
    `stale`: no primary could be asked, and this is what a secondary has, or what Redis knew last.
    `extension` is the format that the URL asks for by what it has behind the key, None where it has nothing.
    `grounds` are what it depends on; none for a stale one, which nobody may keep.
    """

    bucket: Bucket
    version: Version
    immutable: bool
    remembered: bool
    stale: bool = False
    extension: str | None = None
    grounds: tuple[Ground, ...] = ()


class Reading(NamedTuple):
    """What a key in a URL can mean: an image's key, and the format that is asked for behind it, if one is."""

    key: str
    extension: str | None = None


def readings_of(key: str) -> tuple[Reading, ...]:
    """The key as it stands; else the key without the extension of a format."""
    stem, dot, extension = key.rpartition(".")
    shown = by_extension(extension)
    return (Reading(key), Reading(stem, shown.name)) if stem and dot and shown else (Reading(key),)


def grounds_of_absence(bucket: Bucket, key: str) -> tuple[Ground, ...]:
    """What it depends on that a key means no image."""
    return (bucket_ground(bucket), *(image_ground(bucket.name, each.key) for each in readings_of(key)))


def remembered(
    bucket: Bucket, readings: Sequence[Reading], known: Sequence[Known], wanted: int | None
) -> Found | None:
    """What Redis knows, if that is all that there is to know: a key as it stands comes first."""
    grounds = [bucket_ground(bucket)]
    for reading, each in zip(readings, known, strict=True):
        version = each.version(wanted)
        here = image_ground(bucket.name, reading.key, each.generation)
        if version is not None:
            grounds.append(here if version is each.newest else version_ground(version))
            return Found(
                bucket,
                version,
                wanted is not None,
                remembered=True,
                extension=reading.extension,
                grounds=tuple(grounds),
            )
        if not each.absent:
            return None
        grounds.append(here)
    return None

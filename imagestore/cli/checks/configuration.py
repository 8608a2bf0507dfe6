"""Checks of the settings: are they usable, and are there odd ones among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from imagestore.cli.checks.report import Finding, Place, Subject, ok, problem, warning
from imagestore.cli.terminal import size_text
from imagestore.settings import Settings

SHORTEST_KEY = 16
GOOD_KEY = 32
MANY_WORKERS = 4
"""For each core: beyond that they only wait for each other."""

_LOOPBACK = ("127.", "localhost:", "[::1]:")
_GUESSABLE = ("secret", "changeme", "change-me", "password", "imagestore", "example", "default", "test")


@dataclass(frozen=True, slots=True)
class Configuration:
    """`memory` is this machine's, in bytes."""

    settings: Settings
    complaints: tuple[str, ...]
    cores: int
    memory: int

    @property
    def public(self) -> bool:
        """Whether other machines reach the service, with no proxy on this one in between."""
        return not self.settings.bind.startswith(_LOOPBACK)


def look(place: Place) -> Configuration:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Configuration(place.settings, place.complaints, len(os.sched_getaffinity(0)), memory)


def usable(of: Configuration) -> Iterator[Finding]:
    for each in of.complaints:
        yield problem(each, "Mend it: the service does not start with it. Here its default stands for it.")
    if not of.complaints:
        yield ok("Every setting can be used.")


def secrets(of: Configuration) -> Iterator[Finding]:
    advice = "Make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'."
    for name in ("secret_key", "admin_secret"):
        value: str = getattr(of.settings, name)
        variable = f"IMAGESTORE_{name.upper()}"
        if not value:
            continue
        if name == "secret_key" and len(value) < SHORTEST_KEY:
            yield problem(f"{variable} has fewer than {SHORTEST_KEY} characters.", advice)
        elif len(value) < GOOD_KEY or len(set(value)) < 10:
            yield warning(f"{variable} is short, or always the same: it may be guessed.", advice)
        elif any(each in value.lower() for each in _GUESSABLE):
            yield warning(f"{variable} looks like an example.", advice)
    if of.settings.mongo_url and not of.settings.secret_key:
        told = "The server key is one that this machine makes and keeps."
        yield warning(
            told, "Set IMAGESTORE_SECRET_KEY, to the same on every node, before there is a second one."
        )


def workers(of: Configuration) -> Iterator[Finding]:
    settings = of.settings
    told = f"Workers: {settings.workers}; decoders in each: {settings.decoders}; cores: {of.cores}."
    if settings.workers > MANY_WORKERS * of.cores:
        yield warning(told, "Lower IMAGESTORE_WORKERS to one or two for each core.")
    elif settings.workers * settings.decoders > MANY_WORKERS * of.cores:
        yield warning(told, "Lower IMAGESTORE_DECODERS: decoding is where the CPU goes.")
    else:
        yield ok(told)


def decoder_memory(of: Configuration) -> Iterator[Finding]:
    settings = of.settings
    most = settings.workers * settings.decoders * settings.decode_bytes
    if most > of.memory:
        told = f"The decoders together may take {size_text(most)} of {size_text(of.memory)} memory."
        yield warning(told, "Lower IMAGESTORE_DECODE_BYTES, IMAGESTORE_DECODERS or IMAGESTORE_WORKERS.")


def decode_queue(of: Configuration) -> Iterator[Finding]:
    settings = of.settings
    if settings.decode_queue >= settings.threads:
        told = f"{settings.decode_queue} pictures may wait for a decoder, with {settings.threads} threads."
        yield warning(
            told, "Keep IMAGESTORE_DECODE_QUEUE below IMAGESTORE_THREADS, or uploads hold every thread."
        )


def metrics(of: Configuration) -> Iterator[Finding]:
    if of.settings.metrics == "public" and of.public:
        yield warning(
            "Everybody may read /metrics.", "Set IMAGESTORE_METRICS=admin, or keep it behind a proxy."
        )


def public_url(of: Configuration) -> Iterator[Finding]:
    if of.public and not of.settings.public_url:
        told = "Other machines reach the service, and URLs in answers are made from what a request says."
        yield warning(told, "Set IMAGESTORE_PUBLIC_URL to what the world sees, with TLS by a proxy in front.")


def verbosity(of: Configuration) -> Iterator[Finding]:
    if of.settings.log_level == "debug":
        yield warning("The log is that of debugging.", "Set IMAGESTORE_LOG_LEVEL=info where it is busy.")


CONFIGURATION = Subject(
    "settings",
    look,
    (usable, secrets, workers, decoder_memory, decode_queue, metrics, public_url, verbosity),
)

"""Checks of the service that runs: is it ready, of this version, and does it take the credential."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from imagestore import __version__
from imagestore.cli.checks.report import Finding, Place, Subject, Unseen, ok, problem, warning
from imagestore.cli.terminal import connect
from imagestore.client import NO_RETRIES, Readiness
from imagestore.core.errors import ImagestoreError, ServiceUnreachable

SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class ServiceState:
    """`refused` is why it does not take the credential, empty if it does."""

    url: str
    version: str
    readiness: Readiness
    refused: str


def look(place: Place) -> ServiceState:
    if not place.settings.url and place.notes.service() is None:
        raise Unseen(ok("None was started here yet, and IMAGESTORE_URL names none."))
    try:
        with connect(timeout=SECONDS, retries=NO_RETRIES) as client:
            readiness = client.readiness()
            version = str(client.openapi()["info"]["version"])
            try:
                client.buckets()
                refused = ""
            except ImagestoreError as error:
                refused = error.message
            return ServiceState(client.url, version, readiness, refused)
    except click.ClickException as error:
        raise Unseen(problem(error.message, "Set what is missing.")) from error
    except ServiceUnreachable as error:
        if not place.settings.url:
            raise Unseen(ok("The one that was started here is not running.")) from error
        raise Unseen(problem(error.message, "Start it, or mend IMAGESTORE_URL.")) from error


def readiness(state: ServiceState) -> Iterator[Finding]:
    parts = ", ".join(f"{name} {how}" for name, how in state.readiness["parts"].items())
    if state.readiness["status"] == "ready":
        yield ok(f"{state.url} is ready ({parts}).")
    else:
        yield problem(f"{state.url} is not ready ({parts}).", "Mend what is down; its log says more.")


def cache(state: ServiceState) -> Iterator[Finding]:
    if state.readiness["parts"].get("redis") == "down":
        yield warning("It works without Redis.", "Bring Redis back: until then MongoDB answers everything.")


def damage(state: ServiceState) -> Iterator[Finding]:
    damaged = state.readiness["details"].get("damaged_reads")
    if damaged:
        told = f"Stored bytes were found damaged {damaged} times since it started."
        yield problem(told, "Run `imagestore fsck --deep`, then `imagestore restore --verify` from a backup.")


def same_version(state: ServiceState) -> Iterator[Finding]:
    if state.version == __version__:
        yield ok(f"It is of version {state.version}, as this command.")
    else:
        told = f"It is of version {state.version}, this command of {__version__}."
        yield warning(told, "Restart it after an upgrade, or use the command that came with it.")


def credential(state: ServiceState) -> Iterator[Finding]:
    if not state.refused:
        yield ok("It takes this command's credential.")
    elif state.readiness["status"] == "ready":
        advice = "Set IMAGESTORE_ACCESS_KEY and IMAGESTORE_ACCESS_SECRET to one that it knows."
        yield problem(f"It does not take this command's credential: {state.refused}", advice)


SERVICE = Subject("service", look, (readiness, cache, damage, same_version, credential))

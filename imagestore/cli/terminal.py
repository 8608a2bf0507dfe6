"""What the commands share: errors as one line, JSON on standard output, the connection to the service."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from imagestore.cli.notes import Notes
from imagestore.cli.statuses import FAILED, INTERRUPTED, status_of
from imagestore.client import Client, Retries
from imagestore.client.retries import RETRIES
from imagestore.core.errors import ImagestoreError
from imagestore.settings import Settings
from imagestore.settings.variables import InvalidSetting


class Failure(click.ClickException):
    """Ends the command with one line on standard error and an exit status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = status  # type: ignore[misc]  # click has one for each class

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"imagestore: {self.message}", file=file or sys.stderr)


class Program(click.Group):
    """A group whose commands may raise errors of ours: they end in one line, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImagestoreError as error:
            raise Failure(describe(error), status_of(error)) from error
        except InvalidSetting as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


def describe(error: ImagestoreError) -> str:
    return f"{error.message} ({error.code})"


@contextmanager
def connect(timeout: float = 30, retries: Retries = RETRIES) -> Iterator[Client]:
    """A client of the service that the settings name, else of the one that was noted.

    A noted secret goes only to the noted URL. Raises Failure where something is missing.
    """
    settings = Settings.load()
    given = (settings.access_key, settings.access_secret)
    if any(given) and not all(given):
        raise Failure("Set both IMAGESTORE_ACCESS_KEY and IMAGESTORE_ACCESS_SECRET, or neither.")
    url, (key, secret) = settings.url, given
    if url and not key:
        raise Failure("IMAGESTORE_URL is set: set IMAGESTORE_ACCESS_KEY and IMAGESTORE_ACCESS_SECRET too.")
    if not url:
        noted = Notes(settings.data).service()
        if noted is None:
            raise Failure(
                f"No service is known in {settings.data}: start one with `imagestore serve`, or set "
                "IMAGESTORE_URL, IMAGESTORE_ACCESS_KEY and IMAGESTORE_ACCESS_SECRET."
            )
        url = noted.url
        if not key:
            key, secret = noted.access_key, noted.secret
    with Client(url, key, secret, timeout=timeout, retries=retries) as client:
        yield client


def print_json(value: Any, *, err: bool = False) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=not _speaks_unicode()), err=err)


def _speaks_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def lines_of(stream: IO[bytes]) -> Iterator[str]:
    """The lines of a list on standard input that are not empty, undecodable bytes as file names have them."""
    for line in stream:
        text = line.decode("utf-8", "surrogateescape").rstrip("\r\n")
        if text:
            yield text


def printable(text: str) -> str:
    """Text from elsewhere as it may go to a terminal: control characters and lone surrogates escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def size_text(size: float) -> str:
    """Bytes for people: `4.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def print_table(rows: Iterable[tuple[str, ...]], *, err: bool = False) -> None:
    """Columns of text, as wide as they need to be; the last one is not padded."""
    listed = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)][:-1]
    for row in listed:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*padded, row[-1]]), err=err)


def rate_of(text: str) -> float:
    """A number a second, from `N` or `N/s`. Raises click.BadParameter."""
    try:
        rate = float(text.removesuffix("/s"))
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise click.BadParameter(f"{text!r} is no rate: use a number a second, such as 100/s.")
    return rate

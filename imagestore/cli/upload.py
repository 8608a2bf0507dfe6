"""`imagestore upload`: files, folders and lists of files, in parallel; what is there is not sent."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.images import bucket_option
from imagestore.cli.progress import progress_bar
from imagestore.cli.statuses import FAILED, status_of, status_of_all
from imagestore.cli.terminal import connect, describe, lines_of, print_json, printable, size_text
from imagestore.client import Client, ImageInfo
from imagestore.core.errors import Forbidden, ImageNotFound, ImagestoreError, UnsupportedFormat

State = Literal["uploaded", "relabelled", "skipped", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file to send. `named`: it was asked for by name, rather than found in a folder."""

    path: Path
    key: str
    named: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a file. `size` is what was sent of it, in bytes; `status` is the exit status that a
    failure calls for."""

    source: Source
    state: State
    size: int = 0
    reason: str = ""
    status: int = FAILED


class Options(TypedDict):
    """What the command was told, by the names of its options."""

    bucket: str
    prefix: str
    tags: str | None
    jobs: int
    from_stdin: bool
    quiet: bool
    as_json: bool


@click.command(
    epilog="""\b
    Examples:
      imagestore upload beach.jpg --tags sea
      imagestore upload holiday/ --prefix 2024/ --jobs 8
      find . -name '*.jpg' -newer last | imagestore upload -
    """
)
@click.argument("paths", nargs=-1, type=click.Path(exists=True, allow_dash=True))
@bucket_option
@click.option("--prefix", default="", help="Put this in front of every key, such as `2024/`.")
@click.option("--tags", help="Tags for every image, separated by commas.")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Uploads at once.")
@click.option(
    "--from-stdin", is_flag=True, help="Read file names from standard input, one a line; so does `-`."
)
@click.option("--quiet", is_flag=True, help="Print failures only.")
@as_json
def upload(paths: tuple[str, ...], **options: Unpack[Options]) -> None:
    """Upload files, and folders with all that is in them.

    A file's key is its name; in a folder, its path below the folder (hidden files are left out); from
    standard input, a relative path as it is written. What the service has under that key already is not sent.
    Files of a folder that are no pictures are listed as refused, which is no failure.
    """
    if not paths and not options["from_stdin"]:
        raise click.UsageError("Name files or folders to upload, or use --from-stdin.")
    sources = list(_sources(paths, options["from_stdin"], options["prefix"]))
    tags = options["tags"]
    wanted = [tag.strip() for tag in tags.split(",") if tag.strip()] if tags is not None else None
    outcomes = []
    watched = not (options["quiet"] or options["as_json"])
    with connect() as client, progress_bar("uploading", wanted=watched) as bar:
        _check_bucket(client, options["bucket"])
        bar.start(len(sources))
        for outcome in _send_all(_Sender(client, options["bucket"], wanted), sources, options["jobs"]):
            outcomes.append(outcome)
            bar.advance(1, outcome.source.key)
            bar.advance_bytes(outcome.size)
    outcomes.sort(key=lambda outcome: outcome.source.key)
    _report(outcomes, as_json=options["as_json"], quiet=options["quiet"])
    failures = [outcome.status for outcome in outcomes if outcome.state == "failed"]
    if failures:
        raise click.exceptions.Exit(status_of_all(failures))


def _sources(paths: Sequence[str], from_stdin: bool, prefix: str) -> Iterator[Source]:
    for name in paths:
        if name == "-":
            continue
        path = Path(name)
        if path.is_dir():
            yield from _walk(path, prefix)
        else:
            yield Source(path, prefix + path.name)
    if from_stdin or "-" in paths:
        for line in lines_of(sys.stdin.buffer):
            written = Path(os.path.normpath(line))
            below = not written.is_absolute() and written.parts[0] != ".."
            yield Source(written, prefix + (written.as_posix() if below else written.name))


def _walk(folder: Path, prefix: str) -> Iterator[Source]:
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if not name.startswith(".") and path.is_file():
                yield Source(path, prefix + path.relative_to(folder).as_posix(), named=False)


def _check_bucket(client: Client, bucket: str) -> None:
    """Find out before the first file whether there is a service, a credential and a bucket."""
    with suppress(Forbidden):  # a credential that may only write
        client.bucket(bucket)


def _send_all(sender: _Sender, sources: Iterable[Source], jobs: int) -> Iterator[Outcome]:
    taken: dict[str, Source] = {}
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = []
            for source in sources:
                first = taken.setdefault(source.key, source)
                if first is source:
                    futures.append(pool.submit(sender.send, source))
                else:
                    yield Outcome(source, "failed", reason=f"its key is taken by {first.path}")
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Sender:
    def __init__(self, client: Client, bucket: str, tags: list[str] | None) -> None:
        self._client = client
        self._bucket = bucket
        self._tags = tags

    def send(self, source: Source) -> Outcome:
        try:
            return self._send(source)
        except UnsupportedFormat as error:
            return Outcome(source, "failed" if source.named else "refused", reason=describe(error))
        except ImagestoreError as error:
            return Outcome(source, "failed", reason=describe(error), status=status_of(error))
        except OSError as error:
            return Outcome(source, "failed", reason=f"it cannot be read: {error.strerror}")

    def _send(self, source: Source) -> Outcome:
        present = self._look(source.key)
        if present is None or not _is_same(present, source.path):
            sent = self._client.upload(self._bucket, source.path, source.key, tags=self._tags)
            return Outcome(source, "uploaded", size=sent["bytes"])
        if self._tags is not None and set(self._tags) != set(present["tags"]):
            self._client.relabel(self._bucket, source.key, self._tags)
            return Outcome(source, "relabelled")
        return Outcome(source, "skipped")

    def _look(self, key: str) -> ImageInfo | None:
        try:
            return self._client.image(self._bucket, key)
        except (ImageNotFound, Forbidden):
            return None


def _is_same(image: ImageInfo, path: Path) -> bool:
    if path.stat().st_size != image["bytes"]:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == image["digest"]


def _report(outcomes: list[Outcome], *, as_json: bool, quiet: bool) -> None:
    by_state: dict[State, list[Outcome]] = {
        "uploaded": [],
        "relabelled": [],
        "skipped": [],
        "refused": [],
        "failed": [],
    }
    for outcome in outcomes:
        by_state[outcome.state].append(outcome)
    size = sum(outcome.size for outcome in outcomes)
    if as_json:
        shown: dict[str, Any] = {state: [_as_dict(each) for each in them] for state, them in by_state.items()}
        print_json({**shown, "bytes": size})
        return
    told = by_state["failed"] if quiet else [*by_state["refused"], *by_state["failed"]]
    for outcome in told:
        line = f"{outcome.state}: {printable(str(outcome.source.path))}: {outcome.reason}"
        click.echo(line, err=True)
    if not quiet:
        counts = [f"{len(them)} {state}" for state, them in by_state.items() if them]
        click.echo(f"{', '.join(counts) or 'nothing to upload'} ({size_text(size)} sent)")


def _as_dict(outcome: Outcome) -> dict[str, str]:
    named = {"path": str(outcome.source.path), "key": outcome.source.key}
    return named | ({"reason": outcome.reason} if outcome.reason else {})

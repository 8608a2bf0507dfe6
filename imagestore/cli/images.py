"""`imagestore ls`, `show`, `get`, `rm` and `sign`: what to do with images that are there."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_buckets, offer_files, offer_keys
from imagestore.cli.statuses import status_of, status_of_all
from imagestore.cli.terminal import Failure, connect, describe, print_json, print_table, printable, size_text
from imagestore.client import ImageInfo
from imagestore.core.errors import ImagestoreError

bucket_option = click.option(
    "--bucket", default="default", show_default=True, help="The bucket.", shell_complete=offer_buckets
)
version_option = click.option("--version", type=int, help="This version's number; else the newest.")


@click.command(epilog="Example: imagestore ls 2024/ --tag sea -l")
@click.argument("prefix", default="", shell_complete=offer_keys)
@bucket_option
@click.option("--tag", help="Only images with this tag.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("-l", "long", is_flag=True, help="With size, dimensions, format and time.")
@as_json
def ls(prefix: str, bucket: str, tag: str | None, limit: int | None, long: bool, as_json: bool) -> None:
    """List the images whose key begins with PREFIX."""
    with connect() as client:
        found = client.images(bucket, prefix, tag, limit)
        if as_json:
            print_json(list(found))
        elif long:
            print_table(_long_row(image) for image in found)
        else:
            for image in found:
                click.echo(printable(image["key"]))


def _long_row(image: ImageInfo) -> tuple[str, ...]:
    dimensions = f"{image['width']}x{image['height']}"
    return (size_text(image["bytes"]), dimensions, image["format"], image["created"], image["key"])


@click.command(epilog="Example: imagestore show beach.jpg --json")
@click.argument("key", shell_complete=offer_keys)
@bucket_option
@as_json
def show(key: str, bucket: str, as_json: bool) -> None:
    """Show the facts and URLs of the image KEY."""
    with connect() as client:
        image = client.image(bucket, key)
    if as_json:
        print_json(image)
    else:
        print_table((name, _text(value)) for name, value in image.items())


def _text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)
    if isinstance(value, dict):
        return ", ".join(f"{name}={each}" for name, each in value.items())
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


@click.command(epilog="Example: imagestore get beach.jpg -o copy.jpg")
@click.argument("key", shell_complete=offer_keys)
@bucket_option
@version_option
@click.option(
    "-o",
    "--output",
    help="File or folder to write to, `-` for standard output. Else: the key's last part.",
    shell_complete=offer_files,
)
def get(key: str, bucket: str, version: int | None, output: str | None) -> None:
    """Fetch the original of the image KEY, and check it against its digest.

    The file appears, or is replaced, only once it is whole.
    """
    with connect() as client, client.get(bucket, key, version) as download:
        if output == "-":
            for chunk in download:
                sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
            return
        target = _target(key, output)
        try:
            download.save(target)
        except OSError as error:
            raise Failure(f"{target} cannot be written: {error.strerror}.") from error


def _target(key: str, output: str | None) -> Path:
    name = key.rpartition("/")[2]
    target = Path(output or name)
    if output and target.is_dir():
        target /= name
    if not name and (not output or target.is_dir()):
        raise Failure(f"The key {key!r} has no last part to name a file by: use -o FILE.")
    return target


@click.command(epilog="Example: imagestore rm beach.jpg; imagestore rm --prefix 2023/ --yes")
@click.argument("keys", nargs=-1, shell_complete=offer_keys)
@bucket_option
@click.option("--prefix", help="Delete every image whose key begins with this.", shell_complete=offer_keys)
@click.option("--yes", is_flag=True, help="Do not ask before deleting by prefix.")
def rm(keys: tuple[str, ...], bucket: str, prefix: str | None, yes: bool) -> None:
    """Delete the images KEYS with all their versions."""
    if bool(keys) == (prefix is not None):
        raise click.UsageError("Name the keys to delete, or a --prefix.")
    with connect() as client:
        if prefix is not None:
            keys = tuple(image["key"] for image in client.images(bucket, prefix))
            question = f"Delete {len(keys)} images of {bucket} whose key begins with {prefix!r}?"
            if keys and not yes and not click.confirm(question, err=True):
                raise Failure("Nothing was deleted.")
        failures = []
        for key in keys:
            try:
                client.delete(bucket, key)
            except ImagestoreError as error:
                failures.append(status_of(error))
                click.echo(f"imagestore: {printable(key)}: {describe(error)}", err=True)
    if failures:
        raise Failure(f"{len(failures)} of {len(keys)} were not deleted.", status_of_all(failures))


@click.command(epilog="Example: imagestore sign secret.jpg --bucket private --expires 600")
@click.argument("key", shell_complete=offer_keys)
@bucket_option
@version_option
@click.option("--expires", type=click.IntRange(1, 604800), default=3600, show_default=True, help="Seconds.")
def sign(key: str, bucket: str, version: int | None, expires: int) -> None:
    """Print a URL that opens the image KEY of a private bucket for a while."""
    with connect() as client:
        click.echo(client.signed_url(bucket, key, expires, version))

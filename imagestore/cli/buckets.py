"""`imagestore bucket`: make, list, show, change and remove buckets."""

from __future__ import annotations

from typing import Any, cast

import click

from imagestore.cli.completion import offer_buckets
from imagestore.cli.terminal import connect, print_json, print_table
from imagestore.client import BucketInfo
from imagestore.core.image import VISIBILITIES, Visibility

ACCESS = click.Choice(VISIBILITIES)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")


@click.group(epilog="Example: imagestore bucket create avatars --access public-read")
def bucket() -> None:
    """Make, list, show, change and remove buckets."""


@bucket.command(epilog="Example: imagestore bucket create avatars --access public-read")
@click.argument("name")
@click.option(
    "--access", type=ACCESS, default="private", show_default=True, help="Whether everybody may GET."
)
@click.option("--strict", is_flag=True, help="Make only named or signed transformations.")
@as_json
def create(name: str, access: str, strict: bool, as_json: bool) -> None:
    """Make the bucket NAME."""
    with connect() as client:
        made = client.create_bucket(name, cast(Visibility, access), strict=strict)
    _report([made], made, as_json)


@bucket.command(epilog="Example: imagestore bucket ls --json")
@as_json
def ls(as_json: bool) -> None:
    """List the buckets that the credential reaches."""
    with connect() as client:
        found = client.buckets()
    _report(found, found, as_json)


@bucket.command(epilog="Example: imagestore bucket show avatars")
@click.argument("name", shell_complete=offer_buckets)
@as_json
def show(name: str, as_json: bool) -> None:
    """Show the bucket NAME."""
    with connect() as client:
        found = client.bucket(name)
    _report([found], found, as_json)


@bucket.command("set", epilog="Example: imagestore bucket set avatars --access private")
@click.argument("name", shell_complete=offer_buckets)
@click.option("--access", type=ACCESS, help="Whether everybody may GET.")
@click.option(
    "--strict/--no-strict", default=None, help="Whether only named or signed transformations are made."
)
@as_json
def change(name: str, access: str | None, strict: bool | None, as_json: bool) -> None:
    """Change the access of the bucket NAME, or whether it is strict."""
    if access is None and strict is None:
        raise click.UsageError("Say what to change: --access, --strict or --no-strict.")
    with connect() as client:
        if access is not None:
            changed = client.set_access(name, cast(Visibility, access))
        if strict is not None:
            changed = client.set_strict(name, strict)
    _report([changed], changed, as_json)


@bucket.command(epilog="Example: imagestore bucket rm avatars")
@click.argument("name", shell_complete=offer_buckets)
def rm(name: str) -> None:
    """Remove the bucket NAME, which must be empty."""
    with connect() as client:
        client.delete_bucket(name)


def _report(rows: list[BucketInfo], value: Any, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        print_table((each["name"], each["access"], each["created"]) for each in rows)

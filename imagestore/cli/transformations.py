"""`imagestore transformation`: give transformations names, list, show and remove them."""

from __future__ import annotations

from typing import Any

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_buckets
from imagestore.cli.terminal import connect, print_json, print_table
from imagestore.client import TransformationInfo


@click.group(epilog="Example: imagestore transformation put avatars thumb c_fill,g_face,w_200,h_200")
def transformation() -> None:
    """Give transformations names, for URLs with t_NAME, list, show and remove them."""


@transformation.command(
    epilog="Example: imagestore transformation put avatars thumb c_fill,g_face,w_200,h_200"
)
@click.argument("bucket", shell_complete=offer_buckets)
@click.argument("name")
@click.argument("text", metavar="TRANSFORMATION")
@as_json
def put(bucket: str, name: str, text: str, as_json: bool) -> None:
    """Let NAME stand for TRANSFORMATION in BUCKET, from now on."""
    with connect() as client:
        made = client.put_transformation(bucket, name, text)
    _report([made], made, as_json)


@transformation.command(epilog="Example: imagestore transformation ls avatars")
@click.argument("bucket", shell_complete=offer_buckets)
@as_json
def ls(bucket: str, as_json: bool) -> None:
    """List the named transformations of BUCKET."""
    with connect() as client:
        found = client.transformations(bucket)
    _report(found, found, as_json)


@transformation.command(epilog="Example: imagestore transformation show avatars thumb")
@click.argument("bucket", shell_complete=offer_buckets)
@click.argument("name")
@as_json
def show(bucket: str, name: str, as_json: bool) -> None:
    """Show what NAME stands for in BUCKET."""
    with connect() as client:
        found = client.transformation(bucket, name)
    _report([found], found, as_json)


@transformation.command(epilog="Example: imagestore transformation rm avatars thumb")
@click.argument("bucket", shell_complete=offer_buckets)
@click.argument("name")
def rm(bucket: str, name: str) -> None:
    """Remove NAME from BUCKET: URLs with it are answered by 404 then."""
    with connect() as client:
        client.delete_transformation(bucket, name)


def _report(rows: list[TransformationInfo], value: Any, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        print_table((each["name"], each["transformation"], each["changed"]) for each in rows)

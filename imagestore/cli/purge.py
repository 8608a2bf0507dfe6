"""`imagestore purge`: drop what is kept of images' answers and what was made of them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_keys
from imagestore.cli.images import bucket_option
from imagestore.cli.pacing import paced
from imagestore.cli.progress import progress_bar
from imagestore.cli.terminal import connect, print_json, print_table
from imagestore.client import Client, Purged

BATCH = 100


@click.command(
    epilog="""\b
    Examples:
      imagestore purge people/ada.jpg
      imagestore purge --tag campaign-7
      imagestore purge --prefix 2024/ --json
      imagestore purge --all --bucket shop
    """
)
@click.argument("keys", nargs=-1, shell_complete=offer_keys)
@bucket_option
@click.option("--tag", help="The images with this tag.")
@click.option("--prefix", help="The images whose key begins with this.")
@click.option("--all", "everything", is_flag=True, help="All images of the bucket.")
@as_json
def purge(
    keys: tuple[str, ...], bucket: str, tag: str | None, prefix: str | None, everything: bool, as_json: bool
) -> None:
    """Purge the images KEYS: their answers in memory and Redis, on all nodes, and all their renditions.

    The images themselves stay. When the command returns, nothing that was kept before is sent any more.
    """
    if sum([bool(keys), tag is not None, bool(prefix), everything]) != 1:
        raise click.UsageError("Name keys, or choose by one of --tag, --prefix and --all.")
    total = Purged(images=0, renditions=0, next=None)
    with connect() as client, progress_bar("purging", wanted=not as_json) as bar:
        bar.start(len(keys) or None)
        for part in _by_keys(client, bucket, keys) if keys else _by_choice(client, bucket, tag, prefix):
            total["images"] += part["images"]
            total["renditions"] += part["renditions"]
            bar.advance(part["images"], part["next"] or "")
    if as_json:
        print_json({"images": total["images"], "renditions": total["renditions"]})
    else:
        print_table([("images", str(total["images"])), ("renditions", str(total["renditions"]))])


def _by_keys(client: Client, bucket: str, keys: tuple[str, ...]) -> Iterator[Purged]:
    for batch in paced(keys, BATCH):
        yield client.purge(bucket, batch)


def _by_choice(client: Client, bucket: str, tag: str | None, prefix: str | None) -> Iterator[Purged]:
    after: str | None = ""
    while after is not None:
        part = client.purge(bucket, tag=tag, prefix=prefix, after=after)
        yield part
        after = part["next"]

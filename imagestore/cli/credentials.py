"""`imagestore credential`: issue, list and revoke credentials."""

from __future__ import annotations

import click

from imagestore.cli.buckets import as_json
from imagestore.cli.completion import offer_access_keys, offer_buckets
from imagestore.cli.terminal import connect, print_json, print_table


@click.group(epilog="Example: imagestore credential create --scope read --bucket avatars")
def credential() -> None:
    """Make, list and revoke credentials."""


@credential.command(
    epilog="Example: imagestore credential create --scope read --scope write --bucket avatars"
)
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(("read", "write", "admin")),
    multiple=True,
    required=True,
    help="What it may do; may be given again.",
)
@click.option(
    "--bucket",
    "buckets",
    multiple=True,
    help="Only this bucket; may be given again. None: all.",
    shell_complete=offer_buckets,
)
@click.option("--description", default="", help="What it is for.")
@click.option("--owner", help="The account that it belongs to. None: an account of its own.")
@as_json
def create(
    scopes: tuple[str, ...], buckets: tuple[str, ...], description: str, owner: str | None, as_json: bool
) -> None:
    """Make a credential. Its secret is shown this once."""
    with connect() as client:
        made = client.create_credential(scopes, buckets or None, description, owner)
    if as_json:
        print_json(made)
    else:
        print_table(
            [
                ("access key", made["access_key"]),
                ("secret", made["secret"]),
                ("owner", made["owner"]),
                ("canonical id", made["canonical_id"]),
            ]
        )


@credential.command(epilog="Example: imagestore credential ls")
@as_json
def ls(as_json: bool) -> None:
    """List the credentials, without their secrets."""
    with connect() as client:
        found = client.credentials()
    if as_json:
        print_json(found)
        return
    print_table(
        (
            each["access_key"],
            ",".join(each["scopes"]),
            "all buckets" if each["buckets"] is None else ",".join(each["buckets"]),
            each["created"],
            each["owner"],
            each["canonical_id"],
            each["description"],
        )
        for each in found
    )


@credential.command(epilog="Example: imagestore credential revoke ISK7Q2M9ABCDEFGHJKLM")
@click.argument("access_key", shell_complete=offer_access_keys)
def revoke(access_key: str) -> None:
    """Revoke the credential ACCESS_KEY: no worker takes it any more."""
    with connect() as client:
        client.revoke_credential(access_key)
